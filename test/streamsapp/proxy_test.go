package streamsapp

import (
	"encoding/binary"
	"net"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
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
	// losing is a request whose answer is to be lost: it is passed on, and all connections are cut before the broker's answer comes.
	losing  int16
	waiting net.Conn // the broker's connection with that request
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, conns: map[net.Conn]bool{}, losing: -1}
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
		if p.down() {
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
		if n > 6 && int16(binary.BigEndian.Uint16(buf[4:])) == p.losing { //nolint:gosec // keys are int16
			p.losing, p.waiting = -1, to
		}
		answered := p.waiting == from
		p.mu.Unlock()
		if answered {
			p.cut()
			return
		}
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

// lose cuts all connections when the next request of a kind is answered. Requests of a connection come one by one.
func (p *proxy) lose(key kmsg.Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.losing = key.Int16()
}

// cut closes all connections and refuses new ones.
func (p *proxy) cut() { p.set(false, true) }

// stall keeps back what is sent from now on: nobody sees an error before its own timeout.
func (p *proxy) stall() { p.set(true, false) }

// heal passes on what was kept back, and takes connections again.
func (p *proxy) heal() { p.set(false, false) }

// down tells whether it takes no connections.
func (p *proxy) down() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shut
}

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
