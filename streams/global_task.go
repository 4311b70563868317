package streams

import (
	"fmt"
	"maps"
	"sync"

	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
	"leat.dev/streams/internal/topology"
)

// globalTask fills the stores of global tables, which all tasks of the process read. Its driver owns it as others own a
// task; readers come from the goroutines of all tasks, so everything that touches a store takes the lock.
type globalTask struct {
	mu     sync.Mutex
	host   *task // has the stores and the nodes that fill them
	topics []string
	heads  map[string]head
	next   map[engine.TopicPartition]int64 // up to where records were applied
}

var _ engine.Global = (*globalTask)(nil)

func newGlobalTask(p *program, env engine.Env, st *state.Task) (*globalTask, error) {
	g := &globalTask{host: blankTask(p, engine.TaskID{Subtopology: -1, Partition: -1}, env, st), heads: map[string]head{}, next: namedOffsets(st.Offsets())}
	var nodes []*topology.Node
	for _, t := range p.topology.Globals {
		if err := g.host.openStore(t.Store); err != nil {
			return nil, err
		}
		nodes = append(nodes, t.Source, t.Processor)
	}
	err := g.host.openNodes(nodes, func(topic string, h head) {
		g.topics = append(g.topics, topic)
		g.heads[topic] = h
	})
	if err != nil {
		return nil, err
	}
	for _, f := range g.host.inits {
		if err := f(); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (g *globalTask) Topics() []string { return g.topics }

func (g *globalTask) Update(in *engine.In) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	h, ok := g.heads[in.Topic]
	if !ok {
		return fmt.Errorf("topic %s is that of no global store", in.Topic)
	}
	g.next[engine.TopicPartition{Topic: in.Topic, Partition: in.Partition}] = in.Offset + 1
	at, ok, err := h.load(in, -1)
	if err != nil || !ok {
		return err
	}
	g.host.rc = recordContext{in.Topic, in.Partition, in.Offset, at, headersOf(in.Headers), in.Key, in.Value}
	err = h.send()
	g.host.rc = noRecord
	return err
}

func (g *globalTask) Committed(positions map[engine.TopicPartition]int64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.host.Flush(); err != nil {
		return err
	}
	return g.host.st.Commit(offsetNames(positions), nil)
}

func (g *globalTask) Positions() map[engine.TopicPartition]int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return namedOffsets(g.host.st.Offsets())
}

func (g *globalTask) Reached() map[engine.TopicPartition]int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.next)
}

func (g *globalTask) Read(name string, f func(store any) error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.host.reading = true
	defer func() { g.host.reading = false }()
	return f(g.host.Store(name))
}

func (g *globalTask) Store(name string) any { return g.host.Store(name) }

func (g *globalTask) Close() error { return g.host.Close(true) }

// globalRows reads the store of a global table from any task.
type globalRows[K, V any] struct {
	mu   *sync.Mutex
	rows *tableStore[K, V]
}

func globalTable[K, V any](g *globalTask, store string) (globalRows[K, V], error) {
	if g != nil {
		if rows, ok := g.host.stores[store].(*tableStore[K, V]); ok {
			return globalRows[K, V]{&g.mu, rows}, nil
		}
	}
	return globalRows[K, V]{}, fmt.Errorf("the store %s of a global table is not there", store)
}

func (g globalRows[K, V]) get(k K) (v V, at Time, ok bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rows.get(k)
}
