package delivery

import (
	"math"
	"time"
)

// Span is a range of offsets, both included: a record batch as it was read, or what is to
// be left out.
type Span struct{ First, Last int64 }

// Request asks for records that were read.
type Request struct {
	Member string
	Now    time.Time
	// Offset is where the read began, Next's answer. Batches are the record batches
	// read, in order; the first may begin before Offset.
	Offset  int64
	Batches []Span
	// Aborted are records among them that nobody may see.
	Aborted []Span
	// MaxRecords is how many to acquire. It may be exceeded up to the end of a record
	// batch, unless Exact is set.
	MaxRecords int
	Exact      bool
	// BatchSize is how many records an Acquired should hold, as far as record batches
	// allow.
	BatchSize int
}

// Acquired are records that a member got, for the Count-th time.
type Acquired struct {
	First, Last int64
	Count       int16
}

// Acquire gives a member those of the records read that are available, in order, and locks
// them. It returns nothing if there are none, or if the group has too many locked.
//
// Records that were delivered half as often as allowed come in ever smaller portions, and
// those at their last chance come alone: so one that no consumer survives takes few others
// with it.
func (w *Window) Acquire(q Request, l Limits) []Acquired {
	if len(q.Batches) == 0 || q.MaxRecords <= 0 {
		return nil
	}
	bound := q.Batches[len(q.Batches)-1].Last
	if bound < w.start || q.Offset < w.start {
		return nil
	}
	most := min(int64(q.MaxRecords), int64(l.Locks)-w.InFlight())
	if most <= 0 {
		if q.Offset >= w.end {
			return nil
		}
		// What is in the window already may be delivered again; it gets no longer.
		bound = min(bound, w.end-1)
		most = min(int64(q.MaxRecords), w.end-q.Offset)
	}
	w.skipGap(q.Offset, q.Batches[0].First)
	a := acquisition{w: w, q: &q, l: &l, most: most, bound: bound, until: q.Now.Add(l.Lock)}
	a.throttleAt = int16(max(2, (l.Deliveries+1)/2))
	a.known()
	a.fresh()
	a.leaveOut()
	return a.portions()
}

// skipGap takes offsets out of the delivery that the log has no records at.
func (w *Window) skipGap(offset, base int64) {
	if base <= offset {
		return
	}
	gone := func(r *run) {
		if r.free() {
			*r = run{first: r.first, last: r.last, state: done}
		}
	}
	if offset < w.end {
		w.change(offset, min(base, w.end)-1, gone)
	}
	if base > w.end {
		w.push(run{first: w.end, last: base - 1, state: done})
	}
	w.advance()
}

// acquisition is one Acquire under way.
type acquisition struct {
	w          *Window
	q          *Request
	l          *Limits
	most       int64 // records to get
	bound      int64 // the last offset that may be acquired
	until      time.Time
	throttleAt int16
	got        []Acquired
	count      int64
	full       bool // nothing more may be acquired
}

// known acquires from what is in the window.
func (a *acquisition) known() {
	w := a.w
	at := max(w.start, a.q.Batches[0].First)
	for at < w.end && at <= a.bound && !a.full {
		r := w.runs[w.find(at)]
		last := min(r.last, a.bound)
		if r.free() {
			a.take(max(at, r.first), last, r.count)
		}
		at = last + 1
	}
}

// take acquires part of an available run, and finds out whether that is the end of it.
func (a *acquisition) take(first, last int64, count int16) {
	if count >= a.throttleAt {
		a.full = true
		if a.count > 0 {
			return
		}
		portion := max(1, (last-first+1)>>(count-a.throttleAt+1))
		if a.l.Deliveries > 2 && int(count) >= a.l.Deliveries-1 {
			portion = 1
		}
		last = min(last, first+min(portion, a.most)-1)
	} else {
		last = a.cut(first, last)
	}
	a.w.change(first, last, func(r *run) { r.state, r.count, r.member, r.until = acquired, count+1, a.q.Member, a.until })
	a.add(Acquired{first, last, count + 1})
}

// cut ends a range with the last record that is wanted. Unless it has to be exact, the
// record batch that it is in is still to be had, here and in the runs that follow.
func (a *acquisition) cut(first, last int64) int64 {
	left := a.most - a.count
	if last-first+1 < left {
		return last
	}
	end := first + left - 1
	if a.q.Exact {
		a.full = true
		return end
	}
	a.bound = min(a.bound, a.endOfBatch(end))
	a.most = math.MaxInt64
	return min(last, a.bound)
}

// endOfBatch is the end of the record batch that an offset is in, or else the offset.
func (a *acquisition) endOfBatch(offset int64) int64 {
	for _, b := range a.q.Batches {
		if offset <= b.Last {
			if offset < b.First {
				return offset
			}
			return b.Last
		}
	}
	return offset
}

// fresh acquires what is new.
func (a *acquisition) fresh() {
	w := a.w
	first := max(w.end, a.q.Batches[0].First)
	if a.full || first > a.bound {
		return
	}
	last := a.cut(first, a.bound)
	w.push(run{first: first, last: last, state: acquired, count: 1, member: a.q.Member, until: a.until})
	a.add(Acquired{first, last, 1})
}

func (a *acquisition) add(got Acquired) {
	a.count += got.Last - got.First + 1
	if n := len(a.got); n > 0 && a.got[n-1].Last+1 == got.First && a.got[n-1].Count == got.Count {
		a.got[n-1].Last = got.Last
		return
	}
	a.got = append(a.got, got)
}

// leaveOut takes back what nobody may see: it is done with.
func (a *acquisition) leaveOut() {
	for _, s := range a.q.Aborted {
		var kept []Acquired
		for _, g := range a.got {
			if g.Last < s.First || g.First > s.Last {
				kept = append(kept, g)
				continue
			}
			if g.First < s.First {
				kept = append(kept, Acquired{g.First, s.First - 1, g.Count})
			}
			if g.Last > s.Last {
				kept = append(kept, Acquired{s.Last + 1, g.Last, g.Count})
			}
			a.w.change(max(g.First, s.First), min(g.Last, s.Last), func(r *run) {
				*r = run{first: r.first, last: r.last, state: done}
			})
		}
		a.got = kept
	}
	a.w.advance()
}

// portions splits what was acquired at record batches, into pieces of BatchSize or a bit
// more.
func (a *acquisition) portions() []Acquired {
	size := int64(a.q.BatchSize)
	if size <= 0 || a.q.Exact {
		return a.got
	}
	var out []Acquired
	for _, g := range a.got {
		for _, b := range a.q.Batches {
			if b.First > g.Last {
				break
			}
			if g.Last-g.First+1 > size && b.First-g.First >= size {
				out = append(out, Acquired{g.First, b.First - 1, g.Count})
				g.First = b.First
			}
		}
		out = append(out, g)
	}
	return out
}
