package consume

import (
	"encoding/binary"
	"testing"
	"time"
)

func TestStart(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	// A partition that holds the offsets 10 to 99, and whose first record since the time asked for is at 42.
	const s, e, byTime = 10, 100, 42
	for offset, want := range map[string]int64{
		"earliest": s, "latest": e, "50": 50, "0": 0, "-5": 95, "-1000": s, "0:33,1:44": 33,
	} {
		from, err := parseStart(offset, "", now)
		if err != nil {
			t.Errorf("%q: %v", offset, err)
			continue
		}
		if got := from.in(s, e, byTime, 0); got != want {
			t.Errorf("%q: got %d, want %d", offset, got, want)
		}
	}
	from, err := parseStart("earliest", "1h", now)
	if err != nil || from.in(s, e, byTime, 0) != byTime {
		t.Errorf("by time: %v", err)
	}
	for _, offset := range []string{"", "x", "0:", "0:1,", "a:1", "0:-1", "--5"} {
		if _, err := parseStart(offset, "", now); err == nil {
			t.Errorf("%q is accepted", offset)
		}
	}
}

func TestSpans(t *testing.T) {
	s := spans{{"t", 0}: {next: 3, end: 10}, {"t", 1}: {next: 5, end: 5}, {"t", 2}: {next: 9, end: 4}}
	if s.open() != 1 || s.remaining() != 7 {
		t.Errorf("open %d, remaining %d", s.open(), s.remaining())
	}
}

// emptyBatch is a batch header as compaction leaves it.
func emptyBatch(base int64, lastDelta, count int32) []byte {
	b := make([]byte, batchHeader)
	binary.BigEndian.PutUint64(b, uint64(base))
	binary.BigEndian.PutUint32(b[batchLengthAt:], batchHeader-batchOverhead)
	binary.BigEndian.PutUint32(b[batchLastDeltaAt:], uint32(lastDelta))
	binary.BigEndian.PutUint32(b[batchCountAt:], uint32(count))
	return b
}

func TestSkipEmptyBatches(t *testing.T) {
	two := append(emptyBatch(5, 2, 0), emptyBatch(8, 0, 0)...)
	for name, c := range map[string]struct {
		b    []byte
		next int64
		want int64
	}{
		"nothing":                  {nil, 5, 5},
		"empty":                    {two, 5, 9},
		"records follow":           {append(two[:len(two):len(two)], emptyBatch(9, 3, 4)...), 5, 9},
		"records at once":          {emptyBatch(5, 0, 1), 5, 5},
		"records before the place": {append(emptyBatch(3, 1, 2), two...), 5, 9},
		"cut off":                  {two[:70], 5, 8},
	} {
		if got := skipEmptyBatches(c.b, c.next); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func FuzzSkipEmptyBatches(f *testing.F) {
	f.Add(emptyBatch(5, 2, 0), int64(5))
	f.Fuzz(func(t *testing.T, b []byte, next int64) {
		if got := skipEmptyBatches(b, next); got < next {
			t.Fatalf("went back from %d to %d", next, got)
		}
	})
}
