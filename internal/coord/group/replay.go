package group

import "time"

// Replay applies a record of the log, in log order, before the Loaded event. Types
// of other kinds of group are skipped. The record's bytes are not kept.
func (s *Shard) Replay(r LogRecord) error {
	key, err := DecodeKey(r.Key)
	if err != nil {
		return err
	}
	s.nextOrder = r.Offset + 1
	switch k := key.(type) {
	case OffsetKey:
		return s.replayOffset(k, r)
	case GroupKey:
		return s.replayGroup(k.Group, r.Value)
	case ConsumerKey:
		return s.applyConsumer(k, r.Value)
	case StreamsKey:
		return s.applyStreams(k, r.Value)
	case ShareKey:
		return s.applyShare(k, r.Value)
	}
	return nil
}

// ReplayEndTxn applies a transaction's end marker.
func (s *Shard) ReplayEndTxn(offset, producerID int64, commit bool) {
	s.nextOrder = offset + 1
	s.offsets.endTransaction(producerID, commit)
}

func (s *Shard) replayOffset(k OffsetKey, r LogRecord) error {
	tp := topicPartition{k.Topic, k.Partition}
	if r.Value == nil {
		s.offsets.remove(k.Group, tp)
		return nil
	}
	v, err := DecodeOffsetValue(r.Value)
	if err != nil {
		return err
	}
	if s.groups[k.Group] == nil {
		s.newClassic(k.Group)
	}
	o := &offset{value: v, order: r.Offset}
	if r.ProducerID >= 0 {
		s.offsets.pend(r.ProducerID, k.Group, tp, o)
	} else {
		s.offsets.put(k.Group, tp, o)
	}
	return nil
}

func (s *Shard) replayGroup(id string, value []byte) error {
	if value == nil {
		if g := s.classic(id); g != nil {
			g.forget(s) // of another kind it is not the tombstone
		}
		return nil
	}
	v, err := DecodeGroupValue(value)
	if err != nil {
		return err
	}
	s.forgetGroup(id)
	g := s.newClassic(id)
	g.protocolType = v.ProtocolType
	g.generation = v.Generation
	g.protocol = v.Protocol
	if len(v.Members) > 0 {
		s.setState(g, Stable)
		if g.protocol == nil {
			g.protocol = new(string)
		}
	}
	g.stateSince = v.StateTimestamp
	for i := range v.Members {
		g.add(replayMember(&v.Members[i], *g.protocol))
	}
	if v.Leader != nil {
		g.leader = *v.Leader
	}
	g.computeSubscriptions()
	return nil
}

// replayMember knows the one protocol that was selected; the member's others come
// back with its next JoinGroup.
func replayMember(v *MemberValue, protocolName string) *member {
	rebalance := v.RebalanceTimeoutMillis
	if rebalance < 0 {
		rebalance = v.SessionTimeoutMillis
	}
	return &member{
		id:               v.ID,
		instanceID:       v.InstanceID,
		clientID:         v.ClientID,
		clientHost:       v.ClientHost,
		rebalanceTimeout: time.Duration(rebalance) * time.Millisecond,
		sessionTimeout:   time.Duration(v.SessionTimeoutMillis) * time.Millisecond,
		protocols:        []protocol{{name: protocolName, metadata: v.Subscription}},
		assignment:       v.Assignment,
	}
}
