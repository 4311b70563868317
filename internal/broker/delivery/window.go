package delivery

import (
	"fmt"
	"sort"
	"time"

	"leat.dev/internal/coord/share"
)

// state is where the delivery of a run of records stands.
type state int8

const (
	available state = iota
	acquired
	done // acknowledged, archived, or not there at all
)

// run is a range of offsets that have all in common.
type run struct {
	first, last int64
	state       state
	count       int16 // deliveries so far
	// Of acquired ones: by whom and until when.
	member string
	until  time.Time
	// op, if not 0, is the change that is being written down; the run stays as it is
	// until then. next and counted say what it becomes.
	op   uint64
	next share.DeliveryState
}

func (r *run) free() bool { return r.state == available }

// held tells whether a member has the records and nothing else happens to them.
func (r *run) held() bool { return r.state == acquired && r.op == 0 }

func (r *run) size() int64 { return r.last - r.first + 1 }

func (r *run) same(o *run) bool {
	return r.state == o.state && (r.state == done ||
		r.count == o.count && r.member == o.member && r.until.Equal(o.until) && r.op == o.op && r.next == o.next)
}

// Window is the state machine of one share-partition: the records from its start offset to
// its end offset, and how far the delivery of each is. It is not safe for concurrent use.
//
// Runs cover the window without gaps, in order, and neighbours differ. What is done at
// its start leaves it once that is written down. Its span, and with it the number of
// runs, is bounded by Limits.Locks and the size of one record batch.
type Window struct {
	start, end int64 // end is the first offset that was never looked at
	runs       []run

	lastOp  uint64
	writing uint64 // ops up to this are in the write under way, or over
	// unsaved are changes that nobody waits for and that are not written yet.
	unsaved []share.StateBatch
	// What the last write said.
	savedStart    int64
	savedComplete int32
}

// Limits are the settings of a share group that count for its records.
type Limits struct {
	Lock       time.Duration // share.record.lock.duration.ms
	Deliveries int           // share.delivery.count.limit
	Locks      int           // share.partition.max.record.locks
	Renew      bool          // share.renew.acknowledge.enable
}

// NewWindow makes a share-partition of what is stored: the start offset, and the state of
// ranges of offsets. What nobody has spoken of between them is available. stored is unset
// if the start offset is not the stored one: then it is written down with the first write.
func NewWindow(start int64, batches []share.StateBatch, stored bool) (*Window, error) {
	w := &Window{start: start, end: start, savedStart: start}
	for _, b := range batches {
		if b.Last < b.First || b.First < w.end && b.First >= start && w.end > start {
			return nil, fmt.Errorf("the stored batch of offsets %d to %d is not in order", b.First, b.Last)
		}
		if b.Last < start {
			continue
		}
		r := run{first: max(b.First, start), last: b.Last, count: b.DeliveryCount}
		if b.State != share.Available {
			r.state = done
		}
		if r.first > w.end {
			w.push(run{first: w.end, last: r.first - 1})
		}
		w.push(r)
	}
	for i := range w.runs {
		if w.runs[i].state == done {
			w.savedComplete += int32(w.runs[i].size())
		}
	}
	if !stored {
		w.savedStart = unknown
	}
	w.advance()
	return w, nil
}

// Start is the first offset that is not done.
func (w *Window) Start() int64 { return w.start }

// End is the first offset that was never looked at.
func (w *Window) End() int64 { return w.end }

// InFlight is the number of offsets in the window.
func (w *Window) InFlight() int64 { return w.end - w.start }

// Idle tells that the window has nothing that would be lost with it: no locks, and nothing
// to be written down.
func (w *Window) Idle() bool {
	for i := range w.runs {
		if w.runs[i].state == acquired {
			return false
		}
	}
	return !w.Dirty()
}

// Next is the offset to read from: the first that is available, or the end.
func (w *Window) Next() int64 {
	for i := range w.runs {
		if w.runs[i].free() {
			return w.runs[i].first
		}
	}
	return w.end
}

// Open tells whether anything can be acquired at the moment.
func (w *Window) Open(l Limits) bool { return w.Next() != w.end || w.InFlight() < int64(l.Locks) }

// push adds a run behind the end.
func (w *Window) push(r run) {
	w.end = r.last + 1
	if n := len(w.runs); n > 0 && w.runs[n-1].same(&r) {
		w.runs[n-1].last = r.last
		return
	}
	w.runs = append(w.runs, r)
}

// find returns the index of the run that holds an offset of the window.
func (w *Window) find(offset int64) int {
	return sort.Search(len(w.runs), func(i int) bool { return w.runs[i].last >= offset })
}

// change replaces what lies in first to last, both in the window, by what f makes of each
// run or part of one; f must keep its offsets.
func (w *Window) change(first, last int64, f func(r *run)) {
	if first > last {
		return
	}
	from := w.find(first)
	to := from
	var section []run
	add := func(r run) {
		if n := len(section); n > 0 && section[n-1].same(&r) {
			section[n-1].last = r.last
			return
		}
		section = append(section, r)
	}
	for ; to < len(w.runs) && w.runs[to].first <= last; to++ {
		r := w.runs[to]
		if r.first < first {
			left := r
			left.last = first - 1
			add(left)
			r.first = first
		}
		right := r
		if r.last > last {
			r.last = last
		}
		f(&r)
		add(r)
		if right.last > last {
			right.first = last + 1
			add(right)
		}
	}
	// The neighbours may be what the section begins or ends with now.
	if from > 0 && len(section) > 0 && w.runs[from-1].same(&section[0]) {
		section[0].first = w.runs[from-1].first
		from--
	}
	if n := len(section); to < len(w.runs) && n > 0 && w.runs[to].same(&section[n-1]) {
		section[n-1].last = w.runs[to].last
		to++
	}
	w.runs = append(w.runs[:from], append(section, w.runs[to:]...)...)
}

// advance moves the start over what is done.
func (w *Window) advance() {
	n := 0
	for n < len(w.runs) && w.runs[n].state == done {
		w.start = w.runs[n].last + 1
		n++
	}
	if n > 0 {
		w.runs = append(w.runs[:0], w.runs[n:]...)
		w.unsaved = share.Merge(w.unsaved, nil, w.start)
	}
}

// LogStart tells that the log begins at offset now: what was before it is gone, whoever
// has acquired it. It tells whether that changed anything.
func (w *Window) LogStart(offset int64) bool {
	if offset <= w.start {
		return false
	}
	if offset >= w.end {
		w.start, w.end, w.runs = offset, offset, w.runs[:0]
	} else {
		w.change(w.start, offset-1, func(r *run) { *r = run{first: r.first, last: r.last, state: done} })
		w.start = offset
	}
	w.advance()
	w.unsaved = share.Merge(w.unsaved, nil, w.start)
	return true
}
