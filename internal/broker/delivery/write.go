package delivery

import "leat.dev/internal/coord/share"

// Write is what has to be written down: everything that changed since the last one.
type Write struct {
	Start int64
	// Complete is the number of offsets from Start on that are done, once this is written.
	Complete int32
	Batches  []share.StateBatch

	op uint64 // the last of the changes in it
	// unsaved are those of Batches that nobody waits for.
	unsaved []share.StateBatch
}

// Dirty tells whether there is something to be written.
func (w *Window) Dirty() bool {
	if len(w.unsaved) > 0 || w.start != w.savedStart {
		return true
	}
	complete := int32(0)
	for i := range w.runs {
		r := &w.runs[i]
		if r.op > w.writing {
			return true
		}
		if r.state == done {
			complete += int32(r.size())
		}
	}
	return complete != w.savedComplete
}

// TakeWrite returns what is to be written now. Written has to follow, before the next one.
func (w *Window) TakeWrite() Write {
	out := Write{op: w.lastOp, Start: w.start, unsaved: w.unsaved}
	w.writing, w.unsaved = w.lastOp, nil
	var ends []share.StateBatch
	atStart := true
	for i := range w.runs {
		r := &w.runs[i]
		over := r.state == done || r.op != 0 && r.next != share.Available
		switch {
		case over && atStart:
			out.Start = r.last + 1
		case over:
			out.Complete += int32(r.size())
		default:
			atStart = false
		}
		if r.op != 0 {
			ends = append(ends, share.StateBatch{First: r.first, Last: r.last, State: r.next, DeliveryCount: r.count})
		}
	}
	out.Batches = share.Merge(out.unsaved, ends, out.Start)
	return out
}

// Written ends the write under way: the changes in it count, or with ok unset are taken back.
// Locks that ran out meanwhile are for Expire to find.
func (w *Window) Written(out Write, ok bool) {
	for i := 0; i < len(w.runs); i++ {
		r := w.runs[i]
		if r.op == 0 || r.op > out.op {
			continue
		}
		w.change(r.first, r.last, func(r *run) {
			if ok {
				r.become(r.next)
				return
			}
			r.op, r.next = 0, 0
		})
		i = max(0, w.find(r.first)-1)
	}
	if ok {
		w.savedStart, w.savedComplete = out.Start, out.Complete
	} else {
		w.savedStart = unknown // it may have been written all the same
		w.unsaved = share.Merge(out.unsaved, w.unsaved, w.start)
	}
	w.advance()
}

// unknown is a start offset that is none.
const unknown int64 = -1
