package assign

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func wholeTopics(topics map[TopicID]int32) Partitions {
	ps := Partitions{}
	for id, n := range topics {
		for p := range n {
			ps[id] = append(ps[id], p)
		}
	}
	return ps
}

// checkSimple: members get what they subscribe to and what may be assigned; every such
// partition has a member, and no more than its share of them.
func checkSimple(t *rapid.T, assignable Partitions, members []Member, got map[string]Partitions) map[topicPartition]int {
	sharers := map[topicPartition]int{}
	for _, m := range members {
		for topic, ps := range got[m.ID] {
			if !slices.Contains(m.Topics, topic) || len(ps) == 0 || !slices.IsSorted(ps) || len(slices.Compact(slices.Clone(ps))) != len(ps) {
				t.Fatalf("%s got %v of %v", m.ID, ps, topic)
			}
			for _, p := range ps {
				if !slices.Contains(assignable[topic], p) {
					t.Fatalf("%s got %v-%d, which is not to be assigned", m.ID, topic, p)
				}
				sharers[topicPartition{topic, p}]++
			}
		}
	}
	for _, m := range members {
		for _, topic := range m.Topics {
			for _, p := range assignable[topic] {
				if sharers[topicPartition{topic, p}] == 0 {
					t.Fatalf("nobody got %v-%d", topic, p)
				}
			}
		}
	}
	if len(got) != len(members) {
		t.Fatalf("%d members, %d entries", len(members), len(got))
	}
	return sharers
}

func spread(got map[string]Partitions) int {
	least, most := 1<<30, 0
	for _, p := range got {
		least, most = min(least, p.Count()), max(most, p.Count())
	}
	return most - least
}

func TestSimpleSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics, members := draw(t, true)
		assignable := wholeTopics(topics)
		n := assignable.Count()
		got := Simple(assignable, members)
		sharing := (len(members) + n - 1) / n
		for tp, s := range checkSimple(t, assignable, members, got) {
			if s > sharing {
				t.Fatalf("%v has %d members, %d would do", tp, s, sharing)
			}
		}
		if d := spread(got); d > 1 {
			t.Fatalf("members differ by %d", d)
		}
		for i := range members {
			members[i].Current = got[members[i].ID]
		}
		if n := moved(got, Simple(assignable, members)); n != 0 {
			t.Fatalf("nothing changed, yet %d partitions moved", n)
		}
		more := append(slices.Clone(members), Member{ID: "new", Topics: members[0].Topics})
		again := Simple(assignable, more)
		checkSimple(t, assignable, more, again)
		if len(more) <= n && spread(again) > 1 {
			t.Fatalf("members differ by %d", spread(again))
		}
	})
}

func TestSimpleMixed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics, members := draw(t, false)
		assignable := wholeTopics(topics)
		for id := range assignable { // some have no state yet
			if rapid.Bool().Draw(t, "part") {
				assignable[id] = assignable[id][:rapid.IntRange(0, len(assignable[id])).Draw(t, "first")]
			}
		}
		got := Simple(assignable, members)
		checkSimple(t, assignable, members, got)
		for i := range members {
			members[i].Current = got[members[i].ID]
			if rapid.Bool().Draw(t, "resubscribe") {
				members[i].Topics = nil
			}
		}
		checkSimple(t, assignable, members, Simple(assignable, members))
	})
}

// TestSimpleCounts compares the numbers with those that Apache Kafka 4.3.1 gives: which
// member gets more is a matter of its hash tables.
func TestSimpleCounts(t *testing.T) {
	for _, test := range []struct {
		partitions, members int
		want                []int
	}{
		{4, 1, []int{4}}, {4, 2, []int{2, 2}}, {4, 3, []int{1, 1, 2}}, {4, 4, []int{1, 1, 1, 1}},
		{4, 5, []int{1, 1, 2, 2, 2}}, {3, 7, []int{1, 1, 1, 1, 1, 2, 2}}, {1, 3, []int{1, 1, 1}}, {0, 2, []int{0, 0}},
	} {
		var members []Member
		for i := range test.members {
			members = append(members, Member{ID: fmt.Sprint("m", i), Topics: []TopicID{id(1)}})
		}
		var counts []int
		for _, p := range Simple(wholeTopics(map[TopicID]int32{id(1): int32(test.partitions)}), members) {
			counts = append(counts, p.Count())
		}
		slices.Sort(counts)
		if !slices.Equal(counts, test.want) {
			t.Errorf("%d partitions, %d members: %v", test.partitions, test.members, counts)
		}
	}
	if got := Simple(nil, nil); len(got) != 0 {
		t.Errorf("nobody got %v", got)
	}
}
