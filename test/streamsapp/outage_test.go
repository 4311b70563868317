package streamsapp

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/streams"
)

// TestRegistryOutage: while no schema can be asked for, no record is taken for a bad one; afterwards all of them are processed.
// A record that is bad is skipped all the same.
func TestRegistryOutage(t *testing.T) {
	c := start(t, "leat")
	c.create(1, "lines", "counts")
	var asked atomic.Int32
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) <= 6 { // each question is asked twice
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(`{"schema":"\"string\""}`))
	}))
	t.Cleanup(registry.Close)
	names := streams.NewTopic("lines", streams.String, streams.RegisteredAvro[string](&streams.RegistryClient{URLs: []string{registry.URL}}, ""))
	results := streams.NewTopic("counts", streams.String, streams.String)
	var bad atomic.Int32
	r := c.run("outage", func(b *streams.Builder) {
		names.Stream(b).MapValues(func(v string) string { return v }).To(results)
	}, streams.OnDecodeError(func(streams.Failure) streams.Decision {
		bad.Add(1)
		return streams.Skip
	}))
	frame := binary.BigEndian.AppendUint32([]byte{0}, 7)
	for key, value := range map[string]string{"a": "\x02x", "bad": "\x63", "b": "\x02y"} {
		if err := c.client.ProduceSync(t.Context(), &kgo.Record{Topic: "lines", Key: []byte(key), Value: append(frame[:5:5], value...)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	c.read("counts", reaches(map[string]string{"a": "x", "b": "y"}))
	if n := bad.Load(); n < 1 || asked.Load() < 7 {
		t.Errorf("the handler was asked %d times, the registry %d times", n, asked.Load())
	}
	r.close()
}

// TestCommitWithoutAnswer: a transaction that the cluster committed, and whose answer was lost together with all connections, is
// known to be committed afterwards: it is not taken for another producer's, which would leave its markers to chance.
func TestCommitWithoutAnswer(t *testing.T) {
	onEach(t, func(t *testing.T, c *cluster) {
		c.create(1, "lines", "counts")
		between := newProxy(t, c.broker.Addr())
		r := c.run("unanswered", wordCount, streams.ExactlyOnce(), streams.ClientOptions(kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
			if between.down() {
				return nil, syscall.ECONNREFUSED // as when no broker runs
			}
			return (&net.Dialer{}).DialContext(ctx, network, between.addr())
		})))
		c.send("lines", "a=x y")
		c.read("counts", total(2))
		between.lose(kmsg.EndTxn)
		c.send("lines", "b=x")
		until(t, "a commit without an answer", func() bool { return strings.Contains(c.said.String(), "committing the transaction") })
		between.heal()
		exact(t, c.read("counts", total(3)))
		until(t, "what became of it", func() bool { return strings.Contains(c.said.String(), "the end of a transaction is known") })
		if !strings.Contains(c.said.String(), "outcome=committed") {
			t.Error(c.said)
		}
		r.close()
	})
}
