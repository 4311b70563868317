package streams

import (
	"regexp"
	"strings"

	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// A generated name of what needs the repartition keeps the generated names of the repartition's own nodes.
var generatedName = regexp.MustCompile(`^KSTREAM.*-[0-9]{10}$`)

// repartition is the operator: it is never merged with others.
func repartition[K, V any](p port[K, V], name string, o []Option) port[K, V] {
	operator := "Repartition " + name
	s := p.b.settings(operator, o, "Partitions", "PartitionBy", "PartitionsBy")
	if name == "" {
		p.b.named("Repartition", "repartition topic")
		name = p.b.plan.Name("KSTREAM-REPARTITION-")
	} else if err := topology.CheckName(name); err != nil {
		p.b.mistake(operator, err.Error(), "choose another name")
	}
	return rekeyed(p, operator, name, s.partitions, true, partitioningOf[K, V](p.b, operator, s))
}

// repartitioned is p partitioned by its key: p itself unless its key has changed since it was read.
func repartitioned[K, V any](p port[K, V], operator, name string) port[K, V] {
	if !p.rekeyed {
		return p
	}
	return rekeyed(p, operator, name, 0, false, partitioning[K, V]{})
}

// repartitionedForJoin is repartitioned for a join. A stream that is joined under the same name again, which is with itself
// or by generated names, has its repartition already; numbers are used up all the same.
func repartitionedForJoin[K, V any](p port[K, V], operator, name string) port[K, V] {
	if !p.rekeyed {
		return p
	}
	last, ok := p.b.joined[p.n]
	if !ok || last.Repartition.Topic != name+"-repartition" {
		made := repartitioned(p, operator, name)
		p.b.joined[p.n] = made.n
		return made
	}
	for range 3 {
		p.b.plan.Name("")
	}
	p.rekeyed, p.sources = false, []string{last.Name}
	return p.at(last)
}

// rekeyed writes p to a repartition topic and reads it back. fixed says that the program asked for it.
func rekeyed[K, V any](p port[K, V], operator, name string, partitions int, fixed bool, part partitioning[K, V]) port[K, V] {
	p.ks, p.vs = need(p.b, p.ks, operator, "key"), need(p.b, p.vs, operator, "value")
	n := repartitionNode(p, name, partitions, fixed, part)
	p.b.plan.Add(n, p.n)
	p.rekeyed, p.sources = false, []string{n.Name}
	return p.at(n)
}

// repartitionNode takes the name of what needs the repartition, or the whole topic of several that become one.
func repartitionNode[K, V any](p port[K, V], name string, partitions int, fixed bool, part partitioning[K, V]) *plan.Node {
	topic := name
	if !strings.HasSuffix(topic, "-repartition") {
		topic += "-repartition"
	}
	sinkName, filterName, sourceName := p.b.plan.Name("KSTREAM-SINK-"), p.b.plan.Name("KSTREAM-FILTER-"), p.b.plan.Name("KSTREAM-SOURCE-")
	if !generatedName.MatchString(name) {
		sinkName, filterName, sourceName = topic+"-sink", topic+"-filter", topic+"-source"
	}
	n := &plan.Node{Name: sourceName}
	n.Repartition = &plan.Repartition{Topic: topic, Partitions: partitions, Fixed: fixed}
	n.Repartition.New = func(topic string) *plan.Node { return repartitionNode(p, topic, partitions, false, part) }
	t := target[K, V]{topic: topic, internal: true, ks: p.ks, vs: p.vs, part: part}
	n.Write = func(b *topology.Builder, parents []string) error {
		b.AddInternalTopic(topology.InternalTopic{Name: topic, Partitions: partitions})
		b.AddProcessor(filterName, processor(keyed[K, V](n)), parents...)
		b.AddSink(topology.Sink{Name: sinkName, Topic: topic, Open: opener(t.open)}, filterName)
		b.AddSource(topology.Source{Name: sourceName, Topics: []string{topic}, Internal: true, Open: openSource(p.ks, p.vs, nil)})
		return nil
	}
	return n
}

// keyed drops records without a key, unless a left or outer join downstream wants them (KIP-962).
func keyed[K, V any](n *plan.Node) func(x *opening, next sink[K, V]) (sink[K, V], error) {
	return func(_ *opening, next sink[K, V]) (sink[K, V], error) {
		if n.KeepNullKeys {
			return next, nil
		}
		return func(r *Record[K, V]) error {
			if r.NullKey {
				return nil
			}
			return next(r)
		}, nil
	}
}
