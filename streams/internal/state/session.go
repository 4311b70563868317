package state

import (
	"bytes"
	"encoding/binary"
	"math"
)

// SessionOptions says what a Session keeps and shows.
type SessionOptions struct {
	Kind            Kind
	Retention       int64 // ms; of a session's end, behind the observed stream time
	SegmentInterval int64 // ms; 0: SegmentInterval(Retention)
}

// Session is a store of values by key, session start and end, both inclusive,
// times >= 0 in ms. It shows ends > observed-Retention only.
type Session struct {
	s    *Store
	o    SessionOptions
	free *SessionIterator // a closed one, for the next query
}

// NewSession puts a Session over the store, or over the same store of a
// snapshot for reading.
func NewSession(s *Store, o SessionOptions) *Session {
	if o.SegmentInterval <= 0 {
		o.SegmentInterval = SegmentInterval(o.Retention)
	}
	return &Session{s: s, o: o}
}

// ObservedTime is the highest end that was put or restored, also if it was refused; -1: none.
func (n *Session) ObservedTime() int64 { return n.s.time() }

// Put sets the value of the session, or removes it if value is nil. accepted
// is false if it had expired: the put is dropped then, and the owner counts it.
func (n *Session) Put(key, value []byte, start, end int64) (accepted bool, err error) {
	n.s.observe(end)
	if err := expire(n.s, n.o.Retention, n.o.SegmentInterval); err != nil {
		return false, err
	}
	seg := end / n.o.SegmentInterval
	if seg < n.s.regs[floor] || n.o.Kind == InMemory && end < oldest(n.s, n.o.Retention) {
		return false, nil
	}
	if n.o.Kind != Persistent {
		if err := n.index(key, value, start, end, seg); err != nil {
			return false, err
		}
	}
	k := n.entry(n.s.begin(), seg, key, start, end)
	if value == nil {
		return true, n.s.delete(k)
	}
	return true, n.s.put(k, value)
}

// Restore applies a record of the changelog.
func (n *Session) Restore(key, value []byte, start, end int64) error {
	_, err := n.Put(key, value, start, end)
	return err
}

// Remove removes the session; one that has expired or is absent is no error.
// Unlike a put of nil, it leaves the observed time of an InMemory store alone.
func (n *Session) Remove(key []byte, start, end int64) error {
	if n.o.Kind == InMemory && end > n.s.time() {
		return nil // there is none
	}
	_, err := n.Put(key, nil, start, end)
	return err
}

// index keeps the region by time in step with the one by key.
func (n *Session) index(key, value []byte, start, end, seg int64) error {
	_, had, err := n.s.get(n.entry(n.s.begin(), seg, key, start, end))
	if err != nil || had == (value != nil) {
		return err
	}
	k := binary.BigEndian.AppendUint64(append(n.s.begin(), byTime), uint64(end))
	k = append(binary.BigEndian.AppendUint64(k, uint64(start)), key...)
	if value == nil {
		return n.s.delete(k)
	}
	return n.s.put(k, nil)
}

func (n *Session) entry(b []byte, seg int64, key []byte, start, end int64) []byte {
	b = binary.BigEndian.AppendUint64(append(b, byKey), uint64(seg))
	b = append(b, key...)
	b = binary.BigEndian.AppendUint64(b, uint64(end))
	return binary.BigEndian.AppendUint64(b, uint64(start))
}

// Get returns the value of the session, not of one that has expired.
func (n *Session) Get(key []byte, start, end int64) (value []byte, ok bool, err error) {
	if end < oldest(n.s, n.o.Retention) {
		return nil, false, nil
	}
	return n.s.get(n.entry(n.s.begin(), end/n.o.SegmentInterval, key, start, end))
}

// Find gives the key's sessions with end >= earliestEnd and start <=
// latestStart, by end and then start, or in the opposite order.
func (n *Session) Find(key []byte, earliestEnd, latestStart int64, reverse bool) *SessionIterator {
	return n.find(sessionQuery{keyFrom: key, keyTo: key, single: true, earliestEnd: earliestEnd, latestEnd: math.MaxInt64, latestStart: latestStart, reverse: reverse})
}

// FindRange gives the sessions with end >= earliestEnd and start <=
// latestStart of the keys in [keyFrom, keyTo], both inclusive, nil is open; in
// the store's order.
func (n *Session) FindRange(keyFrom, keyTo []byte, earliestEnd, latestStart int64, reverse bool) *SessionIterator {
	return n.find(sessionQuery{keyFrom: keyFrom, keyTo: keyTo, earliestEnd: earliestEnd, latestEnd: math.MaxInt64, latestStart: latestStart, reverse: reverse, byTime: n.o.Kind == InMemory})
}

// FindByEnd gives the sessions of all keys with earliestEnd <= end <=
// latestEnd, in the store's order: those that closed in the meantime. A
// TimeFirst store shows here what its segments still have, expired or not.
func (n *Session) FindByEnd(earliestEnd, latestEnd int64, reverse bool) *SessionIterator {
	return n.find(sessionQuery{earliestEnd: earliestEnd, latestEnd: latestEnd, latestStart: math.MaxInt64, reverse: reverse, byTime: n.o.Kind != Persistent})
}

type sessionQuery struct {
	keyFrom, keyTo         []byte
	earliestEnd, latestEnd int64
	latestStart            int64
	single, byTime         bool
	reverse                bool
}

func (q *sessionQuery) wants(key []byte, start, end int64) bool {
	return end >= q.earliestEnd && end <= q.latestEnd && start <= q.latestStart &&
		(q.keyFrom == nil || bytes.Compare(key, q.keyFrom) >= 0) &&
		(q.keyTo == nil || bytes.Compare(key, q.keyTo) <= 0)
}

// SessionIterator gives sessions one after the other; see [Iterator] for its use.
type SessionIterator struct {
	n     *Session
	q     sessionQuery
	scan  segmentScan
	keys  keyPair
	bound func(seg int64) (lo, hi []byte)
	open  bool
	key   []byte
	value []byte
	start int64
	end   int64
}

func (n *Session) find(q sessionQuery) *SessionIterator {
	first := oldest(n.s, n.o.Retention)
	if q.byTime && n.o.Kind == TimeFirst {
		first = n.s.regs[floor] * n.o.SegmentInterval
	}
	q.earliestEnd = max(q.earliestEnd, first)
	q.latestEnd = min(q.latestEnd, n.s.time())
	it := n.free
	if n.free = nil; it == nil {
		it = &SessionIterator{n: n}
		it.bound = it.bounds
	}
	q.keyFrom, q.keyTo = it.keys.set(q.keyFrom, q.keyTo)
	it.q, it.open = q, true
	it.scan = newSegmentScan(n.s, q.earliestEnd, q.latestEnd, n.o.SegmentInterval, q.byTime, q.reverse)
	return it
}

// Next moves to the next session, and says whether there is one.
func (it *SessionIterator) Next() bool {
	for it.scan.next(it.bound) {
		if !it.parse(it.scan.it.Key()) {
			return false
		}
		if !it.q.wants(it.key, it.start, it.end) {
			continue
		}
		if !it.q.byTime {
			it.value = it.scan.it.Value()
			return true
		}
		n := it.n
		var ok bool
		it.value, ok = it.scan.lookup(n.entry(n.s.begin(), it.end/n.o.SegmentInterval, it.key, it.start, it.end))
		if ok {
			return true
		}
	}
	return false
}

func (it *SessionIterator) bounds(seg int64) (lo, hi []byte) {
	s, q := it.n.s, &it.q
	if q.byTime {
		return timeBounds(s, q.earliestEnd, q.latestEnd)
	}
	if q.single {
		return keyBounds(s, seg, q.keyFrom, q.earliestEnd, q.latestEnd)
	}
	return segmentBounds(s, seg, q.keyFrom, q.keyTo, q.latestEnd)
}

// parse takes a key of either region apart.
func (it *SessionIterator) parse(k []byte) bool {
	n := len(k)
	switch {
	case n >= 17 && k[0] == byTime:
		it.end, it.start, it.key = int64(binary.BigEndian.Uint64(k[1:])), int64(binary.BigEndian.Uint64(k[9:])), k[17:]
	case n >= 25 && k[0] == byKey:
		it.key, it.end, it.start = k[9:n-16], int64(binary.BigEndian.Uint64(k[n-16:])), int64(binary.BigEndian.Uint64(k[n-8:]))
	default:
		it.scan.err = it.n.s.fail("scan", ErrCorrupt)
		return false
	}
	return true
}

// Key is the current session's key.
func (it *SessionIterator) Key() []byte { return it.key }

// Start is the current session's first time, ms.
func (it *SessionIterator) Start() int64 { return it.start }

// End is the current session's last time, ms.
func (it *SessionIterator) End() int64 { return it.end }

// Value is the current session's value.
func (it *SessionIterator) Value() []byte { return it.value }

// Err is what ended the iteration early, or nil.
func (it *SessionIterator) Err() error { return it.scan.err }

// Close ends the iteration and returns Err.
func (it *SessionIterator) Close() error {
	err := it.scan.close()
	if it.open {
		it.open, it.n.free = false, it
	}
	return err
}
