package commitlog

import (
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// copyOf opens an empty copy of the log.
func (h *harness) copyOf() *Log {
	h.t.Helper()
	start, err := h.log.CopyStart()
	if err != nil {
		h.t.Fatal(err)
	}
	o := h.opts
	o.Dir, o.LogStartOffset = "/other/t-0.x-future", start
	c, err := Open(o)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *harness) takeOver(c *Log) error {
	return h.log.TakeOver(c, "/other/t-0", func() error { return nil }, func() error {
		return errors.Join(h.fs.Rename("/data/t-0", "/data/gone"), h.fs.Rename("/other/t-0.x-future", "/other/t-0"))
	})
}

func TestTakeOverKeepsEverything(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.SegmentBytes = 600 })
	for range 10 {
		h.append(h.records("a", "b", "c"))
	}
	h.append(h.produced(7, 0, 0, 3, false))
	h.append(h.produced(8, 0, 0, 3, true))
	h.flush()
	if _, err := h.log.DeleteRecords(4); err != nil {
		t.Fatal(err)
	}
	c := h.copyOf()
	if c.EndOffset() != 3 {
		t.Fatalf("the copy starts at %d, the batch with the log's start at 3", c.EndOffset())
	}
	h.append(h.records("late"))
	if err := h.log.AssignEpoch(5, h.log.EndOffset()); err != nil {
		t.Fatal(err)
	}
	values, producers := h.values(4, ReadLogEnd), h.log.Producers()
	if err := h.takeOver(c); err != nil {
		t.Fatal(err)
	}
	same := func(what string) {
		t.Helper()
		if got := h.values(4, ReadLogEnd); !slices.Equal(got, values) {
			t.Errorf("%s: %q, before %q", what, got, values)
		}
		if got := h.log.Producers(); !reflect.DeepEqual(got, producers) {
			t.Errorf("%s: %v, before %v", what, got, producers)
		}
		if h.log.StartOffset() != 4 || h.log.LastStableOffset() != 33 {
			t.Errorf("%s: start %d, last stable offset %d", what, h.log.StartOffset(), h.log.LastStableOffset())
		}
	}
	same("after")
	if h.log.LatestEpoch() != 5 || h.log.FlushedOffset() != h.log.EndOffset() || filepath.Dir(h.log.Dir()) != "/other" {
		t.Errorf("epoch %d, flushed %d, in %s", h.log.LatestEpoch(), h.log.FlushedOffset(), h.log.Dir())
	}
	if info := h.append(h.produced(7, 0, 0, 3, false)); !info.Duplicate || info.FirstOffset != 30 {
		t.Errorf("a duplicate was not recognized: %+v", info)
	}
	h.opts.Dir, h.opts.LogStartOffset, h.opts.HighWatermark = "/other/t-0", 4, h.log.HighWatermark()
	h.reopen(true, h.log.EndOffset())
	same("after a restart")
	if _, err := h.log.ApplyRetention(); err != nil {
		t.Error(err)
	}
	h.append(h.records("more"))
}

func TestTakeOverOfALogWithNothingAtItsEnd(t *testing.T) {
	h := newHarness(t, nil)
	h.append(h.records("a"))
	c := h.copyOf()
	if _, err := c.CopyFrom(h.log); err != nil {
		t.Fatal(err)
	}
	if err := h.log.skipTo(9); err != nil {
		t.Fatal(err)
	}
	if err := h.takeOver(c); err != nil {
		t.Fatal(err)
	}
	if info := h.append(h.records("b")); info.FirstOffset != 9 {
		t.Errorf("goes on at %d", info.FirstOffset)
	}
	h.flush()
	h.opts.Dir = "/other/t-0"
	h.reopen(false, 0)
	if got := h.values(0, ReadLogEnd); !slices.Equal(got, []string{"0:a", "9:b"}) {
		t.Errorf("%q", got)
	}
}

func TestCopyOfALogThatWasCutOff(t *testing.T) {
	h := newHarness(t, nil)
	h.append(h.records("a"))
	h.append(h.records("b"))
	c := h.copyOf()
	if _, err := c.CopyFrom(h.log); err != nil {
		t.Fatal(err)
	}
	if err := h.log.TruncateTo(1); err != nil {
		t.Fatal(err)
	}
	h.append(h.records("c"))
	if _, err := c.CopyFrom(h.log); !errors.Is(err, ErrDiverged) {
		t.Errorf("copying went on: %v", err)
	}
	if err := h.takeOver(c); !errors.Is(err, ErrDiverged) {
		t.Errorf("the copy was taken: %v", err)
	}
	h.append(h.records("d"))
}

func TestTakeOverThatFailsIsUndone(t *testing.T) {
	h := newHarness(t, nil)
	h.append(h.records("a"))
	h.flush()
	broken := errors.New("no")
	if err := h.log.TakeOver(h.copyOf(), "/other/t-0", func() error { return broken }, nil); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	h.append(h.records("b"))
	c := h.copyOf()
	var storage *StorageError
	err := h.log.TakeOver(c, "/other/t-0", func() error { return nil }, func() error { return broken })
	if !errors.As(err, &storage) || h.log.Offline() == nil {
		t.Fatal(err)
	}
	if err := h.log.Reopen(); err != nil {
		t.Fatal(err)
	}
	h.append(h.records("c"))
	if got := h.values(0, ReadLogEnd); len(got) != 3 {
		t.Errorf("%q", got)
	}
}
