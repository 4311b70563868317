package fault

import (
	"slices"
	"strings"
)

// nearMax bounds how many suggestions a hint lists: more would hide the right one.
const nearMax = 3

// Near returns the known names that the wanted one is probably a misspelling of, best first.
func Near(want string, known []string) []string {
	type scored struct {
		name string
		cost int
	}
	var near []scored
	w := strings.ToLower(want)
	for _, name := range known {
		if name == want {
			continue // what does not work will not help
		}
		n := strings.ToLower(name)
		cost := distance(w, n)
		// A third of the letters may differ; a name that the wanted one begins or ends is near as well.
		limit := max(1, min(len(w), len(n))/3)
		switch {
		case cost <= limit:
		case len(w) >= 3 && (strings.HasPrefix(n, w) || strings.HasSuffix(n, w) || strings.HasPrefix(w, n)):
			cost = limit + 1
		default:
			continue
		}
		near = append(near, scored{name, cost})
	}
	slices.SortStableFunc(near, func(a, b scored) int {
		if a.cost != b.cost {
			return a.cost - b.cost
		}
		return strings.Compare(a.name, b.name)
	})
	var names []string
	for _, s := range near {
		if len(names) == nearMax {
			break
		}
		names = append(names, s.name)
	}
	return names
}

// DidYouMean makes a hint from the names near to the wanted one, or returns the fallback if none is near.
func DidYouMean(want string, known []string, fallback string) string {
	names := Near(want, known)
	if len(names) == 0 {
		return fallback
	}
	for i, n := range names {
		names[i] = `"` + n + `"`
	}
	if len(names) == 1 {
		return "did you mean " + names[0] + "?"
	}
	return "did you mean " + strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1] + "?"
}

// distance is the number of single-letter edits, and swaps of neighbours, between two words.
func distance(a, b string) int {
	ra, rb := []rune(a), []rune(b)
	var before, prev []int
	cur := make([]int, len(rb)+1)
	for j := range cur {
		cur[j] = j
	}
	for i := 1; i <= len(ra); i++ {
		before, prev, cur = prev, cur, make([]int, len(rb)+1)
		cur[0] = i
		for j := 1; j <= len(rb); j++ {
			cost := 1
			if ra[i-1] == rb[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && ra[i-1] == rb[j-2] && ra[i-2] == rb[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
	}
	return cur[len(rb)]
}
