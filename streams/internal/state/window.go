package state

import (
	"bytes"
	"encoding/binary"
	"math"
)

// Kind is which of Kafka's stores a Window or Session behaves as. They differ
// in the order of entries of several keys and in what they count as expired;
// what they show is the same.
type Kind int

const (
	// Persistent shows entries by segment, then by the bytes of key, time and
	// sequence number; what falls into a segment that is gone has expired.
	Persistent Kind = iota
	// TimeFirst is the persistent store of emit-on-close: it shows them by
	// time and then key in FetchAll, All and FindByEnd.
	TimeFirst
	// InMemory always shows them by time and then key; a time <=
	// observed-Retention has expired.
	InMemory
)

// WindowOptions says what a Window keeps and shows.
type WindowOptions struct {
	Kind            Kind
	Retention       int64 // ms; of a window's start, behind the observed stream time
	SegmentInterval int64 // ms; 0: SegmentInterval(Retention)
	// RetainDuplicates keeps every value of a key and start, in the order they
	// came: the stores of stream-stream joins. A nil value is then ignored.
	RetainDuplicates bool
}

// Window is a store of values by key and window start, over a Store that
// belongs to it alone. The start of a window is a time >= 0 in ms.
//
// It shows starts > observed-Retention only, where observed is the highest
// start put or restored. Slices that it returns are valid until its next call.
type Window struct {
	s    *Store
	o    WindowOptions
	free *WindowIterator // a closed one, for the next query
}

// NewWindow puts a Window over the store, or over the same store of a snapshot
// for reading.
func NewWindow(s *Store, o WindowOptions) *Window {
	if o.SegmentInterval <= 0 {
		o.SegmentInterval = SegmentInterval(o.Retention)
	}
	return &Window{s: s, o: o}
}

// ObservedTime is the highest start that was put or restored, also if it was refused; -1: none.
func (w *Window) ObservedTime() int64 { return w.s.time() }

// oldest is the first start that is shown.
func (w *Window) oldest() int64 { return oldest(w.s, w.o.Retention) }

// Put sets the value of the key's window, or deletes it if value is nil. With
// RetainDuplicates it adds the value. seq is the sequence number in the key of
// the changelog, 0 without RetainDuplicates. accepted is false if the window
// had expired: the put is dropped then, and the owner counts it.
func (w *Window) Put(key, value []byte, start int64) (seq uint32, accepted bool, err error) {
	if w.o.RetainDuplicates {
		if value == nil {
			if w.o.Kind == InMemory {
				w.s.observe(start)
				return w.next(), start >= w.oldest(), nil
			}
			return w.next(), true, nil
		}
		seq = w.next()
	}
	accepted, err = w.apply(key, value, start, seq)
	return seq, accepted, err
}

// next takes a sequence number. Nulls take one too, for the key of their record in the changelog.
func (w *Window) next() uint32 {
	w.s.regs[sequence] = (w.s.regs[sequence] + 1) & math.MaxInt32
	return uint32(w.s.regs[sequence])
}

// Restore applies a record of the changelog.
func (w *Window) Restore(key, value []byte, start int64, seq uint32) error {
	if w.o.RetainDuplicates {
		w.s.regs[sequence] = max(w.s.regs[sequence], int64(seq))
	}
	_, err := w.apply(key, value, start, seq)
	return err
}

func (w *Window) apply(key, value []byte, start int64, seq uint32) (accepted bool, err error) {
	w.s.observe(start)
	if err := expire(w.s, w.o.Retention, w.o.SegmentInterval); err != nil {
		return false, err
	}
	seg := start / w.o.SegmentInterval
	if seg < w.s.regs[floor] || w.o.Kind == InMemory && start < w.oldest() {
		return false, nil
	}
	if w.o.Kind != Persistent {
		if err := w.index(key, value, start, seq, seg); err != nil {
			return false, err
		}
	}
	k := w.entry(w.s.begin(), seg, key, start, seq)
	if value == nil {
		return true, w.s.delete(k)
	}
	return true, w.s.put(k, value)
}

// index keeps the region by time in step with the one by key.
func (w *Window) index(key, value []byte, start int64, seq uint32, seg int64) error {
	_, had, err := w.s.get(w.entry(w.s.begin(), seg, key, start, seq))
	if err != nil || had == (value != nil) {
		return err
	}
	k := binary.BigEndian.AppendUint64(append(w.s.begin(), byTime), uint64(start))
	k = binary.BigEndian.AppendUint32(append(k, key...), seq)
	if value == nil {
		return w.s.delete(k)
	}
	return w.s.put(k, nil)
}

func (w *Window) entry(b []byte, seg int64, key []byte, start int64, seq uint32) []byte {
	b = binary.BigEndian.AppendUint64(append(b, byKey), uint64(seg))
	b = append(b, key...)
	b = binary.BigEndian.AppendUint64(b, uint64(start))
	return binary.BigEndian.AppendUint32(b, seq)
}

// Get returns the value of the key's window: not of one that has expired, and
// not with RetainDuplicates.
func (w *Window) Get(key []byte, start int64) (value []byte, ok bool, err error) {
	if start < w.oldest() {
		return nil, false, nil
	}
	return w.s.get(w.entry(w.s.begin(), start/w.o.SegmentInterval, key, start, 0))
}

// Fetch gives the key's windows with from <= start <= to, by start and then by
// sequence number, or in the opposite order.
func (w *Window) Fetch(key []byte, from, to int64, reverse bool) *WindowIterator {
	return w.fetch(windowQuery{keyFrom: key, keyTo: key, single: true, from: from, to: to, reverse: reverse})
}

// FetchRange gives the windows with from <= start <= to of the keys in
// [keyFrom, keyTo], both inclusive, nil is open; in the store's order.
func (w *Window) FetchRange(keyFrom, keyTo []byte, from, to int64, reverse bool) *WindowIterator {
	return w.fetch(windowQuery{keyFrom: keyFrom, keyTo: keyTo, from: from, to: to, reverse: reverse, byTime: w.o.Kind == InMemory})
}

// FetchAll gives the windows of all keys with from <= start <= to, in the store's order.
func (w *Window) FetchAll(from, to int64, reverse bool) *WindowIterator {
	return w.fetch(windowQuery{from: from, to: to, reverse: reverse, byTime: w.o.Kind != Persistent})
}

// All gives all windows that have not expired.
func (w *Window) All(reverse bool) *WindowIterator { return w.FetchAll(0, math.MaxInt64, reverse) }

type windowQuery struct {
	keyFrom, keyTo []byte
	from, to       int64
	single         bool // one key, of which there are bounds
	byTime         bool // in the order of the index
	reverse        bool
}

func (q *windowQuery) wants(key []byte, start int64) bool {
	return start >= q.from && start <= q.to &&
		(q.keyFrom == nil || bytes.Compare(key, q.keyFrom) >= 0) &&
		(q.keyTo == nil || bytes.Compare(key, q.keyTo) <= 0)
}

// WindowIterator gives windows one after the other; see [Iterator] for its use.
type WindowIterator struct {
	w     *Window
	q     windowQuery
	scan  segmentScan
	keys  keyPair
	bound func(seg int64) (lo, hi []byte)
	open  bool

	key, value []byte
	start      int64
	seq        uint32
}

func (w *Window) fetch(q windowQuery) *WindowIterator {
	first := w.oldest()
	if w.o.Kind == TimeFirst && first > 0 {
		first-- // Kafka's scans of these stores go 1 ms further back than its reads of one window
	}
	q.from = max(q.from, first)
	q.to = min(q.to, w.s.time())
	it := w.free
	if w.free = nil; it == nil {
		it = &WindowIterator{w: w}
		it.bound = it.bounds
	}
	q.keyFrom, q.keyTo = it.keys.set(q.keyFrom, q.keyTo)
	it.q, it.open = q, true
	it.scan = newSegmentScan(w.s, q.from, q.to, w.o.SegmentInterval, q.byTime, q.reverse)
	return it
}

// Next moves to the next window, and says whether there is one.
func (it *WindowIterator) Next() bool {
	for it.scan.next(it.bound) {
		if !it.parse(it.scan.it.Key()) {
			return false
		}
		if !it.q.wants(it.key, it.start) {
			continue
		}
		if !it.q.byTime {
			it.value = it.scan.it.Value()
			return true
		}
		w := it.w
		var ok bool
		it.value, ok = it.scan.lookup(w.entry(w.s.begin(), it.start/w.o.SegmentInterval, it.key, it.start, it.seq))
		if ok {
			return true
		}
	}
	return false
}

func (it *WindowIterator) bounds(seg int64) (lo, hi []byte) {
	s, q := it.w.s, &it.q
	switch {
	case q.byTime:
		return timeBounds(s, q.from, q.to)
	case q.single:
		return keyBounds(s, seg, q.keyFrom, q.from, q.to)
	}
	return segmentBounds(s, seg, q.keyFrom, q.keyTo, q.to)
}

// parse takes a key of either region apart.
func (it *WindowIterator) parse(k []byte) bool {
	n := len(k)
	switch {
	case n >= 13 && k[0] == byTime:
		it.start, it.key = int64(binary.BigEndian.Uint64(k[1:])), k[9:n-4]
	case n >= 21 && k[0] == byKey:
		it.key, it.start = k[9:n-12], int64(binary.BigEndian.Uint64(k[n-12:]))
	default:
		it.scan.err = it.w.s.fail("scan", ErrCorrupt)
		return false
	}
	it.seq = binary.BigEndian.Uint32(k[n-4:])
	return true
}

// Key is the current window's key.
func (it *WindowIterator) Key() []byte { return it.key }

// Start is the current window's start, ms.
func (it *WindowIterator) Start() int64 { return it.start }

// Seq is the sequence number of the current duplicate.
func (it *WindowIterator) Seq() uint32 { return it.seq }

// Value is the current window's value.
func (it *WindowIterator) Value() []byte { return it.value }

// Err is what ended the iteration early, or nil.
func (it *WindowIterator) Err() error { return it.scan.err }

// Close ends the iteration and returns Err.
func (it *WindowIterator) Close() error {
	err := it.scan.close()
	if it.open {
		it.open, it.w.free = false, it
	}
	return err
}
