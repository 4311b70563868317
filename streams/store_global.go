package streams

import (
	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// GlobalStore keeps a store on every instance, filled from all partitions of a topic: update applies each record. The topic
// is read to its end before the app's first record. Every processor may read the store without being connected to it. It has
// no changelog: the topic is. Definitions of KeyValueStore and TimestampedStore fit. Kafka: addGlobalStore.
func GlobalStore[K, V, SK, SV any](b *Builder, d StoreDef[KV[SK, SV]], t Topic[K, V], update func(KV[SK, SV], Record[K, V]) error) StoreDef[KV[SK, SV]] {
	operator := "global store " + d.name
	ks, vs := need(b, t.Key, operator, "key"), need(b, t.Value, operator, "value")
	s, ok := d.alone(b, operator)
	if !ok {
		return d
	}
	source, fill := b.nodeName("", "KSTREAM-SOURCE-"), b.nodeName("", "KTABLE-SOURCE-")
	src := topology.Source{Name: source, Topics: []string{t.Name}, Open: openSource(ks, vs, nil)}
	open := processor(func(x *opening, _ sink[K, V]) (sink[K, V], error) {
		kv, _ := d.open(x.store(d.name))
		apply := func(r Record[K, V]) error { return update(kv, r) }
		fill := func(r *Record[K, V]) error { return callTry1(apply, *r) }
		return func(r *Record[K, V]) error {
			if err := forward(x.task, fill, r); err != nil {
				return x.failed(err)
			}
			return nil
		}, nil
	})
	b.plan.Add(&plan.Node{
		Name: fill, Source: &plan.Source{Topics: []string{t.Name}}, Table: &plan.Table{Global: true},
		Write: func(tb *topology.Builder, _ []string) error {
			tb.AddGlobal(s, src, fill, open)
			return nil
		},
	})
	return d
}

// ReadOnlyStore fills a store from a topic that is its changelog at the same time: nothing is written but by the topic, and
// the store is restored from it (KIP-813). It is in the tasks of the processors it is connected to; the topic must be
// partitioned as what they read.
func ReadOnlyStore[K, V any](b *Builder, d StoreDef[KV[K, V]], t Topic[K, V]) StoreDef[KV[K, V]] {
	operator := "read-only store " + d.name
	ks, vs := need(b, t.Key, operator, "key"), need(b, t.Value, operator, "value")
	s, ok := d.alone(b, operator)
	if !ok {
		return d
	}
	source, fill := b.nodeName("", "KSTREAM-SOURCE-"), b.nodeName("", "KSTREAM-PROCESSOR-")
	src := topology.Source{Name: source, Topics: []string{t.Name}, Open: openSource(ks, vs, nil)}
	open := processor(func(x *opening, _ sink[K, V]) (sink[K, V], error) {
		kv, _ := d.open(x.store(d.name))
		fill := func(r *Record[K, V]) error {
			if r.NullValue {
				return kv.Delete(r.Key)
			}
			return kv.Put(r.Key, r.Value)
		}
		return func(r *Record[K, V]) error {
			if r.NullKey {
				x.drop()
				return nil
			}
			return forward(x.task, fill, r)
		}, nil
	})
	b.plan.Add(&plan.Node{
		Name: fill, Source: &plan.Source{Topics: []string{t.Name}},
		Write: func(tb *topology.Builder, _ []string) error {
			tb.AddReadOnly(s, src, fill, open)
			return nil
		},
	})
	return d
}

// alone places a store that a topic fills: no operator may have declared it, and it is neither cached nor logged.
func (d StoreDef[S]) alone(b *Builder, operator string) (topology.Store, bool) {
	if d.decl != nil {
		if _, dup := b.stores[d.name]; dup {
			b.mistake(operator, "the store is in the topology already", "declare it by one of GlobalStore, ReadOnlyStore and Process only")
			return topology.Store{}, false
		}
	}
	s, ok := d.place(b)
	if !ok {
		if d.decl == nil {
			b.mistake(operator, "the definition is that of a table's store", "declare one by KeyValueStore or TimestampedStore")
		}
		return s, false
	}
	s.Logged, s.Config = false, nil
	return s, true
}
