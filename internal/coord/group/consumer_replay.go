package group

import (
	"maps"
	"slices"

	"leat.dev/internal/coord/group/assign"
)

// put writes a record of a consumer group and applies it at once, the same way as
// Replay does: so what a step leaves behind is what the log says.
func (s *Shard) put(k ConsumerKey, value []byte) {
	s.write(Record{Key: encodeConsumerKey(k), Value: value})
	if err := s.applyConsumer(k, value); err != nil {
		panic("group: wrote a record that cannot be read: " + err.Error())
	}
}

func (s *Shard) putGroup(g *consumer, epoch int32, hash int64) {
	s.put(ConsumerKey{Type: keyConsumerGroup, Group: g.id}, EncodeConsumerGroup(ConsumerGroupValue{epoch, hash}))
}

func (s *Shard) putMember(g *consumer, m *consumerMember) {
	s.put(ConsumerKey{keyConsumerMember, g.id, m.id}, EncodeConsumerMember(m.ConsumerMemberValue))
}

func (s *Shard) putTarget(g *consumer, memberID string, target assign.Partitions) {
	s.put(ConsumerKey{keyTargetAssignment, g.id, memberID}, EncodeTargetAssignment(target))
}

func (s *Shard) putTargetMetadata(g *consumer, v TargetMetadataValue) {
	s.put(ConsumerKey{Type: keyTargetMetadata, Group: g.id}, EncodeTargetMetadata(v))
}

func (s *Shard) putCurrent(g *consumer, memberID string, v CurrentAssignmentValue) {
	s.put(ConsumerKey{keyCurrentAssignment, g.id, memberID}, EncodeCurrentAssignment(v))
}

func (s *Shard) putRegex(g *consumer, expression string, v RegexValue) {
	s.put(ConsumerKey{keyRegularExpression, g.id, expression}, EncodeRegex(v))
}

// putRemoved deletes a member.
func (s *Shard) putRemoved(g *consumer, memberID string) {
	s.put(ConsumerKey{keyCurrentAssignment, g.id, memberID}, nil)
	s.put(ConsumerKey{keyTargetAssignment, g.id, memberID}, nil)
	s.put(ConsumerKey{keyConsumerMember, g.id, memberID}, nil)
}

func (g *consumer) drop(s *Shard) {
	members := slices.Sorted(maps.Keys(g.members))
	for _, typ := range []int16{keyCurrentAssignment, keyTargetAssignment} {
		for _, id := range members {
			s.put(ConsumerKey{typ, g.id, id}, nil)
		}
	}
	s.put(ConsumerKey{Type: keyTargetMetadata, Group: g.id}, nil)
	for _, id := range members {
		s.put(ConsumerKey{keyConsumerMember, g.id, id}, nil)
	}
	for _, expression := range sortedKeys(g.resolved) {
		s.put(ConsumerKey{keyRegularExpression, g.id, expression}, nil)
	}
	s.put(ConsumerKey{Type: keyConsumerGroup, Group: g.id}, nil)
}

// applyConsumer changes the state as a record says. A record of a group that is
// not there makes it: the log may have been compacted. A classic group in its
// place goes; either its tombstone was compacted away or it only ever held
// offsets.
func (s *Shard) applyConsumer(k ConsumerKey, value []byte) error {
	g := s.consumer(k.Group)
	if g == nil {
		if value == nil {
			return nil
		}
		s.forgetGroup(k.Group)
		g = newConsumerGroup(k.Group)
		s.addConsumer(g)
	}
	var err error
	switch k.Type {
	case keyConsumerGroup:
		err = s.applyGroup(g, value)
	case keyConsumerMember:
		err = s.applyMember(g, k.Name, value)
	case keyTargetMetadata:
		err = g.applyTargetMetadata(value, 0)
	case keyTargetAssignment:
		err = g.applyTarget(k.Name, value, DecodeTargetAssignment)
	case keyCurrentAssignment:
		err = g.applyCurrent(k.Name, value)
	case keyRegularExpression:
		err = g.applyRegex(k.Name, value)
	}
	return err
}

func (s *Shard) applyGroup(g *consumer, value []byte) error {
	if value == nil {
		g.forget(s)
		return nil
	}
	v, err := DecodeConsumerGroup(value)
	if err == nil {
		g.epoch, g.hash = v.Epoch, v.Hash
	}
	return err
}

// member returns a member for a record about it.
func (g *consumer) member(id string) *consumerMember {
	m := g.members[id]
	if m == nil {
		m = newConsumerMember(id)
		g.members[id] = m
	}
	return m
}

// newConsumerMember is a member that has just come: at epoch 0.
func newConsumerMember(id string) *consumerMember {
	return &consumerMember{
		id:                  id,
		ConsumerMemberValue: ConsumerMemberValue{RebalanceTimeoutMillis: -1},
		current:             CurrentAssignmentValue{Previous: -1, Assigned: Held{}, Revoking: Held{}},
	}
}

func (s *Shard) applyMember(g *consumer, id string, value []byte) error {
	g.subscribed = nil
	m := g.members[id]
	if value == nil {
		if m != nil {
			s.cancelTimers(m)
			g.disown(m, m.current.Assigned)
			g.disown(m, m.current.Revoking)
			g.setInstance(m, nil)
			delete(g.members, id)
		}
		return nil
	}
	v, err := DecodeConsumerMember(value)
	if err != nil {
		return err
	}
	m = g.member(id)
	g.setInstance(m, v.InstanceID)
	m.ConsumerMemberValue = v
	return nil
}

func (g *consumer) setInstance(m *consumerMember, instance *string) {
	if m.InstanceID != nil && g.byStatic[*m.InstanceID] == m.id {
		delete(g.byStatic, *m.InstanceID)
	}
	if instance != nil {
		g.byStatic[*instance] = m.id
	}
}

func (g *consumer) applyCurrent(id string, value []byte) error {
	if value == nil {
		m := g.members[id]
		if m == nil {
			return nil
		}
		g.disown(m, m.current.Assigned)
		g.disown(m, m.current.Revoking)
		m.current = newConsumerMember(id).current
		return nil
	}
	v, err := DecodeCurrentAssignment(value)
	if err != nil {
		return err
	}
	m := g.member(id)
	g.disown(m, m.current.Assigned)
	g.disown(m, m.current.Revoking)
	m.current = v
	g.own(m, v.Assigned)
	g.own(m, v.Revoking)
	return nil
}

func (g *consumer) applyRegex(expression string, value []byte) error {
	g.subscribed = nil
	if value == nil {
		delete(g.resolved, expression)
		return nil
	}
	v, err := DecodeRegex(value)
	if err == nil {
		g.resolved[expression] = v
	}
	return err
}
