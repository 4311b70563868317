package group

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The part of TestLive for streams groups.

// localizeTopology renames internal topics for this run.
func (w *liveWorld) localizeTopology(t *kmsg.StreamsGroupHeartbeatRequestTopology) {
	if t == nil {
		return
	}
	for i := range t.Subtopologies {
		s := &t.Subtopologies[i]
		for j := range s.RepartitionSinkTopics {
			s.RepartitionSinkTopics[j] += w.suffix
		}
		for _, list := range [][]kmsg.TopicInfo{s.RepartitionSourceTopics, s.StateChangelogTopics} {
			for j := range list {
				list[j].Topic += w.suffix
			}
		}
	}
}

// awaitTopic waits for an internal topic that the broker creates.
func (w *liveWorld) awaitTopic(name string) {
	for range 50 {
		w.topics = fetchTopics(w.t, w.addr)
		if _, ok := w.topics.byName[name+w.suffix]; ok {
			<-time.After(250 * time.Millisecond) // until the coordinator has seen it
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	w.t.Errorf("the broker did not create %s", name)
}

// setStreamsConfig gives a group settings of its own.
func (w *liveWorld) setStreamsConfig(c command) {
	r := kmsg.NewPtrIncrementalAlterConfigsRequest()
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceType(32), c.Arg(0)+w.suffix
	set := func(name string, value int64) {
		cfg := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		text := strconv.FormatInt(value, 10)
		cfg.Name, cfg.Value = "streams."+name, &text
		res.Configs = append(res.Configs, cfg)
	}
	if n := c.Int("standbys", -1); n >= 0 {
		set("num.standby.replicas", n)
	}
	if d := c.Duration("delay", -1); d >= 0 {
		set("initial.rebalance.delay.ms", d.Milliseconds())
	}
	if d := c.Duration("interval", -1); d >= 0 {
		set("assignment.interval.ms", d.Milliseconds())
	}
	r.Resources = append(r.Resources, res)
	r.Version = 1
	resp, err := roundTrip(w.addr, "c", r)
	if err != nil {
		w.t.Fatal(err)
	}
	if got := resp.(*kmsg.IncrementalAlterConfigsResponse).Resources[0]; got.ErrorCode != 0 {
		w.t.Fatalf("settings of %s: %s %s", res.ResourceName, code(got.ErrorCode), deref(got.ErrorMessage))
	}
	<-time.After(100 * time.Millisecond)
}
