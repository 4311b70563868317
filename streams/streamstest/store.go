package streamstest

import (
	"fmt"
	"slices"

	"leat.dev/streams"
	"leat.dev/streams/internal/bridge"
)

// Store gives a store of the topology, typed as it was declared: a definition that was connected, or the View of a table.
// It may be read and written between records. With Partitions it is that of partition 0; see StoreAt.
func (d *Driver) Store[S any](def streams.StoreDef[S]) S {
	d.t.Helper()
	return d.StoreAt(def, 0)
}

// StoreAt is Store of one partition.
func (d *Driver) StoreAt[S any](def streams.StoreDef[S], partition int32) S {
	d.t.Helper()
	s, err := bridge.OpenStore(def, func(name string) any { return d.storeOf(name, partition) })
	if err != nil {
		d.t.Fatal(err)
	}
	typed, ok := s.(S)
	if !ok {
		d.t.Fatalf("the store is a %T", s)
	}
	return typed
}

func (d *Driver) storeOf(name string, partition int32) any {
	for _, w := range d.workers {
		if w.id.Partition != partition {
			continue
		}
		if s := w.task.Store(name); s != nil {
			return s
		}
	}
	if d.global != nil {
		return d.global.part.Store(name)
	}
	return nil
}

// StoreText shows all that a store holds, of whatever kind and of all partitions, as lines "key | value @time" in the
// order of its scans. Stores that keep no times show none.
func (d *Driver) StoreText(name string) string {
	d.t.Helper()
	rows, err := d.storeRows(name)
	if err != nil {
		d.t.Fatalf("store %s: %v", name, err)
	}
	text := ""
	for _, r := range rows {
		text += rowLine(r) + "\n"
	}
	return text
}

func rowLine(r bridge.Row) string {
	line := show(r.Key) + " | " + show(r.Value)
	if r.Time >= 0 {
		line += fmt.Sprintf(" @%d", r.Time)
	}
	return line
}

func (d *Driver) storeRows(name string) ([]bridge.Row, error) {
	var stores []any
	for _, w := range d.workers {
		if s := w.task.Store(name); s != nil && d.ownStore(w, name) {
			stores = append(stores, s)
		}
	}
	if d.global != nil && len(stores) == 0 {
		if s := d.global.part.Store(name); s != nil {
			stores = append(stores, s)
		}
	}
	if len(stores) == 0 {
		return nil, fmt.Errorf("there is no such store")
	}
	var rows []bridge.Row
	for _, s := range stores {
		more, err := bridge.Rows(s)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// ownStore tells whether a store is the task's own: global ones are found in every task.
func (d *Driver) ownStore(w *worker, name string) bool {
	for _, s := range w.sub.Stores {
		if s.Name == name {
			return true
		}
	}
	return false
}

// WantStore compares what a store holds with text, as Out.Want does, in any order.
func (d *Driver) WantStore(name, text string) {
	d.t.Helper()
	compare(d.t, "store "+name, lines(d.StoreText(name)), text, true)
}

// Stores are the names of all stores.
func (d *Driver) Stores() []string {
	var names []string
	for _, s := range d.prog.Topology.Stores() {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}

// Listable tells whether StoreText can show the store: one that no operation lists entries of (versioned ones, and buffers
// inside of operators) it cannot.
func (d *Driver) Listable(name string) bool {
	_, err := d.storeRows(name)
	return err == nil
}
