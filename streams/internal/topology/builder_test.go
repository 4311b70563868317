package topology

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// All mistakes are reported, each with its node and what to do.
func TestMistakesAreGathered(t *testing.T) {
	b := NewBuilder()
	b.AddSource(Source{Name: "a", Topics: []string{"t"}})
	b.AddSource(Source{Name: "b", Topics: []string{"t"}})
	b.AddSource(Source{Name: "a", Topics: []string{"u"}})
	b.AddSource(Source{Name: "c"})
	b.AddSource(Source{Name: "d", Topics: []string{"no spaces"}})
	b.AddSource(Source{Name: "e", Pattern: "("})
	b.AddSource(Source{Name: "f", Pattern: "t|u"})
	b.AddSource(Source{Name: "g", Pattern: "x", Topics: []string{"x"}})
	b.AddSource(Source{})
	b.AddProcessor("p", nil)
	b.AddProcessor("q", nil, "q", "nowhere", "a")
	b.AddSink(Sink{Name: "k"}, "a")
	b.AddSink(Sink{Name: "l", Topic: strings.Repeat("x", 250)}, "k")
	b.AddStore(Store{Name: ".."})
	b.AddStore(Store{Name: "s"}, "nobody", "a")
	b.AddStore(Store{Name: "s"})
	b.ConnectStores("q", "none")
	b.AddGlobal(Store{Name: "g1"}, Source{Name: "same", Topics: []string{"tg"}}, "same", nil)
	b.AddGlobal(Store{Name: "g2"}, Source{Name: "gs", Pattern: ".*"}, "gp", nil)
	b.AddReadOnly(Store{Name: "r"}, Source{Name: "rs", Topics: []string{"x", "y"}}, "rp", nil)
	b.AddInternalTopic(InternalTopic{Name: "?"})
	b.AddInternalTopic(InternalTopic{Name: "minus", Partitions: -1})
	b.Copartition("a", "p")
	_, err := b.Build()
	got := fmt.Sprint(err)
	want := `source "b": the topic "t" is already read by source "a": read it once and use that stream or table twice
source "a": a source of this name was added before: give one of them another name
source "c" reads no topic: give it at least one, or a pattern
source "d" reads a topic with an invalid name: the name "no spaces" may hold only letters and digits of ASCII, '.', '_' and '-'
source "e": the pattern "(" is not a regular expression of Go (RE2: no look-ahead, no back-references): error parsing regexp: missing closing ): ` + "`^(?:()$`" + `
source "f": its pattern "t|u" matches the topic "t" of source "a", which would be read twice: make the pattern narrower
source "g" has topics and a pattern: give one of them
a source has no name: give it one
processor "p" has no parent and would never see a record: connect it to a source or a processor
processor "q" is its own parent: connect it to another node
processor "q": there is no node "nowhere" to be its parent: add that one before
sink "k" needs a topic or something that picks one, and not both
sink "l" writes to a topic with an invalid name: the name "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…" has 250 bytes, more than 249
sink "l": its parent "k" is a sink, which forwards nothing: connect it to that sink's parent
a store has an invalid name: the name may not be ".."
stores ["s"]: there is no processor "nobody" to use them: add it before
stores ["s"]: "a" is a source, and only processors use stores
store "s": another store of this name was added before: give one of them another name
processor "q": there is no store "none": add it before
global store "g1": its source and its processor are both named "same": give them different names
global store "g2": its source "gs" must read exactly one topic
read-only store "r": its source "rs" must read exactly one topic
a repartition topic has an invalid name: the name "?" may hold only letters and digits of ASCII, '.', '_' and '-'
repartition topic "minus": it cannot have -1 partitions
co-partitioned sources ["a" "p"]: there is no source "p": add it before`
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		var g, w string
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Errorf("line %d is\n%s\nnot\n%s", i+1, g, w)
		}
	}
	if _, err := b.Build(); err == nil {
		t.Error("built twice")
	}
}

func TestEmptyTopologyIsRefused(t *testing.T) {
	if _, err := NewBuilder().Build(); err == nil || !strings.Contains(err.Error(), "reads no topic") {
		t.Error(err)
	}
}

func TestOneDefinitionIsOneStore(t *testing.T) {
	def := new(int)
	b := NewBuilder()
	b.AddSource(Source{Name: "a", Topics: []string{"ta"}})
	b.AddSource(Source{Name: "b", Topics: []string{"tb"}})
	b.AddProcessor("pa", nil, "a")
	b.AddProcessor("pb", nil, "b")
	b.AddStore(Store{Name: "s", Def: def}, "pa")
	b.AddStore(Store{Name: "s", Def: def}, "pb")
	topo := mustBuild(t, b)
	if len(topo.Subtopologies) != 1 || len(topo.Subtopologies[0].Stores) != 1 || !b.HasStore("s") || !b.HasNode("pb") {
		t.Error(topo.Describe())
	}
}

// Two nodes are in one sub-topology exactly if a walk along arrows and shared stores leads from one to the
// other; numbers go up in the order of the first nodes.
func TestSubtopologiesAreWhatIsConnected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topo, err := build(randomGraph(t, 25))
		if err != nil {
			t.Fatal(err)
		}
		sharing := map[string][]*Node{}
		for _, n := range topo.Nodes() {
			for _, s := range n.Stores {
				sharing[s] = append(sharing[s], n)
			}
		}
		label := map[*Node]int{}
		next := 0
		for _, start := range topo.Nodes() {
			if _, done := label[start]; done {
				continue
			}
			todo := []*Node{start}
			for len(todo) > 0 {
				n := todo[0]
				todo = todo[1:]
				if _, done := label[n]; done {
					continue
				}
				label[n] = next
				todo = append(append(todo, n.Parents...), n.Children...)
				for _, s := range n.Stores {
					todo = append(todo, sharing[s]...)
				}
			}
			next++
		}
		for _, s := range topo.Subtopologies {
			for _, n := range s.Nodes {
				if label[n] != s.ID || n.Subtopology != s.ID {
					t.Fatalf("%s is in %d, not in %d", n.Name, s.ID, label[n])
				}
			}
			for _, store := range s.Stores {
				if !slices.ContainsFunc(s.Nodes, func(n *Node) bool { return slices.Contains(n.Stores, store.Name) }) {
					t.Fatalf("store %s is in sub-topology %d, where nobody uses it", store.Name, s.ID)
				}
			}
		}
		if len(topo.Subtopologies) != next {
			t.Fatalf("%d sub-topologies, not %d", len(topo.Subtopologies), next)
		}
	})
}

// Kafka's text lists a node after all nodes with more below them, counted once per path.
func TestDescribeIsOrderedBySize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topo, err := build(randomGraph(t, 25))
		if err != nil {
			t.Fatal(err)
		}
		var size func(n *Node) int
		size = func(n *Node) int {
			total := 1
			for _, c := range n.Children {
				total += size(c)
			}
			return total
		}
		for _, g := range topo.Description().Subtopologies {
			for i := 1; i < len(g.Nodes); i++ {
				a, b := topo.Node(g.Nodes[i-1].Name), topo.Node(g.Nodes[i].Name)
				if sa, sb := size(a), size(b); sa < sb || sa == sb && a.Name > b.Name {
					t.Fatalf("%s (%d) stands before %s (%d)", a.Name, sa, b.Name, sb)
				}
			}
		}
	})
}

// A ladder of diamonds has 2^40 paths; its description takes no time.
func TestDescribeOfManyPathsIsQuick(t *testing.T) {
	lines := []string{"source n0 in"}
	for i := range 40 {
		lines = append(lines,
			fmt.Sprintf("processor l%d n%d", i, i), fmt.Sprintf("processor r%d n%d", i, i),
			fmt.Sprintf("processor n%d l%d r%d", i+1, i, i))
	}
	topo, err := build(lines)
	if err != nil {
		t.Fatal(err)
	}
	if text := topo.Describe(); strings.Count(text, "Processor:") != 120 {
		t.Error(text)
	}
	if text := topo.Terminal(80); strings.Count(text, "─ processor ") != 120 {
		t.Error(text)
	}
}

func TestStrings(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{KindSource.String() + KindProcessor.String() + KindSink.String() + Kind(9).String(), "SourceProcessorSinkUnknown"},
		{KeyValue.String() + " " + Window.String() + " " + Session.String() + " " + JoinWindow.String() + " " + Versioned.String() + " " + StoreKind(9).String(), "key-value window session join window versioned unknown"},
		{Reset{Policy: ResetByDuration, By: 90e9}.String() + " " + Reset{Policy: ResetLatest}.String() + Reset{}.String(), "by_duration:1m30s latest"},
		{Reset{Policy: ResetEarliest}.String() + Reset{Policy: ResetNone}.String(), "earliestnone"},
		{Decorate("app", "x-repartition"), "app-x-repartition"},
	} {
		if c.got != c.want {
			t.Errorf("%q, not %q", c.got, c.want)
		}
	}
}
