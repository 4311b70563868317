package streamsapp

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
)

// TestQueryLatency measures how long a read takes while the workers are busy, and what it costs them. LEAT_QUERY_LATENCY=1
// runs it.
func TestQueryLatency(t *testing.T) {
	if os.Getenv("LEAT_QUERY_LATENCY") == "" {
		t.Skip("a measurement: LEAT_QUERY_LATENCY=1 runs it")
	}
	c := start(t, "leat")
	c.create(4, "numbers")
	const records = 400_000
	for from := 0; from < records; from += 20_000 {
		batch := make([]*kgo.Record, 20_000)
		for i := range batch {
			n := strconv.Itoa(from + i)
			batch[i] = &kgo.Record{Topic: "numbers", Key: []byte("k" + strconv.Itoa((from+i)%5000)), Value: []byte(n), Timestamp: time.UnixMilli(int64(from + i))}
		}
		if err := c.client.ProduceSync(t.Context(), batch...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for _, eos := range []bool{false, true} {
		for _, readers := range []int{0, 1, 8, 64} {
			measureLatency(t, c, eos, readers, records)
		}
	}
}

func measureLatency(t *testing.T, c *cluster, eos bool, readers, records int) {
	var done atomic.Int64
	o := []streams.AppOption{streams.Workers(2), streams.CommitEvery(100 * time.Millisecond)}
	if eos {
		o = append(o, streams.ExactlyOnce())
	}
	began := time.Now()
	r := c.run(fmt.Sprintf("latency-%t-%d", eos, readers), func(b *streams.Builder) {
		numbers.Stream(b).Process("keep", streams.String, func(c *streams.Context[string, string]) func(streams.Record[string, string]) error {
			kv := plain.In(c)
			return func(r streams.Record[string, string]) error {
				done.Add(1)
				old, _, err := kv.Get(r.Key)
				if err != nil {
					return err
				}
				return kv.Put(r.Key, streams.Stamped[int64]{Value: old.Value + 1, Time: r.Time})
			}
		}, plain)
	}, o...)
	r.await(streams.Running)
	var wait sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	for reader := range readers {
		wait.Go(func() {
			kv, err := r.app.Query(plain)
			if err != nil {
				t.Error(err)
				return
			}
			var own []time.Duration
			for i := reader; done.Load() < int64(records); i++ {
				at := time.Now()
				if _, _, err := kv.Get("k" + strconv.Itoa(i%5000)); err != nil {
					t.Error(err)
					return
				}
				own = append(own, time.Since(at))
			}
			mu.Lock()
			took = append(took, own...)
			mu.Unlock()
		})
	}
	for done.Load() < int64(records) {
		had := done.Load()
		until(t, "more records", func() bool { return done.Load() >= min(had+int64(records)/20, int64(records)) })
	}
	wait.Wait()
	rate := float64(records) / time.Since(began).Seconds()
	r.close()
	slices.Sort(took)
	at := func(p float64) time.Duration {
		if len(took) == 0 {
			return 0
		}
		return took[int(p*float64(len(took)-1))].Round(time.Microsecond)
	}
	t.Logf("exactly-once %-5t readers %2d: %7.0f records/s, %6d reads, median %v, 99 %% %v, 99.9 %% %v, most %v", eos, readers, rate, len(took), at(0.5), at(0.99), at(0.999), at(1))
}
