package topology

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of drawings.
const (
	terminalWidthMin = 40
	terminalNodesMax = 400 // of one sub-topology; a larger one is listed
	boxTextMax       = 60  // columns of text in a box
)

// Terminal draws each sub-topology with boxes and arrows, from its sources at the top down. Boxes stand side
// by side where width has room for them, else below each other; a drawing with many arrows beside a box may
// still be wider.
func (d *Description) Terminal(width int) string {
	width = max(width, terminalWidthMin)
	readers := map[string][]int{}
	for _, g := range d.Subtopologies {
		for i := range g.Nodes {
			for _, topic := range g.Nodes[i].Topics {
				readers[topic] = append(readers[topic], g.ID)
			}
		}
	}
	var b strings.Builder
	for i := range d.Subtopologies {
		g := &d.Subtopologies[i]
		if i > 0 {
			b.WriteString("\n")
		}
		title := d.title(g)
		if g.Global {
			title += " (on every instance, no tasks)"
		}
		b.WriteString(title + "\n\n")
		if len(g.Nodes) > terminalNodesMax {
			g.list(&b)
			continue
		}
		b.WriteString(draw(g, width, readers))
	}
	return b.String()
}

func (g *DescribedGroup) list(b *strings.Builder) {
	fmt.Fprintf(b, "(%d nodes are too many to be drawn)\n", len(g.Nodes))
	for i := range g.Nodes {
		b.WriteString("  ")
		b.WriteString(g.Nodes[i].Name + " -> " + orNone(g.Nodes[i].To) + "\n")
	}
}

// box is a node of a drawing. A box without text is a bend: an arrow passing a layer.
type box struct {
	kind  string
	text  []string
	w, h  int
	layer int
	x     int    // left column
	out   int    // column where its arrows leave
	below []*box // what it points to
	above []*box
	lower []*box // the same with bends: all in the next layer
	upper []*box
}

const bendWidth = 3 // a bend may use any of its columns

func (x *box) bend() bool { return x.text == nil }

func draw(g *DescribedGroup, width int, readers map[string][]int) string {
	boxes := make([]*box, len(g.Nodes))
	at := map[string]*box{}
	for i := range g.Nodes {
		boxes[i] = newBox(&g.Nodes[i], g.ID, min(boxTextMax, width-4), readers)
		at[g.Nodes[i].Name] = boxes[i]
	}
	for i := range g.Nodes {
		for _, c := range g.Nodes[i].To {
			if child := at[c]; !slices.Contains(boxes[i].below, child) {
				boxes[i].below = append(boxes[i].below, child)
				child.above = append(child.above, boxes[i])
			}
		}
	}
	layers := layered(boxes)
	var rows [][]*box
	for room := width; ; room -= bendWidth + 1 {
		if room < terminalWidthMin/2 {
			room = 0 // one box per layer
		}
		rows = withBends(split(layers, room))
		if room == 0 || slices.IndexFunc(rows, func(r []*box) bool { return rowWidth(r) > width }) < 0 {
			break
		}
	}
	arrange(rows, width)
	return paint(rows)
}

func newBox(n *DescribedNode, group, limit int, readers map[string][]int) *box {
	x := &box{kind: n.Kind, text: wrap(n.Name, limit)}
	switch {
	case n.Pattern != "":
		x.text = append(x.text, wrap("reads topics like "+n.Pattern, limit)...)
	case n.Kind == "source":
		x.text = append(x.text, wrap("reads "+strings.Join(n.Topics, ", "), limit)...)
	case n.Extractor != "":
		x.text = append(x.text, wrap("writes to the topic picked by "+n.Extractor, limit)...)
	case n.Kind == "sink":
		line := "writes " + n.Topic
		for _, id := range readers[n.Topic] {
			if id != group {
				line += fmt.Sprintf(" (read by sub-topology %d)", id)
			}
		}
		x.text = append(x.text, wrap(line, limit)...)
	}
	for _, s := range n.Stores {
		x.text = append(x.text, wrap("store "+s, limit)...)
	}
	for _, line := range append([]string{"─ " + x.kind + " "}, x.text...) {
		x.w = max(x.w, utf8.RuneCountInString(line)+4)
	}
	x.h = len(x.text) + 2
	return x
}

// wrap breaks a text at spaces, and what is too long itself anywhere. Control characters become spaces.
func wrap(s string, limit int) []string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	var lines []string
	var line []rune
	for _, word := range strings.Fields(s) {
		w := []rune(word)
		if len(line) > 0 && len(line)+1+len(w) > limit {
			lines, line = append(lines, string(line)), nil
		}
		if len(line) > 0 {
			line = append(line, ' ')
		}
		for line = append(line, w...); len(line) > limit; line = line[limit:] {
			lines = append(lines, string(line[:limit]))
		}
	}
	if len(line) > 0 || len(lines) == 0 {
		lines = append(lines, string(line))
	}
	return lines
}

// layered puts each box below all boxes that point to it, and a source right above the first it points to.
func layered(boxes []*box) [][]*box {
	var place func(x *box) int
	done := map[*box]bool{}
	place = func(x *box) int {
		if done[x] {
			return x.layer
		}
		done[x] = true
		for _, a := range x.above {
			x.layer = max(x.layer, place(a)+1)
		}
		return x.layer
	}
	deepest := 0
	for _, x := range boxes {
		deepest = max(deepest, place(x))
	}
	for _, x := range boxes {
		if len(x.above) == 0 && len(x.below) > 0 {
			x.layer = deepest
			for _, c := range x.below {
				x.layer = min(x.layer, c.layer-1)
			}
		}
	}
	layers := make([][]*box, deepest+1)
	for _, x := range boxes {
		layers[x.layer] = append(layers[x.layer], x)
	}
	return layers
}

// split breaks layers that are wider than room; no box of a layer points to another one of it.
func split(layers [][]*box, room int) [][]*box {
	var out [][]*box
	for _, layer := range layers {
		var row []*box
		for _, x := range layer {
			if len(row) > 0 && rowWidth(append(slices.Clone(row), x)) > room {
				out = append(out, row)
				row = nil
			}
			row = append(row, x)
		}
		if len(row) > 0 {
			out = append(out, row)
		}
	}
	for i, row := range out {
		for _, x := range row {
			x.layer = i
		}
	}
	return out
}

func rowWidth(row []*box) int {
	w := -1
	for _, x := range row {
		w += x.w + 1
	}
	return w
}

// withBends makes all arrows lead to the next layer: those of one box to farther layers share bends.
func withBends(rows [][]*box) [][]*box {
	out := make([][]*box, len(rows))
	next := map[*box][]*box{} // the arrows of this try, by box
	prev := map[*box][]*box{}
	link := func(a, b *box) {
		next[a] = append(next[a], b)
		prev[b] = append(prev[b], a)
	}
	for i, row := range rows {
		out[i] = append(out[i], row...)
	}
	for _, row := range rows {
		for _, x := range row {
			bends := []*box{x} // the way down
			for _, c := range x.below {
				for len(bends) < c.layer-x.layer {
					b := &box{w: bendWidth, h: 0, layer: x.layer + len(bends)}
					link(bends[len(bends)-1], b)
					out[b.layer] = append(out[b.layer], b)
					bends = append(bends, b)
				}
				link(bends[c.layer-x.layer-1], c)
			}
		}
	}
	for _, row := range out {
		for _, x := range row {
			x.lower, x.upper = next[x], prev[x]
		}
	}
	return out
}
