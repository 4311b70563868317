package group

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"leat.dev/internal/coord/group/assign"
)

// consumerModel drives consumer groups with clients that behave, lose answers,
// restart and die, over topics that come, grow and go, and checks after every step:
//
//   - no partition has two owners: of the members' assigned and not yet revoked
//     partitions none is another's too, and what a client consumes is among what the
//     coordinator holds for it;
//   - group, assignment and member epochs never fall, and none is above the one it
//     follows;
//   - the log, replayed, gives the groups that are live;
//   - once everybody has beaten often enough, all partitions are consumed.
type consumerModel struct {
	t       *rapid.T
	w       *world
	clients []*consumerClient
	replies map[RequestID]any
	epochs  map[string][2]int32 // group and assignment epoch by group
	members map[string]int32    // epoch by group/member
	ids     int
}

// consumerClient is a process with a consumer of the new protocol.
type consumerClient struct {
	group    string
	id       string
	instance *string
	topics   []string
	regex    string
	assignor *string
	epoch    int32
	owned    assign.Partitions
	joined   bool
	retry    bool // the last answer was lost: say everything again
}

func TestConsumerModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &consumerModel{t: t, replies: map[RequestID]any{}, epochs: map[string][2]int32{}, members: map[string]int32{}}
		m.w = newModelWorld(t, func(s *Settings) { s.Consumer.MaxSize = rapid.SampledFrom([]int{3, 100}).Draw(t, "max size") })
		for i := range rapid.IntRange(2, 6).Draw(t, "clients") {
			c := &consumerClient{group: fmt.Sprint("g", i%2)}
			if rapid.Bool().Draw(t, "static") {
				c.instance = str(fmt.Sprint("i", i))
			}
			m.clients = append(m.clients, c)
			m.start(t, c)
		}
		t.Repeat(map[string]func(*rapid.T){
			"":          func(*rapid.T) { m.check() },
			"beat":      func(t *rapid.T) { m.beat(m.pick(t), rapid.Bool().Draw(t, "lost"), rapid.Bool().Draw(t, "full")) },
			"settle":    m.settle,
			"subscribe": func(t *rapid.T) { m.subscribe(t, m.pick(t)) },
			"leave":     m.leave,
			"die":       func(t *rapid.T) { m.start(t, m.pick(t)) },
			"advance": func(t *rapid.T) {
				m.advance(rapid.SampledFrom([]time.Duration{0, 300 * time.Millisecond, 2 * time.Second, 30 * time.Second}).Draw(t, "time"))
			},
			"topic":   m.topic,
			"restart": func(*rapid.T) { m.w.parked = map[RequestID]bool{}; m.w.open() },
		})
	})
}

func (m *consumerModel) pick(t *rapid.T) *consumerClient {
	return rapid.SampledFrom(m.clients).Draw(t, "client")
}

// start makes a client a new process.
func (m *consumerModel) start(t *rapid.T, c *consumerClient) {
	m.ids++
	c.id = fmt.Sprint("m", m.ids)
	c.epoch, c.owned, c.joined = 0, assign.Partitions{}, false
	c.assignor = rapid.SampledFrom([]*string{nil, str("range"), str("uniform")}).Draw(t, "assignor")
	m.subscribe(t, c)
}

func (m *consumerModel) subscribe(t *rapid.T, c *consumerClient) {
	c.topics = rapid.SampledFrom([][]string{{"t"}, {"t", "u"}, {"u", "v"}, {}}).Draw(t, "topics")
	c.regex = rapid.SampledFrom([]string{"", "", "t|v", ".*"}).Draw(t, "regex")
}

func (m *consumerModel) step(ev Event) {
	fx := m.w.take(ev)
	for _, r := range fx.Replies {
		m.replies[r.ID] = r.Response
	}
	for id := range m.epochs {
		if m.w.shard.groups[id] == nil {
			delete(m.epochs, id) // nobody was in it for long: a group of that name begins anew
			maps.DeleteFunc(m.members, func(key string, _ int32) bool { return strings.HasPrefix(key, id+"/") })
		}
	}
}

func (m *consumerModel) advance(d time.Duration) { m.w.pass(d, m.step) }

// beat sends what a good client would. If the answer is lost it tries the same
// again another time, in full.
func (m *consumerModel) beat(c *consumerClient, lost, full bool) {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.MemberEpoch, req.InstanceID = 1, c.group, c.id, c.epoch, c.instance
	req.RebalanceTimeoutMillis = -1
	if !c.joined {
		req.MemberEpoch = 0
		c.owned = assign.Partitions{}
	}
	if full || c.retry || !c.joined {
		req.RebalanceTimeoutMillis = 20_000
		req.SubscribedTopicNames, req.SubscribedTopicRegex, req.ServerAssignor = c.topics, &c.regex, c.assignor
	}
	req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	for id, ps := range c.owned {
		req.Topics = append(req.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: id, Partitions: slices.Clone(ps)})
	}
	r := m.send(c, req)
	if c.retry = lost; lost {
		return
	}
	switch code(r.ErrorCode) {
	case "NONE":
	case "UNRELEASED_INSTANCE_ID", "GROUP_MAX_SIZE_REACHED":
		return
	case "FENCED_MEMBER_EPOCH", "UNKNOWN_MEMBER_ID", "GROUP_ID_NOT_FOUND":
		c.joined, c.epoch, c.owned = false, 0, assign.Partitions{}
		return
	case "FENCED_INSTANCE_ID":
		c.joined, c.epoch, c.owned = false, 0, assign.Partitions{}
		return
	default:
		m.t.Fatalf("%s: %s", code(r.ErrorCode), deref(r.ErrorMessage))
	}
	c.joined, c.epoch = true, r.MemberEpoch
	if r.Assignment != nil {
		c.owned = assign.Partitions{}
		for _, t := range r.Assignment.Topics {
			c.owned[t.TopicID] = t.Partitions
		}
	}
}

func (m *consumerModel) send(c *consumerClient, req *kmsg.ConsumerGroupHeartbeatRequest) *kmsg.ConsumerGroupHeartbeatResponse {
	m.w.requests++
	id := m.w.requests
	m.step(ConsumerGroupHeartbeat{ID: id, Client: Client{"c", "/h"}, Req: req})
	r, ok := m.replies[id].(*kmsg.ConsumerGroupHeartbeatResponse)
	if !ok {
		m.t.Fatalf("no reply to a heartbeat of %s", c.id)
	}
	m.advance(0)
	return r
}

func (m *consumerModel) leave(t *rapid.T) {
	c := m.pick(t)
	if !c.joined {
		return
	}
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.MemberEpoch, req.InstanceID = 1, c.group, c.id, -1, c.instance
	if c.instance != nil && rapid.Bool().Draw(t, "for now") {
		req.MemberEpoch = leftStatic
	}
	m.send(c, req)
	m.start(t, c)
}

func (m *consumerModel) topic(t *rapid.T) {
	ev, _ := m.w.drawTopic(t, []string{"t", "u", "v"}, 0, 8)
	m.step(ev)
}

// settle lets all clients of a group beat until nothing moves, and checks that
// everything has found a consumer.
func (m *consumerModel) settle(t *rapid.T) {
	group := m.pick(t).group
	for range 35 { // longer than a session
		m.advance(2 * time.Second)
		for _, c := range m.clients {
			if c.group == group {
				m.beat(c, false, !c.joined || m.fullNeeded(c))
			}
		}
	}
	m.check()
	g := m.w.shard.consumer(group)
	if g == nil || len(g.members) < m.count(group) {
		return // some found no room
	}
	if g.state != ConsumerStable {
		m.t.Fatalf("%s is %s after everybody beat for long", group, g.state)
	}
	for _, name := range slices.Sorted(maps.Keys(g.countSubscriptions())) {
		topic, ok := m.w.cluster.Topic(name)
		if !ok {
			continue
		}
		for p := range topic.Partitions {
			if !m.consumed(group, topic.ID, p) {
				m.t.Fatalf("nobody in %s consumes %s-%d", group, name, p)
			}
		}
	}
}

// fullNeeded tells whether the coordinator does not know the subscription.
func (m *consumerModel) fullNeeded(c *consumerClient) bool {
	g := m.w.shard.consumer(c.group)
	if g == nil || g.members[c.id] == nil {
		return true
	}
	member := g.members[c.id]
	return !slices.Equal(member.Topics, c.topics) || member.Regex != c.regex
}

func (m *consumerModel) count(group string) int {
	n := 0
	for _, c := range m.clients {
		if c.group == group {
			n++
		}
	}
	return n
}

func (m *consumerModel) consumed(group string, id assign.TopicID, p int32) bool {
	return slices.ContainsFunc(m.clients, func(c *consumerClient) bool {
		return c.group == group && c.joined && slices.Contains(c.owned[id], p)
	})
}

func (m *consumerModel) check() {
	s := m.w.shard
	var states [consumerStates]int
	for id, g := range s.groups {
		c := g.(*consumer)
		states[c.state]++
		m.checkConsumer(id, c)
	}
	if s.counts.Consumer != states {
		m.t.Fatalf("counts %v, groups %v", s.counts.Consumer, states)
	}
	again := m.w.replayed()
	again.Step(m.w.now, Loaded{})
	m.w.sameCount(again)
	for id, g := range s.groups {
		sameConsumer(m.t, g.(*consumer), again.consumer(id))
	}
}

func sameConsumer(t *rapid.T, live, stored *consumer) {
	if stored == nil {
		t.Fatalf("%s is not in the log", live.id)
	}
	type facts struct {
		State                  ConsumerState
		Epoch, AssignmentEpoch int32
		Hash, AssignedAt       int64
		Target                 map[string]assign.Partitions
		Static                 map[string]string
		Owners                 map[assign.TopicID]map[int32]string
		Resolved               map[string]RegexValue
		Values                 map[string]ConsumerMemberValue
		Current                map[string]CurrentAssignmentValue
	}
	of := func(g *consumer) facts {
		f := facts{g.state, g.epoch, g.assignmentEpoch, g.hash, g.assignedAt, g.shall, g.byStatic,
			map[assign.TopicID]map[int32]string{}, g.resolved, map[string]ConsumerMemberValue{}, map[string]CurrentAssignmentValue{}}
		for id, ps := range g.owners {
			f.Owners[id] = map[int32]string{}
			for p, owner := range ps {
				f.Owners[id][p] = *owner
			}
		}
		for id, member := range g.members {
			f.Values[id], f.Current[id] = member.ConsumerMemberValue, member.current
		}
		return f
	}
	if a, b := of(live), of(stored); !reflect.DeepEqual(a, b) {
		t.Fatalf("group %s live:\n%+v\nreplayed:\n%+v", live.id, a, b)
	}
}

func (m *consumerModel) checkConsumer(id string, g *consumer) {
	was := m.epochs[id]
	if g.epoch < was[0] || g.assignmentEpoch < was[1] || g.assignmentEpoch > g.epoch {
		m.t.Fatalf("%s: epochs %d/%d, were %v", id, g.epoch, g.assignmentEpoch, was)
	}
	m.epochs[id] = [2]int32{g.epoch, g.assignmentEpoch}
	owner := map[string]string{}
	for memberID, member := range g.members {
		key := id + "/" + memberID
		if e := member.current.Epoch; e != leftStatic && (e < m.members[key] || e > g.assignmentEpoch) {
			m.t.Fatalf("%s: member epoch %d, was %d, assignment epoch %d", key, e, m.members[key], g.assignmentEpoch)
		}
		m.members[key] = max(0, member.current.Epoch)
		for topic, ps := range member.owns() {
			for _, p := range ps {
				tp := fmt.Sprintf("%x-%d", topic, p)
				if owner[tp] != "" {
					m.t.Fatalf("%s: %s has two owners, %s and %s", id, tp, owner[tp], memberID)
				}
				owner[tp] = memberID
				if g.owner(topic, p) != memberID {
					m.t.Fatalf("%s: %s is %s's, the index says %q", id, tp, memberID, g.owner(topic, p))
				}
			}
		}
		if !member.session.Armed() {
			m.t.Fatalf("%s: nothing ends the session", key)
		}
		if member.state() == memberUnrevoked && member.current.Epoch != leftStatic && !member.rebalance.Armed() {
			m.t.Fatalf("%s: nothing ends the wait for what it has to give up", key)
		}
	}
	for _, c := range m.clients {
		member := g.members[c.id]
		if c.group != id || !c.joined || member == nil {
			continue // it will be told that it is no member
		}
		has := member.owns()
		for topic, ps := range c.owned {
			for _, p := range ps {
				if !slices.Contains(has[topic], p) {
					m.t.Fatalf("%s/%s consumes %x-%d, which it does not have", id, c.id, topic, p)
				}
			}
		}
	}
}
