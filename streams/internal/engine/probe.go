package engine

import (
	"context"
	"slices"
	"sync"
	"time"
)

// prober lets the group assign anew when a movement can go on: where the leader said when, and as soon as a warm-up here is caught up.
type prober struct {
	mu      sync.Mutex
	at      int64 // ms since the epoch; 0: never
	warmups []TaskID
	told    chan struct{} // something of these is new; it holds one

	asked map[TaskID]*asked // the goroutine's
}

// asked says that the group heard of a warm-up's being caught up. A leader that knows of more records may not find it so:
// then it is told again, but with growing pauses.
type asked struct {
	next int64
	wait time.Duration
}

// A warm-up is looked at so often.
const warmupEvery = 200 * time.Millisecond

// askAgain is the pause before the group hears of the same warm-up again, at first.
const askAgain = 10 * time.Second

func newProber() *prober { return &prober{told: make(chan struct{}, 1), asked: map[TaskID]*asked{}} }

// tell takes what the leader said with an assignment.
func (b *prober) tell(at int64, warmups []TaskID) {
	b.mu.Lock()
	b.at, b.warmups = at, warmups
	b.mu.Unlock()
	select {
	case b.told <- struct{}{}:
	default:
	}
}

// work runs until ctx is done.
func (b *prober) work(ctx context.Context, p *process) {
	timer := p.app.clk.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(b.look(p))
		select {
		case <-ctx.Done():
			return
		case <-b.told:
		case <-timer.C():
		}
	}
}

// look calls for an assignment if one is due, and says when to look again.
func (b *prober) look(p *process) time.Duration {
	now := p.app.now()
	b.mu.Lock()
	at, warmups := b.at, b.warmups
	due := at > 0 && now >= at
	if due {
		b.at = 0
	}
	b.mu.Unlock()
	for id := range b.asked {
		if !slices.Contains(warmups, id) {
			delete(b.asked, id)
		}
	}
	var ready []TaskID
	if len(warmups) > 0 {
		ready = p.caughtUp(warmups)
	}
	for _, id := range ready {
		a := b.asked[id]
		if a == nil {
			a = &asked{wait: askAgain}
			b.asked[id] = a
		}
		if now >= a.next {
			due = true
			a.next, a.wait = now+a.wait.Milliseconds(), min(2*a.wait, time.Hour)
		}
	}
	if due {
		p.app.log.Info("the group is asked to assign anew", "warmups", len(ready), "probing", at > 0 && now >= at)
		p.group.changed()
	}
	switch {
	case len(warmups) > 0:
		return warmupEvery
	case at > now:
		return time.Duration(at-now) * time.Millisecond
	}
	return time.Hour
}

// caughtUp are those of the tasks whose state here misses no more than it may.
func (p *process) caughtUp(ids []TaskID) (ready []TaskID) {
	lag, open := map[TaskID]int64{}, map[TaskID]bool{}
	for _, s := range p.restorer.progress() {
		lag[s.Task] += s.Lag()
		open[s.Task] = true
	}
	for _, id := range ids {
		if open[id] && lag[id] <= p.app.prog.Settings.AcceptableLag {
			ready = append(ready, id)
		}
	}
	return ready
}
