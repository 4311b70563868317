package group

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group/assign"
)

// streamsHeartbeat handles StreamsGroupHeartbeat, the one request of a member of a
// streams group: it joins, leaves, tells its topology and what tasks it has, and is
// told which it shall have and what is wrong with the topics.
func (s *Shard) streamsHeartbeat(ev StreamsGroupHeartbeat) {
	reply, err := s.streamsBeat(ev)
	if err != nil {
		reply = StreamsHeartbeatReply{Response: refuseStreamsBeat(ev.Req, err)}
	}
	s.reply(ev.ID, reply)
}

func (s *Shard) streamsBeat(ev StreamsGroupHeartbeat) (StreamsHeartbeatReply, *refusal) {
	if err := checkStreamsBeat(ev.Req); err != nil {
		return StreamsHeartbeatReply{}, err
	}
	if ev.Req.MemberEpoch < 0 {
		return s.leaveStreams(ev.Req)
	}
	p, err := s.planStreams(ev)
	if err != nil {
		return StreamsHeartbeatReply{}, err
	}
	before := p.member.current.Assigned
	m := s.enterStreams(p)
	reply := s.answerStreams(p, m, ev.Req, !sameTasks(before, m.current.Assigned))
	if p.created {
		// As in Kafka, what is not stored begins with the next heartbeat.
		p.group.configured, p.group.endpointEpoch, p.group.shutdownBy, p.group.stale = nil, 0, "", true
	}
	return reply, nil
}

// planStreams works out what a heartbeat leads to.
func (s *Shard) planStreams(ev StreamsGroupHeartbeat) (*streamsPlan, *refusal) {
	p := &streamsPlan{}
	if err := s.findStreams(p, ev.Req.Group, ev.Req.MemberEpoch == 0); err != nil {
		return nil, err
	}
	if err := s.findStreamsMember(p, ev); err != nil {
		return nil, err
	}
	if err := s.planTopology(p, ev.Req.Topology); err != nil {
		return nil, err
	}
	if err := p.checkTasks(ev.Req); err != nil {
		return nil, err
	}
	s.planEpoch(p)
	if err := s.planTarget(p); err != nil {
		return nil, err
	}
	return p, s.planNext(p)
}

// planTopology finds the topology in force and places it on the topics. Kafka 4.3
// does not let an application change it.
func (s *Shard) planTopology(p *streamsPlan, req *kmsg.StreamsGroupHeartbeatRequestTopology) *refusal {
	g := p.group
	p.topology = g.topology
	if req != nil {
		t := newTopology(topologyOf(req))
		switch {
		case t == nil || t.Epoch < 0:
			return serverError
		case g.topology == nil:
			p.topology = t
			if len(EncodeTopology(t.TopologyValue))+len(g.id) > s.settings.MaxRecordBytes {
				return refuse(kerr.UnknownServerError, "The topology does not fit a record.")
			}
		case g.topology.Epoch <= t.Epoch && !g.topology.same(t):
			return refuse(kerr.InvalidRequest, "Topology updates are not supported yet.")
		}
	}
	if p.topology == nil {
		return serverError
	}
	if g.topology != nil && p.value.TopologyEpoch < g.topology.Epoch {
		p.say(statusStaleTopology, fmt.Sprintf("The member's topology epoch %d is behind the group's topology epoch %d.", p.value.TopologyEpoch, g.topology.Epoch))
	}
	p.configured, p.hash = g.configured, g.hash
	if g.topology == nil || g.configured == nil || g.stale {
		p.hash = s.subscriptionHash(p.topology.required)
		if g.topology == nil || g.configured == nil || p.hash != g.hash {
			var err *refusal
			if p.configured, err = configure(p.topology, s.cluster); err != nil {
				return err
			}
		}
	}
	p.validated = -1
	if p.configured.ready() {
		p.validated = p.topology.Epoch
	}
	return nil
}

// checkTasks refuses a member that claims tasks there are not.
func (p *streamsPlan) checkTasks(req *kmsg.StreamsGroupHeartbeatRequest) *refusal {
	if !p.configured.ready() {
		return nil
	}
	for _, tasks := range [][]kmsg.TaskIDs{req.ActiveTasks, req.StandbyTasks, req.WarmupTasks} {
		for i := range tasks {
			sub := p.configured.subtopologies[tasks[i].SubtopologyID]
			if sub == nil {
				return refuse(kerr.InvalidRequest, "Subtopology %s does not exist in the topology.", tasks[i].SubtopologyID)
			}
			for _, n := range tasks[i].Partitions {
				if n < 0 || n >= sub.tasks {
					return refuse(kerr.InvalidRequest, "Task %d for subtopology %s is invalid. Number of tasks for this subtopology: %d", n, tasks[i].SubtopologyID, sub.tasks)
				}
			}
		}
	}
	return nil
}

// planEpoch raises the group's epoch if anything that assignments depend on is new.
func (s *Shard) planEpoch(p *streamsPlan) {
	g := p.group
	c := s.streamsConfig(g.id)
	p.configs = []KeyValue{{"num.standby.replicas", strconv.Itoa(c.StandbyReplicas)}}
	p.epoch = g.epoch
	if p.memberChanged() || p.hash != g.hash || p.validated != g.validated || !slices.Equal(p.configs, g.configs) {
		p.epoch++
	}
	p.delayed = g.empty() && c.InitialDelay > 0 || g.delay != nil && g.delay.Armed()
}

// memberChanged is true of every new member: it has no address before.
func (p *streamsPlan) memberChanged() bool {
	return !bytes.Equal(EncodeStreamsMember(p.value), EncodeStreamsMember(p.member.StreamsMemberValue))
}

// planTarget brings the target up to date.
func (s *Shard) planTarget(p *streamsPlan) *refusal {
	g := p.group
	p.targetEpoch, p.target = g.assignmentEpoch, g.shall[p.member.id]
	if p.delayed {
		p.target = assign.TaskSet{}
		p.say(statusAssignmentDelayed, "Assignment delayed due to the configured initial rebalance delay.")
		return nil
	}
	if g.assignmentEpoch >= p.epoch {
		return nil
	}
	if !g.due(s.now, s.streamsConfig(g.id).AssignmentInterval) {
		p.say(statusAssignmentDelayed, "Assignment delayed due to the configured assignment interval.")
		return nil
	}
	members := len(g.members)
	if g.members[p.member.id] == nil {
		members++
	}
	if err := s.checkTaskCount(p.configured, members, p.epoch); err != nil {
		return err
	}
	p.targets = g.assignTasks(p.configured, p.configs, p.member.id, p.value.ProcessID)
	if err := s.checkTargets(g, p.targets, p.epoch); err != nil {
		return err
	}
	p.targetEpoch, p.target = p.epoch, p.targets[p.member.id]
	return nil
}

// enterStreams does what was planned and returns the member.
func (s *Shard) enterStreams(p *streamsPlan) *streamsMember {
	s.fx.Atomic = true
	g := p.group
	if p.created {
		if old := s.groups[g.id]; old != nil {
			old.drop(s) // an empty classic group
		}
		s.addStreams(g)
	}
	if wasEmpty := len(g.members) == 0; wasEmpty && p.delayed && !g.delay.Armed() {
		s.after(g.delay, s.streamsConfig(g.id).InitialDelay)
	}
	if p.memberChanged() {
		s.putStreams(StreamsKey{keyStreamsMember, g.id, p.member.id}, EncodeStreamsMember(p.value))
	}
	if g.topology == nil {
		s.putStreams(StreamsKey{Type: keyStreamsTopology, Group: g.id}, EncodeTopology(p.topology.TopologyValue))
	}
	g.configured, g.stale = p.configured, false
	if p.epoch != g.epoch {
		s.putStreamsGroup(g, StreamsGroupValue{Epoch: p.epoch, Hash: p.hash, Validated: p.validated, AssignmentConfigs: p.configs})
	}
	if p.targets != nil {
		s.putTargets(g, p.targets, p.epoch)
	}
	m := g.member(p.member.id)
	if !sameCurrent(p.next, m.current) {
		s.putStreams(StreamsKey{keyStreamsCurrent, g.id, m.id}, EncodeStreamsCurrent(p.next))
		if m.state() == streamsMemberUnrevoked {
			s.startRebalanceTimer(g, m)
		} else {
			s.timers.Cancel(m.rebalance)
		}
	}
	s.startStreamsSession(g, m)
	s.settleStreams(g)
	return m
}

// answerStreams makes the answer to a heartbeat that was accepted.
func (s *Shard) answerStreams(p *streamsPlan, m *streamsMember, req *kmsg.StreamsGroupHeartbeatRequest, moved bool) StreamsHeartbeatReply {
	g := p.group
	if req.ShutdownApplication && g.shutdownBy == "" {
		g.shutdownBy = m.id
	}
	r := newStreamsResponse(req)
	r.MemberID, r.MemberEpoch = m.id, m.current.Epoch
	r.HeartbeatIntervalMillis = int32(s.streamsConfig(g.id).HeartbeatInterval.Milliseconds())
	if req.MemberEpoch == 0 || moved || p.behind {
		r.ActiveTasks = activeIDs(m.current.Assigned.Active)
		r.StandbyTasks = taskIDs(m.current.Assigned.Standby)
		r.WarmupTasks = taskIDs(m.current.Assigned.Warmup)
		if m.Endpoint != nil && (req.MemberEpoch == 0 || moved) {
			g.endpointEpoch++
		}
	}
	if g.endpointEpoch != req.EndpointInformationEpoch {
		r.PartitionsByUserEndpoint = s.endpointPartitions(g, m)
	}
	if p.had {
		r.EndpointInformationEpoch = g.endpointEpoch
	}
	var create []kmsg.CreateTopicsRequestTopic
	if problem := g.configured.problem; problem != nil {
		create = g.configured.create
		p.say(problem.status, problem.detail)
	}
	if g.shutdownBy != "" {
		p.say(statusShutdownApplication, fmt.Sprintf("Streams group member %s encountered a fatal error and requested a shutdown for the entire application.", g.shutdownBy))
	}
	r.Status = append(r.Status, p.status...)
	return StreamsHeartbeatReply{Response: r, Create: create}
}

func taskIDs(t assign.Tasks) []kmsg.TaskIDs {
	all := make([]kmsg.TaskIDs, 0, len(t))
	for _, sub := range sortedKeys(t) {
		ids := kmsg.NewTaskIDs()
		ids.SubtopologyID, ids.Partitions = sub, t[sub]
		all = append(all, ids)
	}
	return all
}

func activeIDs(active map[string]map[int32]int32) []kmsg.TaskIDs {
	t := make(assign.Tasks, len(active))
	for sub, ps := range active {
		t[sub] = sortedKeys(ps)
	}
	return taskIDs(t)
}

func sameTasks(a, b HeldTasks) bool {
	return bytes.Equal(appendHeldTasks(nil, a), appendHeldTasks(nil, b))
}

func sameCurrent(a, b StreamsCurrentValue) bool {
	return bytes.Equal(EncodeStreamsCurrent(a), EncodeStreamsCurrent(b))
}
