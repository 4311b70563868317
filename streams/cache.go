package streams

import (
	"bytes"
	"unsafe"

	"github.com/tidwall/btree"

	"leat.dev/streams/internal/engine"
)

// cells keeps values of one type under serialized keys: what tables, windows and sessions have in common. Underneath is a
// cellState, which knows the state's layout and the changelog; in front of it are decoded objects in the two tiers of
// cacheBudget.
//
// A value that holds no references (see shareable) is kept as it is, and encoded when it is written: with a record cache
// once for all puts between two flushes. Any other is kept as bytes and decoded for every reader, so that nobody who
// changes an accumulator in place changes what is stored, or what was forwarded before: get has the cost of the serde then,
// as in Kafka.
//
// K is the type of the keys that a flush forwards: of windows and sessions it is Windowed of the store's.
type cells[K, V any] struct {
	*storeBase
	state  cellState[K]
	vs     Serde[V]
	nils   nilTest[V]
	format valueFormat
	shared bool // values are kept decoded
	keys   bool // keys may be kept as they were given

	logsHeaders bool // the changelog has the headers of records, the state does not
	cached      bool // has a record cache
	reads       bool // and keeps there what it reads, as Kafka's caches of key-value stores do
	extra       int  // bytes that Kafka's key in the cache is longer than ours

	budget  *cacheBudget
	entries map[string]*entry[K, V]
	newest  *entry[K, V]  // that was found last
	lru     [3]list[K, V] // by tier
	held    int64         // bytes in the tier of objects
	free    *entry[K, V]  // by next
	pool    *dirt[K, V]   // by next

	first, last *dirt[K, V] // dirty entries in the order of their last put
	seq         uint64
	ordered     *btree.Map[string, *entry[K, V]] // dirty entries by key; from the first scan on
	missed      []byte                           // a key of which is known that the state does not have it
	hasMissed   bool
	value2      []byte // scratch: the value in hand
	seen        Headers
	lastSize    int // of the value encoded last

	forward sink[K, change[V]] // nil: nobody listens to flushes
	sendOld bool
	endTime func(k K) Time // the time of a forwarded record, where it is not the value's
	busy    int            // flushes that are under way: entries are not recycled
	records []*Record[K, change[V]]
	idle    []*rows[K, V]
}

// A cellState is the state under cells, and the changelog beside it.
type cellState[K any] interface {
	// read gives the value's bytes: valid until the next call.
	read(key []byte) (value []byte, ok bool, err error)
	// write puts them, or deletes the key where value is nil. It says no where the layout refused because of time.
	write(key, value []byte) (accepted bool, err error)
	// log writes the changelog record.
	log(key, value []byte, at Time, h Headers) error
	// visible is false where a key is too old to be shown.
	visible(key []byte) bool
	decode(key []byte) (K, error)
}

// A cell is a value as the caches hold it: v if it is shared, raw (without time and headers) if not.
type cell[V any] struct {
	v       V
	raw     []byte
	at      Time
	ok      bool // false: the key has no value
	headers Headers
}

type entry[K, V any] struct {
	key string
	cell[V]
	dirty      *dirt[K, V] // nil: as in the state
	tier       tier
	size       int32        // as counted
	valueSize  int32        // of it, the serialized value
	live       bool         // it is in entries
	after      *entry[K, V] // what was looked for behind it last: windows of a key come one after the other, again and again
	prev, next *entry[K, V]
}

// dirt is what an entry needs from its first put until it is flushed.
type dirt[K, V any] struct {
	e          *entry[K, V]
	key        K
	seq        uint64
	old        cell[V] // what the state has, if it is known
	known      bool
	record     *savedRecord // that was in hand at the last put
	at         Time         // and its time as it was then
	headers    Headers
	prev, next *dirt[K, V]
}

type tier uint8

const (
	tierNone tier = iota
	tierRecords
	tierObjects
)

// list is a tier in order of use; its entries form a ring without the list.
type list[K, V any] struct{ newest, oldest *entry[K, V] }

func (l *list[K, V]) push(e *entry[K, V]) {
	e.prev, e.next = nil, l.newest
	if l.newest != nil {
		l.newest.prev = e
	} else {
		l.oldest = e
	}
	l.newest = e
}

func (l *list[K, V]) remove(e *entry[K, V]) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.newest = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.oldest = e.prev
	}
	e.prev, e.next = nil, nil
}

func newCells[K, V any](b *storeBase, p storeSpec, state cellState[K], vs Serde[V], f valueFormat) *cells[K, V] {
	f.headers = p.headers
	c := &cells[K, V]{
		logsHeaders: p.logsHeaders,
		storeBase:   b, state: state, vs: vs, nils: newNilTest[V](), format: f,
		shared: shareable[V](), keys: shareable[K](), cached: p.cached && b.task.prog.settings.CacheBytes > 0,
		budget: b.task.caches(), entries: map[string]*entry[K, V]{}, value2: make([]byte, 0, 64), lastSize: int(unsafe.Sizeof(*new(V))),
	}
	c.budget.caches = append(c.budget.caches, c)
	return c
}

// get gives the value of a key.
func (c *cells[K, V]) get(key []byte) (v V, at Time, ok bool, err error) {
	if c.meter.Sampled(engine.Get) {
		began := c.meter.Begin(engine.Get)
		v, at, ok, err = c.get(key)
		c.meter.End(engine.Get, began)
		return v, at, ok, err
	}
	if e := c.find(key); e != nil {
		c.meter.Hits++
		if e.dirty == nil && !c.state.visible(key) {
			c.drop(e)
			return v, 0, false, nil
		}
		if e.ok {
			if v, err = c.value(&e.cell); err != nil {
				return v, 0, false, err
			}
		}
		at, ok = e.at, e.ok
		if c.task.reading {
			return v, at, ok, nil
		}
		return v, at, ok, c.touch(e)
	}
	b, ok, err := c.state.read(key)
	if err != nil {
		return v, 0, false, err
	}
	if c.task.reading {
		return c.peeked(b, ok)
	}
	if !ok {
		c.missed, c.hasMissed = append(c.missed[:0], key...), true
		return v, 0, false, nil
	}
	e := c.insert(key)
	if err = c.load(&e.cell, b); err == nil {
		v, err = c.value(&e.cell)
	}
	if err != nil {
		c.drop(e)
		return v, 0, false, err
	}
	at = e.at
	e.valueSize = int32(len(b)) //nolint:gosec // below MaxValueBytes
	if c.cached && c.reads {
		return v, at, true, c.admit(e, tierRecords)
	}
	return v, at, true, c.admit(e, tierObjects)
}

// peeked is what a query gets of a key that is not cached: it leaves the cache alone, whose evictions would be the
// query's to answer for.
func (c *cells[K, V]) peeked(b []byte, ok bool) (v V, at Time, _ bool, err error) {
	if !ok {
		return v, 0, false, nil
	}
	h, at, plain, err := c.format.cut(b)
	if err == nil {
		v, err = c.vs.Decode(plain, c.topic, h)
	}
	return v, at, err == nil, err
}

// headersOf gives the headers that are kept with a key's value.
func (c *cells[K, V]) headersOf(key []byte) (h Headers, ok bool, err error) {
	if e := c.entries[string(key)]; e != nil {
		return e.headers, e.ok, nil
	}
	b, ok, err := c.state.read(key)
	if err != nil || !ok {
		return nil, false, err
	}
	h, _, _, err = c.format.cut(b)
	return h.clone(), true, err
}

// touch notes that an entry was used.
func (c *cells[K, V]) touch(e *entry[K, V]) error {
	if e.tier == tierObjects && c.cached && c.reads {
		return c.admit(e, tierRecords) // Kafka has to read it, and caches it anew
	}
	if l := &c.lru[e.tier]; l.newest != e && e.tier != tierNone {
		l.remove(e)
		l.push(e)
	}
	return nil
}

// put sets the value of a key, or removes it where ok is false. With a record cache that is all until a flush; without,
// it is written and logged.
func (c *cells[K, V]) put(key []byte, k K, v V, at Time, ok bool, h Headers) error {
	if c.meter.Sampled(engine.Put) {
		began := c.meter.Begin(engine.Put)
		err := c.put(key, k, v, at, ok, h)
		c.meter.End(engine.Put, began)
		return err
	}
	if ok && c.nils.null(&v) {
		ok = false
	}
	if c.cached {
		return c.putCached(key, k, v, at, ok, h)
	}
	if !c.format.headers && !c.logsHeaders {
		h = nil
	}
	return c.putThrough(key, v, at, ok, h)
}

func (c *cells[K, V]) putThrough(key []byte, v V, at Time, ok bool, h Headers) error {
	var full []byte
	var plain int
	if ok {
		var err error
		if full, plain, err = c.encode(&v, nil, at, h); err != nil {
			return err
		}
	}
	accepted, err := c.state.write(key, full)
	if err != nil {
		return err
	}
	if c.logged {
		if err := c.state.log(key, full[plain:], at, h); err != nil {
			return err
		}
	}
	c.hasMissed = false
	e := c.find(key)
	if !ok || !accepted {
		if e != nil {
			c.drop(e)
		}
		return nil
	}
	if e == nil {
		e = c.insert(key)
	}
	c.set(&e.cell, v, full[plain:], at, h.clone())
	e.valueSize = int32(len(full)) //nolint:gosec // below MaxValueBytes
	return c.admit(e, tierObjects)
}

func (c *cells[K, V]) putCached(key []byte, k K, v V, at Time, ok bool, h Headers) error {
	var raw []byte
	if ok && !c.shared {
		full, plain, err := c.encode(&v, nil, at, nil)
		if err != nil {
			return err
		}
		raw = full[plain:]
	}
	e := c.find(key)
	if e != nil && e.dirty == nil && !c.state.visible(key) {
		c.drop(e) // what has expired is not what this put replaces
		e = nil
	}
	fresh := e == nil
	if fresh {
		e = c.insert(key)
	}
	if e.dirty == nil {
		c.soil(e, k)
		if fresh {
			e.dirty.known = c.hasMissed && bytes.Equal(c.missed, key)
		} else {
			e.dirty.known = true
			e.dirty.old, e.cell = e.cell, e.dirty.old
		}
		if c.ordered != nil {
			c.ordered.Set(e.key, e)
		}
	} else {
		c.unlink(e.dirty)
	}
	c.hasMissed = false
	c.link(e.dirty)
	kept := h
	if !c.format.headers {
		kept = nil
	}
	c.capture(e.dirty, at, h)
	if c.busy > 0 {
		e.raw = nil // a flush may be reading it
	}
	c.set(&e.cell, v, raw, at, e.dirty.headers[:len(kept)])
	e.ok = ok
	e.valueSize = 0
	if ok {
		e.valueSize = int32(c.estimate(&v, raw)) //nolint:gosec // an estimate
	}
	return c.admit(e, tierRecords)
}

// soil makes a clean entry dirty.
func (c *cells[K, V]) soil(e *entry[K, V], k K) {
	d := c.pool
	if d == nil {
		block := make([]dirt[K, V], entriesMade(len(c.entries)))
		for i := range block {
			block[i].next, c.pool = c.pool, &block[i]
		}
		d = c.pool
	}
	c.pool, d.next = d.next, nil
	d.e, e.dirty = e, d
	if c.keys {
		d.key = k
	}
}

// capture keeps the context of the record in hand: a flush forwards and logs with that of the last put.
func (c *cells[K, V]) capture(d *dirt[K, V], at Time, h Headers) {
	before := d.record
	d.record = c.task.saveRecord()
	if before != nil {
		c.task.releaseRecord(before)
	}
	d.at, d.headers = at, h.clone()
}

// link puts d at the end of the dirty entries.
func (c *cells[K, V]) link(d *dirt[K, V]) {
	c.seq++
	d.seq = c.seq
	d.prev, d.next = c.last, nil
	if c.last != nil {
		c.last.next = d
	} else {
		c.first = d
	}
	c.last = d
}

func (c *cells[K, V]) unlink(d *dirt[K, V]) {
	if d.prev != nil {
		d.prev.next = d.next
	} else {
		c.first = d.next
	}
	if d.next != nil {
		d.next.prev = d.prev
	} else {
		c.last = d.prev
	}
	d.prev, d.next = nil, nil
}

// insert makes an entry that is in no tier yet.
func (c *cells[K, V]) insert(key []byte) *entry[K, V] {
	if c.free == nil {
		block := make([]entry[K, V], entriesMade(len(c.entries)))
		for i := range block {
			block[i].next, c.free = c.free, &block[i]
		}
	}
	e := c.free
	c.free, e.next = e.next, nil
	e.key, e.live = string(key), true
	c.entries[e.key] = e
	c.found(e)
	return e
}

// entriesMade is how many entries are made at once where there are n: what is allocated together costs less to make and to
// follow.
func entriesMade(n int) int { return min(1+n/8, 64) }

// find gives the entry of a key, nil if there is none.
func (c *cells[K, V]) find(key []byte) *entry[K, V] {
	if e := c.newest; e != nil {
		if e.live && e.key == viewOf(key) {
			return e
		}
		if e = e.after; e != nil && e.live && e.key == viewOf(key) {
			c.newest = e
			return e
		}
	}
	e := c.entries[viewOf(key)]
	if e != nil {
		c.found(e)
	}
	return e
}

func (c *cells[K, V]) found(e *entry[K, V]) {
	if l := c.newest; l != nil && l != e {
		l.after = e
	}
	c.newest = e
}

// drop forgets a clean entry.
func (c *cells[K, V]) drop(e *entry[K, V]) {
	c.leave(e)
	delete(c.entries, e.key)
	e.live = false
	if c.busy > 0 {
		return
	}
	raw := e.raw[:0]
	*e = entry[K, V]{next: c.free}
	e.raw = raw
	c.free = e
}

// leave takes an entry out of its tier.
func (c *cells[K, V]) leave(e *entry[K, V]) {
	if e.tier == tierNone {
		return
	}
	c.uncount(e)
	c.lru[e.tier].remove(e)
	e.tier = tierNone
}

// uncount takes an entry's size out of its tier.
func (c *cells[K, V]) uncount(e *entry[K, V]) {
	if e.tier == tierRecords {
		c.budget.records.used -= int64(e.size)
		return
	}
	c.held -= int64(e.size)
	c.budget.objects.used -= int64(e.size)
}

// admit puts an entry in front of a tier with the size it has now, and makes room. It is the last step of what a caller
// does with e and with any bytes of the store: making room for records may forward to other nodes, which may come back.
func (c *cells[K, V]) admit(e *entry[K, V], t tier) error {
	if e.tier == t && c.lru[t].newest == e {
		c.uncount(e)
	} else {
		c.leave(e)
		e.tier = t
		c.lru[t].push(e)
	}
	if t == tierObjects {
		e.size = int32(len(e.key)) + e.valueSize + objectOverhead //nolint:gosec // keys are below MaxKeyBytes
		c.held += int64(e.size)
		c.budget.objects.used += int64(e.size)
		if c.budget.objects.used > c.budget.objects.max {
			c.budget.shed()
		}
		return nil
	}
	e.size = c.recordSize(e)
	c.budget.records.used += int64(e.size)
	if c.budget.records.used > c.budget.records.max {
		return c.evict()
	}
	return nil
}

// recordSize is what Kafka's record cache counts for an entry: key and value, three references, a flag, and the context.
func (c *cells[K, V]) recordSize(e *entry[K, V]) int32 {
	n := len(e.key) + c.extra + 24 + 1 + 20 + int(e.valueSize)
	if d := e.dirty; d != nil {
		n += len(d.record.topic)
		for _, h := range d.headers {
			n += len(h.Key) + len(h.Value)
		}
	}
	return int32(n) //nolint:gosec // below the limits of keys and values
}

// evict makes room in the tier of records as Kafka does: the entry of this store that was not used for the longest time
// goes; if it is dirty, it is flushed, and with it all dirty entries of the store. The rest of the task's stores keep
// theirs, even if that is not enough.
func (c *cells[K, V]) evict() error {
	for c.budget.records.used > c.budget.records.max {
		e := c.lru[tierRecords].oldest
		if e == nil {
			return nil
		}
		c.leave(e)
		if e.dirty != nil {
			if err := c.flushFrom(e.dirty); err != nil {
				return err
			}
		}
		if e.tier != tierNone || c.entries[e.key] != e {
			continue // put again, or gone
		}
		if !e.ok {
			c.drop(e)
			continue
		}
		if err := c.admit(e, tierObjects); err != nil {
			return err
		}
	}
	return nil
}

func (c *cells[K, V]) objectBytes() int64 { return c.held }

func (c *cells[K, V]) dropObject() { c.drop(c.lru[tierObjects].oldest) }

// clear forgets all clean entries: what is underneath has changed.
func (c *cells[K, V]) clear() {
	c.hasMissed = false
	for _, e := range c.entries {
		if e.dirty == nil {
			c.drop(e)
		}
	}
}
