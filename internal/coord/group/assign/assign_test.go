package assign

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func id(n int) TopicID { return TopicID{15: byte(n)} }

// draw makes topics and members; with same, all subscribe to all topics.
func draw(t *rapid.T, same bool) (map[TopicID]int32, []Member) {
	topics := map[TopicID]int32{}
	for i := range rapid.IntRange(1, 5).Draw(t, "topics") {
		topics[id(i+1)] = rapid.Int32Range(1, 12).Draw(t, "partitions")
	}
	all := SortedTopics(topics)
	var members []Member
	for i := range rapid.IntRange(1, 8).Draw(t, "members") {
		m := Member{ID: fmt.Sprint("m", i), Topics: all}
		if !same {
			m.Topics = rapid.SliceOfDistinct(rapid.SampledFrom(all), func(t TopicID) TopicID { return t }).Draw(t, "subscription")
		}
		if rapid.Bool().Draw(t, "static") {
			m.InstanceID = fmt.Sprint("i", 9-i)
		}
		members = append(members, m)
	}
	return topics, members
}

// check: every partition of a subscribed topic has one owner, a subscriber.
func check(t *rapid.T, topics map[TopicID]int32, members []Member, got map[string]Partitions) {
	owner := map[topicPartition]string{}
	for _, m := range members {
		for topic, ps := range got[m.ID] {
			if !slices.Contains(m.Topics, topic) {
				t.Fatalf("%s got a topic it does not subscribe to", m.ID)
			}
			if len(ps) == 0 || !slices.IsSorted(ps) {
				t.Fatalf("%s got %v", m.ID, ps)
			}
			for _, p := range ps {
				tp := topicPartition{topic, p}
				if owner[tp] != "" || p < 0 || p >= topics[topic] {
					t.Fatalf("%v given to %q and %q", tp, owner[tp], m.ID)
				}
				owner[tp] = m.ID
			}
		}
	}
	for _, m := range members {
		for _, topic := range m.Topics {
			for p := range topics[topic] {
				if owner[topicPartition{topic, p}] == "" {
					t.Fatalf("nobody got %v-%d", topic, p)
				}
			}
		}
	}
	if len(got) != len(members) {
		t.Fatalf("%d members, %d entries", len(members), len(got))
	}
}

func moved(before, after map[string]Partitions) int {
	n := 0
	for member, topics := range before {
		for topic, ps := range topics {
			for _, p := range ps {
				if after[member] != nil && !slices.Contains(after[member][topic], p) {
					n++
				}
			}
		}
	}
	return n
}

func TestUniformSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics, members := draw(t, true)
		got := Uniform(topics, members)
		check(t, topics, members, got)
		balanced := func(got map[string]Partitions) {
			least, most := 1<<30, 0
			for _, p := range got {
				least, most = min(least, p.Count()), max(most, p.Count())
			}
			if most-least > 1 {
				t.Fatalf("between %d and %d partitions", least, most)
			}
		}
		balanced(got)
		for i := range members {
			members[i].Current = got[members[i].ID]
		}
		if n := moved(got, Uniform(topics, members)); n != 0 {
			t.Fatalf("nothing changed, yet %d partitions moved", n)
		}
		// One leaves: nobody else gives anything up.
		fewer := members[:len(members)-1]
		if len(fewer) > 0 {
			again := Uniform(topics, fewer)
			check(t, topics, fewer, again)
			balanced(again)
			if n := moved(got, again); n != 0 {
				t.Fatalf("a member left and %d partitions of others moved", n)
			}
		}
		// One joins: it gets its share and no more moves than that.
		more := append(slices.Clone(members), Member{ID: "new", Topics: members[0].Topics})
		again := Uniform(topics, more)
		check(t, topics, more, again)
		balanced(again)
		if n := moved(got, again); n != again["new"].Count() {
			t.Fatalf("%d partitions moved, the new member got %d", n, again["new"].Count())
		}
	})
}

func TestUniformMixed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics, members := draw(t, false)
		got := Uniform(topics, members)
		check(t, topics, members, got)
		// No single move makes two members more equal.
		for _, from := range members {
			for topic := range got[from.ID] {
				for _, to := range members {
					if slices.Contains(to.Topics, topic) && got[from.ID].Count() > got[to.ID].Count()+1 {
						t.Fatalf("%s has %d and %s has %d", from.ID, got[from.ID].Count(), to.ID, got[to.ID].Count())
					}
				}
			}
		}
		for i := range members {
			members[i].Current = got[members[i].ID]
		}
		if n := moved(got, Uniform(topics, members)); n != 0 {
			t.Fatalf("nothing changed, yet %d partitions moved", n)
		}
	})
}

// TestStale: what a member holds of topics that are gone, shrunk or no longer
// subscribed does not get in the way.
func TestStale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics, members := draw(t, rapid.Bool().Draw(t, "same"))
		for i := range members {
			members[i].Current = Partitions{}
			for topic := range 7 {
				members[i].Current[id(topic)] = []int32{-1, 0, 3, 99}
			}
		}
		check(t, topics, members, Uniform(topics, members))
	})
}

func TestRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics, members := draw(t, rapid.Bool().Draw(t, "same"))
		got := Range(topics, members)
		check(t, topics, members, got)
		for _, ps := range got {
			for _, p := range ps {
				if int(p[len(p)-1]-p[0]) != len(p)-1 {
					t.Fatalf("not contiguous: %v", p)
				}
			}
		}
	})
}

func TestRangeOrder(t *testing.T) {
	got := Range(map[TopicID]int32{id(1): 5}, []Member{
		{ID: "a", Topics: []TopicID{id(1)}},
		{ID: "z", InstanceID: "i1", Topics: []TopicID{id(1)}},
	})
	if !slices.Equal(got["z"][id(1)], []int32{0, 1, 2}) || !slices.Equal(got["a"][id(1)], []int32{3, 4}) {
		t.Fatal(got)
	}
}

// TestOrderOfInput: the same group in another order is assigned alike.
func TestOrderOfInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics, members := draw(t, false)
		shuffled := rapid.Permutation(members).Draw(t, "order")
		for name, assign := range map[string]Assignor{"uniform": Uniform, "range": Range} {
			a, b := assign(topics, members), assign(topics, shuffled)
			for id := range a {
				if !a[id].Equal(b[id]) {
					t.Fatalf("%s: %v and %v", name, a, b)
				}
			}
		}
	})
}
