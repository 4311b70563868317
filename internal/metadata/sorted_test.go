package metadata

import (
	"cmp"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSortedAgainstMap drives a sorted map and Go's, keeping every version:
// none may change later, and the difference of any two must be right.
func TestSortedAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newSorted[int, int](cmp.Compare[int])
		model := map[int]int{}
		type version struct {
			m     sorted[int, int]
			model map[int]int
		}
		var versions []version
		// Values count up, so that a changed value always differs.
		value := 0
		key := rapid.IntRange(0, 600)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				k := key.Draw(t, "key")
				value++
				m, model[k] = m.with(k, value), value
			case 1:
				k := key.Draw(t, "key")
				m = m.without(k)
				delete(model, k)
			case 2: // a run of keys in order
				k := key.Draw(t, "from")
				for i := range rapid.IntRange(1, 200).Draw(t, "count") {
					value++
					m, model[k+i] = m.with(k+i, value), value
				}
			case 3:
				keys := rapid.SliceOfNDistinct(key, 0, 300, rapid.ID[int]).Draw(t, "keys")
				slices.Sort(keys)
				var all []entry[int, int]
				for _, k := range keys {
					value++
					all = append(all, entry[int, int]{k, value})
					model[k] = value
				}
				m = m.withAll(all)
			}
			versions = append(versions, version{m, maps.Clone(model)})
		}
		for _, v := range versions {
			checkSorted(t, v.m, v.model)
		}
		a := versions[rapid.IntRange(0, len(versions)-1).Draw(t, "a")]
		b := versions[rapid.IntRange(0, len(versions)-1).Draw(t, "b")]
		got := map[int][2]int{}
		for k, v := range diff(a.m, b.m, cmp.Compare[int]) {
			got[k] = v
		}
		want := map[int][2]int{}
		for k, v := range a.model {
			if b.model[k] != v {
				want[k] = [2]int{v, b.model[k]}
			}
		}
		for k, v := range b.model {
			if _, ok := a.model[k]; !ok {
				want[k] = [2]int{0, v}
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("difference is %v, want %v", got, want)
		}
	})
}

func checkSorted(t *rapid.T, m sorted[int, int], model map[int]int) {
	keys := slices.Sorted(maps.Keys(model))
	var got []int
	for k, v := range m.all() {
		got = append(got, k)
		if v != model[k] {
			t.Fatalf("%d is %d, want %d", k, v, model[k])
		}
	}
	if !slices.Equal(got, keys) || m.len() != len(model) {
		t.Fatalf("keys %v (%d), want %v", got, m.len(), keys)
	}
	for _, c := range m.chunks {
		if len(c.keys) == 0 || len(c.keys) > chunkMax || len(c.keys) != len(c.vals) {
			t.Fatalf("a chunk of %d keys and %d values", len(c.keys), len(c.vals))
		}
	}
	for k := range 820 {
		v, ok := m.get(k)
		if w, want := model[k]; ok != want || v != w {
			t.Fatalf("get(%d) is %d, %v; want %d, %v", k, v, ok, w, want)
		}
	}
	if len(keys) > 0 {
		from := keys[len(keys)/2] + 1
		at, _ := slices.BinarySearch(keys, from)
		var rest []int
		for k := range m.from(from) {
			rest = append(rest, k)
		}
		if !slices.Equal(rest, keys[at:]) {
			t.Fatalf("from(%d) is %v, want %v", from, rest, keys[at:])
		}
	}
}

func BenchmarkChangeOneTopicAmong10000(b *testing.B) {
	m := newSorted[int, int](cmp.Compare[int])
	for i := range 10_000 {
		m = m.with(i, i)
	}
	for i := 0; b.Loop(); i++ {
		m = m.with(i%10_000, i)
	}
}
