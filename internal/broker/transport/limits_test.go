package transport

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// mutingHandler mutes the client for as long as the body of a request says.
type mutingHandler struct{ *fakeHandler }

func muteFor(c *Call, body string) {
	if d, ok := strings.CutPrefix(body, "mute "); ok {
		wait, _ := time.ParseDuration(d)
		c.Conn.Mute(wait)
	}
}

func (h mutingHandler) Begin(c *Call) error {
	muteFor(c, string(c.Body))
	return h.fakeHandler.Begin(c)
}

func (h mutingHandler) Serve(ctx context.Context, c *Call) error {
	if c.Key == echoKey {
		muteFor(c, string(c.Body))
	}
	return h.fakeHandler.Serve(ctx, c)
}

// inMemory runs a test under a fake clock against a server on a listener in memory.
func inMemory(t *testing.T, change func(*Options), f func(t *testing.T, s *Server, h *fakeHandler, dial func() *client)) {
	synctest.Test(t, func(t *testing.T) {
		h := newFake()
		o := Options{Handler: mutingHandler{h}}
		if change != nil {
			change(&o)
		}
		s := NewServer(o)
		memory := NewMemory("test")
		if err := s.Serve("MEMORY", memory); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		f(t, s, h, func() *client {
			nc, err := memory.DialContext(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			return &client{t: t, Conn: nc}
		})
	})
}

// TestMute: the request that causes it is answered at once, the next one only after the time.
func TestMute(t *testing.T) {
	inMemory(t, nil, func(t *testing.T, s *Server, h *fakeHandler, dial func() *client) {
		c, other := dial(), dial()
		began := time.Now()
		since := func() time.Duration { return time.Since(began).Round(time.Millisecond) }
		first := c.send(echoKey, "mute 3s")
		second := c.send(echoKey, "next") // read already, but not begun
		c.want(first, "mute 3s")
		if since() != 0 {
			t.Fatalf("answered after %v", since())
		}
		other.want(other.send(echoKey, "x"), "x")
		if since() != 0 {
			t.Fatal("others wait too")
		}
		c.want(second, "next")
		if since() != 3*time.Second {
			t.Fatalf("muted for %v", since())
		}
		if n := s.Stats().Muted; n != 1 {
			t.Fatal(n)
		}
		// Pipelined requests are held back in the same way, even while those before them are open.
		began = time.Now()
		a := c.send(pipeKey, "mute 2s")
		b := c.send(pipeKey, "b")
		synctest.Wait()
		h.mu.Lock()
		if len(h.begun) != 1 {
			t.Fatalf("begun %v", h.begun)
		}
		h.mu.Unlock()
		close(h.gate("mute 2s"))
		close(h.gate("b"))
		c.want(a, "mute 2s")
		c.want(b, "b")
		if since() != 2*time.Second {
			t.Fatalf("muted for %v", since())
		}
	})
}

// TestMuteEnds: neither draining nor closing waits for it, and it does not count as idleness.
func TestMuteEnds(t *testing.T) {
	inMemory(t, nil, func(t *testing.T, s *Server, _ *fakeHandler, dial func() *client) {
		c := dial()
		c.want(c.send(echoKey, "mute 1h"), "mute 1h")
		began := time.Now()
		c.want(c.send(echoKey, "later"), "later")
		if d := time.Since(began); d != time.Hour {
			t.Fatalf("muted for %v", d)
		}
		c.want(c.send(echoKey, "mute 1h"), "mute 1h")
		time.Sleep(30 * time.Minute) // longer than a connection may be idle
		c.want(c.send(echoKey, "mute 1h"), "mute 1h")
		c.send(echoKey, "never")
		synctest.Wait()
		began = time.Now()
		if err := s.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d != 0 {
			t.Fatalf("drained after %v", d)
		}
	})
}

// TestCreationRate: connections that come too fast wait, and all get through.
func TestCreationRate(t *testing.T) {
	inMemory(t, func(o *Options) { o.Limits.CreationRate = 5 }, func(t *testing.T, s *Server, _ *fakeHandler, dial func() *client) {
		began := time.Now()
		for range 150 {
			c := dial()
			c.want(c.send(echoKey, "x"), "x")
			c.Close()
		}
		// 50 are free, being what the window allows; the rest comes at 5 a second.
		if d := time.Since(began); d < 18*time.Second || d > 25*time.Second {
			t.Fatalf("150 connections in %v", d)
		}
		if n := s.Stats().Delayed; n == 0 {
			t.Fatal("none was delayed")
		}
		s.SetLimits(Limits{})
		began = time.Now()
		for range 100 {
			c := dial()
			c.want(c.send(echoKey, "x"), "x")
			c.Close()
		}
		if d := time.Since(began); d != 0 {
			t.Fatalf("without a limit %v", d)
		}
		s.SetLimits(Limits{Listeners: map[string]ListenerLimits{"MEMORY": {CreationRate: 1}}})
		began = time.Now()
		for range 20 {
			c := dial()
			c.want(c.send(echoKey, "x"), "x")
			c.Close()
		}
		if d := time.Since(began); d < 8*time.Second || d > 12*time.Second {
			t.Fatalf("20 connections of a listener in %v", d)
		}
	})
}

// TestIPRate: a connection of an address that is too fast is held and closed, and others do not wait for it.
func TestIPRate(t *testing.T) {
	inMemory(t, nil, func(t *testing.T, s *Server, _ *fakeHandler, dial func() *client) {
		s.SetIPRates(IPRates{Of: map[netip.Addr]float64{netip.MustParseAddr("127.0.0.1"): 2}})
		for range 20 {
			c := dial()
			c.want(c.send(echoKey, "x"), "x")
			c.Close()
		}
		began := time.Now()
		c := dial()
		c.send(echoKey, "x")
		c.closed()
		if d := time.Since(began).Round(time.Millisecond); d != 500*time.Millisecond {
			t.Fatalf("closed after %v", d)
		}
		if n := s.Stats().TurnedAway; n != 1 {
			t.Fatal(n)
		}
		c = dial() // the time has made room for one
		c.want(c.send(echoKey, "x"), "x")
		c = dial()
		c.send(echoKey, "x")
		synctest.Wait()
		s.Close() // does not leave it open
		c.closed()
	})
	inMemory(t, nil, func(t *testing.T, s *Server, _ *fakeHandler, dial func() *client) {
		s.SetIPRates(IPRates{Default: 1, Of: map[netip.Addr]float64{netip.MustParseAddr("127.0.0.1"): 1e9}})
		for range 50 {
			c := dial()
			c.want(c.send(echoKey, "x"), "x")
			c.Close()
		}
	})
}

// TestListenerLimits: raising a limit lets those in that wait, and the listener of brokers is not held by the broker's.
func TestListenerLimits(t *testing.T) {
	inMemory(t, func(o *Options) { o.Limits.Listeners = map[string]ListenerLimits{"MEMORY": {MaxConnections: 1}} },
		func(t *testing.T, s *Server, _ *fakeHandler, dial func() *client) {
			inter := NewMemory("inter")
			if err := s.Serve("INTER", inter); err != nil {
				t.Fatal(err)
			}
			a := dial()
			a.want(a.send(echoKey, "x"), "x")
			waiting := make(chan *client, 1)
			go func() { waiting <- dial() }() // a listener in memory has no backlog
			synctest.Wait()
			if n := s.Stats().Connections; n != 1 {
				t.Fatal(n)
			}
			s.SetLimits(Limits{MaxConnections: 2, Protected: "INTER"})
			b := <-waiting
			b.want(b.send(echoKey, "x"), "x")
			go func() { waiting <- dial() }()
			synctest.Wait()
			if n := s.Stats().Connections; n != 2 {
				t.Fatal(n)
			}
			nc, err := inter.DialContext(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			broker := &client{t: t, Conn: nc}
			broker.want(broker.send(echoKey, "x"), "x")
			broker.Close()
			a.Close()
			c := <-waiting
			c.want(c.send(echoKey, "x"), "x")
		})
}
