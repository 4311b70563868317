package delivery

import (
	"errors"
	"fmt"
	"time"

	"leat.dev/internal/coord/share"
)

// The kinds of acknowledgement, as in the protocol.
const (
	Gap     int8 = 0 // there is no such record
	Accept  int8 = 1
	Release int8 = 2 // deliver it again
	Reject  int8 = 3
	Renew   int8 = 4 // lock it anew
)

// Ack acknowledges the records First to Last: with one type for all, or one for each.
type Ack struct {
	First, Last int64
	Types       []int8
}

func (a *Ack) typeOf(offset int64) int8 {
	if len(a.Types) == 1 {
		return a.Types[0]
	}
	return a.Types[offset-a.First]
}

// Errors of an acknowledgement. ErrState: the records are not the member's to acknowledge,
// or not any more. ErrRequest: no server would have delivered such records.
var (
	ErrState   = errors.New("invalid record state")
	ErrRequest = errors.New("invalid request")
)

// CheckAcks looks at what can be seen of acknowledgements alone; renew tells whether Renew
// is allowed.
func CheckAcks(list []Ack, renew bool) error {
	previous := int64(-1)
	for i := range list {
		a := &list[i]
		switch {
		case a.First > a.Last:
			return fmt.Errorf("%w: the acknowledged offsets %d to %d run backwards", ErrRequest, a.First, a.Last)
		case a.First < previous || a.First < 0:
			return fmt.Errorf("%w: the acknowledged offsets from %d on overlap what comes before", ErrRequest, a.First)
		case len(a.Types) == 0 || len(a.Types) > 1 && a.Last-a.First != int64(len(a.Types)-1):
			return fmt.Errorf("%w: %d acknowledge types for the offsets %d to %d", ErrRequest, len(a.Types), a.First, a.Last)
		}
		for _, t := range a.Types {
			if t < Gap || t > Renew || t == Renew && !renew {
				return fmt.Errorf("%w: acknowledge type %d", ErrRequest, t)
			}
		}
		previous = a.Last
	}
	return nil
}

// Acknowledge takes a member's word for what became of records. All of it counts, or
// nothing with an error. What changes has to be written down first: op is what Complete
// will be told then, 0 if there is nothing to wait for.
func (w *Window) Acknowledge(member string, list []Ack, now time.Time, l Limits) (op uint64, err error) {
	for i := range list {
		if err := w.checkAck(member, &list[i], l); err != nil {
			return 0, err
		}
	}
	w.lastOp++
	op = w.lastOp
	used := false
	for i := range list {
		a := &list[i]
		for first := max(a.First, w.start); first <= a.Last; {
			t := a.typeOf(first)
			last := first
			for last < a.Last && a.typeOf(last+1) == t && len(a.Types) > 1 {
				last++
			}
			if len(a.Types) == 1 {
				last = a.Last
			}
			w.change(first, last, func(r *run) {
				if t == Renew {
					r.until = now.Add(l.Lock)
					return
				}
				used = true
				r.op, r.next = op, outcome(t, r.count, l)
			})
			first = last + 1
		}
	}
	if !used {
		return 0, nil
	}
	return op, nil
}

// outcome is what a type of acknowledgement makes of a record.
func outcome(t int8, count int16, l Limits) share.DeliveryState {
	switch {
	case t == Accept:
		return share.Acknowledged
	case t == Release && int(count) < l.Deliveries:
		return share.Available
	}
	return share.Archived
}

func (w *Window) checkAck(member string, a *Ack, l Limits) error {
	if a.Last < w.start {
		return nil // done with meanwhile
	}
	switch {
	case len(w.runs) == 0:
		return fmt.Errorf("%w: none of the offsets %d to %d is acquired", ErrState, a.First, a.Last)
	case a.Last >= w.end:
		return fmt.Errorf("%w: the offsets %d to %d go past what was acquired, which ends at %d", ErrRequest, a.First, a.Last, w.end-1)
	}
	first := max(a.First, w.start)
	for i := w.find(first); i < len(w.runs) && w.runs[i].first <= a.Last; i++ {
		switch r := &w.runs[i]; {
		case r.state != acquired:
			return fmt.Errorf("%w: the offsets %d to %d are not acquired", ErrState, max(r.first, first), min(r.last, a.Last))
		case r.op != 0:
			return fmt.Errorf("%w: the offsets %d to %d are being acknowledged", ErrState, max(r.first, first), min(r.last, a.Last))
		case r.member != member:
			return fmt.Errorf("%w: the offsets %d to %d are acquired by another member", ErrState, max(r.first, first), min(r.last, a.Last))
		}
	}
	if !l.Renew {
		for _, t := range a.Types {
			if t == Renew {
				return fmt.Errorf("%w: locks are not renewed in this group (share.renew.acknowledge.enable)", ErrState)
			}
		}
	}
	return nil
}

// Release gives back all that a member has acquired, as when its session ends. op is as
// Acknowledge's.
func (w *Window) Release(member string, l Limits) (op uint64) {
	w.lastOp++
	for i := range w.runs {
		if r := &w.runs[i]; r.held() && r.member == member {
			op = w.lastOp
			r.op, r.next = op, outcome(Release, r.count, l)
		}
	}
	return op
}

// Expire ends the locks that have run out. What it changes does not wait for being written.
// It returns the number of records.
func (w *Window) Expire(now time.Time, l Limits) (records int64) {
	for i := 0; i < len(w.runs); i++ {
		r := w.runs[i]
		if !r.held() || r.until.After(now) {
			continue
		}
		records += r.size()
		next := outcome(Release, r.count, l)
		w.unsaved = share.Merge(w.unsaved, []share.StateBatch{{First: r.first, Last: r.last, State: next, DeliveryCount: r.count}}, w.start)
		w.change(r.first, r.last, func(r *run) { r.become(next) })
		i = max(0, w.find(r.first)-1)
	}
	w.advance()
	return records
}

// Due is when the next lock runs out, zero if there is none.
func (w *Window) Due() (due time.Time) {
	for i := range w.runs {
		if r := &w.runs[i]; r.held() && (due.IsZero() || r.until.Before(due)) {
			due = r.until
		}
	}
	return due
}

// become makes the run what it is once a change of it is written.
func (r *run) become(next share.DeliveryState) {
	r.member, r.until, r.op, r.next = "", time.Time{}, 0, 0
	r.state = available
	if next != share.Available {
		r.state, r.count = done, 0
	}
}
