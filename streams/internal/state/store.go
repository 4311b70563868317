package state

import (
	"bytes"
	"io"
)

// Limits on what a store takes. Kafka's own limit on a record is far lower.
const (
	MaxKeyBytes   = 1 << 20 // with what a layout adds
	MaxValueBytes = 256 << 20
)

// register is one of the numbers a layout keeps beside its entries. They are
// written and restored with the state, so that a restart changes nothing.
type register int

const (
	observed  register = iota // highest stream time the store has seen, ms; -1: none
	sequence                  // of the last duplicate put
	entries                   // how many entries a TimeOrdered holds; which segments of a Versioned may hold deletions
	size                      // and their bytes
	floor                     // first segment that is left, or a time before which a TimeOrdered has nothing, ms
	exact                     // 1: floor is the time of the first entry
	registers                 // how many there are
)

type registerFile [registers]int64

// fresh is what a store begins with.
var fresh = registerFile{observed: -1, floor: 0}

// Store is an ordered map from bytes to bytes, part of a Task and with it its
// owner's. Keys are compared as unsigned bytes. Empty keys and values are
// allowed; a nil value is an empty one.
//
// Get's value is valid until the next call on the store, and until the task's
// Commit, Discard or Close: what is put must not lie in it.
type Store struct {
	name      string
	db        *database // of a store on disk
	broken    error     // why there is none
	task      *Task     // nil in a snapshot
	number    uint16
	durable   bool
	changelog string // topic-partition

	mem    *mem     // a store of the task in memory,
	frozen *tree    // or of a snapshot in memory,
	disk   diskRead // or on disk
	prefix []byte   // of its keys on disk

	unsorted *unsorted // writes to the disk that nobody has read in order, or nil
	scanned  bool      // there are none until the next commit

	regs, regsBase registerFile
	known          bool // the task's table of stores on disk has it
	held           io.Closer
	iters          []*Iterator // closed ones, for the next Scan
	scratch        [2][]byte
}

func newStore(s Store) *Store {
	for i := range s.scratch {
		s.scratch[i] = make([]byte, 0, 64) // never nil: an empty bound is not an open one
	}
	return &s
}

// Name is the store's name.
func (s *Store) Name() string { return s.name }

// Durable says whether the store is still there after the task is closed and
// opened again. One that is not is empty then, and has to be read from its
// changelog from the beginning.
func (s *Store) Durable() bool { return s.durable }

// Get returns the value of the key.
func (s *Store) Get(key []byte) (value []byte, ok bool, err error) {
	return s.get(append(s.begin(), key...))
}

// Put sets the value of the key. Both are copied.
func (s *Store) Put(key, value []byte) error { return s.put(append(s.begin(), key...), value) }

// Delete removes the key; one that is absent is no error.
func (s *Store) Delete(key []byte) error { return s.delete(append(s.begin(), key...)) }

// DeleteRange removes the keys in [from, to). A nil from or to is open. On
// disk it costs the same for any number of keys.
func (s *Store) DeleteRange(from, to []byte) error {
	lo, hi := s.bounds(from, to)
	return s.deleteRange(lo, hi)
}

// Scan gives the entries with keys in [from, to) in ascending or, reverse, in
// descending order. A nil from or to is open. The iterator shows the store as
// it was at the call; writes are allowed while it is open, until the next
// Commit or Discard. It must be closed.
func (s *Store) Scan(from, to []byte, reverse bool) *Iterator {
	lo, hi := s.bounds(from, to)
	return s.scan(lo, hi, reverse)
}

// begin returns the first scratch buffer with the store's prefix in it. What
// is built in it goes to get, put, delete and the others at once; it is
// overwritten by the next call of begin.
func (s *Store) begin() []byte { return append(s.scratch[0][:0], s.prefix...) }

// begin2 is the same for the end of a range.
func (s *Store) begin2() []byte { return append(s.scratch[1][:0], s.prefix...) }

func (s *Store) bounds(from, to []byte) (lo, hi []byte) {
	lo = append(s.begin(), from...)
	hi = s.begin2()
	if to != nil {
		hi = append(hi, to...)
	} else {
		hi = after(hi)
	}
	return lo, hi
}

// after turns a prefix into the first key behind all that begin with it; nil
// if there is none.
func after(b []byte) []byte {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0xff {
			b[i]++
			return b[:i+1]
		}
	}
	return nil
}

// keep remembers a scratch buffer that has grown.
func (s *Store) keep(i int, b []byte) {
	if cap(b) > cap(s.scratch[i]) {
		s.scratch[i] = b[:0]
	}
}

func (s *Store) get(key []byte) ([]byte, bool, error) {
	s.keep(0, key)
	if s.mem != nil {
		v, ok := s.mem.work.Get(view(key))
		return v, ok, nil
	}
	if s.frozen != nil {
		v, ok := s.frozen.Get(view(key))
		return v, ok, nil
	}
	return s.diskGet(key)
}

func (s *Store) put(key, value []byte) error {
	s.keep(0, key)
	if len(key)-len(s.prefix) > MaxKeyBytes || len(value) > MaxValueBytes {
		return s.fail("put", ErrTooLarge)
	}
	if err := s.writable("put", len(key)+len(value)); err != nil {
		return err
	}
	if s.mem != nil {
		s.mem.put(key, value)
		return nil
	}
	return s.diskPut(key, value)
}

func (s *Store) delete(key []byte) error {
	s.keep(0, key)
	if err := s.writable("delete", len(key)); err != nil {
		return err
	}
	if s.mem != nil {
		s.mem.delete(key)
		return nil
	}
	return s.diskDelete(key)
}

// deleteRange takes full keys; a nil hi is open.
func (s *Store) deleteRange(lo, hi []byte) error {
	s.keep(0, lo)
	s.keep(1, hi)
	if hi != nil && bytes.Compare(lo, hi) >= 0 {
		return nil
	}
	if err := s.writable("delete range", len(lo)+len(hi)); err != nil {
		return err
	}
	if s.mem != nil {
		s.mem.deleteRange(lo, hi)
		return nil
	}
	return s.diskDeleteRange(lo, hi)
}

func (s *Store) writable(op string, more int) error {
	switch {
	case s.task == nil:
		return s.fail(op, ErrReadOnly)
	case s.task.closed:
		return s.fail(op, ErrClosed)
	}
	var pending int64 // of this store, or of all of the task's on disk
	if s.mem != nil {
		pending = s.mem.pending
	} else {
		if s.broken != nil {
			return s.fail(op, s.broken)
		}
		pending = int64(s.task.disk.batch.Len()) + s.unsortedLen()
	}
	if pending+int64(more) > MaxPendingBytes {
		return s.fail(op, ErrPendingTooLarge)
	}
	return nil
}

func (s *Store) fail(op string, err error) error {
	task := ""
	if s.task != nil {
		task = s.task.id
	}
	return &Error{Task: task, Store: s.name, Op: op, Err: err}
}

// time is the store's observed stream time: -1 if it has seen none.
func (s *Store) time() int64 { return s.regs[observed] }

// observe moves the observed stream time, never back.
func (s *Store) observe(ts int64) {
	if ts > s.regs[observed] {
		s.regs[observed] = ts
	}
}
