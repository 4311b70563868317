package group

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSpread holds the way partition numbers spread through a topology against the
// plain one: all subtopologies again and again until nothing is new.
func TestSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cluster := newFakeCluster()
		cluster.topics["big"] = TopicInfo{Partitions: 9}
		name := rapid.SampledFrom([]string{"r0", "r1", "r2", "r3", "r4", "r5"})
		var v TopologyValue
		for i := range rapid.IntRange(1, 7).Draw(t, "subtopologies") {
			s := SubtopologyValue{ID: fmt.Sprint(i), SourceTopics: rapid.SliceOfN(rapid.SampledFrom([]string{"t", "big"}), 0, 1).Draw(t, "sources"),
				RepartitionSinkTopics: rapid.SliceOfN(name, 0, 2).Draw(t, "sinks")}
			for _, r := range rapid.SliceOfN(name, 0, 2).Draw(t, "repartition") {
				s.RepartitionSourceTopics = append(s.RepartitionSourceTopics, TopicValue{Name: r})
			}
			v.Subtopologies = append(v.Subtopologies, s)
		}
		c := &configuring{t: newTopology(v), cluster: cluster}
		fixed := map[string]int32{}
		if rapid.Bool().Draw(t, "fixed") {
			fixed["r0"] = 7
		}
		want, ok := spreadPlainly(c, maps.Clone(fixed))
		got := maps.Clone(fixed)
		if known := c.spread(got); known != ok || ok && !maps.Equal(got, want) {
			t.Fatalf("%v %v, plainly %v %v", got, known, want, ok)
		}
	})
}

func spreadPlainly(c *configuring, counts map[string]int32) (map[string]int32, bool) {
	for {
		needed, progress := false, false
		for _, s := range c.t.sorted {
			for _, sink := range s.RepartitionSinkTopics {
				if _, ok := counts[sink]; ok {
					continue
				}
				if n, ok := c.largestSource(s, counts); ok {
					counts[sink], progress = n, true
				} else {
					needed = true
				}
			}
		}
		if !needed || !progress {
			return counts, !needed
		}
	}
}

// TestHugeTopology: what a topology of the size of a record can ask for is done in
// no time, or refused.
func TestHugeTopology(t *testing.T) {
	cluster := newFakeCluster()
	const n = 20_000
	var chain, wide TopologyValue
	for i := range n {
		// Each knows its partitions only when the one after it does.
		s := SubtopologyValue{ID: fmt.Sprintf("%05d", i), RepartitionSinkTopics: []string{fmt.Sprint("r", i)},
			RepartitionSourceTopics: []TopicValue{{Name: fmt.Sprint("r", i+1)}}}
		if i == n-1 {
			s.SourceTopics, s.RepartitionSourceTopics = []string{"t"}, nil
		}
		chain.Subtopologies = append(chain.Subtopologies, s)
		wide.Subtopologies = append(wide.Subtopologies, SubtopologyValue{ID: s.ID, SourceTopics: []string{"t"}})
	}
	begin := time.Now()
	c, err := configure(newTopology(chain), cluster)
	if err != nil || len(c.create) != n-1 {
		t.Fatalf("%v, %d topics", err, len(c.create))
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("a chain took %v", took)
	}
	cluster.topics["t"] = TopicInfo{Partitions: 10_000}
	if c, err = configure(newTopology(wide), cluster); err != nil || !c.ready() {
		t.Fatal(err)
	}
	if err := New(DefaultSettings(), nil).checkTaskCount(c, 3, 1); err == nil {
		t.Errorf("%d tasks for three members", n*10_000)
	}
}
