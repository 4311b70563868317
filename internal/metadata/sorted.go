package metadata

import (
	"iter"
	"slices"
)

// chunkMax bounds what one change of a sorted map copies.
const chunkMax = 128

// sorted is an immutable ordered map: a list of chunks of entries. With and
// without copy one chunk and the list of chunks, so a change of one topic among
// 10,000 copies some hundred words and shares the rest with its predecessor.
// The zero value is not usable; it needs a comparison.
type sorted[K, V any] struct {
	cmp    func(a, b K) int
	chunks []*chunk[K, V]
	n      int
}

type chunk[K, V any] struct {
	keys []K
	vals []V
}

func newSorted[K, V any](cmp func(a, b K) int) sorted[K, V] { return sorted[K, V]{cmp: cmp} }

func (m sorted[K, V]) len() int { return m.n }

// chunkOf is the index of the chunk that holds k or would hold it.
func (m sorted[K, V]) chunkOf(k K) int {
	i, found := slices.BinarySearchFunc(m.chunks, k, func(c *chunk[K, V], k K) int { return m.cmp(c.keys[0], k) })
	if !found && i > 0 {
		i--
	}
	return i
}

func (m sorted[K, V]) get(k K) (v V, ok bool) {
	if m.n == 0 {
		return v, false
	}
	c := m.chunks[m.chunkOf(k)]
	i, ok := slices.BinarySearchFunc(c.keys, k, m.cmp)
	if ok {
		v = c.vals[i]
	}
	return v, ok
}

// with returns the map with k set to v.
func (m sorted[K, V]) with(k K, v V) sorted[K, V] {
	if m.n == 0 {
		return sorted[K, V]{m.cmp, []*chunk[K, V]{{[]K{k}, []V{v}}}, 1}
	}
	ci := m.chunkOf(k)
	old := m.chunks[ci]
	i, found := slices.BinarySearchFunc(old.keys, k, m.cmp)
	c := &chunk[K, V]{}
	if found {
		c.keys = old.keys
		c.vals = slices.Clone(old.vals)
		c.vals[i] = v
		m.chunks = slices.Clone(m.chunks)
		m.chunks[ci] = c
		return m
	}
	c.keys = slices.Insert(slices.Clip(slices.Clone(old.keys)), i, k)
	c.vals = slices.Insert(slices.Clip(slices.Clone(old.vals)), i, v)
	m.n++
	if len(c.keys) <= chunkMax {
		m.chunks = slices.Clone(m.chunks)
		m.chunks[ci] = c
		return m
	}
	// Keys that arrive in order leave full chunks behind them.
	cut := chunkMax / 2
	if i == chunkMax {
		cut = chunkMax
	}
	right := &chunk[K, V]{slices.Clone(c.keys[cut:]), slices.Clone(c.vals[cut:])}
	left := &chunk[K, V]{slices.Clip(c.keys[:cut]), slices.Clip(c.vals[:cut])}
	chunks := make([]*chunk[K, V], 0, len(m.chunks)+1)
	chunks = append(chunks, m.chunks[:ci]...)
	chunks = append(chunks, left, right)
	m.chunks = append(chunks, m.chunks[ci+1:]...)
	return m
}

// without returns the map with k removed.
func (m sorted[K, V]) without(k K) sorted[K, V] {
	if m.n == 0 {
		return m
	}
	ci := m.chunkOf(k)
	old := m.chunks[ci]
	i, found := slices.BinarySearchFunc(old.keys, k, m.cmp)
	if !found {
		return m
	}
	m.n--
	m.chunks = slices.Clone(m.chunks)
	if len(old.keys) == 1 {
		m.chunks = slices.Delete(m.chunks, ci, ci+1)
		return m
	}
	m.chunks[ci] = &chunk[K, V]{
		slices.Delete(slices.Clone(old.keys), i, i+1),
		slices.Delete(slices.Clone(old.vals), i, i+1),
	}
	return m
}

// all yields the entries in order of their keys.
func (m sorted[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, c := range m.chunks {
			for i, k := range c.keys {
				if !yield(k, c.vals[i]) {
					return
				}
			}
		}
	}
}

// from yields the entries whose key is not below k, in order.
func (m sorted[K, V]) from(k K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if m.n == 0 {
			return
		}
		first := m.chunkOf(k)
		for ci, c := range m.chunks[first:] {
			i := 0
			if ci == 0 {
				i, _ = slices.BinarySearchFunc(c.keys, k, m.cmp)
			}
			for ; i < len(c.keys); i++ {
				if !yield(c.keys[i], c.vals[i]) {
					return
				}
			}
		}
	}
}

// diff yields the keys whose values differ between the two maps, in order,
// with both values (the zero value where there is none). Chunks that both
// share are skipped, so the cost follows what changed.
func diff[K any, V comparable](prev, next sorted[K, V], cmp func(a, b K) int) iter.Seq2[K, [2]V] {
	return func(yield func(K, [2]V) bool) {
		var none V
		a, b := cursor[K, V]{m: prev}, cursor[K, V]{m: next}
		for !a.end() || !b.end() {
			if a.i == 0 && b.i == 0 && !a.end() && !b.end() && a.m.chunks[a.c] == b.m.chunks[b.c] {
				a.c++
				b.c++
				continue
			}
			order := 0
			switch {
			case a.end():
				order = 1
			case b.end():
				order = -1
			default:
				order = cmp(a.key(), b.key())
			}
			switch {
			case order < 0:
				if !yield(a.key(), [2]V{a.val(), none}) {
					return
				}
				a.next()
			case order > 0:
				if !yield(b.key(), [2]V{none, b.val()}) {
					return
				}
				b.next()
			default:
				if a.val() != b.val() && !yield(a.key(), [2]V{a.val(), b.val()}) {
					return
				}
				a.next()
				b.next()
			}
		}
	}
}

type cursor[K, V any] struct {
	m    sorted[K, V]
	c, i int
}

func (c *cursor[K, V]) end() bool { return c.c >= len(c.m.chunks) }
func (c *cursor[K, V]) key() K    { return c.m.chunks[c.c].keys[c.i] }
func (c *cursor[K, V]) val() V    { return c.m.chunks[c.c].vals[c.i] }
func (c *cursor[K, V]) next() {
	if c.i++; c.i == len(c.m.chunks[c.c].keys) {
		c.c, c.i = c.c+1, 0
	}
}

type entry[K, V any] struct {
	k K
	v V
}

// withAll returns the map with all entries set, which are in order and hold no
// key twice. Many entries are merged in one pass over the map.
func (m sorted[K, V]) withAll(entries []entry[K, V]) sorted[K, V] {
	if len(entries) <= len(m.chunks)/2 || len(entries) < 4 {
		for _, e := range entries {
			m = m.with(e.k, e.v)
		}
		return m
	}
	out := sorted[K, V]{cmp: m.cmp}
	cur := cursor[K, V]{m: m}
	for len(entries) > 0 || !cur.end() {
		order := 0
		switch {
		case len(entries) == 0:
			order = -1
		case cur.end():
			order = 1
		default:
			order = m.cmp(cur.key(), entries[0].k)
		}
		if order < 0 {
			out.push(cur.key(), cur.val())
			cur.next()
			continue
		}
		out.push(entries[0].k, entries[0].v)
		entries = entries[1:]
		if order == 0 {
			cur.next()
		}
	}
	return out
}

// push adds an entry behind all others of a map nobody else has seen yet.
func (m *sorted[K, V]) push(k K, v V) {
	if n := len(m.chunks); n == 0 || len(m.chunks[n-1].keys) == chunkMax {
		m.chunks = append(m.chunks, &chunk[K, V]{make([]K, 0, chunkMax), make([]V, 0, chunkMax)})
	}
	c := m.chunks[len(m.chunks)-1]
	c.keys = append(c.keys, k)
	c.vals = append(c.vals, v)
	m.n++
}
