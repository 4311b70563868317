package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// replaceStatic gives the place of a static member to a new incarnation of it,
// which joins without knowing its old member id. The old id is fenced at once.
func (s *Shard) replaceStatic(g *classic, old *member, newID string, j *joining) {
	oldLeader := g.leader
	s.failJoin(g, old, old.id, kerr.FencedInstanceID)
	s.failSync(old, kerr.FencedInstanceID)
	s.timers.Cancel(old.session)

	m := *old
	m.id = newID
	m.session = nil
	m.isNew = false
	s.swap(g, old, &m)
	s.startSession(g, &m, m.sessionTimeout)
	s.updateMember(g, &m, j)

	switch {
	case g.state == Stable && g.selectProtocol() == *g.protocol:
		s.resumeStatic(g, &m, oldLeader)
	case g.state == PreparingRebalance:
		s.maybeCompleteJoin(g)
	default:
		// In CompletingRebalance the leader may already be assigning to the old
		// id, so the new one would get nothing.
		s.rebalance(g)
	}
}

// swap puts m in the place of old everywhere in the group.
func (s *Shard) swap(g *classic, old, m *member) {
	for i := range g.members {
		if g.members[i] == old {
			g.members[i] = m
		}
	}
	delete(g.byID, old.id)
	g.byID[m.id] = m
	g.byStatic[*m.instanceID] = m
	if g.leader == old.id {
		g.leader = m.id
	}
	if _, ok := g.pendingSync[old.id]; ok {
		delete(g.pendingSync, old.id)
		g.pendingSync[m.id] = struct{}{}
	}
}

// resumeStatic answers a returned static member with the generation that is
// running: its assignment stands, so nobody needs to rebalance. The new member
// id is stored first, or a restart would fence the member that was just told it.
func (s *Shard) resumeStatic(g *classic, m *member, oldLeader string) {
	p := m.join
	m.join = nil
	g.waiting--
	if err := s.store(g); err != nil {
		s.reply(p.id, joinError(p.version, "", err))
		return
	}
	r := kmsg.NewPtrJoinGroupResponse()
	r.Version = p.version
	r.Generation = g.generation
	protocolType := g.protocolType
	r.ProtocolType = &protocolType
	r.Protocol = g.protocol
	r.MemberID = m.id
	if p.version >= 9 {
		r.LeaderID = g.leader
		if g.leader == m.id {
			r.SkipAssignment = true
			r.Members = g.joinMembers()
		}
	} else {
		// An old client cannot be told to skip the assignment; named as leader it
		// would make one. With the old leader's id it takes itself for a follower.
		r.LeaderID = oldLeader
	}
	s.reply(p.id, r)
}
