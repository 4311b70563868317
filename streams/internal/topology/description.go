package topology

import (
	"slices"
	"strings"
)

// Description is a topology as it is shown: made from a Topology, or read from the text of another program.
type Description struct {
	Name          string            `json:"name,omitempty"` // of a named topology
	Subtopologies []DescribedGroup  `json:"subtopologies"`  // by number
	Stores        []DescribedStore  `json:"stores,omitempty"`
	Internal      []DescribedIntern `json:"internal_topics,omitempty"`
}

// DescribedGroup is a sub-topology, or a global store with its number.
type DescribedGroup struct {
	ID     int             `json:"id"`
	Global bool            `json:"global,omitempty"`
	Nodes  []DescribedNode `json:"nodes"` // in Kafka's order; a global store: source, processor
}

// DescribedNode is one node; which fields are set depends on its kind.
type DescribedNode struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`                // source, processor, sink
	Topics    []string `json:"topics,omitempty"`    // of a source
	Pattern   string   `json:"pattern,omitempty"`   // of a source
	Stores    []string `json:"stores,omitempty"`    // of a processor
	Topic     string   `json:"topic,omitempty"`     // of a sink
	Extractor string   `json:"extractor,omitempty"` // of a sink
	To        []string `json:"to,omitempty"`        // its children
	From      []string `json:"from,omitempty"`      // its parents
}

// DescribedStore says what Kafka's text leaves out.
type DescribedStore struct {
	Name        string `json:"name"`
	Kind        string `json:"kind"`
	Changelog   string `json:"changelog,omitempty"` // <application id>-…, or a source topic
	RetentionMs int64  `json:"retention_ms,omitempty"`
	Global      bool   `json:"global,omitempty"`
	ReadOnly    bool   `json:"read_only,omitempty"`
}

// DescribedIntern is a repartition topic, without the application's id.
type DescribedIntern struct {
	Name       string `json:"name"`
	Partitions int    `json:"partitions,omitempty"` // 0: derived
}

// Describe gives exactly the text of Kafka's Topology.describe().
func (t *Topology) Describe() string { return t.Description().String() }

// Description gives the topology as it is shown.
func (t *Topology) Description() *Description {
	d := &Description{}
	for _, s := range t.Subtopologies {
		d.Subtopologies = append(d.Subtopologies, DescribedGroup{ID: s.ID, Nodes: describeNodes(s.Nodes)})
	}
	for _, g := range t.Globals {
		d.Subtopologies = append(d.Subtopologies, DescribedGroup{ID: g.ID, Global: true, Nodes: []DescribedNode{
			{Name: g.Source.Name, Kind: "source", Topics: g.Source.Topics, To: []string{g.Processor.Name}},
			{Name: g.Processor.Name, Kind: "processor", Stores: []string{g.Store.Name}, From: []string{g.Source.Name}},
		}})
	}
	slices.SortFunc(d.Subtopologies, func(a, b DescribedGroup) int { return a.ID - b.ID })
	for _, s := range t.storeList {
		d.Stores = append(d.Stores, DescribedStore{
			Name: s.Name, Kind: s.Kind.String(), Changelog: s.Changelog("<application id>"),
			RetentionMs: s.RetentionMs, Global: s.Global, ReadOnly: s.ReadOnly,
		})
	}
	for _, it := range t.internal {
		d.Internal = append(d.Internal, DescribedIntern(it))
	}
	return d
}

// describeNodes orders nodes, and the names at their arrows, as Kafka does: nodes are connected in the order
// of a hash table, each child adding its size of that moment to all nodes above it; arrows are in the order
// the sizes had while they were drawn.
func describeNodes(nodes []*Node) []DescribedNode {
	names := make([]string, len(nodes))
	at := map[string]int{}
	for i, n := range nodes {
		names[i] = n.Name
		at[n.Name] = i
	}
	g := &sized{
		names: names, size: make([]int32, len(nodes)),
		to: make([]treeSet, len(nodes)), from: make([]treeSet, len(nodes)), above: make([][]int, len(nodes)),
	}
	for i := range nodes {
		g.size[i] = 1
		g.to[i].cmp, g.from[i].cmp = g.compare, g.compare
	}
	for _, name := range hashOrder(names, 0) {
		i := at[name]
		for _, p := range nodes[i].Parents {
			g.connect(at[p.Name], i)
		}
	}
	order := make([]int, len(nodes))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, g.compare)
	out := make([]DescribedNode, len(nodes))
	for k, i := range order {
		n := nodes[i]
		out[k] = DescribedNode{
			Name: n.Name, Kind: strings.ToLower(n.Kind.String()), Topics: copiedHashOrder(n.Topics), Pattern: n.Pattern,
			Stores: copiedHashOrder(hashOrder(n.Stores, 0)), Topic: n.Topic, Extractor: n.Extractor,
			To: g.namesOf(&g.to[i]), From: g.namesOf(&g.from[i]),
		}
	}
	return out
}

// sized is a graph whose nodes know how many nodes are below them, counted once per path.
type sized struct {
	names    []string
	size     []int32 // Java's int: it may overflow
	to, from []treeSet
	above    [][]int // those in from, in the order they were connected
}

// compare puts the larger node first. The difference of two sizes may overflow, as it does in Kafka.
func (g *sized) compare(a, b int) int {
	if a == b {
		return 0
	}
	if g.size[a] != g.size[b] {
		return int(g.size[b] - g.size[a])
	}
	return javaCompare(g.names[a], g.names[b])
}

func (g *sized) connect(parent, child int) {
	g.from[child].add(parent)
	g.to[parent].add(child)
	g.above[child] = append(g.above[child], parent)
	g.grow(parent, g.size[child])
}

// grow adds to a node and, once per path, to all nodes above it. Their number is counted first: adding path
// by path would take exponential time in a graph of diamonds.
func (g *sized) grow(start int, by int32) {
	var order []int // every node after all nodes below it
	seen := map[int]bool{}
	var visit func(i int)
	visit = func(i int) {
		if seen[i] {
			return
		}
		seen[i] = true
		for _, p := range g.above[i] {
			visit(p)
		}
		order = append(order, i)
	}
	visit(start)
	paths := map[int]int32{start: 1}
	for k := len(order) - 1; k >= 0; k-- {
		i := order[k]
		g.size[i] += by * paths[i]
		for _, p := range g.above[i] {
			paths[p] += paths[i]
		}
	}
}

func (g *sized) namesOf(t *treeSet) []string {
	var out []string
	for _, i := range t.values() {
		out = append(out, g.names[i])
	}
	return out
}

// String gives Kafka's text.
func (d *Description) String() string {
	var b strings.Builder
	if d.Name == "" {
		b.WriteString("Topologies:\n ")
	} else {
		b.WriteString("Topology: " + d.Name + ":\n ")
	}
	for _, g := range d.Subtopologies {
		b.WriteString("  Sub-topology: ")
		b.WriteString(itoa(g.ID))
		if g.Global {
			b.WriteString(" for global store (will not generate tasks)\n")
		} else {
			b.WriteString("\n")
		}
		for i := range g.Nodes {
			b.WriteString("    ")
			g.Nodes[i].write(&b)
			b.WriteString("\n")
		}
		if !g.Global {
			b.WriteString("\n")
		}
	}
	return b.String()
}

func (n *DescribedNode) write(b *strings.Builder) {
	switch n.Kind {
	case "source":
		what := n.Pattern
		if n.Topics != nil {
			what = bracketed(n.Topics)
		}
		b.WriteString("Source: " + n.Name + " (topics: " + what + ")\n      --> " + orNone(n.To))
	case "sink":
		what := "topic: " + n.Topic
		if n.Extractor != "" {
			what = "extractor class: " + n.Extractor
		}
		b.WriteString("Sink: " + n.Name + " (" + what + ")\n      <-- " + orNone(n.From))
	default:
		b.WriteString("Processor: " + n.Name + " (stores: " + bracketed(n.Stores) + ")\n      --> " + orNone(n.To) +
			"\n      <-- " + orNone(n.From))
	}
}

func bracketed(list []string) string { return "[" + strings.Join(list, ", ") + "]" }

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
