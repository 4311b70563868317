package logdir

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
)

func manyOptions(fs vfs.FS) Options {
	s := DefaultSettings()
	s.ReopenBackoff = 5 * time.Millisecond
	return Options{FS: fs, Clock: clock.System, Random: rand.NewChaCha8([32]byte{1}), NodeID: 1, ClusterID: clusterID, Settings: s}
}

func mustOpenAll(t testing.TB, fs vfs.FS, paths ...string) *Dirs {
	t.Helper()
	ds, err := OpenAll(manyOptions(fs), "", paths...)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// eventually waits for the mover, which works by the system's clock.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick, end := time.NewTicker(time.Millisecond), time.NewTimer(2*time.Minute)
	defer tick.Stop()
	defer end.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("%s: not in two minutes", what)
		}
	}
}

func place(ds *Dirs, tp TopicPartition) string {
	if d := ds.where(tp); d != nil {
		return d.o.Path
	}
	return ""
}

func contents(t testing.TB, l *commitlog.Log) []byte {
	t.Helper()
	var out []byte
	for at := l.StartOffset(); at < l.EndOffset(); {
		b, err := l.ReadBytes(at, 1<<20, commitlog.ReadLogEnd)
		if err != nil || len(b) == 0 {
			t.Fatalf("read at %d: %d bytes, %v", at, len(b), err)
		}
		out = append(out, b...)
		at += int64(strings.Count(string(b), "value "))
	}
	return out
}

func TestNewPartitionsGoWhereTheFewestAre(t *testing.T) {
	mem := vfs.NewMem(1)
	ds := mustOpenAll(t, mem, "/a", "/b", "/c")
	tp := TopicPartition{"there", 0}
	if err := ds.Move(tp, "/c"); !errors.Is(err, ErrNoLog) {
		t.Fatalf("moving what is not there: %v", err)
	}
	if err := ds.Move(tp, "/elsewhere"); !errors.Is(err, ErrNoDir) {
		t.Fatalf("moving to nowhere: %v", err)
	}
	for p := range int32(7) {
		if _, err := ds.Create("t", [16]byte{1}, p, commitlog.DefaultConfig()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ds.Create("there", [16]byte{2}, 0, commitlog.DefaultConfig()); err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, d := range ds.Describe() {
		got = append(got, len(d.Logs))
	}
	if fmt.Sprint(got) != "[3 2 3]" || place(ds, tp) != "/c" {
		t.Errorf("%v partitions, the one that was sent to /c is in %s", got, place(ds, tp))
	}
	if err := ds.Close(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/a", "/b", "/c"} {
		for _, name := range []string{propertiesFile, recoveryPointFile, highWatermarkFile, cleanFile} {
			if ok, _ := vfs.Exists(mem, dir+"/"+name); !ok {
				t.Errorf("%s has no %s", dir, name)
			}
		}
	}
	ds = mustOpenAll(t, mem, "/a", "/b", "/c")
	if !ds.WasClean() || len(ds.Logs()) != 8 {
		t.Errorf("clean %v, %d partitions", ds.WasClean(), len(ds.Logs()))
	}
}

func TestDirectoriesThatDoNotGoTogether(t *testing.T) {
	mem := vfs.NewMem(1)
	if _, err := OpenAll(manyOptions(mem), "", "/a", "/a"); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a directory twice: %v", err)
	}
	ds := mustOpenAll(t, mem, "/a", "/b")
	if _, err := ds.Create("t", [16]byte{1}, 0, commitlog.DefaultConfig()); err != nil {
		t.Fatal(err)
	}
	if err := ds.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mem.MkdirAll("/b/t-0"); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAll(manyOptions(mem), "", "/a", "/b"); err == nil || !strings.Contains(err.Error(), "t-0 is in two log directories, /a/t-0 and /b/t-0") {
		t.Errorf("a partition in two: %v", err)
	}
	if err := mem.RemoveAll("/b/t-0"); err != nil {
		t.Fatal(err)
	}
	data, err := vfs.ReadFile(mem, "/a/"+propertiesFile)
	if err == nil {
		err = vfs.WriteFileAtomic(mem, "/b/"+propertiesFile, data)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAll(manyOptions(mem), "", "/a", "/b"); err == nil || !strings.Contains(err.Error(), "same directory.id") {
		t.Errorf("a copied directory: %v", err)
	}
}

func TestMoveWhileInUse(t *testing.T) {
	mem := vfs.NewMem(1)
	ds := mustOpenAll(t, mem, "/a", "/b")
	cfg := commitlog.DefaultConfig()
	cfg.SegmentBytes = 4000
	tp := TopicPartition{"t", 0}
	l, err := ds.Create("t", [16]byte{1}, 0, cfg)
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, l, 500)
	l.SetHighWatermark(500)
	if _, err := l.DeleteRecords(123); err != nil {
		t.Fatal(err)
	}
	ds.Start(t.Context())
	for round, to := range []string{"/b", "/a", "/b"} {
		held, err := l.Read(200, 1000, true, commitlog.ReadLogEnd)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]byte, held.Bytes)
		if _, err := held.Slices[0].File.ReadAt(want, held.Slices[0].Pos); err != nil {
			t.Fatal(err)
		}
		if err := ds.Move(tp, to); err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { // a reader sees every offset, wherever the log is
			for at := l.StartOffset(); ; at = l.StartOffset() {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := l.ReadBytes(at, 5000, commitlog.ReadLogEnd); err != nil {
					t.Errorf("reading during the move: %v", err)
					return
				}
			}
		})
		for range 50 {
			appendTo(t, l, 1)
			if _, err := l.Flush(); err != nil {
				t.Errorf("flush during the move: %v", err)
			}
		}
		eventually(t, "move", func() bool { return place(ds, tp) == to && ds.moves.target(tp) == nil })
		close(stop)
		wg.Wait()
		appendTo(t, l, 1)
		if got := l.EndOffset(); got != int64(500+51*(round+1)) || l.StartOffset() != 123 || ds.Get(tp) != l || l.Dir() != to+"/t-0" {
			t.Fatalf("start %d, end %d, in %s", l.StartOffset(), got, l.Dir())
		}
		got := make([]byte, held.Bytes)
		if _, err := held.Slices[0].File.ReadAt(got, held.Slices[0].Pos); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("what a reader held is not what it was: %v", err)
		}
		held.Release()
	}
	before := contents(t, l)
	if err := ds.Close(); err != nil {
		t.Fatal(err)
	}
	ds = mustOpenAll(t, mem, "/a", "/b")
	if l = ds.Get(tp); place(ds, tp) != "/b" || l.StartOffset() != 123 || !bytes.Equal(contents(t, l), before) {
		t.Fatalf("after a restart: in %s, start %d", place(ds, tp), l.StartOffset())
	}
}

func TestMoveBackAndDeleteEndAMove(t *testing.T) {
	mem := vfs.NewMem(1)
	o := manyOptions(mem)
	o.Settings.MoveIORate = 1000 // never done
	ds, err := OpenAll(o, "", "/a", "/b")
	if err != nil {
		t.Fatal(err)
	}
	tp := TopicPartition{"t", 0}
	l, err := ds.Create("t", [16]byte{1}, 0, commitlog.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, l, 5000)
	ds.Start(t.Context())
	begin := func() {
		t.Helper()
		if err := ds.Move(tp, "/b"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "copy", func() bool { return ds.Describe()[1].Futures[tp] != nil })
	}
	leftovers := func(suffix string) (n int) {
		entries, _ := mem.ReadDir("/b")
		for _, e := range entries {
			if strings.HasSuffix(e.Name, suffix) {
				n++
			}
		}
		return n
	}
	begin()
	if err := ds.Move(tp, "/a"); err != nil {
		t.Fatal(err)
	}
	if place(ds, tp) != "/a" || leftovers(futureSuffix) != 0 || len(ds.Describe()[1].Futures) != 0 {
		t.Fatal("the move was not taken back")
	}
	begin()
	if err := ds.Close(); err != nil {
		t.Fatal(err)
	}
	// It begins again with the next start.
	if ds, err = OpenAll(o, "", "/a", "/b"); err != nil {
		t.Fatal(err)
	}
	ds.Start(t.Context())
	eventually(t, "second copy", func() bool { return ds.Describe()[1].Futures[tp] != nil })
	if err := ds.Delete(tp); err != nil {
		t.Fatal(err)
	}
	if place(ds, tp) != "" || leftovers(futureSuffix) != 0 {
		t.Fatal("the deleted partition left something")
	}
	// As fast as it can, by a change of the setting.
	if l, err = ds.Create("t", [16]byte{2}, 0, commitlog.DefaultConfig()); err != nil {
		t.Fatal(err)
	}
	appendTo(t, l, 5000)
	to := map[string]string{"/a": "/b", "/b": "/a"}[place(ds, tp)]
	if err := ds.Move(tp, to); err != nil {
		t.Fatal(err)
	}
	ds.Reconfigure(DefaultSettings())
	eventually(t, "move", func() bool { return place(ds, tp) == to })
}

func TestOneDirectoryFails(t *testing.T) {
	mem := vfs.NewMem(1)
	tps := []TopicPartition{{"t", 0}, {"t", 1}}
	ds := mustOpenAll(t, mem, "/a", "/b")
	for _, tp := range tps {
		l, err := ds.Create("t", [16]byte{1}, tp.Partition, commitlog.DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		appendTo(t, l, 10)
	}
	id, _ := ds.DirectoryOf(tps[1])
	if err := ds.Close(); err != nil {
		t.Fatal(err)
	}
	fault := vfs.NewFault(mem)
	broken := errors.New("unplugged")
	unplug := func() {
		fault.Set(func(_ vfs.Op, name string) error {
			if strings.HasPrefix(name, "/b") {
				return broken
			}
			return nil
		})
	}
	unplug()
	o := manyOptions(fault)
	back := make(chan TopicPartition, 10)
	o.Logger = slog.New(slog.DiscardHandler)
	o.OnStateChange = func(tp TopicPartition, err error) {
		if err == nil {
			back <- tp
		}
	}
	ds, err := OpenAll(o, "", "/a", "/b")
	if err != nil {
		t.Fatal(err)
	}
	ds.Start(t.Context())
	info := ds.Describe()
	if info[0].Err != nil || info[1].Err == nil || ds.Get(tps[0]) == nil || ds.Get(tps[1]) != nil {
		t.Fatalf("%v, %v", info[0].Err, info[1].Err)
	}
	if err := ds.Move(tps[0], "/b"); !errors.Is(err, ErrOfflineDir) {
		t.Errorf("moving into it: %v", err)
	}
	if err := ds.CheckLost(id); !errors.Is(err, ErrOfflineDir) {
		t.Errorf("its partition could be made anew: %v", err)
	}
	if err := ds.CheckLost([16]byte{}); !errors.Is(err, ErrOfflineDir) {
		t.Errorf("a partition that may be in it could be made anew: %v", err)
	}
	if l, err := ds.Create("new", [16]byte{2}, 0, commitlog.DefaultConfig()); err != nil || l.Dir() != "/a/new-0" {
		t.Errorf("a new partition: %v", err)
	}
	fault.Set(nil)
	if tp := <-back; tp != tps[1] {
		t.Errorf("%v is back", tp)
	}
	l := ds.Get(tps[1])
	if l.EndOffset() != 10 || ds.CheckLost(id) != nil || ds.CheckLost([16]byte{}) != nil {
		t.Errorf("end %d", l.EndOffset())
	}
	// And while it is used.
	appendTo(t, l, 1)
	unplug()
	if _, err := l.Flush(); err == nil {
		t.Error("what is not there was flushed")
	}
	if l, err := ds.Create("more", [16]byte{2}, 0, commitlog.DefaultConfig()); err != nil || l.Dir() != "/a/more-0" {
		t.Errorf("a new partition: %v", err)
	}
	eventually(t, "directory offline", func() bool { return ds.Describe()[1].Err != nil })
	appendTo(t, ds.Get(tps[0]), 1)
	fault.Set(nil)
	eventually(t, "directory back", func() bool { return ds.Describe()[1].Err == nil && l.Offline() == nil })
	appendTo(t, l, 1)
}

// At whatever operation of a move the power fails, or the process is killed: what was flushed is there, once, and the
// move goes on after the restart.
func TestCrashDuringAMove(t *testing.T) {
	seeds := uint64(4)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		for kill := range 2 {
			for at, more := 0, true; more; at++ {
				more = crashAt(t, seed, kill == 1, at)
			}
		}
	}
}

// crashAt makes the crash before the operation of that number; false means that the move had fewer.
func crashAt(t *testing.T, seed uint64, kill bool, at int) bool {
	t.Helper()
	mem := vfs.NewMem(seed)
	fault := vfs.NewFault(mem)
	ds := mustOpenAll(t, fault, "/a", "/b")
	tp := TopicPartition{"t", 0}
	cfg := commitlog.DefaultConfig()
	cfg.SegmentBytes = 3000
	l, err := ds.Create("t", [16]byte{1}, 0, cfg)
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, l, 60)
	flushed, err := l.Flush()
	if err != nil {
		t.Fatal(err)
	}
	l.SetHighWatermark(flushed)
	if _, err := l.DeleteRecords(3); err != nil {
		t.Fatal(err)
	}
	if err := ds.SaveLogStarts(); err != nil {
		t.Fatal(err)
	}
	appendTo(t, l, 5) // not flushed
	start := int64(3)
	var acked, deleted atomic.Int64
	var mu sync.Mutex
	n := 0
	var after *vfs.Mem
	fault.Set(func(_ vfs.Op, name string) error {
		mu.Lock()
		defer mu.Unlock()
		if n == at {
			flushed, start = max(flushed, acked.Load()), max(start, deleted.Load())
			if kill {
				after = mem.Kill()
			} else {
				after = mem.Crash()
			}
		}
		n++
		return nil
	})
	ds.Start(t.Context())
	if err := ds.Move(tp, "/b"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		appendTo(t, l, 1)
		to, err := l.Flush()
		if err != nil {
			t.Fatal(err)
		}
		acked.Store(to)
		low, err := l.DeleteRecords(l.StartOffset() + 1)
		if err == nil {
			err = ds.SaveLogStarts()
		}
		if err != nil {
			t.Fatal(err)
		}
		deleted.Store(low)
	}
	eventually(t, "move", func() bool { return ds.moves.target(tp) == nil })
	fault.Set(nil)
	mu.Lock()
	crashed, flushed, start := after, flushed, start
	mu.Unlock()
	if err := ds.Close(); err != nil {
		t.Fatal(err)
	}
	if crashed == nil {
		return false
	}
	what := fmt.Sprintf("seed %d, kill %v, operation %d", seed, kill, at)
	ds, err = OpenAll(manyOptions(crashed), "", "/a", "/b")
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	l = ds.Get(tp)
	if l == nil {
		t.Fatalf("%s: the partition is gone: %v", what, ds.Broken())
	}
	if l.StartOffset() < start || l.EndOffset() < flushed || kill && l.EndOffset() < 65 {
		t.Fatalf("%s: in %s, start %d of %d, end %d, flushed %d", what, l.Dir(), l.StartOffset(), start, l.EndOffset(), flushed)
	}
	contents(t, l)
	appendTo(t, l, 1)
	ds.Start(t.Context())
	if err := ds.Move(tp, "/b"); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	eventually(t, what, func() bool { return place(ds, tp) == "/b" && ds.moves.target(tp) == nil })
	appendTo(t, l, 1)
	if err := ds.Close(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return true
}
