package group

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"leat.dev/internal/coord/group/assign"
	"leat.dev/internal/coord/share"
)

// shareModel drives share groups with clients that behave, lose answers and die, a share
// coordinator that answers late, refuses or says nothing, topics that come, grow and go,
// and administrators, and checks after every step:
//
//   - a member has only partitions whose state the share coordinator was heard to have
//     made, and has: none is initialising or being deleted;
//   - epochs never fall, none is above the one it follows;
//   - the log, replayed, gives the groups that are live;
//   - once everybody has beaten often enough, every partition that is subscribed to has a
//     member, and no two members differ by more than their subscriptions demand.
type shareModel struct {
	t       *rapid.T
	w       *world
	clients []*shareClient
	replies map[RequestID]any
	asked   []InitializeShareState // not answered yet
	state   map[share.Key]bool     // what the share coordinator has
	epochs  map[string]int32
	ids     int
}

type shareClient struct {
	group  string
	id     string
	topics []string
	epoch  int32
	owned  assign.Partitions
}

func TestShareModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &shareModel{t: t, replies: map[RequestID]any{}, state: map[share.Key]bool{}, epochs: map[string]int32{}}
		m.w = newModelWorld(t, func(s *Settings) { s.Share.MaxSize = rapid.SampledFrom([]int{2, 200}).Draw(t, "max size") })
		for i := range rapid.IntRange(1, 6).Draw(t, "clients") {
			c := &shareClient{group: fmt.Sprint("g", i%2)}
			m.clients = append(m.clients, c)
			m.start(t, c)
		}
		t.Repeat(map[string]func(*rapid.T){
			"":       func(*rapid.T) { m.check() },
			"beat":   func(t *rapid.T) { m.beat(m.pick(t), rapid.Bool().Draw(t, "lost"), rapid.Bool().Draw(t, "full")) },
			"answer": m.answer,
			"settle": m.settle,
			"subscribe": func(t *rapid.T) {
				c := m.pick(t)
				c.topics = drawTopics(t)
				m.beat(c, false, true)
			},
			"leave": func(t *rapid.T) {
				c := m.pick(t)
				m.heartbeat(c, -1, nil)
				m.start(t, c)
			},
			"die": func(t *rapid.T) { m.start(t, m.pick(t)) },
			"advance": func(t *rapid.T) {
				m.advance(rapid.SampledFrom([]time.Duration{0, 300 * time.Millisecond, 2 * time.Second, 30 * time.Second}).Draw(t, "time"))
			},
			"topic":   m.topic,
			"alter":   m.alter,
			"forget":  m.forget,
			"delete":  m.delete,
			"restart": func(*rapid.T) { m.asked = nil; m.w.open() },
		})
	})
}

func drawTopics(t *rapid.T) []string {
	return rapid.SampledFrom([][]string{{"t"}, {"t", "u"}, {"u", "v"}, {"none"}}).Draw(t, "topics")
}

func (m *shareModel) pick(t *rapid.T) *shareClient {
	return rapid.SampledFrom(m.clients).Draw(t, "client")
}

// start makes a client a new process.
func (m *shareModel) start(t *rapid.T, c *shareClient) {
	m.ids++
	c.id, c.epoch, c.owned, c.topics = fmt.Sprint("m", m.ids), 0, assign.Partitions{}, drawTopics(t)
}

func (m *shareModel) step(ev Event) any {
	fx := m.w.take(ev)
	for _, message := range fx.Sends {
		switch message := message.(type) {
		case InitializeShareState:
			m.asked = append(m.asked, message)
		case DeleteShareState:
			for _, tp := range message.Partitions {
				delete(m.state, share.Key{Group: message.Group, TopicPartition: tp})
			}
		}
	}
	for id := range m.epochs {
		if m.w.shard.groups[id] == nil {
			delete(m.epochs, id)
		}
	}
	if len(fx.Replies) > 0 {
		return fx.Replies[0].Response
	}
	return nil
}

func (m *shareModel) advance(d time.Duration) { m.w.pass(d, func(ev Event) { m.step(ev) }) }

func (m *shareModel) heartbeat(c *shareClient, epoch int32, topics []string) *kmsg.ShareGroupHeartbeatResponse {
	req := kmsg.NewPtrShareGroupHeartbeatRequest()
	req.Version, req.GroupID, req.MemberID, req.MemberEpoch, req.SubscribedTopicNames = 1, c.group, c.id, epoch, topics
	return m.step(ShareGroupHeartbeat{ID: 1, Client: Client{"c", "/h"}, Req: req}).(*kmsg.ShareGroupHeartbeatResponse)
}

func (m *shareModel) beat(c *shareClient, lost, full bool) {
	topics := c.topics
	if c.epoch > 0 && !full {
		topics = nil
	}
	r := m.heartbeat(c, c.epoch, topics)
	if lost {
		return
	}
	switch code(r.ErrorCode) {
	case "NONE":
		c.epoch = r.MemberEpoch
		if r.Assignment != nil {
			c.owned = assign.Partitions{}
			for _, t := range r.Assignment.TopicPartitions {
				c.owned[t.TopicID] = t.Partitions
			}
		}
	case "GROUP_MAX_SIZE_REACHED":
	case "FENCED_MEMBER_EPOCH", "UNKNOWN_MEMBER_ID", "GROUP_ID_NOT_FOUND":
		c.epoch, c.owned = 0, assign.Partitions{}
	default:
		m.t.Fatalf("%s: %s", code(r.ErrorCode), deref(r.ErrorMessage))
	}
}

// answer lets the share coordinator answer, or refuse, or lose a question.
func (m *shareModel) answer(t *rapid.T) {
	if len(m.asked) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.asked)-1).Draw(t, "which")
	ask := m.asked[i]
	m.asked = slices.Delete(m.asked, i, i+1)
	ev := ShareInitialized{Group: ask.Group, Done: assign.Partitions{}, Failed: assign.Partitions{}}
	lost := rapid.IntRange(0, 4).Draw(t, "lost") == 0
	for _, p := range ask.Partitions {
		to := ev.Done
		if rapid.IntRange(0, 4).Draw(t, "refuse") == 0 {
			to = ev.Failed
		} else {
			m.state[share.Key{Group: ask.Group, TopicPartition: p.TopicPartition}] = true
		}
		to[p.TopicID] = append(to[p.TopicID], p.Partition)
	}
	if !lost {
		m.step(ev)
	}
}

// answerAll is answer for all that is open, and well.
func (m *shareModel) answerAll() {
	asked := m.asked
	m.asked = nil
	for _, ask := range asked {
		m.initialized(ask.Group, ask.Partitions)
	}
}

func (m *shareModel) initialized(group string, partitions []share.InitializePartition) {
	done := assign.Partitions{}
	for _, p := range partitions {
		m.state[share.Key{Group: group, TopicPartition: p.TopicPartition}] = true
		done[p.TopicID] = append(done[p.TopicID], p.Partition)
	}
	for id := range done {
		slices.Sort(done[id])
	}
	m.step(ShareInitialized{Group: group, Done: done})
}

func (m *shareModel) topic(t *rapid.T) {
	ev, gone := m.w.drawTopic(t, []string{"t", "u", "v"}, 0, 8)
	if gone != nil {
		m.step(TopicsDeleted{Topics: []Topic{*gone}})
	}
	m.step(ev)
}

func (m *shareModel) alter(t *rapid.T) {
	req := kmsg.NewPtrAlterShareGroupOffsetsRequest()
	req.GroupID = m.pick(t).group
	topic := kmsg.NewAlterShareGroupOffsetsRequestTopic()
	topic.Topic = rapid.SampledFrom([]string{"t", "v"}).Draw(t, "topic")
	topic.Partitions = []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{Partition: rapid.Int32Range(0, 5).Draw(t, "partition")}}
	req.Topics = append(req.Topics, topic)
	if r := m.step(AlterShareOffsets{1, req}).(ShareOffsetsAltered); len(r.Initialize) > 0 {
		m.initialized(req.GroupID, r.Initialize)
	}
}

// forget deletes the offsets of a topic; the share coordinator may fail to.
func (m *shareModel) forget(t *rapid.T) {
	req := kmsg.NewPtrDeleteShareGroupOffsetsRequest()
	req.GroupID = m.pick(t).group
	topic := kmsg.NewDeleteShareGroupOffsetsRequestTopic()
	topic.Topic = rapid.SampledFrom([]string{"t", "v"}).Draw(t, "topic")
	req.Topics = append(req.Topics, topic)
	r := m.step(DeleteShareOffsets{1, req}).(ShareOffsetsDeleting)
	if len(r.Topics) == 0 || rapid.Bool().Draw(t, "fails") {
		return
	}
	for _, tp := range sharePartitions(r.Topics) {
		delete(m.state, share.Key{Group: req.GroupID, TopicPartition: tp})
	}
	m.step(ShareOffsetsDeleted{1, req.GroupID, assign.SortedTopics(r.Topics)})
}

func (m *shareModel) delete(t *rapid.T) {
	group := m.pick(t).group
	r := m.step(DeleteShareStates{1, []string{group}}).([]ShareStatesDeleting)[0]
	if r.Err != nil || rapid.Bool().Draw(t, "fails") {
		return
	}
	for _, tp := range r.Partitions {
		delete(m.state, share.Key{Group: group, TopicPartition: tp})
	}
	m.step(DeleteGroups{1, []string{group}})
	if m.w.shard.groups[group] == nil {
		for k := range m.state {
			if _, ok := m.w.cluster.TopicName(k.TopicID); ok && k.Group == group && !slices.ContainsFunc(m.asked, func(a InitializeShareState) bool { return a.Group == group }) {
				m.t.Fatalf("%s is gone and has left the state of %v behind", group, k)
			}
		}
	}
}

// settle lets all clients of a group beat until nothing moves.
func (m *shareModel) settle(t *rapid.T) {
	group := m.pick(t).group
	for range 60 { // longer than a session and the wait for an answer
		m.advance(2 * time.Second)
		for _, c := range m.clients {
			if c.group == group {
				m.beat(c, false, true)
			}
		}
		m.answerAll()
	}
	m.check()
	g, n := m.w.shard.share(group), 0
	for _, c := range m.clients {
		if c.group == group {
			n++
		}
	}
	if g == nil || len(g.members) < n {
		return // some found no room
	}
	if g.epoch != g.assignmentEpoch {
		m.t.Fatalf("%s is at epoch %d, assigned for %d", group, g.epoch, g.assignmentEpoch)
	}
	for name := range g.countSubscriptions() {
		topic, ok := m.w.cluster.Topic(name)
		if !ok {
			continue
		}
		for p := range topic.Partitions {
			if !slices.ContainsFunc(m.clients, func(c *shareClient) bool { return c.group == group && slices.Contains(c.owned[topic.ID], p) }) {
				m.t.Fatalf("nobody in %s consumes %s-%d", group, name, p)
			}
		}
	}
}

func (m *shareModel) check() {
	s := m.w.shard
	var states [shareStates]int
	again := m.w.replayed()
	m.w.sameCount(again)
	for id, any := range s.groups {
		g := any.(*shareGroup)
		states[g.stateNow()]++
		if g.epoch < m.epochs[id] || g.assignmentEpoch > g.epoch {
			m.t.Fatalf("%s at epoch %d after %d, assigned for %d", id, g.epoch, m.epochs[id], g.assignmentEpoch)
		}
		m.epochs[id] = g.epoch
		for _, member := range g.members {
			if member.current.Epoch > g.assignmentEpoch {
				m.t.Fatalf("%s of %s at epoch %d of %d", member.id, id, member.current.Epoch, g.assignmentEpoch)
			}
			m.checkHas(g, member)
		}
		m.sameShare(g, again.share(id))
	}
	if s.counts.Share != states {
		m.t.Fatalf("counts %v, groups %v", s.counts.Share, states)
	}
}

func (m *shareModel) checkHas(g *shareGroup, member *shareMember) {
	for topic, ps := range member.current.Assigned {
		if _, ok := m.w.cluster.TopicName(topic); !ok {
			continue // deleted since
		}
		for _, p := range ps {
			if !m.state[share.Key{Group: g.id, TopicPartition: share.TopicPartition{TopicID: topic, Partition: p}}] {
				m.t.Fatalf("%s of %s has %v-%d, whose state nobody made", member.id, g.id, topic, p)
			}
			if !slices.Contains(g.state.Initialized[topic].Partitions, p) {
				m.t.Fatalf("%s of %s has %v-%d, which is not initialised", member.id, g.id, topic, p)
			}
		}
	}
}

func (m *shareModel) sameShare(live, stored *shareGroup) {
	type facts struct {
		Epoch, AssignmentEpoch int32
		Hash, AssignedAt       int64
		Target                 map[string]assign.Partitions
		State                  ShareStateValue
		Values                 map[string]ShareMemberValue
		Current                map[string]ShareCurrentValue
	}
	if stored == nil {
		m.t.Fatalf("%s is not in the log", live.id)
	}
	of := func(g *shareGroup) facts {
		f := facts{g.epoch, g.assignmentEpoch, g.hash, g.assignedAt, g.shall, g.state, map[string]ShareMemberValue{}, map[string]ShareCurrentValue{}}
		for id, member := range g.members {
			f.Values[id], f.Current[id] = member.ShareMemberValue, member.current
		}
		return f
	}
	if a, b := of(live), of(stored); !reflect.DeepEqual(a, b) {
		m.t.Fatalf("group %s live:\n%+v\nreplayed:\n%+v", live.id, a, b)
	}
}
