package streams

import (
	"fmt"
	"io"
	"iter"
	"os"

	"leat.dev/streams/internal/plan"
)

// Stream is an unbounded sequence of independent records: Kafka's KStream.
//
// Methods come in forms. Short forms see the value; KV forms see the key too; Try forms see the whole record and its Ctx and
// may fail. A null value of a type that has no nil passes by short and KV forms and stays null; a null key reaches KV forms
// as the zero value.
type Stream[K, V any] struct{ port[K, V] }

// Stream reads the topic. Options: Named, Timestamps, StartAt.
func (t Topic[K, V]) Stream(b *Builder, o ...Option) *Stream[K, V] {
	return FromTopics(b, t, []string{t.Name}, o...)
}

// FromTopics reads several topics of the same types as one stream. Options as for Topic.Stream.
func FromTopics[K, V any](b *Builder, like Topic[K, V], names []string, o ...Option) *Stream[K, V] {
	operator := fmt.Sprintf("stream of %v", names)
	s := b.settings(operator, o, sourceOptions...)
	return &Stream[K, V]{source(b, operator, plan.Source{Topics: names}, like.Key, like.Value, s)}
}

// FromPattern reads all topics whose whole name matches the regular expression, those too that are made later.
func FromPattern[K, V any](b *Builder, like Topic[K, V], pattern string, o ...Option) *Stream[K, V] {
	operator := fmt.Sprintf("stream of pattern %q", pattern)
	s := b.settings(operator, o, sourceOptions...)
	return &Stream[K, V]{source(b, operator, plan.Source{Pattern: pattern}, like.Key, like.Value, s)}
}

// Filter keeps the records whose value passes f.
func (s *Stream[K, V]) Filter(f func(V) bool, o ...Option) *Stream[K, V] {
	return &Stream[K, V]{filter(s.port, "Filter", valueTest[K](f), false, o)}
}

// FilterKV keeps the records whose key and value pass f.
func (s *Stream[K, V]) FilterKV(f func(K, V) bool, o ...Option) *Stream[K, V] {
	return &Stream[K, V]{filter(s.port, "FilterKV", pairTest(f), false, o)}
}

// FilterNot drops the records whose value passes f.
func (s *Stream[K, V]) FilterNot(f func(V) bool, o ...Option) *Stream[K, V] {
	return &Stream[K, V]{filter(s.port, "FilterNot", valueTest[K](f), true, o)}
}

// TryFilter keeps the records that pass f.
func (s *Stream[K, V]) TryFilter(f func(Ctx, Record[K, V]) (bool, error), o ...Option) *Stream[K, V] {
	return &Stream[K, V]{filter(s.port, "TryFilter", recordTest(f), false, o)}
}

// MapValues replaces the value.
func (s *Stream[K, V]) MapValues[W any](f func(V) W, o ...Option) *Stream[K, W] {
	return &Stream[K, W]{mapValues(s.port, "MapValues", valueMap[K](f), o)}
}

// MapValuesKV replaces the value by what f makes of key and value.
func (s *Stream[K, V]) MapValuesKV[W any](f func(K, V) W, o ...Option) *Stream[K, W] {
	return &Stream[K, W]{mapValues(s.port, "MapValuesKV", pairMap(f), o)}
}

// TryMapValues replaces the value by what f makes of the record.
func (s *Stream[K, V]) TryMapValues[W any](f func(Ctx, Record[K, V]) (W, error), o ...Option) *Stream[K, W] {
	return &Stream[K, W]{mapValues(s.port, "TryMapValues", recordMap(f), o)}
}

// Map replaces key and value. ks is the serde of the new key: state that follows needs it, to repartition by the new key.
func (s *Stream[K, V]) Map[K2, V2 any](ks Serde[K2], f func(K, V) (K2, V2), o ...Option) *Stream[K2, V2] {
	return &Stream[K2, V2]{mapPairs(s.port, "Map", ks, pairsMap(f), "KSTREAM-MAP-", o)}
}

// TryMap replaces the whole record. It can make a null of any type, by NullKey and NullValue.
func (s *Stream[K, V]) TryMap[K2, V2 any](ks Serde[K2], f func(Ctx, Record[K, V]) (Record[K2, V2], error), o ...Option) *Stream[K2, V2] {
	return &Stream[K2, V2]{mapPairs(s.port, "TryMap", ks, recordsMap(f), "KSTREAM-MAP-", o)}
}

// FlatMapValues makes any number of values of one.
func (s *Stream[K, V]) FlatMapValues[W any](f func(V) []W, o ...Option) *Stream[K, W] {
	return &Stream[K, W]{flatMapValues(s.port, "FlatMapValues", sliceMap[K](f), o)}
}

// FlatMapValuesSeq is FlatMapValues without a slice in between.
func (s *Stream[K, V]) FlatMapValuesSeq[W any](f func(V) iter.Seq[W], o ...Option) *Stream[K, W] {
	return &Stream[K, W]{flatMapValues(s.port, "FlatMapValuesSeq", seqMap[K](f), o)}
}

// FlatMap makes any number of keys and values of one.
func (s *Stream[K, V]) FlatMap[K2, V2 any](ks Serde[K2], f func(K, V) iter.Seq2[K2, V2], o ...Option) *Stream[K2, V2] {
	return &Stream[K2, V2]{flatMap(s.port, "FlatMap", ks, seqPairs(f), o)}
}

// TryFlatMap makes any number of records of one, each by a call of its last argument.
func (s *Stream[K, V]) TryFlatMap[K2, V2 any](ks Serde[K2], f func(Ctx, Record[K, V], func(Record[K2, V2])) error, o ...Option) *Stream[K2, V2] {
	return &Stream[K2, V2]{flatMap(s.port, "TryFlatMap", ks, emitPairs(f), o)}
}

// SelectKey replaces the key by what f takes from the value.
func (s *Stream[K, V]) SelectKey[K2 any](ks Serde[K2], f func(V) K2, o ...Option) *Stream[K2, V] {
	return &Stream[K2, V]{mapPairs(s.port, "SelectKey", ks, keyOfValue[K](f), "KSTREAM-KEY-SELECT-", o)}
}

// SelectKeyKV replaces the key by what f makes of key and value.
func (s *Stream[K, V]) SelectKeyKV[K2 any](ks Serde[K2], f func(K, V) K2, o ...Option) *Stream[K2, V] {
	return &Stream[K2, V]{mapPairs(s.port, "SelectKeyKV", ks, keyOfPair(f), "KSTREAM-KEY-SELECT-", o)}
}

// Peek shows each record to f.
func (s *Stream[K, V]) Peek(f func(K, V), o ...Option) *Stream[K, V] {
	return &Stream[K, V]{peek(s.port, "Peek", pairVisit(f), o)}
}

// TryPeek shows each record to f, which may fail.
func (s *Stream[K, V]) TryPeek(f func(Ctx, Record[K, V]) error, o ...Option) *Stream[K, V] {
	return &Stream[K, V]{peek(s.port, "TryPeek", f, o)}
}

// ForEach ends the stream in f.
func (s *Stream[K, V]) ForEach(f func(K, V), o ...Option) {
	forEach(s.port, "ForEach", pairVisit(f), "KSTREAM-FOREACH-", o)
}

// TryForEach ends the stream in f, which may fail.
func (s *Stream[K, V]) TryForEach(f func(Ctx, Record[K, V]) error, o ...Option) {
	forEach(s.port, "TryForEach", f, "KSTREAM-FOREACH-", o)
}

// Print writes each record to standard output as "[label]: key, value". An empty label is the name of the node before.
func (s *Stream[K, V]) Print(label string) { s.PrintTo(os.Stdout, label) }

// PrintTo is Print to another writer. Its options: Named.
func (s *Stream[K, V]) PrintTo(w io.Writer, label string, o ...Option) {
	forEach(s.port, "Print", printer[K, V](w, label, s.n.Name), "KSTREAM-PRINTER-", o)
}

// Merge puts streams into one. Records of one partition keep their order, others have none.
func (s *Stream[K, V]) Merge(others ...*Stream[K, V]) *Stream[K, V] {
	p := s.port
	for _, other := range others {
		p = merge(p, other.port, nil)
	}
	return &Stream[K, V]{p}
}

// MergeWith is Merge of two with options: Named.
func (s *Stream[K, V]) MergeWith(other *Stream[K, V], o ...Option) *Stream[K, V] {
	return &Stream[K, V]{merge(s.port, other.port, o)}
}

// KeySerde names the serde of the key for everything that follows. Only repartitions, stores and joins need one.
func (s *Stream[K, V]) KeySerde(ks Serde[K]) *Stream[K, V] {
	p := s.port
	p.ks = ks
	return &Stream[K, V]{p}
}

// ValueSerde names the serde of the value for everything that follows.
func (s *Stream[K, V]) ValueSerde(vs Serde[V]) *Stream[K, V] {
	p := s.port
	p.vs = vs
	return &Stream[K, V]{p}
}

// Repartition writes the stream to an internal topic <application id>-<name>-repartition and reads it back, partitioned by
// key. Records without a key are dropped. Options: Partitions, PartitionBy, PartitionsBy.
func (s *Stream[K, V]) Repartition[S Name](name S, o ...Option) *Stream[K, V] {
	return &Stream[K, V]{repartition(s.port, string(name), o)}
}

// To writes the stream to a topic. Options: Named, PartitionBy, PartitionsBy.
func (s *Stream[K, V]) To(t Topic[K, V], o ...Option) {
	to(s.port, "To "+t.Name, target[K, V]{topic: t.Name, ks: t.Key, vs: t.Value}, o)
}

// ToEach writes each record to the topic that pick names, which must exist; like gives the serdes. An empty name is an error
// of the record. Options as for To.
func (s *Stream[K, V]) ToEach(like Topic[K, V], pick func(Ctx, Record[K, V]) string, o ...Option) {
	to(s.port, "ToEach", target[K, V]{pick: pick, ks: like.Key, vs: like.Value}, o)
}

// Split routes each record to the first branch whose test holds; name begins the names of the branches.
func (s *Stream[K, V]) Split[S Name](name S) *Split[K, V] {
	return &Split[K, V]{newSplit(s.port, string(name))}
}

// Split is a stream that is being divided.
type Split[K, V any] struct{ *splitter[K, V] }

// Branch is the records that pass f and passed no branch before. Its node is named by the split's name and its own.
func (s *Split[K, V]) Branch(name string, f func(V) bool) *Stream[K, V] {
	return &Stream[K, V]{s.branch(name, valueTest[K](f))}
}

// BranchKV is Branch by key and value.
func (s *Split[K, V]) BranchKV(name string, f func(K, V) bool) *Stream[K, V] {
	return &Stream[K, V]{s.branch(name, pairTest(f))}
}

// TryBranch is Branch by the whole record.
func (s *Split[K, V]) TryBranch(name string, f func(Ctx, Record[K, V]) (bool, error)) *Stream[K, V] {
	return &Stream[K, V]{s.branch(name, recordTest(f))}
}

// Default is the records that passed no branch. Without it they are dropped.
func (s *Split[K, V]) Default(name string) *Stream[K, V] { return &Stream[K, V]{s.rest(name)} }
