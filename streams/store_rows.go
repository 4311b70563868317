package streams

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/tidwall/btree"

	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
)

// rows are the results of a scan: entries as of the moment of the scan, whatever is written meanwhile. They must be closed
// before the task commits, and not be used afterwards.
//
//	for r.next() {
//		use(r.key, r.value, r.at)
//	}
//	return r.close()
type rows[K, V any] struct {
	key   K
	value V
	at    Time   // of the value, in stores that keep it
	place []byte // the key as in cells, until the next row

	c       *cells[K, V]
	src     rowSource // what the state has
	waiting bool      // src stands on a row that was not taken yet
	ended   bool
	dirty   []dirtyRow[V] // what the cache has, in the order of the scan
	i       int
	order   func(a, b []byte) int
	reverse bool
	want    func(key []byte) bool // of the keys under which the state has rows; nil: all
	known   bool                  // key is set, but for its times
	keyTime bool                  // at is the time at the end of the key
	err     error
	began   time.Time // of the scan, if it is timed

	kv  *state.Iterator
	win windowSource

	recent recentSource[V]
	ses    sessionSource
}

// rowSource gives the state's rows; keys are as in cells.
type rowSource interface {
	Next() bool
	Key() []byte
	Value() []byte
	Close() error
}

type dirtyRow[V any] struct {
	key string
	cell[V]
}

// A timesState knows the times in keys.
type timesState[K any] interface{ times(key []byte, k *K) }

// scan begins rows; the caller sets what it needs and calls begin.
func (c *cells[K, V]) scan(reverse bool) *rows[K, V] {
	var r *rows[K, V]
	if n := len(c.idle); n > 0 {
		r, c.idle = c.idle[n-1], c.idle[:n-1]
	} else {
		r = &rows[K, V]{c: c, order: bytes.Compare}
	}
	r.reverse = reverse
	if c.meter.Sampled(engine.Scan) {
		r.began = c.meter.Begin(engine.Scan)
		c.meter.Sampled(engine.Scan)
	}
	c.meter.Iterators++
	return r
}

// failed makes rows that give an error.
func (c *cells[K, V]) failed(err error) *rows[K, V] {
	r := c.scan(false)
	r.err, r.ended = err, true
	return r
}

// overlay adds what the cache has under keys in [from, to), nil being open, where want says so. It is to come before the
// state is scanned: a key that is flushed in between would be lost otherwise.
func (r *rows[K, V]) overlay(from, to []byte, want func(key []byte) bool) {
	c := r.c
	if c.first == nil {
		return
	}
	if c.ordered == nil {
		c.ordered = &btree.Map[string, *entry[K, V]]{}
		for d := c.first; d != nil; d = d.next {
			c.ordered.Set(d.e.key, d.e)
		}
	}
	c.ordered.Ascend(viewOf(from), func(key string, e *entry[K, V]) bool {
		if to != nil && key >= viewOf(to) {
			return false
		}
		if want == nil || want(bytesOf(key)) {
			row := dirtyRow[V]{key, e.cell}
			row.raw = slices.Clone(row.raw)
			r.dirty = append(r.dirty, row)
		}
		return true
	})
	if r.reverse {
		slices.Reverse(r.dirty)
	}
}

// next moves to the next row and says whether there is one.
func (r *rows[K, V]) next() bool {
	for r.err == nil {
		if !r.waiting && !r.ended {
			r.waiting = r.src.Next()
			r.ended = !r.waiting
			if r.want != nil && r.waiting && !r.want(r.src.Key()) {
				r.waiting = false
				continue
			}
		}
		if r.i == len(r.dirty) {
			return r.waiting && r.stored()
		}
		d := &r.dirty[r.i]
		if r.waiting {
			by := r.order(r.src.Key(), bytesOf(d.key))
			if r.reverse {
				by = -by
			}
			if by < 0 {
				return r.stored()
			}
			if by == 0 {
				r.waiting = false // the cache is newer
			}
		}
		r.i++
		r.used(bytesOf(d.key))
		if d.ok {
			return r.cached(d)
		}
	}
	return false
}

// stored takes the row the state stands on.
func (r *rows[K, V]) stored() bool {
	r.waiting = false
	if r.recent.shared {
		row := &r.recent.rows[r.recent.i]
		r.value, r.at = row.v, row.at
		return true
	}
	r.used(r.src.Key())
	h, at, plain, err := r.c.format.cut(r.src.Value())
	if err == nil {
		r.at = at
		r.value, err = r.c.vs.Decode(plain, r.c.topic, h)
	}
	return r.done(r.src.Key(), err)
}

// used tells the record cache that a row was read, as Kafka's iterators do.
func (r *rows[K, V]) used(key []byte) {
	if !r.c.cached || r.c.task.reading {
		return
	}
	if e := r.c.entries[viewOf(key)]; e != nil && e.tier == tierRecords {
		if l := &r.c.lru[tierRecords]; l.newest != e {
			l.remove(e)
			l.push(e)
		}
	}
}

func (r *rows[K, V]) cached(d *dirtyRow[V]) bool {
	var err error
	r.at = d.at
	r.value, err = r.c.value(&d.cell)
	return r.done(bytesOf(d.key), err)
}

func (r *rows[K, V]) done(key []byte, err error) bool {
	r.place = key
	if r.keyTime {
		r.at = timeAtEnd(key)
	}
	switch {
	case err != nil:
	case !r.known:
		r.key, err = r.c.state.decode(key)
	default:
		if t, ok := r.c.state.(timesState[K]); ok {
			t.times(key, &r.key)
		}
	}
	r.err = err
	return err == nil
}

// close ends the scan and gives its error.
func (r *rows[K, V]) close() error {
	r.c.meter.Iterators--
	if !r.began.IsZero() {
		r.c.meter.End(engine.Scan, r.began)
	}
	err := r.err
	if r.src != nil {
		if e := r.src.Close(); err == nil {
			err = e
		}
	}
	clear(r.dirty)
	*r = rows[K, V]{c: r.c, order: bytes.Compare, dirty: r.dirty[:0], win: windowSource{key: r.win.key[:0]}, ses: sessionSource{key: r.ses.key[:0]}, recent: recentSource[V]{key: r.recent.key[:0]}}
	r.c.idle = append(r.c.idle, r)
	return err
}

// windowSource gives windows under their key and start.
type windowSource struct {
	*state.WindowIterator
	key []byte
}

func (s *windowSource) Key() []byte {
	s.key = appendTime(append(s.key[:0], s.WindowIterator.Key()...), Time(s.Start()))
	return s.key
}

// sessionSource gives sessions under their key, end and start.
type sessionSource struct {
	*state.SessionIterator
	key []byte
}

func (s *sessionSource) Key() []byte {
	s.key = appendTime(appendTime(append(s.key[:0], s.SessionIterator.Key()...), Time(s.End())), Time(s.Start()))
	return s.key
}

func appendTime(b []byte, t Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(t)) //nolint:gosec // the bits
}

// timeAtEnd is the time in the last eight bytes.
func timeAtEnd(b []byte) Time {
	return Time(binary.BigEndian.Uint64(b[len(b)-8:])) //nolint:gosec // the bits
}

// prefixEnd is the first key behind all that begin with b, nil if there is none.
func prefixEnd(dst, b []byte) []byte {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0xff {
			dst = append(dst, b[:i+1]...)
			dst[len(dst)-1]++
			return dst
		}
	}
	return nil
}
