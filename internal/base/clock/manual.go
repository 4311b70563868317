package clock

import (
	"sync"
	"time"
)

// Manual is a clock that stands still until told to move.
type Manual struct {
	mu      sync.Mutex
	now     time.Time
	created uint64 // orders timers due at the same time by when they were set
	pending map[*manualTimer]struct{}
}

// NewManual returns a clock standing at now.
func NewManual(now time.Time) *Manual {
	return &Manual{now: now, pending: map[*manualTimer]struct{}{}}
}

type manualTimer struct {
	clock *Manual
	due   time.Time
	order uint64
	f     func()
	c     chan time.Time
}

// Now returns the time the clock stands at.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// AfterFunc implements Clock. A duration <= 0 fires at the next Advance, even
// Advance(0), never inside AfterFunc: callers may hold locks that f takes.
func (m *Manual) AfterFunc(d time.Duration, f func()) Timer {
	t := &manualTimer{clock: m, f: f}
	t.Reset(d)
	return t
}

// NewTimer implements Clock.
func (m *Manual) NewTimer(d time.Duration) Timer {
	t := &manualTimer{clock: m, c: make(chan time.Time, 1)}
	t.Reset(d)
	return t
}

// Advance moves the clock forward and fires what became due, in order. Timers
// set by what fires are included. The clock shows each timer's due time while
// that timer fires.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	end := m.now.Add(d)
	for {
		t := m.earliest()
		if t == nil || t.due.After(end) {
			break
		}
		delete(m.pending, t)
		if t.due.After(m.now) {
			m.now = t.due
		}
		now := m.now
		if t.c != nil {
			select {
			case t.c <- now:
			default: // as package time: an unread signal is not doubled
			}
			continue
		}
		m.mu.Unlock()
		t.f()
		m.mu.Lock()
	}
	if end.After(m.now) {
		m.now = end
	}
	m.mu.Unlock()
}

// Next tells when the next timer is due; ok is false if none is pending.
func (m *Manual) Next() (due time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.earliest(); t != nil {
		return t.due, true
	}
	return time.Time{}, false
}

// Pending returns the number of timers that have yet to fire.
func (m *Manual) Pending() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.pending)
}

func (m *Manual) earliest() *manualTimer {
	var first *manualTimer
	for t := range m.pending {
		if first == nil || t.due.Before(first.due) || t.due.Equal(first.due) && t.order < first.order {
			first = t
		}
	}
	return first
}

func (t *manualTimer) C() <-chan time.Time { return t.c }

func (t *manualTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.remove()
}

func (t *manualTimer) Reset(d time.Duration) bool {
	m := t.clock
	m.mu.Lock()
	defer m.mu.Unlock()
	was := t.remove()
	m.created++
	t.order = m.created
	t.due = m.now.Add(d)
	m.pending[t] = struct{}{}
	return was
}

// remove drops the timer and a signal nobody has read: since Go 1.23 no stale
// signal is received after Stop or Reset. The clock's lock is held.
func (t *manualTimer) remove() bool {
	_, was := t.clock.pending[t]
	delete(t.clock.pending, t)
	if t.c != nil {
		select {
		case <-t.c:
		default:
		}
	}
	return was
}
