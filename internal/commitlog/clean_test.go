package commitlog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

// keyed builds a batch of "key=value" records; "key" alone is a tombstone.
func (h *harness) keyed(codec compress.Codec, records ...string) batch.Batch {
	b := batch.NewBuilder(batch.BuilderOptions{Codec: codec})
	for _, r := range records {
		key, value, ok := strings.Cut(r, "=")
		var v []byte
		if ok {
			v = []byte(value)
		}
		b.Append(h.clock.Now().UnixMilli(), []byte(key), v, nil)
	}
	return finish(h.t, b)
}

func (h *harness) clean() CleanStats {
	h.t.Helper()
	h.flush()
	stats, err := h.log.Clean(context.Background(), NewCleanerBuffers(1<<20, 4096, 0.9))
	if err != nil {
		h.t.Fatalf("clean: %v", err)
	}
	return stats
}

// content lists what a consumer sees, as "offset key=value".
func (h *harness) content() (out []string) {
	h.t.Helper()
	offset := h.log.StartOffset()
	for {
		b, err := h.log.ReadBytes(offset, 500, ReadLogEnd)
		if err != nil {
			h.t.Fatal(err)
		}
		if len(b) == 0 {
			return out
		}
		for one, err := range batch.Split(b) {
			if err != nil {
				h.t.Fatal(err)
			}
			if !one.VerifyCRC() {
				h.t.Fatalf("bad checksum at %d", one.Header().BaseOffset)
			}
			for r, err := range one.Records(nil, 1<<20) {
				if err != nil {
					h.t.Fatal(err)
				}
				s := fmt.Sprintf("%d %s", r.Offset, r.Key)
				if one.Header().Control() {
					s = fmt.Sprintf("%d marker", r.Offset)
				} else if r.Value != nil {
					s += "=" + string(r.Value)
				}
				out = append(out, s)
			}
			offset = one.Header().NextOffset()
		}
	}
}

func (h *harness) wantContent(want ...string) {
	h.t.Helper()
	if got := h.content(); !slices.Equal(got, want) {
		h.t.Fatalf("log holds\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func (h *harness) roll() {
	h.t.Helper()
	h.log.appendMu.Lock()
	defer h.log.appendMu.Unlock()
	if err := h.log.roll(h.log.end.Load()); err != nil {
		h.t.Fatal(err)
	}
}

func compacted(c *Config) { c.Compact, c.Delete, c.DeleteRetention = true, false, time.Hour }

func TestCleanKeepsLastOfKey(t *testing.T) {
	for _, codec := range []compress.Codec{compress.None, compress.Gzip, compress.Snappy, compress.LZ4, compress.Zstd} {
		h := newHarness(t, compacted)
		h.append(h.keyed(codec, "a=1", "b=1", "c=1"))
		h.append(h.keyed(codec, "a=2"))
		h.roll()
		h.append(h.keyed(codec, "b=2", "d"))
		h.roll()
		h.append(h.keyed(codec, "a=3"))
		stats := h.clean()
		want := []string{"2 c=1", "3 a=2", "4 b=2", "5 d", "6 a=3"}
		h.wantContent(want...)
		if stats.SegmentsAfter != 1 || stats.FirstDirtyOffset != 6 {
			t.Fatalf("stats %+v", stats)
		}
		b, err := h.log.ReadBytes(0, 1, ReadLogEnd)
		if err != nil {
			t.Fatal(err)
		}
		if head := batch.Batch(b).Header(); head.BaseOffset != 0 || head.LastOffset() != 2 || head.Codec() != codec {
			t.Fatalf("first batch %+v", head)
		}
		for _, clean := range []bool{true, false} {
			h.reopen(clean, 7)
			h.wantContent(want...)
		}
	}
}

func TestCleanTombstones(t *testing.T) {
	h := newHarness(t, compacted)
	h.append(h.keyed(compress.None, "a=1", "b=1"))
	h.append(h.keyed(compress.None, "a"))
	h.append(h.keyed(compress.None, "x=1"))
	h.roll()
	h.clean()
	h.wantContent("1 b=1", "2 a", "3 x=1")
	// Not yet: delete.retention.ms counts from the pass that kept it first.
	h.clock.Advance(59 * time.Minute)
	h.append(h.keyed(compress.None, "c=1"))
	h.roll()
	h.clean()
	h.wantContent("1 b=1", "2 a", "3 x=1", "4 c=1")
	h.clock.Advance(2 * time.Minute)
	h.append(h.keyed(compress.None, "d=1"))
	h.roll()
	h.clean()
	h.wantContent("1 b=1", "3 x=1", "4 c=1", "5 d=1")
}

func TestCleanTransactions(t *testing.T) {
	h := newHarness(t, compacted)
	marker := func(id int64, commit bool) {
		t.Helper()
		b := batch.EndTxnMarker(id, 0, 5, commit, h.clock.Now().UnixMilli(), 0)
		if _, err := h.log.AppendLeader(b, AppendOptions{LeaderEpoch: 1, Origin: Coordinator}); err != nil {
			t.Fatal(err)
		}
	}
	h.append(h.produced(1, 0, 0, 2, true)) // 0 1, aborted
	h.append(h.produced(2, 0, 0, 2, true)) // 2 3, committed
	marker(1, false)                       // 4
	marker(2, true)                        // 5
	h.append(h.keyed(compress.None, "p1-0=later"))
	h.roll()
	h.append(h.produced(3, 0, 0, 1, true)) // 7, open
	h.roll()
	h.append(h.keyed(compress.None, "end=1"))
	h.flush()
	h.clean()
	// The aborted records are gone. Their batch stays as a header, because it
	// holds the last sequence of an active producer.
	h.wantContent("2 p2-0=p2-0", "3 p2-1=p2-1", "4 marker", "5 marker", "6 p1-0=later", "7 p3-0=p3-0", "8 end=1")
	info, err := h.log.Read(0, 1<<20, true, ReadStable)
	if err != nil || len(info.Aborted) != 1 || info.Aborted[0] != (AbortedTxn{1, 0}) {
		t.Fatalf("aborted %+v, %v", info.Aborted, err)
	}
	info.Release()
	for _, clean := range []bool{true, false} {
		h.reopen(clean, h.log.EndOffset())
		h.log.SetHighWatermark(h.log.EndOffset())
		if got := h.log.LastStableOffset(); got != 7 {
			t.Fatalf("stable offset %d", got)
		}
		if dup := h.append(h.produced(1, 0, 0, 2, true)); !dup.Duplicate {
			t.Fatal("the aborted producer's sequence was forgotten")
		}
	}
	// Once the producers are forgotten, data, markers and index entries go.
	h.clock.Advance(25 * time.Hour)
	marker(3, true)
	h.flush()
	if n := h.log.ExpireProducers(h.clock.Now()); n != 2 {
		t.Fatalf("%d producers expired", n)
	}
	for range 3 {
		h.append(h.keyed(compress.None, "end=2"))
		h.roll()
		h.clean()
		h.clock.Advance(2 * time.Hour)
	}
	got := strings.Join(h.content(), ", ")
	if strings.Contains(got, "4 marker") || !strings.Contains(got, "2 p2-0=p2-0") {
		t.Fatalf("log holds %s", got)
	}
}

func TestCleanMemoryBound(t *testing.T) {
	h := newHarness(t, compacted)
	for i := range 300 {
		h.append(h.keyed(compress.None, fmt.Sprintf("k%03d=%d", i%100, i)))
		if i%60 == 59 {
			h.roll()
		}
	}
	h.flush()
	b := NewCleanerBuffers(50*mapEntry, 1000, 0.9) // 45 keys at a time
	for range 20 {
		info, err := h.log.CleanableInfo(h.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if info.DirtyBytes == 0 {
			break
		}
		if _, err := h.log.Clean(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	got := h.content()
	if len(got) != 100 || got[0] != "200 k000=200" {
		t.Fatalf("%d records, first %q", len(got), got[0])
	}
}

func TestCleanLags(t *testing.T) {
	h := newHarness(t, func(c *Config) {
		compacted(c)
		c.MinCompactionLag, c.MaxCompactionLag, c.MinCleanableDirtyRatio = time.Minute, time.Hour, 1
	})
	h.append(h.keyed(compress.None, "a=1"))
	h.append(h.keyed(compress.None, "a=2"))
	h.roll()
	h.flush()
	due := func() (bool, bool) {
		info, err := h.log.CleanableInfo(h.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		return info.DirtyBytes > 0, info.Due
	}
	if dirty, _ := due(); dirty {
		t.Fatal("compaction would take records younger than min.compaction.lag.ms")
	}
	h.clock.Advance(2 * time.Minute)
	if dirty, d := due(); !dirty || d {
		t.Fatalf("dirty %v, due %v", dirty, d)
	}
	h.clock.Advance(time.Hour)
	if _, d := due(); !d {
		t.Fatal("not due past max.compaction.lag.ms")
	}
	h.append(h.keyed(compress.None, "b=1"))
	h.clock.Advance(2 * time.Hour)
	if rolled, err := h.log.RollIfDue(); err != nil || !rolled {
		t.Fatalf("rolled %v, %v", rolled, err)
	}
}

func TestReaderKeepsCompactedSegment(t *testing.T) {
	h := newHarness(t, compacted)
	for i := range 50 {
		h.append(h.keyed(compress.None, fmt.Sprintf("k=%d", i)))
	}
	h.roll()
	info, err := h.log.Read(0, 1<<20, true, ReadLogEnd)
	if err != nil {
		t.Fatal(err)
	}
	before := make([]byte, info.Bytes)
	if err := readFull(info.Slices[0].File, before, info.Slices[0].Pos); err != nil {
		t.Fatal(err)
	}
	h.clean()
	h.clock.Advance(time.Hour)
	if err := h.log.SweepDeleted(h.clock.Now()); err != nil {
		t.Fatal(err)
	}
	after := make([]byte, info.Bytes)
	if err := readFull(info.Slices[0].File, after, info.Slices[0].Pos); err != nil || string(before) != string(after) {
		t.Fatalf("bytes changed under a reader: %v", err)
	}
	info.Release()
	h.wantContent("49 k=49")
}
