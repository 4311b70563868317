package group

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// streams takes members of streams groups through their lives, with offsets, and what
// other kinds of request see of their groups.
func (d *differ) streams() {
	for _, topology := range []string{"one", "count", "join", "rejoin", "fixed", "two", "missing", "loop", "stray", "sized", "none", "regex", "place", "twice"} {
		g := "st-" + topology
		line := "m tags=a:1 topology=" + topology
		if topology == "one" || topology == "join" {
			line += " endpoint=h:1" // with one, Apache Kafka fails where topics do not fit
		}
		d.stream(g, line)
		d.describeStreams(g)
	}
	// Kafka makes internal topics while the answer is on its way, or after.
	<-time.After(time.Second)
	for _, g := range []string{"st-one", "st-missing", "st-count", "st-join", "st-rejoin", "st-fixed", "st-two"} {
		d.stream(g, "m epoch=2")
		d.stream(g, "m epoch=3")
		d.describeStreams(g)
		d.internalTopics(g)
	}
	for _, line := range []string{
		"- ", "m rack=-", "m instance=i", "m offsets=some", "m offsets=ends", "m warmup=0:1", "m rebalance=null", "m active=null",
		"m standby=0:0", "m topology=null", "m epoch=-2", "m epoch=-3", "m epoch=3 active=0:0 partly=yes", "m epoch=3 topology=one",
		"m epoch=7", "m epoch=-1", "m tags=a:1+a:2", "m topology-epoch=-1", "a process=p1 rack=r", "a epoch=2", "a epoch=2 active=0:0+1+2+3",
		"a epoch=2 active=0:9", "a epoch=2 active=9:0", "a epoch=5", "a epoch=1", "b process=p1", "a epoch=2", "a epoch=2 active=0:0+1",
		"b epoch=3", "b epoch=3 active=", "a epoch=3 endpoints=5", "b epoch=3 shutdown=true", "a epoch=3", "a topology=two",
		"a topology=one topology-epoch=4", "a", "b epoch=-1", "a epoch=3 active=0:0+1", "a epoch=4",
	} {
		d.stream("st", line)
	}
	for _, id := range []string{"st" + d.suffix, "none" + d.suffix, "o3" + d.suffix, ""} {
		d.describeStreams(strings.TrimSuffix(id, d.suffix))
	}
	for _, line := range []string{
		"commit g t-0 member=a gen=4", "commit g t-0 member=a gen=3", "commit g t-0 member=a gen=2", "commit g t-2 member=a gen=3", "commit g u-0 member=a gen=3",
		"commit g t-0 member=a gen=9", "commit g t-0 v=8 member=a gen=4", "commit g t-0", "commit g t-0 member=q gen=4", "commit g t-0 gen=4",
		"heartbeat g a gen=4", "sync g a gen=4", "leave g a", "join g session=10s protos=range:t", "join g a session=10s", "describe g", "offset-delete g t-0 u-0",
		"beat g m", "beat g m epoch=3", "describe-consumer g", "share-beat g m", "describe-share g",
	} {
		d.askOf("st", line)
	}
	for v := int16(4); v <= 5; v++ {
		for _, state := range []string{"Stable", "stable", "Empty", "not_ready", "Reconciling"} {
			r := &kmsg.ListGroupsRequest{Version: v, StatesFilter: []string{state}}
			if v == 5 {
				r.TypesFilter = []string{"Streams"}
			}
			resp, err := roundTrip(d.addr, "c", r)
			if err != nil {
				d.t.Fatal(err)
			}
			var names []string
			for _, g := range resp.(*kmsg.ListGroupsResponse).Groups {
				if strings.HasPrefix(g.Group, "st") && strings.HasSuffix(g.Group, d.suffix) {
					names = append(names, fmt.Sprintf("%+v", g))
				}
			}
			d.out = append(d.out, d.normal(fmt.Sprintf("ListGroups v%d %s: %s", v, state, sortedList(names))))
		}
	}
	d.ask(&kmsg.DeleteGroupsRequest{Version: 2, Groups: []string{"st" + d.suffix}})
	d.stream("st", "a epoch=-1")
	d.describeStreams("st")
	d.askOf("st", "offset-delete g t-0 u-0")
	for _, g := range []string{"st", "st-one"} {
		d.ask(&kmsg.DeleteGroupsRequest{Version: 2, Groups: []string{g + d.suffix}})
	}
}

func (d *differ) stream(group, line string) {
	req := parseCommand("stream " + group + " " + line).request().(*kmsg.StreamsGroupHeartbeatRequest)
	req.Group = group + d.suffix
	w := liveWorld{suffix: d.suffix}
	w.localizeTopology(req.Topology)
	d.ask(req)
}

func (d *differ) describeStreams(group string) {
	req := kmsg.NewPtrStreamsGroupDescribeRequest()
	req.IncludeAuthorizedOperations = true
	req.Groups = []string{group}
	if group != "" {
		req.Groups[0] += d.suffix
	}
	d.ask(req)
}

// askOf sends one of the scripts' requests for a group.
func (d *differ) askOf(group, line string) {
	g := group + d.suffix
	req := parseCommand(line).request()
	switch r := req.(type) {
	case *kmsg.OffsetCommitRequest:
		r.Group = g
	case *kmsg.HeartbeatRequest:
		r.Group = g
	case *kmsg.SyncGroupRequest:
		r.Group = g
	case *kmsg.LeaveGroupRequest:
		r.Group = g
	case *kmsg.JoinGroupRequest:
		r.Group = g
	case *kmsg.DescribeGroupsRequest:
		r.Groups = []string{g}
	case *kmsg.OffsetDeleteRequest:
		r.Group = g
	case *kmsg.ConsumerGroupHeartbeatRequest:
		r.Group = g
	case *kmsg.ConsumerGroupDescribeRequest:
		r.Groups = []string{g}
	case *kmsg.ShareGroupHeartbeatRequest:
		r.GroupID = g
	case *kmsg.ShareGroupDescribeRequest:
		r.GroupIDs = []string{g}
	}
	d.ask(req)
}

// internalTopics compares what the broker has made of a group's topics.
func (d *differ) internalTopics(group string) {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 12
	resp, err := roundTrip(d.addr, "c", req)
	if err != nil {
		d.t.Fatal(err)
	}
	var all []string
	for _, t := range resp.(*kmsg.MetadataResponse).Topics {
		if strings.HasPrefix(*t.Topic, group+"-") && strings.HasSuffix(*t.Topic, d.suffix) {
			all = append(all, fmt.Sprintf("%s: %d partitions, internal %v", *t.Topic, len(t.Partitions), t.IsInternal))
			cfg := kmsg.NewPtrDescribeConfigsRequest()
			cfg.Version = 4
			cfg.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: *t.Topic, ConfigNames: []string{"cleanup.policy", "retention.ms"}}}
			got, err := roundTrip(d.addr, "c", cfg)
			if err != nil {
				d.t.Fatal(err)
			}
			for _, c := range got.(*kmsg.DescribeConfigsResponse).Resources[0].Configs {
				all = append(all, fmt.Sprintf("%s %s=%s %d", *t.Topic, c.Name, deref(c.Value), c.Source))
			}
		}
	}
	d.out = append(d.out, d.normal(sortedList(all)))
}

// sortStreams orders what Kafka takes from hash maps, and the names of topics in a
// status.
func sortStreams(resp kmsg.Response) {
	bySub := func(a, b kmsg.TaskIDs) int { return strings.Compare(a.SubtopologyID, b.SubtopologyID) }
	switch r := resp.(type) {
	case *kmsg.StreamsGroupHeartbeatResponse:
		for _, list := range [][]kmsg.TaskIDs{r.ActiveTasks, r.StandbyTasks, r.WarmupTasks} {
			slices.SortFunc(list, bySub)
		}
		for i := range r.Status {
			if head, names, ok := strings.Cut(r.Status[i].StatusDetail, "missing: "); ok {
				r.Status[i].StatusDetail = head + "missing: " + strings.Join(slices.Sorted(slices.Values(strings.Split(names, ", "))), ", ")
			}
		}
		for i := range r.PartitionsByUserEndpoint {
			e := &r.PartitionsByUserEndpoint[i]
			slices.SortFunc(e.ActivePartitions, func(a, b kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpointActivePartition) int {
				return cmp.Compare(a.Topic, b.Topic)
			})
		}
	case *kmsg.StreamsGroupDescribeResponse:
		for i := range r.Groups {
			g := &r.Groups[i]
			slices.SortFunc(g.Members, func(a, b kmsg.StreamsGroupDescribeResponseGroupMember) int {
				return strings.Compare(a.MemberID, b.MemberID)
			})
			if g.Topology == nil {
				continue
			}
			for j := range g.Topology.Subtopologies {
				s := &g.Topology.Subtopologies[j]
				for _, list := range [][]kmsg.TopicInfo{s.RepartitionSourceTopics, s.StateChangelogTopics} {
					for k := range list {
						slices.SortFunc(list[k].Configs, func(a, b kmsg.TopicInfoConfig) int { return strings.Compare(a.Key, b.Key) })
					}
				}
			}
		}
	}
}
