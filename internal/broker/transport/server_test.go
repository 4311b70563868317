package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"leat.dev/internal/base/vfs"
)

// Keys of the fake protocol that tests speak.
const (
	echoKey  int16 = 100 // plain: answers its body
	blockKey int16 = 101 // plain: answers when the context or the gate ends
	pipeKey  int16 = 102 // pipelined: begun at once, answered when its gate opens
	fileKey  int16 = 103 // pooled: answers with a range of the handler's file
	panicKey int16 = 104
	muteKey  int16 = 105 // answers nothing
	failKey  int16 = 106 // closes the connection
	goneKey  int16 = 107 // answers when the client is gone
)

type fakeHandler struct {
	mu        sync.Mutex
	begun     []string
	gates     map[string]chan struct{}
	file      vfs.File
	pos       int64
	length    int
	released  atomic.Int32
	abandoned atomic.Int32
	gone      chan struct{}
	arrived   chan string
}

func newFake() *fakeHandler {
	return &fakeHandler{gates: map[string]chan struct{}{}, gone: make(chan struct{}, 8), arrived: make(chan string, 100)}
}

func (h *fakeHandler) gate(name string) chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gates[name] == nil {
		h.gates[name] = make(chan struct{})
	}
	return h.gates[name]
}

func (h *fakeHandler) Welcome(*Conn) error { return nil }

func (h *fakeHandler) Gate(*Conn, int16, int16) error { return nil }

func (h *fakeHandler) Route(key, version int16) (Route, bool) {
	switch key {
	case pipeKey:
		return Pipelined, false
	case fileKey:
		return Pooled, false
	case echoKey, blockKey, panicKey, muteKey, failKey, goneKey:
		return Plain, version >= 2
	}
	return Unknown, false
}

func (h *fakeHandler) Check(_, _ int16, body []byte) error {
	if bytes.Equal(body, []byte("bad")) {
		return errors.New("bad body")
	}
	return nil
}

func (h *fakeHandler) Begin(c *Call) error {
	name := string(c.Body)
	c.State = name
	h.mu.Lock()
	h.begun = append(h.begun, name)
	h.mu.Unlock()
	h.arrived <- name
	c.ReleaseBody()
	if name == "panic" {
		panic("in begin")
	}
	return nil
}

func (h *fakeHandler) Abandon(c *Call) { h.abandoned.Add(1) }

func (h *fakeHandler) Serve(ctx context.Context, c *Call) error {
	switch c.Key {
	case echoKey:
		c.Out = append(c.Out, c.Body...)
	case blockKey:
		h.arrived <- string(c.Body)
		select {
		case <-h.gate(string(c.Body)):
			c.Out = append(c.Out, "opened"...)
		case <-ctx.Done():
			h.gone <- struct{}{}
			return ctx.Err()
		}
	case goneKey:
		h.arrived <- "gone"
		select {
		case <-c.Conn.Gone():
			h.gone <- struct{}{}
		case <-ctx.Done():
		}
		c.Out = append(c.Out, "bye"...)
	case pipeKey:
		name := c.State.(string)
		select {
		case <-h.gate(name):
		case <-ctx.Done():
			return ctx.Err()
		}
		c.Out = append(c.Out, name...)
	case fileKey:
		c.Out = append(c.Out, "head"...)
		c.Parts = append(c.Parts[:0],
			Part{File: h.file, Pos: h.pos, Len: h.length}, Part{Bytes: []byte("middle"), File: h.file, Pos: 0, Len: 10},
			Part{Bytes: []byte("tail")})
		c.Release = func() { h.released.Add(1) }
	case panicKey:
		panic("in serve")
	case muteKey:
		c.NoResponse = true
	case failKey:
		return errors.New("no")
	}
	return nil
}

type testServer struct {
	*Server
	handler *fakeHandler
	addr    string
}

func startServer(t *testing.T, change func(*Options)) *testServer {
	t.Helper()
	h := newFake()
	o := Options{Handler: h}
	if change != nil {
		change(&o)
	}
	s := NewServer(o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve("TEST", l); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &testServer{s, h, l.Addr().String()}
}

type client struct {
	t *testing.T
	net.Conn
	corr int32
}

func (s *testServer) dial(t *testing.T) *client {
	t.Helper()
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return newClient(t, nc)
}

func newClient(t *testing.T, nc net.Conn) *client {
	if err := nc.SetDeadline(time.Now().Add(4 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, Conn: nc}
}

func frame(key, version int16, corr int32, body []byte) []byte {
	b := make([]byte, 4, 64+len(body))
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, uint32(corr))
	b = binary.BigEndian.AppendUint16(b, 4)
	b = append(b, "test"...)
	if version >= 2 {
		b = append(b, 1, 7, 2, 'x', 'y') // one tagged field
	}
	b = append(b, body...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func (c *client) send(key int16, body string) int32 {
	c.t.Helper()
	c.corr++
	if _, err := c.Write(frame(key, 0, c.corr, []byte(body))); err != nil {
		c.t.Fatal(err)
	}
	return c.corr
}

func (c *client) receive() (corr int32, body []byte) {
	c.t.Helper()
	corr, body, err := c.tryReceive()
	if err != nil {
		c.t.Fatal(err)
	}
	return corr, body
}

func (c *client) tryReceive() (corr int32, body []byte, err error) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return 0, nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return 0, nil, err
	}
	return int32(binary.BigEndian.Uint32(b)), b[4:], nil
}

// closed waits until the server has closed the connection and checks that it sent nothing more.
func (c *client) closed() {
	c.t.Helper()
	if _, b, err := c.tryReceive(); err == nil {
		c.t.Fatalf("got %q, want a closed connection", b)
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatal("connection stays open")
	}
}

func (c *client) want(corr int32, body string) {
	c.t.Helper()
	gotCorr, got := c.receive()
	if gotCorr != corr || string(got) != body {
		c.t.Fatalf("got %d %q, want %d %q", gotCorr, got, corr, body)
	}
}

func TestEcho(t *testing.T) {
	s := startServer(t, nil)
	c := s.dial(t)
	for _, n := range []int{0, 1, 100, readAhead - 5, readAhead, 70_000, 5 << 20, maxDecoded - 14} {
		body := string(bytes.Repeat([]byte{'a'}, n))
		c.want(c.send(echoKey, body), body)
	}
	// Several requests in one packet.
	var all []byte
	for i := range 20 {
		all = append(all, frame(echoKey, 0, int32(1000+i), []byte{byte(i)})...)
	}
	if _, err := c.Write(all); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		c.want(int32(1000+i), string([]byte{byte(i)}))
	}
}

func TestFlexibleHeader(t *testing.T) {
	s := startServer(t, nil)
	c := s.dial(t)
	if _, err := c.Write(frame(echoKey, 2, 9, []byte("x"))); err != nil {
		t.Fatal(err)
	}
	c.want(9, "\x00x") // an empty list of tagged fields before the body
}

func TestFrameInPieces(t *testing.T) {
	s := startServer(t, nil)
	c := s.dial(t)
	for _, b := range frame(echoKey, 0, 3, []byte("slow")) {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	c.want(3, "slow")
}

func TestBadFramesClose(t *testing.T) {
	cases := map[string][]byte{
		"unknown key":     frame(99, 0, 1, nil),
		"too short":       {0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0},
		"negative size":   {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0},
		"over the cap":    {0x7f, 0xff, 0xff, 0xff, 0, 100, 0, 0, 0, 0, 0, 0},
		"over its cap":    frame(echoKey, 0, 1, make([]byte, maxDecoded))[:64],
		"bad body":        frame(echoKey, 0, 1, []byte("bad")),
		"client id":       {0, 0, 0, 10, 0, 100, 0, 0, 0, 0, 0, 1, 0x7f, 0xff},
		"no client id":    {0, 0, 0, 8, 0, 100, 0, 0, 0, 0, 0, 1},
		"tags":            {0, 0, 0, 12, 0, 100, 0, 2, 0, 0, 0, 1, 0, 0, 0xff, 0x7f},
		"handler refuses": frame(failKey, 0, 1, nil),
		"panic in serve":  frame(panicKey, 0, 1, nil),
		"panic in begin":  frame(pipeKey, 0, 1, []byte("panic")),
	}
	for name, b := range cases {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, nil)
			c := s.dial(t)
			if _, err := c.Write(b); err != nil {
				t.Fatal(err)
			}
			c.closed()
			other := s.dial(t) // the server goes on
			other.want(other.send(echoKey, "still"), "still")
			if n := s.budget.InUse(); n != 0 {
				t.Errorf("%d bytes of the budget are lost", n)
			}
		})
	}
}

// A request that cannot be understood closes the connection, but the answers to those before it are sent first.
func TestAnswersBeforeBadFrame(t *testing.T) {
	s := startServer(t, nil)
	c := s.dial(t)
	b := slices.Concat(frame(echoKey, 0, 1, []byte("one")), frame(99, 0, 2, nil))
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	c.want(1, "one")
	c.closed()
}

func TestPipelinedOrder(t *testing.T) {
	s := startServer(t, nil)
	c := s.dial(t)
	for _, name := range []string{"a", "b", "c"} {
		c.send(pipeKey, name)
	}
	plain := c.send(echoKey, "plain")
	for range 3 {
		<-s.handler.arrived // all three are begun although none is answered
	}
	close(s.handler.gate("c"))
	close(s.handler.gate("b"))
	close(s.handler.gate("a"))
	c.want(1, "a")
	c.want(2, "b")
	c.want(3, "c")
	c.want(plain, "plain")
	if !slices.Equal(s.handler.begun, []string{"a", "b", "c"}) {
		t.Errorf("begun in order %q", s.handler.begun)
	}
}

func TestPipelineIsBounded(t *testing.T) {
	s := startServer(t, func(o *Options) { o.MaxPipelined = 2 })
	c := s.dial(t)
	for _, name := range []string{"a", "b", "c"} {
		c.send(pipeKey, name)
	}
	<-s.handler.arrived
	<-s.handler.arrived
	close(s.handler.gate("a"))
	c.want(1, "a")
	if name := <-s.handler.arrived; name != "c" {
		t.Fatalf("begun %q", name)
	}
	s.handler.mu.Lock()
	begun := slices.Clone(s.handler.begun)
	s.handler.mu.Unlock()
	if !slices.Equal(begun, []string{"a", "b", "c"}) {
		t.Errorf("begun %q", begun)
	}
	close(s.handler.gate("b"))
	close(s.handler.gate("c"))
	c.want(2, "b")
	c.want(3, "c")
}

func TestFileParts(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	content := make([]byte, 3<<20)
	for i := range content {
		content[i] = byte(i * 7 >> 3)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	real, err := vfs.OS.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer real.Close()
	mem := vfs.NewMem(1)
	inMemory, err := mem.Create("file")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inMemory.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	for _, f := range []vfs.File{real, inMemory} {
		s := startServer(t, nil)
		memory := NewMemory("test")
		if err := s.Serve("MEMORY", memory); err != nil {
			t.Fatal(err)
		}
		nc, err := memory.DialContext(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*client{s.dial(t), newClient(t, nc)} {
			for i, n := range []int{1, copyBelow - 1, copyBelow, 200_000, 2<<20 + 5} {
				s.handler.file, s.handler.pos, s.handler.length = f, 77, n
				want := "head" + string(content[77:77+n]) + "middle" + string(content[:10]) + "tail"
				c.want(c.send(fileKey, ""), want)
				c.want(c.send(echoKey, "sync"), "sync")
				_ = i
			}
		}
		if got := s.handler.released.Load(); got != 10 {
			t.Errorf("released %d times", got)
		}
	}
}

// A range that is not there any more cannot be sent: the size of the response is promised already.
func TestFileTooShort(t *testing.T) {
	s := startServer(t, nil)
	f, err := vfs.NewMem(1).Create("file")
	if err != nil {
		t.Fatal(err)
	}
	s.handler.file, s.handler.pos, s.handler.length = f, 0, 100
	c := s.dial(t)
	c.send(fileKey, "")
	if _, _, err := c.tryReceive(); err == nil {
		t.Fatal("got a response")
	}
	if s.handler.released.Load() != 1 {
		t.Error("the file was not released")
	}
}

func TestNoResponse(t *testing.T) {
	s := startServer(t, nil)
	c := s.dial(t)
	c.send(muteKey, "")
	c.want(c.send(echoKey, "x"), "x")
}

// A long poll ends as soon as its client goes away; any other request is given a moment and then cancelled.
func TestClientGone(t *testing.T) {
	s := startServer(t, nil)
	c := s.dial(t)
	c.send(goneKey, "")
	<-s.handler.arrived
	c.Close()
	<-s.handler.gone
	c = s.dial(t)
	c.send(blockKey, "never")
	<-s.handler.arrived
	c.Close()
	<-s.handler.gone
	waitFor(t, func() bool { return s.Stats().Connections == 0 })
}

// waitFor polls a condition that no channel tells of.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("condition never came true")
		}
	}
}

func TestSlowConsumerIsDropped(t *testing.T) {
	s := startServer(t, func(o *Options) { o.WriteTimeout = 100 * time.Millisecond; o.SendBuffer = 16 << 10 })
	mem := vfs.NewMem(1)
	f, err := mem.Create("file")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(64 << 20); err != nil {
		t.Fatal(err)
	}
	s.handler.file, s.handler.length = f, 64<<20
	c := s.dial(t)
	c.send(fileKey, "") // and never read
	waitFor(t, func() bool { return s.handler.released.Load() == 1 && s.Stats().Connections == 0 })
	if s.Stats().SlowConsumers != 1 {
		t.Error("not counted as slow")
	}
}

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFake()
		s := NewServer(Options{Handler: h})
		memory := NewMemory("test")
		if err := s.Serve("MEMORY", memory); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		dial := func() *client {
			nc, err := memory.DialContext(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			return &client{t: t, Conn: nc}
		}
		c := dial()
		c.want(c.send(echoKey, "x"), "x")
		began := time.Now()
		c.closed()
		if idle := time.Since(began); idle < 8*time.Minute || idle > 10*time.Minute {
			t.Errorf("closed after %v", idle)
		}

		// A request in progress is no idleness, however long it takes.
		c = dial()
		c.send(blockKey, "long")
		<-h.arrived
		time.Sleep(time.Hour)
		close(h.gate("long"))
		c.want(1, "opened")
		c.Close()
	})
}

// A frame that stalls half-way holds its memory no longer than the frame timeout.
func TestStalledFrame(t *testing.T) {
	s := startServer(t, func(o *Options) { o.FrameTimeout = 50 * time.Millisecond })
	c := s.dial(t)
	if _, err := c.Write(frame(echoKey, 0, 1, make([]byte, 1000))[:100]); err != nil {
		t.Fatal(err)
	}
	c.closed()
	waitFor(t, func() bool { return s.budget.InUse() == 0 })
}

// The budget bounds all frames together; a frame above the whole budget gets through alone.
func TestBudget(t *testing.T) {
	s := startServer(t, func(o *Options) { o.RequestMemory = 10_000 })
	a, b, c := s.dial(t), s.dial(t), s.dial(t)
	a.send(blockKey, "a"+string(make([]byte, 7000)))
	<-s.handler.arrived
	b.send(echoKey, string(make([]byte, 5000)))
	waitFor(t, func() bool { return s.budget.Waits() == 1 })
	c.send(pipeKey, "c"+string(make([]byte, 50_000)))
	waitFor(t, func() bool { return s.budget.Waits() == 2 })
	close(s.handler.gate("a" + string(make([]byte, 7000))))
	a.want(1, "opened")
	b.want(1, string(make([]byte, 5000)))
	close(s.handler.gate("c" + string(make([]byte, 50_000))))
	c.want(1, "c"+string(make([]byte, 50_000)))
	if n := s.budget.InUse(); n != 0 {
		t.Errorf("%d bytes still in use", n)
	}
}

func TestConnectionLimits(t *testing.T) {
	s := startServer(t, func(o *Options) { o.Limits.MaxConnectionsPerIP = 2 })
	a, b := s.dial(t), s.dial(t)
	a.want(a.send(echoKey, "x"), "x")
	b.want(b.send(echoKey, "x"), "x")
	s.dial(t).closed()
	if s.Stats().Rejected != 1 {
		t.Errorf("rejected %d", s.Stats().Rejected)
	}

	s = startServer(t, func(o *Options) { o.Limits.MaxConnections = 1 })
	a, b = s.dial(t), s.dial(t)
	b.send(echoKey, "waits")
	a.want(a.send(echoKey, "x"), "x")
	if n := s.Stats().Connections; n != 1 {
		t.Errorf("%d connections", n)
	}
	a.Close()
	b.want(1, "waits")
}

func TestDrainFinishesRequests(t *testing.T) {
	s := startServer(t, nil)
	c, idle := s.dial(t), s.dial(t)
	idle.want(idle.send(echoKey, "x"), "x")
	c.send(blockKey, "busy")
	<-s.handler.arrived
	done := make(chan error)
	go func() { done <- s.Drain(t.Context()) }()
	idle.closed()
	close(s.handler.gate("busy"))
	c.want(1, "opened")
	c.closed()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", s.addr); err == nil {
		t.Error("still accepting")
	}
}

func TestDrainGivesUp(t *testing.T) {
	s := startServer(t, nil)
	c := s.dial(t)
	c.send(blockKey, "stuck")
	<-s.handler.arrived
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("drain: %v", err)
	}
	s.Close()
	c.closed()
}
