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

	"leat.dev/internal/coord"
)

// model drives a shard with clients that behave, misbehave and die, and checks
// after every step what must hold whatever happens:
//
//   - within a generation no partition is handed to two members, and all that
//     were handed one are members the leader knew;
//   - every request is answered at most once;
//   - a committed offset is what a fetch shows, also after a restart;
//   - the log, replayed, gives the offsets and the stored groups that are live;
//   - counts are right and generations never fall.
type model struct {
	t       *rapid.T
	w       *world
	clients []*client
	// committed is what fetches must show: group/partition -> offset.
	committed map[string]int64
	// owners: group/generation/partition -> member
	owners      map[string]string
	generations map[string]int32
	replies     map[RequestID]any
}

// client is one process that wants to be in a group.
type client struct {
	name       string
	group      string
	instance   *string
	version    int16
	memberID   string
	generation int32
	joining    RequestID // of the request it waits for, 0 if none
	syncing    RequestID
	members    []kmsg.JoinGroupResponseMember // if it leads
	stable     bool
}

const modelPartitions = 6

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, committed: map[string]int64{}, owners: map[string]string{},
			generations: map[string]int32{}, replies: map[RequestID]any{}}
		m.w = newModelWorld(t, func(s *Settings) { s.MaxSize = rapid.SampledFrom([]int{2, 100}).Draw(t, "max size") })
		for i := range rapid.IntRange(2, 6).Draw(t, "clients") {
			c := &client{name: fmt.Sprint("c", i), group: fmt.Sprint("g", i%2), version: rapid.SampledFrom([]int16{3, 5, 9}).Draw(t, "version")}
			if c.version >= 5 && rapid.Bool().Draw(t, "static") {
				c.instance = &c.name
			}
			m.clients = append(m.clients, c)
		}
		t.Repeat(map[string]func(*rapid.T){
			"":          func(*rapid.T) { m.check() },
			"join":      m.join,
			"sync":      m.sync,
			"settle":    m.settle,
			"heartbeat": m.heartbeat,
			"leave":     m.leave,
			"die":       m.die,
			"commit":    m.commit,
			"advance":   m.advance,
			"restart":   m.restart,
		})
	})
}

// newModelWorld is the world of a model of one kind of groups, with settings of its own.
func newModelWorld(t *rapid.T, configure func(*Settings)) *world {
	w := &world{t: t, settings: DefaultSettings(), parked: map[RequestID]bool{}, cluster: newFakeCluster()}
	configure(&w.settings)
	w.start = time.UnixMilli(1_700_000_000_000)
	w.now = w.start
	w.open()
	return w
}

// take steps an event and keeps the records and when to wake up. The rest is the
// model's.
func (w *world) take(ev Event) coord.Effects {
	fx := w.shard.Step(w.now, ev)
	w.wakeup = fx.Wakeup
	for _, r := range fx.Records {
		w.log = append(w.log, LogRecord{Offset: int64(len(w.log)), ProducerID: -1, Key: r.Key, Value: r.Value})
	}
	return fx
}

// replayed is a shard made from the log.
func (w *world) replayed() *Shard {
	again := New(w.settings, w.uuid)
	again.cluster = w.cluster
	for _, r := range w.log {
		if err := again.Replay(r); err != nil {
			w.t.Fatal(err)
		}
	}
	return again
}

// sameCount: what is live is in the log, and nothing else.
func (w *world) sameCount(again *Shard) {
	if len(again.groups) != len(w.shard.groups) {
		w.t.Fatalf("%d groups live, %d replayed", len(w.shard.groups), len(again.groups))
	}
}

// drawTopic changes a topic of these: it comes, grows or goes. gone is the one that went,
// if one did.
func (w *world) drawTopic(t *rapid.T, names []string, least, most int32) (ev ClusterChanged, gone *Topic) {
	name := rapid.SampledFrom(names).Draw(t, "topic")
	old, had := w.cluster.topics[name]
	partitions := rapid.Int32Range(max(least, old.Partitions), most).Draw(t, "partitions")
	if had && rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
		partitions, gone = 0, &Topic{Name: name, ID: old.ID}
	}
	w.cluster, ev = w.cluster.change(name, partitions)
	return ev, gone
}

func (m *model) pick(t *rapid.T) *client { return rapid.SampledFrom(m.clients).Draw(t, "client") }

// send steps a request and lets the clients read the replies.
func (m *model) send(ev func(RequestID) Event) RequestID {
	m.w.requests++
	id := m.w.requests
	m.w.parked[id] = true
	m.step(ev(id))
	return id
}

func (m *model) step(ev Event) {
	fx := m.w.take(ev)
	for _, r := range fx.Replies {
		if !m.w.parked[r.ID] {
			m.t.Fatalf("request %d answered twice or never asked: %+v", r.ID, r.Response)
		}
		delete(m.w.parked, r.ID)
		m.replies[r.ID] = r.Response
	}
	for _, c := range m.clients {
		m.read(c)
	}
}

// read lets a client take what it waits for.
func (m *model) read(c *client) {
	if r, ok := m.replies[c.joining].(*kmsg.JoinGroupResponse); ok && c.joining != 0 {
		c.joining = 0
		c.memberID = r.MemberID
		if r.ErrorCode == 0 {
			if r.Generation < m.generations[c.group] && !r.SkipAssignment {
				m.t.Fatalf("%s: generation fell from %d to %d", c.group, m.generations[c.group], r.Generation)
			}
			m.generations[c.group] = max(m.generations[c.group], r.Generation)
			c.generation, c.members = r.Generation, nil
			if r.LeaderID == r.MemberID && !r.SkipAssignment {
				c.members = r.Members
			}
		}
	}
	if r, ok := m.replies[c.syncing].(*kmsg.SyncGroupResponse); ok && c.syncing != 0 {
		c.syncing = 0
		c.stable = r.ErrorCode == 0
		for p := range strings.FieldsSeq(string(r.MemberAssignment)) {
			key := fmt.Sprintf("%s/%d/%s", c.group, c.generation, p)
			// A static member's place may pass to its next incarnation.
			owner := c.name
			if prev := m.owners[key]; prev != "" && prev != owner {
				m.t.Fatalf("%s given to %s and %s", key, prev, owner)
			}
			m.owners[key] = owner
		}
	}
}

func (m *model) join(t *rapid.T) { m.joinAs(t, m.pick(t)) }

func (m *model) joinAs(t *rapid.T, c *client) {
	if c.joining != 0 || c.syncing != 0 {
		return
	}
	c.stable = false
	cmd := parseCommand(fmt.Sprintf("join %s %s v=%d session=10s rebalance=%ds protos=%s", c.group, orDash(c.memberID), c.version,
		rapid.SampledFrom([]int{5, 20}).Draw(t, "rebalance"), rapid.SampledFrom([]string{"range:t", "range:t,sticky:t", "sticky:t,range:t"}).Draw(t, "protos")))
	req := cmd.joinRequest().(*kmsg.JoinGroupRequest)
	req.InstanceID = c.instance
	c.joining = m.w.requests + 1
	m.send(func(id RequestID) Event { return JoinGroup{id, Client{c.name, "/h"}, req} })
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (m *model) sync(t *rapid.T) { m.syncAs(t, m.pick(t)) }

func (m *model) syncAs(t *rapid.T, c *client) {
	if c.joining != 0 || c.syncing != 0 || c.memberID == "" || c.generation == 0 {
		return
	}
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version = min(c.version, 4)
	req.Group, req.MemberID, req.Generation, req.InstanceID = c.group, c.memberID, c.generation, c.instance
	if n := len(c.members); n > 0 {
		shares := make([][]string, n)
		for p := range modelPartitions {
			i := min(n-1, rapid.IntRange(0, 5).Draw(t, "owner"))
			shares[i] = append(shares[i], fmt.Sprint(p))
		}
		for i, mem := range c.members {
			if len(shares[i]) == 0 {
				continue // leaders may leave members out
			}
			req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{
				MemberID: mem.MemberID, MemberAssignment: []byte(strings.Join(shares[i], " "))})
		}
		c.members = nil
	}
	c.syncing = m.w.requests + 1
	m.send(func(id RequestID) Event { return SyncGroup{id, req} })
}

// settle lets all clients of a group do what a good client does until the group
// is stable: without it random steps seldom get that far.
func (m *model) settle(t *rapid.T) {
	groupID := m.pick(t).group
	for range 3 {
		for _, c := range m.clients {
			if c.group == groupID && !c.stable {
				m.joinAs(t, c)
			}
		}
		m.advanceBy(4 * time.Second)
		for _, c := range m.clients {
			if c.group == groupID && !c.stable {
				m.syncAs(t, c)
			}
		}
	}
}

func (m *model) heartbeat(t *rapid.T) {
	c := m.pick(t)
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation, req.InstanceID = c.group, c.memberID, c.generation, c.instance
	m.send(func(id RequestID) Event { return Heartbeat{id, req} })
}

func (m *model) leave(t *rapid.T) {
	c := m.pick(t)
	if c.memberID == "" {
		return
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version, req.Group = 5, c.group
	req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: c.memberID, InstanceID: c.instance}}
	m.send(func(id RequestID) Event { return LeaveGroup{id, req} })
	m.die2(c)
}

// die: the process ends without a word and starts again.
func (m *model) die(t *rapid.T) { m.die2(m.pick(t)) }

func (m *model) die2(c *client) {
	c.memberID, c.generation, c.members, c.joining, c.syncing, c.stable = "", 0, nil, 0, 0, false
}

func (m *model) commit(t *rapid.T) {
	c := m.pick(t)
	partition := rapid.IntRange(0, modelPartitions-1).Draw(t, "partition")
	offset := rapid.Int64Range(0, 1000).Draw(t, "offset")
	groupID, generation, member := c.group, c.generation, c.memberID
	if rapid.Bool().Draw(t, "simple") {
		groupID, generation, member = "simple", -1, ""
	}
	req := parseCommand(fmt.Sprintf("commit %s t-%d offset=%d gen=%d member=%s v=%d", groupID, partition, offset, generation,
		orDash(member), rapid.SampledFrom([]int{2, 8, 9}).Draw(t, "version"))).commitRequest().(*kmsg.OffsetCommitRequest)
	id := m.send(func(id RequestID) Event { return OffsetCommit{id, req} })
	if m.replies[id].(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode == 0 {
		m.committed[fmt.Sprintf("%s/%d", groupID, partition)] = offset
	}
}

func (m *model) advance(t *rapid.T) {
	m.advanceBy(rapid.SampledFrom([]time.Duration{0, 100 * time.Millisecond, 3 * time.Second, 9 * time.Second, 25 * time.Second}).Draw(t, "time"))
}

func (m *model) advanceBy(d time.Duration) { m.w.pass(d, m.step) }

// restart replays the log into a new shard. Requests that wait are lost.
func (m *model) restart(*rapid.T) {
	m.w.parked = map[RequestID]bool{}
	for _, c := range m.clients {
		c.joining, c.syncing = 0, 0
	}
	// Generations that nobody synced are forgotten: the count may start over from
	// the stored one, and with it what was assigned in them.
	m.w.open()
	m.generations = map[string]int32{}
	for id, g := range m.w.shard.groups {
		gen := g.(*classic).generation
		m.generations[id] = gen
		maps.DeleteFunc(m.owners, func(key, _ string) bool {
			var n int32
			rest, ok := strings.CutPrefix(key, id+"/")
			if !ok {
				return false
			}
			_, err := fmt.Sscan(rest[:strings.Index(rest, "/")], &n)
			return err == nil && n > gen
		})
	}
}

func (m *model) check() {
	s := m.w.shard
	var states [Dead]int
	for id, g := range s.groups {
		c := g.(*classic)
		states[c.state]++
		m.checkGroup(id, c)
	}
	if got := s.Counts(); got.Groups != states || got.Offsets != len(m.committed) {
		m.t.Fatalf("counts %+v, groups %v, offsets %d", got, states, len(m.committed))
	}
	m.checkOffsets(s)

	again := m.w.replayed()
	m.checkOffsets(again)
	for id, g := range s.groups {
		live := g.(*classic)
		if live.state != Stable && live.state != Empty || live.protocolType == "" {
			continue // the log holds the generation before
		}
		stored, ok := again.groups[id].(*classic)
		if !ok {
			m.t.Fatalf("group %s is not in the log", id)
		}
		if live.state == Empty && stored.generation == live.generation && stored.state == Empty {
			continue
		}
		if a, b := live.value(), stored.value(); !sameValue(a, b) {
			m.t.Fatalf("group %s live:\n%+v\nreplayed:\n%+v", id, a, b)
		}
	}
}

// sameValue compares what is stored, apart from the state's timestamp and from
// what a member changed without a rebalance.
func sameValue(a, b GroupValue) bool {
	a.StateTimestamp, b.StateTimestamp = 0, 0
	key := func(v GroupValue) []MemberValue {
		return slices.SortedFunc(slices.Values(v.Members), func(x, y MemberValue) int { return strings.Compare(x.ID, y.ID) })
	}
	a.Members, b.Members = key(a), key(b)
	return reflect.DeepEqual(a, b)
}

func (m *model) checkOffsets(s *Shard) {
	for key, want := range m.committed {
		groupID, partition, _ := strings.Cut(key, "/")
		var p int32
		if _, err := fmt.Sscan(partition, &p); err != nil {
			m.t.Fatal(err)
		}
		o := s.offsets.get(groupID, topicPartition{"t", p})
		if o == nil || o.value.Offset != want {
			m.t.Fatalf("offset of %s is %+v, want %d", key, o, want)
		}
	}
}

func (m *model) checkGroup(id string, g *classic) {
	waiting := 0
	for _, mem := range g.members {
		if mem.join != nil {
			waiting++
			if g.state != PreparingRebalance {
				m.t.Fatalf("%s: %s waits to join in %s", id, mem.id, g.state)
			}
		}
		if mem.sync != nil && g.state != CompletingRebalance {
			m.t.Fatalf("%s: %s waits for its assignment in %s", id, mem.id, g.state)
		}
		if g.byID[mem.id] != mem || mem.instanceID != nil && g.byStatic[*mem.instanceID] != mem {
			m.t.Fatalf("%s: %s is not in the maps", id, mem.id)
		}
		if !mem.session.Armed() && mem.join == nil && mem.sync == nil {
			m.t.Fatalf("%s: nothing ends the session of %s", id, mem.id)
		}
	}
	switch {
	case waiting != g.waiting:
		m.t.Fatalf("%s: %d wait, counted %d", id, waiting, g.waiting)
	case len(g.byID) != len(g.members):
		m.t.Fatalf("%s: %d members, %d ids", id, len(g.members), len(g.byID))
	case len(g.members) > 0 && g.byID[g.leader] == nil:
		m.t.Fatalf("%s: leader %q is no member", id, g.leader)
	case g.state == Empty && len(g.members) > 0, g.state == Stable && len(g.members) == 0:
		m.t.Fatalf("%s: %d members in %s", id, len(g.members), g.state)
	case g.state == PreparingRebalance && !g.joinTimer.Armed():
		m.t.Fatalf("%s: nothing ends the rebalance", id)
	case g.state == CompletingRebalance && !g.syncTimer.Armed() && len(g.pendingSync) > 0:
		m.t.Fatalf("%s: nothing ends the wait for syncs", id)
	}
}
