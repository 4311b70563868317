package streams

import (
	"context"
	"sync"

	"leat.dev/streams/internal/engine"
)

// Close ends Run as its ctx does, and waits until Run is through, or ctx is done. l says what becomes of the membership in the
// group; LeaveIfDynamic leaves that to [OnClose]. Of an app that does not run it is nothing.
func (a *App) Close(ctx context.Context, l Leaving) error {
	done := a.closing.end(func() {
		if l != LeaveIfDynamic {
			a.engine.SetLeaving(engine.Leaving(l))
		}
	})
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closing lets Close end Run.
type closing struct {
	mu     sync.Mutex
	cancel context.CancelFunc
	done   chan struct{}
}

func (c *closing) begin(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		return ctx, cancel // a second Run, which is refused
	}
	c.cancel, c.done = cancel, done
	return ctx, func() {
		cancel()
		close(done)
	}
}

// end gives what is closed when Run has ended, nil when it never began.
func (c *closing) end(before func()) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		before()
		c.cancel()
	}
	return c.done
}
