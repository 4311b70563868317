package txn

import "leat.dev/internal/coord"

// Replay applies a record of the log, in log order, before the Loaded event. The
// record's bytes are not kept.
func (s *Shard) Replay(r coord.LogRecord) error {
	id, ok, err := DecodeKey(r.Key)
	if err != nil || !ok {
		return err
	}
	if t := s.byID[id]; t != nil {
		s.forget(t)
	}
	if r.Value == nil {
		return nil
	}
	v, err := DecodeValue(r.Value)
	if err != nil {
		return err
	}
	t := &transaction{
		id: id, producer: v.Producer, previousID: v.PreviousID, nextID: v.NextID, lastEpoch: noEpoch,
		timeoutMillis: v.TimeoutMillis, state: v.State, partitions: make(map[TopicPartition]struct{}, len(v.Partitions)),
		started: v.StartedMillis, updated: v.UpdatedMillis, version: v.ClientVersion,
	}
	for _, tp := range v.Partitions {
		t.partitions[tp] = struct{}{}
	}
	s.byID[id] = t
	s.count(t, 1)
	return nil
}

// ReplayEndTxn is for the marker of a transaction, of which __transaction_state
// holds none.
func (s *Shard) ReplayEndTxn(int64, int64, bool) {}
