package streams

import (
	"errors"

	"leat.dev/streams/internal/codec"
	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
)

// joinStore keeps one side of a stream-stream join: all records of a key and a time, in order of arrival. It has no cache.
type joinStore[K, V any] struct {
	c  *cells[K, V] // for its codec and its rows; nothing is kept in it
	ks Serde[K]
	w  *state.Window
	*storeBase
	recent    *recentRows[V]
	retention Time
}

func openJoin[K, V any](b *storeBase, p storeSpec, ks Serde[K], vs Serde[V], retentionMs int64) (*joinStore[K, V], error) {
	p.cached = false
	w := state.NewWindow(b.bytes, state.WindowOptions{Kind: p.kind(), Retention: retentionMs, RetainDuplicates: true})
	s := &joinStore[K, V]{ks: ks, w: w, storeBase: b, recent: newRecentRows[V](w.ObservedTime()), retention: Time(retentionMs)}
	s.c = newCells(b, p, cellState[K](&keyState[K]{b, ks}), vs, valueFormat{})
	return s, nil
}

// put adds a record. One without a value (ok=false) is kept nowhere, but has its place in the changelog, as in Kafka.
func (s *joinStore[K, V]) put(k K, v V, at Time, ok bool, h Headers) error {
	key, err := serialize(s.storeBase, s.ks, k)
	if err != nil {
		return err
	}
	var full []byte
	if ok {
		if full, _, err = s.c.encode(&v, nil, at, nil); err != nil {
			return err
		}
	}
	seq, accepted, err := s.w.Put(key, full, int64(at))
	if err != nil {
		return err
	}
	if !accepted {
		s.refused()
	} else if ok {
		s.recent.add(key, v, full, at, s.oldest())
	}
	if !s.logged {
		return nil
	}
	s.key2 = codec.AppendWindow(s.key2[:0], key, int64(at), int32(seq)) //nolint:gosec // below 2^31
	return s.log(s.key2, full, at, h)
}

// fetch gives a key's records of [from, to] in order of time and arrival; from is at least 0. The rows have no keys.
func (s *joinStore[K, V]) fetch(k K, from, to Time) *rows[K, V] {
	key, err := serialize(s.storeBase, s.ks, k)
	if err != nil {
		return s.c.failed(err)
	}
	r := s.c.scan(false)
	r.key, r.known, r.keyTime = k, true, true
	if s.recent.find(&r.recent, key, max(from, s.oldest()), to) {
		r.src = &r.recent
		return r
	}
	r.win.WindowIterator = s.w.Fetch(key, int64(max(from, 0)), int64(to), false)
	r.src = &r.win
	return r
}

// oldest is the first time that is shown.
func (s *joinStore[K, V]) oldest() Time { return max(0, Time(s.w.ObservedTime())-s.retention+1) }

// restore applies records of the changelog.
func (s *joinStore[K, V]) restore(in []engine.In) error {
	defer func() { s.recent = newRecentRows[V](s.w.ObservedTime()) }()
	for i := range in {
		key, start, seq, err := codec.Window(in[i].Key)
		if err != nil {
			return err
		}
		if err := s.w.Restore(key, in[i].Value, start, uint32(seq)); err != nil { //nolint:gosec // the bits
			return err
		}
	}
	return nil
}

// outerStore holds records of left and outer joins that have found no match yet, of both sides, in order of time, side
// (right first) and key. Records of the same key, time and side are a list under one key. It has no cache.
type outerStore[K, L, R any] struct {
	ks          Serde[K]
	ls          Serde[L]
	rs          Serde[R]
	value, list []byte
	*storeBase
}

func openOuter[K, L, R any](b *storeBase, p storeSpec, ks Serde[K], ls Serde[L], rs Serde[R]) (*outerStore[K, L, R], error) {
	return &outerStore[K, L, R]{ks: ks, ls: ls, rs: rs, storeBase: b}, nil
}

// putLeft and putRight add a record. The time is that of the record in hand, too.
func (s *outerStore[K, L, R]) putLeft(k K, at Time, v L) error {
	b, err := s.ls.Append(codec.AppendOuterValue(s.value[:0], codec.Left, nil), s.topic, nil, v)
	if err != nil {
		return err
	}
	return s.add(k, at, codec.Left, b)
}

func (s *outerStore[K, L, R]) putRight(k K, at Time, v R) error {
	b, err := s.rs.Append(codec.AppendOuterValue(s.value[:0], codec.Right, nil), s.topic, nil, v)
	if err != nil {
		return err
	}
	return s.add(k, at, codec.Right, b)
}

func (s *outerStore[K, L, R]) outerKey(k K, at Time, side codec.Side) ([]byte, error) {
	b, err := s.ks.Append(codec.AppendOuterKey(s.key[:0], int64(at), side, nil), s.topic, nil, k)
	if err == nil {
		s.key = b
	}
	return b, err
}

func (s *outerStore[K, L, R]) add(k K, at Time, side codec.Side, item []byte) error {
	s.value = item
	key, err := s.outerKey(k, at, side)
	if err != nil {
		return err
	}
	list, ok, err := s.bytes.Get(key)
	if err != nil {
		return err
	}
	if !ok {
		list = nil
	}
	if s.list, err = codec.AppendListItem(s.list[:0], list, item); err != nil {
		return err
	}
	if err := s.bytes.Put(key, s.list); err != nil || !s.logged {
		return err
	}
	return s.log(key, s.list, s.task.rc.time, nil)
}

// remove takes out all records of a key, time and side, if there are any.
func (s *outerStore[K, L, R]) remove(k K, at Time, side codec.Side) error {
	key, err := s.outerKey(k, at, side)
	if err != nil {
		return err
	}
	_, ok, err := s.bytes.Get(key)
	if err != nil || !ok {
		return err
	}
	return s.removeKey(key)
}

func (s *outerStore[K, L, R]) removeKey(key []byte) error {
	if err := s.bytes.Delete(key); err != nil || !s.logged {
		return err
	}
	return s.log(key, nil, s.task.rc.time, nil)
}

// restore applies records of the changelog.
func (s *outerStore[K, L, R]) restore(in []engine.In) error { return restorePlain(s.bytes, in) }

func restorePlain(b *state.Store, in []engine.In) error {
	for i := range in {
		var err error
		if in[i].Value == nil {
			err = b.Delete(in[i].Key)
		} else {
			err = b.Put(in[i].Key, in[i].Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// scan goes through all records; those of one key, time and side come one after the other, in order of arrival.
func (s *outerStore[K, L, R]) scan() *outerRows[K, L, R] {
	return &outerRows[K, L, R]{s: s, it: s.bytes.Scan(nil, nil, false)}
}

// outerRows are the results of a scan; see rows.
type outerRows[K, L, R any] struct {
	key   K
	at    Time
	side  codec.Side
	left  L    // the value if side is codec.Left
	right R    // the value if side is codec.Right
	last  bool // no further record of this key, time and side follows

	s    *outerStore[K, L, R]
	it   *state.Iterator
	list codec.ListReader
	err  error
}

var errEmptyList = errors.New("an empty list in the store of an outer join")

// next moves to the next record and says whether there is one.
func (r *outerRows[K, L, R]) next() bool {
	if r.err == nil && !r.list.More() && !r.open() {
		return false
	}
	if r.err == nil {
		r.err = r.read(r.list.Element())
	}
	r.last = !r.list.More()
	if r.last && r.err == nil {
		r.err = r.list.Err()
	}
	return r.err == nil
}

// open begins the next list.
func (r *outerRows[K, L, R]) open() bool {
	if !r.it.Next() {
		return false
	}
	var key []byte
	var at int64
	if at, r.side, key, r.err = codec.OuterKey(r.it.Key()); r.err != nil {
		return false
	}
	r.at = Time(at)
	if r.key, r.err = r.s.ks.Decode(key, r.s.topic, nil); r.err != nil {
		return false
	}
	if r.list, r.err = codec.ReadList(r.it.Value(), 0); r.err == nil && !r.list.More() {
		r.err = errEmptyList
	}
	return r.err == nil
}

func (r *outerRows[K, L, R]) read(item []byte) error {
	side, value, err := codec.OuterValue(item)
	if err != nil {
		return err
	}
	if side == codec.Left {
		r.left, err = r.s.ls.Decode(value, r.s.topic, nil)
	} else {
		r.right, err = r.s.rs.Decode(value, r.s.topic, nil)
	}
	return err
}

// remove takes out all records of the current one's key, time and side. The scan goes on.
func (r *outerRows[K, L, R]) remove() error {
	return r.s.removeKey(append(r.s.key[:0], r.it.Key()...))
}

func (r *outerRows[K, L, R]) close() error {
	if err := r.it.Close(); r.err == nil {
		r.err = err
	}
	return r.err
}
