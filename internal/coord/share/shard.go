package share

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"leat.dev/internal/coord"
)

// Shard is the state machine of one partition of __share_group_state. It is not safe
// for concurrent use.
type Shard struct {
	settings Settings
	exists   func(TopicPartition) bool

	byKey map[Key]*state
	// appended is the offset after the last record whose offset is known.
	appended int64
	pruned   int64 // what was asked to be cut off last

	timers coord.Timers
	cold   *coord.Timer
	prune  *coord.Timer

	now time.Time
	fx  coord.Effects
}

// state is what is known of a share-partition: its last snapshot with the updates since.
type state struct {
	Snapshot
	// fence is the largest leader epoch seen. Initializing anew resets LeaderEpoch
	// but not this.
	fence   int32
	updates int // since the snapshot
	// snapshotAt is the offset of the last snapshot's record whose offset is known; -1
	// if there is none.
	snapshotAt int64
}

// Counts are the sizes that metrics show.
type Counts struct {
	Partitions int // share-partitions
}

// New returns an empty shard. exists tells whether a partition is in the metadata; it
// must not block.
func New(settings Settings, exists func(TopicPartition) bool) *Shard {
	s := &Shard{settings: settings, exists: exists, byKey: map[Key]*state{}}
	s.cold = coord.NewTimer(s.onCold)
	s.prune = coord.NewTimer(s.onPrune)
	return s
}

// Counts returns how much the shard holds.
func (s *Shard) Counts() Counts { return Counts{Partitions: len(s.byKey)} }

// Step handles one event at a time that never goes back.
func (s *Shard) Step(now time.Time, ev Event) coord.Effects {
	s.now, s.fx = now, coord.Effects{}
	switch ev := ev.(type) {
	case Initialize:
		s.reply(ev.ID, each(ev.Partitions, func(p InitializePartition) Result { return s.initialize(ev.Group, p) }))
	case Read:
		s.reply(ev.ID, each(ev.Partitions, func(p ReadPartition) ReadResult { return s.read(ev.Group, p) }))
	case ReadSummary:
		s.reply(ev.ID, each(ev.Partitions, func(p ReadPartition) SummaryResult { return s.readSummary(ev.Group, p) }))
	case Write:
		s.reply(ev.ID, each(ev.Partitions, func(p WritePartition) Result { return s.write(ev.Group, p) }))
	case Delete:
		s.reply(ev.ID, each(ev.Partitions, func(p TopicPartition) Result { return s.delete(ev.Group, p) }))
	case TopicsDeleted:
		s.dropWhere(func(k Key) bool { return slices.Contains(ev.IDs, k.TopicID) })
	case Loaded:
		s.startTimers()
	case Tick:
		s.timers.FireDue(now)
	case Configure:
		s.settings = ev.Settings
		s.startTimers()
	default:
		panic(fmt.Sprintf("share: unknown event %T", ev))
	}
	s.fx.Wakeup = s.timers.Next()
	fx := s.fx
	s.fx = coord.Effects{}
	return fx
}

func each[P, R any](list []P, answer func(P) R) []R {
	out := make([]R, len(list))
	for i := range list {
		out[i] = answer(list[i])
	}
	return out
}

func (s *Shard) reply(id coord.RequestID, response any) {
	s.fx.Replies = append(s.fx.Replies, coord.Reply{ID: id, Response: response})
}

func (s *Shard) startTimers() {
	s.timers.Set(s.cold, s.now.Add(s.settings.ColdInterval))
	s.timers.Set(s.prune, s.now.Add(s.settings.PruneInterval))
}

// snapshot writes the whole state under the next snapshot epoch.
func (s *Shard) snapshot(k Key, st *state) {
	st.updates = 0
	s.fx.Records = append(s.fx.Records, EncodeSnapshot(k, st.Snapshot))
}

func (s *Shard) dropWhere(gone func(Key) bool) {
	for _, k := range s.keys() {
		if gone(k) {
			s.forget(k)
		}
	}
}

func (s *Shard) forget(k Key) {
	delete(s.byKey, k)
	s.fx.Records = append(s.fx.Records, EncodeTombstone(k))
}

// keys are in order, so that the same events make the same records.
func (s *Shard) keys() []Key { return slices.SortedFunc(maps.Keys(s.byKey), compareKeys) }

func compareKeys(a, b Key) int {
	return cmp.Or(strings.Compare(a.Group, b.Group), slices.Compare(a.TopicID[:], b.TopicID[:]), cmp.Compare(a.Partition, b.Partition))
}
