package engine

// Clock is what a punctuator is scheduled on.
type Clock uint8

// The clocks of a task.
const (
	StreamTime Clock = iota
	WallClock
	clocks
)

// Timers are the punctuators of one task: Kafka Streams' punctuation queues. What missed several of its intervals
// fires once and goes on at its next multiple. Punctuators that are due at the same time run in the order in which Kafka's
// priority queue gives them, which depends on nothing but the order of scheduling.
type Timers struct {
	heaps [clocks][]*Timer // binary heaps by due time
}

// Timer is one scheduled punctuator.
type Timer struct {
	due, interval int64
	call          func(now int64) error
	cancelled     bool
}

// Cancel ends the schedule. It may be called from the punctuator itself, and more than once.
func (t *Timer) Cancel() { t.cancelled = true }

// Every calls f once an interval (milliseconds, at least 1). On the wall clock it is first due one interval after now.
// On stream time the schedule is aligned to the epoch: the first record fires it.
func (t *Timers) Every(clock Clock, interval, now int64, f func(now int64) error) *Timer {
	due := int64(0)
	if clock == WallClock {
		due = now + interval
	}
	return t.add(clock, &Timer{due: due, interval: interval, call: f})
}

// EveryFrom is Every with a fixed phase (KIP-1146): first due at start, or when that is before now, at the first multiple
// of the interval behind it that lies after now. On stream time now is the stream time, which may be Unknown.
func (t *Timers) EveryFrom(clock Clock, start, interval, now int64, f func(now int64) error) *Timer {
	timer := &Timer{due: start, interval: interval, call: f}
	if start < now {
		timer.advance(now)
	}
	return t.add(clock, timer)
}

// advance moves the timer to its next multiple after now.
func (t *Timer) advance(now int64) {
	next := t.due + t.interval
	if now >= next {
		next = t.due + ((now-t.due)/t.interval+1)*t.interval
	}
	t.due = next
}

// Fire runs what is due at now, which is what each punctuator is given: the clock's time, not the time it was due at. It
// stops at the first error. An Unknown time fires nothing.
func (t *Timers) Fire(clock Clock, now int64) (fired bool, err error) {
	if now == Unknown {
		return false, nil
	}
	for len(t.heaps[clock]) > 0 && t.heaps[clock][0].due <= now {
		top := t.pop(clock)
		if top.cancelled {
			continue
		}
		fired = true
		err = top.call(now)
		if !top.cancelled {
			top.advance(now)
			t.add(clock, top)
		}
		if err != nil {
			return fired, err
		}
	}
	return fired, nil
}

// Next is when Fire has something to do, ok is false when never.
func (t *Timers) Next(clock Clock) (ms int64, ok bool) {
	for len(t.heaps[clock]) > 0 {
		top := t.heaps[clock][0]
		if !top.cancelled {
			return top.due, true
		}
		t.pop(clock)
	}
	return 0, false
}

func (t *Timers) add(clock Clock, timer *Timer) *Timer {
	h := append(t.heaps[clock], timer)
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if timer.due >= h[parent].due {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = timer
	t.heaps[clock] = h
	return timer
}

func (t *Timers) pop(clock Clock) *Timer {
	h := t.heaps[clock]
	top, n := h[0], len(h)-1
	last := h[n]
	h[n] = nil
	h = h[:n]
	i := 0
	for {
		child := 2*i + 1
		if child >= n {
			break
		}
		if right := child + 1; right < n && h[right].due < h[child].due {
			child = right
		}
		if last.due <= h[child].due {
			break
		}
		h[i] = h[child]
		i = child
	}
	if n > 0 {
		h[i] = last
	}
	t.heaps[clock] = h
	return top
}
