package topology

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Kafka's texts are read and written again without a change, by way of JSON too.
func TestParsedTextIsTheSame(t *testing.T) {
	texts := map[string]string{}
	for _, file := range []string{"describe.txt", "random.txt"} {
		for _, s := range readScripts(t, filepath.Join("testdata", file)) {
			texts[s.name] = s.want
		}
	}
	files, err := filepath.Glob("../../testdata/describe/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(err, len(files))
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[f] = string(raw)
	}
	for name, text := range texts {
		if strings.HasPrefix(text, "error: ") {
			continue
		}
		d, err := ParseDescription(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := d.String(); got != text {
			t.Errorf("%s: got\n%s\nof\n%s", name, got, text)
		}
		again, err := ParseJSON([]byte(d.JSON()))
		if err != nil || again.String() != text {
			t.Errorf("%s by way of JSON: %v\n%s", name, err, again)
		}
	}
}

func TestParseIsLenient(t *testing.T) {
	text := "2026-11-22 INFO starting\r\n[main] INFO Topologies:\r\n\r\n Sub-topology: 3\r\nSource: a (topics: [t])\r\n --> b\r\n\tSink: b (topic: o)\r\n<-- a\r\n\r\n12:00 INFO started\r\n"
	d, err := ParseDescription(text)
	if err != nil {
		t.Fatal(err)
	}
	const want = "Topologies:\n   Sub-topology: 3\n    Source: a (topics: [t])\n      --> b\n    Sink: b (topic: o)\n      <-- a\n\n"
	if d.String() != want {
		t.Errorf("got\n%s", d)
	}
	named, err := ParseDescription("Topology: mine:\n   Sub-topology: 0\n    Source: a (topics: x|y)\n      --> none\n\n")
	if err != nil || named.Name != "mine" || named.Subtopologies[0].Nodes[0].Pattern != "x|y" {
		t.Error(named, err)
	}
}

func TestParseRefuses(t *testing.T) {
	const head = "Topologies:\n Sub-topology: 0\n"
	for text, want := range map[string]string{
		"hello": `line 1: "hello" is not a line of a topology's description`,
		"Topologies:\n Source: a (topics: [t])\n":          "in no sub-topology",
		"Sub-topology: x\n":                                "not the number",
		head + "Source: a\n":                               "not a source",
		head + "Processor: a (stores: x)\n":                "not a processor",
		head + "Sink: a (to: x)\n":                         "not a sink",
		head + "--> a\n":                                   "before the first node",
		head + "Source: a (topics: [t])\n --> b\n":         `points to "b", which is not there`,
		head + "Source: a (topics: [t])\n --> b\n --> b\n": "arrows twice",
		head + "Source: a (topics: [t])\n --> b\nSink: b (topic: o)\n <-- none\n": "does not come from it",
		head + "Source: a (topics: [t])\n --> none\nSink: b (topic: o)\n <-- a\n": "does not point to it",
		head + "Source: a (topics: [t])\nSource: a (topics: [u])\n":               "there twice",
		head + "Sub-topology: 0\n": "there twice",
		head + "Processor: a (stores: [])\n --> b\n <-- b\nProcessor: b (stores: [])\n --> a\n <-- a\n": "go round",
		head + "Sink: b (topic: o)\n --> c\n <-- none\nProcessor: c (stores: [])\n --> none\n <-- b\n":  "closed side",
		"Topology: a:\n Sub-topology: 0\nTopology: b:\n":                                                "second topology",
		strings.Repeat("x", descriptionBytesMax+1):                                                      "bytes, more than",
		head + strings.Repeat("Source: a (topics: [t])\n", descriptionNodesMax+1):                       "nodes",
	} {
		if _, err := ParseDescription(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v, not %q", text, err, want)
		}
	}
}

func FuzzParseDescription(f *testing.F) {
	for _, s := range readScripts(f, "testdata/describe.txt") {
		f.Add(s.want)
	}
	f.Add("Topology: x:\n   Sub-topology: 1 for global store (will not generate tasks)\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<14 {
			return
		}
		d, err := ParseDescription(text)
		if err != nil {
			return
		}
		// What was read can be read again, and drawn in every way.
		again, err := ParseDescription(d.String())
		if err != nil || again.String() != d.String() {
			t.Fatalf("%v\n%s\n%s", err, d, again)
		}
		if _, err := ParseJSON([]byte(d.JSON())); err != nil {
			t.Fatal(err)
		}
		_, _ = d.Mermaid(), d.DOT()
		_ = d.Terminal(80)
	})
}

func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(`{"subtopologies":[{"id":0,"nodes":[{"name":"a","kind":"source","topics":["t"],"to":["b"]},{"name":"b","kind":"sink","topic":"o","from":["a"]}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<14 {
			return
		}
		d, err := ParseJSON(data)
		if err != nil {
			return
		}
		_, _, _ = d.String(), d.Mermaid(), d.DOT()
		_ = d.Terminal(60)
	})
}

// What a topology of ours says of itself has its stores and internal topics too.
func TestOwnJSONHasStores(t *testing.T) {
	b := NewBuilder()
	b.AddSource(Source{Name: "a", Topics: []string{"ta"}})
	rekey(b, "x", 3, "a")
	b.AddProcessor("p", nil, "x-repartition-source")
	b.AddStore(Store{Name: "w", Kind: Window, Logged: true, RetentionMs: 5}, "p")
	b.AddGlobal(Store{Name: "g"}, Source{Name: "gs", Topics: []string{"tg"}}, "gp", nil)
	topo := mustBuild(t, b)
	d, err := ParseJSON([]byte(topo.JSON()))
	if err != nil {
		t.Fatal(err)
	}
	want := []DescribedStore{
		{Name: "w", Kind: "window", Changelog: "<application id>-w-changelog", RetentionMs: 5},
		{Name: "g", Kind: "key-value", Changelog: "tg", Global: true},
	}
	if !slices.Equal(d.Stores, want) || d.Internal[0] != (DescribedIntern{Name: "x-repartition", Partitions: 3}) || d.String() != topo.Describe() {
		t.Error(topo.JSON())
	}
	if topo.Mermaid() != topo.Description().Mermaid() || topo.DOT() != topo.Description().DOT() {
		t.Error("drawings differ")
	}
}
