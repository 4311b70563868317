package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"

	"leat.dev/streams/internal/topology"
)

// begin takes a task into the lane. It is opened when the orders of the moment are done, with others that came with it.
func (l *lane) begin(g *restoring) {
	l.tasks[g] = true
	g.standbyNow.Store(g.standby)
	if wait := l.r.delay(g.task.id); wait > 0 {
		l.later(g, wait)
		return
	}
	l.fresh = append(l.fresh, g)
}

// bounds are what a task has to know of the cluster before it is restored.
type bounds struct {
	starts, ends map[TopicPartition]int64
	limits       map[TopicPartition]int64 // committed offsets of source topics that are changelogs
}

// openFresh opens the tasks that came, and asks the cluster about all of them at once.
func (l *lane) openFresh() {
	fresh := l.fresh
	l.fresh = nil
	var asking []*restoring
	var topics []string
	var limited []TopicPartition // of standbys
	for _, g := range fresh {
		if err := l.open(g); err != nil {
			l.fail(g, err)
			continue
		}
		stores := l.r.p.storesOf(g.task.id)
		if len(stores) == 0 {
			l.settle(g)
			continue
		}
		for tp := range stores {
			topics = append(topics, tp.Topic)
			if g.standby && l.r.p.isSource(tp, g.task.id) {
				limited = append(limited, tp)
			}
		}
		asking = append(asking, g)
	}
	if len(asking) > 0 {
		slices.Sort(topics)
		l.ask(asking, slices.Compact(topics), limited)
	}
}

// ask finds out the bounds of changelogs.
func (l *lane) ask(tasks []*restoring, topics []string, limited []TopicPartition) {
	tickets := make([]int, len(tasks))
	for i, g := range tasks {
		g.asked++
		tickets[i] = g.asked
	}
	l.r.ends.Go(func() {
		var b bounds
		var err error
		b.starts, b.ends, err = l.r.p.bounds(l.r.ctx, topics)
		if err == nil && len(limited) > 0 {
			b.limits, err = l.r.committed(limited)
		}
		l.do(func() {
			for i, g := range tasks {
				if !l.tasks[g] || g.asked != tickets[i] {
					continue
				}
				if err != nil {
					l.fail(g, err)
					continue
				}
				l.plan(g, &b)
			}
		})
	})
}

// committed are the committed offsets of inputs, 0 where there are none.
func (r *restorer) committed(tps []TopicPartition) (map[TopicPartition]int64, error) {
	found, err := r.p.committedOffsets(r.ctx, tps)
	limits := map[TopicPartition]int64{}
	for _, tp := range tps {
		limits[tp] = max(0, found[tp].Offset)
	}
	return limits, err
}

// open makes the task on its state, which may be open from before.
func (l *lane) open(g *restoring) (err error) {
	p, t := l.r.p, g.task
	if t.st == nil {
		if err := l.r.clear(t.id); err != nil {
			return err
		}
		if t.st, err = p.db.Task(t.id.String()); err != nil {
			return err
		}
	}
	if t.env != nil { // of what it was before
		p.app.met.gone(t.env)
	}
	t.env = &taskEnv{app: p.app, id: t.id, ctx: p.ctx}
	if t.task, err = p.app.prog.NewTask(t.id, t.env, t.st, p.globals.global); err != nil {
		return err
	}
	t.sourceLogs = map[string]bool{}
	g.logs, g.applied, g.kept = map[TopicPartition]*restoreLog{}, 0, p.app.clk.Now()
	g.show(p.positionsOf(t)) // until the cluster has been asked
	if g.standby {
		return nil
	}
	return p.enter(t)
}

// plan says what is missing of each store. One whose changelog does not reach back to its state begins anew.
func (l *lane) plan(g *restoring, b *bounds) {
	p, t := l.r.p, g.task
	offsets := t.st.Offsets()
	var wipe []string
	var all []*restoreLog
	for tp, s := range p.storesOf(t.id) {
		log := &restoreLog{tp: tp, store: s.Name}
		start, end := b.starts[tp], b.ends[tp]
		if p.isSource(tp, t.id) { // the source topic is the changelog: no further than it was processed
			t.sourceLogs[tp.Topic] = true
			log.source, log.limit = true, b.limits[tp]
			if !g.standby { // whose inputs are its own
				if in := t.inputs[tp]; in != nil {
					log.limit = max(0, in.from.Offset)
				}
			}
			end = min(end, log.limit)
		}
		next, known := offsets[fmt.Sprintf("%s-%d", tp.Topic, tp.Partition)]
		switch {
		case !known:
			next = start
		case next < start || next > b.ends[tp]:
			wipe = append(wipe, s.Name)
			continue
		}
		log.first = next
		log.next.Store(next)
		log.end.Store(max(next, end))
		all = append(all, log)
		if next < end || g.standby {
			g.logs[tp] = log
		}
	}
	if len(wipe) > 0 {
		if err := l.wipe(g, wipe); err != nil {
			l.fail(g, err)
		}
		return
	}
	g.show(all)
	l.started(g)
	if len(g.logs) > 0 && (g.standby && l.quiet || g.missing() > 0) {
		l.enqueue(g)
		return
	}
	l.settle(g)
}

// show lets others see how far the stores are.
func (g *restoring) show(list []*restoreLog) { g.list.Store(&list) }

// positionsOf is how far the state of a task is, as it was committed.
func (p *process) positionsOf(t *runningTask) (list []*restoreLog) {
	offsets := t.st.Offsets()
	for tp, s := range p.storesOf(t.id) {
		log := &restoreLog{tp: tp, store: s.Name}
		log.next.Store(offsets[fmt.Sprintf("%s-%d", tp.Topic, tp.Partition)])
		log.end.Store(log.next.Load())
		list = append(list, log)
	}
	return list
}

// wipe empties stores, and opens the task again.
func (l *lane) wipe(g *restoring, stores []string) error {
	t := g.task
	if g.wiped {
		return errors.New("the state does not fit its changelogs, even when it was wiped")
	}
	g.wiped = true
	for _, store := range stores {
		l.r.p.app.log.Warn("the state of a store does not follow from its changelog and is read anew", "task", t.id.String(), "store", store)
		if err := t.st.Wipe(store); err != nil {
			return err
		}
	}
	err := errors.Join(t.st.Commit(nil, nil), t.task.Close(false))
	t.task = nil
	if err == nil {
		l.begin(g)
	}
	return err
}

// isSource tells whether a changelog is a source topic of its task.
func (p *process) isSource(tp TopicPartition, id TaskID) bool {
	of, ok := p.app.taskOf(tp)
	return ok && of == id
}

// enter gives a task that is to run its inputs and what was committed with them.
func (p *process) enter(t *runningTask) error {
	p.known(t)
	for _, tp := range t.order {
		if err := t.task.Add(tp, nil); err != nil { // inputs that a pattern found exist from here on
			return err
		}
		if from := t.inputs[tp].from; from.Metadata != "" {
			t.task.Resume(tp, from.Metadata)
		}
	}
	return nil
}

// known tells the task of inputs that do not exist: topics with fewer partitions than others of the sub-topology.
func (p *process) known(t *runningTask) {
	for topic, sub := range p.app.subOf {
		tp := TopicPartition{topic, t.id.Partition}
		if sub == t.id.Subtopology && t.inputs[tp] == nil {
			t.task.Known(tp, true)
		}
	}
}

// storesOf are the stores of a task that have a changelog, by its partition.
func (p *process) storesOf(id TaskID) map[TopicPartition]*topology.Store {
	out := map[TopicPartition]*topology.Store{}
	for _, s := range p.app.prog.Topology.Subtopologies {
		if s.ID != id.Subtopology {
			continue
		}
		for _, store := range s.Stores {
			if topic := store.Changelog(p.app.prog.ApplicationID); topic != "" {
				out[TopicPartition{topic, id.Partition}] = store
			}
		}
	}
	return out
}

// bounds are the first and the next offset of all partitions of topics. The next is that of the high watermark under
// exactly-once too: markers of transactions that are committed may still be on their way, and a restore waits for them.
func (p *process) bounds(ctx context.Context, topics []string) (starts, ends map[TopicPartition]int64, err error) {
	admin := p.app.cluster.admin
	list := func(f func(context.Context, ...string) (kadm.ListedOffsets, error)) (map[TopicPartition]int64, error) {
		out := map[TopicPartition]int64{}
		err := again(ctx, func() error {
			found, err := f(ctx, topics...)
			if err == nil {
				err = found.Error()
			}
			found.Each(func(o kadm.ListedOffset) { out[TopicPartition{o.Topic, o.Partition}] = o.Offset })
			return err
		})
		return out, err
	}
	if starts, err = list(admin.ListStartOffsets); err != nil {
		return nil, nil, fmt.Errorf("listing the first offsets of %v: %w", topics, err)
	}
	if ends, err = list(admin.ListEndOffsets); err != nil {
		return nil, nil, fmt.Errorf("listing the last offsets of %v: %w", topics, err)
	}
	return starts, ends, nil
}
