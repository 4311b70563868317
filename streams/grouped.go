package streams

// GroupByKey groups by the key there is. If it changed since it was read, the stream is repartitioned through a topic
// with Named's name, or that of the store that follows. Options: Named.
func (s *Stream[K, V]) GroupByKey(o ...Option) *Grouped[K, V] {
	set := s.b.settings("GroupByKey", o, "Named")
	return &Grouped[K, V]{port: s.port, name: set.name}
}

// GroupBy groups by a new key, which f takes from the value; ks is its serde. The stream is repartitioned through a topic
// with Named's name, or that of the store that follows. Several aggregates of one Grouped share the topic if it is named,
// else each has its own. Options: Named.
func (s *Stream[K, V]) GroupBy[K2 any](ks Serde[K2], f func(V) K2, o ...Option) *Grouped[K2, V] {
	return groupBy(s.port, "GroupBy", ks, keyOfValue[K](f), o)
}

// GroupByKV groups by a new key that f makes of key and value; else it is GroupBy.
func (s *Stream[K, V]) GroupByKV[K2 any](ks Serde[K2], f func(K, V) K2, o ...Option) *Grouped[K2, V] {
	return groupBy(s.port, "GroupByKV", ks, keyOfPair(f), o)
}

func groupBy[K, V, K2 any](p port[K, V], operator string, ks Serde[K2], f recordMapper[K, V, K2, V], o []Option) *Grouped[K2, V] {
	name := p.b.settings(operator, o, "Named").name
	return &Grouped[K2, V]{port: mapPairs(p, operator, ks, f, "KSTREAM-KEY-SELECT-", o), name: name}
}

// Grouped is a stream ready to be aggregated by key. Each aggregate is a table that is kept in a store, whose changelog
// and, unless named by Named, repartition topic bear the store's name. Records without key or value are dropped.
//
// An aggregate's time is the greatest of its records. With the record cache, which is on unless NoCache is given, updates of
// a key between two commits are sent as one.
type Grouped[K, V any] struct {
	port[K, V]
	name   string      // given; of the repartition topic
	shared *port[K, V] // the repartition that aggregates share, once there is one
}

// byKey is the stream partitioned by its key: through a topic of its own for each store, unless the grouping is named.
func (g *Grouped[K, V]) byKey(operator, store string) port[K, V] {
	if !g.rekeyed {
		return g.port
	}
	if g.name == "" {
		return repartitioned(g.port, operator, store)
	}
	if g.shared == nil {
		p := repartitioned(g.port, operator, g.name)
		g.shared = &p
	} else {
		for _, prefix := range []string{"KSTREAM-SINK-", "KSTREAM-FILTER-", "KSTREAM-SOURCE-"} {
			g.b.plan.Name(prefix) // the numbers are used up
		}
	}
	return *g.shared
}

// Count counts the records of each key. Options: Named, Versioned and those of stores.
func (g *Grouped[K, V]) Count[S Name](store S, o ...Option) *Table[K, int64] {
	operator := operatorOf("Count", string(store))
	s := g.b.settings(operator, o, aggregateOptions...)
	return aggregateTable(g.prepare(operator, "KSTREAM-AGGREGATE-", string(store), Int64, countFold[K, V](), s))
}

// Reduce puts the values of each key together by f; the first is taken as it is. A nil that f returns deletes the row, and
// the next record starts anew. Options: Named, Versioned and those of stores.
func (g *Grouped[K, V]) Reduce[S Name](store S, f func(acc, v V) V, o ...Option) *Table[K, V] {
	operator := operatorOf("Reduce", string(store))
	s := g.b.settings(operator, o, aggregateOptions...)
	return aggregateTable(g.prepare(operator, "KSTREAM-REDUCE-", string(store), g.vs, reduceFold[K](f), s))
}

// Aggregate puts the values of each key into an A, which begins as its zero value, or as Init says. A nil that f returns
// deletes the row, and the next record starts anew. Options: Init, Named, Versioned and those of stores.
func (g *Grouped[K, V]) Aggregate[A any](store string, as Serde[A], f func(A, V) A, o ...Option) *Table[K, A] {
	operator := operatorOf("Aggregate", store)
	s := g.b.settings(operator, o, and(aggregateOptions, "Init")...)
	return aggregateTable(g.prepare(operator, "KSTREAM-AGGREGATE-", store, as, valueFold[K](f, startOf[A](g.b, operator, s)), s))
}

// AggregateKV is Aggregate with the key.
func (g *Grouped[K, V]) AggregateKV[A any](store string, as Serde[A], f func(K, A, V) A, o ...Option) *Table[K, A] {
	operator := operatorOf("AggregateKV", store)
	s := g.b.settings(operator, o, and(aggregateOptions, "Init")...)
	return aggregateTable(g.prepare(operator, "KSTREAM-AGGREGATE-", store, as, pairFold(f, startOf[A](g.b, operator, s)), s))
}

// TryAggregate is the full form: it may fail, and keep=false deletes the row.
func (g *Grouped[K, V]) TryAggregate[A any](store string, as Serde[A], f func(c Ctx, acc A, r Record[K, V]) (a A, keep bool, err error), o ...Option) *Table[K, A] {
	operator := operatorOf("TryAggregate", store)
	s := g.b.settings(operator, o, and(aggregateOptions, "Init")...)
	return aggregateTable(g.prepare(operator, "KSTREAM-AGGREGATE-", store, as, recordFold(f, startOf[A](g.b, operator, s)), s))
}

// Windowed aggregates by key and time window.
func (g *Grouped[K, V]) Windowed[W WindowsWithGrace](w W) *WGrouped[K, V] {
	return &WGrouped[K, V]{of: g, w: Windows(w)}
}

// Sessions aggregates by key and session.
func (g *Grouped[K, V]) Sessions[W SessionsWithGrace](w W) *SGrouped[K, V] {
	return &SGrouped[K, V]{of: g, w: Sessions(w)}
}
