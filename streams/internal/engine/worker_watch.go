package engine

import (
	"sync/atomic"
	"time"
)

// hung is how long a worker may be in one round before it is reported, and then again each time it has doubled. Kafka's
// consumer leaves its group after max.poll.interval.ms (5 min); here nobody can take the task away from a function that does
// not return, so the instance says which it is instead.
const hung = 30 * time.Second

// watched is what the housekeeper sees of a worker that does not come back.
type watched struct {
	since atomic.Int64 // ms; 0: between two rounds
	task  atomic.Pointer[runningTask]
	next  time.Duration // report it then; the housekeeper's
}

// watch reports workers that are in one round for long.
func (p *process) watch() {
	var workers []*worker
	p.manager.call(func() { workers = append(append(workers, p.manager.workers...), p.manager.retired...) })
	n := 0
	for _, w := range workers {
		since := w.watched.since.Load()
		if since == 0 {
			w.watched.next = hung
			continue
		}
		took := time.Duration(p.app.now()-since) * time.Millisecond
		if took < hung {
			w.watched.next = hung
			continue
		}
		n++
		if took < w.watched.next {
			continue
		}
		w.watched.next = 2 * took
		task := "none: a commit or a message"
		if t := w.watched.task.Load(); t != nil {
			task = t.id.String()
		}
		p.app.log.Warn("a worker does not come back: a function of the program hangs, or the cluster does; its other tasks wait too",
			"worker", w.n, "task", task, "for", took.Round(time.Second))
	}
	p.app.met.hung.Set(float64(n))
}
