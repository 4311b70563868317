package streams

import (
	"fmt"
	"strings"
	"time"

	"leat.dev/streams/internal/codec"
	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// Buffer bounds what Suppress holds. Its bytes are counted as Kafka counts them, keys, values and contexts.
type Buffer struct {
	records, bytes       int64
	recordsMax, bytesMax bool // there is such a limit
	early                bool
}

// Unbounded holds whatever comes.
func Unbounded() Buffer { return Buffer{} }

// MaxRecords holds up to n keys; 0 holds nothing.
func MaxRecords(n int) Buffer { return Buffer{records: int64(n), recordsMax: true} }

// MaxBytes holds up to n bytes; 0 holds nothing.
func MaxBytes(n int64) Buffer { return Buffer{bytes: n, bytesMax: true} }

// AndBytes limits the bytes too.
func (b Buffer) AndBytes(n int64) Buffer {
	b.bytes, b.bytesMax = n, true
	return b
}

// EmitEarly sends the oldest results before their time when the buffer is full; without it the task fails then.
func (b Buffer) EmitEarly() Buffer {
	b.early = true
	return b
}

func (b Buffer) full(s *bufferStore) bool {
	return b.recordsMax && int64(s.count()) > b.records || b.bytesMax && s.size() > b.bytes
}

// Suppress holds each update back until stream time has passed its time by wait, and sends the latest of its key then. Later
// updates do not make a key wait longer. Only records that arrive here move its time. Options: Named, NoChangelog,
// ChangelogConfig. Kafka: Suppressed.untilTimeLimit (KIP-328).
func (t *Table[K, V]) Suppress[B interface{ Buffer }](wait time.Duration, b B, o ...Option) *Table[K, V] {
	return &Table[K, V]{suppress(t.table, "Suppress", Buffer(b), suppression[K]{wait: millis(wait)}, o)}
}

// Suppress holds updates back by their time, as it does in an ordinary table.
func (t *WTable[K, V]) Suppress[B interface{ Buffer }](wait time.Duration, b B, o ...Option) *WTable[K, V] {
	return t.with(suppress(t.table, "Suppress", Buffer(b), suppression[Windowed[K]]{wait: millis(wait)}, o))
}

// SuppressUntilClose sends one result for each window, when it closes: when stream time is grace behind its end (of a
// session: gap and grace). The buffer cannot be one that emits early. Kafka: Suppressed.untilWindowCloses (KIP-328).
func (t *WTable[K, V]) SuppressUntilClose[B interface{ Buffer }](b B, o ...Option) *WTable[K, V] {
	if Buffer(b).early {
		t.b.mistake("SuppressUntilClose", "a buffer that emits early does not give final results", "leave EmitEarly out, or use Suppress")
	}
	end := func(w Windowed[K], _ Time) Time { return w.End }
	return t.with(suppress(t.table, "SuppressUntilClose", Buffer(b), suppression[Windowed[K]]{wait: millis(t.win.grace), by: end, final: true}, o))
}

// suppression is what a buffer waits for.
type suppression[K any] struct {
	wait  Time
	by    func(k K, at Time) Time // the time it is ordered by; nil: the record's
	final bool                    // a row that is gone before it was sent is nobody's
}

func suppress[K, V any](t table[K, V], operator string, limit Buffer, by suppression[K], o []Option) table[K, V] {
	b := t.b
	s := b.settings(operator, o, "Named", "NoChangelog", "ChangelogConfig")
	operator = strings.TrimSpace(operator + " " + s.name)
	if s.name == "" {
		b.named(operator, "buffer")
	}
	if t.history > 0 {
		b.mistake(operator, "the table is versioned: its updates have no one latest value to wait for", "suppress before, or keep the table without history")
	}
	if by.wait < 0 || limit.records < 0 || limit.bytes < 0 {
		b.mistake(operator, "a time or limit is negative", "give zero or more")
	}
	n := &plan.Node{Name: s.name}
	store := suffixed(s.name, "-store")
	if s.name == "" { // a given name takes no number here, as it does elsewhere
		n.Name, store = b.plan.Name("KTABLE-SUPPRESS-"), b.plan.StoreName("KTABLE-SUPPRESS-")
	}
	ks, vs := need(b, t.ks, operator, "key"), need(b, t.vs, operator, "value")
	t.sendOld(true) // who reads the table meanwhile sees what was sent last
	p := &suppressor[K, V]{limit: limit, by: by, store: store, ks: ks, vs: vs}
	tableStep(t.port, n, processor(p.open), func() (*topology.Store, error) {
		st := specOf(store, s, false).suppressBuffer()
		return &st, nil
	}, nil)
	made := t
	made.port, made.store = t.at(n), ""
	made.ks, made.vs = ks, vs
	made.view = p.view(t.view)
	return made
}

type suppressor[K, V any] struct {
	limit Buffer
	by    suppression[K]
	store string
	ks    Serde[K]
	vs    Serde[V]
}

type suppressNode[K, V any] struct {
	*opening
	*suppressor[K, V]
	next     sink[K, change[V]]
	buffer   *bufferStore
	observed *int64
	meter    *engine.NodeMeter
	key      []byte
	old      []byte
	new      []byte
	value    []byte
	out      Record[K, change[V]]
}

func (p *suppressor[K, V]) open(x *opening, next sink[K, change[V]]) (sink[K, change[V]], error) {
	s := &suppressNode[K, V]{opening: x, suppressor: p, next: next, buffer: x.store(p.store).(*bufferStore), observed: x.task.meta(x.name+"-time", -1), meter: x.task.meter.Node(x.name)}
	return s.take, nil
}

func (s *suppressNode[K, V]) take(r *Record[K, change[V]]) error {
	*s.observed = max(*s.observed, int64(r.Time))
	at := r.Time
	if s.by.by != nil {
		at = s.by.by(r.Key, r.Time)
	}
	if err := s.hold(r, at); err != nil {
		return err
	}
	due := Time(*s.observed) - s.by.wait
	if err := s.emit(func(first Time) bool { return first <= due }); err != nil {
		return err
	}
	if !s.limit.full(s.buffer) {
		return nil
	}
	if !s.limit.early {
		return &TaskError{Task: s.task.id.String(), Node: s.name, Topic: s.task.rc.topic, Partition: s.task.rc.partition, Offset: s.task.rc.offset,
			Err: fmt.Errorf("the buffer is full: it holds %d records and %d bytes; raise its limits, or let it EmitEarly", s.buffer.count(), s.buffer.size())}
	}
	return s.emit(func(Time) bool { return s.limit.full(s.buffer) })
}

// hold buffers a change. A key that is there already keeps its place, and what was sent for it before.
func (s *suppressNode[K, V]) hold(r *Record[K, change[V]], at Time) (err error) {
	c := &r.Value
	if s.key, err = s.ks.Append(s.key[:0], s.buffer.topic, nil, r.Key); err != nil {
		return s.failed(err)
	}
	if s.new, err = s.encode(s.new, c.New, c.HasNew); err != nil {
		return s.failed(err)
	}
	if s.old, err = s.encode(s.old, c.Old, c.HasOld); err != nil {
		return s.failed(err)
	}
	rc := &s.task.rc
	v := codec.BufferValue[Header]{
		Context: codec.Context[Header]{Timestamp: int64(r.Time), Offset: rc.offset, Topic: rc.topic, Partition: rc.partition, Headers: r.Headers},
	}
	v.Old, v.New = bytesOrNil(s.old, c.HasOld), bytesOrNil(s.new, c.HasNew)
	v.Prior = v.Old
	_, held, ok, err := s.buffer.get(s.key)
	if err != nil {
		return err
	}
	if ok {
		before, _, err := codec.CutBufferValue[Header](held)
		if err != nil {
			return err
		}
		v.Prior = before.Prior
	}
	s.value = codec.AppendBufferValue(s.value[:0], &v)
	return s.buffer.put(at, s.key, s.value)
}

func (s *suppressNode[K, V]) encode(dst []byte, v V, ok bool) ([]byte, error) {
	if !ok {
		return dst[:0], nil
	}
	return s.vs.Append(dst[:0], s.buffer.topic, nil, v)
}

// bytesOrNil is nil for what is not there, and never nil for what is.
func bytesOrNil(b []byte, ok bool) []byte {
	if !ok {
		return nil
	}
	return notNil(b)
}

// emit sends what is buffered, oldest first, as long as more says so.
func (s *suppressNode[K, V]) emit(more func(first Time) bool) error {
	for {
		at, key, value, ok, err := s.buffer.head()
		if err != nil || !ok || !more(at) {
			return err
		}
		v, _, err := codec.CutBufferValue[Header](value)
		if err != nil {
			return err
		}
		k, err := s.ks.Decode(key, s.buffer.topic, nil)
		if err != nil {
			return err
		}
		c, err := s.change(&v)
		if err != nil {
			return err
		}
		if err := s.buffer.pop(); err != nil {
			return err
		}
		if !c.HasNew && s.by.final {
			continue
		}
		x := &v.Context
		s.out = Record[K, change[V]]{Key: k, Value: c, Time: Time(x.Timestamp), Headers: x.Headers}
		rc := recordContext{topic: x.Topic, partition: x.Partition, offset: x.Offset, time: Time(x.Timestamp), headers: x.Headers}
		s.meter.Emitted++
		if err := s.task.withContext(rc, func() error { return s.next(&s.out) }); err != nil {
			return err
		}
	}
}

func (s *suppressNode[K, V]) change(v *codec.BufferValue[Header]) (c change[V], err error) {
	c.Latest = true
	if c.HasNew = v.New != nil; c.HasNew {
		if c.New, err = s.vs.Decode(v.New, s.buffer.topic, nil); err != nil {
			return c, err
		}
	}
	if c.HasOld = v.Old != nil; c.HasOld {
		c.Old, err = s.vs.Decode(v.Old, s.buffer.topic, nil)
	}
	return c, err
}

// view is the table as it was sent: of a key that is held back, what was sent for it last.
func (p *suppressor[K, V]) view(from *viewer[K, V]) *viewer[K, V] {
	return &viewer[K, V]{
		need:   from.need,
		stores: func() []string { return append(append([]string{}, from.stores()...), p.store) },
		open: func(x *opening) (view[K, V], error) {
			behind, err := from.open(x)
			buffer, _ := x.store(p.store).(*bufferStore)
			var key []byte
			return view[K, V]{get: func(k K) (v V, at Time, ok bool, err error) {
				if key, err = p.ks.Append(key[:0], buffer.topic, nil, k); err != nil {
					return v, 0, false, err
				}
				_, held, ok, err := buffer.get(key)
				if err != nil {
					return v, 0, false, err
				}
				if !ok {
					return behind.get(k)
				}
				before, _, err := codec.CutBufferValue[Header](held)
				if err != nil || before.Prior == nil {
					return v, 0, false, err
				}
				v, err = p.vs.Decode(before.Prior, buffer.topic, nil)
				return v, -1, err == nil, err // when it was sent is not known any more
			}}, err
		},
	}
}
