package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsAreContiguous(t *testing.T) {
	for i := range (64 - subBits) << (subBits - 1) {
		u := upper(i)
		if bucket(u) != i || bucket(u+1) != i+1 {
			t.Fatalf("bucket %d ends at %d, which falls into %d, and the next into %d", i, u, bucket(u), bucket(u+1))
		}
	}
	if b := bucket(math.MaxInt64); b >= len(histogram{}.counts) {
		t.Fatalf("the largest duration falls into bucket %d of %d", b, len(histogram{}.counts))
	}
}

func TestQuantiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	h := &histogram{}
	var all []time.Duration
	for range 100_000 {
		d := time.Duration(rng.ExpFloat64() * float64(time.Millisecond))
		h.add(d)
		all = append(all, d)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[min(len(all)-1, max(0, int(math.Ceil(q*float64(len(all))))-1))]
		got := h.quantile(q)
		if off := math.Abs(float64(got-want)) / float64(want+1); off > 0.01 {
			t.Errorf("quantile %g is %v, want %v", q, got, want)
		}
	}
	twice := &histogram{}
	twice.merge(h)
	twice.merge(h)
	if twice.n != 2*h.n || twice.quantile(0.5) != h.quantile(0.5) || twice.mean() != h.mean() {
		t.Error("merging changes the distribution")
	}
	if (&histogram{}).quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
}
