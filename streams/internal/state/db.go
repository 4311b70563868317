package state

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// DB holds the tasks of one process. Its methods may be called from any goroutine.
type DB struct {
	mu     sync.Mutex // after a Task's
	closed bool
	owned  map[string]*Task
	images map[string]*image // in memory: of tasks that are closed

	onDisk    bool
	opts      Options
	dir       string
	lock      *pebble.Lock
	cache     *pebble.Cache
	files     *pebble.FileCache
	turns     turns
	bulks     sync.Pool            // of *bulk
	unsorteds sync.Pool            // of *unsorted
	bases     map[string]*database // that are open
	infos     map[string]*taskFile // of tasks that have a directory
	past      pastMetrics
}

// image is what a DB in memory keeps of a task between its owners.
type image struct {
	offsets, meta map[string]int64
	trees         map[string]*tree
	regs          map[string]registerFile
}

// Memory gives a DB that keeps everything in memory. Tasks that are closed and
// opened again find their state; closing the DB drops all.
func Memory() *DB {
	return &DB{owned: map[string]*Task{}, images: map[string]*image{}}
}

// Task opens the state of the task, made if it is new. A task has one owner at
// a time: ErrOwned until the one before has closed it.
func (db *DB) Task(id string) (*Task, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	t := newTask(db, id)
	switch {
	case db.closed:
		return nil, t.fail("open", ErrClosed)
	case db.owned[id] != nil:
		return nil, t.fail("open", ErrOwned)
	}
	if db.onDisk {
		if !validID(id) {
			return nil, t.fail("open", fmt.Errorf("%q cannot be the name of a task", id))
		}
		if db.infos[id] != nil { // else when it is needed
			if err := t.load(); err != nil {
				return nil, t.fail("open", err)
			}
		}
	} else if m := db.images[id]; m != nil {
		t.offsets, t.meta = maps.Clone(m.offsets), maps.Clone(m.meta)
	}
	db.owned[id] = t
	return t, nil
}

func newTask(db *DB, id string) *Task {
	return &Task{
		id: id, db: db, stores: map[string]*Store{},
		offsets: map[string]int64{}, meta: map[string]int64{},
		forgotten: map[string]bool{}, fleeting: map[string]bool{}, stale: map[string]bool{},
		disk: diskTask{table: map[string]uint16{}, registers: map[uint16]registerFile{}},
	}
}

// validID tells whether a directory can have the name: letters, digits, _ and -, up to 100.
func validID(id string) bool {
	for _, c := range []byte(id) {
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return id != "" && len(id) <= 100
}

// openStore gives a new Store in memory what the last owner left.
func (db *DB) openStore(t *Task, s *Store, inMemory bool) {
	db.mu.Lock()
	defer db.mu.Unlock()
	var base *tree
	if m := db.images[t.id]; m != nil && !inMemory && m.trees[s.name] != nil {
		base = m.trees[s.name]
		s.regs = m.regs[s.name]
		s.regsBase = s.regs
	}
	s.mem = newMem(base)
}

// release takes a task back from its owner.
func (db *DB) release(t *Task) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	delete(db.owned, t.id)
	if db.onDisk {
		return nil
	}
	m := &image{offsets: maps.Clone(t.offsets), meta: t.meta, trees: map[string]*tree{}, regs: map[string]registerFile{}}
	if old := db.images[t.id]; old != nil { // stores that this owner did not ask for
		maps.Copy(m.trees, old.trees)
		maps.Copy(m.regs, old.regs)
	}
	for name := range t.fleeting {
		delete(m.offsets, name)
	}
	for _, s := range t.order {
		if s.durable {
			m.trees[s.name], m.regs[s.name] = s.mem.base, s.regsBase
		}
	}
	db.images[t.id] = m
	return nil
}

// TaskInfo is what the DB knows of a task.
type TaskInfo struct {
	ID         string
	Owned      bool      // it is open
	Made, Used time.Time // Used is exact to a minute; both are zero in memory
	Bytes      int64     // on disk, when it was closed last; 0 in memory
}

// Tasks lists the tasks that have state, by ID.
func (db *DB) Tasks() ([]TaskInfo, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil, ErrClosed
	}
	var list []TaskInfo
	if db.onDisk {
		list = db.diskTasks()
	} else {
		for id := range db.images {
			list = append(list, TaskInfo{ID: id})
		}
		for id := range db.owned {
			if db.images[id] == nil {
				list = append(list, TaskInfo{ID: id})
			}
		}
	}
	for i := range list {
		list[i].Owned = db.owned[list[i].ID] != nil
	}
	slices.SortFunc(list, func(a, b TaskInfo) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// Offsets are those of a task that nobody owns, else ErrOwned: what [Task.Offsets] would give for stores that are
// durable. They are none if it has no state.
func (db *DB) Offsets(id string) (map[string]int64, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	fail := func(err error) error { return &Error{Task: id, Op: "list", Err: err} }
	switch {
	case db.closed:
		return nil, fail(ErrClosed)
	case db.owned[id] != nil:
		return nil, fail(ErrOwned)
	}
	if !db.onDisk {
		if m := db.images[id]; m != nil {
			return maps.Clone(m.offsets), nil
		}
		return nil, nil
	}
	offsets, err := db.offsetsOf(id)
	if err != nil {
		return nil, fail(err)
	}
	return maps.Clone(offsets), nil
}

// WipeTask removes all state of a task that nobody owns, else ErrOwned. One
// that has none is no error.
func (db *DB) WipeTask(id string) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	fail := func(err error) error { return &Error{Task: id, Op: "wipe", Err: err} }
	switch {
	case db.closed:
		return fail(ErrClosed)
	case db.owned[id] != nil:
		return fail(ErrOwned)
	}
	delete(db.images, id)
	if !db.onDisk {
		return nil
	}
	if err := db.diskWipeTask(id); err != nil {
		return fail(err)
	}
	return nil
}

// Close ends all tasks, whose owners have come to rest; what is pending in
// them is dropped. Everything that was committed is on the disk when it
// returns without an error. Snapshots are closed before.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil
	}
	db.closed = true
	var owned []*Task
	for _, t := range db.owned {
		owned = append(owned, t)
	}
	db.mu.Unlock()
	var errs []error
	for _, t := range owned {
		errs = append(errs, t.Close())
	}
	if db.onDisk {
		errs = append(errs, db.closeDisk())
	}
	return errors.Join(errs...)
}
