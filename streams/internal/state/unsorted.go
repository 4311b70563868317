package state

import (
	"bytes"
	"hash/maphash"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// unsorted is what was written to a store on disk since its last commit: of each key the last write, found by the key and
// without an order. A store that is written far more often than it is read in order costs one write to Pebble for each key
// and commit, which are sorted then.
//
// A scan or a range deletion needs the order: what there is moves into the task's pending batch. A store that is scanned
// between most of its writes has none until the next commit, because moving them would cost more.
type unsorted struct {
	bulk         // entries have different keys
	slots []slot // a hash table of entries, at most half full; its length is a power of two
}

// slot is a place in the table of unsorted: the hash, and one more than the place in entries; 0 is empty.
type slot struct{ hash, entry uint32 }

// unsortedRest is of how many entries on a scan leaves the store its unsorted writes: with less in between it goes without.
const unsortedRest = 8

// unsortedKept bounds what an emptied one holds on to.
const unsortedKept = 4 << 20

var unsortedSeed = maphash.MakeSeed()

func hashOf(key []byte) uint32 { return uint32(maphash.Bytes(unsortedSeed, key)) } //nolint:gosec // the bits

// find gives a key's slot: the one it is in, or the empty one where it belongs. There is a table.
func (f *unsorted) find(key []byte, hash uint32) *slot {
	mask := uint32(len(f.slots) - 1) //nolint:gosec // within bulkMaxBytes
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &f.slots[i]
		if s.entry == 0 || s.hash == hash && bytes.Equal(f.keyOf(&f.entries[s.entry-1]), key) {
			return s
		}
	}
}

// get gives the last write of a key; its value is valid until the next put.
func (f *unsorted) get(key []byte) (value []byte, deleted, known bool) {
	if len(f.entries) == 0 {
		return nil, false, false
	}
	s := f.find(key, hashOf(key))
	if s.entry == 0 {
		return nil, false, false
	}
	e := &f.entries[s.entry-1]
	if e.value < 0 {
		return nil, true, true
	}
	v := f.valueOf(e)
	return v[:len(v):len(v)], false, true
}

// set writes a key; a nil value that is deleted says that there is none.
func (f *unsorted) set(key, value []byte, deleted bool) {
	if 2*(len(f.entries)+1) > len(f.slots) {
		f.grow()
	}
	hash := hashOf(key)
	s := f.find(key, hash)
	if s.entry == 0 {
		f.put(key, value, deleted)
		s.hash, s.entry = hash, uint32(len(f.entries)) //nolint:gosec // within bulkMaxBytes
		return
	}
	e := &f.entries[s.entry-1]
	switch {
	case deleted:
		e.value = -1
	case len(value) <= int(e.room):
		e.value = int32(len(value)) //nolint:gosec // within bulkMaxBytes
		copy(f.valueOf(e), value)
	default: // with some room, for a value that goes on growing
		at, room := len(f.data), len(value)+len(value)/4
		f.data = append(append(grown(f.data, len(key)+room), key...), value...)[:at+len(key)+room]
		*e = bulkEntry{at: uint32(at), key: e.key, value: int32(len(value)), room: int32(room)} //nolint:gosec // within bulkMaxBytes
	}
}

func (f *unsorted) grow() {
	f.slots = make([]slot, max(64, 2*len(f.slots)))
	for i := range f.entries {
		key := f.keyOf(&f.entries[i])
		hash := hashOf(key)
		*f.find(key, hash) = slot{hash, uint32(i + 1)} //nolint:gosec // within bulkMaxBytes
	}
}

// empty forgets all writes.
func (f *unsorted) empty() {
	if len(f.slots) > 1024 && 16*len(f.entries) < len(f.slots) {
		f.slots = nil // it was made for far more
	}
	clear(f.slots)
	if cap(f.data) > unsortedKept {
		f.data, f.entries, f.order, f.spare = nil, nil, nil, nil
	}
	f.reset()
}

// collects tells that a write of so many bytes goes to the unsorted ones of the store, and makes place for it.
func (s *Store) collects(more int) (bool, error) {
	if s.scanned || s.task.disk.bulk != nil {
		return false, nil
	}
	if s.unsorted == nil {
		s.unsorted = s.task.db.unsorteds.Get().(*unsorted)
	}
	if s.unsorted.len()+2*more >= bulkMaxBytes {
		return true, s.settleUnsorted()
	}
	return true, nil
}

// settleUnsorted moves what is unsorted into the task's pending batch.
func (s *Store) settleUnsorted() error {
	f := s.unsorted
	if f == nil || len(f.entries) == 0 {
		return nil
	}
	f.sort()
	err := f.into(s.task.disk.batch)
	f.empty()
	return err
}

// unsortedLen is about how many bytes of the store are unsorted.
func (s *Store) unsortedLen() int64 {
	if s.unsorted == nil {
		return 0
	}
	return int64(s.unsorted.len())
}

// settle moves what is unsorted in all stores into the pending batch.
func (t *Task) settle() error {
	for _, s := range t.order {
		if err := s.settleUnsorted(); err != nil {
			return err
		}
	}
	return nil
}

// dropUnsorted forgets what is unsorted.
func (s *Store) dropUnsorted() {
	if f := s.unsorted; f != nil {
		f.empty()
		s.task.db.unsorteds.Put(f)
		s.unsorted = nil
	}
	s.scanned = false
}

// unsortedBytes is about what is unsorted in all stores.
func (t *Task) unsortedBytes() (n int) {
	for _, s := range t.order {
		if s.unsorted != nil {
			n += s.unsorted.len()
		}
	}
	return n
}

// commitUnsorted writes what is unsorted behind what the batch has.
func (t *Task) commitUnsorted() error {
	d := t.disk.db
	plain := d.pdb.NewBatchWithSize(t.disk.batch.Len() + t.unsortedBytes())
	err := plain.Apply(t.disk.batch, nil)
	stores := slices.Clone(t.order)
	slices.SortFunc(stores, func(a, b *Store) int { return int(a.number) - int(b.number) })
	for _, s := range stores {
		if err == nil && s.unsorted != nil {
			s.unsorted.sort()
			err = s.unsorted.into(plain)
		}
	}
	if err == nil {
		err = t.apply(plain)
	}
	if e := plain.Close(); err == nil {
		err = e
	}
	return err
}

// apply writes a batch.
func (t *Task) apply(b *pebble.Batch) error {
	if b.Empty() {
		return nil
	}
	d := t.disk.db
	d.written.Add(int64(b.Len()))
	return d.pdb.Apply(b, d.writeOptions())
}
