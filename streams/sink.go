package streams

import (
	"fmt"
	"reflect"
	"runtime"

	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// partitioning says which partitions a record is written to; nil functions leave it to the default.
type partitioning[K, V any] struct {
	one  func(K, V, int) int
	many func(K, V, int) ([]int, bool)
}

func partitioningOf[K, V any](b *Builder, operator string, s *settings) (p partitioning[K, V]) {
	bad := func(option string, f any, want string) {
		b.mistake(operator, fmt.Sprintf("the function of %s is a %T", option, f), "it must be a "+want)
	}
	if s.partitionBy != nil {
		f, ok := s.partitionBy.(func(K, V, int) int)
		if !ok {
			bad("PartitionBy", s.partitionBy, fmt.Sprintf("%T", f))
		}
		p.one = f
	}
	if s.partitionsBy != nil {
		f, ok := s.partitionsBy.(func(K, V, int) ([]int, bool))
		if !ok {
			bad("PartitionsBy", s.partitionsBy, fmt.Sprintf("%T", f))
		}
		p.many = f
	}
	return p
}

// target is what a sink node writes to.
type target[K, V any] struct {
	topic    string // "": pick
	internal bool
	pick     func(Ctx, Record[K, V]) string
	ks       Serde[K]
	vs       Serde[V]
	part     partitioning[K, V]
}

// to adds a sink.
func to[K, V any](p port[K, V], operator string, t target[K, V], o []Option) {
	s := p.b.settings(operator, o, "Named", "PartitionBy", "PartitionsBy")
	t.ks, t.vs = need(p.b, t.ks, operator, "key"), need(p.b, t.vs, operator, "value")
	t.part = partitioningOf[K, V](p.b, operator, s)
	n := &plan.Node{Name: p.b.nodeName(s.name, "KSTREAM-SINK-")}
	n.Write = func(tb *topology.Builder, parents []string) error {
		d := topology.Sink{Name: n.Name, Topic: t.topic, Open: opener(t.open)}
		if t.topic == "" {
			d.Extractor = nameOf(t.pick)
		}
		tb.AddSink(d, parents...)
		return nil
	}
	p.b.plan.Add(n, p.n)
}

// nameOf is the name of a function.
func nameOf(f any) string { return runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name() }

func (t target[K, V]) open(x *opening) (any, error) {
	w := &sinkNode[K, V]{node: x.node, target: t, c: x.ctx(), windowed: innerKeyOf(t.ks), meter: x.task.meter.Node(x.name)}
	if t.topic != "" {
		w.out.Topic = x.task.prog.topic(t.topic, t.internal)
	}
	w.out.Node = x.name
	if c := x.task.config(); c.onProduce != nil || c.deadLetters != "" {
		w.out.Source = &w.source
	}
	return sink[K, V](w.write), nil
}

// sinkNode encodes records into buffers it owns and hands them to the task's Env.
type sinkNode[K, V any] struct {
	*node
	target[K, V]
	c          Ctx
	windowed   func(key []byte) []byte // the inner key of a windowed one
	key, value []byte
	headers    Headers
	out        engine.Out
	source     engine.Source // of out, where somebody asks
	meter      *engine.NodeMeter
}

func (w *sinkNode[K, V]) write(r *Record[K, V]) error {
	o := &w.out
	if r.Time < 0 {
		return w.failed(fmt.Errorf("a record with the negative time %d cannot be written", r.Time))
	}
	if w.pick != nil {
		topic, err := callTry2(func(c Ctx, r Record[K, V]) (string, error) { return w.pick(c, r), nil }, w.c, *r)
		if err == nil && topic == "" {
			err = fmt.Errorf("the topic name extractor gave no name")
		}
		if err != nil {
			return w.failed(err)
		}
		o.Topic = topic
	}
	if w.meter.Sampled() {
		w.meter.EndToEnd.Add(w.task.env.Now() - int64(r.Time))
	}
	w.headers = r.Headers
	if len(r.Headers) > 0 { // serdes may extend them, and other children must not see it
		w.headers = append(make(Headers, 0, len(r.Headers)+1), r.Headers...)
	}
	var err error
	o.Key, o.PartitionKey, o.Value = nil, nil, nil
	if !r.NullKey {
		if w.key, err = w.ks.Append(w.key[:0], o.Topic, &w.headers, r.Key); err != nil {
			return w.task.encodeFailed(w.name, o.Topic, "key", err)
		}
		o.Key = notNil(w.key)
		o.PartitionKey = o.Key
		if w.windowed != nil {
			o.PartitionKey = w.windowed(o.Key)
		}
	}
	if !r.NullValue {
		if w.value, err = w.vs.Append(w.value[:0], o.Topic, &w.headers, r.Value); err != nil {
			return w.task.encodeFailed(w.name, o.Topic, "value", err)
		}
		o.Value = notNil(w.value)
	}
	o.Time, o.Headers = int64(r.Time), engineHeaders(w.headers)
	if o.Source != nil {
		rc := &w.task.rc
		w.source = engine.Source{
			Topic: rc.topic, Partition: rc.partition, Offset: rc.offset, Time: int64(rc.time), Key: rc.key, Value: rc.value, Headers: engineHeaders(rc.headers),
		}
	}
	return w.send(r)
}

// notNil keeps an empty encoding from being taken for null.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (w *sinkNode[K, V]) send(r *Record[K, V]) error {
	o := &w.out
	o.Partition = -1
	if w.part.one == nil && w.part.many == nil {
		return w.task.env.Send(o)
	}
	n, err := w.task.env.Partitions(o.Topic)
	if err != nil {
		return err
	}
	var to []int
	if w.part.one != nil {
		p, err := call3(w.part.one, r.Key, r.Value, n)
		if err != nil {
			return w.failed(err)
		}
		to = []int{p}
	} else {
		type choice struct {
			partitions []int
			ok         bool
		}
		c, err := call3(func(k K, v V, n int) choice {
			partitions, ok := w.part.many(k, v, n)
			return choice{partitions, ok}
		}, r.Key, r.Value, n)
		if err != nil {
			return w.failed(err)
		}
		if !c.ok {
			return w.task.env.Send(o)
		}
		if to = c.partitions; len(to) == 0 {
			w.drop()
		}
	}
	for _, p := range to {
		if p < 0 || p >= n {
			return w.failed(fmt.Errorf("the partitioner chose partition %d of %d of topic %s", p, n, o.Topic))
		}
		o.Partition = int32(p) //nolint:gosec // below n
		if err := w.task.env.Send(o); err != nil {
			return err
		}
	}
	return nil
}

// innerKeyOf gives what cuts the inner key out of a windowed one, nil for serdes of other keys.
func innerKeyOf[K any](ks Serde[K]) func([]byte) []byte {
	if w, ok := any(ks).(interface{ innerKey(b []byte) []byte }); ok {
		return w.innerKey
	}
	return nil
}
