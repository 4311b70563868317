package streams

import (
	"strings"

	"leat.dev/streams/internal/codec"
	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// Join pairs the records of both streams that have the same key and are near enough in time. Results come with the later
// record, in the order of the other side's times, and have the greater time of the two. The name is that of the nodes and
// stores, and of the topics through which a side goes whose key has changed. Records without a key or a value are dropped.
// Options: InMemory, NoChangelog, ChangelogConfig.
func (l *Stream[K, L]) Join[R, O any](name string, r *Stream[K, R], w JoinWindow, f func(L, R) O, o ...Option) *Stream[K, O] {
	return &Stream[K, O]{joinStreams("Join", name, l.port, r.port, w, innerJoin, joinedKeyless[K](bothJoined(f)), o)}
}

// LeftJoin gives the pairs of Join, and once its window and grace have passed, each left record that found no match: ok tells
// f. A left record without a key has none, and comes at once.
func (l *Stream[K, L]) LeftJoin[R, O any](name string, r *Stream[K, R], w JoinWindow, f func(l L, r R, ok bool) O, o ...Option) *Stream[K, O] {
	return &Stream[K, O]{joinStreams("LeftJoin", name, l.port, r.port, w, leftJoin, joinedKeyless[K](leftJoined(f)), o)}
}

// OuterJoin gives the pairs of Join and the records of both sides that found no match.
func (l *Stream[K, L]) OuterJoin[R, O any](name string, r *Stream[K, R], w JoinWindow, f func(Either[L, R]) O, o ...Option) *Stream[K, O] {
	return &Stream[K, O]{joinStreams("OuterJoin", name, l.port, r.port, w, outerJoin, joinedKeyless[K](f), o)}
}

// JoinKV is Join with a callback that sees the key (KIP-149).
func (l *Stream[K, L]) JoinKV[R, O any](name string, r *Stream[K, R], w JoinWindow, f func(K, L, R) O, o ...Option) *Stream[K, O] {
	both := func(k K, e Either[L, R]) O { return f(k, e.Left, e.Right) }
	return &Stream[K, O]{joinStreams("JoinKV", name, l.port, r.port, w, innerJoin, both, o)}
}

// LeftJoinKV is LeftJoin with a callback that sees the key; a null key is the zero value.
func (l *Stream[K, L]) LeftJoinKV[R, O any](name string, r *Stream[K, R], w JoinWindow, f func(k K, l L, r R, ok bool) O, o ...Option) *Stream[K, O] {
	left := func(k K, e Either[L, R]) O { return f(k, e.Left, e.Right, e.HasRight) }
	return &Stream[K, O]{joinStreams("LeftJoinKV", name, l.port, r.port, w, leftJoin, left, o)}
}

// OuterJoinKV is OuterJoin with a callback that sees the key; a null key is the zero value.
func (l *Stream[K, L]) OuterJoinKV[R, O any](name string, r *Stream[K, R], w JoinWindow, f func(K, Either[L, R]) O, o ...Option) *Stream[K, O] {
	return &Stream[K, O]{joinStreams("OuterJoinKV", name, l.port, r.port, w, outerJoin, f, o)}
}

// joinedKeyless is a callback without the key as one with it.
func joinedKeyless[K, L, R, O any](f func(Either[L, R]) O) func(K, Either[L, R]) O {
	return func(_ K, e Either[L, R]) O { return f(e) }
}

// streamJoin joins two streams within a window. Each side keeps its records in a store of its own, and looks into that of
// the other; what has found no match waits in a third, which both share.
type streamJoin[K, L, R, O any] struct {
	kind        joinKind
	f           func(K, Either[L, R]) O
	w           JoinWindow
	nulls       nilTest[O]
	names       streamJoinNames
	left, right storeOf // their stores
	outer       storeOf
	plan        *plan.Node
}

type storeOf struct {
	name  string
	store topology.Store
}

// streamJoinNames are those of the nodes, as Kafka numbers or derives them.
type streamJoinNames struct{ thisWindowed, otherWindowed, this, other, merge string }

func joinStreams[K, L, R, O any](operator, name string, l port[K, L], r port[K, R], w JoinWindow, kind joinKind, f func(K, Either[L, R]) O, o []Option) port[K, O] {
	b := l.b
	s := b.settings(strings.TrimSpace(operator+" "+name), o, "InMemory", "NoChangelog", "ChangelogConfig")
	if name == "" {
		b.named(operator, "join")
	} else {
		operator += " " + name
		if err := topology.CheckName(name); err != nil {
			b.mistake(operator, err.Error(), "choose another name")
		}
	}
	if err := w.check(); err != nil {
		b.mistake(operator, err.Error(), "correct the window")
	}
	l = joinedSide(l, operator, name, "-left")
	r = joinedSide(r, operator, name, "-right")
	l.ks = need(b, l.ks, operator, "key")
	l.vs, r.vs = need(b, l.vs, operator, "value"), need(b, r.vs, operator, "value")
	sources := merged(l.sources, r.sources)
	b.plan.Builder().Copartition(sources...)

	j := &streamJoin[K, L, R, O]{kind: kind, f: f, w: w, nulls: newNilTest[O]()}
	j.name(b, name)
	spec := specOf("", s, false)
	spec.name = j.left.name
	j.left.store = spec.join(l.ks, l.vs, w.retention())
	spec.name = j.right.name
	j.right.store = spec.join(l.ks, r.vs, w.retention())
	if kind != innerJoin {
		spec.name = j.outer.name
		j.outer.store = spec.outer(l.ks, l.vs, r.vs)
	}
	thisWindow := &plan.Node{Name: j.names.thisWindowed}
	step(l, thisWindow, joinWindowed[K, L](j.left.name))
	otherWindow := &plan.Node{Name: j.names.otherWindowed}
	step(r, otherWindow, joinWindowed[K, R](j.right.name))
	j.plan = &plan.Node{
		Name: j.names.merge, Write: j.write, ValueChanging: true, NeedsNullKeys: kind != innerJoin,
		StreamJoin: &plan.StreamJoin{ThisWindow: thisWindow, OtherWindow: otherWindow},
	}
	b.plan.Add(j.plan, l.n, r.n)
	return port[K, O]{b: b, n: j.plan, ks: l.ks, vs: serdeFor[O](b, l.vs), sources: sources}
}

// joinedSide repartitions a side if its key changed.
func joinedSide[K, V any](p port[K, V], operator, name, suffix string) port[K, V] {
	through := p.n.Name
	if name != "" {
		through = name + suffix
	}
	return repartitionedForJoin(p, operator, through)
}

// name takes the join's names and numbers in Kafka's order.
func (j *streamJoin[K, L, R, O]) name(b *Builder, given string) {
	thisPrefix, thisSuffix := "KSTREAM-JOINTHIS-", "-this-join"
	otherPrefix, otherSuffix := "KSTREAM-JOINOTHER-", "-other-join"
	if j.kind == outerJoin {
		thisPrefix, thisSuffix = "KSTREAM-OUTERTHIS-", "-outer-this-join"
	}
	if j.kind != innerJoin {
		otherPrefix, otherSuffix = "KSTREAM-OUTEROTHER-", "-outer-other-join"
	}
	n := &j.names
	n.thisWindowed = b.nodeName(suffixed(given, "-this-windowed"), "KSTREAM-WINDOWED-")
	n.otherWindowed = b.nodeName(suffixed(given, "-other-windowed"), "KSTREAM-WINDOWED-")
	n.this, n.other = b.plan.Name(thisPrefix), b.plan.Name(otherPrefix)
	j.left.name, j.right.name = n.this+"-store", n.other+"-store"
	j.outer.name = "KSTREAM-OUTERSHARED-" + strings.TrimPrefix(n.this, thisPrefix) + "-store"
	n.merge = b.nodeName(suffixed(given, "-merge"), "KSTREAM-MERGE-")
	if given == "" {
		return
	}
	n.this, n.other = given+thisSuffix, given+otherSuffix
	j.left.name, j.right.name = given+thisSuffix+"-store", given+otherSuffix+"-store"
	if j.kind == leftJoin {
		j.outer.name = given + "-left-shared-join-store"
	} else {
		j.outer.name = given + "-outer-shared-join-store"
	}
}

func (j *streamJoin[K, L, R, O]) write(b *topology.Builder, _ []string) error {
	n := j.names
	if j.plan.SelfJoin {
		b.AddProcessor(n.merge, processor(j.openSelf), n.thisWindowed)
		b.AddStore(j.left.store, n.thisWindowed, n.merge)
		return nil
	}
	b.AddProcessor(n.this, processor(j.openLeft), n.thisWindowed)
	b.AddProcessor(n.other, processor(j.openRight), n.otherWindowed)
	b.AddProcessor(n.merge, processor(pass[K, O]), n.this, n.other)
	b.AddStore(j.left.store, n.thisWindowed, n.other)
	b.AddStore(j.right.store, n.otherWindowed, n.this)
	if j.kind != innerJoin {
		b.AddStore(j.outer.store, n.this, n.other)
	}
	return nil
}

// joinWindowed lets the other side be searched first, and then keeps the record for it. Nothing is found under a null key.
func joinWindowed[K, V any](store string) func(x *opening, next sink[K, V]) (sink[K, V], error) {
	return func(x *opening, next sink[K, V]) (sink[K, V], error) {
		kept := x.store(store).(*joinStore[K, V])
		return func(r *Record[K, V]) error {
			if err := next(r); err != nil || r.NullKey {
				return err
			}
			return kept.put(r.Key, r.Value, r.Time, !r.NullValue, r.Headers)
		}, nil
	}
}

func (j *streamJoin[K, L, R, O]) openLeft(x *opening, next sink[K, O]) (sink[K, L], error) {
	s := &joinSide[K, L, R, L, R, O]{
		j: j, joinNode: j.node(x, next), side: codec.Left, before: millis(j.w.before), after: millis(j.w.after), alone: j.kind != innerJoin,
		other: x.store(j.right.name).(*joinStore[K, R]),
		pair:  func(l L, r R, hasR bool) Either[L, R] { return Either[L, R]{l, r, true, hasR} },
	}
	if s.outer != nil {
		s.hold = s.outer.putLeft
	}
	return s.take, nil
}

func (j *streamJoin[K, L, R, O]) openRight(x *opening, next sink[K, O]) (sink[K, R], error) {
	s := &joinSide[K, R, L, L, R, O]{
		j: j, joinNode: j.node(x, next), side: codec.Right, before: millis(j.w.after), after: millis(j.w.before), alone: j.kind == outerJoin,
		other: x.store(j.left.name).(*joinStore[K, L]),
		pair:  func(r R, l L, hasL bool) Either[L, R] { return Either[L, R]{l, r, hasL, true} },
	}
	if s.outer != nil {
		s.hold = s.outer.putRight
	}
	return s.take, nil
}
