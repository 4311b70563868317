package state

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// MaxPendingBytes is how much may be pending in the stores of a task that are
// on disk together, and in each that is in memory. An owner commits long before that.
const MaxPendingBytes = 1 << 30

// Task is the state of one task: its stores, the changelog offsets they
// correspond to, and the metadata of its processors. All but Snapshot belongs
// to one goroutine at a time.
type Task struct {
	id     string
	db     *DB
	closed bool
	epoch  uint64 // one more with every Commit, Discard and Wipe: open iterators end

	stores        map[string]*Store
	order         []*Store         // as they were asked for
	offsets, meta map[string]int64 // as committed
	forgotten     map[string]bool  // offsets that the next commit drops, because of a Wipe
	fleeting      map[string]bool  // changelogs of stores that do not outlive the task
	stale         map[string]bool  // those that have an offset on disk, from when they did

	mu   sync.Mutex // a snapshot sees all of a commit or nothing
	disk diskTask
}

// diskTask is what a task on disk has besides.
type diskTask struct {
	db         *database // nil until it is needed
	made, used time.Time // as the database knows
	table      map[string]uint16
	registers  map[uint16]registerFile
	last       uint16 // highest number of a store

	batch *pebble.Batch
	bulk  *bulk            // what Collect collects instead, or nil
	idle  *pebble.Iterator // over batch, at rest
	open  []*Iterator

	key, value []byte
}

// ID is the task's name, as it was given to [DB.Task].
func (t *Task) ID() string { return t.id }

// Store gives the store of that name, made if it is new. One in memory inside
// a task on disk is empty when the task is opened: its changelog has to be
// read from the beginning ([Store.Durable], [Task.Bind]). In a DB in memory,
// the stores that are not inMemory live as long as the DB.
//
// The first call for a name decides about inMemory.
func (t *Task) Store(name string, inMemory bool) *Store {
	if s := t.stores[name]; s != nil {
		return s
	}
	s := newStore(Store{name: name, task: t, durable: !inMemory, regs: fresh, regsBase: fresh})
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.db.onDisk {
		t.openStore(s, inMemory)
	} else {
		t.db.openStore(t, s, inMemory)
	}
	t.stores[name] = s
	t.order = append(t.order, s)
	return s
}

// Bind says which changelog topic-partition the store is restored from. The
// offset of a store that is not durable is not kept beyond the task, and a
// Wipe of the store forgets it. Bind comes before the first Commit.
//
// Who opens the task's stores again while it stays open finds them as they are: a second Bind changes nothing.
func (t *Task) Bind(s *Store, changelog string) {
	if s.changelog == changelog {
		return
	}
	s.changelog = changelog
	if s.durable {
		return
	}
	t.fleeting[changelog] = true
	if _, ok := t.offsets[changelog]; ok {
		delete(t.offsets, changelog)
		t.stale[changelog] = true
	}
}

// Offsets gives, for each changelog topic-partition, the next offset to restore
// from: what the stores correspond to, but for what is pending.
func (t *Task) Offsets() map[string]int64 {
	m := maps.Clone(t.offsets)
	for name := range t.forgotten {
		delete(m, name)
	}
	return m
}

// Meta gives the committed metadata of the processors.
func (t *Task) Meta() map[string]int64 { return maps.Clone(t.meta) }

// PendingBytes estimates the memory that uncommitted writes hold.
func (t *Task) PendingBytes() int64 {
	var n int64
	for _, s := range t.order {
		if s.mem != nil {
			n += s.mem.pending
		}
	}
	if b := t.disk.batch; b != nil && !b.Empty() {
		n += int64(b.Len())
	}
	if b := t.disk.bulk; b != nil {
		n += int64(b.len())
	}
	return n + int64(t.unsortedBytes())
}

// Commit makes what is pending the state, together with the next offsets of
// the changelogs, the metadata and the observed times, in one write: after a
// crash all of it is there or none. Names that are not in the maps keep their
// values. Open iterators end, and values from Get.
//
// An owner that is at rest commits now and then too: reads keep the disk space
// of what they read.
//
// After an error nothing of the task reaches the disk any more and its reads may
// fail too: the task has to be closed and opened again, and then has the state
// and the offsets of an earlier commit. Other tasks are not concerned.
func (t *Task) Commit(offsets, meta map[string]int64) error {
	if t.closed {
		return t.fail("commit", ErrClosed)
	}
	if err := t.commit(offsets, meta); err != nil {
		return t.fail("commit", err)
	}
	if t.disk.db != nil {
		t.db.spare()
	}
	return nil
}

func (t *Task) commit(offsets, meta map[string]int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.db.onDisk {
		if err := t.diskCommit(offsets, meta); err != nil {
			return err
		}
	}
	for _, s := range t.order {
		if s.mem != nil {
			s.mem.commit()
		}
		s.regsBase = s.regs
	}
	for name := range t.forgotten {
		delete(t.offsets, name)
	}
	clear(t.forgotten)
	maps.Copy(t.offsets, offsets)
	maps.Copy(t.meta, meta)
	t.epoch++
	return nil
}

// Discard drops what is pending: the stores show what was committed last.
// Open iterators end, and values from Get.
func (t *Task) Discard() error {
	if t.closed {
		return t.fail("discard", ErrClosed)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.order {
		if s.mem != nil {
			s.mem.discard()
		}
		s.dropUnsorted()
		s.regs = s.regsBase
	}
	clear(t.forgotten)
	t.epoch++
	if t.disk.db != nil {
		t.expireReads()
		t.disk.batch.Reset()
		if t.disk.bulk != nil {
			t.disk.bulk.reset()
		}
	}
	return nil
}

// Wipe empties the store, and forgets its observed time and the offset of the
// changelog it is bound to. Like a write, that is pending until the next Commit.
func (t *Task) Wipe(store string) error {
	s := t.stores[store]
	if s == nil {
		return t.fail("wipe", fmt.Errorf("there is no store %q", store))
	}
	if err := s.DeleteRange(nil, nil); err != nil {
		return err
	}
	s.regs = fresh
	if s.changelog != "" {
		t.forgotten[s.changelog] = true
	}
	return nil
}

// Close gives the task back to its DB. What is pending is dropped.
func (t *Task) Close() error {
	if t.closed {
		return nil
	}
	err := t.Discard()
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	if e := t.diskClose(); err == nil && e != nil {
		err = t.fail("close", e)
	}
	if e := t.db.release(t); err == nil && e != nil {
		err = t.fail("close", e)
	}
	return err
}

func (t *Task) fail(op string, err error) error { return &Error{Task: t.id, Op: op, Err: err} }
