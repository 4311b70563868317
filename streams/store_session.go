package streams

import (
	"bytes"
	"math"

	"leat.dev/streams/internal/codec"
	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
)

// sessionStore keeps a value for each key and session.
type sessionStore[K, V any] struct {
	*cells[Windowed[K], V]
	ks        Serde[K]
	n         *state.Session
	timeFirst bool
	interval  int64 // of segments, ms
}

func openSession[K, V any](b *storeBase, p storeSpec, ks Serde[K], vs Serde[V], retentionMs int64) (*sessionStore[K, V], error) {
	o := state.SessionOptions{Kind: p.kind(), Retention: retentionMs}
	n := state.NewSession(b.bytes, o)
	c := newCells(b, p, cellState[Windowed[K]](&sessionState[K]{b: b, ks: ks, n: n, retention: retentionMs}), vs, valueFormat{})
	c.extra = 8 // segment
	c.endTime = func(w Windowed[K]) Time { return w.End }
	return &sessionStore[K, V]{c, ks, n, o.Kind != state.Persistent, state.SegmentInterval(retentionMs)}, nil
}

// get gives the value of exactly this session.
func (s *sessionStore[K, V]) get(w Windowed[K]) (v V, ok bool, err error) {
	key, err := s.sessionKey(w)
	if err != nil {
		return v, false, err
	}
	v, _, ok, err = s.cells.get(key)
	return v, ok, err
}

// find gives a key's sessions that end at earliestEnd or later and start at latestStart or earlier, in order of their ends.
func (s *sessionStore[K, V]) find(k K, earliestEnd, latestStart Time) *rows[Windowed[K], V] {
	return s.findKey(k, earliestEnd, latestStart, false)
}

func (s *sessionStore[K, V]) findKey(k K, earliestEnd, latestStart Time, reverse bool) *rows[Windowed[K], V] {
	key, err := serialize(s.storeBase, s.ks, k)
	if err != nil {
		return s.failed(err)
	}
	earliestEnd = max(earliestEnd, 0)
	r := s.cells.scan(reverse)
	r.key, r.known = Windowed[K]{Key: k}, true
	if s.first != nil {
		n := len(key)
		lo := appendTime(append(s.key2[:0], key...), earliestEnd)
		s.key2 = lo
		hi := prefixEnd(nil, key)
		r.overlay(lo, hi, func(b []byte) bool {
			return len(b) == n+16 && bytes.Equal(b[:n], key) && timeAtEnd(b) <= latestStart
		})
	}
	r.ses.SessionIterator = s.n.Find(key, int64(earliestEnd), int64(latestStart), reverse)
	r.src = &r.ses
	return r
}

// put sets the value of a session, or removes it where ok is false. The time is that of the record in hand.
func (s *sessionStore[K, V]) put(w Windowed[K], v V, at Time, ok bool, h Headers) error {
	key, err := s.sessionKey(w)
	if err != nil {
		return err
	}
	return s.cells.put(key, w, v, at, ok, h)
}

func (s *sessionStore[K, V]) sessionKey(w Windowed[K]) ([]byte, error) {
	key, err := serialize(s.storeBase, s.ks, w.Key)
	if err != nil {
		return nil, err
	}
	s.key = appendTime(appendTime(key, w.End), w.Start)
	return s.key, nil
}

// closing gives the sessions of all keys that end in [fromEnd, toEnd]: in stores of emit-on-close and in memory in order of
// end, start and then key. Stores with a record cache are none of these: what is cached is not seen.
func (s *sessionStore[K, V]) closing(fromEnd, toEnd Time) *rows[Windowed[K], V] {
	r := s.scan(false)
	r.order = s.compare
	r.overlay(nil, nil, func(b []byte) bool {
		end := sessionEnd(b)
		return end >= fromEnd && end <= toEnd
	})
	r.sort()
	r.ses.SessionIterator = s.n.FindByEnd(int64(max(fromEnd, 0)), int64(toEnd), false)
	r.src = &r.ses
	return r
}

// all gives all sessions, in the store's order.
func (s *sessionStore[K, V]) all(reverse bool) *rows[Windowed[K], V] {
	r := s.scan(reverse)
	r.order = s.compare
	r.overlay(nil, nil, nil)
	r.sort()
	r.ses.SessionIterator = s.n.FindByEnd(0, math.MaxInt64, reverse)
	r.src = &r.ses
	return r
}

// scanKeys is all of some keys, a nil bound being open, and of those sessions that end at earliestEnd or later and start at
// latestStart or earlier.
func (s *sessionStore[K, V]) scanKeys(fromKey, toKey *K, earliestEnd, latestStart Time, reverse bool) *rows[Windowed[K], V] {
	within, err := keyRange(s.storeBase, s.ks, fromKey, toKey)
	if err != nil {
		return s.failed(err)
	}
	r := s.all(reverse)
	r.only(func(b []byte) bool {
		return sessionEnd(b) >= earliestEnd && timeAtEnd(b) <= latestStart && within.has(b[:len(b)-16])
	})
	return r
}

// compare orders keys of sessions as scans of many keys do.
func (s *sessionStore[K, V]) compare(a, b []byte) int {
	ae, be := sessionEnd(a), sessionEnd(b)
	if s.timeFirst {
		if ae != be {
			return cmpTime(ae, be)
		}
		if as, bs := timeAtEnd(a), timeAtEnd(b); as != bs {
			return cmpTime(as, bs)
		}
		return bytes.Compare(a[:len(a)-16], b[:len(b)-16])
	}
	if as, bs := int64(ae)/s.interval, int64(be)/s.interval; as != bs {
		return cmpTime(Time(as), Time(bs))
	}
	return bytes.Compare(a, b)
}

func sessionEnd(b []byte) Time { return timeAtEnd(b[:len(b)-8]) }

// onFlush is as in tableStore. The time of a change is the end of its session.
func (s *sessionStore[K, V]) onFlush(f sink[Windowed[K], change[V]], sendOld bool) bool {
	return s.listen(f, sendOld)
}

// restore applies records of the changelog.
func (s *sessionStore[K, V]) restore(in []engine.In) error {
	defer s.clear()
	for i := range in {
		r := &in[i]
		key, start, end, err := codec.Session(r.Key)
		if err != nil {
			return err
		}
		if err := s.n.Restore(key, s.restored(r), start, end); err != nil {
			return err
		}
	}
	return nil
}

// sessionState is the state of a session store; keys are as on the changelog: the key's bytes, the end, the start.
type sessionState[K any] struct {
	b         *storeBase
	ks        Serde[K]
	n         *state.Session
	retention int64
}

func (s *sessionState[K]) cut(b []byte) (key []byte, start, end int64) {
	n := len(b) - 16
	return b[:n:n], int64(timeAtEnd(b)), int64(sessionEnd(b))
}

func (s *sessionState[K]) read(b []byte) ([]byte, bool, error) { return s.n.Get(s.cut(b)) }

func (s *sessionState[K]) write(b, value []byte) (bool, error) {
	key, start, end := s.cut(b)
	accepted, err := s.n.Put(key, value, start, end)
	if err == nil && !accepted {
		s.b.refused()
	}
	return accepted, err
}

func (s *sessionState[K]) log(b, value []byte, at Time, h Headers) error {
	return s.b.log(b, value, at, h)
}

func (s *sessionState[K]) visible(b []byte) bool {
	return int64(sessionEnd(b)) > s.n.ObservedTime()-s.retention
}

func (s *sessionState[K]) decode(b []byte) (w Windowed[K], err error) {
	key, _, _ := s.cut(b)
	s.times(b, &w)
	w.Key, err = s.ks.Decode(key, s.b.topic, nil)
	return w, err
}

func (s *sessionState[K]) times(b []byte, w *Windowed[K]) {
	w.Start, w.End = timeAtEnd(b), sessionEnd(b)
}
