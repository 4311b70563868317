package streams

import (
	"fmt"

	"leat.dev/streams/internal/codec"
	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// buffered is the join that waits for late rows (KIP-923): records go through a buffer in order of their time, and are joined
// once a record grace later has come. A record that is later than that itself is joined at once.
func (j *lookupJoin[K, V, R, O]) buffered(p port[K, V], n *plan.Node, operator string, s *settings) {
	if h := j.table.history; h == 0 || h < s.tableGrace {
		has := "has no history"
		if h > 0 {
			has = fmt.Sprintf("has a history of %v", h)
		}
		p.b.mistake(operator, fmt.Sprintf("the table %s, but a grace of %v looks as far back", has, s.tableGrace),
			fmt.Sprintf("give the table the option Versioned with at least %v", s.tableGrace))
	}
	if s.name == "" {
		p.b.named(operator, "buffer")
	}
	g := &graceJoin[K, V, R, O]{lookupJoin: j, grace: millis(s.tableGrace), store: n.Name + "-Buffer"}
	g.ks, g.vs = need(p.b, p.ks, operator, "key"), need(p.b, p.vs, operator, "value")
	tableStep(p, n, processor(g.open), func() (*topology.Store, error) {
		st := storeSpec{name: g.store}.graceBuffer()
		return &st, nil
	}, j.table.view.stores)
}

type graceJoin[K, V, R, O any] struct {
	*lookupJoin[K, V, R, O]
	grace Time
	store string
	ks    Serde[K]
	vs    Serde[V]
}

func (g *graceJoin[K, V, R, O]) open(x *opening, next sink[K, O]) (sink[K, V], error) {
	join, err := g.joiner(x, next)
	if err != nil {
		return nil, err
	}
	n := &graceNode[K, V, R, O]{opening: x, graceJoin: g, join: join, buffer: x.store(g.store).(*bufferStore), held: x.task.meta(x.name+"-held", -1)}
	return n.take, nil
}

type graceNode[K, V, R, O any] struct {
	*opening
	*graceJoin[K, V, R, O]
	join   sink[K, V]
	buffer *bufferStore
	held   *int64 // greatest time of a record that was buffered: neither of one that was dropped nor of one joined at once
	key    []byte
	value  []byte
	entry  []byte
	out    Record[K, V]
}

func (g *graceNode[K, V, R, O]) take(r *Record[K, V]) error {
	switch {
	case g.dropped(r):
		g.drop()
		return nil
	case r.NullKey || Time(*g.held)-g.grace > r.Time:
		return g.join(r)
	}
	*g.held = max(*g.held, int64(r.Time))
	if err := g.hold(r); err != nil {
		return err
	}
	return g.release(Time(*g.held) - g.grace)
}

func (g *graceNode[K, V, R, O]) hold(r *Record[K, V]) (err error) {
	if g.key, err = g.ks.Append(g.key[:0], g.buffer.topic, nil, r.Key); err != nil {
		return g.failed(err)
	}
	if g.value, err = g.vs.Append(g.value[:0], g.buffer.topic, nil, r.Value); err != nil {
		return g.failed(err)
	}
	rc := &g.task.rc
	g.entry = codec.AppendBufferValue(g.entry[:0], &codec.BufferValue[Header]{
		Context: codec.Context[Header]{Timestamp: int64(r.Time), Offset: rc.offset, Topic: rc.topic, Partition: rc.partition, Headers: r.Headers},
		New:     notNil(g.value),
	})
	return g.buffer.put(r.Time, g.key, g.entry)
}

// release joins what is due, oldest first.
func (g *graceNode[K, V, R, O]) release(due Time) error {
	for {
		at, key, entry, ok, err := g.buffer.head()
		if err != nil || !ok || at > due {
			return err
		}
		v, _, err := codec.CutBufferValue[Header](entry)
		if err != nil {
			return err
		}
		x := &v.Context
		g.out = Record[K, V]{Time: Time(x.Timestamp), Headers: x.Headers}
		if g.out.Key, err = g.ks.Decode(key, g.buffer.topic, nil); err != nil {
			return err
		}
		if g.out.Value, err = g.vs.Decode(v.New, g.buffer.topic, nil); err != nil {
			return err
		}
		if err := g.buffer.pop(); err != nil {
			return err
		}
		rc := recordContext{topic: x.Topic, partition: x.Partition, offset: x.Offset, time: Time(x.Timestamp), headers: x.Headers}
		if err := g.task.withContext(rc, func() error { return g.join(&g.out) }); err != nil {
			return err
		}
	}
}
