package topology

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// What a description that is read may be at most.
const (
	descriptionBytesMax = 16 << 20
	descriptionNodesMax = 20_000
)

const globalSuffix = " for global store (will not generate tasks)"

// ParseDescription reads the text of Topology.describe(), ours or Kafka's. Lines before "Topologies:" are
// skipped, and so is what follows a blank line and does not belong to it, so that a log may be given;
// indentation does not matter. Text of Describe comes back unchanged from String.
func ParseDescription(text string) (*Description, error) {
	if len(text) > descriptionBytesMax {
		return nil, fmt.Errorf("the description has %d bytes, more than %d", len(text), descriptionBytesMax)
	}
	p := &parser{d: &Description{}}
	lines := strings.Split(text, "\n")
	first := slices.IndexFunc(lines, func(l string) bool { return strings.HasSuffix(strings.TrimSpace(l), "Topologies:") })
	for i := max(first, 0); i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		err := p.line(line)
		if errors.Is(err, errNoLine) && first >= 0 && len(p.d.Subtopologies) > 0 && strings.TrimSpace(lines[i-1]) == "" {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if err := p.d.check(); err != nil {
		return nil, err
	}
	return p.d, nil
}

// ParseJSON reads a description that JSON wrote.
func ParseJSON(data []byte) (*Description, error) {
	if len(data) > descriptionBytesMax {
		return nil, fmt.Errorf("the description has %d bytes, more than %d", len(data), descriptionBytesMax)
	}
	d := &Description{}
	if err := json.Unmarshal(data, d); err != nil {
		return nil, err
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	return d, nil
}

type parser struct {
	d     *Description
	count int
}

func (p *parser) line(line string) error {
	switch {
	case line == "" || strings.HasSuffix(line, "Topologies:"):
		return nil
	case strings.HasPrefix(line, "Topology: "):
		if p.d.Name != "" || len(p.d.Subtopologies) > 0 {
			return errors.New("a second topology begins: give one at a time")
		}
		p.d.Name = strings.TrimSuffix(strings.TrimPrefix(line, "Topology: "), ":")
		return nil
	case strings.HasPrefix(line, "Sub-topology: "):
		return p.group(strings.TrimPrefix(line, "Sub-topology: "))
	case strings.HasPrefix(line, "Source: "):
		return p.source(strings.TrimPrefix(line, "Source: "))
	case strings.HasPrefix(line, "Processor: "):
		return p.processor(strings.TrimPrefix(line, "Processor: "))
	case strings.HasPrefix(line, "Sink: "):
		return p.sink(strings.TrimPrefix(line, "Sink: "))
	case strings.HasPrefix(line, "--> "):
		return p.arrows(strings.TrimPrefix(line, "--> "), true)
	case strings.HasPrefix(line, "<-- "):
		return p.arrows(strings.TrimPrefix(line, "<-- "), false)
	}
	return fmt.Errorf("%q is %w", shorten(line), errNoLine)
}

var errNoLine = errors.New("not a line of a topology's description")

func shorten(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

func (p *parser) group(rest string) error {
	number, global := strings.CutSuffix(rest, globalSuffix)
	id, err := strconv.Atoi(number)
	if err != nil || id < 0 {
		return fmt.Errorf("%q is not the number of a sub-topology", shorten(number))
	}
	p.d.Subtopologies = append(p.d.Subtopologies, DescribedGroup{ID: id, Global: global})
	return nil
}

func (p *parser) add(n DescribedNode) error {
	if len(p.d.Subtopologies) == 0 {
		return fmt.Errorf("node %q is in no sub-topology", shorten(n.Name))
	}
	if p.count++; p.count > descriptionNodesMax {
		return fmt.Errorf("more than %d nodes", descriptionNodesMax)
	}
	g := &p.d.Subtopologies[len(p.d.Subtopologies)-1]
	g.Nodes = append(g.Nodes, n)
	return nil
}

// parts takes "name (key: value)" apart.
func parts(s, key string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(s, " ("+key+": ")
	if !ok || name == "" || !strings.HasSuffix(value, ")") {
		return "", "", false
	}
	return name, strings.TrimSuffix(value, ")"), true
}

// list takes "[a, b]" apart.
func list(s string) ([]string, bool) {
	if !strings.HasPrefix(s, "[") || !strings.HasSuffix(s, "]") || len(s) < 2 {
		return nil, false
	}
	if s = s[1 : len(s)-1]; s == "" {
		return nil, true
	}
	return strings.Split(s, ", "), true
}

func (p *parser) source(s string) error {
	name, value, ok := parts(s, "topics")
	if !ok || value == "" {
		return fmt.Errorf("%q is not a source: its form is \"name (topics: [a, b])\"", shorten(s))
	}
	n := DescribedNode{Name: name, Kind: "source"}
	// A pattern is not told from a list otherwise than by what could be the name of a topic.
	topics, isList := list(value)
	isList = isList && len(topics) > 0
	for _, t := range topics {
		isList = isList && CheckName(t) == nil
	}
	if isList {
		n.Topics = topics
	} else {
		n.Pattern = value
	}
	return p.add(n)
}

func (p *parser) processor(s string) error {
	name, value, ok := parts(s, "stores")
	stores, isList := list(value)
	if !ok || !isList {
		return fmt.Errorf("%q is not a processor: its form is \"name (stores: [a, b])\"", shorten(s))
	}
	return p.add(DescribedNode{Name: name, Kind: "processor", Stores: stores})
}

func (p *parser) sink(s string) error {
	n := DescribedNode{Kind: "sink"}
	var ok bool
	if n.Name, n.Topic, ok = parts(s, "topic"); !ok {
		if n.Name, n.Extractor, ok = parts(s, "extractor class"); !ok {
			return fmt.Errorf("%q is not a sink: its form is \"name (topic: a)\" or \"name (extractor class: A)\"", shorten(s))
		}
	}
	return p.add(n)
}

func (p *parser) arrows(names string, to bool) error {
	if len(p.d.Subtopologies) == 0 || len(p.d.Subtopologies[len(p.d.Subtopologies)-1].Nodes) == 0 {
		return errors.New("an arrow stands before the first node")
	}
	g := &p.d.Subtopologies[len(p.d.Subtopologies)-1]
	n := &g.Nodes[len(g.Nodes)-1]
	dst := &n.From
	if to {
		dst = &n.To
	}
	if *dst != nil {
		return fmt.Errorf("node %q has its arrows twice", shorten(n.Name))
	}
	if names != "none" {
		*dst = strings.Split(names, ", ")
	}
	return nil
}

// check refuses what no topology can be: names that are used twice, arrows to nowhere, or drawn at one end
// only, or going round.
func (d *Description) check() error {
	seen := map[string]bool{}
	ids := map[int]bool{}
	count := 0
	for gi := range d.Subtopologies {
		g := &d.Subtopologies[gi]
		if ids[g.ID] || g.ID < 0 {
			return fmt.Errorf("the sub-topology %d is there twice, or is none", g.ID)
		}
		ids[g.ID] = true
		at := map[string]*DescribedNode{}
		for i := range g.Nodes {
			n := &g.Nodes[i]
			if n.Name == "" || seen[n.Name] {
				return fmt.Errorf("sub-topology %d: the node %q is there twice, or has no name", g.ID, shorten(n.Name))
			}
			if !slices.Contains([]string{"source", "processor", "sink"}, n.Kind) {
				return fmt.Errorf("node %q is a %q: it must be a source, a processor or a sink", shorten(n.Name), shorten(n.Kind))
			}
			seen[n.Name] = true
			at[n.Name] = n
		}
		if count += len(g.Nodes); count > descriptionNodesMax {
			return fmt.Errorf("more than %d nodes", descriptionNodesMax)
		}
		if err := g.checkArrows(at); err != nil {
			return fmt.Errorf("sub-topology %d: %w", g.ID, err)
		}
	}
	return nil
}

func (g *DescribedGroup) checkArrows(at map[string]*DescribedNode) error {
	type arrow struct{ from, to string }
	down, up := map[arrow]bool{}, map[arrow]bool{}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		for _, c := range n.To {
			if at[c] == nil {
				return fmt.Errorf("node %q points to %q, which is not there", shorten(n.Name), shorten(c))
			}
			down[arrow{n.Name, c}] = true
		}
		for _, p := range n.From {
			if at[p] == nil {
				return fmt.Errorf("node %q comes from %q, which is not there", shorten(n.Name), shorten(p))
			}
			up[arrow{p, n.Name}] = true
		}
		if n.Kind == "source" && len(n.From) > 0 || n.Kind == "sink" && len(n.To) > 0 {
			return fmt.Errorf("%s %q has an arrow on its closed side", n.Kind, shorten(n.Name))
		}
	}
	for a := range down {
		if !up[a] {
			return fmt.Errorf("node %q points to %q, which does not come from it", shorten(a.from), shorten(a.to))
		}
	}
	for a := range up {
		if !down[a] {
			return fmt.Errorf("node %q comes from %q, which does not point to it", shorten(a.to), shorten(a.from))
		}
	}
	return g.checkRound(at)
}

// checkRound takes away nodes that nothing points to until none is left.
func (g *DescribedGroup) checkRound(at map[string]*DescribedNode) error {
	open := map[string]int{}
	var free []string
	for i := range g.Nodes {
		n := &g.Nodes[i]
		for _, c := range n.To {
			open[c]++
		}
	}
	for i := range g.Nodes {
		if open[g.Nodes[i].Name] == 0 {
			free = append(free, g.Nodes[i].Name)
		}
	}
	for done := 0; ; done++ {
		if len(free) == 0 {
			if done < len(g.Nodes) {
				return errors.New("the arrows go round")
			}
			return nil
		}
		n := at[free[0]]
		free = free[1:]
		for _, c := range n.To {
			if open[c]--; open[c] == 0 {
				free = append(free, c)
			}
		}
	}
}
