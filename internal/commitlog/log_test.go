package commitlog

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

// harness is a log on a disk and a clock that the test drives.
type harness struct {
	t     testing.TB
	fs    vfs.FS
	clock *clock.Manual
	opts  Options
	log   *Log
}

func newHarness(t testing.TB, change func(*Config)) *harness {
	h := &harness{t: t, fs: vfs.NewMem(1), clock: clock.NewManual(time.UnixMilli(1_700_000_000_000))}
	c := DefaultConfig()
	c.SegmentBytes, c.IndexInterval = 1<<20, 100
	if change != nil {
		change(&c)
	}
	h.opts = Options{FS: h.fs, Clock: h.clock, Dir: "/data/t-0", Topic: "t", TopicID: [16]byte{1}, Config: c}
	h.open()
	return h
}

func (h *harness) open() {
	h.t.Helper()
	l, err := Open(h.opts)
	if err != nil {
		h.t.Fatalf("open: %v", err)
	}
	h.log = l
}

func (h *harness) reopen(clean bool, recoveryPoint int64) {
	h.t.Helper()
	if clean {
		if err := h.log.Close(); err != nil {
			h.t.Fatalf("close: %v", err)
		}
	}
	h.opts.FS, h.opts.Clean, h.opts.RecoveryPoint = h.fs, clean, recoveryPoint
	h.open()
}

// records builds a batch with one record per value; keys are the values.
func (h *harness) records(values ...string) batch.Batch {
	h.t.Helper()
	b := batch.NewBuilder(batch.BuilderOptions{})
	for _, v := range values {
		b.Append(h.clock.Now().UnixMilli(), []byte(v), []byte(v), nil)
	}
	return finish(h.t, b)
}

func finish(t testing.TB, b *batch.Builder) batch.Batch {
	t.Helper()
	out, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return append(batch.Batch(nil), out...)
}

// produced builds a batch of n records of an idempotent producer.
func (h *harness) produced(id int64, epoch int16, seq int32, n int, txn bool) batch.Batch {
	b := batch.NewBuilder(batch.BuilderOptions{
		Producer: &batch.Producer{ID: id, Epoch: epoch, BaseSequence: seq}, Transactional: txn,
	})
	for i := range n {
		v := fmt.Sprintf("p%d-%d", id, int(seq)+i)
		b.Append(h.clock.Now().UnixMilli(), []byte(v), []byte(v), nil)
	}
	return finish(h.t, b)
}

func (h *harness) append(b batch.Batch) AppendInfo {
	h.t.Helper()
	info, err := h.log.AppendLeader(b, AppendOptions{LeaderEpoch: 1})
	if err != nil {
		h.t.Fatalf("append: %v", err)
	}
	return info
}

func (h *harness) flush() {
	h.t.Helper()
	if _, err := h.log.Flush(); err != nil {
		h.t.Fatalf("flush: %v", err)
	}
	h.log.SetHighWatermark(h.log.EndOffset())
}

// values reads everything from offset on, as "offset:value".
func (h *harness) values(offset int64, iso Isolation) (out []string) {
	h.t.Helper()
	for {
		b, err := h.log.ReadBytes(offset, 1000, iso)
		if err != nil {
			h.t.Fatalf("read at %d: %v", offset, err)
		}
		if len(b) == 0 {
			return out
		}
		for one, err := range batch.Split(b) {
			if err != nil {
				h.t.Fatal(err)
			}
			for r, err := range one.Records(nil, 1<<20) {
				if err != nil {
					h.t.Fatal(err)
				}
				if r.Offset >= offset && !one.Header().Control() {
					out = append(out, fmt.Sprintf("%d:%s", r.Offset, r.Value))
				}
			}
			offset = one.Header().NextOffset()
		}
	}
}

func (h *harness) wantValues(offset, to int64, value func(int64) string) {
	h.t.Helper()
	got := h.values(offset, ReadLogEnd)
	if int64(len(got)) != to-offset {
		h.t.Fatalf("%d records from %d, want %d", len(got), offset, to-offset)
	}
	for i, v := range got {
		o := offset + int64(i)
		if want := fmt.Sprintf("%d:%s", o, value(o)); v != want {
			h.t.Fatalf("record %q, want %q", v, want)
		}
	}
}

func valueAt(o int64) string { return fmt.Sprintf("value-%05d", o) }

func (h *harness) fill(n int) {
	h.t.Helper()
	for range n {
		h.append(h.records(valueAt(h.log.EndOffset())))
	}
}

func TestAppendReadReopen(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.SegmentBytes = 2000 })
	h.fill(200)
	if n := len(h.log.Segments()); n < 5 {
		t.Fatalf("%d segments", n)
	}
	h.wantValues(0, 200, valueAt)
	h.wantValues(117, 200, valueAt)
	h.flush()
	h.reopen(true, 200)
	h.wantValues(0, 200, valueAt)
	h.fill(50)
	h.wantValues(0, 250, valueAt)
	if got := h.log.LatestEpoch(); got != 1 {
		t.Errorf("epoch %d", got)
	}
	// Without a close, from every recovery point.
	for _, rp := range []int64{0, 13, 100, 200} {
		h.reopen(false, rp)
		h.wantValues(0, 250, valueAt)
	}
}

func TestReadBounds(t *testing.T) {
	h := newHarness(t, nil)
	h.fill(20)
	h.log.SetHighWatermark(10)
	if got := h.values(0, ReadCommittedHW); len(got) != 10 {
		t.Fatalf("%d records below the high watermark", len(got))
	}
	if _, err := h.log.Read(21, 100, true, ReadLogEnd); !errors.Is(err, ErrOffsetOutOfRange) {
		t.Fatalf("above the end: %v", err)
	}
	info, err := h.log.Read(20, 100, true, ReadLogEnd)
	if err != nil || info.Bytes != 0 || info.HighWatermark != 10 {
		t.Fatalf("at the end: %+v, %v", info, err)
	}
	info, err = h.log.Read(3, 10, false, ReadLogEnd)
	if err != nil || info.Bytes != 0 || !info.FirstBatchTruncated {
		t.Fatalf("too small: %+v, %v", info, err)
	}
	info, err = h.log.Read(3, 10, true, ReadLogEnd)
	if err != nil || info.Bytes == 0 || info.StartOffset != 3 {
		t.Fatalf("at least one: %+v, %v", info, err)
	}
	info.Release()
}

func TestIdempotence(t *testing.T) {
	h := newHarness(t, nil)
	first := h.produced(7, 0, 0, 3, false)
	again := append(batch.Batch(nil), first...)
	h.append(first)
	for seq := int32(3); seq < 15; seq += 3 {
		h.append(h.produced(7, 0, seq, 3, false))
	}
	info := h.append(again)
	if !info.Duplicate || info.FirstOffset != 0 || info.LastOffset != 2 {
		t.Fatalf("duplicate: %+v", info)
	}
	wantCode := func(b batch.Batch, code *kerr.Error) {
		t.Helper()
		if _, err := h.log.AppendLeader(b, AppendOptions{}); !errors.Is(err, code) {
			t.Fatalf("got %v, want %v", err, code)
		}
	}
	h.append(h.produced(7, 0, 15, 1, false))
	wantCode(h.produced(7, 0, 0, 3, false), kerr.OutOfOrderSequenceNumber) // pushed out of the window
	wantCode(h.produced(7, 0, 17, 1, false), kerr.OutOfOrderSequenceNumber)
	wantCode(h.produced(7, 1, 5, 1, false), kerr.OutOfOrderSequenceNumber)
	h.append(h.produced(7, 1, 0, 1, false))
	wantCode(h.produced(7, 0, 16, 1, false), kerr.InvalidProducerEpoch)
	if h.log.EndOffset() != 17 {
		t.Fatalf("end %d", h.log.EndOffset())
	}
	// The whole window is known again after a restart of either kind.
	for seq := int32(1); seq < 9; seq++ {
		h.append(h.produced(7, 1, seq, 1, false))
	}
	for _, clean := range []bool{true, false} {
		h.reopen(clean, h.log.EndOffset())
		for seq := int32(4); seq < 9; seq++ {
			if info := h.append(h.produced(7, 1, seq, 1, false)); !info.Duplicate {
				t.Fatalf("clean %v: sequence %d was appended again", clean, seq)
			}
		}
	}
}

func TestTransactions(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.SegmentBytes = 700 })
	marker := func(id int64, commit bool) {
		t.Helper()
		b := batch.EndTxnMarker(id, 0, 5, commit, h.clock.Now().UnixMilli(), 0)
		if _, err := h.log.AppendLeader(b, AppendOptions{LeaderEpoch: 1, Origin: Coordinator}); err != nil {
			t.Fatal(err)
		}
	}
	h.append(h.produced(1, 0, 0, 2, true)) // 0, 1
	h.append(h.produced(2, 0, 0, 2, true)) // 2, 3
	h.append(h.records("plain"))           // 4
	h.log.SetHighWatermark(5)
	if got := h.log.LastStableOffset(); got != 0 {
		t.Fatalf("stable offset %d with two open transactions", got)
	}
	marker(1, false) // 5
	h.log.SetHighWatermark(6)
	if got := h.log.LastStableOffset(); got != 2 {
		t.Fatalf("stable offset %d after the first marker", got)
	}
	check := func() {
		t.Helper()
		info, err := h.log.Read(0, 1<<20, true, ReadStable)
		if err != nil || len(info.Aborted) != 1 || info.Aborted[0] != (AbortedTxn{1, 0}) {
			t.Fatalf("aborted: %+v, %v", info.Aborted, err)
		}
		info.Release()
	}
	check()
	h.fill(20)
	marker(2, true)
	h.flush()
	if got := h.log.LastStableOffset(); got != h.log.EndOffset() {
		t.Fatalf("stable offset %d, end %d", got, h.log.EndOffset())
	}
	for _, clean := range []bool{true, false} {
		for _, rp := range []int64{0, 5, h.log.EndOffset()} {
			h.reopen(clean, rp)
			h.log.SetHighWatermark(h.log.EndOffset())
			check()
			if got := h.log.LastStableOffset(); got != h.log.EndOffset() {
				t.Fatalf("stable offset %d, end %d", got, h.log.EndOffset())
			}
		}
	}
	if err := h.log.TruncateTo(5); err != nil {
		t.Fatal(err)
	}
	h.log.SetHighWatermark(5)
	if got := h.log.LastStableOffset(); got != 0 {
		t.Fatalf("stable offset %d after truncation", got)
	}
}

func TestValidation(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.MaxMessageBytes, c.SegmentBytes = 400, 1<<20 })
	now := h.clock.Now().UnixMilli()
	build := func(o batch.BuilderOptions, ts int64, key []byte) batch.Batch {
		b := batch.NewBuilder(o)
		b.Append(ts, key, []byte("v"), nil)
		return finish(t, b)
	}
	wantCode := func(name string, b batch.Batch, code *kerr.Error) *AppendError {
		t.Helper()
		_, err := h.log.AppendLeader(b, AppendOptions{})
		var refused *AppendError
		if !errors.As(err, &refused) || refused.Code != code {
			t.Fatalf("%s: got %v, want %v", name, err, code)
		}
		return refused
	}
	ok := build(batch.BuilderOptions{}, now, nil)
	wantCode("empty", nil, kerr.InvalidRecord)
	wantCode("cut", ok[:len(ok)-1], kerr.InvalidRecord)
	wantCode("two", append(append(batch.Batch(nil), ok...), ok...), kerr.InvalidRecord)
	bad := append(batch.Batch(nil), ok...)
	bad[len(bad)-1]++
	wantCode("checksum", bad, kerr.CorruptMessage)
	wantCode("offset", build(batch.BuilderOptions{BaseOffset: 5}, now, nil), kerr.InvalidRecord)
	wantCode("control", build(batch.BuilderOptions{Control: true}, now, nil), kerr.InvalidRecord)
	wantCode("sequence", build(batch.BuilderOptions{Producer: &batch.Producer{ID: 1, BaseSequence: -1}}, now, nil), kerr.InvalidRecord)
	wantCode("count", build(batch.BuilderOptions{MinLastOffset: 3}, now, nil), kerr.InvalidRecord)
	wantCode("size", h.records(string(make([]byte, 400))), kerr.MessageTooLarge)
	if e := wantCode("future", build(batch.BuilderOptions{}, now+3_700_000, nil), kerr.InvalidTimestamp); len(e.RecordErrors) != 1 {
		t.Errorf("record errors: %+v", e.RecordErrors)
	}
	if h.log.EndOffset() != 0 {
		t.Fatal("a refused batch was appended")
	}
	h.append(build(batch.BuilderOptions{}, now, nil))

	c := h.log.Config()
	c.Compact = true
	h.log.SetConfig(c)
	wantCode("no key", build(batch.BuilderOptions{}, now, nil), kerr.InvalidRecord)
	c.Compact, c.LogAppendTime, c.Compression = false, true, CompressionZstd
	h.log.SetConfig(c)
	if info := h.append(build(batch.BuilderOptions{}, now-5, nil)); info.LogAppendTime != now {
		t.Errorf("append time %d", info.LogAppendTime)
	}
	b, err := h.log.ReadBytes(1, 1000, ReadLogEnd)
	if err != nil {
		t.Fatal(err)
	}
	head := batch.Batch(b).Header()
	if head.Codec() != compress.Zstd || !head.LogAppendTime() || head.MaxTimestamp != now || head.BaseOffset != 1 || !batch.Batch(b).VerifyCRC() {
		t.Errorf("stored %+v", head)
	}
}

func TestTruncateWhileReading(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.SegmentBytes = 3000 })
	h.fill(100)
	info, err := h.log.Read(0, 1<<20, true, ReadLogEnd)
	if err != nil {
		t.Fatal(err)
	}
	before := make([]byte, info.Bytes)
	if err := readFull(info.Slices[0].File, before, info.Slices[0].Pos); err != nil {
		t.Fatal(err)
	}
	if err := h.log.TruncateTo(10); err != nil {
		t.Fatal(err)
	}
	for range 90 {
		h.append(h.records("other"))
	}
	after := make([]byte, info.Bytes)
	if err := readFull(info.Slices[0].File, after, info.Slices[0].Pos); err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Fatal("bytes changed under a reader")
	}
	info.Release()
	h.wantValues(0, 100, func(o int64) string {
		if o < 10 {
			return valueAt(o)
		}
		return "other"
	})
	h.reopen(true, 100)
	if got := len(h.values(0, ReadLogEnd)); got != 100 {
		t.Fatalf("%d records after reopening", got)
	}
}
