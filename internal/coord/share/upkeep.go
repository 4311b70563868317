package share

import (
	"time"

	"leat.dev/internal/coord"
)

// onCold snapshots share-partitions that nobody writes to any more: an old snapshot would
// keep everything behind it in the log. It also drops what belongs to topics that were
// deleted while nobody looked.
func (s *Shard) onCold() {
	s.dropWhere(func(k Key) bool { return !s.exists(k.TopicPartition) })
	s.snapshotCold()
	s.timers.Set(s.cold, s.now.Add(s.settings.ColdInterval))
}

func (s *Shard) snapshotCold() {
	if !s.anyWarm() {
		return // the log has nothing but cold snapshots
	}
	for _, k := range s.keys() {
		st := s.byKey[k]
		if s.now.Before(time.UnixMilli(st.WrittenMillis).Add(s.settings.ColdInterval)) {
			continue
		}
		st.Epoch++
		st.WrittenMillis = s.now.UnixMilli()
		s.snapshot(k, st)
	}
}

// anyWarm tells whether any share-partition's last snapshot is not a cold one, or has
// been updated since. Only cold snapshots are written later than they were created.
func (s *Shard) anyWarm() bool {
	for _, st := range s.byKey {
		if st.CreatedMillis == st.WrittenMillis || st.updates > 0 {
			return true
		}
	}
	return false
}

// onPrune asks for everything to be cut off that lies before the oldest of the last
// snapshots.
func (s *Shard) onPrune() {
	if before := s.redundant(); before > s.pruned {
		s.pruned = before
		s.fx.Sends = append(s.fx.Sends, coord.Prune{Before: before})
	}
	s.timers.Set(s.prune, s.now.Add(s.settings.PruneInterval))
}

// redundant is the offset below which nothing is needed.
func (s *Shard) redundant() int64 {
	before := s.appended
	for _, st := range s.byKey {
		before = min(before, max(st.snapshotAt, 0))
	}
	return before
}
