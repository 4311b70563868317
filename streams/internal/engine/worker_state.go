package engine

import (
	"context"
	"errors"
	"fmt"
)

// broken finds the task of this worker whose state gave an error by the disk's doing.
func (w *worker) broken(err error) *runningTask {
	id, ok := ofDisk(err)
	if !ok {
		return nil
	}
	for _, t := range w.tasks {
		if t.id.String() == id {
			return t
		}
	}
	return nil
}

// lose gives up one task whose state failed: it is closed, and made anew by the restorer, when the disk lets it. The others
// go on. Under exactly-once that is so only between two transactions; in one, what it did cannot be told from what the
// others did, and all go back to what was committed last.
func (w *worker) lose(ctx context.Context, t *runningTask, cause error) {
	a := w.p.app
	w.p.restorer.note(t.id, cause)
	if w.out != nil && w.out.inTxn {
		w.crash(ctx, &resetError{err: fmt.Errorf("task %s: %w", t.id, withoutTask(cause))})
		return
	}
	if w.out != nil { // its restore is to find all that it wrote
		limit, cancel := context.WithTimeout(ctx, patience)
		err := w.out.client.Flush(limit)
		cancel()
		if err != nil {
			w.crash(ctx, &resetError{err: fmt.Errorf("writing what was sent: %w", err)})
			return
		}
	}
	w.forget(t)
	a.met.aborts.Inc()
	if err := t.release(false); err != nil {
		a.log.Debug("closing a task failed", "task", t.id.String(), "error", err) // it was said why
	}
	if !w.p.manager.do(func() { w.p.manager.reset(w, []*runningTask{t}) }) {
		w.p.manager.finish(t, nil)
	}
}

// withoutTask keeps the text of an error, and not which task it is of.
func withoutTask(err error) error { return errors.New(err.Error()) }
