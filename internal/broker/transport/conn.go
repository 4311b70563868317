package transport

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// readAhead is the size of a connection's own read buffer. It is all the memory an idle connection holds; small
// requests are read whole with one system call, of larger ones the rest goes straight into the frame.
const readAhead = 512

// Requests other than pipelined ones, whose data stays in the frame, are decoded into structures that take several
// times the frame's size. Frames above smallFrame count for decodedWeight times their size, and none may be larger than
// maxDecoded, which is far above what the longest list of partitions or members needs.
const (
	smallFrame    = 16 << 10
	decodedWeight = 8
	maxDecoded    = 16 << 20
)

// disconnectGrace is how long a request in progress may go on after its client went away: what a client sent before
// it closed, such as leaving a group, is to be carried out.
const disconnectGrace = 2 * time.Second

// maxIdleCalls bounds the calls kept for reuse by one connection.
const maxIdleCalls = 8

// Conn is one client connection.
type Conn struct {
	server   *Server
	nc       net.Conn
	tcp      *net.TCPConn // nil if not TCP
	listener string
	remote   netip.AddrPort

	// Software is what the client said of itself in ApiVersions. Handlers set it on the worker.
	SoftwareName, SoftwareVersion string
	// Auth is the handler's own state of who the client is, set in Welcome. TLS is what the handshake came to, nil
	// without TLS.
	Auth any
	TLS  *tls.ConnectionState
	// Session is the handler's own state of this connection, used on the worker only.
	Session any

	ctx    context.Context // for plain requests; ends disconnectGrace after the client is gone
	cancel context.CancelFunc
	gone   chan struct{} // closed as soon as the client is gone
	goner  sync.Once

	queue chan *Call // to the worker; closed by the reader

	mu       sync.Mutex
	idle     *sync.Cond // signalled when open falls or a mute ends
	open     int        // calls between reading and the end of their response
	route    Route      // of the open calls; Pipelined ones never mix with others
	free     []*Call
	mutedTo  time.Time // no request is taken before; zero most of the time
	draining bool
	closed   bool

	// The reader's own.
	buf      [readAhead]byte
	r, w     int
	deadline time.Time
	lastID   string

	// How much of a frame has come, and since when it is being waited for (Unix nanoseconds, 0: it is not).
	arriving, arrivingSince atomic.Int64

	strange    waitingConn
	restricted atomic.Bool // the client has yet to authenticate
	raw        atomic.Bool // frames are tokens without a request header
	sender     sender
	closeOnce  sync.Once
}

func newConn(s *Server, listener string, nc net.Conn, remote netip.AddrPort) *Conn {
	c := &Conn{
		server: s, nc: nc, listener: listener, remote: remote,
		gone:  make(chan struct{}),
		queue: make(chan *Call, s.opts.MaxPipelined),
	}
	c.tcp, _ = nc.(*net.TCPConn) // not with TLS: sendfile would go around it
	c.idle = sync.NewCond(&c.mu)
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	c.sender.conn = c
	return c
}

// Listener is the name of the listener that accepted the connection.
func (c *Conn) Listener() string { return c.listener }

// RemoteAddr is the client's address.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote }

// Gone is closed as soon as the client has gone away or the server stops reading from it; long polls end then.
func (c *Conn) Gone() <-chan struct{} { return c.gone }

// drain ends reading; calls that are open are finished.
func (c *Conn) drain() {
	c.mu.Lock()
	c.draining = true
	c.idle.Broadcast()
	c.mu.Unlock()
	c.markGone()
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
}

// shut drops the connection.
func (c *Conn) shut() {
	c.mu.Lock()
	c.closed = true
	c.idle.Broadcast()
	c.mu.Unlock()
	c.markGone()
	c.cancel()
	c.closeOnce.Do(c.closeSocket)
}

func (c *Conn) markGone() { c.goner.Do(func() { close(c.gone) }) }

var (
	errClosing  = errors.New("connection is closing")
	errBadFrame = errors.New("malformed frame")
)

func (c *Conn) readLoop() {
	defer c.server.wg.Done()
	err := c.welcome()
	if err == nil {
		err = c.readFrames() // always for a reason
	}
	c.trusted()
	c.markGone()
	close(c.queue)
	if errors.Is(err, errBadFrame) || errors.As(err, new(*panicError)) {
		c.server.stats.broken.Add(1)
		if ok, skipped := c.server.complaints.room(time.Now()); ok {
			c.server.opts.Logger.Warn("closing connection", "remote", c.remote, "listener", c.listener, "err", err, "not_logged", skipped)
		}
		// Earlier requests still get their answers; what the worker does after them is close.
	}
	// Requests in progress may finish, but not forever.
	stop := c.server.opts.Clock.AfterFunc(disconnectGrace, c.cancelIfGone)
	c.mu.Lock()
	for c.open > 0 && !c.closed {
		c.idle.Wait()
	}
	c.mu.Unlock()
	stop.Stop()
	c.sayGoodbye()
	c.shut()
}

// cancelIfGone ends the context of requests of a client that is gone. A server that drains lets them finish.
func (c *Conn) cancelIfGone() {
	c.mu.Lock()
	draining := c.draining
	c.mu.Unlock()
	if !draining {
		c.cancel()
	}
}

func (c *Conn) readFrames() error {
	for {
		if err := c.fill(4, true); err != nil {
			return err
		}
		size := int(int32(binary.BigEndian.Uint32(c.buf[c.r:])))
		if c.restricted.Load() {
			// How this frame is to be read may depend on the answer to the one before.
			if err := c.awaitIdle(); err != nil {
				return err
			}
			if c.raw.Load() {
				if err := c.readToken(size); err != nil {
					return err
				}
				continue
			}
		}
		if size < 8 || size > c.maxFrame() {
			return fmt.Errorf("%w: frame of %d bytes", errBadFrame, size)
		}
		// The frame's time to arrive starts now. An attacker's stalled frame holds memory no longer than this.
		limit := c.server.opts.FrameTimeout + time.Duration(size>>16)*time.Second
		c.setReadDeadline(limit)
		if err := c.fill(12, false); err != nil {
			return err
		}
		c.r += 4
		head := c.buf[c.r:]
		key, version := int16(binary.BigEndian.Uint16(head)), int16(binary.BigEndian.Uint16(head[2:]))
		route, flexible := c.server.opts.Handler.Route(key, version)
		if route == Unknown {
			return fmt.Errorf("%w: key %d version %d is not served", errBadFrame, key, version)
		}
		if err := c.server.opts.Handler.Gate(c, key, version); err != nil {
			return err
		}
		if route != Pipelined && size > maxDecoded {
			return fmt.Errorf("%w: frame of %d bytes for key %d", errBadFrame, size, key)
		}
		call, err := c.admit(route)
		if err != nil {
			return err
		}
		call.Key, call.Version, call.Flexible = key, version, flexible
		if err := c.readCall(call, size); err != nil {
			c.finish(call)
			return err
		}
		var failed error
		if route == Pipelined {
			call.begun = true
			failed = c.protect(func() error { return c.server.opts.Handler.Begin(call) })
			call.failed = failed
		}
		// Never blocks: its capacity is the limit that admit holds to. From here on the call is the worker's.
		c.queue <- call
		if failed != nil {
			return failed
		}
	}
}

// admit waits until a request of this route may run, and returns a call for it.
func (c *Conn) admit(route Route) (*Call, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && !c.draining && c.open > 0 &&
		(route != Pipelined || c.route != Pipelined || c.open >= cap(c.queue)) {
		c.idle.Wait()
	}
	c.awaitUnmuted()
	if c.closed || c.draining {
		return nil, errClosing
	}
	c.open++
	c.route = route
	var call *Call
	if n := len(c.free); n > 0 {
		call = c.free[n-1]
		c.free = c.free[:n-1]
	} else {
		call = &Call{Conn: c}
	}
	call.route = route
	return call, nil
}

// finish ends a call: its memory goes back and the next request may run.
func (c *Conn) finish(call *Call) {
	call.reset()
	c.mu.Lock()
	if len(c.free) < maxIdleCalls {
		c.free = append(c.free, call)
	}
	c.open--
	c.idle.Broadcast()
	c.mu.Unlock()
}

// readCall reads a frame whose size is known and parses its header. The frame is large only after its bytes are
// reserved.
func (c *Conn) readCall(call *Call, size int) error {
	var err error
	weight := int64(size)
	if call.route != Pipelined && size > smallFrame {
		weight *= decodedWeight
	}
	if size <= freeFrame {
		weight = 0
	}
	call.budget = c.server.budget
	if c.restricted.Load() {
		call.budget, weight = c.server.strangers, strangerNeeds(size)
	}
	if call.reserved, err = call.budget.Acquire(c.ctx, c.remote.Addr(), weight); err != nil {
		return errClosing
	}
	frame, err := c.readBody(call, size)
	if err != nil {
		return err
	}
	call.Received = c.server.opts.Clock.Now()
	c.server.stats.bytesIn.Add(int64(size) + 4)
	if err := c.parseHeader(call, frame); err != nil {
		return err
	}
	if err := c.server.opts.Handler.Check(call.Key, call.Version, call.Body); err != nil {
		return fmt.Errorf("%w: key %d version %d: %w", errBadFrame, call.Key, call.Version, err)
	}
	return nil
}

// fill makes sure that n bytes are buffered. With idle set it waits as long as the idle timeout allows, and as long as
// a request is in progress.
func (c *Conn) fill(n int, idle bool) error {
	if c.w-c.r >= n {
		return nil
	}
	if c.r > 0 {
		copy(c.buf[:], c.buf[c.r:c.w])
		c.w -= c.r
		c.r = 0
	}
	for c.w < n {
		if idle {
			c.setReadDeadline(c.server.opts.IdleTimeout)
		}
		k, err := c.nc.Read(c.buf[c.w:])
		c.w += k
		if err != nil && c.w < n {
			if idle && errors.Is(err, os.ErrDeadlineExceeded) && c.busy() {
				c.deadline = time.Time{}
				continue
			}
			return err
		}
	}
	return nil
}

func (c *Conn) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return (c.open > 0 || c.mutedTo.After(c.server.opts.Clock.Now())) && !c.draining && !c.closed
}

// setReadDeadline moves the deadline d ahead, but not for every request: a deadline that still has most of d to go is
// left alone. The lock keeps it from undoing the deadline that drain sets.
func (c *Conn) setReadDeadline(d time.Duration) {
	if d < 0 {
		return
	}
	if c.restricted.Load() {
		return // the time for authenticating runs
	}
	now := time.Now()
	if left := c.deadline.Sub(now); left > d-d/8 && left <= d {
		return
	}
	c.deadline = now.Add(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.draining {
		_ = c.nc.SetReadDeadline(c.deadline)
	}
}

func (c *Conn) workLoop() {
	defer c.server.wg.Done()
	defer c.server.remove(c)
	var dead error
	for call := range c.queue {
		if dead == nil {
			dead = c.run(call)
		} else if call.begun {
			c.server.opts.Handler.Abandon(call)
		}
		if call.Release != nil {
			call.Release()
		}
		if call.Last && dead == nil {
			dead = errClosing
		}
		c.finish(call)
		if dead != nil {
			c.shut() // wakes the reader, which closes the queue
		}
	}
	if dead != nil && !errors.Is(dead, errClosing) && !errors.Is(dead, net.ErrClosed) {
		c.server.opts.Logger.Debug("connection ended", "remote", c.remote, "listener", c.listener, "err", dead)
	}
}

// run finishes one call and writes its response.
func (c *Conn) run(call *Call) error {
	if call.failed != nil {
		c.server.opts.Handler.Abandon(call)
		return call.failed
	}
	call.startResponse()
	err := c.protect(func() error { return c.server.opts.Handler.Serve(c.ctx, call) })
	if err != nil {
		if errors.As(err, new(*panicError)) {
			c.server.opts.Logger.Error("request handler failed", "remote", c.remote, "key", call.Key, "version", call.Version, "err", err)
		}
		return err
	}
	call.ReleaseBody()
	if call.NoResponse {
		return nil
	}
	return c.sender.send(call)
}

// panicError is a panic in a handler: it ends the connection, never the process.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }

func (c *Conn) protect(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return f()
}
