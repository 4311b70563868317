package commitlog

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

// bombBatch is a batch with a record of the given size, and thousandths of it when compressed.
func bombBatch(t *testing.T, size int) batch.Batch {
	t.Helper()
	b := batch.NewBuilder(batch.BuilderOptions{Codec: compress.Zstd})
	b.Append(1_700_000_000_000, []byte("k"), make([]byte, size), nil)
	out, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Batches that become large are decoded one at a time, whoever sends them, and what they take is given back.
func TestBombsShareOneRoom(t *testing.T) {
	c := DefaultConfig()
	c.Compact, c.TimestampBeforeMax, c.TimestampAfterMax = true, Forever, Forever
	for size, want := range map[int]*kerr.Error{100 << 20: nil, 130 << 20: kerr.MessageTooLarge} {
		b := bombBatch(t, size)
		if len(b) > 1<<20 {
			t.Fatalf("the bomb has %d bytes", len(b))
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				h := b.Header()
				_, _, err := checkRecords(b, &h, &c, compress.Zstd, 1_700_000_000_000)
				if (err == nil) != (want == nil) || err != nil && err.Code != want {
					t.Errorf("%d bytes: %v", size, err)
				}
			})
		}
		wg.Wait()
	}
	// Pools let go of what nobody fetched with the second collection.
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 64<<20 {
		t.Errorf("%d MiB are held afterwards", m.HeapAlloc>>20)
	}
	if !usualRoom.TryAcquire(decodingRoom) {
		t.Fatal("room is lost")
	}
	usualRoom.Release(decodingRoom)
}

// What a producer compressed badly makes a look-up by time fail, not the partition.
func TestBadRecordsDoNotTakeThePartition(t *testing.T) {
	l, err := Open(Options{FS: vfs.NewMem(1), Clock: clock.NewManual(time.UnixMilli(1_700_000_000_000)), Dir: "/t-0", Topic: "t", Config: DefaultConfig()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.AppendLeader(bombBatch(t, 300<<20), AppendOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, look := range []func() error{
		func() error { _, _, err := l.OffsetForTimestamp(1000, ReadLogEnd); return err },
		func() error { _, _, err := l.MaxTimestamp(); return err },
	} {
		if err := look(); !errors.Is(err, compress.ErrTooLarge) {
			t.Errorf("got %v", err)
		}
	}
	if err := l.Offline(); err != nil {
		t.Errorf("the partition is offline: %v", err)
	}
	if _, err := l.AppendLeader(bombBatch(t, 10), AppendOptions{}); err != nil {
		t.Error(err)
	}
}
