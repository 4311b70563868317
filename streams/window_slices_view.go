package streams

import (
	"bytes"
	"iter"
	"slices"
)

// slicedKV shows the windows of a store that keeps slices.
type slicedKV[K, V any] struct {
	s   *windowStore[K, V]
	err error
}

func (s *slicedKV[K, V]) Put(K, V, Time) error { return errReadOnly }

func (s *slicedKV[K, V]) Delete(K, Time) error { return errReadOnly }

func (s *slicedKV[K, V]) Fetch(k K, start Time) (v V, ok bool, err error) {
	if start%s.s.slicing.every != 0 {
		return v, false, nil
	}
	v, _, ok, err = readSlices(s.s, k, start)
	return v, ok, err
}

func (s *slicedKV[K, V]) Range(k K, from, to Time) iter.Seq2[Time, V] {
	return s.times(func() []shownWindow[K, V] { return s.of(k, from, to) })
}

func (s *slicedKV[K, V]) ReverseRange(k K, from, to Time) iter.Seq2[Time, V] {
	return s.times(func() []shownWindow[K, V] { return reversed(s.of(k, from, to)) })
}

// All gives windows in order of start and then key.
func (s *slicedKV[K, V]) All(from, to Time) iter.Seq2[Windowed[K], V] {
	return s.keys(func() []shownWindow[K, V] { return s.all(from, to) })
}

func (s *slicedKV[K, V]) ReverseAll(from, to Time) iter.Seq2[Windowed[K], V] {
	return s.keys(func() []shownWindow[K, V] { return reversed(s.all(from, to)) })
}

func (s *slicedKV[K, V]) Between(fromKey, toKey *K, from, to Time, descending bool) iter.Seq2[Windowed[K], V] {
	return s.keys(func() []shownWindow[K, V] {
		within, err := keyRange(s.s.storeBase, s.s.ks, fromKey, toKey)
		if err != nil {
			s.err = err
			return nil
		}
		found := slices.DeleteFunc(s.all(from, to), func(w shownWindow[K, V]) bool { return !within.has(w.key) })
		if descending {
			slices.Reverse(found)
		}
		return found
	})
}

func (s *slicedKV[K, V]) Err() error { return s.err }

type shownWindow[K, V any] struct {
	w     Windowed[K]
	key   []byte
	value part[V]
}

func reversed[T any](list []T) []T {
	slices.Reverse(list)
	return list
}

func (s *slicedKV[K, V]) times(find func() []shownWindow[K, V]) iter.Seq2[Time, V] {
	return func(yield func(Time, V) bool) {
		for _, w := range find() {
			if !yield(w.w.Start, w.value.v) {
				return
			}
		}
	}
}

func (s *slicedKV[K, V]) keys(find func() []shownWindow[K, V]) iter.Seq2[Windowed[K], V] {
	return func(yield func(Windowed[K], V) bool) {
		for _, w := range find() {
			if !yield(w.w, w.value.v) {
				return
			}
		}
	}
}

func (s *slicedKV[K, V]) of(k K, from, to Time) []shownWindow[K, V] {
	return s.merge(from, to, s.s.scan(k, max(from, 0), s.last(to), false))
}

func (s *slicedKV[K, V]) all(from, to Time) []shownWindow[K, V] {
	return s.merge(from, to, s.s.scanTimes(max(from, 0), s.last(to), false))
}

// last is where the slices of windows that start by then end.
func (s *slicedKV[K, V]) last(to Time) Time {
	return min(to, Forever-s.s.slicing.length) + s.s.slicing.length - 1
}

// merge puts slices together into the windows that start in [from, to]. Slices of a key come in order of time.
func (s *slicedKV[K, V]) merge(from, to Time, slicesFound *rows[Windowed[K], V]) []shownWindow[K, V] {
	g := s.s.slicing
	var found []shownWindow[K, V]
	type place struct {
		key   string
		start Time
	}
	places := map[place]int{}
	var key []byte
	var err error
	for err == nil && slicesFound.next() {
		at := slicesFound.key.Start
		if key, err = s.s.ks.Append(nil, s.s.topic, nil, slicesFound.key.Key); err != nil {
			break
		}
		for start := firstWindow(at+g.slice-1, g.length, g.every); start <= at && err == nil; start += g.every {
			if start < from || start > to {
				continue
			}
			p := place{string(key), start}
			i, ok := places[p]
			if !ok {
				i = len(found)
				places[p] = i
				w := Windowed[K]{slicesFound.key.Key, start, start + g.length}
				found = append(found, shownWindow[K, V]{w: w, key: key})
			}
			found[i].value, err = g.joined(found[i].value, part[V]{slicesFound.value, slicesFound.at, true})
		}
	}
	if closeErr := slicesFound.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		s.err = err
		return nil
	}
	slices.SortStableFunc(found, func(a, b shownWindow[K, V]) int {
		if a.w.Start != b.w.Start {
			return cmpTime(a.w.Start, b.w.Start)
		}
		return bytes.Compare(a.key, b.key)
	})
	return found
}
