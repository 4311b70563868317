package streams

import (
	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// Join is the table of the rows that are in both: f makes the value. The topics of both must have the same number of
// partitions. Options: Named, Materialize and, with it, those of stores.
func (l *Table[K, L]) Join[R, O any](r *Table[K, R], f func(L, R) O, o ...Option) *Table[K, O] {
	return &Table[K, O]{joinTables(l.table, r.table, "Join", innerJoin, bothJoined(f), o)}
}

// LeftJoin is the table of all rows of l, with those of r where they are: ok tells f.
func (l *Table[K, L]) LeftJoin[R, O any](r *Table[K, R], f func(l L, r R, ok bool) O, o ...Option) *Table[K, O] {
	return &Table[K, O]{joinTables(l.table, r.table, "LeftJoin", leftJoin, leftJoined(f), o)}
}

// OuterJoin is the table of the rows of either.
func (l *Table[K, L]) OuterJoin[R, O any](r *Table[K, R], f func(Either[L, R]) O, o ...Option) *Table[K, O] {
	return &Table[K, O]{joinTables(l.table, r.table, "OuterJoin", outerJoin, f, o)}
}

type joinKind uint8

const (
	innerJoin joinKind = iota
	leftJoin
	outerJoin
)

// The callbacks of inner and left joins as those of outer ones.

func bothJoined[L, R, O any](f func(L, R) O) func(Either[L, R]) O {
	return func(e Either[L, R]) O { return f(e.Left, e.Right) }
}

func leftJoined[L, R, O any](f func(L, R, bool) O) func(Either[L, R]) O {
	return func(e Either[L, R]) O { return f(e.Left, e.Right, e.HasRight) }
}

// tableJoin joins two tables by their key. Each side looks up the other.
type tableJoin[K, L, R, O any] struct {
	kind  joinKind
	f     func(Either[L, R]) O
	left  table[K, L]
	right table[K, R]
	nulls nilTest[O]
	old   bool // old results were asked for
	n     *plan.Node
	store string
}

func joinTables[K, L, R, O any](l table[K, L], r table[K, R], operator string, kind joinKind, f func(Either[L, R]) O, o []Option) table[K, O] {
	b := l.b
	s := b.settings(operator, o, append([]string{"Named", "Materialize"}, tableOptions...)...)
	if s.name != "" {
		operator += " " + s.name
	}
	j := &tableJoin[K, L, R, O]{kind: kind, f: f, left: l, right: r, nulls: newNilTest[O](), store: s.store}
	mergeName := b.nodeName(s.name, "KTABLE-MERGE-")
	if kind != innerJoin {
		l.sendOld(true)
	}
	if kind == outerJoin {
		r.sendOld(true)
	}
	thisName, otherName := b.nodeName(suffixed(s.name, "-join-this"), "KTABLE-JOINTHIS-"), b.nodeName(suffixed(s.name, "-join-other"), "KTABLE-JOINOTHER-")
	l.view.need()
	r.view.need()
	j.n = &plan.Node{Name: mergeName, Versioning: plan.Unversioned}
	out := port[K, O]{b: b, n: j.n, ks: l.ks, vs: serdeFor[O](b, l.vs), sources: merged(l.sources, r.sources)}
	made := table[K, O]{port: out, store: s.store, sendOld: j.sendOld}
	var add *topology.Store
	if s.store != "" {
		out.ks, out.vs = need(b, out.ks, operator, "key"), need(b, out.vs, operator, "value")
		made.port, made.history = out, s.versioned
		if s.versioned > 0 {
			j.n.Versioning = plan.Versioned
		}
		st := tableStoreOf(specOf(s.store, s, true), s, out.ks, out.vs)
		add = &st
		made.view = storeView[K, O](func() string { return s.store })
	} else {
		made.view = j.view()
	}
	j.n.Write = func(tb *topology.Builder, parents []string) error {
		this, other := parents[0], parents[len(parents)-1] // one and the same when a table is joined with itself
		tb.AddProcessor(thisName, processor(j.openLeft), this)
		tb.AddProcessor(otherName, processor(j.openRight), other)
		tb.AddProcessor(mergeName, processor(j.openMerge), thisName, otherName)
		tb.ConnectStores(thisName, r.view.stores()...)
		tb.ConnectStores(otherName, l.view.stores()...)
		if add != nil {
			tb.AddStore(*add, mergeName)
		}
		return nil
	}
	b.plan.Add(j.n, l.n, r.n)
	b.plan.Builder().Copartition(out.sources...)
	return made
}

func (j *tableJoin[K, L, R, O]) sendOld(bool) bool {
	j.left.sendOld(true)
	j.right.sendOld(true)
	j.old = true
	return true
}

// joined calls f; a nil result is no row.
func (j *tableJoin[K, L, R, O]) joined(e Either[L, R]) (o O, ok bool, err error) {
	o, err = call1(j.f, e)
	return o, err == nil && !j.nulls.null(&o), err
}

// exists tells whether the result has a row for these sides.
func (j *tableJoin[K, L, R, O]) exists(hasLeft, hasRight bool) bool {
	switch j.kind {
	case innerJoin:
		return hasLeft && hasRight
	case leftJoin:
		return hasLeft
	default:
		return hasLeft || hasRight
	}
}

func (j *tableJoin[K, L, R, O]) versionedSide(side int) bool {
	if len(j.n.ParentVersioned) == 0 {
		return false
	}
	return j.n.ParentVersioned[min(side, len(j.n.ParentVersioned)-1)]
}

// openLeft takes updates of the left table.
func (j *tableJoin[K, L, R, O]) openLeft(x *opening, next sink[K, change[O]]) (sink[K, change[L]], error) {
	other, err := j.right.view.open(x)
	if err != nil {
		return nil, err
	}
	side := func(l L, hasL bool, r R, hasR bool) Either[L, R] { return Either[L, R]{l, r, hasL, hasR} }
	return openSide(x, j, other.get, side, j.versionedSide(0), j.kind != innerJoin, next), nil
}

// openRight takes updates of the right table: those that nothing on the left waits for change nothing, unless the join is outer.
func (j *tableJoin[K, L, R, O]) openRight(x *opening, next sink[K, change[O]]) (sink[K, change[R]], error) {
	other, err := j.left.view.open(x)
	if err != nil {
		return nil, err
	}
	side := func(r R, hasR bool, l L, hasL bool) Either[L, R] { return Either[L, R]{l, r, hasL, hasR} }
	return openSide(x, j, other.get, side, j.versionedSide(1), j.kind == outerJoin, next), nil
}

// openSide takes updates of one side (T) and looks up the other (U). alone tells whether there are results without the other.
func openSide[K, T, U, L, R, O any](x *opening, j *tableJoin[K, L, R, O], other value[K, U], side func(T, bool, U, bool) Either[L, R], versioned, alone bool, next sink[K, change[O]]) sink[K, change[T]] {
	var out Record[K, change[O]]
	return func(r *Record[K, change[T]]) error {
		c := &r.Value
		if r.NullKey || versioned && !c.Latest {
			x.drop()
			return nil
		}
		u, at, has, err := other(r.Key)
		if err != nil {
			return x.failed(err)
		}
		if !has {
			if !alone || !c.HasNew && !c.HasOld {
				return nil
			}
			at = -1
		}
		made := change[O]{Latest: c.Latest}
		if e := side(c.New, c.HasNew, u, has); j.exists(e.HasLeft, e.HasRight) {
			if made.New, made.HasNew, err = j.joined(e); err != nil {
				return x.failed(err)
			}
		}
		if e := side(c.Old, c.HasOld, u, has); j.old && j.exists(e.HasLeft, e.HasRight) {
			if made.Old, made.HasOld, err = j.joined(e); err != nil {
				return x.failed(err)
			}
		}
		out = Record[K, change[O]]{Key: r.Key, Value: made, Time: max(r.Time, at), Headers: r.Headers}
		return forward(x.task, next, &out)
	}
}

// openMerge sends on what both sides found, through the store where there is one.
func (j *tableJoin[K, L, R, O]) openMerge(x *opening, next sink[K, change[O]]) (sink[K, change[O]], error) {
	if j.store == "" {
		return next, nil
	}
	k := openKeeper[K, O](x, j.store, j.old, next)
	return func(r *Record[K, change[O]]) error {
		c := &r.Value
		return k.put(r.Key, c.New, r.Time, c.HasNew, c.Old, c.HasOld, r.Headers)
	}, nil
}

// view computes a row of the result from both sides.
func (j *tableJoin[K, L, R, O]) view() *viewer[K, O] {
	return &viewer[K, O]{
		need:   func() {},
		stores: func() []string { return append(append([]string{}, j.left.view.stores()...), j.right.view.stores()...) },
		open: func(x *opening) (view[K, O], error) {
			left, err := j.left.view.open(x)
			if err != nil {
				return view[K, O]{}, err
			}
			right, err := j.right.view.open(x)
			return view[K, O]{get: func(k K) (o O, at Time, ok bool, err error) {
				var e Either[L, R]
				var leftAt, rightAt Time
				if e.Left, leftAt, e.HasLeft, err = left.get(k); err != nil || !e.HasLeft && j.kind != outerJoin {
					return o, 0, false, err
				}
				if e.Right, rightAt, e.HasRight, err = right.get(k); err != nil || !j.exists(e.HasLeft, e.HasRight) {
					return o, 0, false, err
				}
				if !e.HasLeft {
					leftAt = -1
				}
				if !e.HasRight {
					rightAt = -1
				}
				o, ok, err = j.joined(e)
				return o, max(leftAt, rightAt), ok, err
			}}, err
		},
	}
}
