package streams

import (
	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

var tableOptions = append([]string{"Versioned"}, storeOptions...)

// Table reads the topic as a table: the latest value of each key. A store name makes it queryable; "" keeps a store only if
// something downstream needs one. Options: Named, Timestamps, StartAt, Versioned and those of stores.
func (t Topic[K, V]) Table[S Name](b *Builder, store S, o ...Option) *Table[K, V] {
	return sourceTable(t, b, string(store), o)
}

func sourceTable[K, V any](t Topic[K, V], b *Builder, store string, o []Option) *Table[K, V] {
	operator := "table of " + t.Name
	s := b.settings(operator, o, append(sourceOptions, tableOptions...)...)
	kept := &keptTable{name: store, prefix: t.Name + "-", operator: operator, settings: s, needed: store != ""}
	if store == "" {
		kept.generated = b.plan.StoreName(kept.prefix)
	} else {
		kept.name = b.storeName(store, operator, "")
	}
	sourceName, name := b.nodeName(suffixed(s.name, "-source"), "KSTREAM-SOURCE-"), b.nodeName(s.name, "KTABLE-SOURCE-")
	ks, vs := need(b, t.Key, operator, "key"), need(b, t.Value, operator, "value")
	extract := timestampsOf[K, V](b, operator, s)
	reset := s.startAt.reset()
	n := &plan.Node{Name: name, Source: &plan.Source{Topics: []string{t.Name}, Reset: reset}, Table: &plan.Table{}}
	made := tableOf[K, V](port[K, V]{b: b, n: n, ks: ks, vs: vs, sources: []string{sourceName}}, kept)
	n.Write = func(tb *topology.Builder, _ []string) error {
		tb.AddSource(topology.Source{Name: sourceName, Topics: []string{t.Name}, Reset: reset, Open: openSource(ks, vs, extract)})
		reuse := ""
		if n.ReuseSourceTopic {
			reuse = t.Name
		}
		return writeTable(tb, n.Name, []string{sourceName}, made, kept, reuse)
	}
	b.plan.Add(n)
	return &Table[K, V]{made}
}

// ToTable makes a table of the stream: each record is the new value of its key. Records without a key are dropped; a null
// value deletes. If the key changed, the stream is repartitioned through a topic with Named's name, or the store's.
// Options: Named, Versioned and those of stores.
func (s *Stream[K, V]) ToTable[S Name](store S, o ...Option) *Table[K, V] {
	return toTable(s, string(store), o)
}

func toTable[K, V any](s *Stream[K, V], store string, o []Option) *Table[K, V] {
	operator := "ToTable " + store
	b := s.b
	set := b.settings(operator, o, append([]string{"Named"}, tableOptions...)...)
	name := b.nodeName(set.name, "KSTREAM-TOTABLE-")
	kept := &keptTable{name: store, prefix: "KSTREAM-TOTABLE-", operator: operator, settings: set, needed: store != ""}
	through := name
	if store == "" {
		kept.generated = b.plan.StoreName(kept.prefix)
		if s.rekeyed && set.name == "" {
			b.named(operator, "repartition topic")
		}
	} else {
		kept.name = b.storeName(store, operator, "")
		if set.name == "" && !b.config.generatedNames {
			through = store
		}
	}
	p := repartitioned(s.port, operator, through)
	p.ks, p.vs = need(b, p.ks, operator, "key"), need(b, p.vs, operator, "value")
	n := &plan.Node{Name: name}
	made := tableOf(p.at(n), kept)
	n.Write = func(tb *topology.Builder, parents []string) error {
		return writeTable(tb, n.Name, parents, made, kept, "")
	}
	b.plan.Add(n, p.n)
	return &Table[K, V]{made}
}

// suffixed is a given name with a suffix, nothing for none.
func suffixed(name, suffix string) string {
	if name == "" {
		return ""
	}
	return name + suffix
}

// keptTable is the store of a table, which may turn out not to be needed.
type keptTable struct {
	name      string // given
	generated string // else
	prefix    string
	operator  string
	settings  *settings
	needed    bool
	old       bool // old values were asked for
}

func (k *keptTable) store() string {
	if k.name != "" {
		return k.name
	}
	return k.generated
}

// tableOf is a table that is filled by records, in a store if one is needed.
func tableOf[K, V any](p port[K, V], kept *keptTable) table[K, V] {
	p.n.Versioning = plan.Unversioned
	if kept.settings.versioned > 0 {
		p.n.Versioning = plan.Versioned
	}
	v := storeView[K, V](kept.store)
	return table[K, V]{
		port: p, store: kept.name, history: kept.settings.versioned,
		view: &viewer[K, V]{
			stores: v.stores, open: v.open,
			need: func() { kept.needed = true },
		},
		sendOld: func(force bool) bool {
			if !kept.needed && !force {
				return false
			}
			kept.needed, kept.old = true, true
			return true
		},
	}
}

// writeTable adds the node that fills a table.
func writeTable[K, V any](tb *topology.Builder, name string, parents []string, t table[K, V], kept *keptTable, reuse string) error {
	if !kept.needed {
		tb.AddProcessor(name, processor(openTableStream[K, V]), parents...)
		return nil
	}
	var unnamed error
	if kept.name == "" && !t.b.config.generatedNames {
		unnamed = &Mistake{kept.operator, "the table needs a store, and has no name for it", "give it one, or allow numbered names by the option GeneratedNames()"}
	}
	tb.AddProcessor(name, processor(func(x *opening, next sink[K, change[V]]) (sink[K, V], error) {
		return openTableSource(x, kept, next), nil
	}), parents...)
	spec := specOf(kept.store(), kept.settings, true)
	spec.changelogTopic = reuse
	tb.AddStore(tableStoreOf(spec, kept.settings, t.ks, t.vs), name)
	return unnamed
}

// tableStoreOf is the store of a table, with history where the options say so.
func tableStoreOf[K, V any](spec storeSpec, s *settings, ks Serde[K], vs Serde[V]) topology.Store {
	if s.versioned > 0 {
		return spec.versioned(ks, vs, s.versioned)
	}
	return spec.table(ks, vs)
}

// openTableSource fills a store. In a table without history the order of records counts, not their times.
func openTableSource[K, V any](x *opening, kept *keptTable, next sink[K, change[V]]) sink[K, V] {
	k := openKeeper[K, V](x, kept.store(), kept.old, next)
	return func(r *Record[K, V]) error {
		if r.NullKey {
			x.drop()
			return nil
		}
		var old V
		var had bool
		if kept.old && !k.cached {
			var err error
			if old, _, had, err = k.get(r.Key); err != nil {
				return err
			}
		}
		return k.put(r.Key, r.Value, r.Time, !r.NullValue, old, had, r.Headers)
	}
}

// openTableStream makes changes of records without a store.
func openTableStream[K, V any](x *opening, next sink[K, change[V]]) (sink[K, V], error) {
	var out Record[K, change[V]]
	return func(r *Record[K, V]) error {
		if r.NullKey {
			x.drop()
			return nil
		}
		out = Record[K, change[V]]{Key: r.Key, Time: r.Time, Headers: r.Headers, Value: change[V]{New: r.Value, HasNew: !r.NullValue, Latest: true}}
		return next(&out)
	}, nil
}
