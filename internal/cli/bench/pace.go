package bench

import (
	"context"
	"time"
)

// pacer says when each record is due. Without a rate every record is due at once.
type pacer struct {
	start time.Time
	gap   float64 // nanoseconds between records; 0 for none
	n     int64
}

func newPacer(start time.Time, rate float64) *pacer {
	p := &pacer{start: start}
	if rate > 0 {
		p.gap = float64(time.Second) / rate
	}
	return p
}

// next waits until the next record is due and returns that time. If the caller is behind it does not wait, and the
// due time lies in the past: what holds up one record is charged to all that should have been sent meanwhile.
func (p *pacer) next(ctx context.Context) (due time.Time, err error) {
	if p.gap == 0 {
		return time.Now(), ctx.Err()
	}
	due = p.start.Add(time.Duration(float64(p.n) * p.gap))
	p.n++
	// Long waits must hear an interruption; short ones must be exact.
	const coarse = 20 * time.Millisecond
	if wait := time.Until(due); wait > coarse {
		timer := time.NewTimer(wait - coarse/2)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return due, ctx.Err()
		}
	}
	if wait := time.Until(due); wait > 0 {
		sleep(wait)
	}
	return due, ctx.Err()
}
