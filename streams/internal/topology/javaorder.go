package topology

import (
	"slices"
	"unicode/utf16"
)

// Kafka's description goes through Java's hash sets and through tree sets whose order changes while they
// are filled, so its text depends on how those work. What follows is what the Java platform documents of
// them (the hash of a string is part of its specification) and what can be observed.

// javaCompare orders as Java's String.compareTo: by UTF-16 units.
func javaCompare(a, b string) int {
	if isASCII(a) && isASCII(b) {
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	}
	return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// javaHash is Java's String.hashCode with the upper half mixed in, as hash tables use it.
func javaHash(s string) uint32 {
	var h uint32
	for _, u := range utf16.Encode([]rune(s)) {
		h = 31*h + uint32(u)
	}
	return h ^ h>>16
}

// hashOrder gives distinct names in the order in which a hash set iterates over them that began with the
// given capacity (0: as it is made without one) and was filled in the given order.
func hashOrder(names []string, capacity int) []string {
	const initial, treeify, treeifyCapacity = 16, 8, 64
	c := max(capacity, 0)
	if c == 0 {
		c = initial
	}
	chain := map[uint32]int{}
	count := func() {
		clear(chain)
	}
	for i, name := range names {
		slot := javaHash(name) & uint32(c-1)
		long := chain[slot] >= treeify && c < treeifyCapacity
		chain[slot]++
		// A table grows when it is three quarters full, and earlier when one slot gets crowded.
		for long || i+1 > c/4*3 {
			c *= 2
			count()
			for _, n := range names[:i+1] {
				chain[javaHash(n)&uint32(c-1)]++
			}
			long = false
		}
	}
	out := slices.Clone(names)
	slices.SortStableFunc(out, func(a, b string) int {
		return int(javaHash(a)&uint32(c-1)) - int(javaHash(b)&uint32(c-1))
	})
	return out
}

// copiedHashOrder is the order of a hash set that was copied from another collection in its order.
func copiedHashOrder(names []string) []string {
	c := 16
	for c < int(float32(len(names))/.75+1) {
		c *= 2
	}
	return hashOrder(names, c)
}

// treeSet is a red-black tree as textbooks have it. It is needed because the sets of Kafka's description
// compare by a size that changes between insertions: where a later element ends up depends on the tree's
// shape, which no sorted list has.
type treeSet struct {
	root *treeNode
	cmp  func(a, b int) int // of elements, as they are now
}

type treeNode struct {
	v                   int
	left, right, parent *treeNode
	red                 bool
}

func (t *treeSet) add(v int) {
	n := &treeNode{v: v, red: true}
	if t.root == nil {
		n.red = false
		t.root = n
		return
	}
	at := t.root
	for {
		c := t.cmp(v, at.v)
		if c == 0 {
			return
		}
		next := &at.left
		if c > 0 {
			next = &at.right
		}
		if *next == nil {
			n.parent = at
			*next = n
			break
		}
		at = *next
	}
	t.fix(n)
}

// fix restores the colours after n was added (Cormen, Leiserson, Rivest, Stein: Introduction to Algorithms,
// chapter on red-black trees).
func (t *treeSet) fix(n *treeNode) {
	for n != t.root && n.parent.red {
		p := n.parent
		g := p.parent
		left := p == g.left
		uncle := g.left
		if left {
			uncle = g.right
		}
		if uncle != nil && uncle.red {
			p.red, uncle.red, g.red = false, false, true
			n = g
			continue
		}
		if inner := (n == p.right) == left; inner {
			n = p
			t.rotate(n, left)
		}
		n.parent.red, n.parent.parent.red = false, true
		t.rotate(n.parent.parent, !left)
	}
	t.root.red = false
}

// rotate turns n down to the left or to the right.
func (t *treeSet) rotate(n *treeNode, left bool) {
	up := n.left
	if left {
		up = n.right
	}
	inner := up.right
	if left {
		inner = up.left
	}
	if left {
		n.right, up.left = inner, n
	} else {
		n.left, up.right = inner, n
	}
	if inner != nil {
		inner.parent = n
	}
	up.parent = n.parent
	switch {
	case n.parent == nil:
		t.root = up
	case n.parent.left == n:
		n.parent.left = up
	default:
		n.parent.right = up
	}
	n.parent = up
}

func (t *treeSet) values() []int {
	var out []int
	var walk func(n *treeNode)
	walk = func(n *treeNode) {
		if n == nil {
			return
		}
		walk(n.left)
		out = append(out, n.v)
		walk(n.right)
	}
	walk(t.root)
	return out
}
