package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// copies is what queries know of the copies here: standbys, and tasks that are being restored.
//
// A copy has no offsets of input. But a commit writes its changelogs before its offsets: whoever has applied a changelog to
// an end that was found after offsets were committed has all that those offsets stand for. A position is found so: first the
// group's offsets are fetched, then the ends of the changelogs; once the copy is there, the position is its own.
type copies struct {
	mu   sync.Mutex
	at   map[TaskID]*copyPosition
	ends map[TopicPartition]knownEnd
}

// copyPosition is a position and what proves it.
type copyPosition struct {
	task   *runningTask
	proven *proof // reached
	next   *proof // to be reached
	asked  time.Time
}

type proof struct {
	position map[TopicPartition]int64
	ends     map[TopicPartition]int64 // of the changelogs: where the copy must be
}

// reached tells whether a copy that has applied so much is there.
func (c *proof) reached(applied map[TopicPartition]int64) bool {
	for tp, end := range c.ends {
		if applied[tp] < end {
			return false
		}
	}
	return true
}

type knownEnd struct {
	end int64
	at  time.Time
}

// endsFresh is how long the end of a changelog is taken for what it was.
const endsFresh = 500 * time.Millisecond

// proofEvery is the least time between two questions to the cluster for the position of one copy.
const proofEvery = 20 * time.Millisecond

// readCopy is Read of a task that the restorer has.
func (p *process) readCopy(ctx context.Context, store string, t *runningTask, ask *Ask, f func(Task) error) (seen Seen, err error) {
	logs := p.storesOf(t.id)
	logged := false
	for _, s := range logs {
		logged = logged || s.Name == store
	}
	if !logged {
		return seen, fmt.Errorf("store %s, task %s: %w: it has no changelog, and so no copies", store, t.id, ErrNotHere)
	}
	applied, standby := p.restorer.applied(t)
	seen.Copy = true
	seen.Lag, err = p.copies.lag(ctx, p, applied, ask.LagMax >= 0)
	if err != nil {
		return seen, err
	}
	if ask.LagMax >= 0 && seen.Lag > ask.LagMax {
		return seen, fmt.Errorf("store %s, task %s: %w: the copy misses %d records of its changelogs", store, t.id, ErrBehind, seen.Lag)
	}
	if (ask.Position || len(ask.AtLeast) > 0) && standby {
		if seen.Position, err = p.copies.position(ctx, p, t, applied, slices.Collect(maps.Keys(logs)), ask.AtLeast); err != nil {
			return seen, err
		}
	}
	if tp, ok := reached(t.id, seen.Position, ask.AtLeast); !ok {
		return seen, fmt.Errorf("store %s, task %s: %w: the copy is not known to have seen offset %d of %s", store, t.id, ErrBehind, ask.AtLeast[tp], tp.Topic)
	}
	var taken atomic.Bool // by the restorer, or by who gives up
	ended := make(chan struct{})
	err = p.restorer.run(ctx, t, func(task Task) error {
		if !taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		defer close(ended)
		return safely(func() error { return f(task) })
	})
	if !taken.CompareAndSwap(false, true) {
		<-ended
		return seen, err
	}
	if err == ErrNotHere { //nolint:errorlint // as it is: what f returned is wrapped
		err = errMoved
	}
	return seen, err
}

// applied is how far a task in the restorer has come, by changelog; those that it had whole from the beginning are not in it.
func (r *restorer) applied(t *runningTask) (next map[TopicPartition]int64, standby bool) {
	r.mu.Lock()
	g := r.tasks[t]
	r.mu.Unlock()
	if g == nil {
		return nil, false
	}
	next = map[TopicPartition]int64{}
	for _, l := range g.shown() {
		next[l.tp] = l.next.Load()
	}
	return next, g.standbyNow.Load()
}

// lag is how many records are between what is applied and the ends of the changelogs.
func (c *copies) lag(ctx context.Context, p *process, applied map[TopicPartition]int64, must bool) (lag int64, err error) {
	ends, err := c.endsOf(ctx, p, slices.Collect(maps.Keys(applied)), endsFresh)
	if err != nil && must {
		return 0, err
	}
	for tp, next := range applied {
		lag += max(0, ends[tp]-next)
	}
	return lag, nil
}

// endsOf are the next offsets of changelogs, as they were no longer ago than fresh; with an error those that were known last.
func (c *copies) endsOf(ctx context.Context, p *process, tps []TopicPartition, fresh time.Duration) (map[TopicPartition]int64, error) {
	now := p.app.clk.Now()
	out := make(map[TopicPartition]int64, len(tps))
	var topics []string
	c.mu.Lock()
	for _, tp := range tps {
		known, ok := c.ends[tp]
		out[tp] = known.end
		if !ok || now.Sub(known.at) >= fresh {
			topics = append(topics, tp.Topic)
		}
	}
	c.mu.Unlock()
	if len(topics) == 0 {
		return out, nil
	}
	slices.Sort(topics)
	found, err := p.app.cluster.admin.ListEndOffsets(ctx, slices.Compact(topics)...)
	if err == nil {
		err = found.Error()
	}
	if err != nil {
		return out, fmt.Errorf("listing the ends of changelogs: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	found.Each(func(o kadm.ListedOffset) { c.ends[TopicPartition{o.Topic, o.Partition}] = knownEnd{o.Offset, now} })
	for _, tp := range tps {
		out[tp] = c.ends[tp].end
	}
	return out, nil
}

// position is that of a standby, found anew when it is not known to be what is wanted.
func (c *copies) position(ctx context.Context, p *process, t *runningTask, applied map[TopicPartition]int64, logs []TopicPartition, want map[TopicPartition]int64) (map[TopicPartition]int64, error) {
	now := p.app.clk.Now()
	c.mu.Lock()
	known := c.at[t.id]
	if known == nil || known.task != t {
		known = &copyPosition{task: t}
		c.at[t.id] = known
	}
	if known.proven != nil && !known.proven.reached(applied) { // it began anew
		known.proven = nil
	}
	if known.next != nil && known.next.reached(applied) {
		known.proven, known.next = known.next, nil
	}
	enough := false
	if known.proven != nil {
		_, enough = reached(t.id, known.proven.position, want)
	}
	if enough || known.next != nil || now.Sub(known.asked) < proofEvery {
		defer c.mu.Unlock()
		if known.proven == nil {
			return map[TopicPartition]int64{}, nil
		}
		return maps.Clone(known.proven.position), nil
	}
	known.asked = now
	c.mu.Unlock()

	next, err := c.prove(ctx, p, t.id, logs)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if next.reached(applied) {
		known.proven = next
	} else {
		known.next = next
	}
	if known.proven == nil {
		return map[TopicPartition]int64{}, nil
	}
	return maps.Clone(known.proven.position), nil
}

// prove finds what is committed of a task's inputs, and then the ends of its changelogs.
func (c *copies) prove(ctx context.Context, p *process, id TaskID, logs []TopicPartition) (*proof, error) {
	var inputs []TopicPartition
	for topic, sub := range p.app.subOf {
		if sub != id.Subtopology {
			continue
		}
		n, err := p.app.partitions(ctx, topic)
		if err != nil {
			return nil, err
		}
		if int(id.Partition) < n {
			inputs = append(inputs, TopicPartition{topic, id.Partition})
		}
	}
	committed, err := p.committedOffsets(ctx, inputs)
	if err != nil {
		return nil, fmt.Errorf("fetching the committed offsets of task %s: %w", id, err)
	}
	found := &proof{position: map[TopicPartition]int64{}, ends: map[TopicPartition]int64{}}
	for _, tp := range inputs {
		found.position[tp] = max(committed[tp].Offset, 0) - 1
	}
	ends, err := c.endsOf(ctx, p, logs, 0)
	if err != nil {
		return nil, err
	}
	for _, tp := range logs {
		end := ends[tp]
		if at, ok := committed[tp]; ok { // a source topic that is a changelog is applied as far as it was processed
			end = min(end, max(at.Offset, 0))
		}
		found.ends[tp] = end
	}
	return found, nil
}

// StoreLags are those of the stores of all tasks here that have a changelog.
func (a *App) StoreLags(ctx context.Context) ([]StoreLag, error) {
	p := a.current()
	if p == nil {
		return nil, fmt.Errorf("lags: %w: the app does not run", ErrNotHere)
	}
	var out []StoreLag
	var logs []TopicPartition
	for id, at := range p.manager.placed() {
		var applied map[TopicPartition]int64
		if at.place == inRestorer {
			applied, _ = p.restorer.applied(at.task)
		}
		for tp, s := range p.storesOf(id) {
			next, behind := applied[tp]
			if !behind { // it has everything
				next = -1
			}
			out = append(out, StoreLag{Store: s.Name, Task: id, Active: at.place != inRestorer, Current: next, log: tp})
			logs = append(logs, tp)
		}
	}
	ends, err := p.copies.endsOf(ctx, p, logs, 0)
	if err != nil {
		return nil, err
	}
	for i := range out {
		l := &out[i]
		l.End = ends[l.log]
		if l.Current < 0 {
			l.Current = l.End
		}
	}
	slices.SortFunc(out, func(a, b StoreLag) int { return compareTasks(a.Task, b.Task) })
	return out, nil
}
