package streamsapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"leat.dev/streams"
	"leat.dev/test/launch"
)

// TestEmptyInput: a join waits for its table only as long as the broker may have rows.
func TestEmptyInput(t *testing.T) {
	onBoth(t, func(t *testing.T, c *cluster) {
		c.create(2, "lines", "counts", "rows")
		rows := streams.NewTopic("rows", streams.String, streams.String)
		r := c.run("joined", func(b *streams.Builder) {
			lines.Stream(b).LeftJoinTable(rows.Table(b, "rows"), func(l, r string, ok bool) string { return fmt.Sprint(l, r, ok) }).To(counts)
		}, streams.ExactlyOnce())
		c.send("lines", "a=1", "b=2", "c=3")
		c.read("counts", reaches(map[string]string{"a": "1false", "b": "2false", "c": "3false"}))
		c.send("rows", "a=x")
		c.send("lines", "b=4")
		c.read("counts", reaches(map[string]string{"b": "4false"}))
		r.close()
	})
}

// TestPurge: what is processed leaves the repartition topic.
func TestPurge(t *testing.T) {
	onBoth(t, func(t *testing.T, c *cluster) {
		c.create(1, "lines", "counts")
		r := c.run("purged", wordCount, streams.PurgeEvery(100*time.Millisecond))
		c.send("lines", "x=a b c d")
		c.read("counts", total(4))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			// The commit that says what may go can be that of a task which went back and began again: another one follows each record.
			c.send("lines", "x=a")
			starts, err := c.admin.ListStartOffsets(ctx, "purged-by-word-repartition")
			if err != nil {
				t.Fatal(err)
			}
			if o, ok := starts.Lookup("purged-by-word-repartition", 0); ok && o.Offset >= 4 {
				break
			}
			<-tick.C
		}
		r.close()
	})
}

// TestStopApplication: one instance fails, all stop.
func TestStopApplication(t *testing.T) {
	onBoth(t, func(t *testing.T, c *cluster) {
		c.create(4, "lines", "counts")
		stop := streams.OnCrash(func(error) streams.CrashPolicy { return streams.StopApplication })
		program := func(b *streams.Builder) {
			countWords(b, func(w string) error {
				if w == "poison" {
					return errors.New("poisoned")
				}
				return nil
			})
		}
		one, two := c.run("stopped", program, stop), c.run("stopped", program, stop)
		one.await(streams.Running)
		two.await(streams.Running)
		c.send("lines", "x=poison")
		first, second := one.end(), two.end()
		if first == nil || second == nil {
			t.Fatal(first, second)
		}
		if errors.Is(first, streams.ErrStopped) {
			first, second = second, first
		}
		if !strings.Contains(first.Error(), "poisoned") || !errors.Is(second, streams.ErrStopped) && !strings.Contains(second.Error(), "poisoned") {
			t.Fatalf("the instances ended with\n%v\n%v", first, second)
		}
	})
}

// TestServeQueries asks over HTTP, and for owners.
func TestServeQueries(t *testing.T) {
	c := start(t, "leat")
	c.create(3, "lines", "counts")
	addr, err := launch.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	r := c.run("served", wordCount, streams.ServeQueries(addr), streams.Metrics(registry))
	c.send("lines", "x=a b a")
	c.read("counts", total(3))
	get := func(path string, status int, into any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != status {
			t.Fatalf("%s: status %d, want %d", path, resp.StatusCode, status)
		}
		if into != nil {
			if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
				t.Fatal(err)
			}
		}
	}
	var row struct {
		Key   string
		Value int
	}
	get("/stores/words/a", 200, &row)
	if row.Key != "a" || row.Value != 2 {
		t.Fatal(row)
	}
	get("/stores/words/z", 404, nil)
	get("/stores/none", 404, nil)
	get("/stores/words?limit=0", 400, nil)
	row.Key = ""
	get("/stores/words?limit=1", 200, &row)
	if row.Key == "" {
		t.Fatal("no entry")
	}
	var hosts []streams.Host
	get("/hosts", 200, &hosts)
	if len(hosts) != 1 || hosts[0].Address != addr || len(hosts[0].Active) != 6 || !slices.Contains(hosts[0].Stores, "words") {
		t.Fatal(hosts)
	}
	get("/health/ready", 200, nil)
	get("/positions", 200, nil)
	get("/lags", 200, nil)
	if owner, _, err := r.app.Owner("words", streams.String, "a"); owner != addr || err != nil {
		t.Fatal(owner, err)
	}
	families, err := registry.Gather()
	if err != nil || len(families) < 8 {
		t.Fatal(len(families), err)
	}
	r.close()
}
