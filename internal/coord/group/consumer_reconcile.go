package group

import (
	"bytes"
	"time"

	"leat.dev/internal/coord/group/assign"
)

// reconcile takes a member one step towards its target. owned is what it says it
// owns, nil if it says nothing.
func (s *Shard) reconcile(g *consumer, m *consumerMember, c change, owned assign.Partitions) {
	if !c.any() && m.reconciledTo(g.assignmentEpoch) {
		return
	}
	next := s.nextCurrent(g, m, c, owned)
	if bytes.Equal(EncodeCurrentAssignment(next), EncodeCurrentAssignment(m.current)) {
		return
	}
	s.putCurrent(g, m.id, next)
	if m.isClassic() {
		return // it has the join timer
	}
	if m.state() == memberUnrevoked {
		s.startMemberTimer(g, m, &m.rebalance, time.Duration(m.RebalanceTimeoutMillis)*time.Millisecond)
	} else {
		s.timers.Cancel(m.rebalance)
	}
}

func (s *Shard) nextCurrent(g *consumer, m *consumerMember, c change, owned assign.Partitions) CurrentAssignmentValue {
	switch m.state() {
	case memberStable:
		if m.current.Epoch == g.assignmentEpoch {
			return s.withoutUnsubscribed(g, m, owned)
		}
	case memberUnrevoked:
		if ownsAny(owned, m.current.Revoking) {
			if c.any() {
				return s.withoutUnsubscribed(g, m, owned)
			}
			return m.current
		}
	}
	return s.towardsTarget(g, m, owned)
}

// ownsAny tells whether a member may still own some of what it is to give up.
func ownsAny(owned assign.Partitions, revoking Held) bool {
	if owned == nil {
		return true
	}
	for id, ps := range owned {
		for _, p := range ps {
			if _, ok := revoking.epoch(id, p); ok {
				return true
			}
		}
	}
	return false
}

// subscribedIDs are the ids of the topics that a member wants and that exist.
func (s *Shard) subscribedIDs(g *consumer, m *consumerMember) map[assign.TopicID]bool {
	ids := map[assign.TopicID]bool{}
	for _, name := range g.topicsOf(m) {
		if t, ok := s.cluster.Topic(name); ok {
			ids[t.ID] = true
		}
	}
	return ids
}

// withoutUnsubscribed takes topics away that the member does not want any more,
// before there is a target without them.
func (s *Shard) withoutUnsubscribed(g *consumer, m *consumerMember, owned assign.Partitions) CurrentAssignmentValue {
	wanted := s.subscribedIDs(g, m)
	keep, revoke := Held{}, Held{}
	for id, ps := range m.current.Revoking {
		revoke[id] = ps
	}
	dropped := false
	for id, ps := range m.current.Assigned {
		if wanted[id] {
			keep[id] = ps
			continue
		}
		dropped = true
		for p, epoch := range ps {
			if revoke[id] != nil && len(m.current.Revoking[id]) > 0 {
				revoke[id] = cloneEpochs(revoke[id])
			}
			revoke.add(id, p, epoch)
		}
	}
	if !dropped {
		return m.current
	}
	next := m.current
	next.Previous = m.current.Epoch
	next.Assigned = keep
	if ownsAny(owned, revoke) {
		next.State, next.Revoking = int8(memberUnrevoked), revoke
	}
	return next
}

func cloneEpochs(m map[int32]int32) map[int32]int32 {
	c := make(map[int32]int32, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// towardsTarget keeps what stays, takes away what goes, and once the member has
// given that up, gives it what is free.
func (s *Shard) towardsTarget(g *consumer, m *consumerMember, owned assign.Partitions) CurrentAssignmentValue {
	wanted := s.subscribedIDs(g, m)
	target := map[assign.TopicID]map[int32]bool{}
	for id, ps := range g.targetOf(m) {
		if wanted[id] {
			target[id] = make(map[int32]bool, len(ps))
			for _, p := range ps {
				target[id][p] = true
			}
		}
	}
	keep, revoke := Held{}, Held{}
	for id, ps := range m.current.Assigned {
		for p, epoch := range ps {
			if target[id][p] {
				keep.add(id, p, epoch)
			} else {
				revoke.add(id, p, epoch)
			}
		}
	}
	next := m.current
	next.Previous = m.current.Epoch
	if len(revoke) > 0 && ownsAny(owned, revoke) {
		next.State, next.Assigned, next.Revoking = int8(memberUnrevoked), keep, revoke
		return next
	}
	next.State, next.Epoch = int8(memberStable), g.assignmentEpoch
	for id, ps := range target {
		for p := range ps {
			if _, has := keep.epoch(id, p); has {
				continue
			}
			if owner := g.owner(id, p); owner != "" && owner != m.id {
				next.State = int8(memberUnreleased)
				continue
			}
			keep.add(id, p, g.assignmentEpoch)
		}
	}
	next.Assigned, next.Revoking = keep, Held{}
	return next
}

// waitsForOthers tells whether some partition a member shall have is still
// somebody's.
func (g *consumer) waitsForOthers(m *consumerMember) bool {
	for id, ps := range g.shall[m.id] {
		for _, p := range ps {
			if _, has := m.current.Assigned.epoch(id, p); !has && g.owner(id, p) != "" {
				return true
			}
		}
	}
	return false
}
