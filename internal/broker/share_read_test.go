package broker

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/broker/delivery"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/wire/batch"
)

// TestBatchWalker finds batches of all sizes in a file by their headers, and the ranges that a delivery needs.
func TestBatchWalker(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		file, err := vfs.NewMem(1).Create("/log")
		if err != nil {
			t.Fatal(err)
		}
		var want []sharedBatch
		pos, offset := int64(rapid.IntRange(0, 100).Draw(t, "pos")), int64(rapid.IntRange(0, 5).Draw(t, "offset"))
		start := pos
		for range rapid.IntRange(1, 12).Draw(t, "batches") {
			var values []string
			for range rapid.IntRange(1, 4).Draw(t, "records") {
				values = append(values, strings.Repeat("x", rapid.SampledFrom([]int{0, 10, 1000, 6000}).Draw(t, "size")))
			}
			b := batch.Batch(buildBatch(batch.BuilderOptions{}, values...))
			b.SetBaseOffset(offset)
			if _, err := file.WriteAt(b, pos); err != nil {
				t.Fatal(err)
			}
			want = append(want, sharedBatch{delivery.Span{First: offset, Last: offset + int64(len(values)) - 1}, file, pos, len(b)})
			pos += int64(len(b))
			offset += int64(len(values)) + int64(rapid.IntRange(0, 3).Draw(t, "gap"))
		}
		// A read may end inside of a batch, which does not count then.
		cut := rapid.Int64Range(0, pos-start).Draw(t, "cut")
		enough := rapid.Int64Range(0, offset).Draw(t, "enough")
		var whole []sharedBatch
		for _, b := range want {
			if b.pos+int64(b.size) > start+cut {
				break
			}
			whole = append(whole, b)
			if b.Last >= enough {
				break
			}
		}
		var w batchWalker
		for range 2 { // also with what is buffered from the last time
			got, aborted, err := w.walk(&commitlog.ReadInfo{Slices: []commitlog.Slice{{File: file, Pos: start, Len: int(cut)}}}, enough)
			if err != nil || len(aborted) > 0 || fmt.Sprint(got) != fmt.Sprint(whole) {
				t.Fatalf("%v %v\nnot %v", got, err, whole)
			}
		}
		if len(whole) == 0 {
			return
		}
		i := rapid.IntRange(0, len(whole)-1).Draw(t, "from")
		j := rapid.IntRange(i, len(whole)-1).Draw(t, "to")
		list := ranges(whole, []delivery.Acquired{{First: whole[i].Last, Last: whole[i].Last}, {First: whole[j].First, Last: whole[j].First}})
		if len(list) != 1 || list[0].Pos != whole[i].pos || list[0].Pos+int64(list[0].Len) != whole[j].pos+int64(whole[j].size) || sizeOf(list) != list[0].Len {
			t.Fatalf("%+v for batches %d to %d of %+v", list, i, j, whole)
		}
	})
}

func TestAbortFilter(t *testing.T) {
	const transactional, control = int16(1 << 4), int16(1 << 5)
	data := func(producer, first, last int64) batch.Header {
		return batch.Header{ProducerID: producer, BaseOffset: first, LastOffsetDelta: int32(last - first), Attributes: transactional}
	}
	marker := func(producer, at int64) batch.Header {
		return batch.Header{ProducerID: producer, BaseOffset: at, Attributes: transactional | control}
	}
	f := newAbortFilter([]commitlog.AbortedTxn{{ProducerID: 2, FirstOffset: 8}, {ProducerID: 1, FirstOffset: 0}})
	for _, step := range []struct {
		h    batch.Header
		want bool
	}{
		{data(1, 0, 1), true},
		{data(3, 2, 3), false}, // commits
		{data(1, 4, 4), true},
		{marker(1, 5), false},
		{data(1, 6, 6), false}, // its next transaction
		{data(2, 7, 9), true},
		{marker(3, 10), false},
		{batch.Header{ProducerID: 2, BaseOffset: 11}, false}, // not transactional
		{data(2, 12, 12), true},
		{marker(2, 13), false},
		{data(2, 14, 14), false},
	} {
		if got := f.aborted(&step.h); got != step.want {
			t.Errorf("offset %d: %v", step.h.BaseOffset, got)
		}
	}
}

// A member that loses its permission gets an error in place of records, and acquires none.
func TestShareFetchIsGuarded(t *testing.T) {
	h, w := guardedBroker(t)
	s := newShareSide(t, h.dial(), "")
	s.initialize(0, 1, 0)
	s.produceBatches(0, 2)
	part := []sharePart{{0, ""}}
	w.set(func(q string) bool { return q == "Read Group "+s.group })
	if got := s.fetch(2, part, atEpoch(0)); got != "GROUP_AUTHORIZATION_FAILED" {
		t.Fatal(got)
	}
	if got := s.acknowledge(2, []sharePart{{0, "0-1:1"}}, 1, false); got != "GROUP_AUTHORIZATION_FAILED" {
		t.Fatal(got)
	}
	w.set(func(q string) bool { return q == "Read Topic "+s.topic })
	if got := s.fetch(2, part, atEpoch(0)); got != "NONE\n  0 TOPIC_AUTHORIZATION_FAILED ack=NONE" {
		t.Fatal(got)
	}
	w.set(func(string) bool { return false })
	if got := s.fetch(2, nil); !strings.Contains(got, "acquired 0-1/1") {
		t.Fatal(got)
	}
	w.set(func(q string) bool { return q == "Read Topic "+s.topic })
	if got := s.fetch(2, []sharePart{{0, "0-0:1"}}); got != "NONE\n  0 TOPIC_AUTHORIZATION_FAILED ack=TOPIC_AUTHORIZATION_FAILED" {
		t.Fatal(got)
	}
	if got := s.acknowledge(2, []sharePart{{0, "0-1:1"}}, s.epoch, false); got != "NONE 0:TOPIC_AUTHORIZATION_FAILED" {
		t.Fatal(got)
	}
	w.set(func(string) bool { return false })
	if got := s.acknowledge(2, []sharePart{{0, "0-1:1"}}, s.epoch, false); got != "NONE 0:NONE" {
		t.Fatal(got)
	}
}
