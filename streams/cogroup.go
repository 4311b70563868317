package streams

import (
	"fmt"

	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// Cogrouped is an aggregate over several grouped streams of one key type, each with a callback of its own (KIP-150). The
// inputs that changed their key are repartitioned, each through a topic of its own: all but one need a name, by Named at
// their grouping. All topics read must have the same number of partitions.
type Cogrouped[K, A any] struct {
	b      *Builder
	inputs []cogroupInput[K, A]
}

// Cogroup starts an aggregate over several grouped streams of one key type.
func (g *Grouped[K, V]) Cogroup[A any](f func(A, V) A) *Cogrouped[K, A] {
	return &Cogrouped[K, A]{g.b, []cogroupInput[K, A]{&cogroupStream[K, V, A]{g: g, f: f}}}
}

// And adds an input. One that is there already gets the new callback.
func (c *Cogrouped[K, A]) And[V any](g *Grouped[K, V], f func(A, V) A) *Cogrouped[K, A] {
	more := &Cogrouped[K, A]{b: c.b}
	added := false
	for _, in := range c.inputs {
		if in.of() == any(g) {
			in, added = &cogroupStream[K, V, A]{g: g, f: f}, true
		}
		more.inputs = append(more.inputs, in)
	}
	if !added {
		more.inputs = append(more.inputs, &cogroupStream[K, V, A]{g: g, f: f})
	}
	return more
}

// Aggregate puts the values of each key into an A, which begins as its zero value, or as Init says. A nil that a callback
// returns deletes the row. Records without key or value are dropped. Options: Init, Named, Versioned and those of stores.
func (c *Cogrouped[K, A]) Aggregate[S Name](store S, as Serde[A], o ...Option) *Table[K, A] {
	g := c.prepare(operatorOf("Aggregate", string(store)), string(store), as, c.b.settings(operatorOf("Aggregate", string(store)), o, and(aggregateOptions, "Init")...))
	for i, in := range c.inputs {
		g.merge(in.byKey(g, i))
	}
	t := g.table(g.ks, storeView[K, A](func() string { return g.store }))
	t.history = g.settings.versioned
	return &Table[K, A]{t}
}

// Windowed aggregates by key and time window.
func (c *Cogrouped[K, A]) Windowed[W WindowsWithGrace](w W) *WCogrouped[K, A] {
	return &WCogrouped[K, A]{of: c, w: Windows(w)}
}

// Sessions aggregates by key and session.
func (c *Cogrouped[K, A]) Sessions[W SessionsWithGrace](w W) *SCogrouped[K, A] {
	return &SCogrouped[K, A]{of: c, w: Sessions(w)}
}

// WCogrouped aggregates several streams into time windows; see WGrouped.
type WCogrouped[K, A any] struct {
	of    *Cogrouped[K, A]
	w     Windows
	final bool
}

// EmitFinal sends one result for each window, when it closes. Stream time is then that of all inputs together; else each
// has its own, and a record is late by the time of its input, as in Kafka.
func (c *WCogrouped[K, A]) EmitFinal() *WCogrouped[K, A] {
	return &WCogrouped[K, A]{c.of, c.w, true}
}

// Aggregate puts the values of each key and window into an A. Options: Init, Named, Retention, EmitIdle and those of stores.
func (c *WCogrouped[K, A]) Aggregate[S Name](store S, as Serde[A], o ...Option) *WTable[K, A] {
	operator := operatorOf("Aggregate", string(store))
	g := c.of.prepare(operator, string(store), as, c.of.b.settings(operator, o, and(windowOptions, "Init", "EmitIdle")...))
	g.final = c.final
	var made *WTable[K, A]
	for i, in := range c.of.inputs {
		n, t := in.byWindow(g, i, c.w)
		g.merge(n)
		if made == nil {
			made = t
		}
	}
	made.table = g.table(made.ks, made.view)
	return made
}

// SCogrouped aggregates several streams into sessions; see SGrouped.
type SCogrouped[K, A any] struct {
	of    *Cogrouped[K, A]
	w     Sessions
	final bool
}

// EmitFinal sends one result for each session, when it closes. See WCogrouped.EmitFinal.
func (c *SCogrouped[K, A]) EmitFinal() *SCogrouped[K, A] {
	return &SCogrouped[K, A]{c.of, c.w, true}
}

// Aggregate puts the values of each session into an A; merge puts two sessions together. Options: Init, Named, Retention,
// EmitIdle and those of stores.
func (c *SCogrouped[K, A]) Aggregate[S Name](store S, as Serde[A], merge func(A, A) A, o ...Option) *WTable[K, A] {
	operator := operatorOf("Aggregate", string(store))
	g := c.of.prepare(operator, string(store), as, c.of.b.settings(operator, o, and(sessionOptions, "Init", "EmitIdle")...))
	g.final = c.final
	var made *WTable[K, A]
	for i, in := range c.of.inputs {
		n, t := in.bySession(g, i, c.w, merge)
		g.merge(n)
		if made == nil {
			made = t
		}
	}
	made.table = g.table(made.ks, made.view)
	return made
}

// cogrouping is one aggregate of a Cogrouped: what its inputs share.
type cogrouping[K, A any] struct {
	b        *Builder
	operator string
	settings *settings
	store    string
	named    bool
	ks       Serde[K]
	as       Serde[A]
	start    func() (A, bool, error)
	old      *bool
	final    bool
	nodes    []*plan.Node // of the inputs
	sources  []string
}

const cogroupPrefix = "COGROUPKSTREAM-AGGREGATE-"

// prepare takes names in Kafka's order: the store's, those of all repartitions; the nodes' follow.
func (c *Cogrouped[K, A]) prepare(operator, store string, as Serde[A], s *settings) *cogrouping[K, A] {
	b := c.b
	g := &cogrouping[K, A]{b: b, operator: operator, settings: s, named: store != "", start: startOf[A](b, operator, s), old: new(bool)}
	g.store = b.storeName(store, operator, cogroupPrefix)
	g.as = need(b, as, operator, "value")
	unnamed := 0
	for _, in := range c.inputs {
		if in.builder() != b {
			b.mistake(operator, "the inputs are of two builders", "cogroup streams of one topology")
		}
		if in.partition(g) {
			unnamed++
		}
	}
	if unnamed > 1 {
		b.mistake(operator, fmt.Sprintf("%d inputs changed their key, and their repartition topics would have one name", unnamed), "name their groupings by Named")
	}
	if len(g.sources) > 0 {
		b.plan.Copartition(g.sources...)
	}
	return g
}

// node takes the name of an input's node.
func (g *cogrouping[K, A]) node(i int) *plan.Node {
	given := ""
	if g.settings.name != "" {
		given = fmt.Sprintf("%s-cogroup-agg-%d", g.settings.name, i)
	}
	n := &plan.Node{Name: g.b.nodeName(given, cogroupPrefix), Versioning: plan.Unversioned}
	if g.settings.versioned > 0 {
		n.Versioning = plan.Versioned
	}
	return n
}

func (g *cogrouping[K, A]) merge(n *plan.Node) { g.nodes = append(g.nodes, n) }

// table adds the node that the inputs' nodes send to.
func (g *cogrouping[K, A]) table[K2 any](ks Serde[K2], view *viewer[K2, A]) table[K2, A] {
	n := &plan.Node{Name: g.b.nodeName(suffixed(g.settings.name, "-cogroup-merge"), "COGROUPKSTREAM-MERGE-"), Merge: true}
	passThrough(n, port[K2, change[A]]{})
	g.b.plan.Add(n, g.nodes...)
	t := table[K2, A]{
		port: port[K2, A]{b: g.b, n: n, ks: ks, vs: g.as, sources: g.sources}, view: view,
		sendOld: func(bool) bool {
			*g.old = true
			return true
		},
	}
	if g.named {
		t.store = g.store
	}
	return t
}

// cogroupInput is an input whose values have some type.
type cogroupInput[K, A any] interface {
	of() any
	builder() *Builder
	// partition repartitions the input if its key changed. It tells whether the topic has the store's name.
	partition(g *cogrouping[K, A]) (unnamed bool)
	byKey(g *cogrouping[K, A], i int) *plan.Node
	byWindow(g *cogrouping[K, A], i int, w Windows) (*plan.Node, *WTable[K, A])
	bySession(g *cogrouping[K, A], i int, w Sessions, merge func(A, A) A) (*plan.Node, *WTable[K, A])
}

type cogroupStream[K, V, A any] struct {
	g    *Grouped[K, V]
	f    func(A, V) A
	from port[K, V]
}

func (s *cogroupStream[K, V, A]) of() any { return s.g }

func (s *cogroupStream[K, V, A]) builder() *Builder { return s.g.b }

func (s *cogroupStream[K, V, A]) partition(g *cogrouping[K, A]) (unnamed bool) {
	s.from = s.g.byKey(g.operator, g.store)
	g.sources = merged(g.sources, s.from.sources)
	if s.from.ks = need(g.b, s.from.ks, g.operator, "key"); g.ks == nil {
		g.ks = s.from.ks
	}
	return s.g.rekeyed && s.g.name == ""
}

func (s *cogroupStream[K, V, A]) aggregation(g *cogrouping[K, A], i int) *aggregation[K, V, A] {
	a := &aggregation[K, V, A]{
		fold: valueFold[K](s.f, g.start), operator: g.operator, settings: g.settings, store: g.store, named: g.named,
		n: g.node(i), from: s.from, as: g.as, old: g.old,
	}
	a.from.ks = g.ks
	if !g.final {
		a.clock = fmt.Sprintf(".%d", i)
	}
	return a
}

// addTo writes a node with the store, or, but for the first, with the one that is there.
func (a *aggregation[K, V, A]) addTo(i int, o opener, store func() topology.Store) {
	if i == 0 {
		a.add(o, store)
		return
	}
	tableStep(a.from, a.n, o, nil, func() []string { return []string{a.store} })
}

func (s *cogroupStream[K, V, A]) byKey(g *cogrouping[K, A], i int) *plan.Node {
	a := s.aggregation(g, i)
	a.addTo(i, processor(a.open), func() topology.Store {
		return tableStoreOf(specOf(a.store, g.settings, true), g.settings, g.ks, g.as)
	})
	return a.n
}

func (s *cogroupStream[K, V, A]) byWindow(g *cogrouping[K, A], i int, w Windows) (*plan.Node, *WTable[K, A]) {
	a := newWindowAggregate(s.aggregation(g, i), w, g.final)
	a.addTo(i, processor(a.open), a.windowStore)
	return a.n, a.windows()
}

func (s *cogroupStream[K, V, A]) bySession(g *cogrouping[K, A], i int, w Sessions, merge func(A, A) A) (*plan.Node, *WTable[K, A]) {
	a := newSessionAggregate(s.aggregation(g, i), w, g.final, valueMerge[K](merge))
	a.addTo(i, processor(a.open), a.sessionStore)
	return a.n, a.sessions(w)
}
