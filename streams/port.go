package streams

import (
	"slices"

	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// port is the output of a step: the node it comes from, its types' serdes and what is known of its keys. Streams and
// tables are ports with methods; the functions that make steps work on ports, so that ordinary and windowed streams and
// tables share them.
type port[K, V any] struct {
	b       *Builder
	n       *plan.Node
	ks      Serde[K]
	vs      Serde[V]
	rekeyed bool     // the key changed since the last topic: state and joins need a repartition before
	sources []string // the source nodes it comes from, in its sub-topology
}

// same is a port behind p with the same types.
func (p port[K, V]) at(n *plan.Node) port[K, V] {
	p.n = n
	return p
}

// step adds a node of one processor below p.
func step[K, V, K2, V2 any](p port[K, V], n *plan.Node, open func(x *opening, next sink[K2, V2]) (sink[K, V], error), stores ...string) {
	o := processor(open)
	n.Write = func(b *topology.Builder, parents []string) error {
		b.AddProcessor(n.Name, o, parents...)
		if len(stores) > 0 {
			b.ConnectStores(n.Name, stores...)
		}
		return nil
	}
	p.b.plan.Add(n, p.n)
}

// merged is the union of source nodes.
func merged(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// copy gives a record of the same key, time and headers.
func carry[K, V, W any](r *Record[K, V], out *Record[K, W]) {
	out.Key, out.NullKey, out.Time, out.Headers = r.Key, r.NullKey, r.Time, r.Headers
}
