package transport

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// What this file is about: connections of clients that nobody knows yet. They get little memory, little time, and a
// bounded number of places.

// waiting lists the connections in a handshake or restricted, those of each address the oldest first.
type waiting struct {
	most int

	mu    sync.Mutex
	count int
	came  uint64
	by    map[netip.Prefix]*list.List // of *waitingConn; none is empty
}

type waitingConn struct {
	conn  *Conn
	came  uint64        // in what order
	place *list.Element // nil while it is not listed
	timer *time.Timer
}

// add lists a connection; if there are too many then, it returns one that is to be dropped: the oldest of the address
// that has the most. A crowd from one place keeps out only its own.
func (w *waiting) add(e *waitingConn) (displaced *Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.place != nil {
		return nil
	}
	if w.count >= w.most {
		if victim := w.largest(); victim != nil {
			displaced = victim.conn
			w.unlink(victim)
		}
	}
	if w.by == nil {
		w.by = map[netip.Prefix]*list.List{}
	}
	w.came++
	e.came = w.came
	key := network(e.conn.remote.Addr())
	if w.by[key] == nil {
		w.by[key] = list.New()
	}
	e.place = w.by[key].PushBack(e)
	w.count++
	return displaced
}

// largest is the oldest connection of the address with the most; of several such addresses the oldest of all.
func (w *waiting) largest() (victim *waitingConn) {
	most := 0
	for _, l := range w.by {
		first := l.Front().Value.(*waitingConn)
		if l.Len() > most || l.Len() == most && first.came < victim.came {
			most, victim = l.Len(), first
		}
	}
	return victim
}

// remove takes a connection off the list.
func (w *waiting) remove(e *waitingConn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.place != nil {
		w.unlink(e)
	}
}

func (w *waiting) unlink(e *waitingConn) {
	key := network(e.conn.remote.Addr())
	l := w.by[key]
	l.Remove(e.place)
	if e.place = nil; l.Len() == 0 {
		delete(w.by, key)
	}
	w.count--
}

func (w *waiting) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// errHandshake ends a connection whose client does not get through the TLS handshake.
var errHandshake = errors.New("TLS handshake failed")

// welcome brings the connection to where requests can be read: it does the TLS handshake and tells the handler.
func (c *Conn) welcome() error {
	if t, ok := c.nc.(*tls.Conn); ok {
		c.stranger()
		ctx, cancel := context.WithTimeout(c.server.ctx, c.server.opts.AuthTimeout)
		err := t.HandshakeContext(ctx)
		cancel()
		if err != nil {
			c.server.stats.handshakes.Add(1)
			// At debug: anybody can make us write this line.
			c.server.opts.Logger.Debug("TLS handshake failed", "remote", c.remote, "listener", c.listener, "err", err)
			return fmt.Errorf("%w: %w", errHandshake, err)
		}
		state := t.ConnectionState()
		c.TLS = &state
	}
	if err := c.server.opts.Handler.Welcome(c); err != nil {
		return err
	}
	if !c.restricted.Load() {
		c.trusted()
	}
	return nil
}

// Restrict says that the client has to authenticate: until Trust, frames are small, come out of a budget of their own,
// and all of it must be over within AuthTimeout. It is called in Welcome.
func (c *Conn) Restrict() {
	c.stranger()
	c.restricted.Store(true)
	c.strange.timer = time.AfterFunc(c.server.opts.AuthTimeout, func() {
		c.server.stats.refused.Add(1)
		c.server.opts.Logger.Debug("client took too long to authenticate", "remote", c.remote, "listener", c.listener)
		c.shut()
	})
}

// Trust ends the restriction. The worker calls it before it answers.
func (c *Conn) Trust() {
	c.raw.Store(false)
	c.restricted.Store(false)
	c.trusted()
	// The reader has gone on to wait for the next request, without a deadline of its own.
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.draining && c.server.opts.IdleTimeout > 0 {
		_ = c.nc.SetReadDeadline(time.Now().Add(c.server.opts.IdleTimeout))
	}
}

// Raw says that the next frames are bare tokens.
func (c *Conn) Raw() { c.raw.Store(true) }

// closeSocket closes the connection without TLS's farewell, which may have to wait for the client.
func (c *Conn) closeSocket() {
	if t, ok := c.nc.(*tls.Conn); ok {
		t.NetConn().Close()
		return
	}
	c.nc.Close()
}

// sayGoodbye tells a TLS client that the end is meant and not an attacker's doing.
func (c *Conn) sayGoodbye() {
	if t, ok := c.nc.(*tls.Conn); ok && c.TLS != nil {
		_ = t.CloseWrite()
	}
}

func (c *Conn) stranger() {
	c.strange.conn = c
	if old := c.server.waiting.add(&c.strange); old != nil {
		c.server.stats.refused.Add(1)
		old.shut()
	}
}

func (c *Conn) trusted() {
	if c.strange.timer != nil {
		c.strange.timer.Stop()
	}
	c.server.waiting.remove(&c.strange)
}

func (c *Conn) maxFrame() int {
	if c.restricted.Load() {
		return min(c.server.opts.MaxRestrictedBytes, c.server.opts.MaxRequestBytes)
	}
	return c.server.opts.MaxRequestBytes
}

// strangerFree is the size up to which frames of restricted connections need no room in their budget. What nearly all
// clients send to authenticate fits, so that strangers who reserve memory and send nothing keep none of them waiting;
// the number of places bounds what all of them take.
const strangerFree = 16 << 10

func strangerNeeds(size int) int64 {
	if size <= strangerFree {
		return 0
	}
	return int64(size)
}

// awaitIdle waits until no call is open.
func (c *Conn) awaitIdle() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.open > 0 && !c.closed && !c.draining {
		c.idle.Wait()
	}
	if c.closed || c.draining {
		return errClosing
	}
	return nil
}

// readToken reads a frame without a request header and hands it to the worker.
func (c *Conn) readToken(size int) error {
	if size < 0 || size > c.maxFrame() {
		return fmt.Errorf("%w: token of %d bytes", errBadFrame, size)
	}
	if err := c.server.opts.Handler.Gate(c, RawToken, 0); err != nil {
		return err
	}
	call, err := c.admit(Plain)
	if err != nil {
		return err
	}
	c.r += 4
	call.Key, call.Version, call.Flexible = RawToken, 0, false
	call.budget = c.server.strangers
	if call.reserved, err = call.budget.Acquire(c.ctx, c.remote.Addr(), strangerNeeds(size)); err != nil {
		c.finish(call)
		return errClosing
	}
	frame, err := c.readBody(call, size)
	if err != nil {
		c.finish(call)
		return err
	}
	call.Received = c.server.opts.Clock.Now()
	call.Body = frame
	c.server.stats.bytesIn.Add(int64(size) + 4)
	c.queue <- call
	return nil
}
