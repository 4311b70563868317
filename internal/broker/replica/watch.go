package replica

import (
	"sync/atomic"

	"leat.dev/internal/commitlog"
)

// FetchWaiter waits for bytes on any number of partitions. One waiter belongs to one fetch at a time; waking it costs
// a few instructions for each partition that moved, however many it watches.
type FetchWaiter struct {
	// C receives when enough bytes came, or when something happened that a fetch has to answer.
	C       chan struct{}
	missing atomic.Int64
}

// NewFetchWaiter returns a waiter that can be used again and again.
func NewFetchWaiter() *FetchWaiter {
	return &FetchWaiter{C: make(chan struct{}, 1)}
}

// Reset starts a new wait, for at least missing bytes.
func (w *FetchWaiter) Reset(missing int64) {
	select {
	case <-w.C:
	default:
	}
	w.missing.Store(missing)
}

func (w *FetchWaiter) add(bytes int64) {
	if w.missing.Add(-bytes) <= 0 {
		w.signal()
	}
}

func (w *FetchWaiter) signal() {
	select {
	case w.C <- struct{}{}:
	default:
	}
}

// Watch is the place of a waiter in the list of one partition. The zero value is ready; it belongs to the fetch.
type Watch struct {
	waiter     *FetchWaiter
	partition  *Partition
	offset     int64
	isolation  commitlog.Isolation
	prev, next *Watch
}

// watchList is a doubly linked list, so that a fetch over thousands of partitions leaves each of them in one step.
type watchList struct{ head *Watch }

// Watch makes news of the partition count for the waiter, until Unwatch. seen is the bound up to which the caller has
// read: if there is more already, Watch does nothing and returns false. Every Watch that returned true needs an Unwatch.
func (p *Partition) Watch(w *Watch, waiter *FetchWaiter, offset, seen int64, isolation commitlog.Isolation) bool {
	log := p.log.Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil || log == nil || bound(log, isolation) != seen {
		return false
	}
	*w = Watch{waiter: waiter, partition: p, offset: offset, isolation: isolation, next: p.fetches.head}
	if w.next != nil {
		w.next.prev = w
	}
	p.fetches.head = w
	return true
}

// Unwatch ends a Watch; the waiter hears no more of the partition.
func (w *Watch) Unwatch() {
	p := w.partition
	if p == nil {
		return
	}
	p.mu.Lock()
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		p.fetches.head = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
	p.mu.Unlock()
	*w = Watch{}
}

// bound is the offset that readers of this isolation may read up to.
func bound(log *commitlog.Log, isolation commitlog.Isolation) int64 {
	switch isolation {
	case commitlog.ReadStable:
		return log.LastStableOffset()
	case commitlog.ReadLogEnd:
		return log.EndOffset()
	default:
		return log.HighWatermark()
	}
}

// wake counts newly visible bytes for every waiter that can see some of them.
func (l *watchList) wake(log *commitlog.Log, bytes int64) {
	for w := l.head; w != nil; w = w.next {
		if bound(log, w.isolation) > w.offset {
			w.waiter.add(max(bytes, 1))
		}
	}
}

func (l *watchList) wakeAll() {
	for w := l.head; w != nil; w = w.next {
		w.waiter.signal()
	}
}
