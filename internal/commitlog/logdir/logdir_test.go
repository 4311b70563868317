package logdir

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/wire/batch"
)

const clusterID = "abcdefghijklmnopqrstuv"

func options(fs vfs.FS, c clock.Clock) Options {
	return Options{FS: fs, Clock: c, Random: rand.NewChaCha8([32]byte{1}), Path: "/data", NodeID: 1, ClusterID: clusterID}
}

func mustOpen(t testing.TB, o Options) *Dir {
	t.Helper()
	d, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func appendTo(t testing.TB, l *commitlog.Log, n int) {
	t.Helper()
	for range n {
		b := batch.NewBuilder(batch.BuilderOptions{})
		b.Append(1_700_000_000_000, []byte("k"), fmt.Appendf(nil, "value %d", l.EndOffset()), nil)
		one, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.AppendLeader(one, commitlog.AppendOptions{LeaderEpoch: 3}); err != nil {
			t.Fatal(err)
		}
	}
}

func create(t testing.TB, d *Dir, topic string, p int32) *commitlog.Log {
	t.Helper()
	l, err := d.Create(topic, [16]byte{byte(p + 1)}, p, commitlog.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestCleanAndUncleanRestart(t *testing.T) {
	mem := vfs.NewMem(1)
	c := clock.NewManual(time.UnixMilli(1_700_000_000_000))
	d := mustOpen(t, options(mem, c))
	if _, err := Open(options(mem, c)); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("opened twice: %v", err)
	}
	id := d.DirectoryID()
	for p := range int32(3) {
		l := create(t, d, "a-b", p)
		appendTo(t, l, 10)
		if _, err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		l.SetHighWatermark(7)
	}
	if _, err := d.Get(TopicPartition{"a-b", 2}).DeleteRecords(5); err != nil {
		t.Fatal(err)
	}
	d.SetBrokerEpoch(42)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		recoveryPointFile: "0\n3\na-b 0 10\na-b 1 10\na-b 2 10\n",
		highWatermarkFile: "0\n3\na-b 0 7\na-b 1 7\na-b 2 7\n",
		logStartFile:      "0\n1\na-b 2 5\n",
		cleanFile:         `{"version":0,"brokerEpoch":42}`,
	} {
		if data, err := vfs.ReadFile(mem, "/data/"+name); err != nil || string(data) != want {
			t.Errorf("%s is %q, %v", name, data, err)
		}
	}

	d = mustOpen(t, options(mem, c))
	if !d.WasClean() || d.DirectoryID() != id {
		t.Fatal("not the directory that was closed")
	}
	l := d.Get(TopicPartition{"a-b", 2})
	if l.StartOffset() != 5 || l.EndOffset() != 10 || l.HighWatermark() != 7 || l.LatestEpoch() != 3 {
		t.Fatalf("start %d end %d hw %d epoch %d", l.StartOffset(), l.EndOffset(), l.HighWatermark(), l.LatestEpoch())
	}
	appendTo(t, l, 5)
	if _, err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	// A power cut.
	d = mustOpen(t, options(mem.Crash(), c))
	if d.WasClean() {
		t.Fatal("a crash counted as clean")
	}
	if got := d.Get(TopicPartition{"a-b", 2}).EndOffset(); got != 15 {
		t.Fatalf("end %d after a crash", got)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	o := options(mem.Crash(), c)
	o.NodeID = 2
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "node 1") {
		t.Fatalf("another node opened it: %v", err)
	}
}

func TestBrokenPartitionIsAlone(t *testing.T) {
	mem := vfs.NewMem(1)
	c := clock.NewManual(time.UnixMilli(1_700_000_000_000))
	d := mustOpen(t, options(mem, c))
	for p := range int32(2) {
		appendTo(t, create(t, d, "t", p), 100)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mem.Remove("/data/" + cleanFile); err != nil {
		t.Fatal(err)
	}
	f, err := mem.Open("/data/t-1/00000000000000000000.log")
	if err != nil {
		t.Fatal(err)
	}
	// The recovery point covers everything, so only the part from the last
	// index entry on is read.
	size, _ := f.Size()
	if _, err := f.WriteAt([]byte{0xff}, size-1); err != nil {
		t.Fatal(err)
	}
	d = mustOpen(t, options(mem, c))
	tp := TopicPartition{"t", 1}
	if err := d.Broken()[tp]; !errors.Is(err, commitlog.ErrCorrupt) {
		t.Fatalf("broken: %v", d.Broken())
	}
	if d.Get(tp) != nil || d.Get(TopicPartition{"t", 0}) == nil {
		t.Fatal("the wrong partitions are served")
	}
	if err := d.Delete(tp); err != nil {
		t.Fatal(err)
	}
	appendTo(t, create(t, d, "t", 1), 1)
}

func TestDeleteAndStray(t *testing.T) {
	mem := vfs.NewMem(1)
	c := clock.NewManual(time.UnixMilli(1_700_000_000_000))
	d := mustOpen(t, options(mem, c))
	l := create(t, d, "t", 0)
	appendTo(t, l, 10)
	appendTo(t, create(t, d, "t", 1), 10)
	info, err := l.Read(0, 1000, true, commitlog.ReadLogEnd)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(TopicPartition{"t", 0}); err != nil {
		t.Fatal(err)
	}
	if err := d.MarkStray(TopicPartition{"t", 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(0, 1000, true, commitlog.ReadLogEnd); !errors.Is(err, commitlog.ErrClosed) {
		t.Fatalf("deleted log still reads: %v", err)
	}
	buf := make([]byte, info.Bytes)
	if _, err := info.Slices[0].File.ReadAt(buf, info.Slices[0].Pos); err != nil {
		t.Fatalf("a slice of a deleted log: %v", err)
	}
	info.Release()
	names := func() string {
		list, err := mem.ReadDir("/data")
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, e := range list {
			if e.IsDir {
				out = append(out, e.Name[strings.LastIndexByte(e.Name, '-'):])
			}
		}
		return strings.Join(out, " ")
	}
	if got := names(); got != "-delete -stray" && got != "-stray -delete" {
		t.Fatalf("directories %q", got)
	}
	c.Advance(time.Minute)
	d.sweep(context.Background())
	if got := names(); got != "-stray" {
		t.Fatalf("directories %q", got)
	}
}

// A partition that is made again under the name of one that was deleted has nothing of it after a crash, whether the process
// was restarted in between or not.
func TestMadeAgainAfterDelete(t *testing.T) {
	for _, restart := range []bool{false, true} {
		mem := vfs.NewMem(1)
		c := clock.NewManual(time.UnixMilli(1_700_000_000_000))
		d := mustOpen(t, options(mem, c))
		l := create(t, d, "t", 0)
		appendTo(t, l, 100)
		if _, err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := d.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		if err := d.Delete(TopicPartition{"t", 0}); err != nil {
			t.Fatal(err)
		}
		if restart {
			mem = mem.Crash()
			d = mustOpen(t, options(mem, c))
		}
		l = create(t, d, "t", 0)
		appendTo(t, l, 10)
		if _, err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		d = mustOpen(t, options(mem.Crash(), c))
		again := d.Get(TopicPartition{"t", 0})
		if again == nil || again.EndOffset() != 10 || again.StartOffset() != 0 {
			t.Fatalf("restart %v: the log is %v", restart, again)
		}
	}
}

func TestOfflineAndBack(t *testing.T) {
	mem := vfs.NewMem(1)
	fault := vfs.NewFault(mem)
	c := clock.NewManual(time.UnixMilli(1_700_000_000_000))
	o := options(fault, c)
	var mu sync.Mutex
	var events []string
	o.OnStateChange = func(tp TopicPartition, err error) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, fmt.Sprint(tp, err != nil))
	}
	d := mustOpen(t, o)
	l := create(t, d, "t", 0)
	appendTo(t, l, 10)
	if _, err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	appendTo(t, l, 5) // not flushed

	fault.Set(func(op vfs.Op, name string) error {
		if op == vfs.OpSync || op == vfs.OpWrite {
			return syscall.ENOSPC
		}
		return nil
	})
	if _, err := l.Flush(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("flush: %v", err)
	}
	var storage *commitlog.StorageError
	if _, err := l.Read(0, 100, true, commitlog.ReadLogEnd); !errors.As(err, &storage) {
		t.Fatalf("read: %v", err)
	}
	d.reopen(context.Background()) // reports
	d.reopen(context.Background()) // tries in vain
	if l.Offline() == nil {
		t.Fatal("back although the disk is full")
	}
	fault.Set(nil)
	d.reopen(context.Background())
	if l.Offline() != nil || l.EndOffset() != 15 || l.FlushedOffset() != 15 {
		t.Fatalf("offline %v, end %d, flushed %d", l.Offline(), l.EndOffset(), l.FlushedOffset())
	}
	if got := strings.Join(events, " "); got != "t-0 true t-0 false" {
		t.Fatalf("events %q", got)
	}
	// What came back is durable.
	d = mustOpen(t, options(mem.Crash(), c))
	if got := d.Get(TopicPartition{"t", 0}).EndOffset(); got != 15 {
		t.Fatalf("end %d after a crash", got)
	}
}

func TestManyPartitionsOpenFast(t *testing.T) {
	const n = 1000
	o := options(vfs.OS, clock.System)
	o.Path = t.TempDir()
	d := mustOpen(t, o)
	for p := range int32(n) {
		appendTo(t, create(t, d, "many", p), 1)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	d = mustOpen(t, o)
	t.Logf("%d clean partitions open in %v", n, time.Since(began))
	if len(d.Logs()) != n {
		t.Fatalf("%d partitions, broken: %v", len(d.Logs()), d.Broken())
	}
	for _, l := range d.Logs() {
		appendTo(t, l, 1)
	}
	// Without a close: as after kill -9.
	d.lock.Close()
	began = time.Now()
	d = mustOpen(t, o)
	t.Logf("%d unclean partitions open in %v", n, time.Since(began))
	for tp, l := range d.Logs() {
		if l.EndOffset() != 2 {
			t.Fatalf("%v ends at %d", tp, l.EndOffset())
		}
	}
}

func FuzzDecodeCheckpoint(f *testing.F) {
	f.Add([]byte("0\n1\na 0 5\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeCheckpoint(data)
		if err != nil {
			return
		}
		again, err := decodeCheckpoint(encodeCheckpoint(got))
		if err != nil || len(again) != len(got) {
			t.Fatalf("%q: %v, then %v, %v", data, got, again, err)
		}
	})
}

func FuzzDecodeProperties(f *testing.F) {
	f.Add([]byte("#\n#Sat\ncluster.id=x\\=\nnode.id=1\nversion=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAA\n"))
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = decodeProperties(data) })
}

func FuzzParseDirName(f *testing.F) {
	f.Add("a-0")
	f.Add("a-b-12")
	f.Fuzz(func(t *testing.T, name string) {
		if tp, ok := parseDirName(name); ok && tp.String() != name {
			t.Fatalf("%q is %v", name, tp)
		}
	})
}
