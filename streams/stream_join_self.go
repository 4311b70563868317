package streams

// selfJoin is the join of a stream with itself on one store: the results of the two sides, and of each record with itself,
// in the order in which two stores would give them.
type selfJoin[K, L, R, O any] struct {
	*joinNode[K, L, R, O]
	j    *streamJoin[K, L, R, O]
	kept *joinStore[K, L]
}

func (j *streamJoin[K, L, R, O]) openSelf(x *opening, next sink[K, O]) (sink[K, L], error) {
	s := &selfJoin[K, L, R, O]{joinNode: j.node(x, next), j: j, kept: x.store(j.left.name).(*joinStore[K, L])}
	return s.take, nil
}

// pairOf pairs two values of the one stream, of which the second is an R by name only.
func (s *selfJoin[K, L, R, O]) pairOf(l, r L) Either[L, R] {
	right, _ := any(r).(R)
	return Either[L, R]{l, right, true, true}
}

func (s *selfJoin[K, L, R, O]) take(r *Record[K, L]) error {
	if r.NullKey || r.NullValue {
		s.x.drop()
		return nil
	}
	*s.times.stream = max(*s.times.stream, int64(r.Time))
	before, after := millis(s.j.w.before), millis(s.j.w.after)
	// The record on the left, with earlier ones on the right.
	err := s.each(r, before, after, func(other L, at Time) error {
		return s.send(s.j, s.pairOf(r.Value, other), r.Key, false, max(r.Time, at), r.Headers)
	})
	if err != nil {
		return err
	}
	// The record on the right, with earlier ones on the left, and itself where its time comes, unless it is as old as what a
	// store does not show any more.
	self := int64(r.Time)+s.j.w.retention().Milliseconds() <= *s.times.stream
	withSelf := func() error {
		self = true
		return s.send(s.j, s.pairOf(r.Value, r.Value), r.Key, false, r.Time, r.Headers)
	}
	err = s.each(r, after, before, func(other L, at Time) error {
		if !self && r.Time < at {
			if err := withSelf(); err != nil {
				return err
			}
		}
		return s.send(s.j, s.pairOf(other, r.Value), r.Key, false, max(r.Time, at), r.Headers)
	})
	if err != nil || self {
		return err
	}
	return withSelf()
}

func (s *selfJoin[K, L, R, O]) each(r *Record[K, L], before, after Time, f func(other L, at Time) error) error {
	rows := s.kept.fetch(r.Key, max(0, r.Time-before), max(0, r.Time+after))
	var err error
	for err == nil && rows.next() {
		err = f(rows.value, rows.at)
	}
	if closed := rows.close(); err == nil {
		err = closed
	}
	return err
}
