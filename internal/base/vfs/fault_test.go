package vfs

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

func TestFaultFailsEachOperation(t *testing.T) {
	fault := NewFault(NewMem(1))
	noErr(t, fault.MkdirAll("/d"))
	f := must(fault.Create("/d/f"))(t)
	do := map[Op]func() error{
		OpOpen:     func() error { _, err := fault.Open("/d/f"); return err },
		OpCreate:   func() error { _, err := fault.Create("/d/g"); return err },
		OpMkdir:    func() error { return fault.MkdirAll("/d/e") },
		OpRemove:   func() error { return fault.Remove("/d/f") },
		OpRename:   func() error { return fault.Rename("/d/f", "/d/h") },
		OpReadDir:  func() error { _, err := fault.ReadDir("/d"); return err },
		OpStat:     func() error { _, err := fault.Stat("/d/f"); return err },
		OpSyncDir:  func() error { return fault.SyncDir("/d") },
		OpLock:     func() error { _, err := fault.Lock("/d/l"); return err },
		OpUsage:    func() error { _, _, err := fault.Usage("/d"); return err },
		OpRead:     func() error { _, err := f.ReadAt(make([]byte, 1), 0); return err },
		OpWrite:    func() error { _, err := f.WriteAt([]byte("x"), 0); return err },
		OpTruncate: func() error { return f.Truncate(0) },
		OpSync:     func() error { return f.Sync() },
		OpSize:     func() error { _, err := f.Size(); return err },
		OpClose:    func() error { return f.Close() },
	}
	for op := range opCount {
		before := fault.Count(op)
		fault.FailWith(syscall.EIO, op)
		if err := do[op](); !errors.Is(err, syscall.EIO) {
			t.Errorf("%v: %v", op, err)
		}
		if fault.Count(op) != before+1 {
			t.Errorf("%v is not counted", op)
		}
		fault.Set(nil)
	}
}

func TestFaultByName(t *testing.T) {
	fault := NewFault(NewMem(1))
	fault.Set(func(op Op, name string) error {
		if op == OpCreate && strings.HasSuffix(name, ".index") {
			return syscall.EACCES
		}
		return nil
	})
	if _, err := fault.Create("/a.index"); !errors.Is(err, syscall.EACCES) {
		t.Errorf("%v", err)
	}
	must(fault.Create("/a.log"))(t)
	fault.FailWith(syscall.EROFS)
	if _, err := fault.Stat("/a.log"); !errors.Is(err, syscall.EROFS) {
		t.Errorf("%v", err)
	}
}

func TestFaultFreeSpace(t *testing.T) {
	fault := NewFault(NewMem(1))
	f := must(fault.Create("/f"))(t)
	fault.SetFree(10)
	must(f.WriteAt([]byte("123456"), 0))(t)
	must(f.WriteAt([]byte("654321"), 0))(t) // in place: no space needed
	if n, err := f.WriteAt([]byte("1234567"), 6); n != 4 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if n, err := f.WriteAt([]byte("x"), 10); n != 0 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if _, free, _ := fault.Usage("/"); free != 0 {
		t.Errorf("%d bytes free", free)
	}
	noErr(t, f.Truncate(7))
	must(f.WriteAt([]byte("abc"), 7))(t)
	noErr(t, fault.Remove("/f"))
	if _, free, _ := fault.Usage("/"); free != 10 {
		t.Errorf("%d bytes free after removing all", free)
	}
	fault.SetFree(-1)
	must(f.WriteAt(make([]byte, 100), 0))(t)
}

func TestFailedSyncIsNoSync(t *testing.T) {
	lost := false
	for seed := range uint64(50) {
		m := NewMem(seed)
		fault := NewFault(m)
		f := must(fault.Create("/f"))(t)
		must(f.WriteAt([]byte("data"), 0))(t)
		noErr(t, fault.SyncDir("/"))
		fault.FailWith(syscall.EIO, OpSync)
		if f.Sync() == nil {
			t.Fatal("no error")
		}
		lost = lost || len(must(ReadFile(m.Crash(), "/f"))(t)) == 0
	}
	if !lost {
		t.Error("what a failed Sync left is never lost")
	}
}
