package engine

import (
	"errors"
	"fmt"
	"time"

	"leat.dev/streams/internal/state"
)

// trouble is what the disk did to the state of a task. It concerns that task alone: it is closed, waits, and is opened
// again; state that is corrupt is removed before and comes back from the changelogs.
type trouble struct {
	tries  int
	last   time.Time
	until  time.Time
	remove bool
}

// Waits between tries to open a task whose state the disk refused.
const (
	troubleWaitMin = 500 * time.Millisecond
	troubleWaitMax = 30 * time.Second
	troubleForget  = 10 * time.Minute // after so long without another, the waits begin anew
)

// ofDisk tells whether an error is one of the state of a task, by the disk's doing, and names the task. What a program did
// wrong, such as a value that is too large, is none.
func ofDisk(err error) (task string, ok bool) {
	var where *state.Error
	if !errors.As(err, &where) {
		return "", false
	}
	for _, e := range []error{
		state.ErrOwned, state.ErrClosed, state.ErrIteratorExpired, state.ErrReadOnly, state.ErrPendingTooLarge, state.ErrTooLarge,
		state.ErrVersion, state.ErrLocked,
	} {
		if errors.Is(err, e) {
			return "", false
		}
	}
	return where.Task, true
}

// note remembers what the disk did to a task, and says in the log what to do about it.
func (r *restorer) note(id TaskID, err error) {
	r.mu.Lock()
	now := r.p.app.clk.Now()
	t := r.troubles[id]
	if t == nil || now.Sub(t.last) > troubleForget {
		t = &trouble{}
		r.troubles[id] = t
	}
	wait := min(troubleWaitMax, troubleWaitMin<<min(t.tries, 10))
	corrupt := errors.Is(err, state.ErrCorrupt)
	if corrupt && t.tries == 0 {
		wait = 0
	}
	t.tries++
	t.last, t.until, t.remove = now, now.Add(wait), t.remove || corrupt
	r.mu.Unlock()
	r.p.app.met.restore.troubles.WithLabelValues(kindOf(err)).Inc()
	log := r.p.app.log.With("task", id.String(), "retry_in", wait, "error", err)
	switch {
	case corrupt:
		log.Error("the state of a task is corrupt: it is removed and restored from its changelogs; look after the disk")
	case errors.Is(err, state.ErrNoSpace):
		log.Error("the disk is full: the task waits, and goes on where it was when there is space; free some on the disk of the state directory",
			"state_dir", r.p.app.prog.Settings.StateDir)
	default:
		log.Error("the state of a task cannot be used: the task waits and tries again; look after the disk", "state_dir", r.p.app.prog.Settings.StateDir)
	}
}

func kindOf(err error) string {
	switch {
	case errors.Is(err, state.ErrCorrupt):
		return "corrupt"
	case errors.Is(err, state.ErrNoSpace):
		return "no_space"
	}
	return "other"
}

// delay is how long a task has to wait before it is opened.
func (r *restorer) delay(id TaskID) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.troubles[id]; t != nil {
		return t.until.Sub(r.p.app.clk.Now())
	}
	return 0
}

// clear removes state that is known to be corrupt.
func (r *restorer) clear(id TaskID) error {
	r.mu.Lock()
	t := r.troubles[id]
	remove := t != nil && t.remove
	r.mu.Unlock()
	if !remove {
		return nil
	}
	if err := r.p.db.WipeTask(id.String()); err != nil {
		return err
	}
	r.mu.Lock()
	t.remove = false
	r.mu.Unlock()
	return nil
}

// well says that a task has everything: should the disk fail it again soon, its waits go on where they were.
func (r *restorer) well(id TaskID) {
	r.mu.Lock()
	t := r.troubles[id]
	again := t != nil
	if again && r.p.app.clk.Now().Sub(t.last) > troubleForget {
		delete(r.troubles, id)
	}
	r.mu.Unlock()
	if again {
		r.p.app.log.Info("the state of a task can be used again", "task", id.String())
	}
}

// later opens a task after a while.
func (l *lane) later(g *restoring, wait time.Duration) {
	g.asked++
	ticket := g.asked
	g.waiting.Store(true)
	l.r.ends.Go(func() {
		if !pause(l.r.ctx, wait) {
			return
		}
		l.do(func() {
			if l.tasks[g] && g.asked == ticket {
				g.waiting.Store(false)
				l.fresh = append(l.fresh, g)
			}
		})
	})
}

// fail closes a task whose state the disk fails, for a while. Any other error ends the process: what keeps a task from being
// restored keeps it from everywhere.
func (l *lane) fail(g *restoring, err error) {
	t := g.task
	closeErr := l.shut(g)
	if _, ok := ofDisk(err); ok {
		l.r.note(t.id, err)
		l.begin(g)
		return
	}
	l.stopped(g)
	l.leave(g)
	l.r.p.manager.finish(t, closeErr)
	l.r.p.fail(fmt.Errorf("restoring task %s: %w%s", t.id, err, advice(err)))
}

// shut closes a task and its state, and goes on with nothing of it.
func (l *lane) shut(g *restoring) error {
	g.asked++
	l.unfollow(g)
	g.logs = nil
	g.list.Store(nil)
	return g.task.release(false)
}
