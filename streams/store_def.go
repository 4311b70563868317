package streams

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// storeFinder is a task as a typed definition sees it.
type storeFinder interface{ store(name string) any }

// StoreRef names a store for connecting it; every typed definition is one.
type StoreRef interface {
	storeName() string
	declare(b *Builder) // puts the store into the topology, once
}

// StoreDef is a typed definition of a store: a value that is declared once, as a variable of a package for instance, and used
// to connect the store, to open it in a processor, to query it, and to read it in tests. Each task has a store of its own.
type StoreDef[S any] struct {
	name string
	decl *storeDecl // nil: of a table's operator
	open func(store any) (S, bool)
	// query puts the stores of all tasks of an instance behind one S.
	query func(r *remote[S]) S
}

// storeDecl is what a definition says of its store. Its address is the definition's identity.
type storeDecl struct {
	options []Option
	make    func(b *Builder, p storeSpec) topology.Store
}

// declaredOptions are those of definitions.
var declaredOptions = []string{"InMemory", "Cached", "NoCache", "NoChangelog", "ChangelogConfig", "KeepHeaders"}

// Cached puts Kafka's record cache in front of a store that a definition declares: between two commits only the last of
// several values of a key is logged. Reads see it at once. Tables are cached unless NoCache says otherwise.
func Cached() Option {
	return option("Cached", func(s *settings) { on := true; s.cache = &on })
}

func (d StoreDef[S]) storeName() string { return d.name }

// In opens the store in a processor that is connected to it, or that has global stores in its reach. It panics in one that
// is not, which fails the task as it starts.
func (d StoreDef[S]) In(c storeFinder) S {
	found := c.store(d.name)
	if found == nil {
		panic(fmt.Errorf("store %q is not connected to this processor: name it where the processor is declared", d.name))
	}
	s, ok := d.open(found)
	if !ok {
		panic(fmt.Errorf("store %q is a %T and cannot be opened as a %s", d.name, found, reflect.TypeFor[S]()))
	}
	return s
}

// Add puts the store into the topology without connecting it to a processor. Process does so by itself.
func (d StoreDef[S]) Add(b *Builder) StoreDef[S] {
	d.declare(b)
	return d
}

func (d StoreDef[S]) declare(b *Builder) {
	if s, ok := d.place(b); ok {
		b.plan.Add(&plan.Node{Name: d.name, Write: func(tb *topology.Builder, _ []string) error {
			tb.AddStore(s)
			return nil
		}})
	}
}

// place gives the store's place in the topology, if it has none yet.
func (d StoreDef[S]) place(b *Builder) (topology.Store, bool) {
	operator := "store " + d.name
	if d.open == nil {
		b.mistake("StoreDef", "an empty definition was given", "make definitions by the functions of this package")
		return topology.Store{}, false
	}
	if d.decl == nil {
		return topology.Store{}, false // its operator puts it there
	}
	if other, ok := b.stores[d.name]; ok {
		if other != any(d.decl) {
			b.mistake(operator, "another store has this name", "choose another name for one of them")
		}
		return topology.Store{}, false
	}
	b.stores[d.name] = d.decl
	if err := topology.CheckName(d.name); err != nil {
		b.mistake(operator, err.Error(), "choose another name for the store")
	}
	s := d.decl.make(b, specOf(d.name, b.settings(operator, d.decl.options, declaredOptions...), false))
	s.Def = d.decl
	return s, true
}

func define[S any](name string, o []Option, open func(store any) (S, bool), query func(*remote[S]) S, make func(b *Builder, p storeSpec) topology.Store) StoreDef[S] {
	return StoreDef[S]{name, &storeDecl{o, make}, open, query}
}

// KeyValueStore declares a store of the latest value of each key. Options, here and below: InMemory, Cached, NoChangelog,
// ChangelogConfig, KeepHeaders.
func KeyValueStore[K, V any](name string, ks Serde[K], vs Serde[V], o ...Option) StoreDef[KV[K, V]] {
	open := func(store any) (KV[K, V], bool) {
		s, ok := store.(*kvStore[K, V])
		return s, ok
	}
	open = orShared(open)
	return define(name, o, open, queryKV[K, V], func(b *Builder, p storeSpec) topology.Store {
		return p.kv(need(b, ks, "store "+name, "key"), need(b, vs, "store "+name, "value"))
	})
}

// TimestampedStore declares a store of the latest value of each key and its time, as tables have. Changes are logged with the
// value's time.
func TimestampedStore[K, V any](name string, ks Serde[K], vs Serde[V], o ...Option) StoreDef[KV[K, Stamped[V]]] {
	open := func(store any) (KV[K, Stamped[V]], bool) {
		s, ok := store.(*tableStore[K, V])
		return &stampedKV[K, V]{s: s}, ok
	}
	open = orShared(open)
	return define(name, o, open, queryKV[K, Stamped[V]], func(b *Builder, p storeSpec) topology.Store {
		return p.table(need(b, ks, "store "+name, "key"), need(b, vs, "store "+name, "value"))
	})
}

// VersionedStore declares a store of each key's versions. History is how far behind the greatest time that was put versions
// can be read and put. It cannot be cached.
func VersionedStore[K, V any](name string, ks Serde[K], vs Serde[V], history time.Duration, o ...Option) StoreDef[VersionedKV[K, V]] {
	open := func(store any) (VersionedKV[K, V], bool) {
		s, ok := store.(*versionedStore[K, V])
		return &versionedKV[K, V]{s: s}, ok
	}
	return define(name, o, open, queryVersions[K, V], func(b *Builder, p storeSpec) topology.Store {
		if history < 0 {
			b.mistake("store "+name, fmt.Sprintf("the history is negative (%v)", history), "give a duration of 0 or more")
		}
		if p.cached {
			b.mistake("store "+name, "option Cached does not fit a versioned store", "leave it out")
		}
		return p.versioned(need(b, ks, "store "+name, "key"), need(b, vs, "store "+name, "value"), history)
	})
}

// WindowStore declares a store of a value for each key and start of a window. Size is that of the windows, and only says
// where they end; retention, at least size, is how far behind the greatest start that was put windows are kept.
func WindowStore[K, V any](name string, ks Serde[K], vs Serde[V], size, retention time.Duration, o ...Option) StoreDef[WindowKV[K, V]] {
	open := func(store any) (WindowKV[K, V], bool) {
		s, ok := store.(*windowStore[K, V])
		return &windowKV[K, V]{s: s}, ok
	}
	return define(name, o, open, queryWindows[K, V], func(b *Builder, p storeSpec) topology.Store {
		switch {
		case size < 0:
			b.mistake("store "+name, fmt.Sprintf("the size is negative (%v)", size), "give a duration of 0 or more")
		case retention < size:
			b.mistake("store "+name, fmt.Sprintf("the retention (%v) is less than the size of a window (%v)", retention, size), "keep windows at least as long as they last")
		}
		return p.plainWindow(need(b, ks, "store "+name, "key"), need(b, vs, "store "+name, "value"), size, retention)
	})
}

// SessionStore declares a store of a value for each key and session. Retention is how far behind the greatest end that was
// put sessions are kept.
func SessionStore[K, V any](name string, ks Serde[K], vs Serde[V], retention time.Duration, o ...Option) StoreDef[SessionKV[K, V]] {
	open := func(store any) (SessionKV[K, V], bool) {
		s, ok := store.(*sessionStore[K, V])
		return &sessionKV[K, V]{s: s}, ok
	}
	return define(name, o, open, querySessions[K, V], func(b *Builder, p storeSpec) topology.Store {
		if retention < 0 {
			b.mistake("store "+name, fmt.Sprintf("the retention is negative (%v)", retention), "give a duration of 0 or more")
		}
		return p.session(need(b, ks, "store "+name, "key"), need(b, vs, "store "+name, "value"), retention)
	})
}

// errReadOnly is a write to what its table's operator writes.
var errReadOnly = errors.New("the store is its table's: it can only be read here")

// tableView is the definition of a table's store, for reading.
func tableView[K, V any](name string) StoreDef[ReadKV[K, V]] {
	return StoreDef[ReadKV[K, V]]{name: name, query: queryRows[K, V], open: func(store any) (ReadKV[K, V], bool) {
		switch s := store.(type) {
		case *tableStore[K, V]:
			return &tableKV[K, V]{s: s}, true
		case *versionedStore[K, V]:
			return &latestKV[K, V]{s: s}, true
		}
		return nil, false
	}}
}

// stampedView is tableView with times.
func stampedView[K, V any](name string) StoreDef[ReadKV[K, Stamped[V]]] {
	return StoreDef[ReadKV[K, Stamped[V]]]{name: name, query: queryRows[K, Stamped[V]], open: func(store any) (ReadKV[K, Stamped[V]], bool) {
		switch s := store.(type) {
		case *tableStore[K, V]:
			return &stampedKV[K, V]{s: s}, true
		case *versionedStore[K, V]:
			return &latestStampedKV[K, V]{latestKV[K, Stamped[V]]{}, s}, true
		}
		return nil, false
	}}
}

// versionsView is the definition of a versioned table's store, for reading.
func versionsView[K, V any](name string) StoreDef[VersionedKV[K, V]] {
	return StoreDef[VersionedKV[K, V]]{name: name, query: queryVersions[K, V], open: func(store any) (VersionedKV[K, V], bool) {
		s, ok := store.(*versionedStore[K, V])
		return &versionedKV[K, V]{s: s, readOnly: true}, ok
	}}
}

// stampedWindowView is windowView with times.
func stampedWindowView[K, V any](name string) StoreDef[WindowKV[K, Stamped[V]]] {
	return StoreDef[WindowKV[K, Stamped[V]]]{name: name, query: queryWindows[K, Stamped[V]], open: func(store any) (WindowKV[K, Stamped[V]], bool) {
		s, ok := store.(*windowStore[K, V])
		return &stampedWindowKV[K, V]{s: s}, ok && s.slicing == nil
	}}
}

// windowView is the definition of a windowed table's store, for reading. Of sessions the start counts.
func windowView[K, V any](name string) StoreDef[WindowKV[K, V]] {
	return StoreDef[WindowKV[K, V]]{name: name, query: queryWindows[K, V], open: func(store any) (WindowKV[K, V], bool) {
		switch s := store.(type) {
		case *windowStore[K, V]:
			if s.slicing != nil {
				return &slicedKV[K, V]{s: s}, true
			}
			return &windowKV[K, V]{s: s, readOnly: true}, true
		case *sessionStore[K, V]:
			return &sessionsByStart[K, V]{s: s}, true
		}
		return nil, false
	}}
}

// sessionView is the definition of a session table's store, for reading.
func sessionView[K, V any](name string) StoreDef[SessionKV[K, V]] {
	return StoreDef[SessionKV[K, V]]{name: name, query: querySessions[K, V], open: func(store any) (SessionKV[K, V], bool) {
		s, ok := store.(*sessionStore[K, V])
		return &sessionKV[K, V]{s: s, readOnly: true}, ok
	}}
}
