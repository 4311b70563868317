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
)

// streamsModel drives streams groups with threads of several processes that behave,
// lose answers, restart and die, over topics that come, grow and go and internal
// topics that are created late or not at all, and checks after every step:
//
//   - no active task has two owners, and no process has one task twice; what a
//     client runs is among what the coordinator holds for it;
//   - group, assignment and member epochs never fall, and none is above the one it
//     follows;
//   - the log, replayed, gives the groups that are live;
//   - once everybody has beaten often enough, all tasks of a group whose topics fit
//     run.
type streamsModel struct {
	t       *rapid.T
	w       *world
	clients []*streamsClient
	replies map[RequestID]any
	epochs  map[string][2]int32
	members map[string]int32
	ids     int
}

// streamsClient is a thread of an application.
type streamsClient struct {
	group, id, process, topology string
	endpoint                     bool
	epoch, endpoints             int32
	owned                        assign.TaskSet
	joined                       bool
	retry                        bool // the last answer was lost: tell all tasks
}

func TestStreamsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &streamsModel{t: t, replies: map[RequestID]any{}, epochs: map[string][2]int32{}, members: map[string]int32{}}
		m.w = newModelWorld(t, func(s *Settings) {
			s.Streams.MaxSize = rapid.SampledFrom([]int{3, 100}).Draw(t, "max size")
			s.Streams.StandbyReplicas = rapid.IntRange(0, 2).Draw(t, "standbys")
			s.Streams.InitialDelay = rapid.SampledFrom([]time.Duration{0, 3 * time.Second}).Draw(t, "delay")
		})
		topologies := []string{rapid.SampledFrom([]string{"two", "rejoin"}).Draw(t, "g0"), rapid.SampledFrom([]string{"one", "count", "join"}).Draw(t, "g1")}
		for i := range rapid.IntRange(2, 6).Draw(t, "clients") {
			c := &streamsClient{group: fmt.Sprint("g", i%2), topology: topologies[i%2]}
			c.process = fmt.Sprint("p", rapid.IntRange(0, 2).Draw(t, "process"))
			m.clients = append(m.clients, c)
			m.start(c)
		}
		t.Repeat(map[string]func(*rapid.T){
			"":       func(*rapid.T) { m.check() },
			"beat":   func(t *rapid.T) { m.beat(m.pick(t), rapid.Bool().Draw(t, "lost"), rapid.Bool().Draw(t, "silent")) },
			"settle": m.settle,
			"leave":  m.leave,
			"die":    func(t *rapid.T) { m.start(m.pick(t)) },
			"advance": func(t *rapid.T) {
				m.advance(rapid.SampledFrom([]time.Duration{0, 300 * time.Millisecond, 2 * time.Second, 30 * time.Second}).Draw(t, "time"))
			},
			"topic": m.topic,
			"standbys": func(t *rapid.T) {
				m.w.settings.Streams.StandbyReplicas = rapid.IntRange(0, 2).Draw(t, "standbys")
				m.step(Configure{Settings: m.w.settings})
			},
			"restart": func(*rapid.T) { m.w.parked = map[RequestID]bool{}; m.w.open() },
		})
	})
}

func (m *streamsModel) pick(t *rapid.T) *streamsClient {
	return rapid.SampledFrom(m.clients).Draw(t, "client")
}

// start makes a thread anew.
func (m *streamsModel) start(c *streamsClient) {
	m.ids++
	c.id, c.epoch, c.joined, c.endpoints = fmt.Sprint("m", m.ids), 0, false, 0
	c.endpoint = m.ids%2 == 0
	c.owned = assign.TaskSet{}
}

func (m *streamsModel) step(ev Event) {
	fx := m.w.take(ev)
	for _, r := range fx.Replies {
		m.replies[r.ID] = r.Response
	}
	for id := range m.epochs {
		if m.w.shard.groups[id] == nil {
			delete(m.epochs, id)
			clear(m.members)
		}
	}
}

func (m *streamsModel) advance(d time.Duration) { m.w.pass(d, m.step) }

// beat sends what a good client would; a silent one does not tell its tasks.
func (m *streamsModel) beat(c *streamsClient, lost, silent bool) {
	req := kmsg.NewPtrStreamsGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch, req.EndpointInformationEpoch = c.group, c.id, c.epoch, c.endpoints
	req.RebalanceTimeoutMillis = -1
	if !c.joined {
		req.MemberEpoch = 0
		c.owned = assign.TaskSet{}
		req.RebalanceTimeoutMillis, req.ProcessID = 20_000, &c.process
		req.Topology = topologyNamed(c.topology, c.group)
		if c.endpoint {
			req.UserEndpoint = &kmsg.StreamsGroupHeartbeatRequestUserEndpoint{Host: c.id, Port: 1}
		}
	}
	if !c.joined || c.retry || !silent {
		req.ActiveTasks, req.StandbyTasks, req.WarmupTasks = taskIDs(c.owned.Active), taskIDs(c.owned.Standby), []kmsg.TaskIDs{}
	}
	r := m.send(req)
	if c.retry = lost; lost {
		return
	}
	switch code(r.ErrorCode) {
	case "NONE":
	case "GROUP_MAX_SIZE_REACHED":
		return
	case "FENCED_MEMBER_EPOCH", "UNKNOWN_MEMBER_ID", "GROUP_ID_NOT_FOUND":
		c.joined, c.epoch, c.owned = false, 0, assign.TaskSet{}
		return
	case "INVALID_REQUEST": // it runs tasks that are no more, since a topic is smaller
		if c.joined {
			c.joined, c.epoch, c.owned = false, 0, assign.TaskSet{}
			return
		}
		fallthrough
	default:
		m.t.Fatalf("%s: %s", code(r.ErrorCode), deref(r.ErrorMessage))
	}
	c.joined, c.epoch, c.endpoints = true, r.MemberEpoch, r.EndpointInformationEpoch
	if r.ActiveTasks != nil {
		c.owned = assign.TaskSet{Active: tasksOf(r.ActiveTasks), Standby: tasksOf(r.StandbyTasks)}
	}
}

func (m *streamsModel) send(req *kmsg.StreamsGroupHeartbeatRequest) *kmsg.StreamsGroupHeartbeatResponse {
	m.w.requests++
	id := m.w.requests
	m.step(StreamsGroupHeartbeat{ID: id, Client: Client{"c", "/h"}, Req: req})
	r, ok := m.replies[id].(StreamsHeartbeatReply)
	if !ok {
		m.t.Fatalf("no reply to a heartbeat of %s", req.MemberID)
	}
	for _, t := range r.Create {
		if rapid.IntRange(0, 3).Draw(m.t, "creation fails") > 0 {
			var ev ClusterChanged
			m.w.cluster, ev = m.w.cluster.change(t.Topic, t.NumPartitions)
			m.step(ev)
		}
	}
	m.advance(0)
	return r.Response
}

func (m *streamsModel) leave(t *rapid.T) {
	c := m.pick(t)
	if !c.joined {
		return
	}
	req := kmsg.NewPtrStreamsGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch, req.RebalanceTimeoutMillis = c.group, c.id, -1, -1
	m.send(req)
	m.start(c)
}

func (m *streamsModel) topic(t *rapid.T) {
	ev, _ := m.w.drawTopic(t, []string{"t", "u"}, 1, 6)
	m.step(ev)
}

// settle lets all clients of a group beat until nothing moves, and checks that
// everything runs.
func (m *streamsModel) settle(t *rapid.T) {
	group := m.pick(t).group
	n := 0
	for range 35 { // longer than a session
		m.advance(2 * time.Second)
		n = 0
		for _, c := range m.clients {
			if c.group == group {
				m.beat(c, false, false)
				n++
			}
		}
	}
	m.check()
	g := m.w.shard.streams(group)
	if g == nil || len(g.members) < n || !g.configured.ready() {
		return // some found no room, or topics do not fit
	}
	if g.state != StreamsStable {
		m.t.Fatalf("%s is %s after everybody beat for long", group, g.state)
	}
	for id, sub := range g.configured.subtopologies {
		for p := range sub.tasks {
			if !slices.ContainsFunc(m.clients, func(c *streamsClient) bool {
				return c.group == group && c.joined && hasTask(c.owned.Active, id, p)
			}) {
				m.t.Fatalf("nobody in %s runs %s-%d", group, id, p)
			}
		}
	}
}

func (m *streamsModel) check() {
	s := m.w.shard
	var states [streamsStates]int
	for id, g := range s.groups {
		sg := g.(*streams)
		states[sg.state]++
		m.checkGroup(id, sg)
	}
	if s.counts.Streams != states {
		m.t.Fatalf("counts %v, groups %v", s.counts.Streams, states)
	}
	again := m.w.replayed()
	again.Step(m.w.now, Loaded{})
	m.w.sameCount(again)
	for id, g := range s.groups {
		sameStreams(m.t, g.(*streams), again.streams(id))
	}
}

func sameStreams(t *rapid.T, live, stored *streams) {
	if stored == nil {
		t.Fatalf("%s is not in the log", live.id)
	}
	type facts struct {
		State                             StreamsState
		Epoch, AssignmentEpoch, Validated int32
		Hash, AssignedAt                  int64
		Configs                           []KeyValue
		Topology                          TopologyValue
		Target                            map[string]assign.TaskSet
		Active                            map[assign.TaskID]string
		Others                            map[assign.TaskID]map[string]int
		Values                            map[string]StreamsMemberValue
		Current                           map[string]StreamsCurrentValue
	}
	of := func(g *streams) facts {
		f := facts{g.state, g.epoch, g.assignmentEpoch, g.validated, g.hash, g.assignedAt, g.configs, g.topology.TopologyValue,
			g.shall, g.active, g.others, map[string]StreamsMemberValue{}, map[string]StreamsCurrentValue{}}
		for id, member := range g.members {
			f.Values[id], f.Current[id] = member.StreamsMemberValue, member.current
		}
		return f
	}
	if a, b := of(live), of(stored); !reflect.DeepEqual(a, b) {
		t.Fatalf("group %s live:\n%+v\nreplayed:\n%+v", live.id, a, b)
	}
}

func (m *streamsModel) checkGroup(id string, g *streams) {
	was := m.epochs[id]
	if g.epoch < was[0] || g.assignmentEpoch < was[1] || g.assignmentEpoch > g.epoch {
		m.t.Fatalf("%s: epochs %d/%d, were %v", id, g.epoch, g.assignmentEpoch, was)
	}
	m.epochs[id] = [2]int32{g.epoch, g.assignmentEpoch}
	owner, inProcess := map[assign.TaskID]string{}, map[string]string{}
	for memberID, member := range g.members {
		key := id + "/" + memberID
		if e := member.current.Epoch; e < m.members[key] || e > g.assignmentEpoch {
			m.t.Fatalf("%s: member epoch %d, was %d, assignment epoch %d", key, e, m.members[key], g.assignmentEpoch)
		}
		m.members[key] = member.current.Epoch
		member.eachTask(func(task assign.TaskID, active bool) {
			if active {
				if owner[task] != "" {
					m.t.Fatalf("%s: %v has two owners, %s and %s", id, task, owner[task], memberID)
				}
				owner[task] = memberID
			}
			place := fmt.Sprint(member.ProcessID, task)
			if inProcess[place] != "" {
				m.t.Fatalf("%s: %s is there twice, of %s and %s", id, place, inProcess[place], memberID)
			}
			inProcess[place] = memberID
		})
		if !member.session.Armed() {
			m.t.Fatalf("%s: nothing ends the session", key)
		}
		if member.state() == streamsMemberUnrevoked && !member.rebalance.Armed() {
			m.t.Fatalf("%s: nothing ends the wait for what it has to give up", key)
		}
	}
	for _, c := range m.clients {
		member := g.members[c.id]
		if c.group != id || !c.joined || member == nil {
			continue // it will be told that it is no member
		}
		for sub, ps := range c.owned.Active {
			for _, p := range ps {
				if owner[assign.TaskID{Subtopology: sub, Partition: p}] != c.id {
					m.t.Fatalf("%s/%s runs %s-%d, which it does not have", id, c.id, sub, p)
				}
			}
		}
	}
}
