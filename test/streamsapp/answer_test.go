package streamsapp

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/streams"
)

// cuts is how many EndTxn requests have no answer.
const cuts = 4

// silence cuts the connection of some EndTxn requests, before or after they are sent, and lets no client connect for some
// tries, or for none: who ended a transaction does not learn what became of it.
type silence struct {
	mu     sync.Mutex
	ends   int // EndTxn requests so far
	cut    int
	refuse int // so many dials
}

func (s *silence) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	s.mu.Lock()
	refused := s.refuse > 0
	if refused {
		s.refuse--
	}
	s.mu.Unlock()
	if refused {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	return &silent{conn, s}, err
}

// next tells what happens to an EndTxn request.
func (s *silence) next() (before, after bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends++
	if s.ends%3 != 0 || s.cut >= cuts {
		return false, false
	}
	s.cut++
	s.refuse = s.cut % 3 * 2
	return s.cut%2 == 0, s.cut%2 == 1
}

func (s *silence) done() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cut >= cuts
}

type silent struct {
	net.Conn
	s *silence
}

func (c *silent) Write(b []byte) (int, error) {
	if len(b) < 8 || kmsg.Key(int16(binary.BigEndian.Uint16(b[4:]))) != kmsg.EndTxn { //nolint:gosec // an api key
		return c.Conn.Write(b)
	}
	before, after := c.s.next()
	if before {
		_ = c.Close()
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Write(b)
	if after {
		err = c.Close()
	}
	return n, err
}

// TestLostAnswers: who does not learn whether a transaction was committed finds out; nothing is lost, and nothing doubled.
func TestLostAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while: go test without -short")
	}
	onEach(t, func(t *testing.T, c *cluster) {
		c.create(3, "lines", "counts")
		s := &silence{}
		r := c.run("silent", wordCount, streams.ExactlyOnce(), streams.Workers(2), streams.StateDir(t.TempDir()),
			streams.ClientOptions(kgo.Dialer(s.dial)))
		r.await(streams.Running)
		n := 0
		for ; !s.done(); n++ {
			line := fmt.Sprintf("a b%d c%d", n%3, n%7)
			if err := c.client.ProduceSync(t.Context(), &kgo.Record{Topic: "lines", Key: fmt.Append(nil, n%5), Value: []byte(line)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		exact(t, c.read("counts", func(all []*kgo.Record) bool { return len(all) >= 3*n }))
		r.close()
		exact(t, c.read("counts", func(all []*kgo.Record) bool { return len(all) >= 3*n }))
	})
}
