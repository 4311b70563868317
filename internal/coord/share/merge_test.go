package share

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func checkBatches(t interface {
	Fatalf(string, ...any)
	Helper()
}, list []StateBatch, start int64) {
	t.Helper()
	for i, b := range list {
		if !b.valid() || start != NoOffset && b.First < start {
			t.Fatalf("batch %d of %+v, start %d", i, list, start)
		}
		if i == 0 {
			continue
		}
		if p := list[i-1]; b.First <= p.Last || b.First == p.Last+1 && b.like(p) {
			t.Fatalf("batches %d and %d of %+v", i-1, i, list)
		}
	}
}

// TestMergeAgainstOffsets compares with a map from offsets.
func TestMergeAgainstOffsets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var state []StateBatch
		want := map[int64]StateBatch{}
		start := NoOffset
		for range rapid.IntRange(1, 5).Draw(t, "writes") {
			added := drawBatches(t, 40)
			if rapid.Bool().Draw(t, "moves") {
				start = max(start, rapid.Int64Range(0, 30).Draw(t, "start"))
			}
			for _, b := range added {
				for o := b.First; o <= b.Last; o++ {
					if old, ok := want[o]; !ok || b.further(old) {
						want[o] = b
					}
				}
			}
			state = Merge(state, added, start)
			checkBatches(t, state, start)
			got := map[int64]StateBatch{}
			for _, b := range state {
				for o := b.First; o <= b.Last; o++ {
					got[o] = b
				}
			}
			for o := int64(0); o < 60; o++ {
				w, inWant := want[o]
				if start != NoOffset && o < start {
					delete(want, o)
					inWant = false
				}
				g, inGot := got[o]
				if inGot != inWant || inGot && !g.like(w) {
					t.Fatalf("offset %d is %+v %v, not %+v %v", o, g, inGot, w, inWant)
				}
			}
		}
	})
}

func TestMergeAtTheEndOfOffsets(t *testing.T) {
	last := int64(math.MaxInt64 - 1)
	got := Merge([]StateBatch{{First: 5, Last: last}}, []StateBatch{{First: last, Last: last, State: Archived, DeliveryCount: 1}}, NoOffset)
	checkBatches(t, got, NoOffset)
	if len(got) != 2 || got[1].First != last {
		t.Fatalf("%+v", got)
	}
}
