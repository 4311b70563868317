package streams

import (
	"errors"
	"iter"
)

// windowKV is a window store as processors and queries see it.
type windowKV[K, V any] struct {
	s        *windowStore[K, V]
	readOnly bool
	err      error
}

func (s *windowKV[K, V]) Put(k K, v V, start Time) error { return s.write(k, start, v, true) }

func (s *windowKV[K, V]) Delete(k K, start Time) error {
	var none V
	return s.write(k, start, none, false)
}

func (s *windowKV[K, V]) write(k K, start Time, v V, ok bool) error {
	if s.readOnly {
		return errReadOnly
	}
	if start < 0 {
		return errNegativeTime
	}
	rc := &s.s.task.rc
	return s.s.put(k, start, v, rc.time, ok, rc.headers)
}

var errNegativeTime = errors.New("the time is negative")

func (s *windowKV[K, V]) Fetch(k K, start Time) (v V, ok bool, err error) {
	v, _, ok, err = s.s.fetch(k, start)
	return v, ok, err
}

func (s *windowKV[K, V]) Range(k K, from, to Time) iter.Seq2[Time, V] {
	return each(&s.err, func() *rows[Windowed[K], V] { return s.s.scan(k, from, to, false) }, startValue)
}

func (s *windowKV[K, V]) ReverseRange(k K, from, to Time) iter.Seq2[Time, V] {
	return each(&s.err, func() *rows[Windowed[K], V] { return s.s.scan(k, from, to, true) }, startValue)
}

func (s *windowKV[K, V]) All(from, to Time) iter.Seq2[Windowed[K], V] {
	return each(&s.err, func() *rows[Windowed[K], V] { return s.s.scanTimes(from, to, false) }, keyValue)
}

func (s *windowKV[K, V]) ReverseAll(from, to Time) iter.Seq2[Windowed[K], V] {
	return each(&s.err, func() *rows[Windowed[K], V] { return s.s.scanTimes(from, to, true) }, keyValue)
}

func (s *windowKV[K, V]) Between(fromKey, toKey *K, from, to Time, descending bool) iter.Seq2[Windowed[K], V] {
	return each(&s.err, func() *rows[Windowed[K], V] { return s.s.scanKeys(fromKey, toKey, from, to, descending) }, keyValue)
}

func (s *windowKV[K, V]) Err() error { return s.err }

func startValue[K, V any](r *rows[Windowed[K], V]) (Time, V) { return r.key.Start, r.value }

// stampedWindowKV is the store of a windowed table with the times of its values, for reading.
type stampedWindowKV[K, V any] struct {
	s   *windowStore[K, V]
	err error
}

func (s *stampedWindowKV[K, V]) Put(K, Stamped[V], Time) error { return errReadOnly }
func (s *stampedWindowKV[K, V]) Delete(K, Time) error          { return errReadOnly }
func (s *stampedWindowKV[K, V]) Err() error                    { return s.err }

func (s *stampedWindowKV[K, V]) Fetch(k K, start Time) (v Stamped[V], ok bool, err error) {
	v.Value, v.Time, ok, err = s.s.fetch(k, start)
	return v, ok, err
}

func (s *stampedWindowKV[K, V]) Range(k K, from, to Time) iter.Seq2[Time, Stamped[V]] {
	return each(&s.err, func() *rows[Windowed[K], V] { return s.s.scan(k, from, to, false) }, startStamped)
}

func (s *stampedWindowKV[K, V]) ReverseRange(k K, from, to Time) iter.Seq2[Time, Stamped[V]] {
	return each(&s.err, func() *rows[Windowed[K], V] { return s.s.scan(k, from, to, true) }, startStamped)
}

func (s *stampedWindowKV[K, V]) All(from, to Time) iter.Seq2[Windowed[K], Stamped[V]] {
	return s.Between(nil, nil, from, to, false)
}

func (s *stampedWindowKV[K, V]) ReverseAll(from, to Time) iter.Seq2[Windowed[K], Stamped[V]] {
	return s.Between(nil, nil, from, to, true)
}

func (s *stampedWindowKV[K, V]) Between(fromKey, toKey *K, from, to Time, descending bool) iter.Seq2[Windowed[K], Stamped[V]] {
	return each(&s.err, func() *rows[Windowed[K], V] { return s.s.scanKeys(fromKey, toKey, from, to, descending) }, keyStamped)
}

func startStamped[K, V any](r *rows[Windowed[K], V]) (Time, Stamped[V]) {
	return r.key.Start, Stamped[V]{r.value, r.at}
}

// sessionKV is a session store as processors and queries see it.
type sessionKV[K, V any] struct {
	s        *sessionStore[K, V]
	readOnly bool
	err      error
}

func (s *sessionKV[K, V]) Put(w Windowed[K], v V) error { return s.write(w, v, true) }

func (s *sessionKV[K, V]) Remove(w Windowed[K]) error {
	var none V
	return s.write(w, none, false)
}

func (s *sessionKV[K, V]) write(w Windowed[K], v V, ok bool) error {
	if s.readOnly {
		return errReadOnly
	}
	if w.Start < 0 || w.End < w.Start {
		return errSessionTimes
	}
	rc := &s.s.task.rc
	return s.s.put(w, v, rc.time, ok, rc.headers)
}

var errSessionTimes = errors.New("a session begins at 0 or later, and does not end before it begins")

func (s *sessionKV[K, V]) Get(w Windowed[K]) (v V, ok bool, err error) { return s.s.get(w) }

func (s *sessionKV[K, V]) Find(k K, earliestEnd, latestStart Time) iter.Seq2[Windowed[K], V] {
	return each(&s.err, func() *rows[Windowed[K], V] { return s.s.findKey(k, earliestEnd, latestStart, false) }, keyValue)
}

func (s *sessionKV[K, V]) ReverseFind(k K, earliestEnd, latestStart Time) iter.Seq2[Windowed[K], V] {
	return each(&s.err, func() *rows[Windowed[K], V] { return s.s.findKey(k, earliestEnd, latestStart, true) }, keyValue)
}

func (s *sessionKV[K, V]) Fetch(k K) iter.Seq2[Windowed[K], V] { return s.Find(k, 0, Forever) }

func (s *sessionKV[K, V]) ReverseFetch(k K) iter.Seq2[Windowed[K], V] {
	return s.ReverseFind(k, 0, Forever)
}

func (s *sessionKV[K, V]) All() iter.Seq2[Windowed[K], V] {
	return each(&s.err, func() *rows[Windowed[K], V] { return s.s.all(false) }, keyValue)
}

func (s *sessionKV[K, V]) Between(fromKey, toKey *K, earliestEnd, latestStart Time, descending bool) iter.Seq2[Windowed[K], V] {
	return each(&s.err, func() *rows[Windowed[K], V] {
		return s.s.scanKeys(fromKey, toKey, earliestEnd, latestStart, descending)
	}, keyValue)
}

func (s *sessionKV[K, V]) Err() error { return s.err }

// Sessions is View for a table of sessions, with their ends.
func (t *WTable[K, V]) Sessions() StoreDef[SessionKV[K, V]] { return sessionView[K, V](t.viewed()) }

// sessionsByStart is a session store as if it were a window store.
type sessionsByStart[K, V any] struct {
	s   *sessionStore[K, V]
	err error
}

func (s *sessionsByStart[K, V]) Put(K, V, Time) error { return errReadOnly }

func (s *sessionsByStart[K, V]) Delete(K, Time) error { return errReadOnly }

// Fetch gives the session that starts then; of several the one that ends first.
func (s *sessionsByStart[K, V]) Fetch(k K, start Time) (v V, ok bool, err error) {
	r := s.s.find(k, start, start)
	for !ok && r.next() {
		if r.key.Start == start {
			v, ok = r.value, true
		}
	}
	return v, ok, r.close()
}

func (s *sessionsByStart[K, V]) Range(k K, from, to Time) iter.Seq2[Time, V] {
	return startingIn(from, startValues(each(&s.err, func() *rows[Windowed[K], V] { return s.s.findKey(k, from, to, false) }, keyValue)))
}

func (s *sessionsByStart[K, V]) ReverseRange(k K, from, to Time) iter.Seq2[Time, V] {
	return startingIn(from, startValues(each(&s.err, func() *rows[Windowed[K], V] { return s.s.findKey(k, from, to, true) }, keyValue)))
}

func startValues[K, V any](in iter.Seq2[Windowed[K], V]) iter.Seq2[Time, V] {
	return func(yield func(Time, V) bool) {
		for w, v := range in {
			if !yield(w.Start, v) {
				return
			}
		}
	}
}

func startingIn[V any](from Time, in iter.Seq2[Time, V]) iter.Seq2[Time, V] {
	return func(yield func(Time, V) bool) {
		for start, v := range in {
			if start >= from && !yield(start, v) {
				return
			}
		}
	}
}

func (s *sessionsByStart[K, V]) All(from, to Time) iter.Seq2[Windowed[K], V] {
	return s.all(from, to, false)
}

func (s *sessionsByStart[K, V]) ReverseAll(from, to Time) iter.Seq2[Windowed[K], V] {
	return s.all(from, to, true)
}

func (s *sessionsByStart[K, V]) all(from, to Time, reverse bool) iter.Seq2[Windowed[K], V] {
	rows := each(&s.err, func() *rows[Windowed[K], V] { return s.s.all(reverse) }, keyValue)
	return func(yield func(Windowed[K], V) bool) {
		for w, v := range rows {
			if w.Start >= from && w.Start <= to && !yield(w, v) {
				return
			}
		}
	}
}

func (s *sessionsByStart[K, V]) Between(fromKey, toKey *K, from, to Time, descending bool) iter.Seq2[Windowed[K], V] {
	rows := each(&s.err, func() *rows[Windowed[K], V] { return s.s.scanKeys(fromKey, toKey, from, to, descending) }, keyValue)
	return func(yield func(Windowed[K], V) bool) {
		for w, v := range rows {
			if w.Start >= from && !yield(w, v) {
				return
			}
		}
	}
}

func (s *sessionsByStart[K, V]) Err() error { return s.err }
