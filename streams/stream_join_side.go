package streams

import (
	"math"

	"leat.dev/streams/internal/codec"
)

// joinTimes is what both sides of a join know of time. It is kept with the task, so that a restart changes nothing.
type joinTimes struct {
	stream *int64 // greatest time of both sides
	early  *int64 // math.MaxInt64 less the least time of what waits: of several that were kept the greatest is the safe one
	next   Time   // wall clock: the next time to look at what waits
}

// least is the least time of what waits without a match: nothing is due before. It may have been matched since, as in
// Kafka. math.MaxInt64: nothing waits.
func (t *joinTimes) least() int64 { return math.MaxInt64 - *t.early }

func (t *joinTimes) setLeast(at int64) { *t.early = math.MaxInt64 - at }

// joinNode is what both nodes of a join have.
type joinNode[K, L, R, O any] struct {
	x     *opening
	next  sink[K, O]
	outer *outerStore[K, L, R]
	times *joinTimes
	out   Record[K, O]
}

func (j *streamJoin[K, L, R, O]) node(x *opening, next sink[K, O]) *joinNode[K, L, R, O] {
	n := &joinNode[K, L, R, O]{x: x, next: next}
	if j.kind != innerJoin && !j.plan.SelfJoin {
		n.outer = x.store(j.outer.name).(*outerStore[K, L, R])
	}
	shared, ok := x.task.shared[j.names.merge].(*joinTimes)
	if !ok {
		shared = &joinTimes{stream: x.task.meta(j.names.merge+"-time", -1), early: x.task.meta(j.names.merge+"-early", 0)}
		x.task.shared[j.names.merge] = shared
	}
	n.times = shared
	return n
}

// send makes a result of r.
func (n *joinNode[K, L, R, O]) send(j *streamJoin[K, L, R, O], e Either[L, R], key K, nullKey bool, at Time, h Headers) error {
	o, err := call2(j.f, key, e)
	if err != nil {
		return n.x.failed(err)
	}
	n.out = Record[K, O]{Key: key, NullKey: nullKey, Value: o, NullValue: j.nulls.null(&o), Time: at, Headers: h}
	return forward(n.x.task, n.next, &n.out)
}

// joinSide is the node of one side: T are its records, U those of the other.
type joinSide[K, T, U, L, R, O any] struct {
	*joinNode[K, L, R, O]
	j             *streamJoin[K, L, R, O]
	side          codec.Side
	before, after Time // what it looks for on the other side
	alone         bool // records without a match are results too
	other         *joinStore[K, U]
	pair          func(t T, u U, hasU bool) Either[L, R]
	hold          func(k K, at Time, t T) error
}

func (s *joinSide[K, T, U, L, R, O]) take(r *Record[K, T]) error {
	if *s.times.stream < 0 && s.outer != nil {
		if err := s.look(); err != nil {
			return err
		}
	}
	*s.times.stream = max(*s.times.stream, int64(r.Time))
	if r.NullValue || r.NullKey {
		if r.NullValue || !s.alone {
			s.x.drop()
			return nil
		}
		var none U
		return s.send(s.j, s.pair(r.Value, none, false), r.Key, true, r.Time, r.Headers)
	}
	if s.outer != nil && int64(r.Time) == *s.times.stream {
		if err := s.expire(r); err != nil {
			return err
		}
	}
	found, err := s.match(r)
	if err != nil || found || !s.alone {
		return err
	}
	if int64(max(0, r.Time+s.after)) < *s.times.stream {
		var none U
		return s.send(s.j, s.pair(r.Value, none, false), r.Key, false, r.Time, r.Headers)
	}
	s.times.setLeast(min(s.times.least(), int64(r.Time)))
	return s.hold(r.Key, r.Time, r.Value)
}

// look finds the least time of what waits where nothing is known of time: a store may have come back without it.
func (s *joinSide[K, T, U, L, R, O]) look() error {
	rows := s.outer.scan()
	if rows.next() {
		s.times.setLeast(int64(rows.at))
	}
	return rows.close()
}

// match sends the record's pairs, and takes those on the other side out of what waits.
func (s *joinSide[K, T, U, L, R, O]) match(r *Record[K, T]) (found bool, err error) {
	rows := s.other.fetch(r.Key, max(0, r.Time-s.before), max(0, r.Time+s.after))
	otherSide := codec.Left
	if s.side == codec.Left {
		otherSide = codec.Right
	}
	for rows.next() {
		found = true
		if s.outer != nil {
			if err = s.outer.remove(r.Key, rows.at, otherSide); err != nil {
				break
			}
		}
		if err = s.send(s.j, s.pair(r.Value, rows.value, true), r.Key, false, max(r.Time, rows.at), r.Headers); err != nil {
			break
		}
	}
	if closed := rows.close(); err == nil {
		err = closed
	}
	return found, err
}

// expire sends what has waited until its window and grace were over. What waits is in order of time, and at one time right
// before left; the scan ends once it has seen an open window of either side.
func (s *joinSide[K, T, U, L, R, O]) expire(r *Record[K, T]) error {
	t := s.times
	grace := int64(millis(s.j.w.grace))
	if least := t.least(); least == math.MaxInt64 || least+int64(s.after)+grace >= *t.stream || s.x.task.now() < t.next {
		return nil
	}
	t.next = s.x.task.now() + Time(s.x.task.prog.settings.EmitIntervalMs)
	t.setLeast(math.MaxInt64)
	rows := s.outer.scan()
	err := s.expired(r, rows, grace)
	if closed := rows.close(); err == nil {
		err = closed
	}
	return err
}

func (s *joinSide[K, T, U, L, R, O]) expired(r *Record[K, T], rows *outerRows[K, L, R], grace int64) error {
	var leftOpen, rightOpen bool
	for rows.next() {
		s.times.setLeast(int64(rows.at))
		if leftOpen && rightOpen {
			return nil
		}
		ahead := s.j.w.after
		if rows.side == codec.Right {
			ahead = s.j.w.before
		}
		if int64(rows.at)+int64(millis(ahead))+grace >= *s.times.stream {
			leftOpen, rightOpen = leftOpen || rows.side == codec.Left, rightOpen || rows.side == codec.Right
			continue
		}
		e := Either[L, R]{rows.left, rows.right, rows.side == codec.Left, rows.side == codec.Right}
		var noLeft L
		var noRight R
		if e.HasLeft {
			e.Right = noRight
		} else {
			e.Left = noLeft
		}
		if err := s.send(s.j, e, rows.key, false, rows.at, r.Headers); err != nil {
			return err
		}
		if rows.last {
			if err := rows.remove(); err != nil {
				return err
			}
		}
	}
	return nil
}
