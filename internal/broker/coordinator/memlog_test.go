package coordinator

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"leat.dev/internal/wire/batch"
)

// memLog is a partition in memory whose appends fail and whose commits wait as a
// test wants.
type memLog struct {
	mu      sync.Mutex
	batches []batch.Batch
	end     int64
	hw      int64
	held    bool  // commits wait for release
	fail    error // of appends
	waiters []waiter
	appends int
}

type waiter struct {
	offset int64
	fn     func(error)
}

func (l *memLog) Append(b []byte, _ TxnAppend) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return 0, l.fail
	}
	one := slices.Clone(batch.Batch(b))
	one.SetBaseOffset(l.end)
	l.batches = append(l.batches, one)
	l.end = one.Header().NextOffset()
	l.appends++
	if !l.held {
		l.hw = l.end
	}
	return l.end - 1, nil
}

func (l *memLog) OnCommitted(offset int64, fn func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hw > offset {
		fn(nil)
		return
	}
	l.waiters = append(l.waiters, waiter{offset, fn})
}

// hold makes later appends wait for release.
func (l *memLog) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = true
}

// release commits everything appended so far.
func (l *memLog) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = false
	l.hw = l.end
	for _, w := range l.waiters {
		w.fn(nil)
	}
	l.waiters = nil
}

// lose tells all who wait that the partition is led elsewhere, and drops what was
// not committed.
func (l *memLog) lose(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.batches) > 0 && l.batches[len(l.batches)-1].Header().NextOffset() > l.hw {
		l.batches = l.batches[:len(l.batches)-1]
	}
	l.end = l.hw
	l.held = false
	for _, w := range l.waiters {
		w.fn(err)
	}
	l.waiters = nil
}

func (l *memLog) failAppends(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

// flip damages the last byte of the log, or repairs it.
func (l *memLog) flip() {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.batches[len(l.batches)-1]
	last[len(last)-1] ^= 1
}

func (l *memLog) appendCount() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.appends
}

func (l *memLog) ReadBytes(offset int64, maxBytes int) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []byte
	for _, b := range l.batches {
		if h := b.Header(); h.LastOffset() >= offset && (len(out) == 0 || len(out)+len(b) <= maxBytes) {
			out = append(out, b...)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("nothing there")
	}
	return out, nil
}

func (l *memLog) StartOffset() int64 { return 0 }

func (l *memLog) EndOffset() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// appendBatch puts a batch into the log as another broker wrote it.
func (l *memLog) appendBatch(t *testing.T, b batch.Batch) {
	t.Helper()
	if _, err := l.Append(b, TxnAppend{}); err != nil {
		t.Fatal(err)
	}
}
