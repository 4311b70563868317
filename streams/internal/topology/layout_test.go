package topology

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// asker answers how many partitions topics have.
type asker map[string]int

func (a asker) partitions(topic string) (int, error) { return a[topic], nil }

func app() LayoutConfig {
	return LayoutConfig{ApplicationID: "app", WindowExtraRetentionMs: DefaultWindowExtraRetentionMs}
}

// rekey adds a repartition below a node, as the language does.
func rekey(b *Builder, name string, partitions int, parent string) {
	topic := name + "-repartition"
	b.AddInternalTopic(InternalTopic{Name: topic, Partitions: partitions})
	b.AddSink(Sink{Name: topic + "-sink", Topic: topic}, parent)
	b.AddSource(Source{Name: topic + "-source", Topics: []string{topic}})
}

func mustBuild(t testing.TB, b *Builder) *Topology {
	t.Helper()
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return topo
}

func TestLayout(t *testing.T) {
	b := NewBuilder()
	b.AddSource(Source{Name: "a", Topics: []string{"ta"}})
	b.AddSource(Source{Name: "b", Topics: []string{"tb", "tc"}})
	b.AddProcessor("both", nil, "a", "b")
	b.AddStore(Store{Name: "plain", Logged: false}, "both")
	b.AddStore(Store{Name: "kv", Logged: true, Config: map[string]string{"segment.ms": "5"}}, "both")
	rekey(b, "by-user", 0, "both")
	b.AddProcessor("count", nil, "by-user-repartition-source")
	b.AddStore(Store{Name: "w", Kind: Window, Logged: true, RetentionMs: 60_000}, "count")
	b.AddStore(Store{Name: "s", Kind: Session, Logged: true, RetentionMs: 7, Config: map[string]string{"retention.ms": "9"}}, "count")
	b.AddStore(Store{Name: "j", Kind: JoinWindow, Logged: true, RetentionMs: 1 << 62}, "count")
	b.AddStore(Store{Name: "v", Kind: Versioned, Logged: true, RetentionMs: 1000}, "count")
	b.AddStore(Store{Name: "reused", Logged: true, ChangelogTopic: "ta"}, "both")
	b.AddStore(Store{Name: "lonely", Logged: true})
	b.AddGlobal(Store{Name: "g"}, Source{Name: "gs", Topics: []string{"tg"}}, "gp", nil)
	topo := mustBuild(t, b)

	cfg := app()
	cfg.WindowExtraRetentionMs = 1 << 62
	cfg.TopicConfig = map[string]string{"min.insync.replicas": "2", "segment.bytes": "1000"}
	l, err := topo.Layout(cfg, asker{"ta": 2, "tb": 3, "tc": 1}.partitions)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, spec := range l.Internal {
		var c []string
		for _, k := range slices.Sorted(maps.Keys(spec.Config)) {
			c = append(c, k+"="+spec.Config[k])
		}
		got = append(got, fmt.Sprintf("%s %d %d %v %s", spec.Name, spec.Partitions, spec.Subtopology, spec.Repartition, strings.Join(c, " ")))
	}
	want := []string{
		"app-by-user-repartition 3 1 true cleanup.policy=delete message.timestamp.type=CreateTime min.insync.replicas=2 retention.ms=-1 segment.bytes=1000",
		"app-kv-changelog 3 0 false cleanup.policy=compact message.timestamp.type=CreateTime min.insync.replicas=2 segment.bytes=1000 segment.ms=5",
		"app-w-changelog 3 1 false cleanup.policy=compact,delete message.timestamp.type=CreateTime min.insync.replicas=2 retention.ms=4611686018427447904 segment.bytes=1000",
		"app-s-changelog 3 1 false cleanup.policy=compact,delete message.timestamp.type=CreateTime min.insync.replicas=2 retention.ms=9 segment.bytes=1000",
		"app-j-changelog 3 1 false cleanup.policy=delete message.timestamp.type=CreateTime min.insync.replicas=2 retention.ms=9223372036854775807 segment.bytes=1000",
		"app-v-changelog 3 1 false cleanup.policy=compact message.timestamp.type=CreateTime min.compaction.lag.ms=86401000 min.insync.replicas=2 segment.bytes=1000",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var tasks []string
	for _, task := range l.Tasks {
		tasks = append(tasks, fmt.Sprint(task.ID, task.Inputs))
	}
	wantTasks := []string{
		"0_0 [{ta 0} {tb 0} {tc 0}]", "0_1 [{ta 1} {tb 1}]", "0_2 [{tb 2}]",
		"1_0 [{app-by-user-repartition 0}]", "1_1 [{app-by-user-repartition 1}]", "1_2 [{app-by-user-repartition 2}]",
	}
	if !reflect.DeepEqual(tasks, wantTasks) {
		t.Errorf("tasks %q", tasks)
	}
	if s := topo.Store("reused"); s.Changelog("app") != "ta" || s.Logged {
		t.Errorf("%+v", s)
	}
	if g := topo.Globals[0]; g.ID != 2 || g.Store.Changelog("app") != "tg" || !g.Store.Global {
		t.Errorf("%+v", g)
	}
}

func TestMissingTopicsAreGathered(t *testing.T) {
	topo, err := build([]string{"source a ta tb", "source b tc", "source c td"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = topo.Tasks(app(), asker{"tb": 1, "td": 1}.partitions)
	var missing *MissingTopicsError
	if !errors.As(err, &missing) || !reflect.DeepEqual(missing.Topics, map[int][]string{0: {"ta"}, 1: {"tc"}}) {
		t.Fatal(err)
	}
	if err.Error() != "missing source topics [ta] of sub-topology 0; missing source topics [tc] of sub-topology 1: create them" {
		t.Error(err)
	}
	broken := errors.New("no answer")
	if _, err = topo.InternalTopics(app(), func(string) (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestCopartitioning(t *testing.T) {
	join := func(left, right int, fixed ...int) error {
		b := NewBuilder()
		b.AddSource(Source{Name: "a", Topics: []string{"ta"}})
		b.AddSource(Source{Name: "b", Topics: []string{"tb"}})
		b.AddSource(Source{Name: "r", Topics: []string{"tr"}})
		var sides []string
		for i, n := range fixed {
			name := fmt.Sprintf("x%d", i)
			rekey(b, name, n, "r")
			sides = append(sides, name+"-repartition-source")
		}
		if left > 0 {
			sides = append(sides, "a")
		}
		if right > 0 {
			sides = append(sides, "b")
		}
		b.AddProcessor("join", nil, sides...)
		b.Copartition(sides...)
		topo, err := b.Build()
		if err != nil {
			return err
		}
		l, err := topo.Layout(app(), asker{"ta": max(left, 1), "tb": max(right, 1), "tr": 3}.partitions)
		if err != nil {
			return err
		}
		counts := map[int]bool{}
		for _, spec := range l.Internal {
			counts[spec.Partitions] = true
		}
		if len(counts) > 1 {
			return fmt.Errorf("not equal: %v", l.Internal)
		}
		for n := range counts {
			return fmt.Errorf("%d partitions", n)
		}
		return nil
	}
	for _, c := range []struct {
		left, right int
		fixed       []int
		want        string
	}{
		{4, 4, nil, "<nil>"},
		{4, 5, nil, "topics not co-partitioned: [ta=4, tb=5] must have the same number of partitions: repartition one of them"},
		{4, 0, []int{0}, "4 partitions"},
		{2, 2, []int{0, 0}, "2 partitions"},
		{0, 0, []int{0, 0}, "3 partitions"},
		{0, 0, []int{0, 7}, "7 partitions"},
		{0, 0, []int{2, 7}, "topics not co-partitioned: [x0-repartition=2, x1-repartition=7] must have the same number of partitions: repartition one of them"},
		{4, 0, []int{4}, "4 partitions"},
		{4, 0, []int{5}, `the number of partitions given for the repartition topic "app-x0-repartition" does not match that of the topics it is co-partitioned with: [app-x0-repartition=5, ta=4]: leave it out or give the same`},
		{0, 0, []int{0, 2, 7}, "topics not co-partitioned: [app-x1-repartition=2, app-x2-repartition=7] must have the same number of partitions: repartition one of them"},
	} {
		if got := fmt.Sprint(join(c.left, c.right, c.fixed...)); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestCopartitionedGroupsAreJoined(t *testing.T) {
	b := NewBuilder()
	for _, n := range []string{"a", "b", "c", "d", "e"} {
		b.AddSource(Source{Name: n, Topics: []string{"t" + n}})
	}
	b.Copartition("a", "b")
	b.Copartition("c", "d")
	b.Copartition("old", "a")
	b.RenameCopartition("old", "d")
	topo := mustBuild(t, b)
	_, err := topo.Layout(app(), asker{"ta": 1, "tb": 1, "tc": 1, "td": 2, "te": 9}.partitions)
	var wrong *CopartitionError
	if !errors.As(err, &wrong) || !reflect.DeepEqual(wrong.Partitions, map[string]int{"ta": 1, "tb": 1, "tc": 1, "td": 2}) {
		t.Error(err)
	}
}

func TestPatternsAreResolved(t *testing.T) {
	b := NewBuilder()
	b.AddSource(Source{Name: "named", Topics: []string{"other"}})
	b.AddSource(Source{Name: "in", Pattern: "in-.*"})
	rekey(b, "x", 0, "in")
	b.AddSource(Source{Name: "odd", Pattern: ".*-odd"})
	topo := mustBuild(t, b)
	cfg := app()
	cfg.Topics = []string{"in-2", "in-1", "xin-3", "other", "app-x-repartition"}
	counts := asker{"in-1": 2, "in-2": 5, "other": 1}
	l, err := topo.Layout(cfg, counts.partitions)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"named": {"other"}, "in": {"in-1", "in-2"}, "x-repartition-source": {"app-x-repartition"}}
	if !reflect.DeepEqual(l.Reads, want) || l.Internal[0].Partitions != 5 {
		t.Error(l.Reads, l.Internal)
	}
	cfg.Topics = append(cfg.Topics, "in-odd")
	if _, err := topo.Layout(cfg, counts.partitions); err == nil || !strings.Contains(err.Error(), "make one of them narrower") {
		t.Error(err)
	}
	cfg.Topics = nil
	if _, err := topo.Layout(cfg, counts.partitions); err == nil || !strings.Contains(err.Error(), `the repartition topic "app-x-repartition" cannot be found`) {
		t.Error(err)
	}
}

// A model of derived partition counts: a repartition topic has the most partitions of all outer topics that
// are upstream of it by any way, if no number is given on the way, which the walk over paths shows.
func TestDerivedPartitionsAreTheMostUpstream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBuilder()
		counts := asker{}
		model := map[string]int{} // source → partitions
		var sources []string
		for i := range rapid.IntRange(1, 12).Draw(t, "steps") {
			if i == 0 || rapid.IntRange(0, 2).Draw(t, "outer") == 0 {
				name := fmt.Sprintf("s%d", i)
				n := rapid.IntRange(1, 9).Draw(t, "partitions")
				b.AddSource(Source{Name: name, Topics: []string{"t-" + name}})
				counts["t-"+name], model[name] = n, n
				sources = append(sources, name)
				continue
			}
			name := fmt.Sprintf("x%d", i)
			from := rapid.SliceOfNDistinct(rapid.SampledFrom(sources), 1, min(3, len(sources)), rapid.ID).Draw(t, "from")
			b.AddProcessor("p"+name, nil, from...)
			fixed := rapid.SampledFrom([]int{0, 0, 0, 4}).Draw(t, "fixed")
			rekey(b, name, fixed, "p"+name)
			sources = append(sources, name+"-repartition-source")
			model[name+"-repartition-source"] = fixed // 0: below
		}
		topo, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		l, err := topo.Layout(app(), counts.partitions)
		if err != nil {
			t.Fatal(err)
		}
		// What is upstream of a repartition topic are all sources of the sub-topologies that write to it.
		for changed := true; changed; {
			changed = false
			for _, s := range topo.Subtopologies {
				most := 0
				for _, src := range s.Sources() {
					most = max(most, model[src.Name])
				}
				for _, sink := range s.Sinks() {
					src := sink.Topic + "-source"
					if spec := topo.Node(src); model[src] < most && !given(topo, sink.Topic) && spec != nil {
						model[src], changed = most, true
					}
				}
			}
		}
		for _, spec := range l.Internal {
			name := strings.TrimPrefix(spec.Name, "app-") + "-source"
			if spec.Partitions != model[name] {
				t.Fatalf("%s has %d partitions, not %d\n%s", spec.Name, spec.Partitions, model[name], topo.Describe())
			}
		}
		checkTasks(t, topo, l, counts)
	})
}

func given(t *Topology, topic string) bool {
	return slices.ContainsFunc(t.internal, func(it InternalTopic) bool { return it.Name == topic && it.Partitions > 0 })
}

// checkTasks: each partition of each input is in exactly one task, that of its number.
func checkTasks(t *rapid.T, topo *Topology, l *Layout, counts asker) {
	seen := map[TopicPartition]bool{}
	for _, task := range l.Tasks {
		if len(task.Inputs) == 0 {
			t.Fatalf("task %s has no input", task.ID)
		}
		for _, in := range task.Inputs {
			if seen[in] || int(in.Partition) != task.ID.Partition {
				t.Fatalf("%v is in two tasks or in a wrong one", in)
			}
			seen[in] = true
		}
	}
	total := 0
	for _, spec := range l.Internal {
		total += spec.Partitions
	}
	for _, n := range counts {
		total += n
	}
	if total != len(seen) {
		t.Fatalf("%d partitions of %d are in tasks:\n%s", len(seen), total, topo.Describe())
	}
}
