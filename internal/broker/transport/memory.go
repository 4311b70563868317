package transport

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Memory is a listener whose connections stay inside the process: clients of the same process dial it.
type Memory struct {
	name    string
	backlog chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

// NewMemory returns a listener that shows name as its address.
func NewMemory(name string) *Memory {
	return &Memory{name: name, backlog: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (m *Memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.backlog:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Open connections stay.
func (m *Memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

// Addr implements net.Listener.
func (m *Memory) Addr() net.Addr { return memoryAddr(m.name) }

// DialContext opens a connection to the listener, whatever the address: it has the shape clients want of a dialer.
func (m *Memory) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := memoryPipe(m.name)
	select {
	case m.backlog <- server:
		return client, nil
	case <-m.closed:
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: m.Addr(), Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type memoryAddr string

func (a memoryAddr) Network() string { return "memory" }
func (a memoryAddr) String() string  { return string(a) }

// memoryBuffer bounds the bytes under way in one direction, as a socket buffer does.
const memoryBuffer = 128 << 10

func memoryPipe(name string) (a, b net.Conn) {
	x, y := newStream(), newStream()
	return &memoryConn{name: name, in: x, out: y}, &memoryConn{name: name, in: y, out: x}
}

type memoryConn struct {
	name    string
	in, out *stream
}

func (c *memoryConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *memoryConn) Write(b []byte) (int, error) { return c.out.write(b) }
func (c *memoryConn) LocalAddr() net.Addr         { return memoryAddr(c.name) }
func (c *memoryConn) RemoteAddr() net.Addr        { return memoryAddr(c.name) }
func (c *memoryConn) Close() error {
	c.in.closeRead()
	c.out.closeWrite()
	return nil
}

// CloseWrite tells the other side that nothing more will be written; what it writes can still be read.
func (c *memoryConn) CloseWrite() error {
	c.out.closeWrite()
	return nil
}

func (c *memoryConn) SetDeadline(t time.Time) error {
	c.in.readBy.set(c.in, t)
	c.out.writeBy.set(c.out, t)
	return nil
}

func (c *memoryConn) SetReadDeadline(t time.Time) error {
	c.in.readBy.set(c.in, t)
	return nil
}

func (c *memoryConn) SetWriteDeadline(t time.Time) error {
	c.out.writeBy.set(c.out, t)
	return nil
}

// stream is one direction: a buffer that grows up to memoryBuffer.
type stream struct {
	mu              sync.Mutex
	change          *sync.Cond
	buf             []byte
	start           int
	noReader        bool
	noWriter        bool
	readBy, writeBy limit
}

// limit is a deadline; the timer only wakes those who wait.
type limit struct {
	at    time.Time
	timer *time.Timer
}

func newStream() *stream {
	s := &stream{}
	s.change = sync.NewCond(&s.mu)
	return s
}

func (l *limit) set(s *stream, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.at = t
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if !t.IsZero() {
		l.timer = time.AfterFunc(time.Until(t), s.wake)
	}
	s.change.Broadcast()
}

func (l *limit) passed() bool { return !l.at.IsZero() && !time.Now().Before(l.at) }

func (s *stream) wake() {
	s.mu.Lock()
	s.change.Broadcast()
	s.mu.Unlock()
}

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.noReader:
			return 0, net.ErrClosed
		case s.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case s.start < len(s.buf):
			n := copy(b, s.buf[s.start:])
			s.start += n
			if s.start == len(s.buf) {
				s.buf, s.start = s.buf[:0], 0
			}
			s.change.Broadcast()
			return n, nil
		case s.noWriter:
			return 0, io.EOF
		case len(b) == 0:
			return 0, nil
		}
		s.change.Wait()
	}
}

func (s *stream) write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	written := 0
	for {
		switch {
		case s.noWriter:
			return written, net.ErrClosed
		case s.noReader:
			return written, io.ErrClosedPipe
		case s.writeBy.passed():
			return written, os.ErrDeadlineExceeded
		case len(b) == 0:
			return written, nil
		}
		if room := memoryBuffer - (len(s.buf) - s.start); room > 0 {
			if s.start > 0 && len(s.buf)+min(room, len(b)) > cap(s.buf) {
				n := copy(s.buf, s.buf[s.start:])
				s.buf, s.start = s.buf[:n], 0
			}
			n := min(room, len(b))
			s.buf = append(s.buf, b[:n]...)
			b = b[n:]
			written += n
			s.change.Broadcast()
			continue
		}
		s.change.Wait()
	}
}

func (s *stream) closeRead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noReader = true
	s.buf, s.start = nil, 0
	s.stop()
}

func (s *stream) closeWrite() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noWriter = true
	s.stop()
}

// stop is called with the lock held when one end closes.
func (s *stream) stop() {
	for _, l := range []*limit{&s.readBy, &s.writeBy} {
		if l.timer != nil {
			l.timer.Stop()
			l.timer = nil
		}
	}
	s.change.Broadcast()
}
