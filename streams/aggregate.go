package streams

import (
	"fmt"
	"slices"

	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// fold is how an aggregate takes in records.
type fold[K, V, A any] struct {
	// start gives the value that a new aggregate begins with; ok=false: it has none, its first record is its value.
	start func() (a A, ok bool, err error)
	// open gives what makes a new value of the one there is, if has, and a record: keep=false says that there is none
	// from now on.
	open func(n *node) func(acc A, has bool, r *Record[K, V]) (a A, keep bool, err error)
	// nulls: records without a value are taken too, where the operator lets them through.
	nulls bool
	// reduces: there is no start, the first value stands for itself.
	reduces bool
}

func countFold[K, V any]() fold[K, V, int64] {
	add := func(n int64, _ bool, _ *Record[K, V]) (int64, bool, error) { return n + 1, true, nil }
	return fold[K, V, int64]{
		start: func() (int64, bool, error) { return 0, true, nil },
		open:  func(*node) func(int64, bool, *Record[K, V]) (int64, bool, error) { return add },
		nulls: true,
	}
}

func reduceFold[K, V any](f func(acc, v V) V) fold[K, V, V] {
	nulls := newNilTest[V]()
	add := func(acc V, has bool, r *Record[K, V]) (V, bool, error) {
		if !has {
			return r.Value, !r.NullValue, nil
		}
		v, err := call2(f, acc, r.Value)
		return v, !nulls.null(&v), err
	}
	return fold[K, V, V]{
		start: func() (v V, ok bool, err error) { return v, false, nil },
		open:  func(*node) func(V, bool, *Record[K, V]) (V, bool, error) { return add },
		nulls: nulls.nilable, reduces: true,
	}
}

func valueFold[K, V, A any](f func(A, V) A, start func() (A, bool, error)) fold[K, V, A] {
	nulls := newNilTest[A]()
	add := func(acc A, _ bool, r *Record[K, V]) (A, bool, error) {
		a, err := call2(f, acc, r.Value)
		return a, !nulls.null(&a), err
	}
	return fold[K, V, A]{
		start: start, open: func(*node) func(A, bool, *Record[K, V]) (A, bool, error) { return add }, nulls: newNilTest[V]().nilable,
	}
}

func pairFold[K, V, A any](f func(K, A, V) A, start func() (A, bool, error)) fold[K, V, A] {
	nulls := newNilTest[A]()
	add := func(acc A, _ bool, r *Record[K, V]) (A, bool, error) {
		a, err := call3(f, r.Key, acc, r.Value)
		return a, !nulls.null(&a), err
	}
	return fold[K, V, A]{
		start: start, open: func(*node) func(A, bool, *Record[K, V]) (A, bool, error) { return add }, nulls: newNilTest[V]().nilable,
	}
}

func recordFold[K, V, A any](f func(c Ctx, acc A, r Record[K, V]) (A, bool, error), start func() (A, bool, error)) fold[K, V, A] {
	nulls := newNilTest[A]()
	open := func(n *node) func(A, bool, *Record[K, V]) (A, bool, error) {
		c := Ctx(n.ctx())
		return func(acc A, _ bool, r *Record[K, V]) (a A, keep bool, err error) {
			defer func() {
				if p := recover(); p != nil {
					err = caught(p)
				}
			}()
			a, keep, err = f(c, acc, *r)
			return a, keep && !nulls.null(&a), err
		}
	}
	return fold[K, V, A]{start: start, open: open, nulls: true}
}

// startOf is the start of an aggregate: what Init says, else A's zero value. A nil means that there is none.
func startOf[A any](b *Builder, operator string, s *settings) func() (A, bool, error) {
	nulls := newNilTest[A]()
	var zero A
	hasZero := !nulls.null(&zero)
	if s.initial == nil {
		return func() (A, bool, error) { return zero, hasZero, nil }
	}
	f, ok := s.initial.(func() A)
	if !ok {
		b.mistake(operator, fmt.Sprintf("the function of Init is a %T", s.initial), fmt.Sprintf("it must be a %T", f))
		return func() (A, bool, error) { return zero, hasZero, nil }
	}
	return func() (A, bool, error) {
		a, err := call0(f)
		return a, !nulls.null(&a), err
	}
}

// aggregateOptions are those of aggregates by key; windows have more.
var (
	aggregateOptions = append([]string{"Named"}, tableOptions...)
	windowOptions    = append([]string{"Named", "Retention"}, storeOptions...)
	sessionOptions   = append([]string{"Named", "Retention"}, storeOptions...)
)

func and(options []string, more ...string) []string { return append(slices.Clone(options), more...) }

// aggregation is what aggregates have in common: where their records come from, and what their table is.
type aggregation[K, V, A any] struct {
	fold[K, V, A]
	operator string
	settings *settings
	store    string
	named    bool // the program gave the store's name
	n        *plan.Node
	from     port[K, V]
	as       Serde[A]
	clock    string // what tells clocks of one store apart
	old      *bool  // somebody downstream asked for old values
}

// prepare takes names in Kafka's order: the store's, the node's, those of the repartition.
func (g *Grouped[K, V]) prepare[A any](operator, prefix, store string, as Serde[A], f fold[K, V, A], s *settings) *aggregation[K, V, A] {
	a := &aggregation[K, V, A]{fold: f, operator: operator, settings: s, named: store != "", old: new(bool)}
	a.store = g.b.storeName(store, operator, prefix)
	a.n = &plan.Node{Name: g.b.nodeName(s.name, prefix), Versioning: plan.Unversioned}
	a.from = g.byKey(operator, a.store)
	a.from.ks, a.as = need(g.b, a.from.ks, operator, "key"), need(g.b, as, operator, "value")
	return a
}

// clockName names the time that the operator keeps.
func (a *aggregation[K, V, A]) clockName() string { return a.store + a.clock + ".time" }

// table is the table that the aggregate puts out. K2 is K or Windowed[K].
func (a *aggregation[K, V, A]) table[K2 any](ks Serde[K2], view *viewer[K2, A]) table[K2, A] {
	t := table[K2, A]{
		port: port[K2, A]{b: a.from.b, n: a.n, ks: ks, vs: a.as, sources: a.from.sources},
		view: view,
		sendOld: func(bool) bool {
			*a.old = true
			return true
		},
	}
	if a.named {
		t.store = a.store
	}
	return t
}

// add writes the node and its store.
func (a *aggregation[K, V, A]) add(o opener, store func() topology.Store) {
	tableStep(a.from, a.n, o, func() (*topology.Store, error) {
		s := store()
		return &s, nil
	}, nil)
}

func operatorOf(what, store string) string {
	if store == "" {
		return what
	}
	return what + " " + store
}

// aggregateTable makes a table of a grouped stream.
func aggregateTable[K, V, A any](a *aggregation[K, V, A]) *Table[K, A] {
	s := a.settings
	if s.versioned > 0 {
		a.n.Versioning = plan.Versioned
	}
	a.add(processor(a.open), func() topology.Store {
		return tableStoreOf(specOf(a.store, s, true), s, a.from.ks, a.as)
	})
	t := a.table(a.from.ks, storeView[K, A](func() string { return a.store }))
	t.history = s.versioned
	return &Table[K, A]{t}
}

// open runs the aggregate by key: KStreamAggregate and KStreamReduce.
func (a *aggregation[K, V, A]) open(x *opening, next sink[K, change[A]]) (sink[K, V], error) {
	k := openKeeper[K, A](x, a.store, *a.old, next)
	add := a.fold.open(x.node)
	again := *a.old && !k.cached && !shareable[A]() // the callback may change the old value
	return func(r *Record[K, V]) error {
		if r.NullKey || r.NullValue {
			x.drop()
			return nil
		}
		acc, at, has, err := k.get(r.Key)
		if err != nil {
			return err
		}
		if has {
			at = max(at, r.Time)
		} else {
			at = r.Time
			if acc, has, err = a.start(); err != nil {
				return x.failed(err)
			}
		}
		old, hadOld := acc, has
		if again && has {
			if was, _, ok, err := k.get(r.Key); err != nil {
				return err
			} else if ok {
				old = was
			} else if old, hadOld, err = a.start(); err != nil {
				return x.failed(err)
			}
		}
		v, keep, err := add(acc, has, r)
		if err != nil {
			return x.failed(err)
		}
		return k.update(r.Key, v, at, keep, r.Time, old, hadOld, r.Headers)
	}, nil
}

// update keeps the new value of an aggregate. Its time is the greatest of its records, also of a deletion that is sent on or
// is a version; in other stores and behind a cache a deletion has the time of the record that caused it.
func (k *keeper[K, V]) update(key K, v V, at Time, keep bool, recordTime Time, old V, hadOld bool, h Headers) error {
	if keep || k.cached || k.versioned != nil {
		if !keep && k.versioned == nil {
			at = recordTime
		}
		return k.put(key, v, at, keep, old, hadOld, h)
	}
	if err := k.table.put(key, v, recordTime, false, h); err != nil {
		return err
	}
	k.out = Record[K, change[V]]{Key: key, Time: at, Headers: h, Value: change[V]{Latest: true}}
	if k.sendOld {
		k.out.Value.Old, k.out.Value.HasOld = old, hadOld
	}
	return forward(k.x.task, k.next, &k.out)
}
