package group

import (
	"maps"

	"leat.dev/internal/coord/group/assign"
)

// putShare writes a record of a share group and applies it at once, the same way as
// Replay does.
func (s *Shard) putShare(k ShareKey, value []byte) {
	s.write(Record{Key: encodeShareKey(k), Value: value})
	if err := s.applyShare(k, value); err != nil {
		panic("group: wrote a record that cannot be read: " + err.Error())
	}
}

func (s *Shard) putShareGroup(g *shareGroup, epoch int32, hash int64) {
	s.putShare(ShareKey{Type: keyShareGroup, Group: g.id}, EncodeShareGroup(ConsumerGroupValue{epoch, hash}))
}

func (s *Shard) putShareState(g *shareGroup, v ShareStateValue) {
	s.putShare(ShareKey{Type: keyShareState, Group: g.id}, EncodeShareState(v))
}

// drop deletes the group with what there is of members and its state.
func (g *shareGroup) drop(s *Shard) {
	members := sortedKeys(g.members)
	for _, typ := range []int16{keyShareCurrentAssignment, keyShareTargetAssignment} {
		for _, id := range members {
			s.putShare(ShareKey{typ, g.id, id}, nil)
		}
	}
	s.putShare(ShareKey{Type: keyShareTargetMetadata, Group: g.id}, nil)
	for _, id := range members {
		s.putShare(ShareKey{keyShareMember, g.id, id}, nil)
	}
	s.putShare(ShareKey{Type: keyShareState, Group: g.id}, nil)
	s.putShare(ShareKey{Type: keyShareGroup, Group: g.id}, nil)
}

// applyShare changes the state as a record says. As with consumer groups, a record of a
// group that is not there makes it.
func (s *Shard) applyShare(k ShareKey, value []byte) error {
	g := s.share(k.Group)
	if g == nil {
		if value == nil {
			return nil
		}
		s.forgetGroup(k.Group)
		g = newShareGroup(k.Group)
		s.addShare(g)
	}
	g.settled = false
	switch k.Type {
	case keyShareGroup:
		return s.applyShareGroup(g, value)
	case keyShareMember:
		return s.applyShareMember(g, k.Name, value)
	case keyShareTargetMetadata:
		return g.applyTargetMetadata(value, 0)
	case keyShareTargetAssignment:
		return g.applyTarget(k.Name, value, DecodeTargetAssignment)
	case keyShareCurrentAssignment:
		return s.applyShareCurrent(g, k.Name, value)
	case keyShareState:
		return s.applyShareState(g, value)
	}
	return nil
}

func (s *Shard) applyShareGroup(g *shareGroup, value []byte) error {
	if value == nil {
		g.forget(s)
		return nil
	}
	v, err := DecodeShareGroup(value)
	if err == nil {
		g.epoch, g.hash = v.Epoch, v.Hash
	}
	return err
}

// shareMember returns a member for a record about it.
func (s *Shard) shareMember(g *shareGroup, id string) *shareMember {
	m := g.members[id]
	if m == nil {
		m = newShareMember(id)
		s.changeMembers(g, func() { g.members[id] = m })
	}
	return m
}

// changeMembers keeps the count of groups by state right.
func (s *Shard) changeMembers(g *shareGroup, change func()) {
	s.counts.Share[g.stateNow()]--
	change()
	s.counts.Share[g.stateNow()]++
}

func (s *Shard) applyShareMember(g *shareGroup, id string, value []byte) error {
	g.subscribed = nil
	if value == nil {
		if m := g.members[id]; m != nil {
			s.timers.Cancel(m.session)
			s.changeMembers(g, func() { delete(g.members, id) })
		}
		return nil
	}
	v, err := DecodeShareMember(value)
	if err == nil {
		s.shareMember(g, id).ShareMemberValue = v
	}
	return err
}

func (s *Shard) applyShareCurrent(g *shareGroup, id string, value []byte) error {
	if value == nil {
		if m := g.members[id]; m != nil {
			m.current = newShareMember(id).current
		}
		return nil
	}
	v, err := DecodeShareCurrent(value)
	if err == nil {
		s.shareMember(g, id).current = v
	}
	return err
}

func (s *Shard) applyShareState(g *shareGroup, value []byte) error {
	if value == nil {
		g.state = noShareState()
		clear(g.asked)
		return nil
	}
	v, err := DecodeShareState(value)
	if err != nil {
		return err
	}
	g.state = v
	maps.DeleteFunc(g.asked, func(id assign.TopicID, _ int64) bool { _, ok := v.Initializing[id]; return !ok })
	return nil
}
