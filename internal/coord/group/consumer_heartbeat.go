package group

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group/assign"
)

// refusal is an error with the sentence that goes with it.
type refusal struct {
	code    *kerr.Error
	message string
}

func refuse(code *kerr.Error, format string, args ...any) *refusal {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// consumerHeartbeat handles ConsumerGroupHeartbeat, the one request of a member of
// a consumer group: it joins, leaves, tells what it subscribes to and owns, and is
// told what it shall have.
func (s *Shard) consumerHeartbeat(ev ConsumerGroupHeartbeat) {
	r, err := s.beat(ev)
	if err != nil {
		r = refuseBeat(ev.Req, err)
	}
	r.Version = ev.Req.Version
	s.reply(ev.ID, r)
}

func refuseBeat(req *kmsg.ConsumerGroupHeartbeatRequest, err *refusal) *kmsg.ConsumerGroupHeartbeatResponse {
	r := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	r.Version = req.Version
	r.ErrorCode, r.ErrorMessage = err.code.Code, &err.message
	return r
}

func (s *Shard) beat(ev ConsumerGroupHeartbeat) (*kmsg.ConsumerGroupHeartbeatResponse, *refusal) {
	if err := checkBeat(ev.Req, s.settings.Consumer.Assignors); err != nil {
		return nil, err
	}
	if ev.Req.MemberEpoch < 0 {
		return s.leaveConsumer(ev.Req)
	}
	a, err := s.admit(ev)
	if err != nil {
		return nil, err
	}
	before, m, changed := s.enter(a)
	if err := s.reassign(a.group, changed); err != nil {
		return nil, err
	}
	s.reconcile(a.group, m, changed, a.owned)
	s.startConsumerSession(a.group, m)
	s.settle(a.group)

	r := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	r.MemberID = &m.id
	r.MemberEpoch = m.current.Epoch
	r.HeartbeatIntervalMillis = int32(s.groupConfig(a.group.id).HeartbeatInterval.Milliseconds())
	req := ev.Req
	full := req.RebalanceTimeoutMillis != -1 && (req.SubscribedTopicNames != nil || req.SubscribedTopicRegex != nil) && req.Topics != nil
	if req.MemberEpoch == 0 || full || !sameHeld(before, m.current.Assigned) {
		r.Assignment = assignmentOf(m.current.Assigned)
	}
	return r, nil
}

func assignmentOf(h Held) *kmsg.ConsumerGroupHeartbeatResponseAssignment {
	a := kmsg.NewConsumerGroupHeartbeatResponseAssignment()
	a.Topics = []kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic{}
	for _, id := range assign.SortedTopics(h) {
		t := kmsg.NewConsumerGroupHeartbeatResponseAssignmentTopic()
		t.TopicID, t.Partitions = id, sortedKeys(h[id])
		a.Topics = append(a.Topics, t)
	}
	return &a
}

// admission is a member on its way into its group: everything has been checked and
// nothing changed.
type admission struct {
	group    *consumer
	upgrade  *classic        // what the group is made of, nil if it exists or is new
	replaced *consumerMember // the static member whose place it takes, nil usually
	member   *consumerMember // as it was
	updated  *consumerMember // as it shall be
	owned    assign.Partitions
	bySelf   func(topic string) bool
}

// enter makes the group and the member what they were admitted as. It returns what
// the member had, the member, and what changed.
func (s *Shard) enter(a *admission) (before Held, m *consumerMember, c change) {
	s.fx.Atomic = true
	if s.groups[a.group.id] != a.group {
		s.createConsumer(a)
	}
	g := a.group
	if a.replaced != nil {
		target := g.targetOf(a.replaced)
		s.putRemoved(g, a.replaced.id)
		s.putMember(g, a.member)
		s.putTarget(g, a.member.id, target)
		s.putCurrent(g, a.member.id, a.member.current)
	}
	_, existed := g.members[a.updated.id]
	was := a.member.ConsumerMemberValue // putMember changes it
	lastOfOld := was.Regex != "" && was.Regex != a.updated.Regex && existed && g.expressions()[was.Regex] == 1
	if !existed || !bytes.Equal(EncodeConsumerMember(was), EncodeConsumerMember(a.updated.ConsumerMemberValue)) {
		c.names = !slices.Equal(was.Topics, a.updated.Topics)
		s.putMember(g, a.updated)
	}
	m = g.members[a.updated.id]
	if !existed {
		// Its epoch is 0 until it is reconciled.
		m.current = a.updated.current
	}
	s.updateRegex(a, was.Regex, lastOfOld, &c)
	return m.current.Assigned, m, c
}

// createConsumer puts a new group in the place of none, of an empty classic one,
// or of a classic one that is upgraded.
func (s *Shard) createConsumer(a *admission) {
	if old := s.classic(a.group.id); old != nil {
		if a.upgrade != nil {
			s.failJoins(old, kerr.RebalanceInProgress)
			s.failSyncs(old, kerr.RebalanceInProgress)
		}
		s.dropGroup(old.id)
	}
	s.addConsumer(a.group)
	if a.upgrade != nil {
		s.putUpgraded(a.group)
	}
}

// failJoins answers all who wait in a rebalance.
func (s *Shard) failJoins(g *classic, err *kerr.Error) {
	for _, m := range g.members {
		s.failJoin(g, m, m.id, err)
	}
}

// change is what a heartbeat changed in the member's subscription.
type change struct {
	names bool // of topics
	// regex: another expression, resolved if the topics are known already.
	regex, resolved bool
}

func (c change) any() bool { return c.names || c.regex }

// reassign brings the group's epoch and its target up to date.
func (s *Shard) reassign(g *consumer, c change) *refusal {
	bump := c.names || c.resolved
	if bump || g.stale {
		hash := s.subscriptionHash(sortedKeys(g.countSubscriptions()))
		if bump || hash != g.hash {
			s.putGroup(g, g.epoch+1, hash)
		}
		g.stale = false
	}
	if g.epoch > g.assignmentEpoch && g.due(s.now, s.groupConfig(g.id).AssignmentInterval) {
		return s.assignTarget(g)
	}
	return nil
}

// assignTarget computes the target for the group's epoch and writes what differs.
func (s *Shard) assignTarget(g *consumer) *refusal {
	topics := map[assign.TopicID]int32{}
	members := make([]assign.Member, 0, len(g.members))
	for _, id := range sortedKeys(g.members) {
		m := g.members[id]
		am := assign.Member{ID: id, Current: g.shall[id]}
		if m.InstanceID != nil {
			am.InstanceID = *m.InstanceID
		}
		for _, name := range g.topicsOf(m) {
			if t, ok := s.cluster.Topic(name); ok {
				topics[t.ID] = t.Partitions
				am.Topics = append(am.Topics, t.ID)
			}
		}
		members = append(members, am)
	}
	target := assigners[s.assignorOf(g)](topics, members)
	for _, id := range sortedKeys(target) {
		if n := len(EncodeTargetAssignment(target[id])) + len(id) + len(g.id); n > s.settings.MaxRecordBytes {
			return refuse(kerr.UnknownServerError, "Failed to compute a new target assignment for epoch %d: the assignment of member %s does not fit a record.", g.epoch, id)
		}
	}
	for _, id := range sortedKeys(target) {
		if old, ok := g.shall[id]; !ok || !old.Equal(target[id]) {
			s.putTarget(g, id, target[id])
		}
	}
	s.putTargetMetadata(g, TargetMetadataValue{Epoch: g.epoch, Timestamp: s.now.UnixMilli()})
	return nil
}

// assigners are the server-side assignors by name.
var assigners = map[string]assign.Assignor{"uniform": assign.Uniform, "range": assign.Range}

// startConsumerSession gives a member a full session timeout.
func (s *Shard) startConsumerSession(g *consumer, m *consumerMember) {
	d := s.groupConfig(g.id).SessionTimeout
	if m.Classic != nil {
		d = time.Duration(m.Classic.SessionTimeoutMillis) * time.Millisecond
	}
	s.startMemberTimer(g, m, &m.session, d)
}

// startMemberTimer sets a timer that fences the member when it fires.
func (s *Shard) startMemberTimer(g *consumer, m *consumerMember, t **coord.Timer, d time.Duration) {
	if *t == nil {
		*t = coord.NewTimer(func() { s.fence(g, m) })
	}
	s.after(*t, d)
}

func (s *Shard) cancelTimers(m *consumerMember) {
	for _, t := range []*coord.Timer{m.session, m.rebalance, m.join, m.sync} {
		s.timers.Cancel(t)
	}
}

func (g *consumer) load(s *Shard) {
	for _, id := range sortedKeys(g.members) {
		m := g.members[id]
		s.startConsumerSession(g, m)
		if m.state() == memberUnrevoked && m.current.Epoch != leftStatic && !m.isClassic() {
			s.startMemberTimer(g, m, &m.rebalance, time.Duration(m.RebalanceTimeoutMillis)*time.Millisecond)
		}
	}
	s.settle(g)
}
