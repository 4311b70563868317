package streams

import (
	"errors"
	"iter"

	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
)

// versionedStore keeps the versions of each key (KIP-889). It has no cache.
type versionedStore[K, V any] struct {
	*storeBase
	ks     Serde[K]
	vs     Serde[V]
	nils   nilTest[V]
	v      *state.Versioned
	value2 []byte
}

func openVersioned[K, V any](b *storeBase, p storeSpec, ks Serde[K], vs Serde[V], historyMs int64) (*versionedStore[K, V], error) {
	return &versionedStore[K, V]{
		storeBase: b, ks: ks, vs: vs, nils: newNilTest[V](), value2: make([]byte, 0, 64),
		v: state.NewVersioned(b.bytes, state.VersionedOptions{History: historyMs}),
	}, nil
}

// put sets the value as of a time, or where ok is false says that there was none from then on. It is not stored when it is
// older than the history; it is the latest when there is no later version. It is logged in any case, as in Kafka.
func (s *versionedStore[K, V]) put(k K, v V, at Time, ok bool, h Headers) (stored, latest bool, err error) {
	key, err := serialize(s.storeBase, s.ks, k)
	if err != nil {
		return false, false, err
	}
	var value []byte
	if ok && !s.nils.null(&v) {
		if value, err = s.vs.Append(s.value2[:0], s.topic, nil, v); err != nil {
			return false, false, err
		}
		s.value2 = value
	}
	to, stored, err := s.v.Put(key, value, int64(at))
	if err != nil {
		return false, false, err
	}
	if !stored {
		s.refused()
	}
	if s.logged {
		err = s.log(key, value, at, nil)
	}
	return stored, to == state.Forever, err
}

// get gives the latest version.
func (s *versionedStore[K, V]) get(k K) (v V, at Time, ok bool, err error) {
	key, err := serialize(s.storeBase, s.ks, k)
	if err != nil {
		return v, 0, false, err
	}
	return s.decode(s.v.Get(key))
}

// getAsOf gives the version that was valid at a time, and the time it is of.
func (s *versionedStore[K, V]) getAsOf(k K, asOf Time) (v V, at Time, ok bool, err error) {
	key, err := serialize(s.storeBase, s.ks, k)
	if err != nil {
		return v, 0, false, err
	}
	return s.decode(s.v.GetAsOf(key, int64(asOf)))
}

func (s *versionedStore[K, V]) decode(found state.Version, ok bool, err error) (v V, at Time, _ bool, _ error) {
	if err != nil || !ok {
		return v, 0, false, err
	}
	v, err = s.vs.Decode(found.Value, s.topic, nil)
	return v, Time(found.ValidFrom), err == nil, err
}

// restore applies records of the changelog.
func (s *versionedStore[K, V]) restore(in []engine.In) error {
	for i := range in {
		r := &in[i]
		if r.Key == nil {
			continue // of a source topic: such a record is no row
		}
		if err := s.v.Restore(r.Key, r.Value, r.Time); err != nil {
			return err
		}
	}
	return nil
}

// versions gives each version that was valid at some time of [from, to] to f, until f says that it is enough.
func (s *versionedStore[K, V]) versions(k K, from, to Time, latestFirst bool, f func(Version[V]) bool) error {
	key, err := serialize(s.storeBase, s.ks, k)
	if err != nil {
		return err
	}
	it := s.v.Range(key, int64(from), int64(to), latestFirst)
	for it.Next() {
		at := it.Version()
		v, err := s.vs.Decode(at.Value, s.topic, nil)
		if err != nil {
			return errors.Join(err, it.Close())
		}
		if !f(Version[V]{v, Time(at.ValidFrom), Time(at.ValidTo)}) {
			break
		}
	}
	return it.Close()
}

// versionedKV is a versioned store as processors see it.
type versionedKV[K, V any] struct {
	s        *versionedStore[K, V]
	readOnly bool
	err      error
}

func (s *versionedKV[K, V]) Put(k K, v V, at Time) error { return s.write(k, v, at, true) }

func (s *versionedKV[K, V]) Delete(k K, at Time) error {
	var none V
	return s.write(k, none, at, false)
}

func (s *versionedKV[K, V]) write(k K, v V, at Time, ok bool) error {
	if s.readOnly {
		return errReadOnly
	}
	if at < 0 {
		return errNegativeTime
	}
	_, _, err := s.s.put(k, v, at, ok, s.s.task.rc.headers)
	return err
}

func (s *versionedKV[K, V]) Get(k K) (v Stamped[V], ok bool, err error) {
	v.Value, v.Time, ok, err = s.s.get(k)
	return v, ok, err
}

func (s *versionedKV[K, V]) GetAsOf(k K, at Time) (v Stamped[V], ok bool, err error) {
	v.Value, v.Time, ok, err = s.s.getAsOf(k, at)
	return v, ok, err
}

func (s *versionedKV[K, V]) Versions(k K, from, to Time) iter.Seq[Version[V]] {
	return func(yield func(Version[V]) bool) { s.err = s.s.versions(k, from, to, true, yield) }
}

func (s *versionedKV[K, V]) OldestFirst(k K, from, to Time) iter.Seq[Version[V]] {
	return func(yield func(Version[V]) bool) { s.err = s.s.versions(k, from, to, false, yield) }
}

func (s *versionedKV[K, V]) Err() error { return s.err }

// latestKV is a versioned table's store as others read it. Like Kafka's, it cannot go through its keys.
type latestKV[K, V any] struct {
	s   *versionedStore[K, V]
	err error
}

var errNoRanges = errors.New("a versioned store is read key by key: it has no ranges")

func (s *latestKV[K, V]) Get(k K) (v V, ok bool, err error) {
	v, _, ok, err = s.s.get(k)
	return v, ok, err
}

func (s *latestKV[K, V]) Range(K, K) iter.Seq2[K, V]           { return s.none() }
func (s *latestKV[K, V]) ReverseRange(K, K) iter.Seq2[K, V]    { return s.none() }
func (s *latestKV[K, V]) Between(*K, *K, bool) iter.Seq2[K, V] { return s.none() }
func (s *latestKV[K, V]) Count() (int64, error)                { return 0, errNoRanges }
func (s *latestKV[K, V]) All() iter.Seq2[K, V]                 { return s.none() }
func (s *latestKV[K, V]) ReverseAll() iter.Seq2[K, V]          { return s.none() }
func (s *latestKV[K, V]) Prefix([]byte) iter.Seq2[K, V]        { return s.none() }
func (s *latestKV[K, V]) Err() error                           { return s.err }

func (s *latestKV[K, V]) none() iter.Seq2[K, V] {
	return func(func(K, V) bool) { s.err = errNoRanges }
}

// latestStampedKV is latestKV with times.
type latestStampedKV[K, V any] struct {
	latestKV[K, Stamped[V]]
	versions *versionedStore[K, V]
}

func (s *latestStampedKV[K, V]) Get(k K) (v Stamped[V], ok bool, err error) {
	v.Value, v.Time, ok, err = s.versions.get(k)
	return v, ok, err
}
