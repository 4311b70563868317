package coord

import (
	"container/heap"
	"time"
)

// Timer is one pending deadline. It belongs to something that cancels it when it
// goes.
type Timer struct {
	at    time.Time
	seq   uint64 // ties fire in the order they were set
	index int    // position in the heap, -1 when not set
	fire  func()
}

// Timers is a state machine's set of deadlines. The zero value is empty.
type Timers struct {
	heap timerHeap
	seq  uint64
}

// NewTimer returns a timer that is not set.
func NewTimer(fire func()) *Timer { return &Timer{index: -1, fire: fire} }

// Set gives the timer a deadline, in place of any it had.
func (ts *Timers) Set(t *Timer, at time.Time) {
	ts.seq++
	t.at, t.seq = at, ts.seq
	if t.index < 0 {
		heap.Push(&ts.heap, t)
	} else {
		heap.Fix(&ts.heap, t.index)
	}
}

// Armed tells whether the timer is set.
func (t *Timer) Armed() bool { return t.index >= 0 }

// Cancel takes the deadline away; t may be nil.
func (ts *Timers) Cancel(t *Timer) {
	if t != nil && t.index >= 0 {
		heap.Remove(&ts.heap, t.index)
	}
}

// Next returns the earliest deadline, zero if there is none.
func (ts *Timers) Next() time.Time {
	if len(ts.heap) == 0 {
		return time.Time{}
	}
	return ts.heap[0].at
}

// FireDue fires everything due at now. A timer set meanwhile for now or earlier
// waits for the next Tick, so that a step always ends.
func (ts *Timers) FireDue(now time.Time) {
	last := ts.seq
	for len(ts.heap) > 0 {
		t := ts.heap[0]
		if t.at.After(now) || t.seq > last {
			return
		}
		heap.Pop(&ts.heap)
		t.fire()
	}
}

type timerHeap []*Timer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*Timer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}
