package bench

import (
	"context"
	"testing"
	"time"
)

// What is due does not depend on when it is asked for: a caller that was held up is charged for it.
func TestDueTimesDoNotMove(t *testing.T) {
	start := time.Now().Add(-time.Second)
	p := newPacer(start, 1000)
	for i := range 500 {
		due, err := p.next(context.Background())
		if want := start.Add(time.Duration(i) * time.Millisecond); err != nil || !due.Equal(want) {
			t.Fatalf("record %d is due at %v, want %v (%v)", i, due, want, err)
		}
	}
}

func TestWaitingHearsInterruptions(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := newPacer(time.Now().Add(time.Hour), 1)
	cancel()
	if _, err := p.next(ctx); err == nil {
		t.Error("no error")
	}
}

func TestPayloads(t *testing.T) {
	p := newPayloads(100, 1)
	for range 1000 {
		if v := p.next(); len(v) != 100 || cap(v) != 100 {
			t.Fatalf("a value of %d bytes, capacity %d", len(v), cap(v))
		}
	}
	if v := newPayloads(0, 1).next(); len(v) != 0 {
		t.Errorf("%d bytes", len(v))
	}
}
