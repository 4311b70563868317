package jsonschema

import (
	"strconv"

	"leat.dev/internal/registry/schema/source"
)

// combinations compares oneOf, anyOf and allOf. The branches of the smaller side must each find a partner of
// their own on the other side that can read, or be read.
func (c *comparison) combinations(old, upd *node, path *source.Path) {
	if old.criterion != upd.criterion {
		if !widens(old, upd) {
			c.add("COMBINED_TYPE_CHANGED", path)
			return
		}
		c.add("COMBINED_TYPE_EXTENDED", path)
	}
	from, to := distinct(old.branches), distinct(upd.branches)
	stem := "SUM_TYPE"
	if old.criterion == allOf {
		stem = "PRODUCT_TYPE"
	}
	switch {
	case len(from) < len(to):
		c.add(stem+"_EXTENDED", path)
	case len(from) > len(to):
		c.add(stem+"_NARROWED", path)
	}
	branches := path.Down(string(old.criterion))
	m := matching{edges: make([][]int, len(from)), partner: make([]int, len(to))}
	for i, branch := range from {
		for j, other := range to {
			if c.over {
				return
			}
			if _, ok := c.try(branch, other, branches.Down(strconv.Itoa(i))); ok {
				m.edges[i] = append(m.edges[i], j)
			}
		}
	}
	if m.size() < min(len(from), len(to)) {
		c.add("COMBINED_TYPE_SUBSCHEMAS_CHANGED", path)
	}
}

// widens says whether one kind of combination may become another.
func widens(old, upd *node) bool {
	one, other := len(old.branches) == 1, len(upd.branches) == 1
	return upd.criterion == anyOf || one && other || one && upd.criterion == oneOf || other && old.criterion == allOf
}

// distinct drops branches that were written twice.
func distinct(list []*node) []*node {
	seen := make(map[identity]bool, len(list))
	out := make([]*node, 0, len(list))
	for _, n := range list {
		if seen[n.identity] {
			continue
		}
		seen[n.identity] = true
		out = append(out, n)
	}
	return out
}

// A matching is a maximum matching of a bipartite graph by augmenting paths.
type matching struct {
	edges   [][]int // partners that fit each left element
	partner []int   // left element + 1 of each right element, 0 if free
	seen    []bool
}

func (m *matching) size() int {
	n := 0
	for i := range m.edges {
		m.seen = make([]bool, len(m.partner))
		if m.augment(i) {
			n++
		}
	}
	return n
}

func (m *matching) augment(left int) bool {
	for _, right := range m.edges[left] {
		if m.seen[right] {
			continue
		}
		m.seen[right] = true
		if m.partner[right] == 0 || m.augment(m.partner[right]-1) {
			m.partner[right] = left + 1
			return true
		}
	}
	return false
}
