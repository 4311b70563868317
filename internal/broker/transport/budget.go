package transport

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// Budget bounds the bytes of request frames held in memory by all connections together. Waiters are served in the
// order they came, so a large frame is not starved by small ones.
type Budget struct {
	size   int64
	sem    *semaphore.Weighted
	in     atomic.Int64
	waited atomic.Int64
}

// NewBudget returns a budget of size bytes.
func NewBudget(size int64) *Budget {
	return &Budget{size: size, sem: semaphore.NewWeighted(size)}
}

// Acquire waits for n bytes and returns what to release; a frame larger than the budget takes all of it.
func (b *Budget) Acquire(ctx context.Context, n int64) (int64, error) {
	if n = min(n, b.size); n == 0 {
		return 0, nil // without queueing behind those who wait
	}
	if !b.sem.TryAcquire(n) {
		b.waited.Add(1)
		if err := b.sem.Acquire(ctx, n); err != nil {
			return 0, err
		}
	}
	b.in.Add(n)
	return n, nil
}

// Release gives n bytes back.
func (b *Budget) Release(n int64) {
	if n == 0 {
		return
	}
	b.in.Add(-n)
	b.sem.Release(n)
}

// InUse is the number of bytes reserved now, Waits how often a frame had to wait for room.
func (b *Budget) InUse() int64 { return b.in.Load() }
func (b *Budget) Waits() int64 { return b.waited.Load() }
