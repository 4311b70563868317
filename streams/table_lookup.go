package streams

import (
	"leat.dev/streams/internal/plan"
)

// JoinTable joins each record with the row of its key as it is at that moment; records without a row are dropped, so are
// those with a null key or value. In a versioned table the row is that of the record's time. If the key changed, the stream
// is repartitioned through a topic with Named's name. Options: Named, TableGrace.
func (s *Stream[K, V]) JoinTable[R, O any](t *Table[K, R], f func(V, R) O, o ...Option) *Stream[K, O] {
	return &Stream[K, O]{lookup(s.port, t.table, "JoinTable", "KSTREAM-JOIN-", keyless[K](innerLookup(f)), false, o)}
}

// LeftJoinTable is JoinTable for records without a row too: ok tells f whether there is one. A null key has none.
func (s *Stream[K, V]) LeftJoinTable[R, O any](t *Table[K, R], f func(v V, r R, ok bool) O, o ...Option) *Stream[K, O] {
	return &Stream[K, O]{lookup(s.port, t.table, "LeftJoinTable", "KSTREAM-LEFTJOIN-", keyless[K](f), true, o)}
}

// JoinTableKV is JoinTable with a callback that sees the key (KIP-149).
func (s *Stream[K, V]) JoinTableKV[R, O any](t *Table[K, R], f func(K, V, R) O, o ...Option) *Stream[K, O] {
	return &Stream[K, O]{lookup(s.port, t.table, "JoinTableKV", "KSTREAM-JOIN-", innerLookupKV(f), false, o)}
}

// LeftJoinTableKV is LeftJoinTable with a callback that sees the key; a null key is the zero value.
func (s *Stream[K, V]) LeftJoinTableKV[R, O any](t *Table[K, R], f func(k K, v V, r R, ok bool) O, o ...Option) *Stream[K, O] {
	return &Stream[K, O]{lookup(s.port, t.table, "LeftJoinTableKV", "KSTREAM-LEFTJOIN-", f, true, o)}
}

// innerLookup is the callback of an inner join as that of a left one, which is called only with a row.
func innerLookup[V, R, O any](f func(V, R) O) func(V, R, bool) O {
	return func(v V, r R, _ bool) O { return f(v, r) }
}

func innerLookupKV[K, V, R, O any](f func(K, V, R) O) func(K, V, R, bool) O {
	return func(k K, v V, r R, _ bool) O { return f(k, v, r) }
}

// keyless is a callback without the key as one with it.
func keyless[K, V, R, O any](f func(V, R, bool) O) func(K, V, R, bool) O {
	return func(_ K, v V, r R, ok bool) O { return f(v, r, ok) }
}

// lookup joins a stream with a table of the same key.
func lookup[K, V, R, O any](p port[K, V], t table[K, R], operator, prefix string, f func(K, V, R, bool) O, left bool, o []Option) port[K, O] {
	b := p.b
	s := b.settings(operator, o, "Named", "TableGrace")
	if s.name != "" {
		operator += " " + s.name
	}
	if p.rekeyed {
		name := s.name
		if name == "" {
			b.named(operator, "repartition topic")
			name = p.n.Name
		}
		p = repartitionedForJoin(p, operator, name)
	}
	n := &plan.Node{Name: b.nodeName(s.name, prefix), ValueChanging: true, NeedsNullKeys: left}
	out := port[K, O]{b: b, n: n, ks: p.ks, vs: serdeFor[O](b, p.vs), sources: merged(p.sources, t.sources)}
	j := &lookupJoin[K, V, R, O]{table: t, f: f, left: left, nulls: newNilTest[O]()}
	t.view.need()
	b.plan.Builder().Copartition(out.sources...)
	if s.hasTableGrace {
		j.buffered(p, n, operator, s)
		return out
	}
	tableStep(p, n, processor(j.open), nil, t.view.stores)
	return out
}

type lookupJoin[K, V, R, O any] struct {
	table table[K, R]
	f     func(K, V, R, bool) O
	left  bool
	nulls nilTest[O]
}

func (j *lookupJoin[K, V, R, O]) open(x *opening, next sink[K, O]) (sink[K, V], error) {
	join, err := j.joiner(x, next)
	if err != nil {
		return nil, err
	}
	return func(r *Record[K, V]) error {
		if j.dropped(r) {
			x.drop()
			return nil
		}
		return join(r)
	}, nil
}

// dropped tells which records have nothing to be joined with.
func (j *lookupJoin[K, V, R, O]) dropped(r *Record[K, V]) bool {
	return r.NullValue || r.NullKey && !j.left
}

// joiner looks the row up and sends the result.
func (j *lookupJoin[K, V, R, O]) joiner(x *opening, next sink[K, O]) (sink[K, V], error) {
	rows, err := j.table.view.open(x)
	if err != nil {
		return nil, err
	}
	var out Record[K, O]
	return func(r *Record[K, V]) (err error) {
		var row R
		var ok bool
		switch {
		case r.NullKey:
		case rows.asOf != nil:
			row, _, ok, err = rows.asOf(r.Key, r.Time)
		default:
			row, _, ok, err = rows.get(r.Key)
		}
		if err != nil {
			return x.failed(err)
		}
		if !ok && !j.left {
			return nil
		}
		v, err := call4(j.f, r.Key, r.Value, row, ok)
		if err != nil {
			return x.failed(err)
		}
		carry(r, &out)
		out.Value, out.NullValue = v, j.nulls.null(&v)
		return next(&out)
	}, nil
}
