package state

import (
	"unsafe"

	"github.com/tidwall/btree"
)

// tree is an ordered map whose copies share what neither of them has changed.
type tree = btree.Map[string, []byte]

// view lets bytes be looked up as a string without copying them. The result
// must not be kept.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf is the way back; the bytes must not be changed.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// mem is the store of one task in memory. The owner reads and writes work;
// base is what was committed, never changed once it stands there.
//
// Iterators hold on to the tree they began on. Only a write made while one is
// open pays for that: it moves work to a copy, which shares its nodes with the
// iterator's tree until they change.
type mem struct {
	work    *tree
	base    *tree
	iters   int  // open iterators that hold work
	dirty   bool // work differs from base
	pending int64
}

func newMem(base *tree) *mem {
	if base == nil {
		base = &tree{}
	}
	return &mem{base: base, work: base.Copy()}
}

func (m *mem) detach() {
	if m.iters > 0 {
		m.work = m.work.Copy()
		m.iters = 0
	}
	m.dirty = true
}

func (m *mem) put(key, value []byte) {
	m.detach()
	m.pending += int64(len(key) + len(value))
	// One allocation holds both; the tree takes the new key with the new value.
	b := make([]byte, len(key)+len(value))
	copy(b[copy(b, key):], value)
	m.work.Set(view(b[:len(key)]), b[len(key):])
}

func (m *mem) delete(key []byte) {
	m.detach()
	m.pending += int64(len(key))
	m.work.Delete(view(key))
}

// deleteRange removes [from, to); a nil to is open.
func (m *mem) deleteRange(from, to []byte) {
	m.detach()
	m.pending += int64(len(from) + len(to))
	var doomed []string
	m.work.Ascend(view(from), func(k string, _ []byte) bool {
		if to != nil && k >= view(to) {
			return false
		}
		doomed = append(doomed, k)
		return true
	})
	for _, k := range doomed {
		m.work.Delete(k)
	}
}

// commit makes work what was committed.
func (m *mem) commit() {
	if m.dirty {
		m.base = m.work.Copy()
	}
	m.dirty, m.pending, m.iters = false, 0, 0
}

func (m *mem) discard() {
	if m.dirty {
		m.work = m.base.Copy()
	}
	m.dirty, m.pending, m.iters = false, 0, 0
}
