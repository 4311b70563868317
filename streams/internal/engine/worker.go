package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// worker runs tasks: one goroutine with one outlet. Everything of its tasks belongs to it, from when a task is added until it is
// removed, handed back or reset. Under exactly-once its tasks share transactions.
type worker struct {
	p    *process
	n    int
	load int // tasks, as the manager counts

	mu      sync.Mutex
	inbox   []message
	wake    chan struct{}
	retired bool
	done    chan struct{}

	out        *outlet
	tasks      []*runningTask
	nextCommit int64
	notBefore  int64 // a commit that could not be made is tried again then
	laterSince int64 // since when; 0: the last one could
	failsSince int64 // since when tasks go back for errors that pass; 0: the last commit was made
	taken      int64 // records since the last commit
	crashes    int   // in a row
	met        workerSeries

	questions []*question // under mu
	asked     atomic.Bool // there are questions
	down      atomic.Bool // the worker has failed and gives its tasks up
	answered  time.Time   // when it answered questions last
	watched   watched
}

// message is one of: feed, add, remove, hand.
type message struct {
	fetched *fetched
	add     *runningTask
	remove  *runningTask
	clean   bool
	hand    *runningTask
}

func newWorker(p *process, n int) *worker {
	w := &worker{p: p, n: n, met: p.app.met.worker(n), wake: make(chan struct{}, 1), done: make(chan struct{})}
	go w.work()
	return w
}

func (w *worker) post(m message) bool {
	w.mu.Lock()
	ended := w.retired && m.fetched != nil
	select {
	case <-w.done:
		ended = true
	default:
	}
	if !ended {
		w.inbox = append(w.inbox, m)
	}
	w.mu.Unlock()
	w.poke()
	return !ended
}

func (w *worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *worker) feed(d fetched)                    { w.post(message{fetched: &d}) }
func (w *worker) add(t *runningTask)                { w.post(message{add: t}) }
func (w *worker) remove(t *runningTask, clean bool) { w.post(message{remove: t, clean: clean}) }
func (w *worker) hand(t *runningTask)               { w.post(message{hand: t}) }
func (w *worker) wait()                             { <-w.done }
func (w *worker) has(t *runningTask) bool           { return slices.Contains(w.tasks, t) }
func (w *worker) now() int64                        { return w.p.app.now() }
func (w *worker) transactionalID() string {
	a := w.p.app
	if !a.prog.Settings.ExactlyOnce {
		return ""
	}
	return transactionalID(a.prog.ApplicationID, a.processID, w.n)
}

// retire lets the worker end when it has done what was posted: it commits and closes the tasks it still has.
func (w *worker) retire() {
	w.mu.Lock()
	w.retired = true
	w.mu.Unlock()
	w.poke()
}

// idleWait bounds how long a worker that has nothing to do waits for a message.
const idleWait = 100 * time.Millisecond

func (w *worker) work() {
	defer close(w.done)
	ctx := w.p.ctx
	timer := w.p.app.clk.NewTimer(idleWait)
	defer timer.Stop()
	defer w.end()
	w.nextCommit = w.now() + w.p.app.prog.Settings.CommitIntervalMs
	for ctx.Err() == nil {
		w.watched.since.Store(w.now())
		busy, last, err := w.round(ctx)
		w.watched.since.Store(0)
		switch {
		case err != nil && w.broken(err) != nil:
			w.lose(ctx, w.broken(err), err)
			continue
		case err != nil:
			w.crash(ctx, err)
			continue
		case last:
			return
		case busy:
			continue
		}
		timer.Reset(w.rest())
		began := w.p.app.clk.Now()
		select {
		case <-w.wake:
		case <-timer.C():
		case <-ctx.Done():
		}
		w.spent(w.met.rest, began)
	}
}

// end closes what the worker has. After a failure of the process nothing more is written.
func (w *worker) end() {
	for _, t := range w.tasks {
		if err := t.release(false); err != nil {
			w.p.app.log.Warn("closing a task failed", "task", t.id.String(), "error", err)
		}
	}
	if w.out != nil {
		if w.p.ctx.Err() != nil {
			_ = w.out.drop(context.WithoutCancel(w.p.ctx), 2*time.Second) // the process ends with another error
		} else {
			ctx, cancel := context.WithTimeout(w.p.ctx, patience/2)
			if err := w.out.settle(ctx); err != nil {
				w.p.app.log.Warn("the last transaction is not known to be complete", "worker", w.n, "error", err)
			}
			cancel()
		}
		w.out.close()
	}
}

// rest is how long nothing can happen without a message.
func (w *worker) rest() time.Duration {
	now := w.now()
	wait := idleWait
	until := func(ms int64) { wait = min(wait, max(0, time.Duration(ms-now)*time.Millisecond)) }
	until(max(w.nextCommit, w.notBefore))
	for _, t := range w.tasks {
		if !t.ready || w.p.app.paused.Load() {
			continue
		}
		if ms, ok := t.task.NextPunctuation(); ok {
			until(ms)
		}
		for _, f := range t.inputs {
			if f.held.Load() > 0 { // waits for another input, perhaps for max.task.idle.ms
				wait = min(wait, 10*time.Millisecond)
			}
		}
	}
	return max(wait, time.Millisecond)
}

// recordsPerTurn is how many records one task takes before it is another's turn.
const recordsPerTurn = 256

// round does some of everything there is to do.
func (w *worker) round(ctx context.Context) (busy, last bool, err error) {
	w.mu.Lock()
	inbox, retired := w.inbox, w.retired
	w.inbox = nil
	w.mu.Unlock()
	for i := range inbox {
		if err := w.handle(ctx, &inbox[i]); err != nil {
			w.mu.Lock()
			w.inbox = append(inbox[i+1:], w.inbox...)
			w.mu.Unlock()
			return true, false, err
		}
	}
	if w.asked.Load() {
		w.answerAll()
	}
	if retired && len(inbox) == 0 {
		return false, true, w.finish(ctx)
	}
	if !w.p.app.paused.Load() {
		for _, t := range w.tasks {
			some, err := w.turn(t)
			if err != nil {
				return true, false, err
			}
			busy = busy || some
		}
	}
	if w.out != nil {
		if err := w.out.check(ctx); err != nil {
			return true, false, err
		}
		if err := w.out.settleSoon(ctx); err != nil {
			return true, false, err
		}
	}
	return busy || len(inbox) > 0, false, w.maybeCommit(ctx)
}

// turn processes records of one task, and runs punctuators that are due.
func (w *worker) turn(t *runningTask) (busy bool, err error) {
	began := w.p.app.clk.Now()
	w.watched.task.Store(t)
	defer w.watched.task.Store(nil)
	for range recordsPerTurn {
		if w.asked.Load() {
			w.answerSome()
		}
		ok, err := t.task.Process()
		if err != nil {
			return true, err
		}
		if !ok {
			break
		}
		busy = true
	}
	if busy {
		began = w.spent(w.met.process, began)
	}
	if ms, ok := t.task.NextPunctuation(); ok && ms <= w.now() {
		fired, err := t.task.Punctuate()
		if err != nil {
			return true, err
		}
		if fired {
			w.p.app.met.punctuated.Inc()
			w.spent(w.met.punctuate, began)
		}
	}
	if busy {
		w.taken += t.env.processed
		w.p.app.met.empty(t.env)
	}
	w.account(t, busy)
	return busy, nil
}

// account tells what each input holds, and lets those go on that hold no more than they may.
func (w *worker) account(t *runningTask, busy bool) {
	holding := false
	for tp, f := range t.inputs {
		n, bytes := t.task.Buffered(tp)
		f.held.Store(int64(n))
		w.p.budget.add(bytes - f.heldBytes.Swap(bytes))
		holding = holding || n > 0
		if f.paused.Load() && w.p.goesOn(int64(n)+f.waiting.Load(), bytes+f.waitingBytes.Load()) {
			f.goOn(w.p.client)
		}
		if int64(n)+f.waiting.Load() <= w.p.fewRecords() {
			w.p.manager.gate.open()
		}
	}
	for _, f := range t.inputs {
		f.behind.Store(holding && !busy && f.held.Load() == 0 && !f.caughtUp)
	}
}

// spent adds the time since began to what the worker spends its time on.
func (w *worker) spent(on prometheus.Counter, began time.Time) time.Time {
	now := w.p.app.clk.Now()
	on.Add(now.Sub(began).Seconds())
	return now
}

func (w *worker) handle(ctx context.Context, m *message) error {
	switch {
	case m.fetched != nil:
		return w.take(m.fetched)
	case m.add != nil:
		w.tasks = append(w.tasks, m.add)
		w.shareCache()
		return w.begin(ctx, m.add)
	case m.remove != nil:
		return w.letGo(ctx, m.remove, m.clean)
	case m.hand != nil:
		if !w.has(m.hand) {
			return nil
		}
		if err := w.commitSoon(ctx); errors.Is(err, errLater) {
			w.post(*m)
			return nil
		} else if err != nil || !w.has(m.hand) {
			return err
		}
		w.forget(m.hand)
		m.hand.env.out = nil
		w.p.manager.do(func() { w.p.manager.handed(m.hand) })
	}
	return nil
}

func (w *worker) forget(t *runningTask) {
	w.tasks = slices.DeleteFunc(slices.Clone(w.tasks), func(o *runningTask) bool { return o == t })
	w.shareCache()
}

// shareCache divides the worker's part of the cache among its tasks.
func (w *worker) shareCache() {
	for _, t := range w.tasks {
		t.task.SetCacheBytes(w.p.app.prog.Settings.CacheBytes / int64(w.p.app.workers()) / int64(len(w.tasks)))
	}
}

// take adds what was fetched to the task's input.
func (w *worker) take(d *fetched) error {
	if !w.has(d.task) {
		return nil
	}
	f := d.feed
	if d.known {
		if f.next.Load() == d.next { // nothing was fetched since it was asked
			f.caughtUp = d.caughtUp
			d.task.task.Known(f.tp, d.caughtUp)
		}
		return nil
	}
	f.waiting.Add(-int64(len(d.batch.Records)))
	f.waitingBytes.Add(-d.bytes)
	f.polled, f.epoch, f.caughtUp = d.next, d.epoch, d.caughtUp
	if err := d.task.task.AddBatch(f.tp, d.batch); err != nil {
		return err
	}
	d.task.task.Known(f.tp, d.caughtUp)
	n, bytes := d.task.task.Buffered(f.tp)
	f.held.Store(int64(n))
	w.p.budget.add(bytes - f.heldBytes.Swap(bytes) - d.bytes)
	return nil
}

// begin makes a task of this worker's run: the first time it is initialized.
func (w *worker) begin(ctx context.Context, t *runningTask) error {
	if w.out == nil {
		out, err := newOutlet(w.p.app, w.transactionalID())
		if err != nil {
			return err
		}
		w.out = out
	}
	t.env.out, t.env.ctx = w.out, ctx
	if t.ready {
		return nil
	}
	t.ready = true
	if err := t.task.Initialize(); err != nil {
		return fmt.Errorf("task %s: %w", t.id, err)
	}
	w.account(t, false)
	w.p.app.log.Info("task runs", "task", t.id.String(), "worker", w.n)
	return nil
}

// letGo closes a task that leaves the process. With clean it is committed first.
func (w *worker) letGo(ctx context.Context, t *runningTask, clean bool) error {
	if !w.has(t) {
		return nil // it was reset: the manager ends it
	}
	if clean {
		err := w.commitSoon(ctx)
		if err != nil && !errors.Is(err, errLater) {
			return err
		}
		if !w.has(t) {
			return nil // its state failed: the manager ends it
		}
		clean = err == nil
	} else if w.out != nil && w.out.txnID != "" && w.out.inTxn {
		// What the others did in this transaction cannot be told from what this one did.
		return &resetError{err: fmt.Errorf("task %s was lost to another member of the group", t.id)}
	}
	w.forget(t)
	if clean && t.stays {
		w.p.manager.finish(t, t.park())
		return nil
	}
	w.p.manager.finish(t, t.release(clean))
	return nil
}

// commitSoon commits, and waits for a while when the group is between two generations.
func (w *worker) commitSoon(ctx context.Context) error {
	for tries := 0; ; tries++ {
		err := w.commit(ctx)
		if !errors.Is(err, errLater) || tries > 100 || !pause(ctx, retryWait) {
			return err
		}
	}
}

// finish commits and closes everything.
func (w *worker) finish(ctx context.Context) error {
	err := w.commitSoon(ctx)
	if err != nil && !errors.Is(err, errLater) {
		return err
	}
	for _, t := range w.tasks {
		w.p.manager.finish(t, t.release(err == nil))
	}
	w.tasks = nil
	return nil
}

// crash gives up what is not committed, and does what the policy says.
func (w *worker) crash(ctx context.Context, err error) {
	a := w.p.app
	if ctx.Err() != nil {
		return
	}
	w.down.Store(true)
	defer w.down.Store(false)
	policy := ReplaceWorker
	var reset *resetError
	if errors.As(err, &reset) && !hopeless(err) && !w.overdue(reset) {
		a.log.Warn("tasks go back to what was committed", "worker", w.n, "error", err)
	} else {
		a.met.crashes.Inc()
		policy = StopClient
		if a.opt.OnCrash != nil {
			policy = a.opt.OnCrash(err)
		}
		about := []any{"worker", w.n, "error", err}
		if p := (interface {
			error
			Stack() []byte
		})(nil); errors.As(err, &p) { // of a panic in the program's own functions
			about = append(about, "stack", string(p.Stack()))
		}
		a.log.Error("a worker failed", about...)
	}
	a.met.aborts.Inc()
	if w.out != nil {
		dropErr := w.out.drop(ctx, patience)
		if dropErr != nil {
			a.log.Warn("the producer is made anew", "worker", w.n, "error", dropErr)
			if err := w.out.abandon(ctx); err != nil && !hopeless(err) {
				a.log.Error("what became of a transaction is not known: it is left to its timeout", "worker", w.n, "error", err)
			}
			w.out = nil
		}
	}
	tasks := w.tasks
	w.tasks = nil
	w.answerAll()
	for _, t := range tasks {
		if e := t.release(false); e != nil {
			a.log.Warn("closing a task failed", "task", t.id.String(), "error", e)
		}
	}
	switch policy {
	case StopClient:
		w.p.fail(err)
		return
	case StopApplication:
		w.p.stopApplication(err)
		return
	}
	w.crashes++
	wait := min(10*time.Second, 50*time.Millisecond<<min(w.crashes, 10))
	if w.crashes > 1 {
		pause(ctx, wait)
	}
	if !w.p.manager.do(func() { w.p.manager.reset(w, tasks) }) {
		for _, t := range tasks {
			w.p.manager.finish(t, nil)
		}
	}
}

// maybeCommit commits when it is time, a processor asked for it, or much was processed or is pending.
func (w *worker) maybeCommit(ctx context.Context) error {
	now := w.now()
	o := &w.p.app.prog.Settings
	due := now >= w.nextCommit || o.CommitRecords > 0 && w.taken >= o.CommitRecords
	var pending int64
	for _, t := range w.tasks {
		due = due || t.task.CommitRequested()
		pending += t.st.PendingBytes()
	}
	due = due || pending > o.CommitBytes
	if !due || now < w.notBefore {
		return nil
	}
	err := w.commit(ctx)
	if errors.Is(err, errLater) {
		return w.commitLater(now, err)
	}
	w.nextCommit, w.laterSince = w.now()+o.CommitIntervalMs, 0
	return err
}

// overdue tells whether tasks have gone back for longer than the task timeout, without a commit, for errors that pass.
func (w *worker) overdue(e *resetError) bool {
	if !e.passing {
		return false
	}
	if w.failsSince == 0 {
		w.failsSince = w.now()
	}
	limit := w.p.app.prog.Settings.TaskTimeoutMs
	if limit <= 0 || w.now()-w.failsSince <= limit {
		return false
	}
	w.failsSince = 0
	return true
}

// commitLater lets a commit be tried again that the group or the cluster did not take, up to the task timeout.
func (w *worker) commitLater(now int64, err error) error {
	if w.laterSince == 0 {
		w.laterSince = now
	}
	if limit := w.p.app.prog.Settings.TaskTimeoutMs; limit > 0 && now-w.laterSince > limit {
		w.laterSince = 0
		return fmt.Errorf("no commit was possible for %v: %w", time.Duration(limit)*time.Millisecond, errors.New(err.Error())) // not later any more
	}
	w.notBefore = now + 50
	return nil
}

// commit makes all that the worker's tasks did permanent, in the order that a crash between any two steps loses nothing:
// results and changelogs, then input offsets (one transaction with exactly-once), then state.
func (w *worker) commit(ctx context.Context) error {
	began := w.p.app.clk.Now()
	for _, t := range w.tasks {
		if t.ready {
			if err := t.task.Flush(); err != nil {
				return err
			}
		}
	}
	if w.out != nil {
		if err := w.answering(func() error { return w.out.flush(ctx) }); err != nil {
			return err
		}
	}
	positions := map[TopicPartition]Committed{}
	for _, t := range w.tasks {
		maps.Copy(positions, w.positions(t))
	}
	wrote := w.out != nil && w.out.inTxn
	if len(positions) > 0 || wrote {
		if err := w.answering(func() error { return w.p.commitOffsets(ctx, w.out, positions) }); err != nil {
			return err
		}
		w.p.app.met.commits.Inc()
		w.crashes, w.failsSince = 0, 0
	}
	w.taken = 0
	for _, t := range slices.Clone(w.tasks) {
		if !w.has(t) {
			continue
		}
		err := w.keep(t, positions)
		if broken := w.broken(err); broken == t {
			w.lose(ctx, t, err) // what it did is committed: it is restored from there
		} else if err != nil {
			return err
		}
		w.p.app.met.empty(t.env)
	}
	if len(positions) > 0 || wrote {
		w.p.app.met.commitTime.Observe(w.p.app.clk.Now().Sub(began).Seconds())
	}
	w.spent(w.met.commit, began)
	return nil
}

// positions is what a task may commit. Where everything that was fetched is processed, it lies behind control records too,
// even when nothing else was there.
func (w *worker) positions(t *runningTask) map[TopicPartition]Committed {
	positions := t.task.Positions()
	for tp, f := range t.inputs {
		c, moved := positions[tp]
		if !moved {
			c = t.committed[tp]
		}
		if n, _ := t.task.Buffered(tp); n == 0 && f.polled > c.Offset {
			c.Offset, c.LeaderEpoch = f.polled, f.epoch
			positions[tp] = c
		}
	}
	for tp, c := range positions {
		if t.committed[tp] == c {
			delete(positions, tp)
		}
	}
	return positions
}

// keep commits the state of a task with the positions that belong to it.
func (w *worker) keep(t *runningTask, positions map[TopicPartition]Committed) error {
	changelogs := t.env.written()
	changed := t.task.CommitRequested() || t.st.PendingBytes() > 0
	for _, tp := range t.order {
		if c, ok := positions[tp]; ok {
			changed = true
			t.committed[tp] = c
			t.inputs[tp].purgeable.Store(c.Offset)
			if t.sourceLogs[tp.Topic] { // a topic that serves as a store's changelog
				changelogs[tp] = c.Offset
			}
		}
	}
	if !changed {
		return nil
	}
	if err := t.task.Committed(changelogs); err != nil {
		return fmt.Errorf("task %s: %w", t.id, err)
	}
	return nil
}
