package engine

import (
	"context"
	"fmt"
	"slices"
)

// onDisk adds the sums of tasks whose state the process has, but not the restorer.
func (r *restorer) onDisk(sums map[TaskID]int64) {
	list, err := r.p.db.Tasks()
	if err != nil {
		r.p.app.log.Warn("listing the tasks with state failed", "error", err)
		return
	}
	for _, info := range list {
		var id TaskID
		if n, err := fmt.Sscanf(info.ID, "%d_%d", &id.Subtopology, &id.Partition); err != nil || n != 2 {
			continue // not of a task: global stores
		}
		if len(r.p.storesOf(id)) == 0 {
			continue
		}
		if info.Owned {
			sums[id] = runningSum
			continue
		}
		sums[id] = r.kept(id)
	}
}

// kept is the sum of the offsets of a task that nobody has open.
func (r *restorer) kept(id TaskID) (sum int64) {
	offsets, err := r.p.db.Offsets(id.String())
	if err != nil {
		r.p.app.log.Warn("reading the offsets of a task's state failed", "task", id.String(), "error", err)
		return 0
	}
	for tp := range r.p.storesOf(id) {
		sum += offsets[fmt.Sprintf("%s-%d", tp.Topic, tp.Partition)]
	}
	return sum
}

// standby finds a task that is kept here for another process.
func (r *restorer) standby(id TaskID) *runningTask {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t, g := range r.tasks {
		if t.id == id && g.standbyNow.Load() {
			return t
		}
	}
	return nil
}

// OnStandby runs f where a standby is kept up to date, between two batches of its changelogs. f sees what was applied so
// far, and must not wait for another query. It is ErrNotHere when the task is no standby of this process.
func (a *App) OnStandby(ctx context.Context, id TaskID, f func(Task) error) error {
	gone := fmt.Errorf("task %s: %w", id, ErrNotHere)
	p := a.current()
	if p == nil {
		return gone
	}
	t := p.restorer.standby(id)
	if t == nil {
		return gone
	}
	return p.restorer.run(ctx, t, f)
}

// StandbyLag is how many records the store of a standby is behind its changelog, by task; only those of this process.
func (a *App) StandbyLag(store string) map[TaskID]int64 {
	out := map[TaskID]int64{}
	p := a.current()
	if p == nil {
		return out
	}
	for _, s := range p.restorer.progress() {
		if s.Standby && s.Store == store {
			out[s.Task] = s.Lag()
		}
	}
	return out
}

// Standbys are the tasks that this process keeps for others.
func (a *App) Standbys() []TaskID {
	p := a.current()
	if p == nil {
		return nil
	}
	r := p.restorer
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []TaskID
	for t, g := range r.tasks {
		if g.standbyNow.Load() {
			ids = append(ids, t.id)
		}
	}
	slices.SortFunc(ids, compareTasks)
	return ids
}

// ids are the tasks that the restorer has, open or not.
func (r *restorer) ids() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := map[string]bool{}
	for t := range r.tasks {
		ids[t.id.String()] = true
	}
	return ids
}
