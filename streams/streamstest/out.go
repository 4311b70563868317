package streamstest

import (
	"testing"

	"leat.dev/streams"
)

// Out reads a topic in its types. All readers of a topic of one driver share what was taken: Next, All and Want go on where
// the last of them ended.
type Out[K, V any] struct {
	d     *Driver
	topic string
	ks    streams.Serde[K]
	vs    streams.Serde[V]
}

// Out binds a topic for output. It need not be one the topology writes to; what the test sent to it is not read.
func (d *Driver) Out[K, V any](t streams.Topic[K, V]) *Out[K, V] {
	d.t.Helper()
	return &Out[K, V]{d, t.Name, serdeOr(d, t.Name, t.Key), serdeOr(d, t.Name, t.Value)}
}

// WOut binds a topic of windowed keys for output.
func (d *Driver) WOut[K, V any](t streams.WindowedTopic[K, V]) *Out[streams.Windowed[K], V] {
	d.t.Helper()
	return &Out[streams.Windowed[K], V]{d, t.Name, windowedSerde(d, t), serdeOr(d, t.Name, t.Value)}
}

// Next takes the next record, in the order in which the topology wrote them; ok is false when there is none.
func (o *Out[K, V]) Next() (r streams.Record[K, V], ok bool) {
	o.d.t.Helper()
	raw, ok := o.d.takeRaw(o.topic)
	if !ok {
		return r, false
	}
	return o.decode(raw), true
}

// All takes all records that were not taken yet.
func (o *Out[K, V]) All() []streams.Record[K, V] {
	o.d.t.Helper()
	var all []streams.Record[K, V]
	for {
		r, ok := o.Next()
		if !ok {
			return all
		}
		all = append(all, r)
	}
}

// Latest gives the last value of each key of all records so far, taken or not, and takes none. A key whose last value is
// null is not there. Keys that Go cannot compare (slices, maps) appear as the text that Want shows.
func (o *Out[K, V]) Latest() map[any]V {
	o.d.t.Helper()
	latest := map[any]V{}
	for _, raw := range o.d.Records() {
		if raw.Topic != o.topic || !o.d.visible(&raw) {
			continue
		}
		r := o.decode(raw)
		var k any = r.Key
		switch {
		case r.NullKey:
			k = nil
		case !isComparable(k):
			k = show(k)
		}
		if r.NullValue {
			delete(latest, k)
			continue
		}
		latest[k] = r.Value
	}
	return latest
}

// Want takes all records that were not taken yet and compares them with text, one record a line; see the package's
// documentation.
func (o *Out[K, V]) Want(t testing.TB, text string) {
	t.Helper()
	var got []string
	for _, r := range o.All() {
		got = append(got, recordLine(r))
	}
	compare(t, "topic "+o.topic, got, text, false)
}

// WantUnordered is Want without regard to the order of the lines: for what several tasks wrote.
func (o *Out[K, V]) WantUnordered(t testing.TB, text string) {
	t.Helper()
	var got []string
	for _, r := range o.All() {
		got = append(got, recordLine(r))
	}
	compare(t, "topic "+o.topic, got, text, true)
}

func (o *Out[K, V]) decode(raw Record) (r streams.Record[K, V]) {
	o.d.t.Helper()
	r, err := decode(raw, o.ks, o.vs)
	if err != nil {
		o.d.t.Fatalf("topic %s partition %d offset %d: %v", raw.Topic, raw.Partition, raw.Offset, err)
	}
	return r
}

func decode[K, V any](raw Record, ks streams.Serde[K], vs streams.Serde[V]) (r streams.Record[K, V], err error) {
	r.Time, r.Headers = raw.Time, raw.Headers
	if r.NullKey = raw.Key == nil; !r.NullKey {
		if r.Key, err = ks.Decode(raw.Key, raw.Topic, raw.Headers); err != nil {
			return r, err
		}
	}
	if r.NullValue = raw.Value == nil; !r.NullValue {
		r.Value, err = vs.Decode(raw.Value, raw.Topic, raw.Headers)
	}
	return r, err
}

// takeRaw gives the next record that the topology wrote to a topic.
func (d *Driver) takeRaw(topic string) (Record, bool) {
	at := d.taken[topic]
	for ; at < len(d.log.records); at++ {
		r := &d.log.records[at]
		if r.Topic != topic || r.input {
			continue
		}
		if !d.visible(r) {
			break
		}
		d.taken[topic] = at + 1
		return *r, true
	}
	d.taken[topic] = at
	return Record{}, false
}
