package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// Keys of the database, see docs/formats/streams-state.md: store 2 | key. Store 0 is the task's own.
const (
	ownOffset    = 'o' // topic-partition -> next offset
	ownMeta      = 'm' // name -> number
	ownStore     = 's' // name -> number of the store
	ownRegisters = 'r' // number of the store -> registers
	ownTime      = 't' // "made", "used" -> time
)

// MaxStores is how many stores a task can have on disk, those included that it
// has no more.
const MaxStores = math.MaxUint16 - 1

// usedEvery is how exactly it is known when a task was used last.
const usedEvery = time.Minute

func (r registerFile) encode(b []byte) []byte {
	for _, v := range r {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	return b
}

func decodeRegisters(b []byte) (r registerFile, err error) {
	if len(b) != 8*len(r) {
		return r, fmt.Errorf("%w: registers of %d bytes", ErrCorrupt, len(b))
	}
	for i := range r {
		r[i] = int64(binary.BigEndian.Uint64(b[8*i:]))
	}
	return r, nil
}

// storePrefix is that of a store's keys.
func storePrefix(store uint16) []byte { return binary.BigEndian.AppendUint16(nil, store) }

var ownPrefix = storePrefix(0)

// need opens the task's database, if it is not. A task without a durable store and without offsets to keep has none.
func (t *Task) need() error {
	if t.disk.db != nil {
		return nil
	}
	t.db.mu.Lock()
	defer t.db.mu.Unlock()
	return t.load()
}

// load gives a task the database and the tables it has on disk, or new ones. The caller has DB.mu.
func (t *Task) load() error {
	base, err := t.db.base(t.id)
	if err != nil {
		return err
	}
	now := t.db.opts.Clock.Now()
	err = base.scan(ownPrefix, t.loadOwn)
	if err == nil {
		err = base.protect(func() error {
			t.disk.batch = base.pdb.NewIndexedBatch()
			return t.stamp(now)
		})
	}
	if err != nil {
		base.spoiled.Store(true)
		base.refs--
		if base.refs == 0 {
			delete(t.db.bases, t.id)
			err = errors.Join(err, base.close())
		}
		return err
	}
	t.disk.db = base
	info := t.db.infos[t.id]
	info.used, info.known, info.closed = now, false, false
	if !t.disk.made.IsZero() {
		info.made = t.disk.made
	}
	return nil
}

// stamp puts the times of the task into what is pending.
func (t *Task) stamp(now time.Time) error {
	d := &t.disk
	d.used = now
	if d.made.IsZero() {
		d.made = now
		if err := t.putOwn(ownTime, "made", now.UnixMilli()); err != nil {
			return err
		}
	}
	return t.putOwn(ownTime, "used", now.UnixMilli())
}

// loadOwn reads one of the task's own entries.
func (t *Task) loadOwn(key, value []byte) error {
	if len(key) == 0 {
		return ErrCorrupt
	}
	kind, name := key[0], string(key[1:])
	switch {
	case kind == ownStore && len(value) == 2:
		n := binary.BigEndian.Uint16(value)
		t.disk.table[name] = n
		t.disk.last = max(t.disk.last, n)
	case kind == ownOffset && len(value) == 8:
		t.offsets[name] = int64(binary.BigEndian.Uint64(value))
	case kind == ownMeta && len(value) == 8:
		t.meta[name] = int64(binary.BigEndian.Uint64(value))
	case kind == ownTime && len(value) == 8 && name == "made":
		t.disk.made = time.UnixMilli(int64(binary.BigEndian.Uint64(value)))
	case kind == ownTime && len(value) == 8 && name == "used":
		t.disk.used = time.UnixMilli(int64(binary.BigEndian.Uint64(value)))
	case kind == ownRegisters && len(name) == 2:
		r, err := decodeRegisters(value)
		t.disk.registers[binary.BigEndian.Uint16([]byte(name))] = r
		return err
	default:
		return fmt.Errorf("%w: entry %q of %d bytes", ErrCorrupt, key, len(value))
	}
	return nil
}

// openStore finds the store's place on disk. One that is in memory now gives
// up what it had there.
func (t *Task) openStore(s *Store, inMemory bool) {
	d := &t.disk
	if inMemory {
		s.mem = newMem(nil)
		return // addStore drops what the table has of it
	}
	if err := t.need(); err != nil {
		s.broken = err // each use of it says so
		return
	}
	n, known := d.table[s.name]
	if !known {
		if d.last <= MaxStores {
			d.last++ // one too many is the commit's to report
		}
		n = d.last
	}
	s.number, s.known = n, known
	s.prefix = storePrefix(n)
	s.disk, s.db = d.batch, d.db
	if r, ok := d.registers[n]; ok {
		s.regs, s.regsBase = r, r
	}
}

// ownKey builds one of the task's own keys.
func (t *Task) ownKey(kind byte, name string) []byte {
	d := &t.disk
	d.key = append(append(append(d.key[:0], ownPrefix...), kind), name...)
	return d.key
}

func (t *Task) putOwn(kind byte, name string, v int64) error {
	d := &t.disk
	d.value = binary.BigEndian.AppendUint64(d.value[:0], uint64(v))
	return d.batch.Set(t.ownKey(kind, name), d.value, nil)
}

func registersName(n uint16) string { return string(binary.BigEndian.AppendUint16(nil, n)) }

// durable tells whether there is something to write: a task without a database needs none for offsets of stores that go.
func (t *Task) durable(offsets, meta map[string]int64) bool {
	if t.disk.db != nil || len(meta) > 0 {
		return true
	}
	for name := range offsets {
		if !t.fleeting[name] {
			return true
		}
	}
	return false
}

// diskCommit adds the task's own entries to what is pending and writes it.
func (t *Task) diskCommit(offsets, meta map[string]int64) error {
	for _, s := range t.order {
		if s.broken != nil {
			return s.broken
		}
	}
	if !t.durable(offsets, meta) {
		return nil
	}
	if err := t.need(); err != nil {
		return err
	}
	d := t.disk.db
	if err := d.fs.Err(); err != nil {
		return classify(err)
	}
	t.expireReads()
	err := d.protect(func() error {
		if err := t.addOwn(offsets, meta); err != nil {
			return err
		}
		if b := t.disk.bulk; b != nil && len(b.entries) > 0 {
			return t.commitBulk()
		}
		if t.unsortedBytes() > 0 {
			return t.commitUnsorted()
		}
		return t.apply(t.disk.batch)
	})
	if err == nil {
		err = classify(d.fs.Err())
	}
	if err != nil {
		return err
	}
	t.disk.batch.Reset()
	clear(t.stale)
	for _, s := range t.order {
		s.known = true
		s.dropUnsorted()
	}
	return nil
}

// addOwn puts offsets, metadata, the table of stores and the registers into
// the batch.
func (t *Task) addOwn(offsets, meta map[string]int64) error {
	d := &t.disk
	if d.last > MaxStores {
		return fmt.Errorf("a task has at most %d stores", MaxStores)
	}
	for _, gone := range []map[string]bool{t.forgotten, t.stale} {
		for name := range gone {
			if err := d.batch.Delete(t.ownKey(ownOffset, name), nil); err != nil {
				return err
			}
		}
	}
	for name, v := range offsets {
		if t.fleeting[name] {
			continue
		}
		if old, ok := t.offsets[name]; ok && old == v && !t.forgotten[name] {
			continue
		}
		if err := t.putOwn(ownOffset, name, v); err != nil {
			return err
		}
	}
	for name, v := range meta {
		if old, ok := t.meta[name]; ok && old == v {
			continue
		}
		if err := t.putOwn(ownMeta, name, v); err != nil {
			return err
		}
	}
	for _, s := range t.order {
		if err := t.addStore(s); err != nil {
			return err
		}
	}
	if now := t.db.opts.Clock.Now(); now.Sub(d.used) >= usedEvery && (!d.batch.Empty() || d.bulk != nil || t.unsortedBytes() > 0) {
		return t.stamp(now)
	}
	return nil
}

// addStore puts what the tables say of one store into the batch.
func (t *Task) addStore(s *Store) error {
	d := &t.disk
	if s.mem != nil {
		n, known := d.table[s.name]
		if !known {
			return nil
		}
		delete(d.table, s.name)
		p := storePrefix(n)
		return errors.Join(
			d.batch.DeleteRange(p, after(slices.Clone(p)), nil),
			d.batch.Delete(t.ownKey(ownRegisters, registersName(n)), nil),
			d.batch.Delete(t.ownKey(ownStore, s.name), nil))
	}
	if !s.known {
		d.value = binary.BigEndian.AppendUint16(d.value[:0], s.number)
		if err := d.batch.Set(t.ownKey(ownStore, s.name), d.value, nil); err != nil {
			return err
		}
	}
	if s.regs != s.regsBase {
		d.value = s.regs.encode(d.value[:0])
		return d.batch.Set(t.ownKey(ownRegisters, registersName(s.number)), d.value, nil)
	}
	return nil
}

// diskClose gives the database back.
func (t *Task) diskClose() error {
	d := &t.disk
	if d.db == nil {
		return nil
	}
	t.db.mu.Lock()
	if info := t.db.infos[t.id]; info != nil && t.db.bases[t.id] == d.db {
		info.used, info.offsets, info.known = t.db.opts.Clock.Now(), maps.Clone(t.offsets), true
		for name := range t.fleeting {
			delete(info.offsets, name)
		}
	}
	t.db.mu.Unlock()
	t.dropBulk(d.bulk)
	err := d.batch.Close()
	if e := t.db.unref(d.db); err == nil {
		err = e
	}
	d.db = nil
	return err
}
