package streams

import "iter"

// What Query gives: the stores of all tasks here under one interface.

// kvQuery reads key-value stores.
type kvQuery[K, V any, S ReadKV[K, V]] struct {
	r   *remote[S]
	err error
}

func queryKV[K, V any](r *remote[KV[K, V]]) KV[K, V] { return &kvQuery[K, V, KV[K, V]]{r: r} }
func queryRows[K, V any](r *remote[ReadKV[K, V]]) ReadKV[K, V] {
	return &kvQuery[K, V, ReadKV[K, V]]{r: r}
}
func (q *kvQuery[K, V, S]) Put(K, V) error { return errReadOnly }
func (q *kvQuery[K, V, S]) PutIfAbsent(K, V) (V, bool, error) {
	var none V
	return none, false, errReadOnly
}
func (q *kvQuery[K, V, S]) Delete(K) error { return errReadOnly }
func (q *kvQuery[K, V, S]) Err() error     { return q.err }
func (q *kvQuery[K, V, S]) Get(k K) (v V, ok bool, err error) {
	err = find(q.r, k, func(s S) (bool, error) { v, ok, err = s.Get(k); return ok, err })
	return v, ok && err == nil, err
}

func (q *kvQuery[K, V, S]) Range(from, to K) iter.Seq2[K, V] { return q.Between(&from, &to, false) }
func (q *kvQuery[K, V, S]) All() iter.Seq2[K, V]             { return q.Between(nil, nil, false) }
func (q *kvQuery[K, V, S]) ReverseAll() iter.Seq2[K, V]      { return q.Between(nil, nil, true) }
func (q *kvQuery[K, V, S]) ReverseRange(from, to K) iter.Seq2[K, V] {
	return q.Between(&from, &to, true)
}

func (q *kvQuery[K, V, S]) Between(from, to *K, descending bool) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var lo, hi []byte
		if from != nil {
			lo, q.err = keyBytesOf(q.r, *from)
		}
		if to != nil && q.err == nil {
			hi, q.err = keyBytesOf(q.r, *to)
			hi = append(hi, 0) // the first key behind it
		}
		if q.err == nil {
			q.err = q.scan(lo, hi, descending, yield)
		}
	}
}

func (q *kvQuery[K, V, S]) Prefix(b []byte) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { q.err = q.scan(b, prefixEnd(nil, b), false, yield) }
}

func (q *kvQuery[K, V, S]) Count() (n int64, err error) {
	err = q.scan(nil, nil, false, func(K, V) bool { n++; return true })
	return n, err
}

// chunkRows is how many entries a loop copies at a time.
const chunkRows = 1000

// scan gives the entries of all tasks in [lo, hi), nil being open, one task's after the other's.
func (q *kvQuery[K, V, S]) scan(lo, hi []byte, descending bool, yield func(K, V) bool) error {
	q.r.begin()
	ids, global, err := q.r.tasks()
	if err != nil {
		return err
	}
	if global {
		_, err := scanChunks(lo, hi, descending, q.r.onGlobal, yield)
		return err
	}
	for _, id := range ids {
		more, err := scanChunks(lo, hi, descending, func(f func(S) error) error { return q.r.on(id, f) }, yield)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// A chunker is a key-value store as queries go through it: entries in [lo, hi), until add has enough. place is the
// serialized key, valid during the call.
type chunker[K, V any] interface {
	chunk(lo, hi []byte, descending bool, add func(place []byte, k K, v V) (more bool)) error
}

func scanChunks[K, V, S any](lo, hi []byte, descending bool, visit func(func(S) error) error, yield func(K, V) bool) (more bool, err error) {
	var rows []pair[K, V]
	for {
		var last []byte
		err := visit(func(s S) error {
			rows, last = rows[:0], last[:0]
			c, ok := any(s).(chunker[K, V])
			if !ok {
				return errNoRanges
			}
			return c.chunk(lo, hi, descending, func(place []byte, k K, v V) bool {
				rows, last = append(rows, pair[K, V]{k, v}), append(last[:0], place...)
				return len(rows) < chunkRows
			})
		})
		if err != nil {
			return false, err
		}
		for _, p := range rows {
			if !yield(p.a, p.b) {
				return false, nil
			}
		}
		switch {
		case len(rows) < chunkRows:
			return true, nil
		case descending:
			hi = last
		default:
			lo = append(last, 0)
		}
	}
}

func chunkOf[K, V, W any](r *rows[K, V], give func(*rows[K, V]) (K, W), add func([]byte, K, W) bool) error {
	for r.next() {
		if k, v := give(r); !add(r.place, k, v) {
			break
		}
	}
	return r.close()
}

func (s *kvStore[K, V]) chunk(lo, hi []byte, descending bool, add func([]byte, K, V) bool) error {
	return chunkOf(s.scanBytes(lo, hi, descending), keyValue, add)
}

func (s *stampedKV[K, V]) chunk(lo, hi []byte, descending bool, add func([]byte, K, Stamped[V]) bool) error {
	return chunkOf(s.s.scanBytes(lo, hi, descending), keyStamped, add)
}

func (s *tableKV[K, V]) chunk(lo, hi []byte, descending bool, add func([]byte, K, V) bool) error {
	return chunkOf(s.s.scanBytes(lo, hi, descending), keyValue, add)
}

// versionedQuery reads versioned stores.
type versionedQuery[K, V any] struct {
	r   *remote[VersionedKV[K, V]]
	err error
}

func queryVersions[K, V any](r *remote[VersionedKV[K, V]]) VersionedKV[K, V] {
	return &versionedQuery[K, V]{r: r}
}
func (q *versionedQuery[K, V]) Put(K, V, Time) error { return errReadOnly }
func (q *versionedQuery[K, V]) Delete(K, Time) error { return errReadOnly }
func (q *versionedQuery[K, V]) Err() error           { return q.err }

func (q *versionedQuery[K, V]) Get(k K) (v Stamped[V], ok bool, err error) {
	err = find(q.r, k, func(s VersionedKV[K, V]) (bool, error) { v, ok, err = s.Get(k); return ok, err })
	return v, ok && err == nil, err
}

func (q *versionedQuery[K, V]) GetAsOf(k K, at Time) (v Stamped[V], ok bool, err error) {
	err = find(q.r, k, func(s VersionedKV[K, V]) (bool, error) { v, ok, err = s.GetAsOf(k, at); return ok, err })
	return v, ok && err == nil, err
}

func (q *versionedQuery[K, V]) Versions(k K, from, to Time) iter.Seq[Version[V]] {
	return only(one(q.r, &q.err, k, func(s VersionedKV[K, V]) iter.Seq2[Version[V], struct{}] { return single(s.Versions(k, from, to)) }))
}

func (q *versionedQuery[K, V]) OldestFirst(k K, from, to Time) iter.Seq[Version[V]] {
	return only(one(q.r, &q.err, k, func(s VersionedKV[K, V]) iter.Seq2[Version[V], struct{}] { return single(s.OldestFirst(k, from, to)) }))
}

// windowQuery reads window stores.
type windowQuery[K, V any] struct {
	r   *remote[WindowKV[K, V]]
	err error
}

func queryWindows[K, V any](r *remote[WindowKV[K, V]]) WindowKV[K, V] {
	return &windowQuery[K, V]{r: r}
}
func (q *windowQuery[K, V]) Put(K, V, Time) error { return errReadOnly }
func (q *windowQuery[K, V]) Delete(K, Time) error { return errReadOnly }
func (q *windowQuery[K, V]) Err() error           { return q.err }

func (q *windowQuery[K, V]) Fetch(k K, start Time) (v V, ok bool, err error) {
	err = find(q.r, k, func(s WindowKV[K, V]) (bool, error) { v, ok, err = s.Fetch(k, start); return ok, err })
	return v, ok && err == nil, err
}

func (q *windowQuery[K, V]) Range(k K, from, to Time) iter.Seq2[Time, V] {
	return one(q.r, &q.err, k, func(s WindowKV[K, V]) iter.Seq2[Time, V] { return s.Range(k, from, to) })
}

func (q *windowQuery[K, V]) ReverseRange(k K, from, to Time) iter.Seq2[Time, V] {
	return one(q.r, &q.err, k, func(s WindowKV[K, V]) iter.Seq2[Time, V] { return s.ReverseRange(k, from, to) })
}

func (q *windowQuery[K, V]) All(from, to Time) iter.Seq2[Windowed[K], V] {
	return all(q.r, &q.err, func(s WindowKV[K, V]) iter.Seq2[Windowed[K], V] { return s.All(from, to) })
}

func (q *windowQuery[K, V]) ReverseAll(from, to Time) iter.Seq2[Windowed[K], V] {
	return all(q.r, &q.err, func(s WindowKV[K, V]) iter.Seq2[Windowed[K], V] { return s.ReverseAll(from, to) })
}

func (q *windowQuery[K, V]) Between(fromKey, toKey *K, from, to Time, descending bool) iter.Seq2[Windowed[K], V] {
	return all(q.r, &q.err, func(s WindowKV[K, V]) iter.Seq2[Windowed[K], V] {
		return s.Between(fromKey, toKey, from, to, descending)
	})
}

// sessionQuery reads session stores.
type sessionQuery[K, V any] struct {
	r   *remote[SessionKV[K, V]]
	err error
}

func querySessions[K, V any](r *remote[SessionKV[K, V]]) SessionKV[K, V] {
	return &sessionQuery[K, V]{r: r}
}
func (q *sessionQuery[K, V]) Put(Windowed[K], V) error { return errReadOnly }
func (q *sessionQuery[K, V]) Remove(Windowed[K]) error { return errReadOnly }
func (q *sessionQuery[K, V]) Err() error               { return q.err }

func (q *sessionQuery[K, V]) Get(w Windowed[K]) (v V, ok bool, err error) {
	err = find(q.r, w.Key, func(s SessionKV[K, V]) (bool, error) { v, ok, err = s.Get(w); return ok, err })
	return v, ok && err == nil, err
}

func (q *sessionQuery[K, V]) Find(k K, earliestEnd, latestStart Time) iter.Seq2[Windowed[K], V] {
	return one(q.r, &q.err, k, func(s SessionKV[K, V]) iter.Seq2[Windowed[K], V] { return s.Find(k, earliestEnd, latestStart) })
}

func (q *sessionQuery[K, V]) ReverseFind(k K, earliestEnd, latestStart Time) iter.Seq2[Windowed[K], V] {
	return one(q.r, &q.err, k, func(s SessionKV[K, V]) iter.Seq2[Windowed[K], V] {
		return s.ReverseFind(k, earliestEnd, latestStart)
	})
}

func (q *sessionQuery[K, V]) Fetch(k K) iter.Seq2[Windowed[K], V] { return q.Find(k, 0, Forever) }

func (q *sessionQuery[K, V]) ReverseFetch(k K) iter.Seq2[Windowed[K], V] {
	return q.ReverseFind(k, 0, Forever)
}

func (q *sessionQuery[K, V]) All() iter.Seq2[Windowed[K], V] {
	return all(q.r, &q.err, SessionKV[K, V].All)
}

func (q *sessionQuery[K, V]) Between(fromKey, toKey *K, earliestEnd, latestStart Time, descending bool) iter.Seq2[Windowed[K], V] {
	return all(q.r, &q.err, func(s SessionKV[K, V]) iter.Seq2[Windowed[K], V] {
		return s.Between(fromKey, toKey, earliestEnd, latestStart, descending)
	})
}

// View is the definition of the table's store, for Query and for tests. The table must have a name: one given where it was
// made, or by Materialize; else New fails.
func (t *Table[K, V]) View() StoreDef[ReadKV[K, V]] {
	return tableView[K, V](t.viewed())
}

// View is the definition of the windowed table's store, for Query and for tests. Of sessions the start counts.
func (t *WTable[K, V]) View() StoreDef[WindowKV[K, V]] { return windowView[K, V](t.viewed()) }

// StampedView is View with the times of the values.
func (t *Table[K, V]) StampedView() StoreDef[ReadKV[K, Stamped[V]]] {
	return stampedView[K, V](t.viewed())
}

// VersionsView is the definition of the store of a table that is Versioned, for reading the history of keys.
func (t *Table[K, V]) VersionsView() StoreDef[VersionedKV[K, V]] {
	return versionsView[K, V](t.viewed())
}

// StampedView is View with the times of the values. Those of sessions and of Slices keep none of their own.
func (t *WTable[K, V]) StampedView() StoreDef[WindowKV[K, Stamped[V]]] {
	return stampedWindowView[K, V](t.viewed())
}

func (t *table[K, V]) viewed() string {
	if t.store == "" {
		t.b.mistake("View", "the table is kept in no store of its own", "give the option Materialize(\"name\") to the step that makes it")
	}
	return t.store
}
