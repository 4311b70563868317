package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"leat.dev/internal/base/clock"
)

// fullDisk fails every change of the disk once full is set.
type fullDisk struct {
	full atomic.Bool
	of   string // only files whose path has it
}

func (f *fullDisk) MaybeError(op errorfs.Op) error {
	if !f.full.Load() || !strings.Contains(op.Path, f.of) || op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
		return nil
	}
	return &os.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
}

func (f *fullDisk) String() string { return "full disk" }

// TestDiskFull: the commit fails and says why, reads go on, nothing hangs or
// panics, and the directory has the state of an earlier commit with its
// offset once there is space.
func TestDiskFull(t *testing.T) {
	for _, durability := range []Durability{Logged, Synced, Unlogged} {
		t.Run(fmt.Sprint(durability), func(t *testing.T) { testDiskFull(t, durability) })
	}
}

func testDiskFull(t *testing.T, durability Durability) {
	mem := vfs.NewMem()
	disk := &fullDisk{}
	o := Options{FS: errorfs.Wrap(mem, disk), MemtableMiB: 1, Durability: durability}
	db, err := Open("state", o)
	if err != nil {
		t.Fatal(err)
	}
	task, err := db.Task("0_1")
	if err != nil {
		t.Fatal(err)
	}
	s := task.Store("s", false)
	value := []byte(strings.Repeat("v", 10_000))
	var failed error
	good := int64(0)
	for n := int64(1); failed == nil && n < 2000; n++ {
		if n == 50 {
			disk.full.Store(true)
		}
		if err := s.Put(fmt.Appendf(nil, "%06d", n), value); err != nil {
			t.Fatal(err)
		}
		if failed = task.Commit(map[string]int64{"log": n}, nil); failed == nil {
			good = n
		}
	}
	var where *Error
	if !errors.Is(failed, ErrNoSpace) || !errors.As(failed, &where) || where.Task != "0_1" {
		t.Fatalf("a full disk says: %v", failed)
	}
	if durability == Synced && good != 49 {
		t.Fatalf("commit %d was confirmed", good)
	}
	if _, ok, err := s.Get([]byte("000001")); !ok && !errors.Is(err, ErrNoSpace) {
		t.Fatalf("reading on a full disk: %v %v", ok, err)
	}
	if err := db.Close(); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("close says: %v", err)
	}

	disk.full.Store(false)
	db, err = Open("state", o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if task, err = db.Task("0_1"); err != nil {
		t.Fatal(err)
	}
	last := task.Offsets()["log"]
	if last > good+1 || durability == Synced && last < 49 {
		t.Fatalf("offset %d after commit %d", last, good)
	}
	s = task.Store("s", false)
	for n := range last + 10 {
		_, ok, err := s.Get(fmt.Appendf(nil, "%06d", n+1))
		if err != nil || ok != (n+1 <= last) {
			t.Fatalf("key %d with offset %d: %v %v", n+1, last, ok, err)
		}
	}
}

// TestDiskFullOfOneTask: the disk refuses what one task writes; another one goes on, and the first one can be opened again
// while the DB stays open, with the state of a commit of before.
func TestDiskFullOfOneTask(t *testing.T) {
	disk := &fullDisk{of: "0_1"}
	db, err := Open("state", Options{FS: errorfs.Wrap(vfs.NewMem(), disk), MemtableMiB: 1})
	if err != nil {
		t.Fatal(err)
	}
	open := func(id string) (*Task, *Store) {
		task, err := db.Task(id)
		if err != nil {
			t.Fatal(err)
		}
		return task, task.Store("s", false)
	}
	one, a := open("0_1")
	two, b := open("0_2")
	value := make([]byte, 10_000)
	var failed error
	for n := int64(1); n < 1000; n++ {
		if n == 50 {
			disk.full.Store(true)
		}
		key := fmt.Appendf(nil, "%06d", n)
		if failed == nil {
			failed = errors.Join(a.Put(key, value), one.Commit(map[string]int64{"log": n}, nil))
		}
		if err := errors.Join(b.Put(key, value), two.Commit(map[string]int64{"log": n}, nil)); err != nil {
			t.Fatalf("the other task fails: %v", err)
		}
	}
	if !errors.Is(failed, ErrNoSpace) {
		t.Fatalf("a full disk says: %v", failed)
	}
	_ = one.Close() // says it again
	if task, err := db.Task("0_1"); err == nil {
		t.Fatalf("%s is opened on a full disk", task.ID())
	}
	disk.full.Store(false)
	one, a = open("0_1")
	last := one.Offsets()["log"]
	if last == 0 || last > 1000 {
		t.Fatalf("it goes on at %d", last)
	}
	if _, ok, err := a.Get(fmt.Appendf(nil, "%06d", last)); !ok || err != nil {
		t.Fatalf("key %d is not there: %v", last, err)
	}
	if err := errors.Join(a.Put([]byte("k"), value), one.Commit(map[string]int64{"log": last + 1}, nil), one.Close(), two.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestCorruption: bytes that rot are an error of the task that reads them. The
// task can be wiped; others go on.
func TestCorruption(t *testing.T) {
	mem := vfs.NewMem()
	o := Options{FS: mem, MemtableMiB: 1}
	db, err := Open("state", o)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"0_0", "0_1"} {
		task, err := db.Task(id)
		if err != nil {
			t.Fatal(err)
		}
		s := task.Store("s", false)
		for i := range 3000 {
			if err := s.Put(fmt.Appendf(nil, "%s-%06d", id, i), []byte(fmt.Sprint(i, strings.Repeat("v", 500)))); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(task.Commit(nil, nil), flush(db), task.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	rotten := rot(t, mem)
	if db, err = Open("state", o); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	bad := 0
	for _, id := range []string{"0_0", "0_1"} {
		task, err := db.Task(id)
		if err != nil {
			t.Fatal(err)
		}
		it := task.Store("s", false).Scan(nil, nil, false)
		n := 0
		for it.Next() {
			n++
		}
		if err := it.Close(); err != nil {
			var where *Error
			if !errors.Is(err, ErrCorrupt) || !errors.As(err, &where) || where.Task != id || where.Store != "s" {
				t.Fatalf("rot says: %v", err)
			}
			bad++
			if err := errors.Join(task.Close(), db.WipeTask(id)); err != nil {
				t.Fatal(err)
			}
			if task, err = db.Task(id); err != nil {
				t.Fatal(err)
			}
			if got := drain(t, task.Store("s", false).Scan(nil, nil, false)); len(got) != 0 {
				t.Fatalf("%d entries in a wiped task", len(got))
			}
		} else if n != 3000 {
			t.Fatalf("task %s has %d entries", id, n)
		}
	}
	if bad != 1 {
		t.Fatalf("%d tasks see what rotted in %s", bad, rotten)
	}
}

// rot changes bytes in the middle of the first table.
func rot(t *testing.T, fs *vfs.MemFS) string {
	names, err := fs.List("state/tasks/0_0/db")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		path := "state/tasks/0_0/db/" + name
		f, err := fs.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			b[len(b)/3+i] ^= 0x55
		}
		w, err := fs.Create(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return name
	}
	t.Fatal("no table")
	return ""
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	now := clock.NewManual(time.UnixMilli(1_000_000))
	db, err := Open(dir, Options{Clock: now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) {
		t.Fatalf("second open: %v", err)
	}
	if err := Remove(dir, nil); !errors.Is(err, ErrLocked) {
		t.Fatalf("remove: %v", err)
	}
	task, err := db.Task("1_0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Task("1_0"); !errors.Is(err, ErrOwned) {
		t.Fatalf("second owner: %v", err)
	}
	if err := db.WipeTask("1_0"); !errors.Is(err, ErrOwned) {
		t.Fatalf("wipe of an owned task: %v", err)
	}
	other, err := db.Task("0_0")
	if err != nil {
		t.Fatal(err)
	}
	other.Store("s", false) // from here on it has a directory
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	s := task.Store("s", false)
	now.Advance(time.Hour)
	if err := errors.Join(s.Put([]byte("k"), []byte("v")), task.Commit(nil, nil), db.Close()); err != nil {
		t.Fatal(err)
	}
	if err := task.Commit(nil, nil); !errors.Is(err, ErrClosed) {
		t.Fatalf("commit after close: %v", err)
	}
	if db, err = Open(dir, Options{Clock: now}); err != nil {
		t.Fatal(err)
	}
	list, err := db.Tasks()
	if err != nil || len(list) != 2 || list[0].ID != "0_0" || list[1].ID != "1_0" || list[1].Owned {
		t.Fatalf("%+v %v", list, err)
	}
	if age := now.Now().Sub(list[0].Used); age != time.Hour {
		t.Fatalf("0_0 was used %v ago", age)
	}
	if age := now.Now().Sub(list[1].Used); age != 0 {
		t.Fatalf("1_0 was used %v ago", age)
	}
	if err := errors.Join(db.WipeTask("1_0"), db.Close()); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	if task, err = db.Task("1_0"); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := task.Store("s", false).Get([]byte("k")); ok || err != nil {
		t.Fatalf("a wiped task has its key: %v %v", ok, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/"+versionFile, []byte("leat streams state 9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "state 9") {
		t.Fatalf("a later version: %v", err)
	}
	if err := Remove(dir, nil); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(dir, Options{}); err != nil {
		t.Fatalf("after a removal: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{MemtableMiB: 4096}); err == nil || !strings.Contains(err.Error(), "MemtableMiB") {
		t.Fatalf("a bad option: %v", err)
	}
}
