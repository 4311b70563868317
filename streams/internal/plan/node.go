package plan

import (
	"slices"

	"leat.dev/streams/internal/topology"
)

// Source says what a node reads. Two sources of exactly the same topics, or of the same pattern, become one.
type Source struct {
	Topics  []string
	Pattern string
	Reset   topology.Reset
}

// Table says that a node fills a table from its source. Such sources are never merged.
type Table struct {
	Global bool // filled on every instance
}

// Repartition says that a node writes to an internal topic and reads it back. Its Name is that of the source
// behind the topic.
type Repartition struct {
	Topic      string // without the application's id, with its suffix -repartition
	Partitions int    // 0: derived
	Fixed      bool   // asked for by the program (the Repartition operator): never merged with others

	// New makes the node that does the work of several: a repartition through the topic, of the same types.
	// It takes three numbers from the plan, as every repartition does, and names its nodes after the whole
	// topic (with -repartition, so never by the numbers). It is not added to the plan. Nil: never merged.
	New func(topic string) *Node
}

// StreamJoin says that a node joins two streams within a window, so that the join of a stream with itself
// needs one store. A join for which that is not so (a window that does not hold the record itself) leaves it
// out.
type StreamJoin struct {
	ThisWindow, OtherWindow *Node // the nodes that keep the two sides; the other one is dropped in a self-join
}

// Versioning says whether the table that a node puts out keeps older versions.
type Versioning int

// Of most nodes it is what all their parents have.
const (
	Inherit Versioning = iota
	Versioned
	Unversioned
)

// Node is a step of the program.
type Node struct {
	Name string // the physical node to which children connect

	// KeyChanging: the steps below may need a repartition, and repartitions below it may be merged into one
	// right behind it. ValueChanging: no repartition moves up through it. A processor, which may change the
	// key, sets ValueChanging only; Kafka sets neither by default, and then moves repartitions to where the
	// key is not the one that is grouped by.
	KeyChanging   bool
	ValueChanging bool
	Merge         bool // several streams come together

	Source      *Source
	Table       *Table
	Repartition *Repartition
	StreamJoin  *StreamJoin

	Versioning    Versioning
	NeedsNullKeys bool // a left or outer join, which keeps rows without a key (KIP-962)

	// Write adds the physical nodes; parents are the names of the parents' nodes, in their order. Nil: none.
	Write func(b *topology.Builder, parents []string) error

	// What Build decides, for Write to read.
	ReuseSourceTopic bool   // of a table: the source topic is the changelog
	KeepNullKeys     bool   // of a repartition: records without a key pass
	SelfJoin         bool   // of a stream join: one store is enough
	ParentVersioned  []bool // whether each parent puts out a versioned table

	parents, children []*Node
	priority          int
	written           bool
}

// Parents gives the nodes this one reads from, in order.
func (n *Node) Parents() []*Node { return n.parents }

// Children gives the nodes that read from this one, in order.
func (n *Node) Children() []*Node { return n.children }

// link makes child the last child of parent; a second link between the same two is none.
func link(parent, child *Node) {
	if !slices.Contains(parent.children, child) {
		parent.children = append(parent.children, child)
	}
	if !slices.Contains(child.parents, parent) {
		child.parents = append(child.parents, parent)
	}
}

func unlink(parent, child *Node) {
	parent.children = without(parent.children, child)
	child.parents = without(child.parents, parent)
}

func without(list []*Node, n *Node) []*Node {
	return slices.DeleteFunc(slices.Clone(list), func(x *Node) bool { return x == n })
}

// above finds the nearest node that fits, n itself first, then its parents in order, each with all that is
// above it. Nil if there is none.
func (n *Node) above(fits func(*Node) bool) *Node {
	seen := map[*Node]bool{}
	var find func(n *Node) *Node
	find = func(n *Node) *Node {
		if fits(n) {
			return n
		}
		if seen[n] {
			return nil
		}
		seen[n] = true
		for _, p := range n.parents {
			if found := find(p); found != nil {
				return found
			}
		}
		return nil
	}
	return find(n)
}

// below finds the nearest child-of-parent on the way up from n: the node whose parent is the given one.
func (n *Node) below(parent *Node) *Node {
	return n.above(func(x *Node) bool { return slices.Contains(x.parents, parent) })
}
