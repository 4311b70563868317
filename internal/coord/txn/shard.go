package txn

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord"
)

// Shard is the state machine of one partition of __transaction_state. It is not
// safe for concurrent use.
type Shard struct {
	settings Settings
	newID    func() (int64, bool)

	byID   map[string]*transaction
	counts Counts
	rounds uint64 // of markers sent; producers of older versions use one epoch for many transactions

	timers     coord.Timers
	abortCheck *coord.Timer
	expiry     *coord.Timer

	now time.Time
	fx  coord.Effects
}

// Counts are the sizes that metrics show: transactional ids by State.
type Counts [Dead]int

// New returns an empty shard. newID hands out a producer id that nobody else gets;
// it may have none at the moment, and must not block.
func New(settings Settings, newID func() (int64, bool)) *Shard {
	s := &Shard{settings: settings, newID: newID, byID: map[string]*transaction{}}
	s.abortCheck = coord.NewTimer(s.onAbortCheck)
	s.expiry = coord.NewTimer(s.onExpiryCheck)
	return s
}

// Counts returns how much the shard holds.
func (s *Shard) Counts() Counts { return s.counts }

// Step handles one event at a time that never goes back.
func (s *Shard) Step(now time.Time, ev Event) coord.Effects {
	s.now, s.fx = now, coord.Effects{}
	switch ev := ev.(type) {
	case InitProducer:
		s.initProducer(ev)
	case AddPartitions:
		s.addPartitions(ev)
	case EndTransaction:
		s.endTransaction(ev)
	case Describe:
		s.describe(ev)
	case List:
		s.list(ev)
	case Marked:
		s.marked(ev)
	case Loaded:
		s.loaded()
	case Tick:
		s.timers.FireDue(now)
	case Configure:
		s.settings = ev.Settings
		s.startChecks()
	default:
		panic(fmt.Sprintf("txn: unknown event %T", ev))
	}
	s.fx.Wakeup = s.timers.Next()
	fx := s.fx
	s.fx = coord.Effects{}
	return fx
}

func (s *Shard) reply(id coord.RequestID, response any) {
	s.fx.Replies = append(s.fx.Replies, coord.Reply{ID: id, Response: response})
}

func (s *Shard) after(t *coord.Timer, d time.Duration) { s.timers.Set(t, s.now.Add(d)) }

// enter changes the state; partitions, producer and the rest are changed by the
// caller between this and write.
func (s *Shard) enter(t *transaction, state State) {
	s.count(t, -1)
	t.state = state
	s.count(t, 1)
	t.previousID = t.producer.ID
	t.updated = s.now.UnixMilli()
}

func (s *Shard) count(t *transaction, d int) {
	if t.state >= 0 && t.state < Dead {
		s.counts[t.state] += d
	}
}

// write stores the state of a transactional id.
func (s *Shard) write(t *transaction) {
	s.fx.Records = append(s.fx.Records, Encode(t.id, t.value(), s.settings.Version))
}

// nextID allocates a producer id. Without one the client has to come back.
func (s *Shard) nextID() (int64, *kerr.Error) {
	id, ok := s.newID()
	if !ok {
		return noID, kerr.CoordinatorLoadInProgress
	}
	return id, nil
}

// forget drops a transactional id from memory.
func (s *Shard) forget(t *transaction) {
	s.count(t, -1)
	s.timers.Cancel(t.retry)
	for _, w := range t.waiting {
		s.timers.Cancel(w.timeout)
	}
	delete(s.byID, t.id)
}

// loaded starts the timers and goes on with what was decided.
func (s *Shard) loaded() {
	for _, id := range sortedKeys(s.byID) {
		if t := s.byID[id]; t.state.ending() {
			s.startMarking(t)
		}
	}
	s.startChecks()
}

func (s *Shard) startChecks() {
	s.after(s.abortCheck, s.settings.AbortCheckInterval)
	s.after(s.expiry, s.settings.ExpiredCheckInterval)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
