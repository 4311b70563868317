package group

import (
	"maps"
	"slices"

	"leat.dev/internal/coord/group/assign"
)

// putStreams writes a record of a streams group and applies it at once, the same
// way as Replay does.
func (s *Shard) putStreams(k StreamsKey, value []byte) {
	s.write(Record{Key: encodeStreamsKey(k), Value: value})
	if err := s.applyStreams(k, value); err != nil {
		panic("group: wrote a record that cannot be read: " + err.Error())
	}
}

func (s *Shard) putStreamsGroup(g *streams, v StreamsGroupValue) {
	s.putStreams(StreamsKey{Type: keyStreamsGroup, Group: g.id}, EncodeStreamsGroup(v))
}

// value is what the group's metadata record says.
func (g *streams) value() StreamsGroupValue {
	return StreamsGroupValue{Epoch: g.epoch, Hash: g.hash, Validated: g.validated, AssignmentConfigs: append([]KeyValue{}, g.configs...)}
}

// putStreamsRemoved deletes a member.
func (s *Shard) putStreamsRemoved(g *streams, memberID string) {
	for _, typ := range []int16{keyStreamsCurrent, keyStreamsTarget, keyStreamsMember} {
		s.putStreams(StreamsKey{typ, g.id, memberID}, nil)
	}
}

// drop deletes the group with all its members from the log.
func (g *streams) drop(s *Shard) {
	members := slices.Sorted(maps.Keys(g.members))
	each := func(typ int16) {
		for _, id := range members {
			s.putStreams(StreamsKey{typ, g.id, id}, nil)
		}
	}
	each(keyStreamsCurrent)
	each(keyStreamsTarget)
	s.putStreams(StreamsKey{Type: keyStreamsTargetMetadata, Group: g.id}, nil)
	each(keyStreamsMember)
	s.putStreams(StreamsKey{Type: keyStreamsGroup, Group: g.id}, nil)
	s.putStreams(StreamsKey{Type: keyStreamsTopology, Group: g.id}, nil)
}

// applyStreams changes the state as a record says. A record of a group that is not
// there makes it, as for consumer groups.
func (s *Shard) applyStreams(k StreamsKey, value []byte) error {
	g := s.streams(k.Group)
	if g == nil {
		if value == nil {
			return nil
		}
		s.forgetGroup(k.Group)
		g = newStreamsGroup(k.Group)
		s.addStreams(g)
	}
	switch k.Type {
	case keyStreamsGroup:
		return s.applyStreamsGroup(g, value)
	case keyStreamsMember:
		return s.applyStreamsMember(g, k.Member, value)
	case keyStreamsTargetMetadata:
		return g.applyTargetMetadata(value, -1)
	case keyStreamsTarget:
		return g.applyTarget(k.Member, value, DecodeStreamsTarget)
	case keyStreamsCurrent:
		return g.applyCurrent(k.Member, value)
	case keyStreamsTopology:
		return g.applyTopology(value)
	}
	return nil
}

func (s *Shard) applyStreamsGroup(g *streams, value []byte) error {
	if value == nil {
		g.forget(s)
		return nil
	}
	v, err := DecodeStreamsGroup(value)
	if err == nil {
		g.epoch, g.hash, g.validated, g.configs = v.Epoch, v.Hash, v.Validated, v.AssignmentConfigs
	}
	return err
}

// member returns a member for a record about it.
func (g *streams) member(id string) *streamsMember {
	m := g.members[id]
	if m == nil {
		m = newStreamsMember(id)
		g.members[id] = m
	}
	return m
}

func (s *Shard) applyStreamsMember(g *streams, id string, value []byte) error {
	if value == nil {
		if m := g.members[id]; m != nil {
			s.timers.Cancel(m.session)
			s.timers.Cancel(m.rebalance)
			g.disown(m)
			delete(g.members, id)
		}
		return nil
	}
	v, err := DecodeStreamsMember(value)
	if err != nil {
		return err
	}
	m := g.member(id)
	g.disown(m)
	m.StreamsMemberValue = v
	g.own(m)
	return nil
}

func (g *streams) applyCurrent(id string, value []byte) error {
	m := g.members[id]
	if value == nil {
		if m != nil {
			g.disown(m)
			m.current = newStreamsMember(id).current
		}
		return nil
	}
	v, err := DecodeStreamsCurrent(value)
	if err != nil {
		return err
	}
	m = g.member(id)
	g.disown(m)
	m.current = v
	g.own(m)
	return nil
}

func (g *streams) applyTopology(value []byte) error {
	g.stale = true
	if value == nil {
		g.topology = nil
		return nil
	}
	v, err := DecodeTopology(value)
	if err != nil {
		return err
	}
	g.topology = newTopology(v)
	if g.topology == nil {
		return errDuplicateSubtopology
	}
	return nil
}

// own notes in which process the member's tasks are, disown that they are not there
// any more.
func (g *streams) own(m *streamsMember) {
	m.eachTask(func(id assign.TaskID, active bool) {
		if active {
			g.active[id] = m.ProcessID
			return
		}
		if g.others[id] == nil {
			g.others[id] = map[string]int{}
		}
		g.others[id][m.ProcessID]++
	})
}

func (g *streams) disown(m *streamsMember) {
	m.eachTask(func(id assign.TaskID, active bool) {
		if active {
			if g.active[id] == m.ProcessID {
				delete(g.active, id)
			}
			return
		}
		in := g.others[id]
		if in[m.ProcessID] > 1 {
			in[m.ProcessID]--
			return
		}
		delete(in, m.ProcessID)
		if len(in) == 0 {
			delete(g.others, id)
		}
	})
}

// eachTask visits what a member has and what it has yet to give up.
func (m *streamsMember) eachTask(visit func(id assign.TaskID, active bool)) {
	for _, h := range []*HeldTasks{&m.current.Assigned, &m.current.Revoking} {
		for sub, ps := range h.Active {
			for p := range ps {
				visit(assign.TaskID{Subtopology: sub, Partition: p}, true)
			}
		}
		for _, tasks := range []assign.Tasks{h.Standby, h.Warmup} {
			for sub, ps := range tasks {
				for _, p := range ps {
					visit(assign.TaskID{Subtopology: sub, Partition: p}, false)
				}
			}
		}
	}
}
