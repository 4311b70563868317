package streams

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"leat.dev/streams/internal/codec"
	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
	"leat.dev/streams/internal/topology"
)

// recordContext is what is known of the record that is being processed. Outside of records (punctuators, initialization)
// the topic is empty, partition and offset are -1.
type recordContext struct {
	topic     string
	partition int32
	offset    int64
	time      Time
	headers   Headers
	key       []byte // as read from the source topic
	value     []byte
}

var noRecord = recordContext{partition: -1, offset: -1, time: -1}

// taskStore is what a task asks of each of its stores; what operators ask is the store's own.
type taskStore interface {
	// flush writes the cache through: it forwards, logs and puts into the state.
	flush() error
	// restore applies records of the changelog.
	restore(in []engine.In) error
	close() error
}

// A storeOpener makes a store in a task; topology.Store.Open holds one.
type storeOpener func(t *task, s *topology.Store) (taskStore, error)

// A head is a source node on one partition: it decodes the record at the head of the queue, and sends it.
type head interface {
	load(in *engine.In, partitionTime Time) (at Time, ok bool, err error)
	send() error
	source() string // the node
}

// patternSource is a source whose topics are found as they arrive.
type patternSource struct {
	re      *regexp.Regexp
	newHead func() head
}

// task is one sub-topology on one partition, with a single owner.
type task struct {
	id     engine.TaskID
	prog   *program
	env    engine.Env
	st     *state.Task
	meter  *engine.Meter
	global *globalTask

	context context.Context // done when the task closes
	cancel  context.CancelFunc

	rc         recordContext
	saved      *savedRecord // the copy of it that caches have, or of one before
	savedFree  *savedRecord
	wantCommit bool
	future     bool // it was said that records come from the future
	reading    bool // a query reads: caches stay as they are

	inputs   *engine.Inputs
	heads    []head
	sources  []*engine.NodeMeter // beside heads
	patterns []patternSource
	timers   *engine.Timers

	stores     map[string]taskStore
	cache      *cacheBudget // of the stores, see SetCacheBytes
	storeOrder []taskStore
	metas      map[string]*int64
	shared     map[string]any                          // what several nodes of an operator have together, by its name
	async      []func(wait bool) (any bool, err error) // sends results of asynchronous steps
	inits      []func() error                          // in order of the nodes
	closers    []func() error
}

var _ engine.Task = (*task)(nil)

func newTask(prog *program, id engine.TaskID, env engine.Env, st *state.Task, global *globalTask) (*task, error) {
	sub := prog.subtopology(id.Subtopology)
	if sub == nil {
		return nil, fmt.Errorf("task %s: the topology has no sub-topology %d", id, id.Subtopology)
	}
	t := blankTask(prog, id, env, st)
	t.global = global
	for _, s := range sub.Stores {
		if err := t.openStore(s); err != nil {
			return nil, err
		}
	}
	var tps []engine.TopicPartition
	err := t.openNodes(sub.Nodes, func(topic string, h head) {
		tps = append(tps, engine.TopicPartition{Topic: topic, Partition: id.Partition})
		t.addHead(h)
	})
	t.inputs = engine.NewInputs(tps, prog.settings.MaxTaskIdleMs, t.load)
	return t, err
}

// blankTask is a task without stores and nodes.
func blankTask(prog *program, id engine.TaskID, env engine.Env, st *state.Task) *task {
	t := &task{
		id: id, prog: prog, env: env, st: st, rc: noRecord, meter: engine.MeterOf(env),
		timers: &engine.Timers{}, stores: map[string]taskStore{}, metas: map[string]*int64{}, shared: map[string]any{},
	}
	t.context, t.cancel = context.WithCancel(context.Background())
	t.meter.Refresh = t.refresh
	for name, v := range st.Meta() {
		kept := v
		t.metas[name] = &kept
	}
	return t
}

func (t *task) openStore(s *topology.Store) error {
	open, ok := s.Open.(storeOpener)
	if !ok {
		return fmt.Errorf("store %s cannot be opened", s.Name)
	}
	opened, err := open(t, s)
	if err != nil {
		return fmt.Errorf("task %s: opening store %s: %w", t.id, s.Name, err)
	}
	t.stores[s.Name] = opened
	t.storeOrder = append(t.storeOrder, opened)
	return nil
}

// openNodes opens children before their parents, so that each node finds what it sends to. input takes the head of each
// topic that a source reads.
func (t *task) openNodes(nodes []*topology.Node, input func(topic string, h head)) error {
	opened := map[*topology.Node]any{}
	inits := map[*topology.Node][]func() error{}
	var open func(n *topology.Node) (any, error)
	open = func(n *topology.Node) (any, error) {
		if o, ok := opened[n]; ok {
			return o, nil
		}
		x := &opening{node: &node{n.Name, t}, stores: n.Stores}
		for _, c := range n.Children {
			take, err := open(c)
			if err != nil {
				return nil, err
			}
			x.children = append(x.children, openChild{c.Name, take})
		}
		f, ok := n.Open.(opener)
		if !ok {
			return nil, fmt.Errorf("node %s cannot be opened", n.Name)
		}
		before := len(t.inits)
		o, err := f(x)
		if err != nil {
			return nil, fmt.Errorf("task %s: opening %s: %w", t.id, n.Name, err)
		}
		inits[n] = slices.Clone(t.inits[before:])
		t.inits = t.inits[:before]
		opened[n] = o
		return o, nil
	}
	for _, n := range nodes {
		o, err := open(n)
		if err != nil {
			return err
		}
		if newHead, ok := o.(func() head); ok {
			if re := t.prog.patterns[n]; re != nil {
				t.patterns = append(t.patterns, patternSource{re, newHead})
			}
			for _, topic := range t.prog.sourceTopics(n) {
				input(topic, newHead())
			}
		}
	}
	// Processors are initialized in the order in which they were added, as in Kafka.
	for _, n := range nodes {
		t.inits = append(t.inits, inits[n]...)
	}
	return nil
}

func (t *task) load(input int, in *engine.In, partitionTime int64) (int64, bool, error) {
	at, ok, err := t.heads[input].load(in, Time(partitionTime))
	return int64(at), ok, err
}

func (t *task) ID() engine.TaskID { return t.id }

func (t *task) Add(tp engine.TopicPartition, records []engine.In) error {
	t.openInput(tp)
	return t.inputs.Add(tp, records)
}

func (t *task) AddBatch(tp engine.TopicPartition, b *engine.Batch) error {
	t.openInput(tp)
	return t.inputs.AddBatch(tp, b)
}

// addHead adds the head of an input.
func (t *task) addHead(h head) {
	t.heads = append(t.heads, h)
	t.sources = append(t.sources, t.meter.Node(h.source()))
}

// openInput makes an input of a topic that a source's pattern matches, when it is first heard of.
func (t *task) openInput(tp engine.TopicPartition) {
	if len(t.patterns) == 0 || t.inputs.Has(tp) || tp.Partition != t.id.Partition {
		return
	}
	for _, p := range t.patterns {
		if p.re.MatchString(tp.Topic) {
			t.inputs.Open(tp)
			t.addHead(p.newHead())
			return
		}
	}
}

func (t *task) Known(tp engine.TopicPartition, caughtUp bool) { t.inputs.Known(tp, caughtUp) }

func (t *task) Buffered(tp engine.TopicPartition) (int, int64) { return t.inputs.Buffered(tp) }

func (t *task) Next(tp engine.TopicPartition) int64 { return t.inputs.NextOffset(tp) }

// streamTime is the greatest time of a record taken so far, -1 before the first.
func (t *task) streamTime() Time { return Time(t.inputs.StreamTime()) }

func (t *task) now() Time { return Time(t.env.Now()) }

func (t *task) Process() (bool, error) {
	now := t.env.Now()
	input, in, at, ok, err := t.inputs.Next(now)
	if err != nil || !ok {
		return false, err
	}
	t.rc = recordContext{in.Topic, in.Partition, in.Offset, Time(at), headersOf(in.Headers), in.Key, in.Value}
	t.env.Count(engine.Processed, "", 1)
	t.meter.Lateness.Add(t.inputs.StreamTime() - at)
	from := t.sources[input]
	from.Records++
	from.EndToEnd.Add(now - at)
	if at-now > futureMs && !t.future {
		t.warnFuture(in, at, now)
	}
	err = t.heads[input].send()
	t.rc = noRecord
	if err != nil {
		return true, err
	}
	_, err = t.timers.Fire(engine.StreamTime, t.inputs.StreamTime())
	return true, err
}

func (t *task) Punctuate() (bool, error) {
	sent, err := t.deliver(false)
	if err != nil {
		return sent, err
	}
	fired, err := t.timers.Fire(engine.WallClock, t.env.Now())
	return sent || fired, err
}

// deliver sends the results of asynchronous steps, upstream first.
func (t *task) deliver(wait bool) (sent bool, err error) {
	for i := len(t.async) - 1; i >= 0; i-- { // nodes were opened from the end of the topology
		any, err := t.async[i](wait)
		sent = sent || any
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// asyncPollMs is how often results of asynchronous steps are looked for when no record arrives.
const asyncPollMs = 5

func (t *task) NextPunctuation() (int64, bool) {
	ms, ok := t.timers.Next(engine.WallClock)
	if len(t.async) > 0 {
		poll := t.env.Now() + asyncPollMs
		if !ok || poll < ms {
			return poll, true
		}
	}
	return ms, ok
}

func (t *task) CommitRequested() bool { return t.wantCommit }

func (t *task) Flush() error {
	for again := true; again; {
		var err error
		if _, err = t.deliver(true); err != nil {
			return err
		}
		for _, s := range t.storeOrder {
			if err := s.flush(); err != nil {
				return err
			}
		}
		if again, err = t.deliver(true); err != nil { // of what the caches sent
			return err
		}
	}
	return nil
}

func (t *task) Positions() map[engine.TopicPartition]engine.Committed {
	return t.inputs.Positions(len(t.metas) > 0, func(partitionTime int64) string {
		m := codec.OffsetMetadata{PartitionTime: partitionTime}
		for name, v := range t.metas {
			if *v >= 0 {
				m.Processors = append(m.Processors, codec.ProcessorTime{Key: name, Value: *v})
			}
		}
		return string(codec.AppendOffsetMetadata(nil, &m))
	})
}

func (t *task) Committed(changelogs map[engine.TopicPartition]int64) error {
	t.wantCommit = false
	metas := make(map[string]int64, len(t.metas))
	for name, v := range t.metas {
		metas[name] = *v
	}
	if err := t.st.Commit(offsetNames(changelogs), metas); err != nil {
		return err
	}
	t.inputs.Commit()
	return nil
}

func (t *task) Restore(store string, records []engine.In) error {
	s, ok := t.stores[store]
	if !ok {
		return fmt.Errorf("task %s has no store %s to restore", t.id, store)
	}
	return s.restore(records)
}

// Resume takes what was committed beside an input's offset: its time, and the times that operators keep, of which the
// greatest counts.
func (t *task) Resume(tp engine.TopicPartition, metadata string) {
	t.openInput(tp)
	found, err := codec.ParseOffsetMetadata(metadata)
	if err != nil {
		return // of another version or another program: begin without
	}
	t.inputs.RestoreTime(tp, found.PartitionTime)
	for _, p := range found.Processors {
		m := t.meta(p.Key, -1)
		*m = max(*m, p.Value)
	}
}

func (t *task) Initialize() error {
	for _, f := range t.inits {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (t *task) Store(name string) any {
	s, ok := t.stores[name]
	if !ok {
		return nil
	}
	return s
}

func (t *task) Close(clean bool) error {
	t.cancel()
	var first error
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	if clean {
		for _, f := range t.closers {
			keep(f())
		}
	}
	for _, s := range t.storeOrder {
		keep(s.close())
	}
	return first
}

// meta is an int64 that is kept with the state and in the metadata of committed offsets: operators' stream times.
func (t *task) meta(name string, initial int64) *int64 {
	m, ok := t.metas[name]
	if !ok {
		m = &initial
		t.metas[name] = m
	}
	return m
}

// withContext runs f as if rc were the record being processed: a cache that is written through restores the context of
// the put.
func (t *task) withContext(rc recordContext, f func() error) error {
	saved := t.rc
	t.rc = rc
	err := f()
	t.rc = saved
	return err
}

// schedule runs f on a clock; start < 0 is the clock's own phase. An error of f is final.
func (t *task) schedule(start Time, everyMs int64, clock Clock, f func(now Time) error) (cancel func()) {
	kind := engine.StreamTime
	if clock == WallClock {
		kind = engine.WallClock
	}
	call := func(now int64) error {
		t.rc = noRecord
		t.rc.time = Time(now) // what stores log has the punctuator's time
		err := f(Time(now))
		t.rc = noRecord
		return err
	}
	now := t.env.Now()
	if clock == StreamTime {
		now = t.inputs.StreamTime()
	}
	if start < 0 {
		return t.timers.Every(kind, everyMs, now, call).Cancel
	}
	return t.timers.EveryFrom(kind, int64(start), everyMs, now, call).Cancel
}

// The state knows offsets by the names of partitions: topic-partition.

func offsetNames(offsets map[engine.TopicPartition]int64) map[string]int64 {
	named := make(map[string]int64, len(offsets))
	for tp, offset := range offsets {
		named[tp.Topic+"-"+strconv.Itoa(int(tp.Partition))] = offset
	}
	return named
}

func namedOffsets(named map[string]int64) map[engine.TopicPartition]int64 {
	offsets := make(map[engine.TopicPartition]int64, len(named))
	for name, offset := range named {
		i := strings.LastIndexByte(name, '-')
		if p, err := strconv.ParseInt(name[i+1:], 10, 32); i > 0 && err == nil {
			offsets[engine.TopicPartition{Topic: name[:i], Partition: int32(p)}] = offset
		}
	}
	return offsets
}

// headersOf and engineHeaders are the same bytes under the names of either side.
func headersOf(h []engine.Header) Headers {
	if len(h) == 0 {
		return nil
	}
	return unsafe.Slice((*Header)(unsafe.Pointer(unsafe.SliceData(h))), len(h))
}

func engineHeaders(h Headers) []engine.Header {
	if len(h) == 0 {
		return nil
	}
	return unsafe.Slice((*engine.Header)(unsafe.Pointer(unsafe.SliceData(h))), len(h))
}
