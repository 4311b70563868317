package group

import (
	"container/heap"
	"time"
)

// timer is one pending deadline. It belongs to a member or a group, which cancels
// it when it goes.
type timer struct {
	at    time.Time
	seq   uint64 // ties fire in the order they were set
	index int    // position in the heap, -1 when not set
	fire  func()
}

// timers is the shard's set of deadlines.
type timers struct {
	heap timerHeap
	seq  uint64
}

func newTimer(fire func()) *timer { return &timer{index: -1, fire: fire} }

func (ts *timers) set(t *timer, at time.Time) {
	ts.seq++
	t.at, t.seq = at, ts.seq
	if t.index < 0 {
		heap.Push(&ts.heap, t)
	} else {
		heap.Fix(&ts.heap, t.index)
	}
}

func (ts *timers) cancel(t *timer) {
	if t != nil && t.index >= 0 {
		heap.Remove(&ts.heap, t.index)
	}
}

// next returns the earliest deadline, zero if there is none.
func (ts *timers) next() time.Time {
	if len(ts.heap) == 0 {
		return time.Time{}
	}
	return ts.heap[0].at
}

// fireDue fires everything due at now. A timer set meanwhile for now or earlier
// waits for the next Tick, so that a step always ends.
func (ts *timers) fireDue(now time.Time) {
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

type timerHeap []*timer

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
	t := x.(*timer)
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
