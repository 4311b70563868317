package logdir

import (
	"sync"
	"time"

	"leat.dev/internal/base/clock"
)

// paceStep bounds one wait, so that a compaction notices soon that it should end, or that the rate has changed.
const paceStep = 100 * time.Millisecond

// pace keeps all cleaner threads together to a rate: who reads or writes makes a debt, which is paid off at the rate, and
// everybody waits while there is any.
type pace struct {
	clock clock.Clock

	mu   sync.Mutex
	rate float64 // bytes per second; 0 for no limit
	debt float64 // bytes, as of at
	at   time.Time
}

// setRate changes the rate. Zero, and what is below, is no limit.
func (p *pace) setRate(rate float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle()
	p.rate = max(rate, 0)
}

// settle takes off the debt what was paid since. mu is held.
func (p *pace) settle() {
	now := p.clock.Now()
	p.debt = max(0, p.debt-p.rate*now.Sub(p.at).Seconds())
	if p.rate == 0 {
		p.debt = 0
	}
	p.at = now
}

// pay waits for what the bytes cost. alive is asked between waits; its error ends them.
func (p *pace) pay(bytes int, alive func() error) error {
	for {
		p.mu.Lock()
		p.settle()
		if p.rate > 0 {
			p.debt += float64(bytes)
		}
		bytes = 0
		wait := paceStep
		if p.debt < p.rate*paceStep.Seconds() {
			wait = time.Duration(p.debt / max(p.rate, 1) * float64(time.Second))
		}
		owes := p.debt > 0
		p.mu.Unlock()
		if !owes {
			return nil
		}
		t := p.clock.NewTimer(max(wait, time.Microsecond))
		<-t.C()
		if err := alive(); err != nil {
			return err
		}
	}
}
