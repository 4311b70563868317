package streams

import (
	"leat.dev/streams/internal/engine"
)

// tableStore keeps the latest value of each key and its time: the store of a table (Kafka's timestamped key-value store).
type tableStore[K, V any] struct {
	*cells[K, V]
	ks Serde[K]
}

func openTable[K, V any](b *storeBase, p storeSpec, ks Serde[K], vs Serde[V]) (*tableStore[K, V], error) {
	return newTable(b, p, ks, vs, valueFormat{stamped: true}), nil
}

func newTable[K, V any](b *storeBase, p storeSpec, ks Serde[K], vs Serde[V], f valueFormat) *tableStore[K, V] {
	c := newCells(b, p, cellState[K](&keyState[K]{b, ks}), vs, f)
	c.reads = true
	return &tableStore[K, V]{c, ks}
}

// get gives a key's value and its time. The value is the caller's: changing what it refers to changes no store.
func (s *tableStore[K, V]) get(k K) (v V, at Time, ok bool, err error) {
	key, err := serialize(s.storeBase, s.ks, k)
	if err != nil {
		return v, 0, false, err
	}
	return s.cells.get(key)
}

// put sets a key's value, or removes it where ok is false; at is then the time of the record that removes it. The headers
// are those of the record in hand.
func (s *tableStore[K, V]) put(k K, v V, at Time, ok bool, h Headers) error {
	key, err := serialize(s.storeBase, s.ks, k)
	if err != nil {
		return err
	}
	return s.cells.put(key, k, v, at, ok, h)
}

// headers gives what is kept with a key's value, in stores that keep headers.
func (s *tableStore[K, V]) headers(k K) (h Headers, ok bool, err error) {
	key, err := serialize(s.storeBase, s.ks, k)
	if err != nil {
		return nil, false, err
	}
	return s.headersOf(key)
}

// onFlush asks for what the cache has to say when it is written through. It returns false when the store has no cache:
// the operator then forwards each update itself. With sendOld changes carry the value before.
func (s *tableStore[K, V]) onFlush(f sink[K, change[V]], sendOld bool) bool {
	return s.listen(f, sendOld)
}

func (c *cells[K, V]) listen(f sink[K, change[V]], sendOld bool) bool {
	if c.cached {
		c.forward, c.sendOld = f, sendOld
	}
	return c.cached
}

// scan gives the entries from one key to another, both included, in order of their bytes; a nil bound is open.
func (s *tableStore[K, V]) scan(from, to *K, reverse bool) *rows[K, V] {
	var lo, hi []byte
	var err error
	if from != nil {
		if lo, err = serialize(s.storeBase, s.ks, *from); err != nil {
			return s.failed(err)
		}
	}
	if to != nil {
		if hi, err = serialize2(s.storeBase, s.ks, *to); err != nil {
			return s.failed(err)
		}
		hi = append(hi, 0) // the first key behind it
		s.key2 = hi
	}
	return s.scanBytes(lo, hi, reverse)
}

// prefix gives the entries whose serialized keys begin with b.
func (s *tableStore[K, V]) prefix(b []byte, reverse bool) *rows[K, V] {
	return s.scanBytes(b, prefixEnd(s.key2[:0], b), reverse)
}

func (s *tableStore[K, V]) scanBytes(from, to []byte, reverse bool) *rows[K, V] {
	r := s.cells.scan(reverse)
	r.overlay(from, to, nil)
	r.kv = s.bytes.Scan(from, to, reverse)
	r.src = r.kv
	return r
}

// restore applies records of the changelog.
func (s *tableStore[K, V]) restore(in []engine.In) error {
	defer s.clear()
	for i := range in {
		r := &in[i]
		switch {
		case r.Key == nil: // of a source topic: such a record is no row
		case r.Value == nil:
			if err := s.bytes.Delete(r.Key); err != nil {
				return err
			}
		default:
			s.value2 = append(s.format.head(s.value2[:0], Time(r.Time), headersOf(r.Headers)), r.Value...)
			if err := s.bytes.Put(r.Key, s.value2); err != nil {
				return err
			}
		}
	}
	return nil
}

// keyState is the state of a store whose keys have no times.
type keyState[K any] struct {
	b  *storeBase
	ks Serde[K]
}

func (s *keyState[K]) read(key []byte) ([]byte, bool, error) { return s.b.bytes.Get(key) }

func (s *keyState[K]) write(key, value []byte) (bool, error) {
	if value == nil {
		return true, s.b.bytes.Delete(key)
	}
	return true, s.b.bytes.Put(key, value)
}

func (s *keyState[K]) log(key, value []byte, at Time, h Headers) error {
	return s.b.log(key, value, at, h)
}

func (s *keyState[K]) visible([]byte) bool { return true }

func (s *keyState[K]) decode(key []byte) (K, error) { return s.ks.Decode(key, s.b.topic, nil) }
