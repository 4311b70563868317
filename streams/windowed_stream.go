package streams

import (
	"os"

	"leat.dev/streams/internal/plan"
)

// WStream is a stream of windowed results. Map and SelectKey lead back to an
// ordinary stream, DropWindow keeps only the key; see also KeyedByWindow.
type WStream[K, V any] struct {
	port[Windowed[K], V]
	win windowed[K]
}

// with is a stream of the same windows.
func (s *WStream[K, V]) with[W any](p port[Windowed[K], W]) *WStream[K, W] {
	return &WStream[K, W]{p, s.win}
}

// Filter keeps the records whose value passes f.
func (s *WStream[K, V]) Filter(f func(V) bool, o ...Option) *WStream[K, V] {
	return s.with(filter(s.port, "Filter", valueTest[Windowed[K]](f), false, o))
}

// FilterKV keeps the records that pass f.
func (s *WStream[K, V]) FilterKV(f func(Windowed[K], V) bool, o ...Option) *WStream[K, V] {
	return s.with(filter(s.port, "FilterKV", pairTest(f), false, o))
}

// FilterNot drops the records whose value passes f.
func (s *WStream[K, V]) FilterNot(f func(V) bool, o ...Option) *WStream[K, V] {
	return s.with(filter(s.port, "FilterNot", valueTest[Windowed[K]](f), true, o))
}

// MapValues replaces the value.
func (s *WStream[K, V]) MapValues[W any](f func(V) W, o ...Option) *WStream[K, W] {
	return s.with(mapValues(s.port, "MapValues", valueMap[Windowed[K]](f), o))
}

// MapValuesKV replaces the value by what f makes of key and value.
func (s *WStream[K, V]) MapValuesKV[W any](f func(Windowed[K], V) W, o ...Option) *WStream[K, W] {
	return s.with(mapValues(s.port, "MapValuesKV", pairMap(f), o))
}

// Map replaces key and value: an ordinary stream again.
func (s *WStream[K, V]) Map[K2, V2 any](ks Serde[K2], f func(Windowed[K], V) (K2, V2), o ...Option) *Stream[K2, V2] {
	return &Stream[K2, V2]{mapPairs(s.port, "Map", ks, pairsMap(f), "KSTREAM-MAP-", o)}
}

// SelectKey replaces the key: an ordinary stream again.
func (s *WStream[K, V]) SelectKey[K2 any](ks Serde[K2], f func(Windowed[K], V) K2, o ...Option) *Stream[K2, V] {
	return &Stream[K2, V]{mapPairs(s.port, "SelectKey", ks, keyOfPair(f), "KSTREAM-KEY-SELECT-", o)}
}

// DropWindow keeps only the key of key and window.
func (s *WStream[K, V]) DropWindow(o ...Option) *Stream[K, V] {
	inner := func(*node) func(r *Record[Windowed[K], V], out *Record[K, V]) error {
		return func(r *Record[Windowed[K], V], out *Record[K, V]) error {
			out.Key, out.NullKey, out.Value, out.NullValue = r.Key.Key, r.NullKey, r.Value, r.NullValue
			return nil
		}
	}
	return &Stream[K, V]{mapPairs(s.port, "DropWindow", s.win.key, inner, "KSTREAM-KEY-SELECT-", o)}
}

// Peek shows each record to f.
func (s *WStream[K, V]) Peek(f func(Windowed[K], V), o ...Option) *WStream[K, V] {
	return s.with(peek(s.port, "Peek", pairVisit(f), o))
}

// ForEach ends the stream in f.
func (s *WStream[K, V]) ForEach(f func(Windowed[K], V), o ...Option) {
	forEach(s.port, "ForEach", pairVisit(f), "KSTREAM-FOREACH-", o)
}

// Print writes each record to standard output as "[label]: key, value". An empty label is the name of the node before.
func (s *WStream[K, V]) Print(label string) {
	forEach(s.port, "Print", printer[Windowed[K], V](os.Stdout, label, s.n.Name), "KSTREAM-PRINTER-", nil)
}

// ValueSerde names the serde of the value for everything that follows.
func (s *WStream[K, V]) ValueSerde(vs Serde[V]) *WStream[K, V] {
	p := s.port
	p.vs = vs
	return s.with(p)
}

// Merge puts streams into one. Records of one partition keep their order, others have none.
func (s *WStream[K, V]) Merge(others ...*WStream[K, V]) *WStream[K, V] {
	p := s.port
	for _, other := range others {
		p = merge(p, other.port, nil)
	}
	return s.with(p)
}

// To writes the stream to a topic, partitioned by the key without its window. Options: Named, PartitionBy, PartitionsBy.
func (s *WStream[K, V]) To(t WindowedTopic[K, V], o ...Option) {
	to(s.port, "To "+t.Name, target[Windowed[K], V]{topic: t.Name, ks: t.keys(), vs: t.Value}, o)
}

// KeyedByWindow is the one bridge to Stream[Windowed[K], V]; a method could not
// return that type (instantiation cycle).
func KeyedByWindow[K, V any](s *WStream[K, V]) *Stream[Windowed[K], V] {
	return &Stream[Windowed[K], V]{s.port}
}

// keys is the serde of key and window.
func (t WindowedTopic[K, V]) keys() Serde[Windowed[K]] {
	if t.Size == 0 {
		return SessionSerde(t.Key)
	}
	return WindowedSerde(t.Key, t.Size)
}

// Stream reads the topic. Options: Named, Timestamps, StartAt.
func (t WindowedTopic[K, V]) Stream(b *Builder, o ...Option) *WStream[K, V] {
	operator := "stream of [" + t.Name + "]"
	t.Key = need(b, t.Key, operator, "key")
	s := b.settings(operator, o, sourceOptions...)
	return &WStream[K, V]{
		source(b, operator, plan.Source{Topics: []string{t.Name}}, t.keys(), t.Value, s),
		windowed[K]{key: t.Key, size: t.Size, closing: true, sessions: t.Size == 0},
	}
}
