package streamsapp

import (
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

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
