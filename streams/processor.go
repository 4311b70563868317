package streams

import (
	"errors"
	"fmt"
	"time"

	"leat.dev/streams/internal/plan"
	"leat.dev/streams/internal/topology"
)

// Context is a processor's link to its task: forwarding, time, stores, timers. It belongs to the task: it may be used in the
// processor's functions only, not by other goroutines.
type Context[K, V any] struct {
	Ctx
	x       *opening
	next    sink[K, V]
	out     Record[K, V]
	keys    nilTest[K]
	values  nilTest[V]
	key     *keyOfInput[K] // of a processor that must keep the key
	mute    string         // why the processor may not forward
	problem error          // of the record in hand: misuse of the context
	final   error          // of what is downstream
}

type keyOfInput[K any] struct {
	inRecord bool
	key      K
	null     bool
}

func newContext[K, V any](x *opening) *Context[K, V] {
	return &Context[K, V]{Ctx: x.ctx(), x: x, next: next[K, V](x), keys: newNilTest[K](), values: newNilTest[V]()}
}

// Forward sends a record to everything downstream. Its time must not be negative. In ProcessValues the key is that of the
// record in hand, whatever r says.
func (c *Context[K, V]) Forward(r Record[K, V]) { c.send(c.next, r) }

// ForwardTo sends a record to one child only: the node of that name, see Named.
func (c *Context[K, V]) ForwardTo(child string, r Record[K, V]) {
	for _, o := range c.x.children {
		if o.name == child {
			c.send(o.take.(sink[K, V]), r)
			return
		}
	}
	c.misused(fmt.Errorf("ForwardTo: node %s has no child %s", c.x.name, child))
}

func (c *Context[K, V]) send(to sink[K, V], r Record[K, V]) {
	switch {
	case c.final != nil || c.problem != nil:
		return
	case c.mute != "":
		c.misused(errors.New(c.mute))
		return
	case r.Time < 0:
		c.misused(fmt.Errorf("a record was forwarded with the negative time %d", r.Time))
		return
	}
	c.out = r
	if c.key != nil && c.key.inRecord {
		c.out.Key, c.out.NullKey = c.key.key, c.key.null
	}
	c.out.NullKey = c.out.NullKey || c.keys.null(&c.out.Key)
	c.out.NullValue = c.out.NullValue || c.values.null(&c.out.Value)
	c.final = forward(c.x.task, to, &c.out)
}

func (c *Context[K, V]) misused(err error) {
	if c.problem == nil {
		c.problem = err
	}
}

// outcome is how a call of the processor's code ended: its own error, misuse of the context, or a failure downstream.
func (c *Context[K, V]) outcome(err error) error {
	if err == nil {
		err = c.problem
	}
	final := c.final
	c.problem, c.final = nil, nil
	if final != nil {
		return final
	}
	if err != nil {
		return c.x.failed(err)
	}
	return nil
}

// Commit asks for a commit soon.
func (c *Context[K, V]) Commit() { c.x.task.wantCommit = true }

// OnClose runs f when the task closes after a commit. It is not run when the task is lost.
func (c *Context[K, V]) OnClose(f func() error) {
	c.x.task.closers = append(c.x.task.closers, f)
}

// TaskID names the task as Kafka does: sub-topology_partition.
func (c *Context[K, V]) TaskID() string { return c.x.task.id.String() }

// ApplicationID is that of the app.
func (c *Context[K, V]) ApplicationID() string { return c.x.task.prog.appID }

// Every calls f at each interval of a clock, at least a millisecond, with the clock's time. The first StreamTime call comes
// with the first record, the first WallClock call after one interval; intervals that were missed are skipped. The result
// ends it. An error goes the way of a record's. Kafka: ProcessorContext.schedule.
func (c *Context[K, V]) Every(d time.Duration, clock Clock, f func(now Time) error) (cancel func()) {
	return c.every(-1, d, clock, f)
}

// EveryFrom is Every with a phase: first at start, then at start and whole intervals (KIP-1146).
func (c *Context[K, V]) EveryFrom(start Time, d time.Duration, clock Clock, f func(now Time) error) (cancel func()) {
	return c.every(max(start, 0), d, clock, f)
}

func (c *Context[K, V]) every(start Time, d time.Duration, clock Clock, f func(now Time) error) func() {
	if d < time.Millisecond {
		c.misused(fmt.Errorf("an interval of %v: the least is a millisecond", d))
		return func() {}
	}
	return c.x.task.schedule(start, d.Milliseconds(), clock, func(now Time) error {
		return c.outcome(callTry1(f, now))
	})
}

// Clock is what punctuation follows.
type Clock int

// The clocks: that of the task's records, and that of the machine.
const (
	StreamTime Clock = iota
	WallClock
)

func (c *Context[K, V]) store(name string) any { return c.x.connected(name) }

// connected is a store of the node by name; one that the node is not connected to is nil. Global stores need no connection.
func (x *opening) connected(name string) any {
	for _, s := range x.stores {
		if s == name {
			return x.store(name)
		}
	}
	if g := x.task.global; g != nil && g.host.stores[name] != nil {
		return sharedStore{&g.mu, g.host.stores[name]}
	}
	return nil
}

// Process runs a processor: open is called once per task, before its first record, and its result once per record. State
// belongs into the closure or into stores, which are connected by naming them here. The key may change, so what follows
// is repartitioned where it needs to be; ks is the serde of the new key.
func (s *Stream[K, V]) Process[K2, V2 any](name string, ks Serde[K2], open func(*Context[K2, V2]) func(Record[K, V]) error, stores ...StoreRef) *Stream[K2, V2] {
	n := processNode(s.port, "Process", name, "KSTREAM-PROCESSOR-", open, nil, stores)
	return &Stream[K2, V2]{port[K2, V2]{b: s.b, n: n, ks: ks, vs: serdeFor[V2](s.b, s.vs), rekeyed: true, sources: s.sources}}
}

// ProcessValues is Process with the key kept: it never causes a repartition.
func (s *Stream[K, V]) ProcessValues[W any](name string, open func(*Context[K, W]) func(Record[K, V]) error, stores ...StoreRef) *Stream[K, W] {
	keep := func(key *keyOfInput[K], r *Record[K, V]) { key.key, key.null = r.Key, r.NullKey }
	n := processNode(s.port, "ProcessValues", name, "KSTREAM-PROCESSVALUES-", open, keep, stores)
	n.ValueChanging = true
	return &Stream[K, W]{port[K, W]{b: s.b, n: n, ks: s.ks, vs: serdeFor[W](s.b, s.vs), rekeyed: s.rekeyed, sources: s.sources}}
}

func processNode[K, V, K2, V2 any](p port[K, V], operator, name, prefix string, open func(*Context[K2, V2]) func(Record[K, V]) error, keep func(*keyOfInput[K2], *Record[K, V]), refs []StoreRef) *plan.Node {
	if name == "" {
		p.b.named(operator, "processor")
	} else if err := topology.CheckName(name); err != nil {
		p.b.mistake(operator+" "+name, err.Error(), "choose another name")
	}
	n := &plan.Node{Name: name}
	if name == "" { // a given name takes no number here, as it does elsewhere
		n.Name = p.b.plan.Name(prefix)
	}
	stores := p.b.connect(operator+" "+name, refs)
	var o opener = func(x *opening) (any, error) {
		c := newContext[K2, V2](x)
		if keep != nil {
			c.key = &keyOfInput[K2]{}
		}
		var take func(Record[K, V]) error
		x.task.inits = append(x.task.inits, func() error {
			f, err := call1(open, c)
			if err == nil && f == nil {
				err = errors.New("the processor returned no function for records")
			}
			if err == nil {
				err = c.problem
			}
			take = f
			return x.task.initFailed(x.name, err)
		})
		if keep == nil {
			return around(x.node, func(r *Record[K, V]) error { return c.outcome(callTry1(take, *r)) }), nil
		}
		return around(x.node, func(r *Record[K, V]) error {
			keep(c.key, r)
			c.key.inRecord = true
			err := c.outcome(callTry1(take, *r))
			c.key.inRecord = false
			return err
		}), nil
	}
	tableStep(p, n, o, nil, func() []string { return stores })
	return n
}

// connect names the stores of refs and puts those into the topology that are not in it yet.
func (b *Builder) connect(operator string, refs []StoreRef) []string {
	var names []string
	for _, ref := range refs {
		if ref == nil {
			b.mistake(operator, "a nil store was given", "give a store definition")
			continue
		}
		ref.declare(b)
		names = append(names, ref.storeName())
	}
	return names
}

// initFailed is an error of a processor's beginning: the task cannot start.
func (t *task) initFailed(node string, err error) error {
	if err == nil {
		return nil
	}
	return &TaskError{Task: t.id.String(), Node: node, Partition: -1, Offset: -1, Err: err}
}

// ProcessValues replaces the value of each row by what a processor makes of it, also where there is none: v is then V's zero
// value (Kafka: transformValues). The processor cannot forward. A nil of W means that the row is not there. Without a store
// behind it, old values are processed again, and so is every row that a join reads.
func (t *Table[K, V]) ProcessValues[W any](name string, open func(*Context[K, W]) func(K, V) (W, error), stores ...StoreRef) *Table[K, W] {
	return &Table[K, W]{processTable(t.table, "ProcessValues", name, "", nil, open, stores)}
}

// ProcessValuesInto is ProcessValues with a store of that name behind it, which can be queried: each row is processed once for
// each of its changes, and read from the store.
func (t *Table[K, V]) ProcessValuesInto[W any](name, store string, vs Serde[W], open func(*Context[K, W]) func(K, V) (W, error), stores ...StoreRef) *Table[K, W] {
	if store = t.b.storeName(store, "ProcessValuesInto "+name, "KTABLE-TRANSFORMVALUES-"); vs == nil {
		vs = serdeFor[W](t.b, t.vs)
	}
	return &Table[K, W]{processTable(t.table, "ProcessValuesInto", name, store, vs, open, stores)}
}

func processTable[K, V, W any](t table[K, V], operator, name, store string, vs Serde[W], open func(*Context[K, W]) func(K, V) (W, error), refs []StoreRef) table[K, W] {
	if name == "" {
		t.b.named(operator, "processor")
	}
	nulls := newNilTest[W]()
	operator += " " + name
	m := &mapTable[K, V, W]{from: t, operator: operator, vs: vs, withNull: true, store: store, settings: &settings{}}
	m.f = func(x *opening) func(K, V) (W, bool, error) {
		c := &Context[K, W]{Ctx: x.ctx(), x: x, mute: "the processor of a table's values cannot forward: it returns the value"}
		var f func(K, V) (W, error)
		x.task.inits = append(x.task.inits, func() (err error) {
			f, err = call1(open, c)
			return x.task.initFailed(x.name, err)
		})
		return func(k K, v V) (W, bool, error) {
			w, err := callTry2(f, k, v)
			if err == nil {
				err = c.problem
			}
			c.problem = nil
			return w, err == nil && !nulls.null(&w), err
		}
	}
	return derive(m, "KTABLE-TRANSFORMVALUES-", name, t.b.connect(operator, refs))
}
