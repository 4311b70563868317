package streams

import (
	"time"

	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// table is a port whose node sends changes, and what else tables know of themselves: how others read them, and whether
// they send old values. Table and WTable are tables with methods.
type table[K, V any] struct {
	port[K, V]
	// store is the name of the store that can be queried, "" when nobody asked for one.
	store string
	// history is how far back a versioned table knows its values; 0: it is not versioned.
	history time.Duration
	// view reads the table in a task.
	view *viewer[K, V]
	// sendOld asks the table's node to send old values in its changes. force materializes what cannot know them otherwise.
	// It tells whether the node will. Steps call it while the topology is built.
	sendOld func(force bool) bool
}

// value reads a table: what a key has now, and since when.
type value[K, V any] func(k K) (v V, at Time, ok bool, err error)

// view is a table as seen by another node of the task. asOf is nil unless the table is versioned.
type view[K, V any] struct {
	get  value[K, V]
	asOf func(k K, at Time) (v V, from Time, ok bool, err error)
}

// viewer makes views. stores are those that a node which reads the table must be connected to: they are known once the
// topology is complete.
type viewer[K, V any] struct {
	need   func() // tells the table that somebody will read it, while the topology is built
	stores func() []string
	open   func(x *opening) (view[K, V], error)
}

// storeView is the view of a table that is kept in a store.
func storeView[K, V any](name func() string) *viewer[K, V] {
	return &viewer[K, V]{
		need:   func() {},
		stores: func() []string { return []string{name()} },
		open: func(x *opening) (view[K, V], error) {
			if s, ok := x.store(name()).(*versionedStore[K, V]); ok {
				return view[K, V]{get: s.get, asOf: s.getAsOf}, nil
			}
			return view[K, V]{get: x.store(name()).(*tableStore[K, V]).get}, nil
		},
	}
}

// tableStep adds a node of one processor below a table. add gives the store it brings (nil: none) and connect the others it
// uses; both are called once the topology is complete.
func tableStep[K, V any](t port[K, V], n *plan.Node, o opener, add func() (*topology.Store, error), connect func() []string) {
	n.Write = func(b *topology.Builder, parents []string) error {
		b.AddProcessor(n.Name, o, parents...)
		if add != nil {
			s, err := add()
			if err != nil {
				return err
			}
			if s != nil {
				b.AddStore(*s, n.Name)
			}
		}
		if connect != nil {
			b.ConnectStores(n.Name, connect()...)
		}
		return nil
	}
	t.b.plan.Add(n, t.n)
}

// keeper is how a node keeps a table: it writes the store and sends the change, at once or, behind a cache, when that is
// written through.
type keeper[K, V any] struct {
	x         *opening
	table     *tableStore[K, V]
	versioned *versionedStore[K, V]
	cached    bool
	sendOld   bool
	next      sink[K, change[V]]
	out       Record[K, change[V]]
}

func openKeeper[K, V any](x *opening, store string, sendOld bool, next sink[K, change[V]]) *keeper[K, V] {
	k := &keeper[K, V]{x: x, sendOld: sendOld, next: next}
	switch s := x.store(store).(type) {
	case *versionedStore[K, V]:
		k.versioned = s
	case *tableStore[K, V]:
		k.table, k.cached = s, s.onFlush(next, sendOld)
	}
	return k
}

// get is the latest value of a key.
func (k *keeper[K, V]) get(key K) (v V, at Time, ok bool, err error) {
	if k.versioned != nil {
		return k.versioned.get(key)
	}
	return k.table.get(key)
}

// put keeps a key's new value (ok=false: none) and sends the change from the old one.
func (k *keeper[K, V]) put(key K, v V, at Time, ok bool, old V, hadOld bool, h Headers) error {
	latest := true
	if k.versioned != nil {
		stored, isLatest, err := k.versioned.put(key, v, at, ok, h)
		if err != nil || !stored {
			return err
		}
		latest = isLatest
	} else if err := k.table.put(key, v, at, ok, h); err != nil || k.cached {
		return err
	}
	k.out = Record[K, change[V]]{Key: key, Time: at, Headers: h, Value: change[V]{New: v, HasNew: ok, Latest: latest}}
	if k.sendOld {
		k.out.Value.Old, k.out.Value.HasOld = old, hadOld
	}
	return forward(k.x.task, k.next, &k.out)
}

// parentVersioned tells whether the table above a node is versioned.
func parentVersioned(n *plan.Node) bool { return len(n.ParentVersioned) > 0 && n.ParentVersioned[0] }
