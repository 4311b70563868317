package streams

import (
	"iter"
)

// kvStore keeps the latest value of each key without times: a processor's store.
type kvStore[K, V any] struct {
	*tableStore[K, V]
	err error
}

func openKV[K, V any](b *storeBase, p storeSpec, ks Serde[K], vs Serde[V]) (*kvStore[K, V], error) {
	return &kvStore[K, V]{tableStore: newTable(b, p, ks, vs, valueFormat{})}, nil
}

// A processor's store logs with the time of the record in hand.

func (s *kvStore[K, V]) Get(k K) (v V, ok bool, err error) {
	v, _, ok, err = s.get(k)
	return v, ok, err
}

func (s *kvStore[K, V]) Put(k K, v V) error {
	return s.put(k, v, s.task.rc.time, true, s.task.rc.headers)
}

func (s *kvStore[K, V]) PutIfAbsent(k K, v V) (old V, had bool, err error) {
	return putIfAbsent(s, k, v)
}

func (s *kvStore[K, V]) Delete(k K) error {
	var none V
	return s.put(k, none, s.task.rc.time, false, s.task.rc.headers)
}

func (s *kvStore[K, V]) Range(from, to K) iter.Seq2[K, V] {
	return each(&s.err, func() *rows[K, V] { return s.scan(&from, &to, false) }, keyValue)
}

func (s *kvStore[K, V]) ReverseRange(from, to K) iter.Seq2[K, V] {
	return each(&s.err, func() *rows[K, V] { return s.scan(&from, &to, true) }, keyValue)
}

func (s *kvStore[K, V]) All() iter.Seq2[K, V] {
	return each(&s.err, func() *rows[K, V] { return s.scan(nil, nil, false) }, keyValue)
}

func (s *kvStore[K, V]) ReverseAll() iter.Seq2[K, V] {
	return each(&s.err, func() *rows[K, V] { return s.scan(nil, nil, true) }, keyValue)
}

func (s *kvStore[K, V]) Between(from, to *K, descending bool) iter.Seq2[K, V] {
	return each(&s.err, func() *rows[K, V] { return s.scan(from, to, descending) }, keyValue)
}

func (s *kvStore[K, V]) Count() (int64, error) { return count(s.scan(nil, nil, false)) }

func (s *kvStore[K, V]) Prefix(b []byte) iter.Seq2[K, V] {
	return each(&s.err, func() *rows[K, V] { return s.prefix(b, false) }, keyValue)
}

func (s *kvStore[K, V]) Err() error { return s.err }

func keyValue[K, V any](r *rows[K, V]) (K, V) { return r.key, r.value }

func putIfAbsent[K, V any](s KV[K, V], k K, v V) (old V, had bool, err error) {
	old, had, err = s.Get(k)
	if err != nil || had {
		return old, had, err
	}
	return old, false, s.Put(k, v)
}

func count[K, V any](r *rows[K, V]) (n int64, err error) {
	for r.next() {
		n++
	}
	return n, r.close()
}

// each makes rows a range function. What ends it early is left in err.
func each[K, V, A, B any](err *error, open func() *rows[K, V], give func(r *rows[K, V]) (A, B)) iter.Seq2[A, B] {
	return func(yield func(A, B) bool) {
		*err = nil
		r := open()
		defer func() {
			if e := r.close(); e != nil {
				*err = e
			}
		}()
		for r.next() {
			if a, b := give(r); !yield(a, b) {
				return
			}
		}
	}
}

// stampedKV is a table's store as a processor sees it: with times.
type stampedKV[K, V any] struct {
	s   *tableStore[K, V]
	err error
}

func (s *stampedKV[K, V]) Get(k K) (v Stamped[V], ok bool, err error) {
	v.Value, v.Time, ok, err = s.s.get(k)
	return v, ok, err
}

func (s *stampedKV[K, V]) Put(k K, v Stamped[V]) error {
	return s.s.put(k, v.Value, v.Time, true, s.s.task.rc.headers)
}

func (s *stampedKV[K, V]) PutIfAbsent(k K, v Stamped[V]) (old Stamped[V], had bool, err error) {
	return putIfAbsent(s, k, v)
}

func (s *stampedKV[K, V]) Delete(k K) error {
	var none V
	rc := &s.s.task.rc
	return s.s.put(k, none, rc.time, false, rc.headers)
}

func (s *stampedKV[K, V]) Range(from, to K) iter.Seq2[K, Stamped[V]] {
	return each(&s.err, func() *rows[K, V] { return s.s.scan(&from, &to, false) }, keyStamped)
}

func (s *stampedKV[K, V]) ReverseRange(from, to K) iter.Seq2[K, Stamped[V]] {
	return each(&s.err, func() *rows[K, V] { return s.s.scan(&from, &to, true) }, keyStamped)
}

func (s *stampedKV[K, V]) All() iter.Seq2[K, Stamped[V]] {
	return each(&s.err, func() *rows[K, V] { return s.s.scan(nil, nil, false) }, keyStamped)
}

func (s *stampedKV[K, V]) ReverseAll() iter.Seq2[K, Stamped[V]] {
	return each(&s.err, func() *rows[K, V] { return s.s.scan(nil, nil, true) }, keyStamped)
}

func (s *stampedKV[K, V]) Between(from, to *K, descending bool) iter.Seq2[K, Stamped[V]] {
	return each(&s.err, func() *rows[K, V] { return s.s.scan(from, to, descending) }, keyStamped)
}

func (s *stampedKV[K, V]) Count() (int64, error) { return count(s.s.scan(nil, nil, false)) }

func (s *stampedKV[K, V]) Prefix(b []byte) iter.Seq2[K, Stamped[V]] {
	return each(&s.err, func() *rows[K, V] { return s.s.prefix(b, false) }, keyStamped)
}

func (s *stampedKV[K, V]) Err() error { return s.err }

// Headers are those kept with a value (option KeepHeaders).
func (s *stampedKV[K, V]) Headers(k K) (Headers, bool, error) { return s.s.headers(k) }

func keyStamped[K, V any](r *rows[K, V]) (K, Stamped[V]) { return r.key, Stamped[V]{r.value, r.at} }

// tableKV is a table's store as others read it: without times.
type tableKV[K, V any] struct {
	s   *tableStore[K, V]
	err error
}

func (s *tableKV[K, V]) Get(k K) (v V, ok bool, err error) {
	v, _, ok, err = s.s.get(k)
	return v, ok, err
}

func (s *tableKV[K, V]) Range(from, to K) iter.Seq2[K, V] {
	return each(&s.err, func() *rows[K, V] { return s.s.scan(&from, &to, false) }, keyValue)
}

func (s *tableKV[K, V]) ReverseRange(from, to K) iter.Seq2[K, V] {
	return each(&s.err, func() *rows[K, V] { return s.s.scan(&from, &to, true) }, keyValue)
}

func (s *tableKV[K, V]) All() iter.Seq2[K, V] {
	return each(&s.err, func() *rows[K, V] { return s.s.scan(nil, nil, false) }, keyValue)
}

func (s *tableKV[K, V]) ReverseAll() iter.Seq2[K, V] {
	return each(&s.err, func() *rows[K, V] { return s.s.scan(nil, nil, true) }, keyValue)
}

func (s *tableKV[K, V]) Between(from, to *K, descending bool) iter.Seq2[K, V] {
	return each(&s.err, func() *rows[K, V] { return s.s.scan(from, to, descending) }, keyValue)
}

func (s *tableKV[K, V]) Count() (int64, error) { return count(s.s.scan(nil, nil, false)) }

func (s *tableKV[K, V]) Prefix(b []byte) iter.Seq2[K, V] {
	return each(&s.err, func() *rows[K, V] { return s.s.prefix(b, false) }, keyValue)
}

func (s *tableKV[K, V]) Err() error { return s.err }
