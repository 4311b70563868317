package streams

import (
	"bytes"
	"fmt"
	"sync"

	"leat.dev/streams/internal/codec"
	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// groupedTable is a table on its way to another key: its node sends changes under the new key, before they are
// repartitioned.
type groupedTable[K, V any] struct {
	port[K, V]
	name   string     // given; of the repartition topic
	shared *plan.Node // the repartition that aggregates share, once there is one
}

// groupTable selects new keys and values. A change of a row becomes a change of one row, or of two when its key changes:
// the old one first.
func groupTable[K, V, K2, V2 any](t table[K, V], ks Serde[K2], vs Serde[V2], f func(K, V) (K2, V2), o []Option) *groupedTable[K2, V2] {
	b := t.b
	s := b.settings("GroupBy", o, "Named")
	t.sendOld(true)
	n := &plan.Node{Name: b.nodeName(s.name, "KTABLE-SELECT-")}
	ks, vs = need(b, ks, "GroupBy", "key"), need(b, vs, "GroupBy", "value")
	tableStep(t.port, n, processor(func(x *opening, next sink[K2, change[V2]]) (sink[K, change[V]], error) {
		versioned := len(n.ParentVersioned) > 0 && n.ParentVersioned[0]
		return openGroupTable(x, ks, f, versioned, next), nil
	}), nil, nil)
	return &groupedTable[K2, V2]{port: port[K2, V2]{b: b, n: n, ks: ks, vs: vs, sources: t.sources}, name: s.name}
}

func openGroupTable[K, V, K2, V2 any](x *opening, ks Serde[K2], f func(K, V) (K2, V2), versioned bool, next sink[K2, change[V2]]) sink[K, change[V]] {
	type pair struct {
		k   K2
		v   V2
		key []byte
	}
	both := func(k K, v V) (p pair) {
		p.k, p.v = f(k, v)
		return p
	}
	nullKeys, nullValues := newNilTest[K2](), newNilTest[V2]()
	var keys [2][]byte
	selected := func(i int, k K, v V) (p pair, ok bool, err error) {
		if p, err = call2(both, k, v); err != nil || nullKeys.null(&p.k) || nullValues.null(&p.v) {
			return p, false, err
		}
		if keys[i], err = ks.Append(keys[i][:0], "", nil, p.k); err != nil {
			return p, false, err
		}
		p.key = keys[i]
		return p, true, nil
	}
	var out Record[K2, change[V2]]
	return func(r *Record[K, change[V]]) error {
		if versioned && !r.Value.Latest { // not counted, unlike in joins
			return nil
		}
		var before, after pair
		var hadOld, hasNew bool
		var err error
		if r.Value.HasNew {
			if after, hasNew, err = selected(0, r.Key, r.Value.New); err != nil {
				return x.failed(err)
			}
		}
		if r.Value.HasOld {
			if before, hadOld, err = selected(1, r.Key, r.Value.Old); err != nil {
				return x.failed(err)
			}
		}
		out = Record[K2, change[V2]]{Time: r.Time, Headers: r.Headers}
		if hadOld {
			out.Key, out.Value = before.k, change[V2]{Old: before.v, HasOld: true, Latest: true}
			if hasNew && bytes.Equal(before.key, after.key) {
				out.Value.New, out.Value.HasNew, hasNew = after.v, true, false
			}
			if err := next(&out); err != nil {
				return err
			}
		}
		if !hasNew {
			return nil
		}
		out.Key, out.Value = after.k, change[V2]{New: after.v, HasNew: true, Latest: true}
		return next(&out)
	}
}

// changeSerde is how changes stand on the repartition topic.
type changeSerde[V any] struct{ vs Serde[V] }

var changeBuffers = sync.Pool{New: func() any { return new([]byte) }}

func (s changeSerde[V]) Append(dst []byte, topic string, h *Headers, c change[V]) ([]byte, error) {
	scratch := changeBuffers.Get().(*[]byte)
	defer changeBuffers.Put(scratch)
	b := (*scratch)[:0]
	var err error
	split := 0
	if c.HasNew {
		if b, err = s.vs.Append(b, topic, h, c.New); err != nil {
			return dst, err
		}
		split = len(b)
	}
	if c.HasOld {
		if b, err = s.vs.Append(b, topic, h, c.Old); err != nil {
			return dst, err
		}
	}
	*scratch = b
	var after, before []byte
	if c.HasNew {
		after = notNil(b[:split:split])
	}
	if c.HasOld {
		before = notNil(b[split:])
	}
	return codec.AppendChange(dst, after, before), nil
}

func (s changeSerde[V]) Decode(b []byte, topic string, h Headers) (c change[V], err error) {
	parsed, err := codec.ParseChange(b)
	if err != nil {
		return c, fmt.Errorf("a change from topic %s: %w", topic, err)
	}
	c.Latest = parsed.Latest
	if c.HasNew = parsed.New != nil; c.HasNew {
		if c.New, err = s.vs.Decode(parsed.New, topic, h); err != nil {
			return c, err
		}
	}
	if c.HasOld = parsed.Old != nil; c.HasOld {
		c.Old, err = s.vs.Decode(parsed.Old, topic, h)
	}
	return c, err
}

// byKey is the table's changes, partitioned by the new key.
func (g *groupedTable[K, V]) byKey(store, named string) *plan.Node {
	sinkName := g.b.nodeName(suffixed(named, "-sink"), "KSTREAM-SINK-")
	sourceName := g.b.nodeName(suffixed(named, "-source"), "KSTREAM-SOURCE-")
	if g.shared != nil {
		return g.shared
	}
	name := store
	if g.name != "" {
		name = g.name
	}
	topic := name + "-repartition"
	n := &plan.Node{Name: sourceName, Repartition: &plan.Repartition{Topic: topic}}
	cs := changeSerde[V]{g.vs}
	to := target[K, change[V]]{topic: topic, internal: true, ks: g.ks, vs: cs}
	n.Write = func(b *topology.Builder, parents []string) error {
		b.AddInternalTopic(topology.InternalTopic{Name: topic})
		b.AddSink(topology.Sink{Name: sinkName, Topic: topic, Open: opener(to.open)}, parents...)
		b.AddSource(topology.Source{Name: sourceName, Topics: []string{topic}, Internal: true, Open: openSource(g.ks, Serde[change[V]](cs), nil)})
		return nil
	}
	g.b.plan.Add(n, g.n)
	if g.name != "" {
		g.shared = n
	}
	return n
}

// GroupedTable is a table ready to be aggregated by another key. Its aggregates need to undo: sub takes the value that a row
// had before out again, add puts in the one it has now. When a row moves from one key to another, both results are sent, the
// one without it first. The changes go through a repartition topic with the store's name, or that of Named.
type GroupedTable[K, V any] struct{ *groupedTable[K, V] }

// Count counts the rows of each key. Options: Named, Versioned and those of stores.
func (g *GroupedTable[K, V]) Count[S Name](store S, o ...Option) *Table[K, int64] {
	operator := operatorOf("Count", string(store))
	s := g.b.settings(operator, o, aggregateOptions...)
	one := func(V) (int64, bool, error) { return 1, true, nil }
	return aggregateChanges(g.groupedTable, operator, "KTABLE-AGGREGATE-", string(store), Int64, one,
		func(n int64, _ V) int64 { return n + 1 }, func(n int64, _ V) int64 { return n - 1 }, s)
}

// Reduce puts the values of each key together by add; the first is taken as it is. A nil that add or sub returns deletes the
// row. Options: Named, Versioned and those of stores.
func (g *GroupedTable[K, V]) Reduce[S Name](store S, add, sub func(acc, v V) V, o ...Option) *Table[K, V] {
	operator := operatorOf("Reduce", string(store))
	s := g.b.settings(operator, o, aggregateOptions...)
	itself := func(v V) (V, bool, error) { return v, true, nil }
	return aggregateChanges(g.groupedTable, operator, "KTABLE-REDUCE-", string(store), g.vs, itself, add, sub, s)
}

// Aggregate puts the values of each key into an A, which begins as its zero value, or as Init says. A nil that add or sub
// returns deletes the row. Options: Init, Named, Versioned and those of stores.
func (g *GroupedTable[K, V]) Aggregate[A any](store string, as Serde[A], add, sub func(A, V) A, o ...Option) *Table[K, A] {
	operator := operatorOf("Aggregate", store)
	s := g.b.settings(operator, o, and(aggregateOptions, "Init")...)
	start, nulls := startOf[A](g.b, operator, s), newNilTest[A]()
	first := func(v V) (A, bool, error) {
		acc, _, err := start()
		if err != nil {
			return acc, false, err
		}
		acc, err = call2(add, acc, v)
		return acc, !nulls.null(&acc), err
	}
	return aggregateChanges(g.groupedTable, operator, "KTABLE-AGGREGATE-", store, as, first, add, sub, s)
}

// aggregateChanges adds the aggregate. first makes one of the first value.
func aggregateChanges[K, V, A any](g *groupedTable[K, V], operator, prefix, store string, as Serde[A], first func(V) (A, bool, error), add, sub func(A, V) A, s *settings) *Table[K, A] {
	a := &aggregation[K, V, A]{operator: operator, settings: s, named: store != "", old: new(bool)}
	a.store = g.b.storeName(store, operator, prefix)
	a.from = g.port.at(g.byKey(a.store, s.name))
	a.from.sources = []string{a.from.n.Name}
	a.n = &plan.Node{Name: g.b.nodeName(s.name, prefix), Versioning: plan.Unversioned}
	a.as = need(g.b, as, operator, "value")
	if s.versioned > 0 {
		a.n.Versioning = plan.Versioned
	}
	a.add(processor(func(x *opening, next sink[K, change[A]]) (sink[K, change[V]], error) {
		return openChanges(x, a, first, add, sub, next), nil
	}), func() topology.Store { return tableStoreOf(specOf(a.store, s, true), s, a.from.ks, a.as) })
	t := a.table(a.from.ks, storeView[K, A](func() string { return a.store }))
	t.history = s.versioned
	return &Table[K, A]{t}
}

// openChanges runs the aggregate: KTableAggregate and KTableReduce.
func openChanges[K, V, A any](x *opening, a *aggregation[K, V, A], first func(V) (A, bool, error), add, sub func(A, V) A, next sink[K, change[A]]) sink[K, change[V]] {
	k := openKeeper[K, A](x, a.store, *a.old, next)
	again := *a.old && !k.cached && !shareable[A]() // the callbacks may change the old value
	nulls := newNilTest[A]()
	return func(r *Record[K, change[V]]) error {
		if r.NullKey {
			x.drop()
			return nil
		}
		acc, kept, has, err := k.get(r.Key)
		if err != nil {
			return err
		}
		old, hadOld, at := acc, has, r.Time
		if again && has {
			if old, _, _, err = k.get(r.Key); err != nil {
				return err
			}
		}
		if r.Value.HasOld && has {
			if acc, err = call2(sub, acc, r.Value.Old); err != nil {
				return x.failed(err)
			}
			has, at = !nulls.null(&acc), max(at, kept)
		}
		if r.Value.HasNew {
			if has {
				acc, err = call2(add, acc, r.Value.New)
				has = !nulls.null(&acc)
			} else {
				acc, has, err = first(r.Value.New)
			}
			if err != nil {
				return x.failed(err)
			}
			if hadOld {
				at = max(at, kept)
			}
		}
		return k.update(r.Key, acc, at, has, r.Time, old, hadOld, r.Headers)
	}
}
