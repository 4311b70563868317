package commitlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/batch"
)

// TestConcurrentUse runs everything that may run at the same time: appends,
// flushes, consumers that hold slices, look-ups, retention, compaction,
// checkpoints and new log starts. Readers must only ever see sound batches, in
// order.
func TestConcurrentUse(t *testing.T) {
	const batches = 600
	c := DefaultConfig()
	c.SegmentBytes, c.IndexInterval, c.Compact, c.FileDeleteDelay = 20_000, 200, true, 0
	l, err := Open(Options{FS: vfs.OS, Clock: clock.System, Dir: t.TempDir() + "/t-0", Topic: "t", Config: c, Files: NewFileCache(4)})
	if err != nil {
		t.Fatal(err)
	}
	var done atomic.Bool
	var wakeups []chan struct{} // one for each loop: it runs when something was appended
	var appenders, others sync.WaitGroup
	fail := func(err error) {
		if err != nil && !errors.Is(err, ErrOffsetOutOfRange) {
			t.Error(err)
			done.Store(true)
		}
	}
	produce := func(p int64) func() {
		return func() {
			for i := range batches {
				if done.Load() {
					return
				}
				for _, c := range wakeups {
					select {
					case c <- struct{}{}:
					default:
					}
				}
				b := batch.NewBuilder(batch.BuilderOptions{Producer: &batch.Producer{ID: p, BaseSequence: int32(i)}})
				b.Append(time.Now().UnixMilli(), fmt.Appendf(nil, "key%d", i%50), make([]byte, 100), nil)
				one, err := b.Finish()
				if err == nil {
					_, err = l.AppendLeader(one, AppendOptions{LeaderEpoch: 1})
				}
				fail(err)
			}
		}
	}
	loop := func(f func() error) {
		wake := make(chan struct{}, 1)
		wakeups = append(wakeups, wake)
		others.Go(func() {
			for range wake {
				fail(f())
			}
		})
	}
	loop(func() error {
		to, err := l.Flush()
		l.SetHighWatermark(to)
		return err
	})
	for range 2 {
		offset := int64(0)
		loop(func() error {
			next, err := consume(l, offset)
			if offset = next; errors.Is(err, ErrOffsetOutOfRange) {
				offset = l.StartOffset()
			}
			return err
		})
	}
	loop(func() error {
		_, _, err := l.OffsetForTimestamp(time.Now().UnixMilli()-50, ReadCommittedHW)
		return err
	})
	loop(func() error { _, _, err := l.MaxTimestamp(); return err })
	loop(func() error { _, err := l.Checkpoint(); return err })
	loop(func() error { _, err := l.ApplyRetention(); return err })
	loop(func() error { return l.SweepDeleted(time.Now()) })
	loop(func() error { _, err := l.DeleteRecords(max(l.HighWatermark()-2000, 0)); return err })
	buffers := NewCleanerBuffers(1<<20, 4096, 0.9)
	loop(func() error { _, err := l.Clean(context.Background(), buffers); return err })
	loop(func() error { l.Segments(); l.Producers(); l.Size(); l.EndOffsetForEpoch(1); return nil })
	for p := range int64(3) {
		appenders.Go(produce(p))
	}
	appenders.Wait()
	for _, c := range wakeups {
		close(c)
	}
	others.Wait()
	if l.EndOffset() != 3*batches {
		t.Errorf("end %d", l.EndOffset())
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if n := l.o.Files.Open(); n != 0 {
		t.Errorf("%d files are still open", n)
	}
}

// consume reads a slice the way the network layer does and returns the offset after it.
func consume(l *Log, offset int64) (int64, error) {
	info, err := l.Read(offset, 3000, true, ReadCommittedHW)
	if err != nil || info.Bytes == 0 {
		return offset, err
	}
	defer info.Release()
	b := make([]byte, info.Bytes)
	if err := readFull(info.Slices[0].File, b, info.Slices[0].Pos); err != nil {
		return offset, err
	}
	for one, err := range batch.Split(b) {
		if errors.Is(err, batch.ErrShort) {
			break
		}
		if err != nil {
			return offset, err
		}
		h := one.Header()
		if !one.VerifyCRC() || h.NextOffset() <= offset {
			return offset, fmt.Errorf("batch [%d, %d) at %d", h.BaseOffset, h.NextOffset(), offset)
		}
		offset = h.NextOffset()
	}
	return offset, nil
}
