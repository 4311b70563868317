package topology

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Builder gathers the parts of a topology. Its methods return nothing: what is wrong is kept, and Build
// returns all of it at once. A part must be added after the parts it names, so a graph cannot have cycles.
type Builder struct {
	nodes    map[string]*Node
	order    []*Node
	stores   map[string]*storeUse
	storeIn  []*storeUse
	globals  []*Global
	internal map[string]*InternalTopic
	internIn []*InternalTopic
	copart   [][]string
	topics   map[string]claim // who reads a topic
	patterns []*Node
	groups   unionFind
	problems []error
	built    bool
}

type claim struct {
	source string
	global bool
}

type storeUse struct {
	Store
	users []string // processors
}

// NewBuilder gives an empty one.
func NewBuilder() *Builder {
	return &Builder{
		nodes: map[string]*Node{}, stores: map[string]*storeUse{}, internal: map[string]*InternalTopic{},
		topics: map[string]claim{}, groups: unionFind{},
	}
}

// Fail keeps a mistake that was found elsewhere, so that it is reported together with the others.
func (b *Builder) Fail(err error) { b.problems = append(b.problems, err) }

func (b *Builder) failf(format string, args ...any) { b.Fail(fmt.Errorf(format, args...)) }

// AddSource adds a node that reads topics, or all topics whose whole name matches a pattern.
func (b *Builder) AddSource(s Source) { b.addSource(s, false) }

func (b *Builder) addSource(s Source, global bool) *Node {
	n := &Node{
		Name: s.Name, Kind: KindSource, Topics: slices.Clone(s.Topics), Pattern: s.Pattern,
		Reset: s.Reset, Internal: s.Internal, Open: s.Open,
	}
	if !b.addNode(n) {
		return n
	}
	switch {
	case n.Pattern != "" && len(n.Topics) > 0:
		b.failf("source %q has topics and a pattern: give one of them", n.Name)
	case n.Pattern != "":
		b.claimPattern(n)
	case len(n.Topics) == 0:
		b.failf("source %q reads no topic: give it at least one, or a pattern", n.Name)
	}
	for _, topic := range n.Topics {
		b.claimTopic(n, topic, global)
	}
	return n
}

func (b *Builder) claimTopic(n *Node, topic string, global bool) {
	if err := CheckName(topic); err != nil {
		b.failf("source %q reads a topic with an invalid name: %w", n.Name, err)
		return
	}
	if c, taken := b.topics[topic]; taken {
		how := "read it once and use that stream or table twice"
		if c.global != global {
			how = "a topic is either a global store's or a stream's: read one of them from a copy of the topic"
		}
		b.failf("source %q: the topic %q is already read by source %q: %s", n.Name, topic, c.source, how)
		return
	}
	for _, p := range b.patterns {
		if p.re.MatchString(topic) {
			b.failf("source %q: the topic %q matches the pattern %q of source %q, which would read it twice: make the pattern narrower", n.Name, topic, p.Pattern, p.Name)
			return
		}
	}
	b.topics[topic] = claim{n.Name, global}
}

func (b *Builder) claimPattern(n *Node) {
	re, err := regexp.Compile(`^(?:` + n.Pattern + `)$`)
	if err != nil {
		b.failf("source %q: the pattern %q is not a regular expression of Go (RE2: no look-ahead, no back-references): %w", n.Name, n.Pattern, err)
		return
	}
	n.re = re
	b.patterns = append(b.patterns, n)
	for _, other := range b.order {
		for _, topic := range other.Topics {
			if !b.topics[topic].global && re.MatchString(topic) {
				b.failf("source %q: its pattern %q matches the topic %q of source %q, which would be read twice: make the pattern narrower", n.Name, n.Pattern, topic, other.Name)
				return
			}
		}
	}
}

// AddProcessor adds a node that is called with the records its parents forward.
func (b *Builder) AddProcessor(name string, open any, parents ...string) {
	n := &Node{Name: name, Kind: KindProcessor, Open: open}
	if b.addNode(n) {
		b.connect(n, parents)
	}
}

// AddSink adds a node that writes what its parents forward to a topic.
func (b *Builder) AddSink(s Sink, parents ...string) {
	n := &Node{Name: s.Name, Kind: KindSink, Topic: s.Topic, Extractor: s.Extractor, Open: s.Open}
	if !b.addNode(n) {
		return
	}
	switch {
	case (s.Topic == "") == (s.Extractor == ""):
		b.failf("sink %q needs a topic or something that picks one, and not both", s.Name)
	case s.Topic != "":
		if err := CheckName(s.Topic); err != nil {
			b.failf("sink %q writes to a topic with an invalid name: %w", s.Name, err)
		}
	}
	b.connect(n, parents)
}

func (b *Builder) addNode(n *Node) bool {
	kind := strings.ToLower(n.Kind.String())
	if n.Name == "" {
		b.failf("a %s has no name: give it one", kind)
		return false
	}
	if old, dup := b.nodes[n.Name]; dup {
		b.failf("%s %q: a %s of this name was added before: give one of them another name", kind, n.Name, strings.ToLower(old.Kind.String()))
		return false
	}
	b.nodes[n.Name] = n
	b.order = append(b.order, n)
	b.groups.add(n.Name)
	return true
}

func (b *Builder) connect(n *Node, parents []string) {
	kind := strings.ToLower(n.Kind.String())
	if len(parents) == 0 {
		b.failf("%s %q has no parent and would never see a record: connect it to a source or a processor", kind, n.Name)
	}
	for _, name := range parents {
		p, ok := b.nodes[name]
		switch {
		case name == n.Name:
			b.failf("%s %q is its own parent: connect it to another node", kind, n.Name)
		case !ok:
			b.failf("%s %q: there is no node %q to be its parent: add that one before", kind, n.Name, name)
		case p.Kind == KindSink:
			b.failf("%s %q: its parent %q is a sink, which forwards nothing: connect it to that sink's parent", kind, n.Name, name)
		case slices.Contains(n.Parents, p):
		default:
			n.Parents = append(n.Parents, p)
			p.Children = append(p.Children, n)
			b.groups.unite(n.Name, name)
		}
	}
}

// AddStore adds a store and connects it to processors. A second addition of the same definition (Store.Def)
// only connects.
func (b *Builder) AddStore(s Store, processors ...string) {
	if b.addStore(s) {
		for _, p := range processors {
			b.ConnectStores(p, s.Name)
		}
	}
}

func (b *Builder) addStore(s Store) bool {
	if err := CheckName(s.Name); err != nil {
		b.failf("a store has an invalid name: %w", err)
		return false
	}
	if old, dup := b.stores[s.Name]; dup {
		if old.Def == nil || old.Def != s.Def {
			b.failf("store %q: another store of this name was added before: give one of them another name", s.Name)
			return false
		}
		return true
	}
	if s.ChangelogTopic != "" {
		s.Logged = false
	}
	u := &storeUse{Store: s}
	b.stores[s.Name] = u
	b.storeIn = append(b.storeIn, u)
	return true
}

// ConnectStores lets a processor use stores. All nodes that share a store are in one sub-topology. Global
// stores need no connection: connecting one is a mistake.
func (b *Builder) ConnectStores(processor string, stores ...string) {
	n, ok := b.nodes[processor]
	if !ok {
		b.failf("stores %q: there is no processor %q to use them: add it before", stores, processor)
		return
	}
	if n.Kind != KindProcessor {
		b.failf("stores %q: %q is a %s, and only processors use stores", stores, processor, strings.ToLower(n.Kind.String()))
		return
	}
	for _, name := range stores {
		u, ok := b.stores[name]
		switch {
		case !ok:
			b.failf("processor %q: there is no store %q: add it before", processor, name)
		case u.Global:
			b.failf("processor %q: store %q is global, which every processor may read without a connection: leave the connection out", processor, name)
		case slices.Contains(n.Stores, name):
		default:
			if len(u.users) > 0 {
				b.groups.unite(u.users[0], processor)
			}
			u.users = append(u.users, processor)
			n.Stores = append(n.Stores, name)
		}
	}
}

// AddReadOnly adds a store that has the source's one topic as its changelog and is filled from it by one
// processor (KIP-813).
func (b *Builder) AddReadOnly(s Store, src Source, processor string, open any) {
	if len(src.Topics) != 1 || src.Pattern != "" {
		b.failf("read-only store %q: its source %q must read exactly one topic", s.Name, src.Name)
		return
	}
	b.AddSource(src)
	b.AddProcessor(processor, open, src.Name)
	s.ReadOnly, s.ChangelogTopic = true, src.Topics[0]
	b.AddStore(s, processor)
}

// AddGlobal adds a store that every instance fills from all partitions of the source's one topic.
func (b *Builder) AddGlobal(s Store, src Source, processor string, open any) {
	if src.Name == processor {
		b.failf("global store %q: its source and its processor are both named %q: give them different names", s.Name, processor)
		return
	}
	if len(src.Topics) != 1 || src.Pattern != "" {
		b.failf("global store %q: its source %q must read exactly one topic", s.Name, src.Name)
		return
	}
	before := len(b.problems)
	source := b.addSource(src, true)
	b.AddProcessor(processor, open, src.Name)
	s.Global, s.ChangelogTopic = true, src.Topics[0]
	if !b.addStore(s) || len(b.problems) > before {
		return
	}
	p := b.nodes[processor]
	p.Stores = append(p.Stores, s.Name)
	b.globals = append(b.globals, &Global{Source: source, Processor: p, Store: &b.stores[s.Name].Store})
}

// AddInternalTopic declares a repartition topic. Declaring it again is no mistake.
func (b *Builder) AddInternalTopic(t InternalTopic) {
	if err := CheckName(t.Name); err != nil {
		b.failf("a repartition topic has an invalid name: %w", err)
		return
	}
	if t.Partitions < 0 {
		b.failf("repartition topic %q: it cannot have %d partitions", t.Name, t.Partitions)
		return
	}
	if old, ok := b.internal[t.Name]; ok {
		if old.Partitions == 0 {
			old.Partitions = t.Partitions
		}
		return
	}
	b.internal[t.Name] = &t
	b.internIn = append(b.internIn, &t)
}

// Copartition demands the same number of partitions of all topics of these source nodes.
func (b *Builder) Copartition(sources ...string) { b.copart = append(b.copart, slices.Clone(sources)) }

// RenameCopartition puts one source in the place of another in all co-partitioned groups.
func (b *Builder) RenameCopartition(old, now string) {
	for _, g := range b.copart {
		for i, name := range g {
			if name == old {
				g[i] = now
			}
		}
	}
}

// HasStore tells whether a store was added.
func (b *Builder) HasStore(name string) bool { return b.stores[name] != nil }

// HasNode tells whether a node was added.
func (b *Builder) HasNode(name string) bool { return b.nodes[name] != nil }
