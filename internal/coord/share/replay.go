package share

import "leat.dev/internal/coord"

// Replay applies a record of the log, in log order, before the Loaded event. The record's
// bytes are not kept.
func (s *Shard) Replay(r coord.LogRecord) error {
	kind, k, ok, err := DecodeKey(r.Key)
	if err != nil {
		return err
	}
	s.appended = r.Offset + 1
	if !ok {
		return nil
	}
	st := s.byKey[k]
	if kind == keyUpdate {
		if r.Value == nil {
			return nil
		}
		u, err := DecodeUpdate(r.Value)
		if err != nil {
			return err
		}
		// Without a snapshot it is the rest of something that was forgotten later, or its
		// snapshot was cut off because one that follows has all of it.
		if st != nil {
			st.apply(u)
			st.updates++
		}
		return nil
	}
	if r.Value == nil {
		delete(s.byKey, k)
		return nil
	}
	v, err := DecodeSnapshot(r.Value)
	if err != nil {
		return err
	}
	next := &state{Snapshot: v, fence: v.LeaderEpoch, snapshotAt: r.Offset}
	if st != nil {
		next.fence = max(next.fence, st.fence)
	}
	next.Batches = Merge(nil, v.Batches, v.StartOffset)
	s.byKey[k] = next
	return nil
}

// ReplayEndTxn is for the marker of a transaction, of which __share_group_state holds
// none.
func (s *Shard) ReplayEndTxn(int64, int64, bool) {}

// Appended tells where the records of earlier steps are in the log: first is the offset
// of the first of them.
func (s *Shard) Appended(first int64, records []coord.Record) {
	for i, r := range records {
		if kind, k, ok, err := DecodeKey(r.Key); err == nil && ok && kind == keySnapshot {
			if st := s.byKey[k]; st != nil && r.Value != nil {
				st.snapshotAt = first + int64(i)
			}
		}
	}
	s.appended = first + int64(len(records))
}
