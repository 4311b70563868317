package streams

import (
	"time"

	"leat.dev/streams/internal/topology"
)

// SGrouped aggregates into sessions: runs of records of a key of which none is further from the next than the gap. A record
// that falls between two sessions makes one of them, by the aggregate's merge. Results have the time of their session's end.
//
// A record is late when the session it would be in ended before stream time at this operator, less gap and grace: it is
// then dropped and counted. Records without a key are dropped; null values reach callbacks as they do in streams, and count.
type SGrouped[K, V any] struct {
	of    *Grouped[K, V]
	w     Sessions
	final bool
}

// EmitFinal sends one result for each session, when it closes; else every update is sent, with a deletion for each session
// that became part of a longer one. See WGrouped.EmitFinal.
func (g *SGrouped[K, V]) EmitFinal() *SGrouped[K, V] {
	return &SGrouped[K, V]{g.of, g.w, true}
}

// Count counts the records of each session. Options: Named, Retention, EmitIdle and those of stores.
func (g *SGrouped[K, V]) Count[S Name](store S, o ...Option) *WTable[K, int64] {
	operator := operatorOf("Count", string(store))
	s := g.of.b.settings(operator, o, and(sessionOptions, "EmitIdle")...)
	a := g.of.prepare(operator, "KSTREAM-AGGREGATE-", string(store), Int64, countFold[K, V](), s)
	return aggregateSessions(a, g.w, g.final, func(*node) merger[K, int64] {
		return func(_ K, a, b int64) (int64, bool, error) { return a + b, true, nil }
	})
}

// Reduce puts the values of each session together by f; the first is taken as it is. f also puts two sessions together.
// Options: Named, Retention, EmitIdle and those of stores.
func (g *SGrouped[K, V]) Reduce[S Name](store S, f func(acc, v V) V, o ...Option) *WTable[K, V] {
	operator := operatorOf("Reduce", string(store))
	s := g.of.b.settings(operator, o, and(sessionOptions, "EmitIdle")...)
	a := g.of.prepare(operator, "KSTREAM-REDUCE-", string(store), g.of.vs, reduceFold[K](f), s)
	return aggregateSessions(a, g.w, g.final, valueMerge[K](f))
}

// Aggregate puts the values of each session into an A, which begins as its zero value, or as Init says; merge puts two
// sessions together, of which the first may be such a beginning. A nil that f returns removes the session. Options: Init,
// Named, Retention, EmitIdle and those of stores.
func (g *SGrouped[K, V]) Aggregate[A any](store string, as Serde[A], f func(A, V) A, merge func(A, A) A, o ...Option) *WTable[K, A] {
	operator := operatorOf("Aggregate", store)
	s := g.of.b.settings(operator, o, and(sessionOptions, "Init", "EmitIdle")...)
	a := g.of.prepare(operator, "KSTREAM-AGGREGATE-", store, as, valueFold[K](f, startOf[A](g.of.b, operator, s)), s)
	return aggregateSessions(a, g.w, g.final, valueMerge[K](merge))
}

// AggregateKV is Aggregate with the key.
func (g *SGrouped[K, V]) AggregateKV[A any](store string, as Serde[A], f func(K, A, V) A, merge func(K, A, A) A, o ...Option) *WTable[K, A] {
	operator := operatorOf("AggregateKV", store)
	s := g.of.b.settings(operator, o, and(sessionOptions, "Init", "EmitIdle")...)
	a := g.of.prepare(operator, "KSTREAM-AGGREGATE-", store, as, pairFold(f, startOf[A](g.of.b, operator, s)), s)
	return aggregateSessions(a, g.w, g.final, pairMerge(merge))
}

// TryAggregate is the full form: both callbacks may fail, keep=false removes the session. If one fails, the sessions there
// are stay as they were.
func (g *SGrouped[K, V]) TryAggregate[A any](store string, as Serde[A], f func(c Ctx, acc A, r Record[K, V]) (a A, keep bool, err error), merge func(c Ctx, k K, a, b A) (A, error), o ...Option) *WTable[K, A] {
	operator := operatorOf("TryAggregate", store)
	s := g.of.b.settings(operator, o, and(sessionOptions, "Init", "EmitIdle")...)
	a := g.of.prepare(operator, "KSTREAM-AGGREGATE-", store, as, recordFold(f, startOf[A](g.of.b, operator, s)), s)
	nulls := newNilTest[A]()
	return aggregateSessions(a, g.w, g.final, func(n *node) merger[K, A] {
		c := Ctx(n.ctx())
		return func(k K, a, b A) (A, bool, error) {
			m, err := callTry3(func(k K, a, b A) (A, error) { return merge(c, k, a, b) }, k, a, b)
			return m, !nulls.null(&m), err
		}
	})
}

// merger puts two sessions of a key together; ok=false says that there is no value.
type merger[K, A any] func(k K, a, b A) (merged A, ok bool, err error)

func valueMerge[K, A any](f func(A, A) A) func(*node) merger[K, A] {
	nulls := newNilTest[A]()
	return func(*node) merger[K, A] {
		return func(_ K, a, b A) (A, bool, error) {
			m, err := call2(f, a, b)
			return m, !nulls.null(&m), err
		}
	}
}

func pairMerge[K, A any](f func(K, A, A) A) func(*node) merger[K, A] {
	nulls := newNilTest[A]()
	return func(*node) merger[K, A] {
		return func(k K, a, b A) (A, bool, error) {
			m, err := call3(f, k, a, b)
			return m, !nulls.null(&m), err
		}
	}
}

// sessionAggregate is an aggregate into sessions.
type sessionAggregate[K, V, A any] struct {
	*aggregation[K, V, A]
	merge      func(*node) merger[K, A]
	final      bool
	gap, grace Time
	retention  Time
	idle       idling
}

func aggregateSessions[K, V, A any](a *aggregation[K, V, A], w Sessions, final bool, merge func(*node) merger[K, A]) *WTable[K, A] {
	g := newSessionAggregate(a, w, final, merge)
	g.add(processor(g.open), g.sessionStore)
	return g.sessions(w)
}

func newSessionAggregate[K, V, A any](a *aggregation[K, V, A], w Sessions, final bool, merge func(*node) merger[K, A]) *sessionAggregate[K, V, A] {
	b, s := a.from.b, a.settings
	retention := w.check(b, a.operator, s)
	return &sessionAggregate[K, V, A]{
		aggregation: a, merge: merge, final: final, gap: millis(w.gap), grace: millis(w.grace), retention: millis(retention),
		idle: idlingOf(b, a.operator, final, s),
	}
}

func (g *sessionAggregate[K, V, A]) sessions(w Sessions) *WTable[K, A] {
	return &WTable[K, A]{
		g.table(SessionSerde(g.from.ks), &viewer[Windowed[K], A]{
			need: func() {}, stores: func() []string { return []string{g.store} },
			open: func(x *opening) (view[Windowed[K], A], error) {
				s := x.store(g.store).(*sessionStore[K, A])
				return view[Windowed[K], A]{get: func(w Windowed[K]) (A, Time, bool, error) {
					v, ok, err := s.get(w)
					return v, w.End, ok, err
				}}, nil
			},
		}),
		windowed[K]{key: g.from.ks, grace: w.gap + w.grace, closing: true, sessions: true},
	}
}

// sessionStore is where the sessions are kept. In memory those of final results stay 1 ms longer than Kafka's: until then a
// session that has not been sent may be needed. On disk they stay as long as their segment.
func (g *sessionAggregate[K, V, A]) sessionStore() topology.Store {
	spec := specOf(g.store, g.settings, !g.final)
	spec.timeFirst = g.final
	kept := g.retention
	if g.final && spec.inMemory {
		kept++
	}
	s := spec.store(topology.Session, time.Duration(g.retention)*time.Millisecond, func(b *storeBase) (taskStore, error) {
		return openSession(b, spec, g.from.ks, g.as, int64(kept))
	})
	s.RetentionMs = int64(g.retention)
	return s
}
