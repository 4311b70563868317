package streams

import (
	"errors"
	"fmt"

	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

var sourceOptions = []string{"Named", "Timestamps", "StartAt"}

// source adds a node that reads topics.
func source[K, V any](b *Builder, operator string, src plan.Source, ks Serde[K], vs Serde[V], s *settings) port[K, V] {
	name := b.nodeName(s.name, "KSTREAM-SOURCE-")
	src.Reset = s.startAt.reset()
	ks, vs = need(b, ks, operator, "key"), need(b, vs, operator, "value")
	extract := timestampsOf[K, V](b, operator, s)
	n := &plan.Node{Name: name, Source: &src}
	n.Write = func(tb *topology.Builder, _ []string) error {
		tb.AddSource(topology.Source{Name: n.Name, Topics: src.Topics, Pattern: src.Pattern, Reset: src.Reset, Open: openSource(ks, vs, extract)})
		return nil
	}
	b.plan.Add(n)
	return port[K, V]{b: b, n: n, ks: ks, vs: vs, sources: []string{name}}
}

func (o Offset) reset() topology.Reset {
	switch o.kind {
	case "earliest":
		return topology.Reset{Policy: topology.ResetEarliest}
	case "latest":
		return topology.Reset{Policy: topology.ResetLatest}
	case "none":
		return topology.Reset{Policy: topology.ResetNone}
	case "by_duration":
		return topology.Reset{Policy: topology.ResetByDuration, By: o.back}
	}
	return topology.Reset{}
}

func timestampsOf[K, V any](b *Builder, operator string, s *settings) func(Record[K, V], Time) Time {
	if s.timestamps == nil {
		return nil
	}
	f, ok := s.timestamps.(func(Record[K, V], Time) Time)
	if !ok {
		b.mistake(operator, fmt.Sprintf("the function of Timestamps is a %T", s.timestamps), fmt.Sprintf("it must take a %T", Record[K, V]{}))
	}
	return f
}

// openSource opens a source node: each of its partitions has a head.
func openSource[K, V any](ks Serde[K], vs Serde[V], extract func(Record[K, V], Time) Time) opener {
	return func(x *opening) (any, error) {
		send := next[K, V](x)
		return func() head {
			return &sourceHead[K, V]{node: x.node, ks: ks, vs: vs, extract: extract, next: send}
		}, nil
	}
}

// sourceHead decodes the record at the head of a partition's queue into one place.
type sourceHead[K, V any] struct {
	*node
	ks      Serde[K]
	vs      Serde[V]
	extract func(Record[K, V], Time) Time
	next    sink[K, V]
	record  Record[K, V]
}

var errNoTimestamp = errors.New("the record has no timestamp (it is negative): its producer wrote none; give the source the option Timestamps")

func (h *sourceHead[K, V]) load(in *engine.In, partitionTime Time) (Time, bool, error) {
	r := &h.record
	*r = Record[K, V]{Time: Time(in.Time), Headers: headersOf(in.Headers)}
	if err := decodeInto(r, in, h.ks, h.vs); err != nil {
		return 0, false, h.task.decodeFailed(h.name, in, err)
	}
	if h.extract != nil {
		at, err := call2(h.extract, *r, partitionTime)
		if err != nil {
			return 0, false, &TaskError{Task: h.task.id.String(), Node: h.name, Err: fmt.Errorf("timestamp extractor: %w", err)}
		}
		r.Time = at
	} else if r.Time < 0 {
		return 0, false, &TaskError{Task: h.task.id.String(), Node: h.name, Err: fmt.Errorf("%s-%d offset %d: %w", in.Topic, in.Partition, in.Offset, errNoTimestamp)}
	}
	if r.Time < 0 {
		h.drop()
		return 0, false, nil
	}
	return r.Time, true, nil
}

func (h *sourceHead[K, V]) send() error { return h.next(&h.record) }

func (h *sourceHead[K, V]) source() string { return h.name }

// decodeInto reads key and value; what is null in the log is null in the record.
func decodeInto[K, V any](r *Record[K, V], in *engine.In, ks Serde[K], vs Serde[V]) (err error) {
	if r.NullKey = in.Key == nil; !r.NullKey {
		if r.Key, err = ks.Decode(in.Key, in.Topic, r.Headers); err != nil {
			return fmt.Errorf("key: %w", err)
		}
	}
	if r.NullValue = in.Value == nil; !r.NullValue {
		if r.Value, err = vs.Decode(in.Value, in.Topic, r.Headers); err != nil {
			return fmt.Errorf("value: %w", err)
		}
	}
	return nil
}
