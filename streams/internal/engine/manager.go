package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// manager polls the consumer and knows where every task is. All its state belongs to its goroutine; others send it
// functions, which run between two polls, so that what was fetched is never handed on under an assignment that is over.
type manager struct {
	p *process

	mu      sync.Mutex
	orders  []func()
	wake    context.CancelFunc // ends the poll that waits
	stopped bool

	gate gate

	closing context.Context // done when run ends
	asking  sync.WaitGroup  // goroutines that ask for committed offsets

	tasks    map[TaskID]*runningTask
	byInput  map[TopicPartition]*runningTask
	workers  []*worker
	standbys standbys
	doubted  map[string]bool // topics that a broker did not know; they are asked for
	assigned bool            // at least once
	retired  []*worker
	nextID   int
	made     atomic.Int32 // nextID, for others

	places atomic.Pointer[map[TaskID]located] // of the tasks, for queries
}

func newManager(p *process) *manager {
	return &manager{
		p: p, gate: newGate(), tasks: map[TaskID]*runningTask{}, byInput: map[TopicPartition]*runningTask{}, doubted: map[string]bool{}, standbys: newStandbys(),
	}
}

// do sends the manager a function; false when it has ended.
func (m *manager) do(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return false
	}
	m.orders = append(m.orders, f)
	if m.wake != nil {
		m.wake()
	}
	return true
}

// call is do that waits until f has run; false when the manager has ended.
func (m *manager) call(f func()) bool {
	done := make(chan struct{})
	if !m.do(func() { f(); close(done) }) {
		return false
	}
	<-done
	return true
}

// obey runs what was sent.
func (m *manager) obey() {
	for {
		m.mu.Lock()
		orders := m.orders
		m.orders = nil
		m.mu.Unlock()
		if len(orders) == 0 {
			return
		}
		for _, f := range orders {
			f()
		}
		m.publish()
	}
}

// start makes the workers.
func (m *manager) start(n int) { m.resize(n) }

// run polls until closing is done or the process fails.
func (m *manager) run(outer context.Context) {
	closing, stop := context.WithCancel(outer)
	defer stop()
	defer context.AfterFunc(m.p.ctx, stop)()
	m.closing = closing
	for closing.Err() == nil && m.p.ctx.Err() == nil {
		m.obey()
		m.poll(closing)
	}
}

func (m *manager) poll(closing context.Context) {
	ctx, cancel := context.WithCancel(closing)
	defer cancel()
	defer context.AfterFunc(m.p.ctx, cancel)()
	m.mu.Lock()
	if len(m.orders) > 0 {
		m.mu.Unlock()
		return
	}
	m.wake = cancel
	m.mu.Unlock()
	if !m.await(ctx) {
		m.mu.Lock()
		m.wake = nil
		m.mu.Unlock()
		return
	}
	began := m.p.app.clk.Now()
	fetches := m.p.client.PollFetches(ctx)
	m.p.app.met.pollTime.Add(m.p.app.clk.Now().Sub(began).Seconds())
	m.mu.Lock()
	m.wake = nil
	m.mu.Unlock()
	m.takeAll(fetches)
}

// dispatch hands what was fetched of one partition to the worker that has the task.
func (m *manager) dispatch(f *kgo.FetchTopicPartition) {
	tp := TopicPartition{f.Topic, f.Partition}
	if f.Err != nil {
		m.fetchFailed(tp, f.Err)
	}
	t := m.byInput[tp]
	if t == nil || len(f.Records) == 0 {
		return
	}
	d := fetched{task: t, feed: t.inputs[tp], batch: newBatch(len(f.Records))}
	if d.feed.first < 0 {
		d.feed.first = f.Records[0].Offset
	}
	for _, r := range f.Records {
		d.next, d.epoch = r.Offset+1, r.LeaderEpoch
		if !r.Attrs.IsControl() {
			d.bytes += d.batch.add(r).size()
		}
		r.Recycle()
	}
	met := m.p.app.met.topic(tp.Topic)
	met.consumed.Add(float64(len(d.batch.Records)))
	met.consumedBytes.Add(float64(d.bytes))
	end := f.HighWatermark
	if m.p.app.prog.Settings.ExactlyOnce {
		end = f.LastStableOffset
	}
	d.caughtUp = d.next >= end
	d.feed.quiet = d.caughtUp
	d.feed.next.Store(d.next)
	waiting := d.feed.waiting.Add(int64(len(d.batch.Records)))
	bytes := d.feed.waitingBytes.Add(d.bytes)
	m.p.budget.add(d.bytes)
	if m.p.full(waiting+d.feed.held.Load(), bytes+d.feed.heldBytes.Load()) {
		d.feed.pause(m.p.client)
	}
	if t.place != onWorker { // between two workers
		t.pending = append(t.pending, d)
		return
	}
	t.worker.feed(d)
}

func (m *manager) fetchFailed(tp TopicPartition, err error) {
	a := m.p.app
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, kgo.ErrClientClosed):
	case tp.Topic == "": // of the group or the client
		var session *kgo.ErrGroupSession
		if errors.As(err, &session) && fatalToGroup(session.Err) {
			m.p.fail(fmt.Errorf("group %s: %w%s", a.prog.ApplicationID, session.Err, advice(session.Err)))
			return
		}
		a.log.Warn("the consumer reports an error", "error", err)
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		m.p.fail(fmt.Errorf("%s reads topic %s: %w; the application needs the permission Read on the topic", m.nodesOf(tp.Topic), tp.Topic, err))
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		m.doubt(tp.Topic)
	default:
		a.log.Warn("fetching failed", "topic", tp.Topic, "partition", tp.Partition, "error", err)
	}
}

// doubt ends the app when a topic is gone. A broker that knows a new topic from others may not have it yet.
func (m *manager) doubt(topic string) {
	if m.doubted[topic] {
		return
	}
	m.doubted[topic] = true
	m.asking.Go(func() {
		_, err := m.p.app.cluster.find(m.closing, topic)
		m.do(func() {
			delete(m.doubted, topic)
			if errors.Is(err, kerr.UnknownTopicOrPartition) && m.closing.Err() == nil {
				m.p.fail(m.topicGone(topic))
			}
		})
	})
}

// topicGone is the error for a source topic that was deleted.
func (m *manager) topicGone(topic string) error {
	return fmt.Errorf("%s reads topic %s, which is no longer there: %w; create it again, or take it out of the program", m.nodesOf(topic), topic, kerr.UnknownTopicOrPartition)
}

func fatalToGroup(err error) bool {
	return errors.Is(err, kerr.GroupAuthorizationFailed) || errors.Is(err, kerr.TopicAuthorizationFailed) ||
		errors.Is(err, kerr.InconsistentGroupProtocol) || errors.Is(err, kerr.InvalidSessionTimeout) || errors.Is(err, kerr.InvalidGroupID) || errors.Is(err, kerr.FencedInstanceID) ||
		errors.Is(err, errAssign)
}

// errAssign is wrapped by errors of the assignment that do not pass.
var errAssign = errors.New("assigning tasks")

func (m *manager) nodesOf(topic string) string {
	for _, n := range m.p.app.prog.Topology.Nodes() {
		for _, t := range n.Topics {
			if m.p.app.fullName(t) == topic {
				return "node " + n.Name
			}
		}
	}
	return "the topology"
}

func committedOf(p *kmsg.OffsetFetchResponseGroupTopicPartition) Committed {
	c := Committed{Offset: p.Offset, LeaderEpoch: p.LeaderEpoch}
	if p.Metadata != nil {
		c.Metadata = *p.Metadata
	}
	return c
}

// assign makes the tasks of partitions that the group gave to this process, which is where each of them begins: where it
// is committed, or, with an offset below zero, where its source says. Nothing is fetched of them before it returns.
func (m *manager) assign(from map[TopicPartition]Committed) (starts map[TopicPartition]kgo.Offset, err error) {
	began := m.p.app.clk.Now()
	defer func() { m.p.app.met.moved("assigned", m.p.app.clk.Now().Sub(began)) }()
	var old, leaving []*runningTask
	m.call(func() { // tasks that get more partitions: a pattern found another topic
		for _, t := range m.again(from) {
			m.detach(t, true)
			for tp := range t.inputs { // what is fetched meanwhile is nobody's, but begin has to know where it began
				m.byInput[tp] = t
			}
			old = append(old, t)
		}
		leaving = m.leavingOf(from)
	})
	for _, t := range slices.Concat(old, leaving) {
		<-t.closed
	}
	m.call(func() { starts, err = m.begin(from, old) })
	return starts, err
}

// again are the tasks of partitions that run without them.
func (m *manager) again(partitions map[TopicPartition]Committed) []*runningTask {
	found := map[*runningTask]bool{}
	for tp := range partitions {
		if id, ok := m.p.app.taskOf(tp); ok && m.tasks[id] != nil {
			found[m.tasks[id]] = true
		}
	}
	return slices.Collect(maps.Keys(found))
}

// begin makes tasks of partitions, and of those that tasks had which ended for it.
func (m *manager) begin(offsets map[TopicPartition]Committed, old []*runningTask) (map[TopicPartition]kgo.Offset, error) {
	starts := map[TopicPartition]kgo.Offset{}
	inputs := map[TaskID][]TopicPartition{}
	for tp, c := range offsets {
		id, ok := m.p.app.taskOf(tp)
		if !ok {
			continue
		}
		inputs[id] = append(inputs[id], tp)
		starts[tp] = kgo.NewOffset().At(c.Offset).WithEpoch(c.LeaderEpoch)
		if c.Offset < 0 {
			at, err := m.p.app.beginning(tp)
			if err != nil {
				return nil, err
			}
			starts[tp] = at
		}
	}
	had := map[TopicPartition]Committed{}
	for _, t := range old {
		for _, tp := range t.order {
			c := t.committed[tp]
			if c.Offset < 0 {
				c.Offset = t.inputs[tp].first
			}
			had[tp] = c
			if !slices.Contains(inputs[t.id], tp) {
				inputs[t.id] = append(inputs[t.id], tp)
			}
		}
	}
	m.seek(had)
	m.assigned = true
	for _, id := range slices.SortedFunc(maps.Keys(inputs), compareTasks) {
		from := map[TopicPartition]Committed{}
		for _, tp := range inputs[id] {
			if c, ok := offsets[tp]; ok {
				from[tp] = c
			} else if c, ok := had[tp]; ok {
				from[tp] = c
			}
		}
		m.create(id, inputs[id], from)
	}
	return starts, nil
}

// seek moves the consumer to where tasks begin again.
func (m *manager) seek(to map[TopicPartition]Committed) {
	seek := map[string]map[int32]kgo.EpochOffset{}
	for tp, c := range to {
		if c.Offset < 0 {
			continue
		}
		if seek[tp.Topic] == nil {
			seek[tp.Topic] = map[int32]kgo.EpochOffset{}
		}
		seek[tp.Topic][tp.Partition] = kgo.EpochOffset{Epoch: c.LeaderEpoch, Offset: c.Offset}
	}
	if len(seek) > 0 {
		m.p.client.SetOffsets(seek)
	}
}

// create makes a task, of its standby if there is one here, and sends it to the restorer. Its partitions are fetched from when it runs.
func (m *manager) create(id TaskID, tps []TopicPartition, from map[TopicPartition]Committed) {
	slices.SortFunc(tps, compareInputs)
	standby := m.takeStandby(id)
	t := standby
	if t == nil {
		t = &runningTask{
			id: id, ctx: m.p.ctx, inputs: map[TopicPartition]*feed{}, place: inRestorer,
			closed: make(chan struct{}), committed: map[TopicPartition]Committed{},
		}
	}
	t.order = tps
	pause := map[string][]int32{}
	for _, tp := range tps {
		c, ok := from[tp]
		if !ok {
			c = Committed{Offset: -1, LeaderEpoch: -1}
		}
		f := &feed{tp: tp, from: c, first: c.Offset, polled: c.Offset, epoch: c.LeaderEpoch}
		f.next.Store(c.Offset)
		f.paused.Store(true)
		t.inputs[tp] = f
		t.committed[tp] = c
		pause[tp.Topic] = append(pause[tp.Topic], tp.Partition)
		m.byInput[tp] = t
	}
	m.p.client.PauseFetchPartitions(pause)
	m.tasks[id] = t
	m.p.app.met.tasks.WithLabelValues("restoring").Inc()
	if standby != nil {
		m.p.restorer.promote(t)
	} else {
		m.p.restorer.add(t)
	}
	m.settle()
}

// restored puts a task on the worker with the fewest.
func (m *manager) restored(t *runningTask) {
	if t.gone || m.tasks[t.id] != t {
		m.finish(t, t.release(false))
		return
	}
	m.p.app.met.tasks.WithLabelValues("restoring").Dec()
	m.p.app.met.tasks.WithLabelValues("running").Inc()
	m.put(t)
	m.settle()
}

func (m *manager) put(t *runningTask) {
	best := m.workers[0]
	for _, w := range m.workers {
		if w.load < best.load {
			best = w
		}
	}
	best.load++
	t.place, t.worker = onWorker, best
	best.add(t)
	for _, d := range t.pending {
		best.feed(d)
	}
	t.pending = nil
}

// settle tells whether all tasks run.
func (m *manager) settle() {
	if !m.assigned {
		return
	}
	for _, t := range m.tasks {
		if t.place == inRestorer {
			m.p.app.become(Rebalancing)
			return
		}
	}
	m.p.app.become(Running)
}

// detach takes a task out of the process; its closed says when it is done.
func (m *manager) detach(t *runningTask, clean bool) {
	if t.gone {
		return
	}
	t.gone = true
	t.stays = clean && m.standbys.wanted[t.id]
	delete(m.tasks, t.id)
	m.standbys.leaving[t.id] = t
	for tp := range t.inputs {
		if m.byInput[tp] == t {
			delete(m.byInput, tp)
		}
	}
	switch t.place {
	case inRestorer:
		m.p.app.met.tasks.WithLabelValues("restoring").Dec()
		m.p.restorer.remove(t)
	case onWorker:
		m.p.app.met.tasks.WithLabelValues("running").Dec()
		t.worker.load--
		t.worker.remove(t, clean)
	case inTransit: // whoever brings it finds that it is gone
	}
}

// finish ends a task that is released, or parked. Any goroutine may call it.
func (m *manager) finish(t *runningTask, err error) {
	if err != nil {
		m.p.app.log.Warn("closing a task failed", "task", t.id.String(), "error", err)
	}
	if !m.do(func() { m.freed(t) }) {
		m.closeKept(t)
	}
	close(t.closed)
}

// gather are the tasks that read any of the partitions.
func (m *manager) gather(partitions []TopicPartition) []*runningTask {
	found := map[*runningTask]bool{}
	for _, tp := range partitions {
		if t := m.byInput[tp]; t != nil {
			found[t] = true
		}
	}
	return slices.Collect(maps.Keys(found))
}

// joined follows every rebalance of the group, before assign if there is something new.
func (m *manager) joined(gets bool) {
	m.call(func() {
		if gets {
			m.p.app.become(Rebalancing)
		}
		m.assigned = !gets // else it is when their offsets are known
		m.p.app.met.rebalances.Inc()
		m.settle()
	})
}

// leave lets the tasks of partitions go that are to be another member's, and returns when they are closed. With clean their
// workers commit them first; without it they are another's already.
func (m *manager) leave(lost []TopicPartition, clean bool) {
	told, began := "revoked", m.p.app.clk.Now()
	if !clean {
		told = "lost"
	}
	defer func() { m.p.app.met.moved(told, m.p.app.clk.Now().Sub(began)) }()
	var leaving []*runningTask
	m.call(func() {
		leaving = m.gather(lost)
		if len(leaving) > 0 {
			m.p.app.become(Rebalancing)
		}
		for _, t := range leaving {
			m.detach(t, clean)
		}
		m.settle()
	})
	for _, t := range leaving {
		select {
		case <-t.closed:
		case <-m.p.ctx.Done():
			return
		}
	}
}

// resize makes workers or ends them, and moves tasks so that each has its share.
func (m *manager) resize(n int) {
	for len(m.workers) < n {
		w := newWorker(m.p, m.nextID)
		m.nextID++
		m.made.Store(int32(m.nextID)) //nolint:gosec // workers
		m.workers = append(m.workers, w)
	}
	leaving := slices.Clone(m.workers[n:])
	m.workers = m.workers[:n]
	m.p.app.met.workers.Set(float64(n))
	for _, w := range leaving {
		m.moveAll(w, 0)
		w.retire()
		m.retired = append(m.retired, w)
	}
	share := (len(m.tasks) + n - 1) / n
	for _, w := range m.workers {
		m.moveAll(w, share)
	}
}

// moveAll takes tasks from a worker until it has as many as it may keep. They come back to put.
func (m *manager) moveAll(w *worker, keep int) {
	for _, id := range slices.SortedFunc(maps.Keys(m.tasks), compareTasks) {
		t := m.tasks[id]
		if w.load <= keep {
			return
		}
		if t.place == onWorker && t.worker == w {
			w.load--
			t.place = inTransit
			w.hand(t)
		}
	}
}

// handed takes a task from a worker that gave it up, committed.
func (m *manager) handed(t *runningTask) {
	if t.gone {
		m.finish(t, t.release(true))
		return
	}
	m.put(t)
}

// reset starts tasks anew, whose worker failed and closed them, from what is committed.
func (m *manager) reset(w *worker, tasks []*runningTask) {
	var again []*runningTask
	for _, t := range tasks {
		if t.gone {
			m.finish(t, nil)
			continue
		}
		if t.place == onWorker {
			w.load--
		}
		t.place = inTransit
		again = append(again, t)
	}
	if len(again) == 0 {
		return
	}
	m.p.app.become(Rebalancing)
	var tps []TopicPartition
	for _, t := range again {
		tps = append(tps, t.order...)
	}
	// It may take until a transaction times out, or the cluster is there again: other tasks go on meanwhile.
	closing := m.closing
	m.asking.Go(func() {
		found, err := m.p.committedOffsets(closing, tps)
		m.do(func() {
			if err != nil {
				if closing.Err() == nil {
					m.p.fail(fmt.Errorf("reading the committed offsets of group %s: %w%s", m.p.app.prog.ApplicationID, err, advice(err)))
				}
				for _, t := range again {
					m.detach(t, false)
				}
			}
			m.resume(again, found)
		})
	})
}

// resume makes tasks again that a failed worker closed, where they are still this process's.
func (m *manager) resume(tasks []*runningTask, found map[TopicPartition]Committed) {
	for _, t := range tasks {
		if t.gone {
			m.p.app.met.tasks.WithLabelValues("running").Dec()
			m.finish(t, nil)
			continue
		}
		from := map[TopicPartition]Committed{}
		for _, tp := range t.order {
			c, ok := found[tp]
			if !ok || c.Offset < 0 {
				c = t.committed[tp]
			}
			if c.Offset < 0 {
				c.Offset = t.inputs[tp].first // nothing was ever committed: where it began
			}
			from[tp] = c
			delete(m.byInput, tp)
		}
		delete(m.tasks, t.id)
		close(t.closed)
		m.p.app.met.tasks.WithLabelValues("running").Dec()
		m.create(t.id, t.order, from)
		m.seek(from)
	}
}

func (m *manager) wakeAll() {
	for _, w := range m.workers {
		w.poke()
	}
}

// close ends what run left: tasks are committed and closed, then the group is left.
func (m *manager) close() {
	failed := m.p.ctx.Err() != nil
	m.obey()
	if !failed {
		for _, w := range m.workers {
			w.retire()
		}
	}
	var ends sync.WaitGroup
	for _, w := range append(m.workers, m.retired...) {
		ends.Go(w.wait)
	}
	if !waitFor(&ends, shutdownMax) {
		m.p.fail(fmt.Errorf("the app did not commit its work within %v when it was closed", shutdownMax))
		ends.Wait()
	}
	m.asking.Wait()
	m.obey()
	m.mu.Lock()
	m.stopped = true
	orders := m.orders
	m.orders = nil
	m.mu.Unlock()
	for _, f := range orders {
		f()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.p.ctx), 5*time.Second)
	defer cancel()
	if err := m.p.group.close(ctx, m.p.app.leaves()); err != nil {
		m.p.app.log.Warn("leaving the group failed", "error", err)
	}
}

func compareInputs(a, b TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// waitFor waits for a group, no longer than limit.
func waitFor(g *sync.WaitGroup, limit time.Duration) bool {
	done := make(chan struct{})
	go func() { g.Wait(); close(done) }()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// shutdownMax is how long workers have to commit when the app closes.
const shutdownMax = 30 * time.Second
