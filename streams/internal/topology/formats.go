package topology

import (
	"encoding/json"
	"fmt"
	"strings"
)

// JSON gives the topology as indented JSON, which ParseJSON reads.
func (t *Topology) JSON() string { return t.Description().JSON() }

// Mermaid gives the topology as a flowchart for Mermaid.
func (t *Topology) Mermaid() string { return t.Description().Mermaid() }

// DOT gives the topology as a graph for Graphviz.
func (t *Topology) DOT() string { return t.Description().DOT() }

// Terminal draws the topology with boxes and arrows, if possible within a number of columns.
func (t *Topology) Terminal(width int) string { return t.Description().Terminal(width) }

// JSON gives the description as indented JSON, which ParseJSON reads.
func (d *Description) JSON() string {
	if d.Subtopologies == nil {
		d = &Description{Name: d.Name, Subtopologies: []DescribedGroup{}, Stores: d.Stores, Internal: d.Internal}
	}
	raw, err := json.MarshalIndent(d, "", "  ")
	if err != nil { // strings, numbers and lists of them cannot fail
		panic(err)
	}
	return string(raw) + "\n"
}

// graph is what Mermaid and DOT have in common: nodes with numbers, topics and stores beside them.
type graph struct {
	ids    map[string]string
	topics []string
}

func (g *graph) id(kind, name string) (id string, known bool) {
	key := kind + "\x00" + name
	if id, known = g.ids[key]; !known {
		id = kind + itoa(len(g.ids))
		g.ids[key] = id
		if kind == "t" {
			g.topics = append(g.topics, name)
		}
	}
	return id, known
}

func (d *Description) title(g *DescribedGroup) string {
	if g.Global {
		return fmt.Sprintf("Global store %d", g.ID)
	}
	return fmt.Sprintf("Sub-topology %d", g.ID)
}

// syntax is how a drawing language says things: formats of what stands before and behind the graph, of groups (number, title),
// nodes (id, label) and edges (from, to).
type syntax struct {
	head, tail      string
	group, groupEnd string
	node, store     string
	topic           string
	edge, storeEdge string
	quoted          func(string) string
}

// Mermaid gives the description as a flowchart for Mermaid: topics are tubes, stores are drums.
func (d *Description) Mermaid() string {
	return d.draw(&syntax{
		head: "flowchart TD\n", group: "  subgraph sub%d[%s]\n", groupEnd: "  end\n",
		node: "    %s[%s]\n", store: "    %s[(%s)]\n", topic: "  %s([%s])\n",
		edge: "  %s --> %s\n", storeEdge: "  %s -.- %s\n", quoted: mermaidText,
	})
}

// DOT gives the description as a graph for Graphviz: a cluster per sub-topology, cylinders for stores.
func (d *Description) DOT() string {
	return d.draw(&syntax{
		head: "digraph topology {\n  rankdir=TB;\n  node [shape=box, fontname=\"sans-serif\"];\n", tail: "}\n",
		group: "  subgraph cluster_%d {\n    label=%s;\n", groupEnd: "  }\n",
		node: "    %s [label=%s];\n", store: "    %s [label=%s, shape=cylinder];\n", topic: "  %s [label=%s, shape=plain];\n",
		edge: "  %s -> %s;\n", storeEdge: "  %s -> %s [dir=none, style=dashed];\n", quoted: dotText,
	})
}

// draw writes groups with their nodes and stores, then topics, then edges.
func (d *Description) draw(x *syntax) string {
	g := &graph{ids: map[string]string{}}
	var b, edges strings.Builder
	b.WriteString(x.head)
	for i := range d.Subtopologies {
		s := &d.Subtopologies[i]
		fmt.Fprintf(&b, x.group, s.ID, x.quoted(d.title(s)))
		for j := range s.Nodes {
			n := &s.Nodes[j]
			id, _ := g.id("n", n.Name)
			fmt.Fprintf(&b, x.node, id, x.quoted(n.Name))
			for _, store := range n.Stores {
				st, known := g.id("s", store)
				if !known {
					fmt.Fprintf(&b, x.store, st, x.quoted(store))
				}
				fmt.Fprintf(&edges, x.storeEdge, id, st)
			}
			for _, c := range n.To {
				cid, _ := g.id("n", c)
				fmt.Fprintf(&edges, x.edge, id, cid)
			}
			for _, topic := range n.reads() {
				tid, _ := g.id("t", topic)
				fmt.Fprintf(&edges, x.edge, tid, id)
			}
			if topic := n.writes(); topic != "" {
				tid, _ := g.id("t", topic)
				fmt.Fprintf(&edges, x.edge, id, tid)
			}
		}
		b.WriteString(x.groupEnd)
	}
	for _, topic := range g.topics {
		id, _ := g.id("t", topic)
		fmt.Fprintf(&b, x.topic, id, x.quoted(topic))
	}
	return b.String() + edges.String() + x.tail
}

// mermaidText quotes a label; what could end the quotes or begin a code is written as one.
func mermaidText(s string) string {
	return `"` + strings.NewReplacer("&", "#amp;", `"`, "#quot;", "#", "#35;", "<", "#lt;", ">", "#gt;", "\n", " ").Replace(s) + `"`
}

func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ").Replace(s) + `"`
}

// reads gives what a source reads, a pattern as it is written.
func (n *DescribedNode) reads() []string {
	if n.Pattern != "" {
		return []string{n.Pattern}
	}
	return n.Topics
}

// writes gives what a sink writes to, "" for other nodes.
func (n *DescribedNode) writes() string {
	if n.Extractor != "" {
		return n.Extractor
	}
	return n.Topic
}
