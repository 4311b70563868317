package streamsapp

import (
	"net"
	"sync"
	"testing"
)

// proxy stands between an instance and its broker: it passes bytes on, keeps them back, or cuts connections. Each
// connection has two goroutines, which end with it; cutting ends all.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	moved *sync.Cond // stalled or shut changed
	conns map[net.Conn]bool
	// stalled keeps bytes back, both ways, without an error; shut refuses connections.
	stalled, shut bool
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, conns: map[net.Conn]bool{}}
	p.moved = sync.NewCond(&p.mu)
	go p.accept()
	t.Cleanup(func() { _ = l.Close(); p.cut() })
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		shut := p.shut
		p.mu.Unlock()
		if shut {
			_ = near.Close()
			continue
		}
		far, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		p.mu.Lock()
		p.conns[near], p.conns[far] = true, true
		p.mu.Unlock()
		go p.pass(near, far)
		go p.pass(far, near)
	}
}

func (p *proxy) pass(from, to net.Conn) {
	defer func() {
		_, _ = from.Close(), to.Close()
		p.mu.Lock()
		delete(p.conns, from)
		delete(p.conns, to)
		p.mu.Unlock()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		for p.stalled {
			p.moved.Wait()
		}
		p.mu.Unlock()
		if n > 0 {
			if _, e := to.Write(buf[:n]); e != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut closes all connections and refuses new ones.
func (p *proxy) cut() { p.set(false, true) }

// stall keeps back what is sent from now on: nobody sees an error before its own timeout.
func (p *proxy) stall() { p.set(true, false) }

// heal passes on what was kept back, and takes connections again.
func (p *proxy) heal() { p.set(false, false) }

func (p *proxy) set(stalled, shut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled, p.shut = stalled, shut
	if shut {
		for c := range p.conns {
			_ = c.Close()
		}
	}
	p.moved.Broadcast()
}
