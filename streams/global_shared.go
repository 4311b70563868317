package streams

import (
	"errors"
	"iter"
	"sync"
)

// sharedStore is a store of the task that fills global stores: reading it from another task takes that one's lock.
type sharedStore struct {
	mu    *sync.Mutex
	store taskStore
}

// orShared lets what opens a store open global ones too, for reading.
func orShared[K, V any](open func(store any) (KV[K, V], bool)) func(store any) (KV[K, V], bool) {
	return func(store any) (KV[K, V], bool) {
		shared, ok := store.(sharedStore)
		if !ok {
			return open(store)
		}
		rows, ok := open(shared.store)
		return &sharedKV[K, V]{mu: shared.mu, rows: rows}, ok
	}
}

// sharedKV is a global store as processors see it: each call holds the lock. A scan reads its rows first and gives them
// out without it, so that it can be left at any time, and the store be read meanwhile.
type sharedKV[K, V any] struct {
	mu   *sync.Mutex
	rows KV[K, V]
	err  error
}

var errGlobalStore = errors.New("a global store is written by its topic only")

func (s *sharedKV[K, V]) Get(k K) (v V, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows.Get(k)
}

func (s *sharedKV[K, V]) Range(from, to K) iter.Seq2[K, V] { return s.scan(s.rows.Range(from, to)) }
func (s *sharedKV[K, V]) All() iter.Seq2[K, V]             { return s.scan(s.rows.All()) }
func (s *sharedKV[K, V]) Prefix(b []byte) iter.Seq2[K, V]  { return s.scan(s.rows.Prefix(b)) }
func (s *sharedKV[K, V]) ReverseAll() iter.Seq2[K, V]      { return s.scan(s.rows.ReverseAll()) }
func (s *sharedKV[K, V]) ReverseRange(from, to K) iter.Seq2[K, V] {
	return s.scan(s.rows.ReverseRange(from, to))
}

func (s *sharedKV[K, V]) Between(from, to *K, descending bool) iter.Seq2[K, V] {
	return s.scan(s.rows.Between(from, to, descending))
}

func (s *sharedKV[K, V]) Count() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows.Count()
}

func (s *sharedKV[K, V]) scan(rows iter.Seq2[K, V]) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		type row struct {
			k K
			v V
		}
		var all []row
		s.mu.Lock()
		for k, v := range rows {
			all = append(all, row{k, v})
		}
		s.err = s.rows.Err()
		s.mu.Unlock()
		for _, r := range all {
			if !yield(r.k, r.v) {
				return
			}
		}
	}
}

func (s *sharedKV[K, V]) Err() error { return s.err }

func (s *sharedKV[K, V]) Put(K, V) error { return errGlobalStore }

func (s *sharedKV[K, V]) PutIfAbsent(K, V) (old V, had bool, err error) {
	return old, false, errGlobalStore
}

func (s *sharedKV[K, V]) Delete(K) error { return errGlobalStore }
