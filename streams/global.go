package streams

import (
	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// GlobalTable is a whole topic kept on every instance. It can be joined by any key, and queried. Records are applied as they
// arrive: nothing waits for its time, and a record is lost to nobody only once the topic was read to its end, which is
// before the first record of the app is processed.
type GlobalTable[K, V any] struct {
	port[K, V]
	store string
}

// GlobalTable keeps the whole topic on every instance, in the store of that name. Options: Named, Timestamps, InMemory; NoCache and
// Cached change nothing, as nothing listens to it.
func (t Topic[K, V]) GlobalTable[S Name](b *Builder, store S, o ...Option) *GlobalTable[K, V] {
	return addGlobalTable(t, b, string(store), o)
}

func addGlobalTable[K, V any](t Topic[K, V], b *Builder, store string, o []Option) *GlobalTable[K, V] {
	operator := "global table of " + t.Name
	s := b.settings(operator, o, "Named", "InMemory", "Timestamps", "NoCache", "Cached")
	store = b.storeName(store, operator, t.Name+"-")
	name, processorName := b.nodeName(suffixed(s.name, "-source"), "KSTREAM-SOURCE-"), b.nodeName(s.name, "KTABLE-SOURCE-")
	ks, vs := need(b, t.Key, operator, "key"), need(b, t.Value, operator, "value")
	spec := specOf(store, s, false)
	spec.unlogged = true
	src := topology.Source{Name: name, Topics: []string{t.Name}, Open: openSource(ks, vs, timestampsOf[K, V](b, operator, s))}
	fill := processor(func(x *opening, _ sink[K, V]) (sink[K, V], error) {
		rows := x.store(store).(*tableStore[K, V])
		return func(r *Record[K, V]) error {
			if r.NullKey {
				x.drop()
				return nil
			}
			return rows.put(r.Key, r.Value, r.Time, !r.NullValue, r.Headers)
		}, nil
	})
	n := &plan.Node{Name: processorName, Source: &plan.Source{Topics: []string{t.Name}}, Table: &plan.Table{Global: true}}
	n.Write = func(tb *topology.Builder, _ []string) error {
		tb.AddGlobal(spec.table(ks, vs), src, processorName, fill)
		return nil
	}
	b.plan.Add(n)
	return &GlobalTable[K, V]{port[K, V]{b: b, n: n, ks: ks, vs: vs}, store}
}

// JoinGlobal joins each record with the row under the key that key makes of it; records without a row are dropped, as are
// those with a null value or for which key gives nil. Options: Named.
func (s *Stream[K, V]) JoinGlobal[GK, R, O any](g *GlobalTable[GK, R], key func(K, V) GK, f func(V, R) O, o ...Option) *Stream[K, O] {
	return &Stream[K, O]{globalLookup(s.port, g, "JoinGlobal", key, keyless[K](innerLookup(f)), false, o)}
}

// LeftJoinGlobal is JoinGlobal for records without a row too.
func (s *Stream[K, V]) LeftJoinGlobal[GK, R, O any](g *GlobalTable[GK, R], key func(K, V) GK, f func(v V, r R, ok bool) O, o ...Option) *Stream[K, O] {
	return &Stream[K, O]{globalLookup(s.port, g, "LeftJoinGlobal", key, keyless[K](f), true, o)}
}

// JoinGlobalKV is JoinGlobal with a callback that sees the key of the stream.
func (s *Stream[K, V]) JoinGlobalKV[GK, R, O any](g *GlobalTable[GK, R], key func(K, V) GK, f func(K, V, R) O, o ...Option) *Stream[K, O] {
	return &Stream[K, O]{globalLookup(s.port, g, "JoinGlobalKV", key, innerLookupKV(f), false, o)}
}

// LeftJoinGlobalKV is LeftJoinGlobal with a callback that sees the key of the stream; a null key is the zero value.
func (s *Stream[K, V]) LeftJoinGlobalKV[GK, R, O any](g *GlobalTable[GK, R], key func(K, V) GK, f func(k K, v V, r R, ok bool) O, o ...Option) *Stream[K, O] {
	return &Stream[K, O]{globalLookup(s.port, g, "LeftJoinGlobalKV", key, f, true, o)}
}

func globalLookup[K, V, GK, R, O any](p port[K, V], g *GlobalTable[GK, R], operator string, key func(K, V) GK, f func(K, V, R, bool) O, left bool, o []Option) port[K, O] {
	s := p.b.settings(operator, o, "Named")
	n := &plan.Node{Name: p.b.nodeName(s.name, "KSTREAM-LEFTJOIN-"), ValueChanging: true}
	nullKeys, nulls := newNilTest[GK](), newNilTest[O]()
	step(p, n, func(x *opening, next sink[K, O]) (sink[K, V], error) {
		rows, err := globalTable[GK, R](x.task.global, g.store)
		if err != nil {
			return nil, err
		}
		var out Record[K, O]
		return func(r *Record[K, V]) error {
			if r.NullValue {
				x.drop()
				return nil
			}
			gk, err := call2(key, r.Key, r.Value)
			if err != nil {
				return x.failed(err)
			}
			var row R
			var found bool
			if !nullKeys.null(&gk) {
				if row, _, found, err = rows.get(gk); err != nil {
					return err
				}
			} else if !left {
				x.drop()
				return nil
			}
			if !found && !left {
				return nil
			}
			made, err := call4(f, r.Key, r.Value, row, found)
			if err != nil {
				return x.failed(err)
			}
			carry(r, &out)
			out.Value, out.NullValue = made, nulls.null(&made)
			return next(&out)
		}, nil
	})
	return port[K, O]{b: p.b, n: n, ks: p.ks, vs: serdeFor[O](p.b, p.vs), rekeyed: p.rekeyed, sources: p.sources}
}
