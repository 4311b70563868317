package engine

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
)

// restorer brings stores up to date with their changelogs beside the workers, and keeps standbys up to date. Its lanes are
// goroutines with a client each; a task is in one lane at a time, and belongs to it like to a worker. Tasks that are to run
// are in the lanes that only restore, standbys in one of their own, so that they take nothing from them; a standby that
// has much to read begins among the former.
//
// A restore begins where the state says it is and commits on the way, so that one that was interrupted goes on where it
// was. What it reads under exactly-once is committed.
type restorer struct {
	p      *process
	ctx    context.Context
	cancel context.CancelFunc
	ends   sync.WaitGroup

	mu       sync.Mutex // before a lane's
	lanes    []*lane    // that restore; the last one is of standbys
	tasks    map[*runningTask]*restoring
	troubles map[TaskID]*trouble
}

func newRestorer(p *process) (*restorer, error) {
	r := &restorer{p: p, tasks: map[*runningTask]*restoring{}, troubles: map[TaskID]*trouble{}}
	r.ctx, r.cancel = context.WithCancel(p.ctx)
	for range restoreLanes() + 1 {
		r.lanes = append(r.lanes, newLane(r))
	}
	r.standbys().quiet = true
	for _, l := range r.lanes {
		r.ends.Go(l.work)
	}
	r.ends.Go(r.report)
	return r, nil
}

// restoreLanes is how many tasks are restored at the same time: as many as there are cores, not more than 8.
func restoreLanes() int { return max(1, min(runtime.GOMAXPROCS(0), 8)) }

func (r *restorer) standbys() *lane { return r.lanes[len(r.lanes)-1] }

// close ends the lanes. The state of what they have knows how far it came.
func (r *restorer) close() {
	r.cancel()
	r.ends.Wait()
}

// add takes a task to bring it up to date. A standby stays until it is removed or promoted; any other task goes to
// manager.restored once it has everything. A task that was active here brings its state along.
func (r *restorer) add(t *runningTask) {
	g := &restoring{task: t, standby: t.standby}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tasks[t] = g
	r.put(g, r.free(), func(l *lane) { l.begin(g) })
}

// free is the lane with the fewest tasks that restore. The caller has mu.
func (r *restorer) free() *lane {
	return slices.MinFunc(r.lanes[:len(r.lanes)-1], func(a, b *lane) int { return a.load - b.load })
}

// put gives a task to a lane, which does f first. The caller has mu.
func (r *restorer) put(g *restoring, l *lane, f func(l *lane)) {
	if g.lane != nil {
		g.lane.load--
	}
	g.lane = l
	l.load++
	l.do(func() { f(l) })
}

// move gives a task that its lane has parted with to another one.
func (r *restorer) move(g *restoring, to func() *lane, f func(l *lane)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(g, to(), f)
}

// drop forgets a task; it is no longer the restorer's.
func (r *restorer) drop(g *restoring) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tasks[g.task] == g {
		delete(r.tasks, g.task)
		g.lane.load--
	}
}

// order runs f in the lane that has the task; it is false when none has it. f gets nil when the task left meanwhile.
func (r *restorer) order(t *runningTask, f func(l *lane, g *restoring)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.tasks[t]
	if g == nil {
		return false
	}
	l := g.lane
	return l.do(func() {
		if l.tasks[g] {
			f(l, g)
		} else if !r.order(t, f) { // it moved to another lane, or out
			f(nil, nil)
		}
	})
}

// remove ends the work on a task that leaves: its state is closed and kept, and manager.finish gets it. One that is
// restored meets its end in the manager.
func (r *restorer) remove(t *runningTask) {
	r.order(t, func(l *lane, g *restoring) {
		if g == nil {
			return
		}
		err := l.suspend(g)
		l.stopped(g)
		l.leave(g)
		if e := t.release(false); err == nil {
			err = e
		}
		r.p.manager.finish(t, err)
	})
}

// promote makes a standby an active task, on the state it has open: what is missing is read, and it goes to
// manager.restored. The caller has given it its inputs, and cleared standby.
func (r *restorer) promote(t *runningTask) {
	r.order(t, func(l *lane, g *restoring) {
		if g == nil {
			return
		}
		err := l.suspend(g)
		l.stopped(g)
		g.standby = false
		g.standbyNow.Store(false)
		if err != nil {
			l.fail(g, err)
			return
		}
		l.part(g)
		r.move(g, r.free, func(l *lane) { l.begin(g) })
	})
}

// run runs f in the lane that has the task, between two batches of its changelogs. It is ErrNotHere when none has it, or it is
// not open.
func (r *restorer) run(ctx context.Context, t *runningTask, f func(Task) error) error {
	answer := make(chan error, 1)
	sent := r.order(t, func(_ *lane, g *restoring) {
		if g == nil || t.task == nil {
			answer <- ErrNotHere
			return
		}
		answer <- f(t.task)
	})
	if !sent {
		return ErrNotHere
	}
	select {
	case err := <-answer:
		return err
	case <-r.ctx.Done():
		return ErrNotHere
	case <-ctx.Done():
		return ctx.Err()
	}
}

// storeProgress is how far one store of a task in the restorer has come.
type storeProgress struct {
	Task     TaskID
	Store    string
	Log      TopicPartition
	Standby  bool
	Next     int64 // offset of the next record to apply
	End      int64 // the changelog's, as far as it is known
	Restored int64 // records applied here
	Waiting  bool  // for the disk: see the log
}

// Lag is how many offsets the store is behind.
func (p *storeProgress) Lag() int64 { return max(0, p.End-p.Next) }

// progress lists the stores of all tasks that the restorer has, in order of tasks and names.
func (r *restorer) progress() []storeProgress {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []storeProgress
	for _, g := range slices.SortedFunc(maps.Values(r.tasks), func(a, b *restoring) int { return compareTasks(a.task.id, b.task.id) }) {
		for _, l := range g.shown() {
			list = append(list, storeProgress{
				Task: g.task.id, Store: l.store, Log: l.tp, Standby: g.standbyNow.Load(),
				Next: l.next.Load(), End: l.end.Load(), Restored: l.records.Load(), Waiting: g.waiting.Load(),
			})
		}
	}
	return list
}

// offsetSums gives, for each task whose state is here, the sum of the next offsets of its changelogs; runningSum for those
// that run.
func (r *restorer) offsetSums() map[TaskID]int64 {
	sums := map[TaskID]int64{}
	r.onDisk(sums)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.tasks {
		if logs := g.shown(); len(logs) > 0 {
			sums[g.task.id] = 0
			for _, l := range logs {
				sums[g.task.id] += l.next.Load()
			}
		} else {
			delete(sums, g.task.id)
		}
	}
	return sums
}
