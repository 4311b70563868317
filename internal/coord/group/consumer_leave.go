package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// leaveConsumer handles the heartbeat that says goodbye. A static member may say
// that it comes back: then nothing moves until its session ends.
func (s *Shard) leaveConsumer(req *kmsg.ConsumerGroupHeartbeatRequest) (*kmsg.ConsumerGroupHeartbeatResponse, *refusal) {
	g := s.consumer(req.Group)
	switch {
	case s.groups[req.Group] == nil:
		return nil, refuse(kerr.GroupIDNotFound, "Group %s not found.", req.Group)
	case g == nil:
		return nil, refuse(kerr.GroupIDNotFound, "Group %s is not a consumer group.", req.Group)
	}
	r := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	r.MemberID, r.MemberEpoch = &req.MemberID, req.MemberEpoch
	if req.InstanceID == nil {
		m := g.members[req.MemberID]
		if m == nil {
			return nil, unknownMember(g, req.MemberID)
		}
		s.removeMembers(g, []*consumerMember{m})
		return r, nil
	}
	m := g.static(*req.InstanceID)
	switch {
	case m == nil:
		return nil, refuse(kerr.UnknownMemberID, "Instance id %s is unknown.", *req.InstanceID)
	case m.id != req.MemberID:
		return nil, fencedInstance(m, req.MemberID, *req.InstanceID)
	case req.MemberEpoch == leftStatic:
		s.leaveForNow(g, m)
	default:
		s.removeMembers(g, []*consumerMember{m})
	}
	return r, nil
}

// leaveForNow keeps a static member's place. What it was to give up is free: it is
// gone.
func (s *Shard) leaveForNow(g *consumer, m *consumerMember) {
	next := m.current
	next.Epoch = leftStatic
	next.Revoking = Held{}
	next.Assigned = Held{}
	for id, ps := range m.current.Assigned {
		for p := range ps {
			next.Assigned.add(id, p, 0)
		}
	}
	s.putCurrent(g, m.id, next)
	s.timers.Cancel(m.rebalance)
	s.settle(g)
}

// fence removes a member that has not been heard of in time.
func (s *Shard) fence(g *consumer, m *consumerMember) {
	if s.consumer(g.id) == g && g.members[m.id] == m {
		s.removeMembers(g, []*consumerMember{m})
	}
}

// removeMembers takes members out of the group. If only members of the classic
// protocol are left the group becomes a classic one again.
func (s *Shard) removeMembers(g *consumer, leaving []*consumerMember) {
	s.fx.Atomic = true
	if s.mayDowngrade(g, leaving) {
		s.downgrade(g, leaving, nil, nil, true)
		return
	}
	before := g.expressions()
	for _, m := range leaving {
		s.putRemoved(g, m.id)
	}
	after := g.expressions()
	for _, expression := range sortedKeys(before) {
		if after[expression] == 0 {
			s.put(ConsumerKey{keyRegularExpression, g.id, expression}, nil)
		}
	}
	s.putGroup(g, g.epoch+1, s.subscriptionHash(sortedKeys(g.countSubscriptions())))
	s.settle(g)
}
