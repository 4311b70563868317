package delivery

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/coord/share"
)

// Failure is why a share-partition cannot be used, or an acknowledgement does not count.
// The zero value is none.
type Failure struct {
	Code    *kerr.Error
	Message string
}

// Partition is a share-partition that is delivered here: a Window with its lock timer and the
// writing down of its changes. All methods may be called concurrently.
type Partition struct {
	m     *Manager
	key   share.Key
	epoch int32 // the leader epoch that it was loaded under

	mu         sync.Mutex
	window     *Window // nil while loading
	stateEpoch int32
	over       Failure    // set when the partition is of no use any more
	fetching   bool       // a fetch is between Begin and End
	contenders []*Watcher // whose fetches wanted to Begin meanwhile
	writing    bool       // the writer runs
	waiting    []waitingOp
	watchers   map[*Watcher]struct{}
	timer      clock.Timer
	timerAt    time.Time
}

type waitingOp struct {
	op   uint64
	done func(Failure)
}

// Watcher is told when it is worth to look at share-partitions again.
type Watcher struct{ C chan struct{} }

// NewWatcher returns a watcher that can be used again and again.
func NewWatcher() *Watcher { return &Watcher{C: make(chan struct{}, 1)} }

func (w *Watcher) signal() {
	select {
	case w.C <- struct{}{}:
	default:
	}
}

// Watch begins to tell w of changes, until Unwatch.
func (p *Partition) Watch(w *Watcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watchers == nil {
		p.watchers = map[*Watcher]struct{}{}
	}
	p.watchers[w] = struct{}{}
}

// Unwatch ends Watch.
func (p *Partition) Unwatch(w *Watcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.watchers, w)
}

// wake tells all watchers; mu is held.
func (p *Partition) wake() {
	for w := range p.watchers {
		w.signal()
	}
}

// Err tells why the partition cannot be used, if so. A partition that loads is fine.
func (p *Partition) Err() Failure {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// Begin starts a fetch, of which there is one at a time, and returns the offset to read from. ok
// is unset if there is nothing to be had at the moment: the partition loads, another fetch is
// under way, or the group has as many records locked as it may; then w is told when that is over. If ok is set End has to
// follow.
func (p *Partition) Begin(l Limits, w *Watcher) (offset int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.window == nil || p.over.Code != nil:
		return 0, false
	case p.fetching:
		p.contenders = append(p.contenders, w)
		return 0, false
	case !p.window.Open(l):
		return 0, false
	}
	p.fetching = true
	return p.window.Next(), true
}

// End ends a fetch. changed says that it acquired something. If it did not, only those that it kept out are told: were all,
// fetches that wait for new records would keep each other awake.
func (p *Partition) End(changed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetching = false
	if changed {
		p.wake()
	}
	for _, w := range p.contenders {
		w.signal()
	}
	p.contenders = nil
}

// Acquire is Window.Acquire, between Begin and End.
func (p *Partition) Acquire(q Request, l Limits) []Acquired {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.window == nil || p.over.Code != nil {
		return nil
	}
	got := p.window.Acquire(q, l)
	p.m.acquired(got)
	p.changed()
	return got
}

// LogStart tells that the log begins at offset.
func (p *Partition) LogStart(offset int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.window != nil && p.over.Code == nil && p.window.LogStart(offset) {
		p.changed()
		p.wake()
	}
}

// Position is the first offset that is not done, and the first that was never looked at; ok is
// unset while the partition loads.
func (p *Partition) Position() (start, end int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.window == nil {
		return 0, 0, false
	}
	return p.window.Start(), p.window.End(), true
}

// Acknowledge is Window.Acknowledge. done is called once, when what changed is written down or
// it is clear that it will not be, perhaps before Acknowledge returns; it must not block.
func (p *Partition) Acknowledge(member string, list []Ack, l Limits, done func(Failure)) {
	p.mu.Lock()
	if p.window == nil || p.over.Code != nil {
		over := p.over
		p.mu.Unlock()
		if over.Code == nil {
			// Nobody has acquired anything of what is not loaded.
			over = Failure{kerr.InvalidRecordState, "the share-partition is being loaded: nothing of it is acquired"}
		}
		done(over)
		return
	}
	op, err := p.window.Acknowledge(member, list, p.m.o.Clock.Now(), l)
	if err != nil || op == 0 {
		p.arm()
		p.mu.Unlock()
		done(ackFailure(err))
		return
	}
	p.waiting = append(p.waiting, waitingOp{op, done})
	p.changed()
	p.mu.Unlock()
}

func ackFailure(err error) Failure {
	switch {
	case err == nil:
		return Failure{}
	case errors.Is(err, ErrState):
		return Failure{kerr.InvalidRecordState, err.Error()}
	default:
		return Failure{kerr.InvalidRequest, err.Error()}
	}
}

// Release gives back what a member has acquired. done is as with Acknowledge.
func (p *Partition) Release(member string, l Limits, done func(Failure)) {
	p.mu.Lock()
	if p.window == nil || p.over.Code != nil {
		over := p.over
		p.mu.Unlock()
		done(over)
		return
	}
	op := p.window.Release(member, l)
	if op == 0 {
		p.mu.Unlock()
		done(Failure{})
		return
	}
	p.waiting = append(p.waiting, waitingOp{op, done})
	p.changed()
	p.mu.Unlock()
}

// changed follows a change of the window: it is written down, and the lock timer set. mu is
// held.
func (p *Partition) changed() {
	if !p.writing && p.window.Dirty() {
		p.writing = true
		p.m.running.Go(p.write)
	}
	p.arm()
}

// arm sets the timer to the next lock that runs out. mu is held.
func (p *Partition) arm() {
	due := p.window.Due()
	if due.Equal(p.timerAt) {
		return
	}
	p.timerAt = due
	switch {
	case due.IsZero():
		p.timer.Stop()
	case p.timer == nil:
		p.timer = p.m.o.Clock.AfterFunc(due.Sub(p.m.o.Clock.Now()), p.onTimer)
	default:
		p.timer.Reset(max(0, due.Sub(p.m.o.Clock.Now())))
	}
}

// onTimer ends the locks that have run out.
func (p *Partition) onTimer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timerAt = time.Time{}
	if p.window == nil || p.over.Code != nil {
		return
	}
	p.expire()
	p.changed()
}

// expire ends the locks that have run out; mu is held.
func (p *Partition) expire() {
	if n := p.window.Expire(p.m.o.Clock.Now(), p.m.o.Limits(p.key.Group)); n > 0 {
		p.m.o.Metrics.expired(n)
		p.wake()
	}
}

// end makes the partition useless: who waits is told, and who comes later too.
func (p *Partition) end(why Failure) {
	p.mu.Lock()
	waiting := p.waiting
	if p.over.Code == nil {
		p.over = why
	}
	p.waiting = nil
	if p.timer != nil {
		p.timer.Stop()
	}
	p.wake()
	p.mu.Unlock()
	for _, w := range waiting {
		w.done(why)
	}
}

// load reads what is stored of the share-partition. It runs on a goroutine of its own.
func (p *Partition) load() {
	var found share.ReadResult
	failure := p.m.persist(func(ctx context.Context) share.Result {
		found = p.m.o.Persister.Read(ctx, p.key.Group, []share.ReadPartition{{TopicPartition: p.key.TopicPartition, LeaderEpoch: p.epoch}})[0]
		return found.Result
	})
	start, stored := found.StartOffset, true
	if failure.Code == nil && start == share.NoOffset {
		stored = false
		if start, failure.Code = p.m.o.StartOffset(p.key); failure.Code != nil {
			failure.Message = failure.Code.Description
		}
	}
	var w *Window
	if failure.Code == nil {
		var err error
		if w, err = NewWindow(start, found.Batches, stored); err != nil {
			failure = Failure{kerr.UnknownServerError, err.Error()}
		}
	}
	if failure.Code != nil {
		p.m.o.Logger.Warn("a share-partition could not be loaded", "group", p.key.Group, "partition", p.key.Partition, "err", failure.Message)
		p.m.drop(p, failure)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over.Code != nil {
		return
	}
	p.window, p.stateEpoch = w, found.StateEpoch
	p.changed()
	p.wake()
}

// write writes changes down until there are none. It runs on a goroutine of its own, one for a
// partition: so what is written follows the order of what happened.
func (p *Partition) write() {
	for {
		p.mu.Lock()
		if p.over.Code != nil || !p.window.Dirty() {
			p.writing = false
			p.mu.Unlock()
			p.m.dropIdle(p)
			return
		}
		out := p.window.TakeWrite()
		p.mu.Unlock()
		failure := p.m.persist(func(ctx context.Context) share.Result {
			return p.m.o.Persister.Write(ctx, p.key.Group, []share.WritePartition{{
				TopicPartition: p.key.TopicPartition, StateEpoch: p.stateEpoch, LeaderEpoch: p.epoch,
				StartOffset: out.Start, DeliveryCompleteCount: out.Complete, Batches: out.Batches,
			}})[0]
		})
		if !p.written(out, failure) {
			return
		}
	}
}

// written takes the outcome of a write. It tells whether to go on.
func (p *Partition) written(out Write, failure Failure) (more bool) {
	p.mu.Lock()
	if p.over.Code != nil {
		p.mu.Unlock()
		return false
	}
	full := p.window.InFlight() >= int64(p.m.o.Limits(p.key.Group).Locks)
	p.window.Written(out, failure.Code == nil)
	n := 0
	for n < len(p.waiting) && p.waiting[n].op <= out.op {
		n++
	}
	over := p.waiting[:n:n]
	p.waiting = append([]waitingOp(nil), p.waiting[n:]...)
	if failure.Code != nil {
		p.expire() // locks that ran out while nobody knew
	}
	// After a failure what nobody waits for can wait too, for the next change.
	more = failure.Code == nil || len(p.waiting) > 0
	if !more {
		p.writing = false
	}
	p.arm()
	if full || p.window.Next() != p.window.End() {
		p.wake() // there is something to be had that was not before
	}
	p.mu.Unlock()
	for _, w := range over {
		w.done(failure)
	}
	if failure.Code != nil {
		p.m.o.Logger.Warn("the state of a share-partition could not be written",
			"group", p.key.Group, "partition", p.key.Partition, "err", failure.Message)
		if failure.Code != kerr.CoordinatorNotAvailable {
			// Somebody else is responsible, or what is stored is not what this one was loaded from.
			p.m.drop(p, failure)
			return false
		}
	}
	return more
}
