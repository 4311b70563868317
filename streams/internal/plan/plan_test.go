package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"leat.dev/streams/internal/topology"
	"pgregory.net/rapid"
)

func newMini(o Options) mini { return mini{New(o), map[*Node]*Node{}} }

func TestNumbersAreTakenByGivenNamesToo(t *testing.T) {
	p := New(Options{GeneratedNames: true})
	got := []string{p.NodeName("", "KSTREAM-FILTER-"), p.NodeName("mine", "KSTREAM-MAP-"), p.StoreName("KSTREAM-REDUCE-"), p.Name("KSTREAM-SINK-")}
	want := []string{"KSTREAM-FILTER-0000000000", "mine", "KSTREAM-REDUCE-STATE-STORE-0000000002", "KSTREAM-SINK-0000000003"}
	if !slices.Equal(got, want) {
		t.Error(got)
	}
	p.NodeName("not this", "X-")
	if _, err := p.Build(); err == nil || !strings.Contains(err.Error(), `a step has an invalid name: the name "not this"`) {
		t.Error(err)
	}
	if _, err := p.Build(); err == nil {
		t.Error("built twice")
	}
}

// Without the option, numbered names of what is stored are mistakes that name the step.
func TestGeneratedNamesOfStoredThings(t *testing.T) {
	m := newMini(Options{})
	s := m.stream("in").selectKey()
	s.count("")
	s.count("named")
	s.join(m.stream("b"), "", false).to("out")
	unlogged := &Node{Name: "p"}
	store := m.StoreName("KSTREAM-AGGREGATE-")
	unlogged.Write = func(b *topology.Builder, parents []string) error {
		b.AddProcessor("p", nil, parents...)
		b.AddStore(topology.Store{Name: store}, "p")
		return nil
	}
	m.Add(unlogged, s.n)
	_, err := m.Build()
	want := `processor "KSTREAM-AGGREGATE-0000000003": the store and changelog topic "KSTREAM-AGGREGATE-STATE-STORE-0000000002" has a generated name, which changes when steps are added above: name the store, or allow generated names
processor "KSTREAM-WINDOWED-0000000015": the store and changelog topic "KSTREAM-JOINTHIS-0000000017-store" has a generated name, which changes when steps are added above: name the store, or allow generated names
processor "KSTREAM-WINDOWED-0000000016": the store and changelog topic "KSTREAM-JOINOTHER-0000000018-store" has a generated name, which changes when steps are added above: name the store, or allow generated names
processor "p": the store "KSTREAM-AGGREGATE-STATE-STORE-0000000021" has a generated name, which changes when steps are added above: name the store, or allow generated names
processor "KSTREAM-FILTER-0000000005": the repartition topic "KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition" has a generated name, which changes when steps are added above: name the step that needs it, or allow generated names
processor "KSTREAM-FILTER-0000000013": the repartition topic "KSTREAM-KEY-SELECT-0000000001-repartition" has a generated name, which changes when steps are added above: name the step that needs it, or allow generated names`
	if fmt.Sprint(err) != want {
		t.Error(err)
	}
	// A name that only looks like one of Kafka's is the user's own.
	m = newMini(Options{})
	m.stream("in").count("KSTREAM-AGGREGATE-STATE-STORE-0000000007")
	if _, err := m.Build(); err != nil {
		t.Error(err)
	}
}

func TestSourcesThatCannotBeMerged(t *testing.T) {
	m := newMini(Options{})
	m.stream("x", "y").to("a")
	m.stream("y").to("b")
	m.stream("x", "z").to("c")
	early := m.stream("e")
	early.n.Source.Reset = topology.Reset{Policy: topology.ResetEarliest}
	m.stream("e")
	broken := errors.New("broken")
	m.Fail(broken)
	m.Add(&Node{Name: "bad", Write: func(*topology.Builder, []string) error { return fmt.Errorf("bad: %w", broken) }})
	_, err := m.Build()
	want := `broken
sources "KSTREAM-SOURCE-0000000000" of ["x" "y"] and "KSTREAM-SOURCE-0000000002" of ["y"] overlap, but are not equal, and a topic can be read once only: read the topics one by one and merge the streams
sources "KSTREAM-SOURCE-0000000000" of ["x" "y"] and "KSTREAM-SOURCE-0000000004" of ["x" "z"] overlap, but are not equal, and a topic can be read once only: read the topics one by one and merge the streams
sources "KSTREAM-SOURCE-0000000006" and "KSTREAM-SOURCE-0000000007" read the same but begin differently (earliest and the application's default): give both the same reset policy
bad: broken`
	if fmt.Sprint(err) != want || !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestEqualPatternsAreOneSource(t *testing.T) {
	p := New(Options{})
	var children []*Node
	for i := range 3 {
		pattern := []string{"a-.*", "b-.*", "a-.*"}[i]
		n := &Node{Name: p.Name("S"), Source: &Source{Pattern: pattern}}
		n.Write = func(b *topology.Builder, _ []string) error {
			b.AddSource(topology.Source{Name: n.Name, Pattern: pattern})
			return nil
		}
		p.Add(n)
		c := &Node{Name: fmt.Sprintf("c%d", i)}
		c.Write = func(b *topology.Builder, parents []string) error {
			b.AddProcessor(c.Name, nil, parents...)
			return nil
		}
		p.Add(c, n)
		children = append(children, c)
	}
	topo, err := p.Build()
	if err != nil {
		t.Fatal(err)
	}
	if len(topo.Subtopologies) != 2 || topo.Node("c2").Parents[0].Name != "S0000000000" {
		t.Error(topo.Describe())
	}
	if got := children[0].Parents()[0].Children(); !slices.Equal(got, []*Node{children[0], children[2]}) {
		t.Error(got)
	}
}

// KIP-962: records without a key pass a repartition if, anywhere below, a join wants them.
func TestNullKeysPassToLeftJoins(t *testing.T) {
	keeps := func(t *testing.T, optimized bool, program func(m mini)) map[string]bool {
		o := Options{GeneratedNames: true}
		if optimized {
			o.MergeRepartitions = true
		}
		m := newMini(o)
		program(m)
		topo, err := m.Build()
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]bool{}
		for _, n := range topo.Nodes() {
			if n.Kind == topology.KindSink && n.Internal {
				out[n.Topic] = n.Parents[0].Open.(bool)
			}
		}
		return out
	}
	program := func(left bool) func(m mini) {
		return func(m mini) {
			s := m.stream("a").selectKey()
			s.count("counts")
			s.join(m.stream("b").selectKey(), "pair", left).to("out")
		}
	}
	// A sink that did not stand behind a repartition does so now, and still gets what has no key.
	moved := func(m mini) {
		f := m.stream("a").selectKey().filter()
		f.count("counts")
		f.to("all")
	}
	for optimized, want := range map[bool]string{false: "map[counts-repartition:false]", true: "map[counts-repartition:true]"} {
		if got := fmt.Sprint(keeps(t, optimized, moved)); got != want {
			t.Errorf("%v: %s", optimized, got)
		}
	}
	for _, c := range []struct {
		left, optimized bool
		want            string
	}{
		{false, false, "map[counts-repartition:false pair-left-repartition:false pair-right-repartition:false]"},
		{true, false, "map[counts-repartition:false pair-left-repartition:true pair-right-repartition:true]"},
		{true, true, "map[counts-repartition:true pair-right-repartition:true]"},
	} {
		if got := fmt.Sprint(keeps(t, c.optimized, program(c.left))); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// A table is versioned if it says so, or if it says nothing and all tables above it are.
func TestVersionedTables(t *testing.T) {
	p := New(Options{})
	node := func(v Versioning, parents ...*Node) *Node {
		n := &Node{Name: fmt.Sprint(len(p.nodes)), Versioning: v}
		p.Add(n, parents...)
		return n
	}
	versioned, plain, stream := node(Versioned), node(Unversioned), node(Inherit)
	filter := node(Inherit, versioned)
	joined := node(Inherit, filter, versioned)
	mixed := node(Inherit, joined, plain)
	leaf := node(Inherit, filter, plain, joined, mixed, stream)
	p.markVersioned()
	if got := fmt.Sprint(leaf.ParentVersioned); got != "[true false true false false]" {
		t.Error(got)
	}
	if got := fmt.Sprint(versioned.ParentVersioned, joined.ParentVersioned); got != "[false] [true true]" {
		t.Error(got)
	}
}

func TestTablesReuseTheirSourceTopics(t *testing.T) {
	for _, reuse := range []bool{false, true} {
		m := newMini(Options{ReuseSourceTopics: reuse})
		m.table("t", "users")
		global := &Node{Name: "g", Table: &Table{Global: true}}
		m.Add(global)
		topo, err := m.Build()
		if err != nil {
			t.Fatal(err)
		}
		want := "app-users-changelog"
		if reuse {
			want = "t"
		}
		if got := topo.Store("users").Changelog("app"); got != want || global.ReuseSourceTopic {
			t.Error(reuse, got)
		}
	}
}

// Whatever the options, a program keeps its steps and sinks, every grouping stays below a repartition of its
// key, and co-partitioned sources exist.
func TestOptimisationsKeepThePrograms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.SliceOfN(rapid.IntRange(0, 99), 4, 25).Draw(t, "program")
		plain := randomProgram(t, Options{GeneratedNames: true}, seed)
		o := Optimized()
		o.GeneratedNames = true
		best := randomProgram(t, o, seed)
		for _, n := range plain.Nodes() {
			internal := n.Internal || n.Kind == topology.KindProcessor && strings.Contains(n.Name, "KSTREAM-FILTER") ||
				strings.Contains(n.Name, "-repartition") || strings.HasPrefix(n.Name, "pair") && !strings.HasSuffix(n.Name, "-merge")
			if !internal && n.Kind != topology.KindSource && best.Node(n.Name) == nil {
				t.Fatalf("%s is lost:\n%s\n%s", n.Name, plain.Describe(), best.Describe())
			}
		}
		for _, topo := range []*topology.Topology{plain, best} {
			for _, n := range topo.Nodes() {
				if strings.HasPrefix(n.Name, "KSTREAM-AGGREGATE-") {
					if bad := rekeyedAbove(n, map[*topology.Node]bool{}); bad != nil {
						t.Fatalf("%s sees keys of %s that were not repartitioned:\n%s", n.Name, bad.Name, topo.Describe())
					}
				}
			}
			_, err := topo.Layout(topology.LayoutConfig{ApplicationID: "app"}, func(string) (int, error) { return 4, nil })
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(best.InternalTopicNames()) > len(plain.InternalTopicNames()) {
			t.Fatalf("more repartitions than before:\n%s\n%s", plain.Describe(), best.Describe())
		}
	})
}

// rekeyedAbove finds a change of key in the same sub-topology above a node.
func rekeyedAbove(n *topology.Node, seen map[*topology.Node]bool) *topology.Node {
	if seen[n] {
		return nil
	}
	seen[n] = true
	if strings.HasPrefix(n.Name, "KSTREAM-KEY-SELECT") || strings.HasPrefix(n.Name, "KSTREAM-PROCESSOR") {
		return n
	}
	for _, p := range n.Parents {
		if found := rekeyedAbove(p, seen); found != nil {
			return found
		}
	}
	return nil
}

func randomProgram(t *rapid.T, o Options, seed []int) *topology.Topology {
	m := newMini(o)
	streams := []stream{m.stream("t0")}
	for i, n := range seed {
		s := streams[(n/10)%len(streams)]
		other := streams[(n/3)%len(streams)]
		switch n % 10 {
		case 0:
			s = m.stream(fmt.Sprintf("t%d", n/30))
		case 1, 2:
			s = s.selectKey()
		case 3:
			s = s.filter()
		case 4:
			s = s.mapValues()
		case 5:
			s = s.merge(other)
		case 6, 7:
			s.count(fmt.Sprintf("count%d", i))
			continue
		case 8:
			s = s.join(other, fmt.Sprintf("pair%d", i), n > 50)
		case 9:
			s = s.process()
		}
		streams = append(streams, s)
	}
	topo, err := m.Build()
	if err != nil {
		t.Fatal(err)
	}
	return topo
}
