package group

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group/assign"
)

// fakeCluster is a Cluster that scripts change.
type fakeCluster struct {
	version int64
	topics  map[string]TopicInfo
	racks   map[string][]string // by topic, of every partition
}

func newFakeCluster() *fakeCluster {
	return &fakeCluster{version: 1, topics: map[string]TopicInfo{
		"t": {ID: [16]byte{1: 't'}, Partitions: 4},
		"u": {ID: [16]byte{1: 'u'}, Partitions: 4},
	}}
}

func (c *fakeCluster) Version() int64 { return c.version }

func (c *fakeCluster) Topic(name string) (TopicInfo, bool) {
	t, ok := c.topics[name]
	return t, ok
}

func (c *fakeCluster) TopicName(id [16]byte) (string, bool) {
	for name, t := range c.topics {
		if t.ID == id {
			return name, true
		}
	}
	return "", false
}

func (c *fakeCluster) TopicNames() iter.Seq[string]         { return maps.Keys(c.topics) }
func (c *fakeCluster) Racks(topic string, _ int32) []string { return c.racks[topic] }

// change returns the next view, with a topic of so many partitions, or without it.
func (c *fakeCluster) change(name string, partitions int32) (*fakeCluster, ClusterChanged) {
	next := &fakeCluster{version: c.version + 1, topics: maps.Clone(c.topics), racks: c.racks}
	old, had := next.topics[name]
	if partitions == 0 {
		delete(next.topics, name)
	} else {
		if !had {
			old.ID = [16]byte{0: byte(next.version), 1: name[0], 2: name[len(name)-1]}
		}
		next.topics[name] = TopicInfo{ID: old.ID, Partitions: partitions}
	}
	return next, ClusterChanged{Cluster: next, Changed: []string{name}, NewTopics: !had && partitions > 0}
}

// beatRequest: beat GROUP MEMBER epoch= names=t+u regex= assignor= instance= rack=
// rebalance= owned=t:0+1,u:2 v=; a join (epoch=0) has a rebalance timeout, owns
// nothing, and subscribes to t unless it says otherwise.
func (c command) beatRequest() kmsg.Request {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version = int16(c.Int("v", 1))
	r.Group, r.MemberID = c.Arg(0), c.Arg(1)
	r.MemberEpoch = int32(c.Int("epoch", 0))
	r.InstanceID, r.RackID, r.ServerAssignor = c.Ptr("instance"), c.Ptr("rack"), c.Ptr("assignor")
	r.SubscribedTopicRegex = c.Ptr("regex")
	r.RebalanceTimeoutMillis = -1
	if names := c.Ptr("names"); names != nil && *names != "null" {
		r.SubscribedTopicNames = parseNames(*names)
	} else if names == nil && r.MemberEpoch == 0 && r.SubscribedTopicRegex == nil {
		r.SubscribedTopicNames = []string{"t"}
	}
	if r.MemberEpoch == 0 {
		r.RebalanceTimeoutMillis = 5000
		r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
	if d := c.Str("rebalance", ""); d == "null" {
		r.RebalanceTimeoutMillis = -1
	} else if d != "" {
		r.RebalanceTimeoutMillis = c.millis("rebalance", 0)
	}
	if owned := c.Ptr("owned"); owned != nil && *owned == "null" {
		r.Topics = nil
	} else if owned != nil {
		r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		for name, ps := range parsePartitions(*owned) {
			t := kmsg.NewConsumerGroupHeartbeatRequestTopic()
			t.TopicID, t.Partitions = topicNameID(name), ps
			r.Topics = append(r.Topics, t)
		}
	}
	return r
}

// topicNameID stands for a topic's id in a request until it is sent: the worlds
// replace it.
func topicNameID(name string) (id [16]byte) {
	copy(id[:], "name:"+name)
	return id
}

func realTopicIDs(r *kmsg.ConsumerGroupHeartbeatRequest, lookup func(name string) [16]byte) {
	for i := range r.Topics {
		if name, ok := strings.CutPrefix(strings.TrimRight(string(r.Topics[i].TopicID[:]), "\x00"), "name:"); ok {
			r.Topics[i].TopicID = lookup(name)
		}
	}
}

// parseNames reads t+u.
func parseNames(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == '+' })
}

// parsePartitions reads t:0+1,u:2.
func parsePartitions(s string) map[string][]int32 {
	all := map[string][]int32{}
	for part := range strings.SplitSeq(s, ",") {
		name, ps, _ := strings.Cut(part, ":")
		for p := range strings.SplitSeq(ps, "+") {
			if n, err := strconv.Atoi(p); err == nil {
				all[name] = append(all[name], int32(n))
			}
		}
	}
	return all
}

func (c command) describeConsumerRequest() kmsg.Request {
	r := kmsg.NewPtrConsumerGroupDescribeRequest()
	r.Version = 1
	for i := range c.Args {
		r.Groups = append(r.Groups, c.Arg(i))
	}
	return r
}

// topicNames gives topic ids their names back. Scripts of one world at a time use
// it to print.
type topicNames func(id [16]byte) (string, bool)

func (names topicNames) partitions(ps assign.Partitions) string {
	var all []string
	for id, p := range ps {
		name, ok := names(id)
		if !ok {
			name = "?"
		}
		p = slices.Clone(p)
		slices.Sort(p)
		all = append(all, name+":"+strings.Trim(strings.ReplaceAll(fmt.Sprint(p), " ", "+"), "[]"))
	}
	slices.Sort(all)
	return "{" + strings.Join(all, ",") + "}"
}

func (names topicNames) held(h Held) string {
	var all []string
	for id, ps := range h {
		name, ok := names(id)
		if !ok {
			name = "?"
		}
		for p, epoch := range ps {
			all = append(all, fmt.Sprintf("%s:%d@%d", name, p, epoch))
		}
	}
	slices.Sort(all)
	return "{" + strings.Join(all, ",") + "}"
}

func describeBeat(r *kmsg.ConsumerGroupHeartbeatResponse, names topicNames) string {
	if r.ErrorCode != 0 {
		return refusalOf(r.ErrorCode, r.ErrorMessage)
	}
	s := fmt.Sprintf("NONE member=%s epoch=%d interval=%d", deref(r.MemberID), r.MemberEpoch, r.HeartbeatIntervalMillis)
	if r.Assignment != nil {
		ps := assign.Partitions{}
		for _, t := range r.Assignment.Topics {
			ps[t.TopicID] = t.Partitions
		}
		s += " assignment=" + names.partitions(ps)
	}
	return s
}

func describeConsumerGroups(all []kmsg.ConsumerGroupDescribeResponseGroup) string {
	var parts []string
	partitions := func(a kmsg.Assignment) string {
		var out []string
		for _, t := range a.TopicPartitions {
			ps := slices.Clone(t.Partitions)
			slices.Sort(ps)
			out = append(out, fmt.Sprintf("%s:%v", t.Topic, ps))
		}
		slices.Sort(out)
		return fmt.Sprint(out)
	}
	for _, g := range all {
		if g.ErrorCode != 0 {
			parts = append(parts, g.Group+" "+refusalOf(g.ErrorCode, g.ErrorMessage))
			continue
		}
		s := fmt.Sprintf("%s NONE %s epoch=%d/%d assignor=%s", g.Group, g.State, g.Epoch, g.AssignmentEpoch, g.AssignorName)
		slices.SortFunc(g.Members, func(a, b kmsg.ConsumerGroupDescribeResponseGroupMember) int {
			return strings.Compare(a.MemberID, b.MemberID)
		})
		for _, m := range g.Members {
			s += fmt.Sprintf(" %s(%s%s rack=%s epoch=%d type=%d names=%v regex=%s has=%s shall=%s)", memberName(m.MemberID, m.InstanceID),
				m.ClientID, m.ClientHost, deref(m.RackID), m.MemberEpoch, m.MemberType, m.SubscribedTopics, deref(m.SubscribedTopicRegex),
				partitions(m.Assignment), partitions(m.TargetAssignment))
		}
		parts = append(parts, s)
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

// configureConsumer is the part of the settings verb for consumer groups.
func (w *world) configureConsumer(c command) {
	s := &w.settings.Consumer
	s.SessionTimeout = c.Duration("consumer-session", s.SessionTimeout)
	s.HeartbeatInterval = c.Duration("consumer-heartbeat", s.HeartbeatInterval)
	s.AssignmentInterval = c.Duration("assignment-interval", s.AssignmentInterval)
	s.RegexRefreshInterval = c.Duration("regex-refresh", s.RegexRefreshInterval)
	s.MaxSize = int(c.Int("consumer-max-size", int64(s.MaxSize)))
	s.Migration = MigrationPolicy(c.Str("migration", string(s.Migration)))
}

// consumerDefaults are what TestLive's broker is set to.
func consumerDefaults(s *Settings) {
	s.Consumer.SessionTimeout = 2 * time.Second
	s.Consumer.HeartbeatInterval = 100 * time.Millisecond
}
