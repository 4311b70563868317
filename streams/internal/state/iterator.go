package state

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"
	"github.com/tidwall/btree"
)

// Iterator gives the entries of a Scan one after the other:
//
//	it := store.Scan(from, to, false)
//	defer it.Close()
//	for it.Next() {
//		use(it.Key(), it.Value())
//	}
//	return it.Err()
//
// Key and Value are valid until the next call of Next or Close. The store
// reuses a closed iterator: do not touch it after Close.
type Iterator struct {
	s       *Store
	lo, hi  []byte // full keys; a nil hi is open
	openHi  bool
	reverse bool
	started bool
	open    bool
	epoch   uint64
	err     error

	key, value []byte

	tr      *tree
	walk    btree.MapIter[string, []byte]
	disk    diskIter
	options pebble.IterOptions
	place   int // in the task's open ones
}

func (s *Store) scan(lo, hi []byte, reverse bool) *Iterator {
	s.keep(0, lo)
	s.keep(1, hi)
	var it *Iterator
	if n := len(s.iters); n > 0 {
		it, s.iters = s.iters[n-1], s.iters[:n-1]
	} else {
		it = &Iterator{s: s}
	}
	it.lo, it.hi, it.openHi = append(it.lo[:0], lo...), append(it.hi[:0], hi...), hi == nil
	it.reverse, it.started, it.open, it.err = reverse, false, true, nil
	it.key, it.value = nil, nil
	if s.task != nil {
		it.epoch = s.task.epoch
	}
	switch {
	case hi != nil && bytes.Compare(lo, hi) >= 0:
		// Nothing is between them. Pebble must not hear of it: an iterator that
		// had such bounds once does not find everything under later ones.
		it.err, it.tr = errEnd, nil
	case s.mem != nil:
		it.onTree(s.mem.work)
		s.mem.iters++
	case s.frozen != nil:
		it.onTree(s.frozen)
	default:
		it.err = s.diskScan(it)
	}
	return it
}

func (it *Iterator) onTree(tr *tree) {
	if it.tr != tr {
		it.tr, it.walk = tr, tr.Iter()
	}
}

// Next moves to the next entry, and says whether there is one.
func (it *Iterator) Next() bool {
	if it.err != nil || !it.open {
		return false
	}
	if it.s.task != nil && it.epoch != it.s.task.epoch {
		it.err = it.s.fail("scan", ErrIteratorExpired)
		return false
	}
	if it.tr == nil {
		return it.diskNext()
	}
	if !it.step() {
		it.key, it.value, it.err = nil, nil, errEnd
		return false
	}
	it.key, it.value = bytesOf(it.walk.Key()), it.walk.Value()
	return true
}

func (it *Iterator) step() bool {
	first := !it.started
	it.started = true
	switch {
	case !it.reverse && first:
		return it.walk.Seek(view(it.lo)) && it.inside()
	case !it.reverse:
		return it.walk.Next() && it.inside()
	case first && (it.openHi || !it.walk.Seek(view(it.hi))):
		return it.walk.Last() && it.inside()
	default:
		return it.walk.Prev() && it.inside()
	}
}

func (it *Iterator) inside() bool {
	k := bytesOf(it.walk.Key())
	if it.reverse {
		return bytes.Compare(k, it.lo) >= 0
	}
	return it.openHi || bytes.Compare(k, it.hi) < 0
}

// seek gets the value of a full key inside of the bounds.
func (it *Iterator) seek(key []byte) (value []byte, ok bool, err error) {
	if it.err != nil {
		return nil, false, it.Err()
	}
	if it.tr != nil {
		value, ok = it.tr.Get(view(key))
		return value, ok, nil
	}
	return it.diskSeek(key)
}

// Key is the current entry's key.
func (it *Iterator) Key() []byte { return it.key[len(it.s.prefix):] }

// Value is the current entry's value.
func (it *Iterator) Value() []byte { return it.value }

// Err is what ended the scan early, or nil.
func (it *Iterator) Err() error {
	if errors.Is(it.err, errEnd) {
		return nil
	}
	return it.err
}

// Close gives the iterator back to its store and returns Err.
func (it *Iterator) Close() error {
	if !it.open {
		return it.Err()
	}
	err := it.Err()
	it.open = false
	switch {
	case it.tr != nil:
		if m := it.s.mem; m != nil && it.tr == m.work && it.epoch == it.s.task.epoch {
			m.iters--
		}
	default:
		it.diskClose()
	}
	it.key, it.value = nil, nil
	it.s.iters = append(it.s.iters, it)
	return err
}
