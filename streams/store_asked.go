package streams

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// What HTTP asks of stores whose types it does not know.

// rowQuery asks a store for entries.
type rowQuery struct {
	key     []byte // the serialized key, of one entry or of the windows, sessions, versions of a key; nil: of all keys
	one     bool   // one entry: of windows that which starts at start, of sessions the one from start to end
	start   Time
	end     Time
	keys    byteRange // of all keys: these
	prefix  []byte
	from    Time // windows: that start in [from, to]; sessions: that end at from or later and start at to or earlier
	to      Time
	asOf    Time // versions: as of then; -1: the latest
	history bool // versions: all of [from, to], the latest first
	reverse bool
	after   []byte // the place of the last entry there was
}

// httpRow is an entry of a store over HTTP.
type httpRow struct {
	Key   any   `json:"key"`
	Start *Time `json:"start,omitempty"` // of windows and sessions
	End   *Time `json:"end,omitempty"`
	From  *Time `json:"from,omitempty"` // of versions: when they were valid; without to they are still
	To    *Time `json:"to,omitempty"`
	Value any   `json:"value"`
	Time  *Time `json:"time,omitempty"` // of stores that keep times
}

// askedStore is a store that answers such queries.
type askedStore interface {
	shape() string
	// parseKey gives the serialized key that a text stands for.
	parseKey(text string, e keyEncoding) ([]byte, error)
	// ask gives entries in the store's order, until add has enough. Their places, valid during the call, are in the order
	// of order.
	ask(q *rowQuery, add func(place []byte, row httpRow) (more bool)) error
	order(a, b []byte) int
}

// The shapes of stores, as /stores names them.
const (
	shapeKV        = "key-value"
	shapeWindow    = "window"
	shapeSession   = "session"
	shapeVersioned = "versioned"
)

// keyEncoding is how a key is written in a URL.
type keyEncoding string

const (
	encodeAuto   keyEncoding = ""       // text where the keys are strings, else JSON
	encodeText   keyEncoding = "text"   // as it is: strings, bytes, and what reads itself from text
	encodeJSON   keyEncoding = "json"   // the key as JSON
	encodeBase64 keyEncoding = "base64" // the serialized bytes
)

// errKey is wrapped by errors of keys that are not the store's.
var errKey = errors.New("the key does not fit the store")

// keyOfText gives the bytes of a key that stands in a URL.
func keyOfText[K any](b *storeBase, ks Serde[K], text string, e keyEncoding) (key []byte, err error) {
	defer func() {
		if r := recover(); r != nil { // a serde's, about a key that nobody else would give it
			err = fmt.Errorf("%w: its serde panics: %v", errKey, r)
		}
	}()
	var k K
	switch e {
	case encodeBase64:
		raw, err := base64Of(text)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errKey, err)
		}
		if _, err := ks.Decode(raw, b.topic, nil); err != nil {
			return nil, fmt.Errorf("%w: %w", errKey, err)
		}
		return raw, nil
	case encodeText:
		err = textOf(&k, text)
	case encodeJSON:
		err = json.Unmarshal([]byte(text), &k)
	case encodeAuto:
		if p, isText := any(&k).(*string); isText {
			*p = text
		} else {
			err = json.Unmarshal([]byte(text), &k)
		}
	default:
		err = fmt.Errorf("there is no encoding %q", e)
	}
	if err == nil {
		key, err = serialized(b, ks, k)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errKey, typeName[K](), err)
	}
	return key, nil
}

func textOf(k any, text string) error {
	switch k := k.(type) {
	case *string:
		*k = text
	case *[]byte:
		*k = []byte(text)
	case encoding.TextUnmarshaler:
		return k.UnmarshalText([]byte(text))
	default:
		return errors.New("such keys have no text; write them as JSON")
	}
	return nil
}

// base64Of reads either alphabet, padded or not.
func base64Of(text string) ([]byte, error) {
	b := []byte(text)
	for i, c := range b {
		switch c {
		case '-':
			b[i] = '+'
		case '_':
			b[i] = '/'
		}
	}
	b = bytes.TrimRight(b, "=")
	out := make([]byte, 0, len(b)) // an empty key is not null
	return base64.RawStdEncoding.AppendDecode(out, b)
}

func row[V any](key any, v V, at Time, timed bool) httpRow {
	r := httpRow{Key: key, Value: v}
	if timed {
		r.Time = &at
	}
	return r
}

// Key-value stores.

func (s *tableStore[K, V]) shape() string { return shapeKV }
func (s *tableStore[K, V]) parseKey(text string, e keyEncoding) ([]byte, error) {
	return keyOfText(s.storeBase, s.ks, text, e)
}
func (s *tableStore[K, V]) order(a, b []byte) int { return bytes.Compare(a, b) }

func (s *tableStore[K, V]) ask(q *rowQuery, add func([]byte, httpRow) bool) error {
	if q.key != nil {
		v, at, ok, err := s.cells.get(q.key)
		if err != nil || !ok {
			return err
		}
		k, err := s.state.decode(q.key)
		if err == nil {
			add(q.key, row(k, v, at, s.format.stamped))
		}
		return err
	}
	lo, hi := q.keys.from, []byte(nil)
	if q.keys.to != nil {
		hi = append(slices.Clone(q.keys.to), 0)
	}
	if q.prefix != nil {
		lo, hi = q.prefix, prefixEnd(nil, q.prefix)
	}
	switch {
	case q.after == nil:
	case q.reverse:
		hi = q.after
	default:
		lo = append(slices.Clone(q.after), 0)
	}
	r := s.scanBytes(lo, hi, q.reverse)
	for r.next() && add(r.place, row(r.key, r.value, r.at, s.format.stamped)) {
	}
	return r.close()
}

// Windows.

func (s *windowStore[K, V]) shape() string { return shapeWindow }
func (s *windowStore[K, V]) parseKey(text string, e keyEncoding) ([]byte, error) {
	return keyOfText(s.storeBase, s.ks, text, e)
}

func windowRow[K, V any](w Windowed[K], v V, at Time, timed bool) httpRow {
	r := row(w.Key, v, at, timed)
	r.Start, r.End = &w.Start, &w.End
	return r
}

func (s *windowStore[K, V]) ask(q *rowQuery, add func([]byte, httpRow) bool) error {
	if s.slicing != nil {
		return (&slicedKV[K, V]{s: s}).ask(q, add)
	}
	var r *rows[Windowed[K], V]
	var k K
	var err error
	if q.key != nil {
		if k, err = s.ks.Decode(q.key, s.topic, nil); err != nil {
			return err
		}
	}
	from, to := s.beyond(q)
	switch {
	case q.one:
		v, at, ok, err := s.fetch(k, q.start)
		if ok && err == nil {
			add(appendTime(slices.Clone(q.key), q.start), windowRow(Windowed[K]{k, q.start, windowEnd(q.start, s.size)}, v, at, s.format.stamped))
		}
		return err
	case q.key != nil:
		r = s.scan(k, from, to, q.reverse)
	default:
		r = s.scanTimes(from, to, q.reverse)
		r.only(func(b []byte) bool {
			key := b[:len(b)-8]
			return q.keys.has(key) && bytes.HasPrefix(key, q.prefix) && q.follows(b, s.compare)
		})
	}
	for r.next() {
		if q.follows(r.place, s.compare) && !add(r.place, windowRow(r.key, r.value, r.at, s.format.stamped)) {
			break
		}
	}
	return r.close()
}

// follows tells whether a place is behind the last one there was.
func (q *rowQuery) follows(place []byte, compare func(a, b []byte) int) bool {
	if q.after == nil {
		return true
	}
	by := compare(place, q.after)
	return by > 0 && !q.reverse || by < 0 && q.reverse
}

// beyond are the times that are left behind the last place.
func (s *windowStore[K, V]) beyond(q *rowQuery) (from, to Time) {
	from, to = q.from, q.to
	if len(q.after) < 8 {
		return from, to
	}
	first := timeAtEnd(q.after)
	last := first
	if !s.timeFirst && s.slicing == nil && q.key == nil { // in order of segments
		first -= first % Time(s.interval)
		last = min(first, math.MaxInt64-Time(s.interval)) + Time(s.interval) - 1
	}
	if q.reverse {
		return from, min(to, last)
	}
	return max(from, first), to
}

func (s *slicedKV[K, V]) ask(q *rowQuery, add func([]byte, httpRow) bool) error {
	s.err = nil
	var found []shownWindow[K, V]
	from, to := s.s.beyond(q)
	if q.key == nil {
		found = s.all(from, to)
	} else {
		k, err := s.s.ks.Decode(q.key, s.s.topic, nil)
		if err != nil {
			return err
		}
		if q.one {
			from, to = q.start, q.start
		}
		found = s.of(k, from, to)
	}
	if q.reverse {
		slices.Reverse(found)
	}
	for _, w := range found {
		place := appendTime(slices.Clone(w.key), w.w.Start)
		if q.keys.has(w.key) && bytes.HasPrefix(w.key, q.prefix) && q.follows(place, s.s.order) && !add(place, windowRow(w.w, w.value.v, w.value.at, true)) {
			break
		}
	}
	return s.err
}

// order is that in which windows are listed.
func (s *windowStore[K, V]) order(a, b []byte) int {
	if s.slicing == nil {
		return s.compare(a, b)
	}
	if at, bt := timeAtEnd(a), timeAtEnd(b); at != bt {
		return cmpTime(at, bt)
	}
	return bytes.Compare(a, b)
}

// Sessions.

func (s *sessionStore[K, V]) shape() string { return shapeSession }
func (s *sessionStore[K, V]) parseKey(text string, e keyEncoding) ([]byte, error) {
	return keyOfText(s.storeBase, s.ks, text, e)
}

func (s *sessionStore[K, V]) order(a, b []byte) int { return s.compare(a, b) }

func (s *sessionStore[K, V]) ask(q *rowQuery, add func([]byte, httpRow) bool) error {
	var r *rows[Windowed[K], V]
	if q.key != nil {
		k, err := s.ks.Decode(q.key, s.topic, nil)
		if err != nil {
			return err
		}
		if q.one {
			w := Windowed[K]{k, q.start, q.end}
			v, ok, err := s.get(w)
			if ok && err == nil {
				add(appendTime(appendTime(slices.Clone(q.key), q.end), q.start), windowRow(w, v, 0, false))
			}
			return err
		}
		r = s.findKey(k, q.from, q.to, q.reverse)
	} else {
		r = s.all(q.reverse)
		r.only(func(b []byte) bool {
			key := b[:len(b)-16]
			return sessionEnd(b) >= q.from && timeAtEnd(b) <= q.to && q.keys.has(key) && bytes.HasPrefix(key, q.prefix) && q.follows(b, s.compare)
		})
	}
	for r.next() {
		if q.follows(r.place, s.compare) && !add(r.place, windowRow(r.key, r.value, 0, false)) {
			break
		}
	}
	return r.close()
}

// Versions.

func (s *versionedStore[K, V]) shape() string { return shapeVersioned }
func (s *versionedStore[K, V]) parseKey(text string, e keyEncoding) ([]byte, error) {
	return keyOfText(s.storeBase, s.ks, text, e)
}

// order is that of the times from which versions are.
func (s *versionedStore[K, V]) order(a, b []byte) int {
	return cmpTime(timeAtEnd(a), timeAtEnd(b))
}

func (s *versionedStore[K, V]) ask(q *rowQuery, add func([]byte, httpRow) bool) error {
	if q.key == nil {
		return errNoRanges
	}
	k, err := s.ks.Decode(q.key, s.topic, nil)
	if err != nil {
		return err
	}
	if !q.history {
		v, at, ok, err := s.get(k)
		if q.asOf >= 0 {
			v, at, ok, err = s.getAsOf(k, q.asOf)
		}
		if ok && err == nil {
			add(appendTime(nil, at), row(k, v, at, true))
		}
		return err
	}
	var place []byte
	return s.versions(k, q.from, q.to, q.reverse, func(v Version[V]) bool {
		place = appendTime(place[:0], v.From)
		if !q.follows(place, s.order) {
			return true
		}
		r := httpRow{Key: k, Value: v.Value, From: &v.From}
		if v.To != Forever {
			r.To = &v.To
		}
		return add(place, r)
	})
}
