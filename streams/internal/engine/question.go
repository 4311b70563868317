package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// A question is a query on its way to a worker. Who takes it first decides: the worker answers, or the asker has given up.
type question struct {
	task   *runningTask
	f      func(*runningTask) error
	taken  atomic.Bool
	answer chan error
}

// ask runs f with a task of the worker between two records. It gives errMoved when the worker does not have it.
func (w *worker) ask(ctx context.Context, t *runningTask, f func(*runningTask) error) error {
	q := &question{task: t, f: f, answer: make(chan error, 1)}
	w.mu.Lock()
	if w.down.Load() {
		w.mu.Unlock()
		return errMoved
	}
	w.questions = append(w.questions, q)
	w.asked.Store(true)
	w.mu.Unlock()
	w.poke()
	select {
	case err := <-q.answer:
		return err
	case <-w.done:
	case <-ctx.Done():
	}
	if !q.taken.CompareAndSwap(false, true) {
		return <-q.answer // it runs: what it writes is the asker's only when it has ended
	}
	if ctx.Err() != nil {
		return fmt.Errorf("task %s: %w: the worker did not come to answer", t.id, ctx.Err())
	}
	return errMoved
}

// answering runs f, which waits for the cluster and touches no task, and answers questions meanwhile.
func (w *worker) answering(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	woken := false
	for {
		select {
		case err := <-done:
			if woken { // by what else may have been posted
				w.poke()
			}
			return err
		case <-w.wake:
			woken = true
			if w.asked.Load() {
				w.answerAll()
			}
		}
	}
}

// answerEvery is how often a worker that has records to process looks for questions: between them it works.
const answerEvery = 100 * time.Microsecond

// answerSome answers what is asked, if the last answers were long enough ago.
func (w *worker) answerSome() {
	if now := w.p.app.clk.Now(); now.Sub(w.answered) >= answerEvery {
		w.answerAll()
	}
}

// answerAll answers what is asked now.
func (w *worker) answerAll() {
	w.mu.Lock()
	questions := w.questions
	w.questions = nil
	w.asked.Store(false)
	w.mu.Unlock()
	for _, q := range questions {
		if !q.taken.CompareAndSwap(false, true) {
			continue
		}
		if !q.task.ready || !w.has(q.task) {
			q.answer <- errMoved
			continue
		}
		q.answer <- safely(func() error { return q.f(q.task) })
	}
	w.answered = w.p.app.clk.Now()
}

// safely runs what calls the program's serdes: a panic of theirs is the query's, not the task's.
func safely(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the query panicked: %v\n%s", r, debug.Stack())
		}
	}()
	return f()
}
