package streams

import (
	"math"
	"time"

	"leat.dev/streams/internal/topology"
)

// WGrouped aggregates into time windows: each key has a value in each window that holds records of it. Results have the
// greatest time of their records.
//
// A record is late for a window when the window's end has passed by its grace, as far as stream time goes at this operator:
// it is then dropped, and counted, for that window. Records without a key are dropped; null values reach callbacks as they
// do in streams, and count (sliding windows drop them). Windows of the past are kept as long as size and grace, or
// Retention, say.
type WGrouped[K, V any] struct {
	of    *Grouped[K, V]
	w     Windows
	final bool
}

// EmitFinal sends one result for each window, when it closes; else every update is sent (KIP-825). A window closes when a
// record moves stream time past its end and grace; see EmitIdle for closing without records. In Kafka Streams results are
// lost where time jumps by more than the retention; here none is.
func (g *WGrouped[K, V]) EmitFinal() *WGrouped[K, V] {
	return &WGrouped[K, V]{g.of, g.w, true}
}

// Count counts the records of each key and window. Options: Named, Retention, Slices, EmitIdle and those of stores.
func (g *WGrouped[K, V]) Count[S Name](store S, o ...Option) *WTable[K, int64] {
	operator := operatorOf("Count", string(store))
	s := g.of.b.settings(operator, o, and(windowOptions, "Slices", "EmitIdle")...)
	a := g.of.prepare(operator, "KSTREAM-AGGREGATE-", string(store), Int64, countFold[K, V](), s)
	return aggregateWindows(a, g.w, g.final)
}

// Reduce puts the values of each key and window together by f; the first is taken as it is. A nil that f returns removes
// the result. Options: Named, Retention, Slices, EmitIdle and those of stores.
func (g *WGrouped[K, V]) Reduce[S Name](store S, f func(acc, v V) V, o ...Option) *WTable[K, V] {
	operator := operatorOf("Reduce", string(store))
	s := g.of.b.settings(operator, o, and(windowOptions, "Slices", "EmitIdle")...)
	a := g.of.prepare(operator, "KSTREAM-REDUCE-", string(store), g.of.vs, reduceFold[K](f), s)
	return aggregateWindows(a, g.w, g.final)
}

// Aggregate puts the values of each key and window into an A, which begins as its zero value, or as Init says. A nil that f
// returns removes the result. Options: Init, Named, Retention, Slices, EmitIdle and those of stores.
func (g *WGrouped[K, V]) Aggregate[A any](store string, as Serde[A], f func(A, V) A, o ...Option) *WTable[K, A] {
	operator := operatorOf("Aggregate", store)
	s := g.of.b.settings(operator, o, and(windowOptions, "Init", "Slices", "EmitIdle")...)
	a := g.of.prepare(operator, "KSTREAM-AGGREGATE-", store, as, valueFold[K](f, startOf[A](g.of.b, operator, s)), s)
	return aggregateWindows(a, g.w, g.final)
}

// AggregateKV is Aggregate with the key.
func (g *WGrouped[K, V]) AggregateKV[A any](store string, as Serde[A], f func(K, A, V) A, o ...Option) *WTable[K, A] {
	operator := operatorOf("AggregateKV", store)
	s := g.of.b.settings(operator, o, and(windowOptions, "Init", "Slices", "EmitIdle")...)
	a := g.of.prepare(operator, "KSTREAM-AGGREGATE-", store, as, pairFold(f, startOf[A](g.of.b, operator, s)), s)
	return aggregateWindows(a, g.w, g.final)
}

// TryAggregate is the full form: it may fail, and keep=false removes the result. Options: as for Aggregate, but for Slices.
func (g *WGrouped[K, V]) TryAggregate[A any](store string, as Serde[A], f func(c Ctx, acc A, r Record[K, V]) (a A, keep bool, err error), o ...Option) *WTable[K, A] {
	operator := operatorOf("TryAggregate", store)
	s := g.of.b.settings(operator, o, and(windowOptions, "Init", "EmitIdle")...)
	a := g.of.prepare(operator, "KSTREAM-AGGREGATE-", store, as, recordFold(f, startOf[A](g.of.b, operator, s)), s)
	return aggregateWindows(a, g.w, g.final)
}

// windowAggregate is an aggregate into time windows.
type windowAggregate[K, V, A any] struct {
	*aggregation[K, V, A]
	w         Windows
	final     bool
	size      Time // of unlimited windows: the end of time
	advance   Time
	grace     Time
	retention Time
	idle      idling
}

func aggregateWindows[K, V, A any](a *aggregation[K, V, A], w Windows, final bool) *WTable[K, A] {
	g := newWindowAggregate(a, w, final)
	if merge := sliceMerge[A](a.from.b, a.operator, w, a.settings); merge != nil {
		return aggregateSlices(g, merge)
	}
	g.add(processor(g.open), g.windowStore)
	return g.windows()
}

func newWindowAggregate[K, V, A any](a *aggregation[K, V, A], w Windows, final bool) *windowAggregate[K, V, A] {
	b, s := a.from.b, a.settings
	retention := w.check(b, a.operator, final, s)
	g := &windowAggregate[K, V, A]{
		aggregation: a, w: w, final: final, size: millis(w.size), advance: millis(w.advance), grace: millis(w.grace),
		retention: millis(retention), idle: idlingOf(b, a.operator, final, s),
	}
	if w.kind == unlimitedWindows {
		g.size, g.retention = math.MaxInt64, math.MaxInt64
	}
	return g
}

// windows is the table.
func (g *windowAggregate[K, V, A]) windows() *WTable[K, A] {
	return g.windowsOf(&viewer[Windowed[K], A]{
		need: func() {}, stores: func() []string { return []string{g.store} },
		open: func(x *opening) (view[Windowed[K], A], error) {
			s := x.store(g.store).(*windowStore[K, A])
			return view[Windowed[K], A]{get: func(w Windowed[K]) (A, Time, bool, error) { return s.fetch(w.Key, w.Start) }}, nil
		},
	})
}

func (g *windowAggregate[K, V, A]) windowsOf(v *viewer[Windowed[K], A]) *WTable[K, A] {
	keys := windowedSerde[K]{g.from.ks, int64(g.size)}
	return &WTable[K, A]{
		g.table(Serde[Windowed[K]](keys), v),
		windowed[K]{key: g.from.ks, size: g.w.size, grace: g.w.grace, closing: g.w.kind != unlimitedWindows},
	}
}

// windowStore is where the windows are kept.
func (g *windowAggregate[K, V, A]) windowStore() topology.Store {
	spec := specOf(g.store, g.settings, !g.final || g.w.kind == timeWindows)
	spec.timeFirst = g.final
	return windowStoreOf(spec, g.from.ks, g.as, g.size, g.retention, nil)
}

func windowStoreOf[K, A any](spec storeSpec, ks Serde[K], as Serde[A], size, retention Time, sliced *slicing[A]) topology.Store {
	s := spec.store(topology.Window, time.Duration(math.MaxInt64), func(b *storeBase) (taskStore, error) {
		made, err := openWindow(b, spec, ks, as, int64(size), int64(retention))
		if err == nil {
			made.slicing = sliced
		}
		return made, err
	})
	s.RetentionMs = int64(retention)
	return s
}

// open runs the aggregate.
func (g *windowAggregate[K, V, A]) open(x *opening, next sink[Windowed[K], change[A]]) (sink[K, V], error) {
	n := newWindowNode(x, g, next)
	if g.w.kind == slidingWindows {
		return (&slidingNode[K, V, A]{windowNode: n}).process, nil
	}
	return n.process, nil
}
