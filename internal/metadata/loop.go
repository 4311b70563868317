package metadata

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.etcd.io/raft/v3"

	"leat.dev/internal/base/clock"
)

// retryAfter is the wait between attempts to write the metadata log again
// after the disk failed.
const retryAfter = time.Second

// runLoop is the raft loop: it owns the core and steps it with whatever comes.
// When the disk fails it drops the core, refuses operations, and starts a new
// one from disk as soon as the log can be written again.
func (n *Node) runLoop(c *core) {
	defer n.endLoop()
	tick := n.o.Clock.NewTimer(n.o.Tick)
	defer tick.Stop()
	err := n.guard(func() error { return errors.Join(c.start(), c.advance()) })
	for {
		if err == nil {
			n.announce(c)
			err = n.serve(c, tick)
		}
		if errors.Is(err, errStopped) {
			c.fail(ErrClosed)
			// Not needed to start again, but with it a start can tell whether
			// the log still has what was committed.
			if err := c.storage.saveState(); err != nil {
				n.o.Logger.Warn("writing the raft state failed", slog.Any("error", err))
			}
			return
		}
		n.o.Logger.Error("metadata log failed", slog.Any("error", err))
		c.fail(fmt.Errorf("%w: %w", ErrStorage, err))
		if !n.opened() {
			n.failure = err // Open is still waiting: let it say why
			return
		}
		if c, err = n.revive(c, err); err != nil {
			return
		}
		err = n.guard(func() error { return errors.Join(c.start(), c.advance()) })
	}
}

var errStopped = errors.New("stopped")

// announce tells Open that operations can run, or that another node leads.
func (n *Node) announce(c *core) {
	if !c.leading && c.leaderID == noNode {
		return
	}
	select {
	case <-n.ready:
	default:
		close(n.ready)
	}
}

// opened tells whether Open has returned, or returns without waiting.
func (n *Node) opened() bool {
	select {
	case <-n.ready:
		return true
	default:
		return len(n.o.Voters) > 1
	}
}

// serve steps the core until it fails or the node is closed.
func (n *Node) serve(c *core, tick clock.Timer) error {
	for {
		var err error
		select {
		case <-n.stop:
			return errStopped
		case op := <-n.ops:
			err = n.guard(func() error { n.runOps(c, op); return c.advance() })
		case m := <-n.messages:
			err = n.guard(func() error {
				if err := c.raw.Step(m); err != nil && !errors.Is(err, raft.ErrStepPeerNotFound) {
					n.o.Logger.Debug("raft message refused", slog.Any("error", err))
				}
				return c.advance()
			})
		case d := <-n.snapshots:
			err = n.guard(func() error { return c.finishSnapshot(d) })
		case ask := <-n.inspections:
			ask.done <- c.quorum()
		case <-tick.C():
			tick.Reset(n.o.Tick)
			err = n.guard(func() error { c.raw.Tick(); return c.advance() })
		}
		if err != nil {
			return err
		}
		c.maybeSnapshot()
		n.announce(c)
	}
}

// runOps runs op and whatever else waits, so that one fsync serves them all.
func (n *Node) runOps(c *core, op *operation) {
	for range opsQueue {
		c.run(op)
		select {
		case op = <-n.ops:
		default:
			return
		}
	}
	c.run(op)
}

// guard turns a panic of raft or of the state machine into an error: it stops
// the metadata, not the process.
func (n *Node) guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

// revive waits until the log can be written again, refusing operations in the
// meantime, and returns a core that starts from what the disk holds. What was
// published stays true: it had been flushed.
func (n *Node) revive(old *core, cause error) (*core, error) {
	retry := n.o.Clock.NewTimer(retryAfter)
	defer retry.Stop()
	for {
		select {
		case <-n.stop:
			return nil, errStopped
		case op := <-n.ops:
			op.done <- outcome{err: fmt.Errorf("%w: %w", ErrStorage, cause)}
		case <-n.messages:
		case ask := <-n.inspections:
			ask.done <- old.quorum()
		case <-n.snapshots:
			old.snapshotRunning = false
		case <-retry.C():
			retry.Reset(retryAfter)
			if old.snapshotRunning {
				continue // it would report to the wrong core
			}
			if n.o.Log.Offline() != nil && n.o.Log.Reopen() != nil {
				continue
			}
			c, err := openCore(n, old)
			if err != nil {
				cause = err
				continue
			}
			n.o.Logger.Info("metadata log is back")
			return c, nil
		}
	}
}

func (n *Node) endLoop() {
	close(n.loopDone)
	for {
		select {
		case op := <-n.ops:
			op.done <- outcome{err: ErrClosed}
			continue
		default:
		}
		return
	}
}
