package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Members of the classic protocol in a consumer group: they take part in its
// rebalances by JoinGroup, SyncGroup and Heartbeat, while their group migrates. To
// such a member the generation is its epoch, and a step towards its target is a
// rebalance: it is told to rejoin, says in its subscription what it owns, and
// fetches the next assignment.

// joinConsumer handles JoinGroup for a consumer group that has members.
func (s *Shard) joinConsumer(g *consumer, j *joining) {
	a, r, err := s.admitClassic(g, j)
	switch {
	case err != nil:
		s.refuseJoin(j, "", err)
		return
	case r != nil:
		s.reply(j.ID, r)
		return
	}
	existing := a.replaced
	if existing == nil && j.Req.InstanceID != nil {
		existing = g.static(*j.Req.InstanceID)
	}
	downgrade := existing != nil && !existing.isClassic() && s.allClassicExcept(g, existing) &&
		s.settings.Consumer.Migration.downgrades() && len(g.members) <= s.settings.MaxSize

	_, m, changed := s.enter(a)
	var refused *refusal
	var generation int32
	if downgrade {
		generation = s.joinDowngraded(a, m, changed)
	} else {
		refused = s.reassign(g, changed)
		if refused == nil {
			s.reconcile(g, m, changed, a.owned)
		}
		s.timers.Cancel(m.join)
		s.startConsumerSession(g, m)
		s.startMemberTimer(g, m, &m.sync, j.rebalanceTimeout)
		s.settle(g)
		generation = m.current.Epoch
	}
	if refused != nil {
		s.refuseJoin(j, m.id, refused.code)
		return
	}
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.Version = j.Req.Version
	resp.MemberID, resp.Generation = m.id, generation
	protocolType, name := consumerProtocol, j.protocols[0].name
	resp.ProtocolType, resp.Protocol = &protocolType, &name
	s.reply(j.ID, resp)
}

// joinDowngraded takes in the member that replaces the last one of the consumer
// protocol. The group is classic from then on; if its target was not up to date
// its members assign anew. It returns the member's generation.
func (s *Shard) joinDowngraded(a *admission, m *consumerMember, c change) int32 {
	g := a.group
	if c.names || c.resolved || g.stale {
		hash := s.subscriptionHash(sortedKeys(g.countSubscriptions()))
		if c.names || c.resolved || hash != g.hash {
			s.putGroup(g, g.epoch+1, hash)
		}
	}
	outdated := g.assignmentEpoch < g.epoch
	if !outdated {
		s.reconcile(g, m, c, a.owned)
	}
	generation := m.current.Epoch
	s.downgrade(g, nil, a.replaced, m, outdated)
	return generation
}

func (s *Shard) allClassicExcept(g *consumer, except *consumerMember) bool {
	for _, m := range g.members {
		if m != except && !m.isClassic() {
			return false
		}
	}
	return true
}

// admitClassic checks a JoinGroup. A reply that asks the client to come back with
// a member id ends it early.
func (s *Shard) admitClassic(g *consumer, j *joining) (*admission, *kmsg.JoinGroupResponse, *kerr.Error) {
	req := j.Req
	if s.settings.Consumer.Migration == MigrationDisabled {
		return nil, nil, kerr.InconsistentGroupProtocol
	}
	id := req.MemberID
	if id == "" {
		id = s.newUUID()
	}
	if err := s.checkRoom(g, id); err != nil {
		return nil, nil, err.code
	}
	if req.ProtocolType != consumerProtocol || !g.supports(j.protocols) {
		return nil, nil, kerr.InconsistentGroupProtocol
	}
	if req.MemberID == "" && req.InstanceID == nil && req.Version >= 4 {
		return nil, joinError(req.Version, id, kerr.MemberIDRequired), nil
	}
	a := &admission{group: g}
	if err := a.findClassic(id, req); err != nil {
		return nil, nil, err
	}
	sub, ok := decodeSubscription(j.protocols[0].metadata)
	if !ok {
		return nil, nil, kerr.UnknownServerError
	}
	a.owned = s.byID(sub.owned)
	a.updated = a.member.copy()
	v := &a.updated.ConsumerMemberValue
	v.InstanceID = orKeep(req.InstanceID, v.InstanceID)
	v.RackID = orKeep(sub.rack, v.RackID)
	v.RebalanceTimeoutMillis = int32(j.rebalanceTimeout.Milliseconds())
	v.Topics, v.Regex = sortedSet(sub.topics), ""
	v.ClientID, v.ClientHost = j.Client.ID, j.Client.Host
	v.Classic = &ClassicMemberValue{SessionTimeoutMillis: req.SessionTimeoutMillis, Protocols: classicProtocols(j.protocols)}
	if err := s.checkMemberSize(a); err != nil {
		return nil, nil, err.code
	}
	return a, nil, nil
}

// first is the protocol that the member was answered with: of those it offers the
// one it likes best, since nobody runs an assignor.
func (c *ClassicMemberValue) first() ClassicProtocol {
	if len(c.Protocols) == 0 {
		return ClassicProtocol{}
	}
	return c.Protocols[0]
}

// findClassic finds who joins, or prepares a new member.
func (a *admission) findClassic(id string, req *kmsg.JoinGroupRequest) *kerr.Error {
	g := a.group
	if req.InstanceID == nil {
		if a.member = g.members[id]; a.member == nil {
			a.member = newConsumerMember(id)
		}
		return nil
	}
	holder := g.static(*req.InstanceID)
	switch {
	case req.MemberID == "" && holder == nil:
		a.member = newConsumerMember(id)
	case req.MemberID == "":
		a.replace(holder, id)
	case holder == nil:
		return kerr.UnknownMemberID
	case holder.id != id:
		return kerr.FencedInstanceID
	default:
		a.member = holder
	}
	return nil
}

// supports tells whether one of the protocols is known to all classic members.
func (g *consumer) supports(protocols []protocol) bool {
	return slices.ContainsFunc(protocols, func(p protocol) bool {
		for _, m := range g.members {
			if m.isClassic() && !slices.ContainsFunc(m.Classic.Protocols, func(c ClassicProtocol) bool { return c.Name == p.name }) {
				return false
			}
		}
		return true
	})
}

// classicMember finds a member of the classic protocol.
func (g *consumer) classicMember(id string, instanceID *string, generation int32) (*consumerMember, *kerr.Error) {
	m := g.members[id]
	if instanceID != nil {
		m = g.static(*instanceID)
		if m != nil && m.id != id {
			return nil, kerr.FencedInstanceID
		}
	}
	switch {
	case m == nil || !m.isClassic():
		return nil, kerr.UnknownMemberID
	case m.current.Epoch != generation:
		return nil, kerr.IllegalGeneration
	}
	return m, nil
}

// rejoin starts the time that a member has to rejoin, if it does not run.
func (s *Shard) rejoin(g *consumer, m *consumerMember) *kerr.Error {
	if m.join == nil || !m.join.Armed() {
		s.startMemberTimer(g, m, &m.join, time.Duration(m.RebalanceTimeoutMillis)*time.Millisecond)
	}
	return kerr.RebalanceInProgress
}

// syncConsumer handles SyncGroup.
func (s *Shard) syncConsumer(g *consumer, ev SyncGroup) {
	m, err := s.checkConsumerSync(g, ev.Req)
	if err != nil {
		s.reply(ev.ID, syncError(ev.Req.Version, err))
		return
	}
	s.timers.Cancel(m.sync)
	s.startConsumerSession(g, m)
	r := kmsg.NewPtrSyncGroupResponse()
	r.Version = ev.Req.Version
	r.ProtocolType, r.Protocol = ev.Req.ProtocolType, ev.Req.Protocol
	r.MemberAssignment = s.encodeAssignment(m.current.Assigned.partitions(), m.Classic.first().Metadata)
	s.reply(ev.ID, r)
}

func (s *Shard) checkConsumerSync(g *consumer, req *kmsg.SyncGroupRequest) (*consumerMember, *kerr.Error) {
	m, err := g.classicMember(req.MemberID, req.InstanceID, req.Generation)
	if err != nil {
		return nil, err
	}
	if req.ProtocolType != nil && *req.ProtocolType != consumerProtocol ||
		req.Protocol != nil && *req.Protocol != m.Classic.first().Name {
		return nil, kerr.InconsistentGroupProtocol
	}
	if g.assignmentEpoch > m.current.Epoch && m.state() != memberUnrevoked {
		return nil, s.rejoin(g, m)
	}
	return m, nil
}

// heartbeatConsumer handles Heartbeat: a member has to rejoin to get to a newer
// target, to say that it gave partitions up, or to get those that became free.
func (s *Shard) heartbeatConsumer(g *consumer, req *kmsg.HeartbeatRequest) *kerr.Error {
	m, err := g.classicMember(req.MemberID, req.InstanceID, req.Generation)
	if err != nil {
		return err
	}
	s.startConsumerSession(g, m)
	switch {
	case m.current.Epoch < g.assignmentEpoch,
		m.state() == memberUnrevoked,
		m.state() == memberUnreleased && !g.waitsForOthers(m),
		g.epoch > g.assignmentEpoch && s.allClassicExcept(g, nil) && g.due(s.now, s.groupConfig(g.id).AssignmentInterval):
		// The last: with no member of the consumer protocol left nobody else's
		// heartbeat would compute the target. It happens if downgrades are off.
		return s.rejoin(g, m)
	}
	return nil
}

// leaveConsumerClassic handles LeaveGroup for a consumer group. Also members of
// the consumer protocol may be removed so, by an operator.
func (s *Shard) leaveConsumerClassic(g *consumer, members []kmsg.LeaveGroupRequestMember) []*kerr.Error {
	errs := make([]*kerr.Error, len(members))
	var leaving []*consumerMember
	for i := range members {
		var m *consumerMember
		if m, errs[i] = g.leaver(&members[i]); errs[i] == nil && !slices.Contains(leaving, m) {
			leaving = append(leaving, m)
		}
	}
	if len(leaving) > 0 {
		s.removeMembers(g, leaving)
	}
	return errs
}

func (g *consumer) leaver(req *kmsg.LeaveGroupRequestMember) (*consumerMember, *kerr.Error) {
	m := g.members[req.MemberID]
	if req.InstanceID != nil {
		m = g.static(*req.InstanceID)
	}
	switch {
	case m == nil:
		return nil, kerr.UnknownMemberID
	case req.InstanceID != nil && req.MemberID != "" && req.MemberID != m.id:
		return nil, kerr.FencedInstanceID
	}
	return m, nil
}
