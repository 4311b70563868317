package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// classic is membership by Kafka's classic protocol: franz-go joins the group with our balancer, one member assigns the
// tasks of all. franz-go calls back in goroutines of its own, which wait here for the manager.
type classic struct {
	p      *process
	client *kgo.Client
	end    context.CancelFunc // of the client's context: the wait for the answer to a join ends with it

	mu      sync.Mutex
	offsets map[TopicPartition]Committed // committed, as fetched for the assignment that comes
}

func newClassic(p *process) *classic {
	return &classic{p: p, offsets: map[TopicPartition]Committed{}}
}

func (c *classic) options() []kgo.Opt {
	a := c.p.app
	s := &a.prog.Settings
	b := &balancer{
		self: c.p.self, tasks: c.p.tasksOf, taskOf: a.taskOf, told: c.p.told, survey: c.p.survey, now: a.now, departed: c.p.departed,
		probing: time.Duration(s.ProbingMs) * time.Millisecond,
		rules: assignRules{
			standbys: s.Standbys, maxWarmups: s.MaxWarmups, acceptableLag: s.AcceptableLag, spread: s.SpreadBy,
			rackAware: s.Rack != "", traffic: s.TrafficCost, nonOverlap: s.NonOverlapCost,
		},
	}
	var ctx context.Context
	ctx, c.end = context.WithCancel(context.Background())
	opts := []kgo.Opt{
		kgo.ConsumerGroup(a.prog.ApplicationID), kgo.Balancers(b), kgo.DisableAutoCommit(),
		kgo.OnOffsetsFetched(c.onFetched), kgo.AdjustFetchOffsetsFn(c.onAdjust),
		kgo.OnPartitionsAssigned(c.onAssigned), kgo.OnPartitionsRevoked(c.onRevoked), kgo.OnPartitionsLost(c.onLost),
		kgo.RebalanceTimeout(rebalanceTimeout), kgo.WithContext(ctx),
	}
	if id := a.prog.Settings.GroupInstanceID; id != "" {
		opts = append(opts, kgo.InstanceID(id))
	}
	session := sessionTimeout
	if ms := a.prog.Settings.SessionTimeoutMs; ms > 0 {
		session = time.Duration(ms) * time.Millisecond
	}
	opts = append(opts, kgo.SessionTimeout(session), kgo.HeartbeatInterval(min(heartbeatInterval, session/3)))
	topics, pattern := a.sourceTopics()
	if pattern {
		for i, t := range topics {
			topics[i] = "^(?:" + t + ")$"
		}
		opts = append(opts, kgo.ConsumeRegex())
	}
	return append(opts, kgo.ConsumeTopics(topics...))
}

// As Kafka's consumer and Kafka Streams set them, but for the heartbeat, which is 3 s there: members hear with their next one that
// the group assigns anew, and the tasks of one that died wait for it.
const (
	sessionTimeout    = 45 * time.Second
	heartbeatInterval = time.Second
	rebalanceTimeout  = 5 * time.Minute
)

// start does nothing: the client joins when it is made, and calls back when the manager is there.
func (c *classic) start(consumer *kgo.Client) { c.client = consumer }

func (c *classic) changed() { c.client.ForceRebalance() }

func (c *classic) identity() (string, int32) { return c.client.GroupMetadata() }

// refused tells whether the group went on to another generation meanwhile.
func (c *classic) refused(_ context.Context, generation int32) bool {
	_, now := c.client.GroupMetadata()
	return now != generation
}

func (c *classic) close(ctx context.Context, leave bool) error {
	instance := c.p.app.prog.Settings.GroupInstanceID
	member, _ := c.client.GroupMetadata()
	switch {
	case !leave && instance == "": // a client that is closed leaves: it must not come to ask
		gone, cancel := context.WithCancel(ctx)
		cancel()
		_ = c.client.LeaveGroupContext(gone) // that it was broken off
		c.end()
		return nil
	case leave && instance != "" && member != "":
		if _, err := c.left(ctx); err != nil { // which ends the heartbeats, and says nothing for a static member
			return err
		}
		return c.leaveAs(ctx, member, &instance)
	}
	if joining, err := c.left(ctx); !joining || !leave || member == "" {
		return err
	}
	return c.leaveAs(ctx, member, nil)
}

// left lets the client leave. It would wait for the answer to a join, which the broker holds back until members that died have
// timed out: then it is broken off, and has not told the group.
func (c *classic) left(ctx context.Context) (joining bool, err error) {
	done := make(chan error, 1)
	go func() { done <- c.client.LeaveGroupContext(ctx) }()
	wait, cancel := context.WithTimeout(ctx, joinPatience)
	defer cancel()
	select {
	case err = <-done:
		return false, err
	case <-wait.Done():
		c.end()
		if err := <-done; err != nil {
			c.p.app.log.Debug("the wait for the group is broken off", "error", err)
		}
		return true, nil
	}
}

// joinPatience is how long a close waits for the answer to a join, which comes at once where no member is missing.
const joinPatience = 2 * time.Second

func (c *classic) leaveAs(ctx context.Context, member string, instance *string) error {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = c.p.app.prog.ApplicationID
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID, m.InstanceID = member, instance
	m.Reason = kmsg.StringPtr("the app was closed to leave")
	req.Members = append(req.Members, m)
	resp, err := req.RequestWith(ctx, c.p.app.cluster.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err == nil && len(resp.Members) == 1 {
		err = kerr.ErrorForCode(resp.Members[0].ErrorCode)
	}
	if errors.Is(err, kerr.UnknownMemberID) {
		return nil // it is no member any more
	}
	return err
}

// onFetched keeps committed offsets with their metadata, before consumption begins.
func (c *classic) onFetched(_ context.Context, _ *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				c.offsets[TopicPartition{t.Topic, p.Partition}] = committedOf(&p)
			}
		}
	}
	return nil
}

// onAdjust makes the tasks of partitions that were assigned and says where these begin.
func (c *classic) onAdjust(_ context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	from := map[TopicPartition]Committed{}
	c.mu.Lock()
	for topic, parts := range offsets {
		for partition := range parts {
			tp := TopicPartition{topic, partition}
			at, ok := c.offsets[tp]
			if !ok {
				at = Committed{Offset: -1, LeaderEpoch: -1}
			}
			from[tp] = at
			delete(c.offsets, tp)
		}
	}
	c.mu.Unlock()
	starts, err := c.p.manager.assign(from)
	if err != nil {
		c.p.fail(err)
		return offsets, err
	}
	for tp, at := range starts {
		offsets[tp.Topic][tp.Partition] = at
	}
	return offsets, nil
}

// onAssigned follows every join of the group.
func (c *classic) onAssigned(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	c.p.manager.joined(len(added) > 0)
}

func (c *classic) onRevoked(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	c.p.manager.leave(partitionsOf(lost), true)
}

func (c *classic) onLost(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	c.p.manager.leave(partitionsOf(lost), false)
}

func partitionsOf(topics map[string][]int32) []TopicPartition {
	var tps []TopicPartition
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		for _, p := range topics[topic] {
			tps = append(tps, TopicPartition{topic, p})
		}
	}
	return tps
}
