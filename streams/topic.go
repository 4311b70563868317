// Package streams is stream processing as a library: what Kafka Streams computes, as typed, fluent Go.
//
// A topology is a function that takes a Builder and connects typed steps between topics. New compiles it, App.Run works
// against any cluster that speaks Kafka's protocol, in as many processes as are started; package streamstest runs it in
// a test without a cluster. Results, timestamps, names of internal topics and the bytes in them are those of Kafka
// Streams 4.3.
//
//	var (
//		Lines  = streams.NewTopic("lines", streams.String, streams.String)
//		Counts = streams.NewTopic("counts", streams.String, streams.Int64)
//	)
//
//	func WordCount(b *streams.Builder) {
//		Lines.Stream(b).
//			FlatMapValues(strings.Fields).
//			GroupBy(streams.String, self).
//			Count("word-counts").
//			ToStream().
//			To(Counts)
//	}
//
// A Stream is a sequence of independent records, a Table the latest value of each key, a GlobalTable a whole topic on every
// instance; WTable and WStream are tables and streams of windows. What no step does, a processor does, with typed stores
// and timers. Callbacks run in the task's own goroutine, one at a time per task, and belong to it: they may not keep the
// records they see. An error or panic of a callback is decided by handlers (OnProcessingError), and stops the app by default.
//
// Goroutines: none but those of App.Run (see package engine) and of MapAsync. How the package is built stands in
// docs/ARCHITECTURE.md and docs/adr/0010-streams.md.
package streams

import "time"

// Time is a Kafka timestamp: milliseconds since the Unix epoch.
type Time int64

// Time is the time as Go knows it, in the local zone.
func (t Time) Time() time.Time { return time.UnixMilli(int64(t)) }

// Add is t and whole milliseconds of d later.
func (t Time) Add(d time.Duration) Time { return t + Time(d.Milliseconds()) }

// Sub is how long t is after u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t-u) * time.Millisecond }

// At is a time of Go's, cut to milliseconds.
func At(t time.Time) Time { return Time(t.UnixMilli()) }

// Header is one header of a record. A nil Value is null.
type Header struct {
	Key   string
	Value []byte
}

// Headers are those of a record, in order; keys may come twice.
type Headers []Header

// Record is what full-form callbacks and processors see. A missing key or
// value is marked by NullKey and NullValue, so K and V need not be nilable;
// for nilable types Key or Value is nil as well.
type Record[K, V any] struct {
	Key                K
	Value              V
	NullKey, NullValue bool
	Time               Time
	Headers            Headers
}

// Topic names a user topic and fixes its types. It is a value: declare it once
// and use it for input, output and tests.
type Topic[K, V any] struct {
	Name  string
	Key   Serde[K]
	Value Serde[V]
}

// NewTopic names a topic and fixes its types, which follow from the serdes.
func NewTopic[K, V any](name string, ks Serde[K], vs Serde[V]) Topic[K, V] {
	return Topic[K, V]{name, ks, vs}
}

// WindowedTopic holds window results under Kafka's windowed keys. It is a type
// of its own so that nothing returns a Stream[Windowed[K], V].
type WindowedTopic[K, V any] struct {
	Name  string
	Key   Serde[K]
	Value Serde[V]
	Size  time.Duration // zero for session windows
}

// NewWindowedTopic names a topic of window results. Size is that of the windows, zero for sessions; keys on the topic hold the
// start of a window only.
func NewWindowedTopic[K, V any](name string, ks Serde[K], vs Serde[V], size time.Duration) WindowedTopic[K, V] {
	return WindowedTopic[K, V]{name, ks, vs, size}
}

// InPlace fits an accumulator that changes its receiver: InPlace((*Stats).Add). What the receiver refers to (slices, maps) it
// may change too: stores give each caller a value of its own.
func InPlace[A, V any](f func(*A, V)) func(A, V) A {
	return func(a A, v V) A { f(&a, v); return a }
}
