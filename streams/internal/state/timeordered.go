package state

import (
	"encoding/binary"
	"errors"
	"math"
)

// TimeOrderedOptions says how a TimeOrdered is used.
type TimeOrderedOptions struct {
	// ByKey keeps one entry for a key, found by the key: an update stays at
	// the time of the first (suppress).
	ByKey bool
	// Weigh is the size of an entry in Bytes; nil: len(key)+len(value).
	Weigh func(key, value []byte) int64
}

// TimeOrdered is a buffer of entries in the order of time, then key, over a
// Store that belongs to it alone: what waits to be emitted. Times are >= 0 in
// ms. It keeps its length and size. Slices that it returns are valid until its
// next call.
type TimeOrdered struct {
	s   *Store
	o   TimeOrderedOptions
	buf []byte

	writes  int // by Put and Delete
	popping bool
	batch   []popped
	bytes   []byte
}

// NewTimeOrdered puts a TimeOrdered over the store, or over the same store of
// a snapshot for reading.
func NewTimeOrdered(s *Store, o TimeOrderedOptions) *TimeOrdered {
	if o.Weigh == nil {
		o.Weigh = func(key, value []byte) int64 { return int64(len(key) + len(value)) }
	}
	return &TimeOrdered{s: s, o: o}
}

// ObservedTime is the highest time that Observe was called with; -1: none.
func (b *TimeOrdered) ObservedTime() int64 { return b.s.time() }

// Observe moves the observed stream time, which is written with the state.
func (b *TimeOrdered) Observe(ts int64) { b.s.observe(ts) }

// Len is the number of entries.
func (b *TimeOrdered) Len() int64 { return b.s.regs[entries] }

// Bytes is the weight of all entries.
func (b *TimeOrdered) Bytes() int64 { return b.s.regs[size] }

func (b *TimeOrdered) entry(ts int64, key []byte) []byte {
	return append(binary.BigEndian.AppendUint64(append(b.s.begin(), byKey), uint64(ts)), key...)
}

func (b *TimeOrdered) place(key []byte) []byte {
	return append(append(b.s.begin(), byTime), key...)
}

// Put sets the entry of the time and key. With ByKey, a key that is there
// already stays at its time: at is where the entry is.
func (b *TimeOrdered) Put(ts int64, key, value []byte) (at int64, err error) {
	b.writes++
	if b.o.ByKey {
		at, ok, err := b.Place(key)
		if err != nil {
			return 0, err
		}
		if ok {
			ts = at
		} else if err := b.s.put(b.place(key), binary.BigEndian.AppendUint64(b.s.begin2()[:0], uint64(ts))); err != nil {
			return 0, err
		}
	}
	old, ok, err := b.s.get(b.entry(ts, key))
	if err != nil {
		return 0, err
	}
	if ok {
		b.s.regs[entries]--
		b.s.regs[size] -= b.o.Weigh(key, old)
	}
	b.s.regs[entries]++
	b.s.regs[size] += b.o.Weigh(key, value)
	if b.s.regs[entries] == 1 || ts <= b.s.regs[floor] {
		// The only entry is the first; one before the floor is the first too.
		b.s.regs[floor], b.s.regs[exact] = ts, 1
	}
	return ts, b.s.put(b.entry(ts, key), value)
}

// Append adds an entry that stands beside others of the same time and key, in
// the order they came: its key has a sequence number behind it, which key of
// the iterators and of Pop has too (the stream-table grace buffer, key | seq 4).
func (b *TimeOrdered) Append(ts int64, key, value []byte) (seq uint32, err error) {
	b.s.regs[sequence] = (b.s.regs[sequence] + 1) & math.MaxInt32
	seq = uint32(b.s.regs[sequence])
	b.buf = binary.BigEndian.AppendUint32(append(b.buf[:0], key...), seq)
	_, err = b.Put(ts, b.buf, value)
	return seq, err
}

// Place is the time at which the key's entry is (ByKey).
func (b *TimeOrdered) Place(key []byte) (ts int64, ok bool, err error) {
	v, ok, err := b.s.get(b.place(key))
	if err != nil || !ok {
		return 0, false, err
	}
	if len(v) != 8 {
		return 0, false, b.s.fail("get", ErrCorrupt)
	}
	return int64(binary.BigEndian.Uint64(v)), true, nil
}

// Get gives the entry of the time and key.
func (b *TimeOrdered) Get(ts int64, key []byte) (value []byte, ok bool, err error) {
	return b.s.get(b.entry(ts, key))
}

// Delete removes the entry of the time and key, and says whether it was there.
func (b *TimeOrdered) Delete(ts int64, key []byte) (bool, error) {
	b.writes++
	old, ok, err := b.s.get(b.entry(ts, key))
	if err != nil || !ok {
		return false, err
	}
	return true, b.drop(ts, key, old)
}

// drop removes an entry that is there.
func (b *TimeOrdered) drop(ts int64, key, value []byte) error {
	b.s.regs[entries]--
	b.s.regs[size] -= b.o.Weigh(key, value)
	if ts == b.s.regs[floor] {
		b.s.regs[exact] = 0 // perhaps there are more of this time
	}
	if b.o.ByKey {
		if err := b.s.delete(b.place(key)); err != nil {
			return err
		}
	}
	return b.s.delete(b.entry(ts, key))
}

// Min is the time of the first entry; ok is false if there is none.
func (b *TimeOrdered) Min() (ts int64, ok bool, err error) {
	r := &b.s.regs
	if r[entries] == 0 {
		return 0, false, nil
	}
	if r[exact] != 0 {
		return r[floor], true, nil
	}
	// The scan begins where the last one ended, not among deleted entries.
	it := b.Scan(r[floor], math.MaxInt64, false)
	if ok = it.Next(); ok {
		ts = it.Time()
	}
	if err := it.Close(); err != nil || !ok {
		return 0, false, err
	}
	if b.s.task != nil {
		r[floor], r[exact] = ts, 1
	}
	return ts, true, nil
}

// Pop removes the entries up to and including the time, in order, and gives
// each to the function, until one fails; that one is removed. The slices are
// valid during the call. The function may write to the buffer: what it puts
// behind the entry it was given is popped too.
func (b *TimeOrdered) Pop(upTo int64, f func(ts int64, key, value []byte) error) error {
	return b.pop(upTo, math.MaxInt, f)
}

// PopFirst removes the first entry and gives it to the function; ok is false if there is none.
func (b *TimeOrdered) PopFirst(f func(ts int64, key, value []byte) error) (ok bool, err error) {
	err = b.pop(math.MaxInt64, 1, func(ts int64, key, value []byte) error {
		ok = true
		return f(ts, key, value)
	})
	return ok, err
}

// popBatch is how many entries are read before they are removed. A write under
// an open iterator costs a copy in memory, and a scan for each entry would go
// through those that are gone.
const popBatch = 64

// popped is one of them; its bytes are in a buffer.
type popped struct {
	ts       int64
	key, end int // the key ends at key, the value at end
}

func (b *TimeOrdered) pop(upTo int64, most int, f func(ts int64, key, value []byte) error) error {
	least, ok, err := b.Min()
	if err != nil || !ok || least > upTo {
		return err
	}
	if b.popping {
		return b.s.fail("pop", errors.New("inside of a pop"))
	}
	b.popping = true
	defer func() { b.popping = false }()
	from := binary.BigEndian.AppendUint64(nil, uint64(least))
	for most > 0 {
		if err := b.readBatch(from, upTo, min(most, popBatch)); err != nil || len(b.batch) == 0 {
			return err
		}
		writes, start := b.writes, 0
		for _, p := range b.batch {
			key, value := b.bytes[start:p.key], b.bytes[p.key:p.end]
			start = p.end
			if err := b.drop(p.ts, key, value); err != nil {
				return err
			}
			from = append(append(binary.BigEndian.AppendUint64(from[:0], uint64(p.ts)), key...), 0)
			most--
			if err := f(p.ts, key, value); err != nil {
				return err
			}
			if b.writes != writes {
				break // what was read may be out of date
			}
		}
	}
	return nil
}

// readBatch reads entries from a place in the order, time 8 | key, on.
func (b *TimeOrdered) readBatch(from []byte, upTo int64, most int) error {
	b.batch, b.bytes = b.batch[:0], b.bytes[:0]
	lo := append(append(b.s.begin(), byKey), from...)
	hi := binary.BigEndian.AppendUint64(append(b.s.begin2(), byKey), uint64(upTo)+1)
	it := TimeIterator{it: b.s.scan(lo, hi, false)}
	for len(b.batch) < most && it.Next() {
		b.bytes = append(b.bytes, it.Key()...)
		key := len(b.bytes)
		b.bytes = append(b.bytes, it.Value()...)
		b.batch = append(b.batch, popped{ts: it.Time(), key: key, end: len(b.bytes)})
	}
	return it.Close()
}

// Scan gives the entries with from <= time <= to in order, or in the opposite
// order, as they are at the call: they may be deleted meanwhile.
func (b *TimeOrdered) Scan(from, to int64, reverse bool) *TimeIterator {
	lo := b.entry(max(from, b.s.regs[floor]), nil) // not through what is deleted
	hi := binary.BigEndian.AppendUint64(append(b.s.begin2(), byKey), uint64(to)+1)
	return &TimeIterator{it: b.s.scan(lo, hi, reverse)}
}

// TimeIterator gives entries one after the other; see [Iterator] for its use.
type TimeIterator struct{ it *Iterator }

// Next moves to the next entry, and says whether there is one.
func (t *TimeIterator) Next() bool { return t.it.Next() }

// Time is the current entry's time, ms.
func (t *TimeIterator) Time() int64 { return int64(binary.BigEndian.Uint64(t.it.Key()[1:])) }

// Key is the current entry's key.
func (t *TimeIterator) Key() []byte { return t.it.Key()[9:] }

// Value is the current entry's value.
func (t *TimeIterator) Value() []byte { return t.it.Value() }

// Err is what ended the iteration early, or nil.
func (t *TimeIterator) Err() error { return t.it.Err() }

// Close ends the iteration and returns Err.
func (t *TimeIterator) Close() error { return t.it.Close() }
