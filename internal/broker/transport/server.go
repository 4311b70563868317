package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/broker/quota"
)

// Handler runs requests. Its methods are called from many connections at once.
type Handler interface {
	// Welcome is called once on a connection's reader, before its first request: what the client proved in the TLS
	// handshake is in c.TLS. It may set c.Auth, and say by c.Restrict that the client has to authenticate first. An
	// error drops the connection.
	Welcome(c *Conn) error
	// Gate is asked on the reader before a request is read, whether the client may send one of this kind now. An error
	// closes the connection without an answer. key is RawToken for what comes on a connection in raw mode.
	Gate(c *Conn, key, version int16) error
	// Route tells how a request of this key and version is run, and whether its header is the flexible one.
	Route(key, version int16) (route Route, flexible bool)
	// Check looks at the shape of a request's body before it is decoded; an error closes the connection.
	Check(key, version int16, body []byte) error
	// Begin starts a pipelined request on the reader, in order of arrival. It must not wait for other requests.
	Begin(c *Call) error
	// Serve runs a request, or finishes one that was begun, and fills in the response. An error closes the connection
	// without an answer. ctx ends some time after the client went away, or when the server is closed.
	Serve(ctx context.Context, c *Call) error
	// Abandon is called instead of Serve for a begun request whose response can no longer be sent.
	Abandon(c *Call)
}

// Options of a Server. Zero values of the limits mean the defaults named with them.
type Options struct {
	Clock   clock.Clock
	Logger  *slog.Logger
	Handler Handler
	// MaxRequestBytes caps a frame (socket.request.max.bytes, 100 MiB).
	MaxRequestBytes int
	// RequestMemory is the budget that all frames share (queued.max.request.bytes, 64 MiB).
	RequestMemory int64
	// MaxPipelined is the number of pipelined requests that a connection may have open (32).
	MaxPipelined int
	// IdleTimeout closes connections without traffic (connections.max.idle.ms, 10 minutes); negative means never.
	IdleTimeout time.Duration
	// WriteTimeout sheds a client that takes nothing for that long (30 s).
	WriteTimeout time.Duration
	// FrameTimeout is the time in which a frame, once begun, has to arrive, besides a second per 64 KiB (30 s).
	FrameTimeout time.Duration
	// Limits are those that the server starts with; SetLimits changes them.
	Limits Limits
	// QuotaWindow is what rates of connections are measured over (11 samples of 1 s).
	QuotaWindow quota.Window
	// MaxUnauthenticated is the number of connections that may be in a TLS handshake or restricted (1,024): one more
	// and the oldest of the address with the most is dropped, so that strangers cannot take the place of clients.
	MaxUnauthenticated int
	// AuthTimeout bounds the TLS handshake, and again the time for which a connection may be restricted (15 s).
	AuthTimeout time.Duration
	// MaxRestrictedBytes caps the frames of restricted connections (512 KiB), RestrictedMemory what all of them
	// take together (4 MiB).
	MaxRestrictedBytes int
	RestrictedMemory   int64
	// SendBuffer and ReceiveBuffer are the sockets' buffer sizes; 0 leaves the system's.
	SendBuffer, ReceiveBuffer int
}

func (o *Options) setDefaults() {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&o.MaxRequestBytes, 100<<20)
	def(&o.MaxPipelined, 32)
	def(&o.MaxUnauthenticated, 1024)
	def(&o.MaxRestrictedBytes, 512<<10)
	if o.RestrictedMemory == 0 {
		o.RestrictedMemory = 4 << 20
	}
	if o.AuthTimeout == 0 {
		o.AuthTimeout = 15 * time.Second
	}
	if o.RequestMemory == 0 {
		o.RequestMemory = 64 << 20
	}
	if o.QuotaWindow.Samples == 0 {
		o.QuotaWindow = quota.Window{Samples: 11, Size: time.Second}
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = 10 * time.Minute
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.FrameTimeout == 0 {
		o.FrameTimeout = 30 * time.Second
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Server runs the connections of any number of listeners.
type Server struct {
	opts   Options
	budget *Budget
	// strangers is the budget of restricted connections: what they send never takes memory from clients.
	strangers  *Budget
	complaints complaints
	stallLook  atomic.Int64 // when connections were last looked through for stalled frames, Unix nanoseconds
	waiting    waiting
	buffers    *bufferPool
	ctx        context.Context // ends when the server is closed, not when it drains
	cancel     context.CancelFunc
	wg         sync.WaitGroup
	stats      stats

	mu        sync.Mutex
	room      *sync.Cond // signalled when a connection ends or the server stops accepting
	listeners []net.Listener
	conns     map[*Conn]struct{}
	perIP     map[netip.Addr]int
	limits    limits
	draining  bool
}

// stats are counters that the metrics read.
type stats struct {
	bytesIn, bytesOut          atomic.Int64
	accepted, rejected, broken atomic.Int64
	slow                       atomic.Int64
	handshakes, refused        atomic.Int64
	stalled                    atomic.Int64
	muted                      atomic.Int64
}

// Stats is a snapshot of a server's counters.
type Stats struct {
	Connections                      int
	BytesIn, BytesOut                int64
	Accepted, Rejected, Malformed    int64
	SlowConsumers                    int64
	RequestMemoryInUse, MemoryWaits  int64
	BuffersRetained, RequestMemoryOf int64
	// Unauthenticated connections are in a TLS handshake or restricted. FailedHandshakes were broken off by either
	// side, Displaced gave way to newer ones or took too long.
	Unauthenticated             int
	FailedHandshakes, Displaced int64
	// Delayed connections had to wait because of the broker's or their listener's rate, TurnedAway ones were closed
	// because of their address's. Muted is how often a client was made to wait because of a quota.
	Delayed, TurnedAway, Muted int64
}

// NewServer returns a server without listeners.
func NewServer(o Options) *Server {
	o.setDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{
		opts:      o,
		budget:    NewBudget(o.RequestMemory),
		strangers: NewBudget(o.RestrictedMemory),
		waiting:   waiting{most: o.MaxUnauthenticated},
		buffers:   newBufferPool(o.Clock, min(o.RequestMemory/4, 16<<20)),
		ctx:       ctx,
		cancel:    cancel,
		conns:     map[*Conn]struct{}{},
		perIP:     map[netip.Addr]int{},
	}
	s.limits = limits{window: o.QuotaWindow, byListener: map[string]*listenerUse{}, held: map[net.Conn]struct{}{}}
	s.room = sync.NewCond(&s.mu)
	s.budget.stuck, s.strangers.stuck = s.dropStalled, s.dropStalled
	s.SetLimits(o.Limits)
	return s
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	n, delayed, turnedAway := len(s.conns), s.limits.delayed, s.limits.turnedAway
	s.mu.Unlock()
	s.buffers.mu.Lock()
	retained := s.buffers.retained
	s.buffers.mu.Unlock()
	return Stats{
		Connections: n, BytesIn: s.stats.bytesIn.Load(), BytesOut: s.stats.bytesOut.Load(),
		Accepted: s.stats.accepted.Load(), Rejected: s.stats.rejected.Load(), Malformed: s.stats.broken.Load(),
		SlowConsumers:      s.stats.slow.Load(),
		RequestMemoryInUse: s.budget.InUse(), MemoryWaits: s.budget.Waits(), RequestMemoryOf: s.opts.RequestMemory,
		BuffersRetained: retained, Unauthenticated: s.waiting.len(),
		FailedHandshakes: s.stats.handshakes.Load(), Displaced: s.stats.refused.Load(),
		Delayed: delayed, TurnedAway: turnedAway, Muted: s.stats.muted.Load(),
	}
}

// Serve accepts connections of the listener in a goroutine of its own until the server drains. name is the listener's
// name ("PLAINTEXT"), which handlers see with each request.
func (s *Server) Serve(name string, l net.Listener) error { return s.ServeTLS(name, l, nil) }

// ServeTLS is Serve with TLS on each connection, if config is not nil.
func (s *Server) ServeTLS(name string, l net.Listener, config *tls.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return errors.New("the server has stopped")
	}
	s.listeners = append(s.listeners, l)
	s.wg.Go(func() { s.accept(name, l, config) })
	return nil
}

func (s *Server) accept(name string, l net.Listener, config *tls.Config) {
	for {
		if !s.waitForRoom(name) {
			return
		}
		nc, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || s.stopped() {
				return
			}
			// Out of descriptors or the like: connections that end make room.
			s.opts.Logger.Warn("accept failed", "listener", name, "err", err)
			t := s.opts.Clock.NewTimer(100 * time.Millisecond)
			select {
			case <-t.C():
			case <-s.ctx.Done():
				t.Stop()
				return
			}
			continue
		}
		if !s.pace(name) {
			nc.Close()
			return
		}
		s.start(name, nc, config)
	}
}

func (s *Server) stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// start admits a connection and starts its goroutines, or closes it.
func (s *Server) start(name string, nc net.Conn, config *tls.Config) {
	remote := remoteAddr(nc)
	ip := remote.Addr()
	s.mu.Lock()
	if !s.draining {
		if wait := s.limits.createFrom(ip, name, len(s.listeners), s.opts.Clock.Now().UnixMilli()); wait > 0 {
			s.hold(nc, wait)
			s.mu.Unlock()
			return
		}
	}
	if s.draining || s.limits.tooMany(ip, s.perIP[ip]) {
		s.mu.Unlock()
		s.stats.rejected.Add(1)
		nc.Close()
		return
	}
	s.tune(nc)
	if config != nil {
		nc = tls.Server(nc, config)
	}
	c := newConn(s, name, nc, remote)
	s.conns[c] = struct{}{}
	s.perIP[ip]++
	s.limits.use(name).open++
	s.wg.Add(2)
	s.mu.Unlock()
	s.stats.accepted.Add(1)
	go c.readLoop()
	go c.workLoop()
}

func (s *Server) tune(nc net.Conn) {
	t, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	// Half-open peers are noticed within about a minute and a half, also while nothing is sent.
	_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 15 * time.Second, Count: 4})
	if s.opts.SendBuffer > 0 {
		_ = t.SetWriteBuffer(s.opts.SendBuffer)
	}
	if s.opts.ReceiveBuffer > 0 {
		_ = t.SetReadBuffer(s.opts.ReceiveBuffer)
	}
}

func remoteAddr(nc net.Conn) netip.AddrPort {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		p := a.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
}

// remove forgets a connection whose goroutines have ended.
func (s *Server) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.limits.use(c.listener).open--
	if ip := c.remote.Addr(); s.perIP[ip] > 1 {
		s.perIP[ip]--
	} else {
		delete(s.perIP, ip)
	}
	s.room.Broadcast()
}

// Drain stops accepting connections and reading requests; requests that have arrived are finished. It returns when
// all connections have ended, or with ctx's error.
func (s *Server) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	for _, l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.drain()
	}
	s.closeHeld()
	s.room.Broadcast()
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, s.room.Broadcast)
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.conns) > 0 {
		if ctx.Err() != nil {
			return fmt.Errorf("%d connections still busy: %w", len(s.conns), ctx.Err())
		}
		s.room.Wait()
	}
	return nil
}

// Close drops every connection, whatever it is doing, and waits for all goroutines.
func (s *Server) Close() {
	s.mu.Lock()
	s.draining = true
	for _, l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.shut()
	}
	s.closeHeld()
	s.room.Broadcast()
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
	s.buffers.close()
}
