package streams

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"leat.dev/streams/internal/codec"
	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
)

// windowStore keeps a value and its time for each key and window start, as long as the retention asks.
type windowStore[K, V any] struct {
	*cells[Windowed[K], V]
	ks        Serde[K]
	w         *state.Window
	size      int64 // of the windows, ms
	timeFirst bool
	interval  int64       // of segments, ms
	slicing   *slicing[V] // what is kept are slices of windows
	under     *windowState[K]
}

func openWindow[K, V any](b *storeBase, p storeSpec, ks Serde[K], vs Serde[V], sizeMs, retentionMs int64) (*windowStore[K, V], error) {
	return newWindow(b, p, ks, vs, sizeMs, retentionMs, valueFormat{stamped: true}), nil
}

func newWindow[K, V any](b *storeBase, p storeSpec, ks Serde[K], vs Serde[V], sizeMs, retentionMs int64, f valueFormat) *windowStore[K, V] {
	o := state.WindowOptions{Kind: p.kind(), Retention: retentionMs}
	w := state.NewWindow(b.bytes, o)
	under := &windowState[K]{b: b, ks: ks, w: w, size: sizeMs, retention: retentionMs}
	under.newest = newestWindows{since: w.ObservedTime(), last: w.ObservedTime()}
	c := newCells(b, p, cellState[Windowed[K]](under), vs, f)
	c.extra = 8 + 4 // segment and sequence number
	return &windowStore[K, V]{c, ks, w, sizeMs, o.Kind != state.Persistent, state.SegmentInterval(retentionMs), nil, under}
}

// fetch gives the value of one window.
func (s *windowStore[K, V]) fetch(k K, start Time) (v V, at Time, ok bool, err error) {
	key, err := s.windowKey(k, start)
	if err != nil {
		return v, 0, false, err
	}
	return s.get(key)
}

// put sets the value of a window, or removes it where ok is false; at is then the time of the record that removes it.
func (s *windowStore[K, V]) put(k K, start Time, v V, at Time, ok bool, h Headers) error {
	key, err := s.windowKey(k, start)
	if err != nil {
		return err
	}
	return s.cells.put(key, Windowed[K]{k, start, windowEnd(start, s.size)}, v, at, ok, h)
}

func (s *windowStore[K, V]) windowKey(k K, start Time) ([]byte, error) {
	key, err := s.prefix(s.key[:0], k)
	if err != nil {
		return nil, err
	}
	s.key = key
	return startsAt(key, start), nil
}

// prefix appends the key of some window of k, for startsAt to say which.
func (s *windowStore[K, V]) prefix(dst []byte, k K) ([]byte, error) {
	dst, err := s.ks.Append(dst, s.topic, nil, k)
	return appendTime(dst, 0), err
}

// startsAt makes the key of a window that of another window of the same key, in place.
func startsAt(key []byte, start Time) []byte {
	binary.BigEndian.PutUint64(key[len(key)-8:], uint64(start)) //nolint:gosec // the bits
	return key
}

// part is what get gives, and whether there is a put of it that was not flushed. Like a scan it passes over what has expired,
// and leaves that in the cache.
func (s *windowStore[K, V]) part(key []byte) (v V, at Time, ok, dirty bool, err error) {
	e := s.find(key)
	dirty = e != nil && e.dirty != nil
	if !dirty && !s.under.visible(key) {
		return v, 0, false, false, nil
	}
	v, at, ok, err = s.get(key)
	return v, at, ok, dirty, err
}

// onFlush is as in tableStore.
func (s *windowStore[K, V]) onFlush(f sink[Windowed[K], change[V]], sendOld bool) bool {
	return s.listen(f, sendOld)
}

// scan gives a key's windows that start in [from, to], in order of their starts.
func (s *windowStore[K, V]) scan(k K, from, to Time, reverse bool) *rows[Windowed[K], V] {
	key, err := serialize(s.storeBase, s.ks, k)
	if err != nil {
		return s.failed(err)
	}
	from = max(from, 0)
	r := s.cells.scan(reverse)
	r.key, r.known = Windowed[K]{Key: k, End: Time(s.size)}, true
	if s.first != nil {
		n := len(key)
		lo := appendTime(append(s.key2[:0], key...), from)
		hi := appendTime(slices.Clone(key), min(to, math.MaxInt64-1)+1)
		r.overlay(lo, hi, func(b []byte) bool { return len(b) == n+8 && bytes.Equal(b[:n], key) })
		s.key2 = lo
	}
	r.win.WindowIterator = s.w.Fetch(key, int64(from), int64(to), reverse)
	r.src = &r.win
	return r
}

// scanAll gives the windows of all keys that start in [from, to]: in stores of emit-on-close and in memory in order of start
// and then key, in others in that of Kafka's persistent stores, by segment, key and start.
func (s *windowStore[K, V]) scanAll(from, to Time) *rows[Windowed[K], V] {
	return s.scanTimes(from, to, false)
}

func (s *windowStore[K, V]) scanTimes(from, to Time, reverse bool) *rows[Windowed[K], V] {
	from = max(from, 0)
	r := s.cells.scan(reverse)
	r.order = s.compare
	r.overlay(nil, nil, func(b []byte) bool {
		start := timeAtEnd(b)
		return start >= from && start <= to
	})
	r.sort()
	r.win.WindowIterator = s.w.FetchAll(int64(from), int64(to), reverse)
	r.src = &r.win
	return r
}

// scanKeys is scanTimes of some keys; a nil bound is open.
func (s *windowStore[K, V]) scanKeys(fromKey, toKey *K, from, to Time, reverse bool) *rows[Windowed[K], V] {
	within, err := keyRange(s.storeBase, s.ks, fromKey, toKey)
	if err != nil {
		return s.failed(err)
	}
	r := s.scanTimes(from, to, reverse)
	r.only(func(b []byte) bool { return within.has(b[:len(b)-8]) })
	return r
}

// only leaves out what want says no to.
func (r *rows[K, V]) only(want func(key []byte) bool) {
	r.want = want
	r.dirty = slices.DeleteFunc(r.dirty, func(d dirtyRow[V]) bool { return !want(bytesOf(d.key)) })
}

// byteRange is a range of serialized keys, both bounds included; nil is open.
type byteRange struct{ from, to []byte }

func (b byteRange) has(key []byte) bool {
	return (b.from == nil || bytes.Compare(key, b.from) >= 0) && (b.to == nil || bytes.Compare(key, b.to) <= 0)
}

func keyRange[K any](b *storeBase, ks Serde[K], from, to *K) (r byteRange, err error) {
	if from != nil {
		if r.from, err = ks.Append(make([]byte, 0, 32), b.topic, nil, *from); err != nil {
			return r, err
		}
	}
	if to != nil {
		r.to, err = ks.Append(make([]byte, 0, 32), b.topic, nil, *to)
	}
	return r, err
}

// sort puts what the cache has into the order of the scan.
func (r *rows[K, V]) sort() {
	slices.SortStableFunc(r.dirty, func(a, b dirtyRow[V]) int {
		by := r.order(bytesOf(a.key), bytesOf(b.key))
		if r.reverse {
			return -by
		}
		return by
	})
}

// compare orders keys of windows as scans of many keys do.
func (s *windowStore[K, V]) compare(a, b []byte) int {
	at, bt := timeAtEnd(a), timeAtEnd(b)
	if s.timeFirst {
		if at != bt {
			return cmpTime(at, bt)
		}
		return bytes.Compare(a[:len(a)-8], b[:len(b)-8])
	}
	if as, bs := int64(at)/s.interval, int64(bt)/s.interval; as != bs {
		return cmpTime(Time(as), Time(bs))
	}
	return bytes.Compare(a, b)
}

func cmpTime(a, b Time) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// restore applies records of the changelog.
func (s *windowStore[K, V]) restore(in []engine.In) error {
	defer s.clear()
	defer func() { s.under.newest.begin(s.w.ObservedTime()) }()
	for i := range in {
		r := &in[i]
		key, start, seq, err := codec.Window(r.Key)
		if err != nil {
			return err
		}
		if err := s.w.Restore(key, s.restored(r), start, uint32(seq)); err != nil { //nolint:gosec // the bits
			return err
		}
	}
	return nil
}

// restored is a changelog record's value as the state keeps it.
func (c *cells[K, V]) restored(r *engine.In) []byte {
	if r.Value == nil {
		return nil
	}
	c.value2 = append(c.format.head(c.value2[:0], Time(r.Time), headersOf(r.Headers)), r.Value...)
	return c.value2
}

// windowEnd is where a window ends: the end of time if that is beyond it.
func windowEnd(start Time, sizeMs int64) Time { return Time(codec.WindowEnd(int64(start), sizeMs)) }

// windowState is the state of a window store; keys are the key's bytes and the start.
type windowState[K any] struct {
	b               *storeBase
	ks              Serde[K]
	w               *state.Window
	size, retention int64
	logged          []byte
	newest          newestWindows
}

func (s *windowState[K]) read(b []byte) ([]byte, bool, error) {
	key, start := cutTime(b)
	if s.newest.lacks(key, int64(start)) {
		return nil, false, nil
	}
	return s.w.Get(key, int64(start))
}

func (s *windowState[K]) write(b, value []byte) (bool, error) {
	key, start := cutTime(b)
	_, accepted, err := s.w.Put(key, value, int64(start))
	s.put(key, int64(start))
	if err == nil && !accepted {
		s.b.refused()
	}
	return accepted, err
}

// put notes that a window was put. The newest ones are known then.
func (s *windowState[K]) put(key []byte, start int64) {
	s.newest.put(key, start, s.w.ObservedTime()-s.retention)
}

func (s *windowState[K]) log(b, value []byte, at Time, h Headers) error {
	key, start := cutTime(b)
	s.logged = codec.AppendWindow(s.logged[:0], key, int64(start), 0)
	return s.b.log(s.logged, value, at, h)
}

func (s *windowState[K]) visible(b []byte) bool {
	return int64(timeAtEnd(b)) > s.w.ObservedTime()-s.retention
}

func (s *windowState[K]) decode(b []byte) (w Windowed[K], err error) {
	key, _ := cutTime(b)
	s.times(b, &w)
	w.Key, err = s.ks.Decode(key, s.b.topic, nil)
	return w, err
}

func (s *windowState[K]) times(b []byte, w *Windowed[K]) {
	w.Start = timeAtEnd(b)
	w.End = windowEnd(w.Start, s.size)
}

// cutTime takes the time off the end of a key.
func cutTime(b []byte) (rest []byte, t Time) {
	n := len(b) - 8
	return b[:n:n], timeAtEnd(b)
}
