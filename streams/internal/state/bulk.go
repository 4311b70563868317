package state

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// bulk collects writes that nobody reads meanwhile: a restore. They are sorted when they are committed, and of each key
// only the last write is left; many become one table, which Pebble takes as it is, with neither log nor memtable; few become
// a batch. In both cases the offsets go with them: as before, a commit is there as a whole or not at all.
//
// A read, an iterator or a range deletion ends it: what was collected becomes the task's pending batch.
type bulk struct {
	data    []byte // key | value, one after the other
	entries []bulkEntry

	order, spare []bulkOrder // sorted: the entries that count
	tables       int         // made of it
}

// tablesHeld is after how many tables of a restore compactions begin: before, they only cost it time.
const tablesHeld = 12

// bulkEntry is one write.
type bulkEntry struct {
	at    uint32 // in data
	key   uint32 // its length
	value int32  // its length, -1: a deletion
	room  int32  // for a value that is longer
}

// bulkOrder is an entry in the order of keys.
type bulkOrder struct {
	head uint64 // the first bytes of the key behind those that all keys have in common
	i    uint32
}

// bulkMaxBytes is how much is collected before it has to be committed: positions are 32 bits.
const bulkMaxBytes = 256 << 20

// tableMinBytes is from how much on a commit becomes a table.
const tableMinBytes = 4 << 20

// Collect says that what is written from now on is not read before the next Commit: it costs far less then. It changes
// nothing but the cost, for a task in memory not even that, and lasts until a read, or until Collect(false).
func (t *Task) Collect(on bool) error {
	if !on {
		return t.endBulk()
	}
	if d := t.disk.db; d != nil && t.disk.bulk == nil {
		if err := t.settle(); err != nil {
			return err
		}
		t.disk.bulk = t.db.bulks.Get().(*bulk)
	}
	return nil
}

func (b *bulk) put(key, value []byte, deleted bool) {
	e := bulkEntry{at: uint32(len(b.data)), key: uint32(len(key)), value: int32(len(value)), room: int32(len(value))} //nolint:gosec // within bulkMaxBytes
	if deleted {
		e.value = -1
	}
	b.data = append(append(grown(b.data, len(key)+len(value)), key...), value...)
	b.entries = append(grown(b.entries, 1), e)
}

// grown gives s room for n more. It doubles exactly, where append would take a quarter more again and again, or more than that.
func grown[E any](s []E, n int) []E {
	if len(s)+n <= cap(s) {
		return s
	}
	out := make([]E, len(s), max(len(s)+n, 2*cap(s), 1024))
	copy(out, s)
	return out
}

func (b *bulk) len() int { return len(b.data) + 16*len(b.entries) }

func (b *bulk) keyOf(e *bulkEntry) []byte { return b.data[e.at : e.at+e.key : e.at+e.key] }

func (b *bulk) valueOf(e *bulkEntry) []byte {
	return b.data[e.at+e.key : e.at+e.key+uint32(e.value)]
}

// sort finds the order of keys, with the last write of each.
func (b *bulk) sort() {
	b.order = b.order[:0]
	if len(b.entries) == 0 {
		return
	}
	first := b.keyOf(&b.entries[0])
	same := len(first)
	for i := range b.entries {
		same = common(first[:same], b.keyOf(&b.entries[i]))
	}
	for i := range b.entries {
		var head [8]byte
		copy(head[:], b.keyOf(&b.entries[i])[same:])
		b.order = append(b.order, bulkOrder{binary.BigEndian.Uint64(head[:]), uint32(i)}) //nolint:gosec // within bulkMaxBytes
	}
	b.radix()
	b.finish()
}

// radix sorts by heads, and leaves equal ones in the order of the writes.
func (b *bulk) radix() {
	n := len(b.order)
	if cap(b.spare) < n {
		b.spare = make([]bulkOrder, n)
	}
	from, to := b.order, b.spare[:n]
	for shift := 0; shift < 64; shift += 8 {
		var count [256]int
		for i := range from {
			count[byte(from[i].head>>shift)]++
		}
		if count[byte(from[0].head>>shift)] == n {
			continue // the same everywhere
		}
		at := 0
		for i, c := range count {
			count[i] = at
			at += c
		}
		for i := range from {
			d := byte(from[i].head >> shift)
			to[count[d]] = from[i]
			count[d]++
		}
		from, to = to, from
	}
	b.order, b.spare = from, to
}

// finish sorts what has equal heads by whole keys, and drops what was written over.
func (b *bulk) finish() {
	n := 0
	for i := 0; i < len(b.order); {
		j := i + 1
		for j < len(b.order) && b.order[j].head == b.order[i].head {
			j++
		}
		run := b.order[i:j]
		if len(run) > 1 {
			slices.SortStableFunc(run, func(x, y bulkOrder) int {
				return bytes.Compare(b.keyOf(&b.entries[x.i]), b.keyOf(&b.entries[y.i]))
			})
		}
		for k := range run {
			if k+1 < len(run) && bytes.Equal(b.keyOf(&b.entries[run[k].i]), b.keyOf(&b.entries[run[k+1].i])) {
				continue
			}
			b.order[n] = run[k]
			n++
		}
		i = j
	}
	b.order = b.order[:n]
}

// common is how many bytes two keys begin with together.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// endBulk makes what was collected pending like any other write.
func (t *Task) endBulk() error {
	b := t.disk.bulk
	t.disk.bulk = nil
	if b == nil {
		return nil
	}
	b.sort()
	err := t.disk.db.protect(func() error { return b.into(t.disk.batch) })
	t.dropBulk(b)
	return err
}

// dropBulk gives what was collected in back, for the next restore.
func (t *Task) dropBulk(b *bulk) {
	t.disk.bulk = nil
	if b == nil {
		return
	}
	b.reset()
	b.tables = 0
	t.db.bulks.Put(b)
	if d := t.disk.db; d != nil && !d.failed() {
		d.turn.hold(false)
	}
}

// into adds what was sorted to a batch.
func (b *bulk) into(batch *pebble.Batch) error {
	for _, o := range b.order {
		e := &b.entries[o.i]
		var err error
		if e.value < 0 {
			err = batch.Delete(b.keyOf(e), nil)
		} else {
			err = batch.Set(b.keyOf(e), b.valueOf(e), nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// commitBulk writes what was collected together with what is in the batch: the task's own entries.
func (t *Task) commitBulk() error {
	b, d := t.disk.bulk, t.disk.db
	defer b.reset()
	size := b.len()
	b.sort()
	if size >= d.opts.tableMin {
		if own, ok := ownEntries(t.disk.batch); ok {
			return b.ingest(d, own)
		}
	}
	plain := d.pdb.NewBatchWithSize(t.disk.batch.Len() + size)
	err := plain.Apply(t.disk.batch, nil)
	if err == nil {
		err = b.into(plain)
	}
	if err == nil {
		d.written.Add(int64(plain.Len()))
		err = d.pdb.Apply(plain, d.writeOptions())
	}
	if e := plain.Close(); err == nil {
		err = e
	}
	return err
}

func (b *bulk) reset() { b.data, b.entries, b.order = b.data[:0], b.entries[:0], b.order[:0] }

// ownEntries are the writes of a batch in the order of their keys, of each the last; ok is false when there is something
// else in it than single entries of the task's own.
func ownEntries(batch *pebble.Batch) (own *bulk, ok bool) {
	own = &bulk{}
	if batch.Empty() {
		return own, true
	}
	for r := batch.Reader(); ; {
		kind, key, value, more, err := r.Next()
		switch {
		case err != nil:
			return nil, false
		case !more:
			own.sort()
			return own, true
		case !bytes.HasPrefix(key, ownPrefix) || kind != pebble.InternalKeyKindSet && kind != pebble.InternalKeyKindDelete:
			return nil, false
		}
		own.put(key, value, kind == pebble.InternalKeyKindDelete)
	}
}

// ingest makes a table of what was collected and of the own entries, which come before all others.
func (b *bulk) ingest(d *database, own *bulk) error {
	name := d.opts.FS.PathJoin(d.dir, tableFile)
	f, err := d.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(f), d.pebble.MakeWriterOptions(0, d.pdb.TableFormat()))
	err = own.write(w)
	if err == nil {
		err = b.write(w)
	}
	if e := w.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = d.fs.Err()
	}
	if err != nil {
		return err
	}
	b.tables++
	d.turn.hold(b.tables < tablesHeld)
	return d.pdb.Ingest(context.Background(), []string{name})
}

// tableFile is the table that is being written; a crash may leave it, and the next one goes over it.
const tableFile = "restored.sst"

// write adds what was sorted to a table.
func (b *bulk) write(w *sstable.Writer) error {
	for _, o := range b.order {
		e := &b.entries[o.i]
		var err error
		if e.value < 0 {
			err = w.Delete(b.keyOf(e))
		} else {
			err = w.Set(b.keyOf(e), b.valueOf(e))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
