package quota

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestKafkaRecording replays what Kafka's own classes did.
func TestKafkaRecording(t *testing.T) {
	f, err := os.Open("testdata/kafka-4.3.1.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var (
		kind   string
		w      Window
		limit  float64
		rate   Rate
		bucket TokenBucket
		seen   int
	)
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		var seconds int
		if strings.Contains(line, "limit=") {
			if _, err := fmt.Sscanf(line, "%s samples=%d size=%d limit=%g", &kind, &w.Samples, &seconds, &limit); err != nil {
				t.Fatal(err)
			}
			w.Size = time.Duration(seconds) * time.Second
			rate, bucket = Rate{}, TokenBucket{}
			continue
		}
		var now, throttle, got int64
		var amount, value, measured float64
		if _, err := fmt.Sscanf(line, "%d %g %g %d", &now, &amount, &value, &throttle); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		if kind == "bucket" {
			bucket.Take(w, limit, amount, now)
			measured, got = bucket.Tokens(w, limit, now), bucket.Throttle(w, limit, now)
		} else {
			rate.Add(w, amount, now)
			measured, _ = rate.Measure(w, now)
			got = rate.Throttle(w, limit, now)
		}
		if math.Abs(measured-value) > 1e-6*max(1, math.Abs(value)) || got != throttle {
			t.Fatalf("line %d: %q: measured %v, throttle %d", n, line, measured, got)
		}
		seen++
	}
	if seen < 1000 {
		t.Fatalf("only %d lines", seen)
	}
}

// TestRateBounds: the rate is between what the naive models say that count everything within the shortest and the
// longest time a sample may live.
func TestRateBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := Window{Samples: rapid.IntRange(1, 12).Draw(t, "samples"), Size: time.Second}
		type event struct {
			at     int64
			amount float64
		}
		var events []event
		var r Rate
		now := int64(1_000_000)
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now += rapid.Int64Range(0, 3000).Draw(t, "step")
			amount := float64(rapid.IntRange(0, 1000).Draw(t, "amount"))
			r.Add(w, amount, now)
			events = append(events, event{now, amount})
			rate, over := r.Measure(w, now)
			sum := rate * float64(over) / 1000
			least, most := 0.0, 0.0
			full := int64(w.Samples) * 1000
			for _, e := range events {
				if e.at > now-full {
					least += e.amount
				}
				if e.at > now-full-1000 { // the oldest sample may reach back by its own length
					most += e.amount
				}
			}
			if sum < least-1e-6 || sum > most+1e-6 {
				t.Fatalf("at %d: %v counted, between %v and %v came", now, sum, least, most)
			}
			if over < int64(w.Samples-1)*1000 || over > full+1000+3000 {
				t.Fatalf("measured over %d ms", over)
			}
		}
	})
}

// TestHeldToLimit: a client that waits as it is told to gets what its limit says, whatever the size of its requests.
func TestHeldToLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := Window{Samples: 11, Size: time.Second}
		limit := float64(rapid.IntRange(1000, 1_000_000).Draw(t, "limit"))
		request := limit * rapid.Float64Range(0.01, 3).Draw(t, "seconds per request")
		var r Rate
		begin, now := int64(1_000_000), int64(1_000_000)
		total := 0.0
		for now < begin+120_000 {
			total += request
			r.Add(w, request, now)
			now += max(1, r.Throttle(w, limit, now))
		}
		// The first window is free, and so is one request; the window moves by whole samples, which gives a little more.
		if got := (total - request - 10*limit) / (float64(now-begin) / 1000); got > limit*1.1 {
			t.Fatalf("limit %v, requests of %v, got %v", limit, request, got)
		}
		if got := total / (float64(now-begin) / 1000); got < limit*0.9 {
			t.Fatalf("limit %v, requests of %v, got only %v", limit, request, got)
		}
	})
}
