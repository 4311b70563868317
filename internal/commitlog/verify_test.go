package commitlog

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/batch"
)

func (h *harness) wantRefused(what string, b batch.Batch, o AppendOptions, want *kerr.Error) {
	h.t.Helper()
	before := h.log.EndOffset()
	o.LeaderEpoch = 1
	_, err := h.log.AppendLeader(b, o)
	var refused *AppendError
	switch {
	case want == nil && err != nil:
		h.t.Errorf("%s: %v", what, err)
	case want != nil && (!errors.As(err, &refused) || refused.Code != want):
		h.t.Errorf("%s: %v, want %v", what, err, want)
	case want != nil && h.log.EndOffset() != before:
		h.t.Errorf("%s: refused and written", what)
	}
}

func (h *harness) mark(id int64, epoch int16, commit bool, version int16) error {
	b := batch.EndTxnMarker(id, epoch, 0, commit, h.clock.Now().UnixMilli(), 0)
	_, err := h.log.AppendLeader(b, AppendOptions{LeaderEpoch: 1, Origin: Coordinator, MarkerVersion: version})
	return err
}

func TestVerificationGuard(t *testing.T) {
	h := newHarness(t, nil)
	verify := func(guard uint64) AppendOptions { return AppendOptions{Verify: true, Guard: guard} }
	h.wantRefused("no guard", h.produced(1, 0, 0, 1, true), verify(0), kerr.InvalidTxnState)
	h.wantRefused("a guard nobody gave", h.produced(1, 0, 0, 1, true), verify(9), kerr.InvalidTxnState)
	h.wantRefused("not asked to look", h.produced(9, 0, 0, 1, true), AppendOptions{}, nil)

	guard, needed := h.log.StartVerification(1, 0, 0, 0)
	again, _ := h.log.StartVerification(1, 0, 2, 0)
	if !needed || guard == 0 || again != guard {
		t.Fatalf("guards %d, %d, needed %v", guard, again, needed)
	}
	if other, _ := h.log.StartVerification(2, 0, 0, 0); other == guard {
		t.Error("two producers have one guard")
	}
	h.wantRefused("overtaking", h.produced(1, 0, 2, 1, true), verify(guard), kerr.OutOfOrderSequenceNumber)
	h.wantRefused("in order", h.produced(1, 0, 0, 2, true), verify(guard), nil)
	h.wantRefused("in the transaction", h.produced(1, 0, 2, 1, true), verify(0), nil)
	if _, needed := h.log.StartVerification(1, 0, 3, 0); needed {
		t.Error("a guard is needed in an open transaction")
	}
	if _, needed := h.log.StartVerification(1, 1, 0, 0); !needed {
		t.Error("no guard is needed for a new epoch")
	}
	if err := h.mark(1, 0, true, 0); err != nil {
		t.Fatal(err)
	}
	h.wantRefused("sent again after the end", h.produced(1, 0, 2, 1, true), verify(guard), nil) // a duplicate
	h.wantRefused("late", h.produced(1, 0, 3, 1, true), verify(guard), kerr.InvalidTxnState)

	guard, _ = h.log.StartVerification(1, 0, 3, 0)
	if err := h.mark(1, 0, false, 0); err != nil {
		t.Fatal(err)
	}
	h.wantRefused("a marker came between", h.produced(1, 0, 3, 1, true), verify(guard), kerr.InvalidTxnState)

	guard, _ = h.log.StartVerification(3, 0, 5, 2)
	h.wantRefused("version 2 begins with 0", h.produced(3, 0, 5, 1, true), verify(guard), kerr.OutOfOrderSequenceNumber)
	guard, _ = h.log.StartVerification(4, 0, 5, 0)
	h.wantRefused("version 1 may begin anywhere", h.produced(4, 0, 5, 1, true), verify(guard), nil)

	offsets := AppendOptions{Origin: Coordinator, Verify: true}
	h.wantRefused("coordinator without a guard", h.produced(5, 0, -1, 1, true), offsets, kerr.InvalidTxnState)
	offsets.Guard, _ = h.log.StartVerification(5, 0, -1, 2)
	h.wantRefused("coordinator", h.produced(5, 0, -1, 1, true), offsets, nil)
	h.wantRefused("coordinator, old epoch", h.produced(1, -1, -1, 1, true), offsets, kerr.InvalidProducerEpoch)
}

func TestVerificationsAreBounded(t *testing.T) {
	h := newHarness(t, nil)
	for id := range int64(maxVerifications) {
		h.log.StartVerification(id, 0, 0, 2)
	}
	h.clock.Advance(verificationAge + time.Second)
	guard, _ := h.log.StartVerification(-5, 0, 0, 2)
	if n := len(h.log.producers.verifying); n != 1 || guard == 0 {
		t.Errorf("%d guards are kept", n)
	}
}

// A marker of version 2 bears an epoch of its own.
func TestMarkerEpochs(t *testing.T) {
	h := newHarness(t, nil)
	want := func(what string, err error, code *kerr.Error) {
		t.Helper()
		if code == nil && err != nil || code != nil && !errors.Is(err, code) {
			t.Errorf("%s: %v, want %v", what, err, code)
		}
	}
	h.append(h.produced(1, 3, 0, 1, true))
	want("version 2, the data's epoch", h.mark(1, 3, true, 2), kerr.InvalidProducerEpoch)
	want("older", h.mark(1, 2, true, 0), kerr.InvalidProducerEpoch)
	want("version 2", h.mark(1, 4, true, 2), nil)
	want("version 2 again", h.mark(1, 4, true, 2), nil)
	h.wantRefused("the data's epoch after the end", h.produced(1, 3, 1, 1, true), AppendOptions{}, kerr.InvalidProducerEpoch)
	h.append(h.produced(2, 0, 0, 1, true))
	want("version 1", h.mark(2, 0, true, 0), nil)
	h.append(h.produced(3, 1<<15-1, 0, 1, true))
	want("the last epoch there is", h.mark(3, 1<<15-1, true, 2), nil)
}

// Whatever transactions do, a reader of committed data who goes by the list of aborted ones sees what committed, all of
// it below the last stable offset and nothing else, from any offset on, before and after a restart.
func TestTransactionsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &harness{t: t, fs: vfs.NewMem(1), clock: clock.NewManual(time.UnixMilli(1_700_000_000_000))}
		c := DefaultConfig()
		c.SegmentBytes, c.IndexInterval = int32(rapid.IntRange(300, 3000).Draw(rt, "segment")), int32(rapid.IntRange(50, 500).Draw(rt, "interval"))
		h.opts = Options{FS: h.fs, Clock: h.clock, Dir: "/data/t-0", Topic: "t", TopicID: [16]byte{1}, Config: c}
		h.open()
		m := &logModel{open: map[int64]int64{}, seq: map[int64]int32{}}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			id := rapid.Int64Range(1, 3).Draw(rt, "producer")
			switch n := rapid.IntRange(0, 11).Draw(rt, "what"); {
			case n < 5:
				m.write(h, id, rapid.IntRange(1, 4).Draw(rt, "records"))
			case n == 5:
				h.append(h.records("plain"))
				m.records = append(m.records, logRecord{offset: h.log.EndOffset() - 1, value: "plain", committed: true})
			case n < 8:
				m.end(h, id, rapid.Bool().Draw(rt, "commit"))
			case n < 10:
				h.log.SetHighWatermark(rapid.Int64Range(h.log.HighWatermark(), h.log.EndOffset()).Draw(rt, "high watermark"))
				m.check(rt, h)
			default:
				if _, err := h.log.Flush(); err != nil {
					rt.Fatal(err)
				}
				h.reopen(rapid.Bool().Draw(rt, "clean"), rapid.Int64Range(0, h.log.EndOffset()).Draw(rt, "recovery point"))
				h.log.SetHighWatermark(h.log.EndOffset()) // all of it was flushed
				m.check(rt, h)
			}
		}
		h.log.SetHighWatermark(h.log.EndOffset())
		m.check(rt, h)
	})
}

type logRecord struct {
	offset    int64
	id        int64
	value     string
	ended     int64 // offset of the marker, -1 while open
	committed bool
}

type logModel struct {
	records []logRecord
	open    map[int64]int64 // producer -> first offset
	seq     map[int64]int32
	markers []logRecord // with the first offset in offset
}

func (m *logModel) write(h *harness, id int64, n int) {
	info := h.append(h.produced(id, 0, m.seq[id], n, true))
	if _, ok := m.open[id]; !ok {
		m.open[id] = info.FirstOffset
	}
	for i := range n {
		m.records = append(m.records, logRecord{offset: info.FirstOffset + int64(i), id: id, ended: -1, value: fmt.Sprintf("p%d-%d", id, int(m.seq[id])+i)})
	}
	m.seq[id] += int32(n)
}

func (m *logModel) end(h *harness, id int64, commit bool) {
	if err := h.mark(id, 0, commit, 0); err != nil {
		h.t.Fatal(err)
	}
	at := h.log.EndOffset() - 1
	if first, ok := m.open[id]; ok {
		m.markers = append(m.markers, logRecord{offset: first, ended: at})
	}
	delete(m.open, id)
	for i := range m.records {
		if r := &m.records[i]; r.id == id && r.ended < 0 {
			r.ended, r.committed = at, commit
		}
	}
}

func (m *logModel) check(t *rapid.T, h *harness) {
	hw := h.log.HighWatermark()
	lso := hw
	for _, first := range m.open {
		lso = min(lso, first)
	}
	for _, mk := range m.markers {
		if mk.ended >= hw {
			lso = min(lso, mk.offset)
		}
	}
	if got := h.log.LastStableOffset(); got != lso {
		t.Fatalf("last stable offset %d, want %d (high watermark %d)", got, lso, hw)
	}
	from := rapid.Int64Range(0, lso).Draw(t, "from")
	var want []string
	for _, r := range m.records {
		if r.committed && r.offset >= from && r.offset < lso {
			want = append(want, fmt.Sprintf("%d:%s", r.offset, r.value))
		}
	}
	if got := committedFrom(t, h, from, rapid.IntRange(1, 2000).Draw(t, "fetch size")); !slices.Equal(got, want) {
		t.Fatalf("from %d: %v, want %v", from, got, want)
	}
}

// committedFrom reads as a client does: aborted transactions are skipped from their first offset to their marker.
func committedFrom(t *rapid.T, h *harness, offset int64, size int) (out []string) {
	for {
		info, err := h.log.Read(offset, size, true, ReadStable)
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, info.Bytes)
		if info.Bytes > 0 {
			if _, err := info.Slices[0].File.ReadAt(data, info.Slices[0].Pos); err != nil {
				t.Fatal(err)
			}
		}
		aborted := info.Aborted
		info.Release()
		if len(data) == 0 {
			return out
		}
		for b, err := range batch.Split(data) {
			if err != nil {
				break
			}
			bh := b.Header()
			skip := slices.IndexFunc(aborted, func(a AbortedTxn) bool { return a.ProducerID == bh.ProducerID && a.FirstOffset <= bh.BaseOffset })
			switch {
			case bh.Control():
				for r := range b.Records(nil, 1<<20) {
					if e, ok, _ := batch.ParseEndTxn(r); ok && !e.Commit && skip >= 0 {
						aborted = slices.Delete(slices.Clone(aborted), skip, skip+1)
					}
				}
			case bh.Transactional() && skip >= 0:
			default:
				for r, err := range b.Records(nil, 1<<20) {
					if err != nil {
						t.Fatal(err)
					}
					if r.Offset >= offset {
						out = append(out, fmt.Sprintf("%d:%s", r.Offset, r.Value))
					}
				}
			}
			offset = bh.NextOffset()
		}
	}
}
