package share

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

func refused(tp TopicPartition, err *kerr.Error, message string) Result {
	return Result{TopicPartition: tp, Err: err, Message: message}
}

const (
	negativePartition  = "The partition id cannot be a negative number."
	writeUninitialized = "Write operation on uninitialized share partition not allowed."
	readUninitialized  = "Read operation on uninitialized share partition not allowed."
)

// missing refuses what is not in the metadata.
func (s *Shard) missing(tp TopicPartition) (Result, bool) {
	if s.exists(tp) {
		return Result{}, false
	}
	return refused(tp, kerr.UnknownTopicOrPartition, kerr.UnknownTopicOrPartition.Description), true
}

func (s *Shard) initialize(group string, p InitializePartition) Result {
	k := Key{group, p.TopicPartition}
	st := s.byKey[k]
	if p.Partition < 0 {
		return refused(p.TopicPartition, kerr.InvalidRequest, negativePartition)
	}
	if st != nil && p.StateEpoch != -1 && p.StateEpoch < st.StateEpoch {
		return refused(p.TopicPartition, kerr.FencedStateEpoch, kerr.FencedStateEpoch.Description)
	}
	if r, missing := s.missing(p.TopicPartition); missing {
		return r
	}
	now := s.now.UnixMilli()
	delivered := int32(unknownCount)
	if p.StartOffset != NoOffset {
		delivered = 0 // nothing from there on: the lag is known
	}
	next := &state{snapshotAt: -1, Snapshot: Snapshot{
		StateEpoch: p.StateEpoch, StartOffset: p.StartOffset, DeliveryCompleteCount: delivered,
		CreatedMillis: now, WrittenMillis: now,
	}}
	if st != nil {
		next.Epoch, next.fence, next.snapshotAt = st.Epoch+1, st.fence, st.snapshotAt
	}
	s.byKey[k] = next
	s.snapshot(k, next)
	return Result{TopicPartition: p.TopicPartition}
}

func (s *Shard) write(group string, p WritePartition) Result {
	k := Key{group, p.TopicPartition}
	st := s.byKey[k]
	switch {
	case p.Partition < 0:
		return refused(p.TopicPartition, kerr.InvalidRequest, negativePartition)
	case st == nil:
		return refused(p.TopicPartition, kerr.InvalidRequest, writeUninitialized)
	case p.LeaderEpoch != -1 && p.LeaderEpoch < st.fence:
		return refused(p.TopicPartition, kerr.FencedLeaderEpoch, kerr.FencedLeaderEpoch.Description)
	case p.StateEpoch != -1 && p.StateEpoch < st.StateEpoch:
		return refused(p.TopicPartition, kerr.FencedStateEpoch, kerr.FencedStateEpoch.Description)
	}
	if r, missing := s.missing(p.TopicPartition); missing {
		return r
	}
	for _, b := range p.Batches {
		if !b.valid() {
			return refused(p.TopicPartition, kerr.InvalidRequest, fmt.Sprintf(
				"The state batch of offsets %d to %d with state %d and delivery count %d cannot be stored.", b.First, b.Last, b.State, b.DeliveryCount))
		}
	}
	if p.StartOffset < NoOffset {
		return refused(p.TopicPartition, kerr.InvalidRequest, fmt.Sprintf("The start offset %d is negative.", p.StartOffset))
	}
	u := Update{
		SnapshotEpoch: st.Epoch, LeaderEpoch: st.LeaderEpoch, StartOffset: p.StartOffset,
		DeliveryCompleteCount: p.DeliveryCompleteCount, Batches: Merge(nil, p.Batches, p.StartOffset),
	}
	return s.update(k, st, u)
}

// update changes the state, by an update or, after enough of them, a snapshot.
func (s *Shard) update(k Key, st *state, u Update) Result {
	if n := snapshotBytes(len(st.Batches)+2*len(u.Batches)) + len(k.Group) + 24; n > s.settings.MaxRecordBytes {
		// Only now is it worth to look what the state comes to.
		if n = snapshotBytes(len(Merge(st.Batches, u.Batches, max(u.StartOffset, st.StartOffset)))) + len(k.Group) + 24; n > s.settings.MaxRecordBytes {
			return refused(k.TopicPartition, kerr.InvalidRequest, fmt.Sprintf(
				"The state of the share-partition would take %d bytes; a record of the state topic holds %d.", n, s.settings.MaxRecordBytes))
		}
	}
	st.apply(u)
	if st.updates < s.settings.UpdatesPerSnapshot {
		st.updates++
		s.fx.Records = append(s.fx.Records, EncodeUpdate(k, u))
		return Result{TopicPartition: k.TopicPartition}
	}
	st.Epoch++
	st.CreatedMillis = s.now.UnixMilli()
	st.WrittenMillis = st.CreatedMillis
	s.snapshot(k, st)
	return Result{TopicPartition: k.TopicPartition}
}

// apply is what an update means, now or in a replay.
func (st *state) apply(u Update) {
	if u.StartOffset != NoOffset {
		st.StartOffset = u.StartOffset
	}
	if u.LeaderEpoch != -1 {
		st.LeaderEpoch = u.LeaderEpoch
	}
	st.fence = max(st.fence, st.LeaderEpoch)
	st.DeliveryCompleteCount = u.DeliveryCompleteCount
	st.Batches = Merge(st.Batches, u.Batches, st.StartOffset)
}

func (s *Shard) read(group string, p ReadPartition) ReadResult {
	st := s.byKey[Key{group, p.TopicPartition}]
	switch {
	case p.Partition < 0:
		return ReadResult{Result: refused(p.TopicPartition, kerr.InvalidRequest, negativePartition)}
	case st == nil:
		return ReadResult{Result: refused(p.TopicPartition, kerr.InvalidRequest, readUninitialized)}
	case p.LeaderEpoch != -1 && p.LeaderEpoch < st.fence:
		return ReadResult{Result: refused(p.TopicPartition, kerr.FencedLeaderEpoch, kerr.FencedLeaderEpoch.Description)}
	}
	if r, missing := s.missing(p.TopicPartition); missing {
		return ReadResult{Result: r}
	}
	if p.LeaderEpoch != -1 && p.LeaderEpoch != st.fence {
		// The new leader is written down before it gets to know what there is.
		r := s.update(Key{group, p.TopicPartition}, st, Update{
			SnapshotEpoch: st.Epoch, LeaderEpoch: p.LeaderEpoch, StartOffset: st.StartOffset,
			DeliveryCompleteCount: st.DeliveryCompleteCount,
		})
		if r.Err != nil {
			return ReadResult{Result: r}
		}
	}
	return ReadResult{
		Result:     Result{TopicPartition: p.TopicPartition},
		StateEpoch: st.StateEpoch, StartOffset: st.StartOffset, Batches: append([]StateBatch(nil), st.Batches...),
	}
}

func (s *Shard) readSummary(group string, p ReadPartition) SummaryResult {
	if p.Partition < 0 {
		return SummaryResult{Result: refused(p.TopicPartition, kerr.InvalidRequest, negativePartition)}
	}
	if r, missing := s.missing(p.TopicPartition); missing {
		return SummaryResult{Result: r}
	}
	out := SummaryResult{Result: Result{TopicPartition: p.TopicPartition}, StartOffset: NoOffset, DeliveryCompleteCount: unknownCount}
	if st := s.byKey[Key{group, p.TopicPartition}]; st != nil {
		out.StateEpoch, out.LeaderEpoch = st.StateEpoch, st.LeaderEpoch
		out.StartOffset, out.DeliveryCompleteCount = st.StartOffset, st.DeliveryCompleteCount
	}
	return out
}

func (s *Shard) delete(group string, tp TopicPartition) Result {
	if tp.Partition < 0 {
		return refused(tp, kerr.InvalidRequest, negativePartition)
	}
	if r, missing := s.missing(tp); missing {
		return r
	}
	if k := (Key{group, tp}); s.byKey[k] != nil {
		s.forget(k)
	}
	return Result{TopicPartition: tp}
}
