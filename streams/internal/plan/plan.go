// Package plan is the logical graph of a streams program: the steps in the order they were written down,
// with Kafka's names and numbers, and what is decided only when all of them are known: sources that are one,
// repartitions that are one, stores that need no changelog of their own, and which table is versioned.
//
// A step says by flags what it does to keys and values, and by its Write closure which physical nodes it is
// made of. The plan knows no types, serdes or callbacks, starts no goroutine and is built once.
package plan

import (
	"errors"
	"fmt"
	"slices"

	"leat.dev/streams/internal/topology"
)

// Options chooses what Build may change and which names it accepts.
type Options struct {
	ReuseSourceTopics bool // a table's source topic is its store's changelog (reuse.ktable.source.topics)
	MergeRepartitions bool // repartitions below one change of key are one (merge.repartition.topics)
	SingleStoreSelf   bool // a stream joined with itself keeps one store (single.store.self.join)
	GeneratedNames    bool // numbered names are fine for stores and internal topics too
}

// Optimized is Kafka's topology.optimization=all.
func Optimized() Options {
	return Options{ReuseSourceTopics: true, MergeRepartitions: true, SingleStoreSelf: true}
}

// Plan is a program being written down.
type Plan struct {
	opts      Options
	count     int
	generated []string // all names with a number of this plan
	root      *Node
	nodes     []*Node
	changers  []*keyChange // in the order of their key-changing nodes
	merges    []*Node
	b         *topology.Builder
	built     bool
}

// keyChange keeps the repartitions that one change of key causes.
type keyChange struct {
	node         *Node
	repartitions []*Node
}

// New gives an empty plan.
func New(o Options) *Plan {
	return &Plan{opts: o, root: &Node{Name: "root"}, b: topology.NewBuilder()}
}

// Name gives the next number with a prefix: KSTREAM-FILTER-0000000003.
func (p *Plan) Name(prefix string) string {
	s := fmt.Sprintf("%s%010d", prefix, p.count)
	p.count++
	p.generated = append(p.generated, s)
	return s
}

// NodeName gives the node's given name, else a generated one. The number is taken in both cases.
func (p *Plan) NodeName(given, prefix string) string {
	s := p.Name(prefix)
	if given == "" {
		return s
	}
	if err := topology.CheckName(given); err != nil {
		p.Fail(fmt.Errorf("a step has an invalid name: %w", err))
	}
	return given
}

// StoreName gives the next generated name of a store: KSTREAM-AGGREGATE-STATE-STORE-0000000003. A given name
// of a store takes no number, so this is not called then.
func (p *Plan) StoreName(prefix string) string { return p.Name(prefix + "STATE-STORE-") }

// Add puts a node below its parents, in their order; without any it is a source, a store or another thing
// that stands alone. Nodes are written in the order they were added.
func (p *Plan) Add(n *Node, parents ...*Node) {
	n.priority = len(p.nodes)
	p.nodes = append(p.nodes, n)
	if len(parents) == 0 {
		parents = []*Node{p.root}
	}
	for _, parent := range parents {
		link(parent, n)
	}
	switch {
	case n.KeyChanging:
		p.changers = append(p.changers, &keyChange{node: n})
	case n.Repartition != nil:
		if c := p.causeOf(n); c != nil && n.Repartition.New != nil && !n.Repartition.Fixed {
			c.repartitions = append(c.repartitions, n)
		}
	case n.Merge:
		p.merges = append(p.merges, n)
	}
}

// Fail keeps a mistake that was found elsewhere, to be reported by Build with all others.
func (p *Plan) Fail(err error) { p.b.Fail(err) }

// Builder is where nodes are written.
func (p *Plan) Builder() *topology.Builder { return p.b }

// Copartition demands the same number of partitions of all topics of these source nodes. A source that is
// merged with another takes its place in the group.
func (p *Plan) Copartition(sources ...string) { p.b.Copartition(sources...) }

// Build merges and optimises, writes all nodes in the order they were added, and checks the result. It gives
// all mistakes, joined.
func (p *Plan) Build() (*topology.Topology, error) {
	if p.built {
		return nil, errors.New("the plan was already built")
	}
	p.built = true
	p.mergeSources()
	if p.opts.ReuseSourceTopics {
		for _, n := range p.nodes {
			n.ReuseSourceTopic = n.Table != nil && !n.Table.Global
		}
	}
	if p.opts.MergeRepartitions {
		p.mergeRepartitions()
	}
	if p.opts.SingleStoreSelf {
		p.joinSelves()
	}
	p.markNullKeys()
	p.markVersioned()
	p.write()
	t, err := p.b.Build()
	if err != nil {
		return nil, err
	}
	if err := p.checkNames(t); err != nil {
		return nil, err
	}
	return t, nil
}

// Generated tells whether a name has a number of this plan in it.
func (p *Plan) Generated(name string) bool {
	return slices.ContainsFunc(p.generated, func(g string) bool { return containsName(name, g) })
}
