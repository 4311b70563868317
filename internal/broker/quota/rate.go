package quota

import (
	"math"
	"time"
)

// Window is how a rate is measured: over the last Samples windows of Size each (quota.window.num and
// quota.window.size.seconds, 11 and 1 s in Kafka).
type Window struct {
	Samples int
	Size    time.Duration
}

// full is the time after which nothing that was recorded counts any more.
func (w Window) full() int64 { return int64(w.Samples+1) * w.Size.Milliseconds() }

// Rate is an amount per second over a sliding window. Its zero value is ready. The sum of the samples is divided by the
// time since the oldest began, but by no less than all windows except the current one: a client that has just come may
// burst up to that.
type Rate struct {
	samples []sample
	current int
}

// sample is what came within one window. Times are Unix milliseconds.
type sample struct {
	sum         float64
	begun, last int64
}

// Add records an amount.
func (r *Rate) Add(w Window, amount float64, now int64) {
	if len(r.samples) == 0 {
		r.samples = append(r.samples, sample{begun: now, last: now})
	}
	s := &r.samples[r.current]
	if now-s.begun >= w.Size.Milliseconds() {
		// One more than the window has, because the oldest usually reaches into it only in part.
		r.current = (r.current + 1) % (w.Samples + 1)
		if r.current >= len(r.samples) {
			r.samples = append(r.samples, sample{})
		}
		s = &r.samples[r.current]
		*s = sample{begun: now}
	}
	s.sum += amount
	s.last = now
}

// Measure is the amount per second, and the time it was measured over in milliseconds.
func (r *Rate) Measure(w Window, now int64) (perSecond float64, over int64) {
	size := w.Size.Milliseconds()
	if len(r.samples) == 0 {
		r.samples = append(r.samples, sample{begun: now, last: now})
	}
	sum, oldest := 0.0, int64(math.MaxInt64)
	for i := range r.samples {
		s := &r.samples[i]
		if now-s.last >= int64(w.Samples)*size {
			*s = sample{begun: now, last: now}
		}
		sum += s.sum
		oldest = min(oldest, s.begun)
	}
	over = now - oldest
	if missing := int64(w.Samples-1) - over/size; missing > 0 {
		over += missing * size
	}
	over = max(over, 1)
	return sum / (float64(over) / 1000), over
}

// Throttle is how many milliseconds nothing may come so that the rate falls to the limit; 0 if it is not above it.
func (r *Rate) Throttle(w Window, limit float64, now int64) int64 {
	rate, over := r.Measure(w, now)
	if rate <= limit {
		return 0
	}
	return round((rate - limit) / limit * float64(over))
}

// round is Java's Math.round, bounded to what throttle_time_ms can hold.
func round(ms float64) int64 {
	if !(ms < math.MaxInt32) {
		return math.MaxInt32
	}
	return int64(math.Floor(ms + 0.5))
}

// TokenBucket fills at the rate of its limit, up to what the whole window allows, and may be drawn below zero once
// (KIP-599). Its zero value is full.
type TokenBucket struct {
	tokens float64
	filled int64
}

// Tokens is how much the bucket holds now.
func (b *TokenBucket) Tokens(w Window, limit float64, now int64) float64 {
	size := float64(w.Size.Milliseconds()) / 1000
	burst := float64(w.Samples) * size * limit
	b.tokens = min(burst, b.tokens+limit*(float64(now-b.filled)/1000))
	b.filled = now
	return b.tokens
}

// Take draws an amount, whether it is there or not.
func (b *TokenBucket) Take(w Window, limit, amount float64, now int64) {
	b.Tokens(w, limit, now)
	burst := float64(w.Samples) * (float64(w.Size.Milliseconds()) / 1000) * limit
	b.tokens = min(burst, b.tokens-amount)
}

// Throttle is how many milliseconds it takes until the bucket is not below zero; 0 if it is not.
func (b *TokenBucket) Throttle(w Window, limit float64, now int64) int64 {
	if t := b.Tokens(w, limit, now); t < 0 {
		return round(-t / limit * 1000)
	}
	return 0
}
