package state

import (
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Snapshot is what a task had committed at one moment, for readers in other
// goroutines; one goroutine uses a snapshot at a time. It must be closed: it
// keeps disk space from being freed.
type Snapshot struct {
	task   *Task
	disk   *pebble.Snapshot
	base   *database
	stores map[string]*Store
}

// Snapshot may be called from any goroutine while the task is open.
func (t *Task) Snapshot() *Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := &Snapshot{task: t, stores: make(map[string]*Store, len(t.order))}
	if base := t.disk.db; base != nil && !t.closed {
		t.db.mu.Lock()
		base.refs++
		t.db.mu.Unlock()
		n.base, n.disk = base, base.pdb.NewSnapshot()
	}
	for _, s := range t.order {
		c := newStore(Store{name: s.name, db: n.base, durable: s.durable, regs: s.regsBase, regsBase: s.regsBase, prefix: slices.Clone(s.prefix)})
		switch {
		case s.mem != nil:
			c.frozen = s.mem.base
		case n.disk != nil:
			c.disk = n.disk
		default:
			c.frozen = &tree{}
		}
		n.stores[s.name] = c
	}
	return n
}

// Store gives the store of that name, to be read only; nil if the task has none.
// Layouts can stand on it.
func (n *Snapshot) Store(name string) *Store { return n.stores[name] }

// Close lets go of what the snapshot keeps. Its stores may not be used any more.
func (n *Snapshot) Close() error {
	for _, s := range n.stores {
		s.release()
		s.frozen, s.disk = &tree{}, nil
	}
	if n.disk == nil {
		return nil
	}
	err := n.disk.Close()
	n.disk = nil
	if e := n.task.db.unref(n.base); err == nil {
		err = e
	}
	return err
}
