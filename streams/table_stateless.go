package streams

import (
	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// tableMapper makes a table's value of another: ok=false says that the row is not there. Callbacks never see null.
type tableMapper[K, V, W any] func(x *opening) func(k K, v V) (w W, ok bool, err error)

// mapTable derives a table row by row. With a store it can be queried, and old values come from the store; without, old
// values are mapped again, and readers map what they read.
type mapTable[K, V, W any] struct {
	from     table[K, V]
	operator string
	n        *plan.Node
	f        tableMapper[K, V, W]
	filters  bool
	vs       Serde[W] // of the result, if one was named
	withNull bool     // f is called where there is no row too
	store    string
	old      bool
	settings *settings
}

func tableMap[K, V, W any](t table[K, V], operator, prefix string, f tableMapper[K, V, W], filters bool, o []Option) table[K, W] {
	s := t.b.settings(operator, o, append([]string{"Named", "Materialize"}, tableOptions...)...)
	m := &mapTable[K, V, W]{from: t, operator: operator, f: f, filters: filters, store: s.store, settings: s}
	if len(s.given) > 0 && s.store == "" && (len(s.given) > 1 || s.name == "") {
		t.b.mistake(operator, "options of a store are given without a store", "name it by Materialize")
	}
	return derive(m, prefix, s.name, nil)
}

// derive adds the node. stores are those the callback uses.
func derive[K, V, W any](m *mapTable[K, V, W], prefix, name string, stores []string) table[K, W] {
	t, s := m.from, m.settings
	operator := m.operator
	m.n = &plan.Node{Name: t.b.nodeName(name, prefix)}
	out := port[K, W]{b: t.b, n: m.n, ks: t.ks, vs: serdeFor[W](t.b, t.vs), sources: t.sources}
	if m.vs != nil {
		out.vs = m.vs
	}
	if m.filters { // spares needless tombstones where old values are to be had anyway
		m.old = t.sendOld(false)
	}
	var add func() (*topology.Store, error)
	if m.store != "" {
		ks, vs := need(t.b, out.ks, operator, "key"), need(t.b, out.vs, operator, "value")
		out.ks, out.vs = ks, vs
		m.n.Versioning = plan.Unversioned
		if s.versioned > 0 {
			m.n.Versioning = plan.Versioned
		}
		add = func() (*topology.Store, error) {
			st := tableStoreOf(specOf(m.store, s, true), s, ks, vs)
			return &st, nil
		}
	}
	tableStep(t.port, m.n, processor(m.open), add, func() []string { return stores })
	made := table[K, W]{port: out, store: m.store, sendOld: m.sendOld, history: t.history}
	if m.store != "" {
		made.history = s.versioned
		made.view = storeView[K, W](func() string { return m.store })
	} else {
		made.view = &viewer[K, W]{open: m.read, need: t.view.need, stores: func() []string { return append(t.view.stores(), stores...) }}
	}
	return made
}

func (m *mapTable[K, V, W]) sendOld(force bool) bool {
	if m.store != "" || m.from.sendOld(force) {
		m.old = true
	}
	return m.old
}

// read is the view of a table that has no store of its own.
func (m *mapTable[K, V, W]) read(x *opening) (view[K, W], error) {
	from, err := m.from.view.open(x)
	if err != nil {
		return view[K, W]{}, err
	}
	f := m.f(&opening{node: &node{m.n.Name, x.task}, stores: x.stores})
	mapped := func(k K, v V, at Time, ok bool, err error) (w W, _ Time, _ bool, _ error) {
		if err != nil || !ok && !m.withNull {
			return w, at, false, err
		}
		w, ok, err = f(k, v)
		return w, at, ok, err
	}
	made := view[K, W]{get: func(k K) (W, Time, bool, error) {
		v, at, ok, err := from.get(k)
		return mapped(k, v, at, ok, err)
	}}
	if from.asOf != nil {
		made.asOf = func(k K, asOf Time) (W, Time, bool, error) {
			v, at, ok, err := from.asOf(k, asOf)
			return mapped(k, v, at, ok, err)
		}
	}
	return made, nil
}

func (m *mapTable[K, V, W]) open(x *opening, next sink[K, change[W]]) (sink[K, change[V]], error) {
	f := m.f(x)
	versioned := len(m.n.ParentVersioned) > 0 && m.n.ParentVersioned[0]
	var k *keeper[K, W]
	if m.store != "" {
		k = openKeeper[K, W](x, m.store, m.old, next)
	}
	var out Record[K, change[W]]
	return func(r *Record[K, change[V]]) error {
		carry(r, &out)
		c := change[W]{Latest: r.Value.Latest}
		var err error
		if r.Value.HasNew || m.withNull {
			if c.New, c.HasNew, err = f(r.Key, r.Value.New); err != nil {
				return x.failed(err)
			}
		}
		switch {
		case !m.old:
		case k != nil:
			if c.Old, _, c.HasOld, err = k.get(r.Key); err != nil {
				return err
			}
		case r.Value.HasOld || m.withNull:
			if c.Old, c.HasOld, err = f(r.Key, r.Value.Old); err != nil {
				return x.failed(err)
			}
		}
		if m.filters && m.old && !versioned && !c.HasOld && !c.HasNew {
			return nil
		}
		if k != nil {
			return k.put(r.Key, c.New, r.Time, c.HasNew, c.Old, c.HasOld, r.Headers)
		}
		out.Value = c
		return next(&out)
	}, nil
}

// The forms of callbacks on tables.

func tableTest[K, V any](f func(K, V) bool, want bool) tableMapper[K, V, V] {
	return func(*opening) func(K, V) (V, bool, error) {
		return func(k K, v V) (V, bool, error) {
			ok, err := call2(f, k, v)
			return v, ok == want && err == nil, err
		}
	}
}

func tableValue[K, V, W any](f func(K, V) W) tableMapper[K, V, W] {
	nulls := newNilTest[W]()
	return func(*opening) func(K, V) (W, bool, error) {
		return func(k K, v V) (W, bool, error) {
			w, err := call2(f, k, v)
			return w, err == nil && !nulls.null(&w), err
		}
	}
}

func ignoreKey[K, V, W any](f func(V) W) func(K, V) W { return func(_ K, v V) W { return f(v) } }

// streamOf is the stream of a table's new values, null where a row is gone.
func streamOf[K, V any](t table[K, V], o []Option) port[K, V] {
	s := t.b.settings("ToStream", o, "Named")
	n := &plan.Node{Name: t.b.nodeName(s.name, "KTABLE-TOSTREAM-")}
	tableStep(t.port, n, processor(func(_ *opening, next sink[K, V]) (sink[K, change[V]], error) {
		var out Record[K, V]
		return func(r *Record[K, change[V]]) error {
			carry(r, &out)
			out.Value, out.NullValue = r.Value.New, !r.Value.HasNew
			return next(&out)
		}, nil
	}), nil, nil)
	return t.port.at(n)
}
