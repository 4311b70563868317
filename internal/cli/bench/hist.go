package bench

import (
	"math/bits"
	"sync"
	"time"

	"leat.dev/internal/cli/screen"
)

// subBits is the precision of a histogram: a value is known to one part in 2^(subBits-1), less than a percent.
const subBits = 8

// histogram counts durations in buckets whose width grows with their value. It may be used from any goroutine.
type histogram struct {
	mu     sync.Mutex
	counts [(64 - subBits + 2) << (subBits - 1)]int64
	n      int64
	sum    time.Duration
	max    time.Duration
}

// bucket returns the index of a value: exact below 2^subBits, then 2^(subBits-1) buckets per power of two.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := max(0, bits.Len64(v)-subBits)
	return shift<<(subBits-1) + int(v>>shift)
}

// upper returns the largest value that falls into a bucket.
func upper(i int) time.Duration {
	if i < 1<<subBits {
		return time.Duration(i)
	}
	shift := i>>(subBits-1) - 1
	v := uint64(i - shift<<(subBits-1))
	return time.Duration((v+1)<<shift - 1)
}

func (h *histogram) add(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[bucket(d)]++
	h.n++
	h.sum += d
	h.max = max(h.max, d)
}

// merge adds the counts of another histogram, which must not change meanwhile.
func (h *histogram) merge(o *histogram) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
	h.sum += o.sum
	h.max = max(h.max, o.max)
}

// quantile returns the value that a share q of the values does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	rank := int64(q*float64(h.n) + 0.999999)
	rank = min(max(rank, 1), h.n)
	var seen int64
	for i, c := range h.counts {
		if seen += c; c > 0 && seen >= rank {
			return min(upper(i), h.max)
		}
	}
	return 0
}

func (h *histogram) mean() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n == 0 {
		return 0
	}
	return h.sum / time.Duration(h.n)
}

// latencies is a histogram's summary, in milliseconds.
type latencies struct {
	Mean float64 `json:"mean_ms"`
	P50  float64 `json:"p50_ms"`
	P90  float64 `json:"p90_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p99_9_ms"`
	Max  float64 `json:"max_ms"`
}

func (h *histogram) latencies() latencies {
	return latencies{
		Mean: screen.Millis(h.mean()), P50: screen.Millis(h.quantile(0.5)), P90: screen.Millis(h.quantile(0.9)),
		P99: screen.Millis(h.quantile(0.99)), P999: screen.Millis(h.quantile(0.999)), Max: screen.Millis(h.max),
	}
}

// cells are the columns of a table of latencies.
func (h *histogram) cells() []any {
	return []any{
		screen.Duration(h.mean()), screen.Duration(h.quantile(0.5)), screen.Duration(h.quantile(0.9)),
		screen.Duration(h.quantile(0.99)), screen.Duration(h.quantile(0.999)), screen.Duration(h.max),
	}
}

var latencyColumns = []string{"MEAN>", "P50>", "P90>", "P99>", "P99.9>", "MAX>"}
