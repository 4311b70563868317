package streamstest

import (
	"reflect"
	"strings"

	"leat.dev/streams"
)

// In writes to a topic in its types.
type In[K, V any] struct {
	d         *Driver
	topic     string
	ks        streams.Serde[K]
	vs        streams.Serde[V]
	partition int32
	at        streams.Time // of the last line of Text
}

// In binds a topic for input.
func (d *Driver) In[K, V any](t streams.Topic[K, V]) *In[K, V] {
	d.t.Helper()
	return newIn(d, t.Name, t.Key, t.Value)
}

// WIn binds a topic of windowed keys for input.
func (d *Driver) WIn[K, V any](t streams.WindowedTopic[K, V]) *In[streams.Windowed[K], V] {
	d.t.Helper()
	return newIn(d, t.Name, windowedSerde(d, t), t.Value)
}

func newIn[K, V any](d *Driver, topic string, ks streams.Serde[K], vs streams.Serde[V]) *In[K, V] {
	d.t.Helper()
	return &In[K, V]{d: d, topic: topic, ks: serdeOr(d, topic, ks), vs: serdeOr(d, topic, vs), partition: -1}
}

// Send writes a record; a nil pointer, slice or map is null. The topology runs until it is quiet.
func (i *In[K, V]) Send(k K, v V, at streams.Time) {
	i.d.t.Helper()
	i.SendRecord(streams.Record[K, V]{Key: k, Value: v, Time: at})
}

// Delete writes a record with a null value.
func (i *In[K, V]) Delete(k K, at streams.Time) {
	i.d.t.Helper()
	i.SendRecord(streams.Record[K, V]{Key: k, NullValue: true, Time: at})
}

// SendRecord writes a record with all it has: headers, a null key. A negative time is that of a record without one.
func (i *In[K, V]) SendRecord(r streams.Record[K, V]) {
	i.d.t.Helper()
	raw := Record{Topic: i.topic, Partition: i.partition, Time: max(r.Time, -1), Headers: append(streams.Headers(nil), r.Headers...)}
	var err error
	if !r.NullKey && !isNil(r.Key) {
		if raw.Key, err = i.ks.Append([]byte{}, i.topic, &raw.Headers, r.Key); err != nil {
			i.d.t.Fatalf("key for topic %s: %v", i.topic, err)
		}
	}
	if !r.NullValue && !isNil(r.Value) {
		if raw.Value, err = i.vs.Append([]byte{}, i.topic, &raw.Headers, r.Value); err != nil {
			i.d.t.Fatalf("value for topic %s: %v", i.topic, err)
		}
	}
	if raw.Partition < 0 {
		raw.Partition = i.d.log.partition(i.topic, partitionKey(i.ks, raw.Key))
	}
	i.d.Pipe(raw)
}

// ToPartition gives an In that writes to one partition, whatever the key.
func (i *In[K, V]) ToPartition(p int32) *In[K, V] {
	j := *i
	j.partition = p
	return &j
}

// Text writes records given as text, one a line; see the package's documentation. A line without a time has that of the
// line before, the first 0.
func (i *In[K, V]) Text(text string) {
	i.d.t.Helper()
	for n, line := range lines(text) {
		l, err := parseLine(line)
		var r streams.Record[K, V]
		if err == nil {
			r, err = typed[K, V](l)
		}
		if err != nil {
			i.d.t.Fatalf("record %d for topic %s: %q: %v", n+1, i.topic, line, err)
		}
		if !l.timed {
			r.Time = i.at
		}
		i.at = r.Time
		i.SendRecord(r)
	}
}

// Lines is Text for single lines.
func (i *In[K, V]) Lines(lines ...string) {
	i.d.t.Helper()
	i.Text(strings.Join(lines, "\n"))
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return r.IsNil()
	default:
		return false
	}
}

// serdeOr finds the built-in serde of a basic type where the topic names none, as operators do.
func serdeOr[T any](d *Driver, topic string, s streams.Serde[T]) streams.Serde[T] {
	d.t.Helper()
	if s != nil {
		return s
	}
	for _, known := range []any{
		streams.String, streams.Bytes, streams.Int32, streams.Int64, streams.Float64, streams.Bool, streams.UUID,
	} {
		if same, ok := known.(streams.Serde[T]); ok {
			return same
		}
	}
	d.t.Fatalf("topic %s: no serde for %s", topic, reflect.TypeFor[T]())
	return nil
}

func windowedSerde[K, V any](d *Driver, t streams.WindowedTopic[K, V]) streams.Serde[streams.Windowed[K]] {
	d.t.Helper()
	ks := serdeOr(d, t.Name, t.Key)
	if t.Size == 0 {
		return streams.SessionSerde(ks)
	}
	return streams.WindowedSerde(ks, t.Size)
}

// partitionKey is what the producers' partitioner hashes: of a windowed key the key alone.
func partitionKey[K any](_ streams.Serde[K], key []byte) []byte {
	if !isWindowed(reflect.TypeFor[K]()) || len(key) < windowBytes {
		return key
	}
	return key[:len(key)-windowBytes]
}
