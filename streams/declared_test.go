package streams_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"leat.dev/streams/internal/topology"
)

// TestDeclared holds what the group coordinator is told of each program to what Kafka Streams tells it
// (testdata/describe/Declared.java): a group keeps its first topology, so that an application of one can go on as the other's.
func TestDeclared(t *testing.T) {
	t.Parallel()
	all, err := os.ReadFile("testdata/describe/declared.topologies")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for entry := range strings.SplitSeq(strings.TrimPrefix(string(all), "# "), "\n# ") {
		title, want, _ := strings.Cut(entry+"\n", "\n")
		name, optimized := strings.CutSuffix(title, ".opt")
		if name == "join-two-topics-each" { // the order of two topics whose hashes collide follows from that of sets of nodes
			continue
		}
		if notDescribed[name] != "" || moved[title] || strings.HasPrefix(want, "error: ") || strings.Contains(name, "pattern") {
			continue
		}
		if o, ok := otherwise[name]; ok {
			want = strings.ReplaceAll(want, o[0], o[1])
		}
		prog, err := drawing(described[name], optimized)
		if err != nil {
			t.Errorf("%s: %v", title, err)
			continue
		}
		compared++
		if got := declared(prog.Topology); strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%s\n%s\nKafka:\n%s", title, got, want)
		}
	}
	if compared < 200 {
		t.Errorf("%d programs were compared", compared)
	}
}

// declared is in the form of Declared.java.
func declared(top *topology.Topology) string {
	var b strings.Builder
	topics := func(kind string, all []topology.DeclaredTopic) {
		for _, d := range all {
			fmt.Fprintf(&b, "  %s %s %d -1", kind, d.Name, d.Partitions)
			for _, key := range slices.Sorted(maps.Keys(d.Config)) {
				fmt.Fprintf(&b, " %s=%s", key, d.Config[key])
			}
			b.WriteString("\n")
		}
	}
	all := top.Declare(topology.LayoutConfig{ApplicationID: "app", WindowExtraRetentionMs: 86_400_000})
	slices.SortFunc(all, func(a, b topology.Declared) int { return strings.Compare(fmt.Sprint(a.ID), fmt.Sprint(b.ID)) })
	for _, d := range all {
		fmt.Fprintf(&b, "sub-topology %d\n  sources %s\n", d.ID, list(d.Sources))
		topics("repartition", d.Repartition)
		fmt.Fprintf(&b, "  sinks %s\n", list(d.RepartitionSinks))
		topics("changelog", d.Changelogs)
		for _, g := range d.Copartitioned {
			fmt.Fprintf(&b, "  co-partitioned %s %s\n", list(g.Sources), list(g.Repartition))
		}
	}
	return b.String()
}

// list writes a list as Java does.
func list[T any](all []T) string { return spaces.ReplaceAllString(fmt.Sprint(all), ", ") }

var spaces = regexp.MustCompile(` `)
