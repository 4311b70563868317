package vfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// sectorBytes is what a disk writes whole or not at all.
const sectorBytes = 512

// Crash returns the disk as a machine may find it after losing power now. The
// Mem it is called on stays as it is, so a run can be crashed at many points;
// each call draws new fortunes from the seed. The rules:
//
//   - What was synced is there.
//   - The changes of a directory since its last SyncDir reached the disk up to
//     some point in their order. A rename is one change, also between two
//     directories.
//   - The size of a file is one it had at some point since its last Sync.
//   - Each sector written since the last Sync has the content it had at some
//     point since, each sector independently. Where the size grew but the
//     sector is from before, there are zeros.
//   - Bytes written since the last Sync may be garbage.
//
// Often a whole file is spared, or loses all that was not synced: those are
// the common cases, and combinations of them find bugs that chaos hides.
func (m *Mem) Crash() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := crash{rng: m.rng, survive: m.survivors(), copies: map[memNode]memNode{}}
	return m.restart(c.dir(m.root).(*memDir))
}

// Kill returns the disk as the next process finds it after this one died: all
// that was written is there, as unsynced as it was, and locks are free.
func (m *Mem) Kill() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := killed{copies: map[memNode]memNode{}}
	return m.restart(k.copy(m.root).(*memDir))
}

// restart returns a Mem with the root and its own source of fortunes.
func (m *Mem) restart(root *memDir) *Mem {
	return &Mem{root: root, locks: map[string]bool{}, now: m.now,
		rng: rand.New(rand.NewPCG(m.rng.Uint64(), m.rng.Uint64()))}
}

// survivors decides for each directory how many of its pending changes are on
// the disk. A change in two directories must be in both or in neither.
func (m *Mem) survivors() map[*memDir]int {
	count := map[*memDir]int{}
	var order []*memDir
	var walk func(d *memDir)
	walk = func(d *memDir) {
		if _, seen := count[d]; seen {
			return
		}
		n := len(d.pending)
		switch m.rng.IntN(3) {
		case 0:
			n = 0
		case 1:
			n = m.rng.IntN(n + 1)
		}
		count[d] = n
		order = append(order, d)
		for _, entries := range []map[string]memNode{d.durable, d.entries} {
			for _, name := range sortedNames(entries) {
				if child, ok := entries[name].(*memDir); ok {
					walk(child)
				}
			}
		}
		// Pending changes may lead to directories that have left both.
		for _, change := range d.pending {
			for _, e := range change.edits {
				walk(e.dir)
				if child, ok := e.node.(*memDir); ok {
					walk(child)
				}
			}
		}
	}
	walk(m.root)

	for again := true; again; {
		again = false
		for _, d := range order {
			for i, change := range d.pending[:count[d]] {
				if !survivesElsewhere(change, d, count) {
					count[d], again = i, true
					break
				}
			}
		}
	}
	return count
}

func survivesElsewhere(change *dirChange, d *memDir, count map[*memDir]int) bool {
	for _, e := range change.edits {
		if e.dir != d && slices.Index(e.dir.pending, change) >= count[e.dir] {
			return false
		}
	}
	return true
}

type crash struct {
	rng     *rand.Rand
	survive map[*memDir]int
	copies  map[memNode]memNode // a node may be reached by two names
}

func (c *crash) dir(d *memDir) memNode {
	if done, ok := c.copies[d]; ok {
		return done
	}
	out := newMemDir()
	c.copies[d] = out
	onDisk := map[string]memNode{}
	for name, node := range d.durable {
		onDisk[name] = node
	}
	for _, change := range d.pending[:c.survive[d]] {
		for _, e := range change.edits {
			if e.dir == d {
				setEntry(onDisk, e.name, e.node)
			}
		}
	}
	for _, name := range sortedNames(onDisk) {
		var node memNode
		switch n := onDisk[name].(type) {
		case *memDir:
			node = c.dir(n)
		case *memFile:
			node = c.file(n)
		}
		out.entries[name], out.durable[name] = node, node
	}
	return out
}

func (c *crash) file(f *memFile) memNode {
	if done, ok := c.copies[f]; ok {
		return done
	}
	data := c.content(f)
	out := &memFile{data: data, synced: data.clone(), modTime: f.modTime}
	c.copies[f] = out
	return out
}

func (c *crash) content(f *memFile) sparse {
	n := len(f.pending)
	if n == 0 {
		return f.synced.clone()
	}
	switch c.rng.IntN(4) {
	case 0: // nothing reached the disk
		return f.synced.clone()
	case 1: // everything did
		return f.data.clone()
	case 2: // a prefix of the changes did, then one was torn
		cut := c.rng.IntN(n)
		return c.tear(f, cut, cut+1, false)
	default: // any sector from any time, some of them garbage
		return c.tear(f, 0, n, c.rng.IntN(2) == 0)
	}
}

// tear gives each sector the content after some number of changes, least or
// more and most or fewer, and the file a size after such a number.
func (c *crash) tear(f *memFile, least, most int, garbage bool) sparse {
	pick := func() int { return least + c.rng.IntN(most-least+1) }
	sizeAfter := pick()
	size := f.synced.size
	for _, change := range f.pending[:sizeAfter] {
		if size = max(size, change.end()); change.data == nil {
			size = change.at
		}
	}
	out := f.synced.clone()
	for _, at := range f.touched() {
		after := pick()
		// Blocks freed by a truncation do not come back once the size says
		// it happened, and what was written after it went to other blocks.
		for i, change := range f.pending {
			if change.data == nil && change.at < at+sectorBytes {
				if i < sizeAfter {
					after = max(after, i+1)
				} else {
					after = min(after, i)
				}
			}
		}
		var sector [sectorBytes]byte
		f.synced.readAt(sector[:], at)
		for _, change := range f.pending[:after] {
			change.applyTo(sector[:], at)
		}
		if garbage && c.rng.IntN(4) == 0 {
			c.corrupt(f, sector[:], at)
		}
		out.writeAt(sector[:], at)
	}
	out.truncate(size)
	return out
}

// touched returns where the sectors begin that pending changes concern, in
// order. A truncation concerns those beyond it that have content.
func (f *memFile) touched() []int64 {
	set := map[int64]bool{}
	add := func(from, to int64) {
		for at := from / sectorBytes * sectorBytes; at < to; at += sectorBytes {
			set[at] = true
		}
	}
	for _, change := range f.pending {
		add(change.at, change.end())
		if change.data != nil {
			continue
		}
		for i, p := range f.synced.pages {
			if start := int64(i) * pageBytes; p != nil && start+pageBytes > change.at {
				add(max(start, change.at), start+pageBytes)
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// applyTo makes the change in a sector that begins at a position.
func (c fileChange) applyTo(sector []byte, at int64) {
	from := c.at - at
	switch {
	case from >= sectorBytes:
	case c.data == nil:
		clear(sector[max(from, 0):])
	case from >= 0:
		copy(sector[from:], c.data)
	case -from < int64(len(c.data)):
		copy(sector, c.data[-from:])
	}
}

// corrupt puts garbage where pending writes went, nowhere else: a disk that
// spoils what it was told to keep is more than a log can survive.
func (c *crash) corrupt(f *memFile, sector []byte, at int64) {
	for _, change := range f.pending {
		for i := max(change.at-at, 0); i < min(change.end()-at, sectorBytes); i++ {
			sector[i] = byte(c.rng.Uint32())
		}
	}
}

// killed copies a disk as it is, with what is pending.
type killed struct {
	copies  map[memNode]memNode
	changes map[*dirChange]*dirChange
}

func (k *killed) copy(node memNode) memNode {
	if done, ok := k.copies[node]; ok || node == nil {
		return done
	}
	if f, ok := node.(*memFile); ok {
		out := &memFile{data: f.data.clone(), synced: f.synced.clone(), pending: slices.Clone(f.pending), modTime: f.modTime}
		k.copies[node] = out
		return out
	}
	d := node.(*memDir)
	out := newMemDir()
	k.copies[node] = out
	for name, child := range d.entries {
		out.entries[name] = k.copy(child)
	}
	for name, child := range d.durable {
		out.durable[name] = k.copy(child)
	}
	for _, change := range d.pending {
		out.pending = append(out.pending, k.change(change))
	}
	return out
}

func (k *killed) change(c *dirChange) *dirChange {
	if done, ok := k.changes[c]; ok {
		return done
	}
	if k.changes == nil {
		k.changes = map[*dirChange]*dirChange{}
	}
	out := &dirChange{}
	k.changes[c] = out
	for _, e := range c.edits {
		out.edits = append(out.edits, dirEdit{k.copy(e.dir).(*memDir), e.name, k.copy(e.node)})
	}
	return out
}
