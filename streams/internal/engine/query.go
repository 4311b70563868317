package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Errors of queries. ErrNotHere is wrapped by those for what this process does not have at the moment: the app does not
// run, or the task is another's, or is being restored, or only a copy is here. ErrBehind (it wraps ErrNotHere, too) by those
// for what is here, but lags further behind than the query allows.
var (
	ErrNotHere = errors.New("not at this instance")
	ErrBehind  = fmt.Errorf("%w as new as the query asks", ErrNotHere)
)

// ErrNoStore is wrapped by errors for a store that the topology does not have.
var ErrNoStore = errors.New("the topology has no such store")

// Ask says which task may answer a query.
type Ask struct {
	Copies   bool                     // standbys and tasks that are being restored may, where the task does not run here
	LagMax   int64                    // of such copies: changelog records that they have not got yet; negative: any number
	AtLeast  map[TopicPartition]int64 // offsets of input records that the answer must have seen; of other partitions than the task's they do not count
	Wait     time.Duration            // how long to wait until they are reached; 0: not at all
	Position bool                     // the answer's position is wanted
}

// Seen says how new an answer is.
type Seen struct {
	Copy     bool                     // of a standby, or of a task that is being restored
	Lag      int64                    // of a copy: changelog records that it had not got
	Position map[TopicPartition]int64 // offset of the last record that was processed, by input; of a copy it is at least that
}

// LocalTask is a task of this process that has a store.
type LocalTask struct {
	ID        TaskID
	Standby   bool
	Restoring bool // its owner is here, but it does not run yet
}

// StoreTasks are the tasks of this process that have a store, in order of their partitions. global tells that the store is a
// global one. One that has no task here is ErrNotHere, an unknown one ErrNoStore.
func (a *App) StoreTasks(store string) (tasks []LocalTask, global bool, err error) {
	sub, global, err := a.subOfStore(store)
	if err != nil || global {
		return nil, global, err
	}
	p := a.current()
	if p == nil {
		return nil, false, fmt.Errorf("store %s: %w: the app does not run", store, ErrNotHere)
	}
	for id, at := range p.manager.placed() {
		if id.Subtopology == sub {
			tasks = append(tasks, LocalTask{id, at.standby, !at.standby && at.place == inRestorer})
		}
	}
	if len(tasks) == 0 {
		return nil, false, fmt.Errorf("store %s: %w: no task of sub-topology %d", store, ErrNotHere, sub)
	}
	slices.SortFunc(tasks, func(a, b LocalTask) int { return compareTasks(a.ID, b.ID) })
	return tasks, false, nil
}

// subOfStore is the sub-topology of a store that is not a global one.
func (a *App) subOfStore(store string) (sub int, global bool, err error) {
	for _, g := range a.prog.Topology.Globals {
		if g.Store.Name == store {
			return 0, true, nil
		}
	}
	for _, s := range a.prog.Topology.Subtopologies {
		for _, have := range s.Stores {
			if have.Name == store {
				return s.ID, false, nil
			}
		}
	}
	return 0, false, fmt.Errorf("store %s: %w", store, ErrNoStore)
}

// current is the process, when it has everything.
func (a *App) current() *process {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running == nil || !a.running.up {
		return nil
	}
	return a.running
}

// located is where a task was when the manager had last done something.
type located struct {
	task    *runningTask
	place   place
	worker  *worker
	standby bool
}

// placed is where tasks are. Whoever goes there may find that the task has left.
func (m *manager) placed() map[TaskID]located {
	if at := m.places.Load(); at != nil {
		return *at
	}
	return nil
}

// publish tells queries where tasks are. It follows everything that moves one.
func (m *manager) publish() {
	at := make(map[TaskID]located, len(m.tasks)+len(m.standbys.tasks))
	for id, t := range m.standbys.tasks {
		at[id] = located{t, t.place, t.worker, true}
	}
	for id, t := range m.tasks {
		at[id] = located{t, t.place, t.worker, t.standby}
	}
	m.places.Store(&at)
}

// errMoved tells that a task was not where it was looked for.
var errMoved = errors.New("the task has moved")

// movedWait is how long a query looks for a task that is on its way from one place in the process to another.
const movedWait = 200 * time.Millisecond

// Read runs f with a task of this process that has a store, when it is what ask allows: in the worker that runs it, between
// two records, or in the restorer. f sees what was processed, and what is cached too. It must not wait for another query.
//
// The answer of a task that leaves meanwhile is ErrNotHere. When ctx is done f has not begun, or has ended.
func (a *App) Read(ctx context.Context, store string, id TaskID, ask *Ask, f func(Task) error) (Seen, error) {
	if err := a.checkInputs(store, id, ask.AtLeast); err != nil {
		return Seen{}, err
	}
	began := a.clk.Now()
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		seen, err := a.try(ctx, store, id, ask, f)
		past := a.clk.Now().Sub(began)
		switch {
		case errors.Is(err, errMoved) && past >= movedWait:
			return seen, fmt.Errorf("store %s, task %s: %w", store, id, ErrNotHere)
		case errors.Is(err, ErrBehind) && past < ask.Wait, errors.Is(err, errMoved):
		default:
			return seen, err
		}
		if !pause(ctx, wait) {
			return seen, ctx.Err()
		}
	}
}

// checkInputs refuses positions in topics that the task does not read: no record of theirs ever shows in its stores.
func (a *App) checkInputs(store string, id TaskID, at map[TopicPartition]int64) error {
	for tp := range at {
		if of, ok := a.taskOf(TopicPartition{tp.Topic, id.Partition}); !ok || of.Subtopology != id.Subtopology {
			return fmt.Errorf("store %s is not made of topic %s: its sub-topology, %d, does not read it", store, tp.Topic, id.Subtopology)
		}
	}
	return nil
}

func (a *App) try(ctx context.Context, store string, id TaskID, ask *Ask, f func(Task) error) (seen Seen, err error) {
	p := a.current()
	if p == nil {
		return seen, fmt.Errorf("store %s: %w: the app does not run", store, ErrNotHere)
	}
	at, here := p.manager.placed()[id]
	switch {
	case !here:
		return seen, fmt.Errorf("store %s, task %s: %w", store, id, ErrNotHere)
	case at.place == inTransit:
		return seen, errMoved
	case at.place == inRestorer && !ask.Copies && at.standby:
		return seen, fmt.Errorf("store %s, task %s: %w: a standby is, which lags behind", store, id, ErrNotHere)
	case at.place == inRestorer && !ask.Copies:
		return seen, fmt.Errorf("store %s, task %s: %w: it is being restored", store, id, ErrNotHere)
	case at.place == inRestorer:
		return p.readCopy(ctx, store, at.task, ask, f)
	}
	err = at.worker.ask(ctx, at.task, func(t *runningTask) error {
		if ask.Position || len(ask.AtLeast) > 0 {
			seen.Position = t.position()
		}
		if tp, ok := reached(id, seen.Position, ask.AtLeast); !ok {
			return fmt.Errorf("store %s, task %s: %w: it has processed %s up to offset %d, not %d", store, id, ErrBehind,
				tp.Topic, seen.Position[tp], ask.AtLeast[tp])
		}
		return f(t.task)
	})
	return seen, err
}

// reached tells whether a task's position is at least another one, and if not, where.
func reached(id TaskID, at, want map[TopicPartition]int64) (TopicPartition, bool) {
	for tp, offset := range want {
		if have, ok := at[tp]; tp.Partition == id.Partition && (!ok && offset >= 0 || have < offset) {
			return tp, false
		}
	}
	return TopicPartition{}, true
}

// position is the offset of the last record that was processed of each input; -1 where there was none. The holder's.
func (t *runningTask) position() map[TopicPartition]int64 {
	at := make(map[TopicPartition]int64, len(t.inputs))
	for tp, f := range t.inputs {
		next := max(f.from.Offset, t.task.Next(tp))
		if n, _ := t.task.Buffered(tp); n == 0 {
			next = max(next, f.polled)
		}
		at[tp] = max(next, 0) - 1
	}
	return at
}

// ReadGlobal runs f with a global store when it has seen what ask says. What f sees is of the position at least that Seen
// has.
func (a *App) ReadGlobal(ctx context.Context, store string, ask *Ask, f func(store any) error) (seen Seen, err error) {
	var topics []string
	for _, g := range a.prog.Topology.Globals {
		if g.Store.Name == store {
			topics = g.Source.Topics
		}
	}
	for tp := range ask.AtLeast {
		if !slices.Contains(topics, tp.Topic) {
			return seen, fmt.Errorf("store %s is not made of topic %s", store, tp.Topic)
		}
	}
	began := a.clk.Now()
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		seen, err = a.tryGlobal(store, topics, ask, f)
		if !errors.Is(err, ErrBehind) || a.clk.Now().Sub(began) >= ask.Wait {
			return seen, err
		}
		if !pause(ctx, wait) {
			return seen, ctx.Err()
		}
	}
}

func (a *App) tryGlobal(store string, topics []string, ask *Ask, f func(store any) error) (seen Seen, err error) {
	p := a.current()
	if p != nil {
		p.reading.RLock() // the stores are closed when nobody reads them
		defer p.reading.RUnlock()
	}
	if p == nil || p != a.current() {
		return seen, fmt.Errorf("global stores: %w: the app does not run", ErrNotHere)
	}
	seen.Position = map[TopicPartition]int64{}
	for tp, next := range p.globals.global.Reached() {
		if slices.Contains(topics, tp.Topic) {
			seen.Position[tp] = next - 1
		}
	}
	for tp, offset := range ask.AtLeast {
		if have, ok := seen.Position[tp]; !ok && offset >= 0 || have < offset {
			return seen, fmt.Errorf("store %s: %w", store, ErrBehind)
		}
	}
	return seen, p.globals.global.Read(store, func(s any) error { return safely(func() error { return f(s) }) })
}

// Stores are the stores of the topology with their tasks that run here.
func (a *App) Stores() map[string][]TaskID {
	out := map[string][]TaskID{}
	for _, s := range a.prog.Topology.Stores() {
		out[s.Name] = nil
		tasks, _, _ := a.StoreTasks(s.Name) // not here: no tasks
		for _, t := range tasks {
			if !t.Standby && !t.Restoring {
				out[s.Name] = append(out[s.Name], t.ID)
			}
		}
	}
	return out
}
