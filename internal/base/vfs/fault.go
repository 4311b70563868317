package vfs

import (
	"io"
	"sync"
	"syscall"
)

// Op is an operation of an FS or a File, for Fault.
type Op int

const (
	OpOpen   Op = iota // Open, and OpenOrCreate
	OpCreate           // Create
	OpMkdir
	OpRemove // Remove, and RemoveAll
	OpRename // the name is the old one
	OpReadDir
	OpStat
	OpSyncDir
	OpLock
	OpUsage
	OpRead
	OpWrite
	OpTruncate
	OpSync
	OpSize
	OpClose
	opCount
)

var opNames = [opCount]string{"open", "create", "mkdir", "remove", "rename", "readdir", "stat", "syncdir", "lock",
	"usage", "read", "write", "truncate", "sync", "size", "close"}

func (op Op) String() string { return opNames[op] }

// Fault is an FS that fails on demand and counts what is asked of it. Its
// files have no descriptor, so that no read goes past it.
type Fault struct {
	inner FS

	mu    sync.Mutex
	fail  func(op Op, name string) error
	free  int64 // -1: without limit
	count [opCount]int64
}

// NewFault wraps a file system; without a Set or SetFree it changes nothing.
func NewFault(inner FS) *Fault { return &Fault{inner: inner, free: -1} }

// Set makes every operation ask fail first, and return its error if there is
// one, as a path error; nil ends that. fail may be called from many goroutines
// at once, and a failed Sync leaves the file unsynced.
func (f *Fault) Set(fail func(op Op, name string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

// FailWith fails the given operations with an error, all of them if none is
// given, until the next Set.
func (f *Fault) FailWith(err error, ops ...Op) {
	f.Set(func(op Op, _ string) error {
		if len(ops) == 0 {
			return err
		}
		for _, o := range ops {
			if o == op {
				return err
			}
		}
		return nil
	})
}

// SetFree limits how many bytes files may grow by from now on; a write beyond
// it writes what fits and fails with ENOSPC. Removing and cutting files gives
// bytes back. -1 ends the limit.
func (f *Fault) SetFree(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free = bytes
}

// Count tells how often an operation was asked for, failures included.
func (f *Fault) Count(op Op) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count[op]
}

func (f *Fault) check(op Op, name string) error {
	f.mu.Lock()
	f.count[op]++
	fail := f.fail
	f.mu.Unlock()
	if fail == nil {
		return nil
	}
	if err := fail(op, name); err != nil {
		return pathError(op.String(), name, err)
	}
	return nil
}

// take reserves up to n bytes and tells how many there were.
func (f *Fault) take(n int64) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.free >= 0 {
		n = min(n, f.free)
		f.free -= n
	}
	return n
}

func (f *Fault) give(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.free >= 0 {
		f.free += n
	}
}

func (f *Fault) open(op Op, name string, open func(string) (File, error)) (File, error) {
	if err := f.check(op, name); err != nil {
		return nil, err
	}
	var freed int64
	if op == OpCreate {
		freed = f.sizeOf(name)
	}
	file, err := open(name)
	if err != nil {
		return nil, err
	}
	f.give(freed)
	return &faultFile{File: file, fault: f}, nil
}

// sizeOf is the size of a file, or of the files below a directory.
func (f *Fault) sizeOf(name string) int64 {
	entry, err := f.inner.Stat(name)
	if err != nil {
		return 0
	}
	if !entry.IsDir {
		return entry.Size
	}
	list, _ := f.inner.ReadDir(name)
	var total int64
	for _, e := range list {
		total += f.sizeOf(name + "/" + e.Name)
	}
	return total
}

func (f *Fault) Open(name string) (File, error)   { return f.open(OpOpen, name, f.inner.Open) }
func (f *Fault) Create(name string) (File, error) { return f.open(OpCreate, name, f.inner.Create) }
func (f *Fault) OpenOrCreate(name string) (File, error) {
	return f.open(OpOpen, name, f.inner.OpenOrCreate)
}

func (f *Fault) MkdirAll(dir string) error {
	if err := f.check(OpMkdir, dir); err != nil {
		return err
	}
	return f.inner.MkdirAll(dir)
}

func (f *Fault) Remove(name string) error    { return f.remove(name, f.inner.Remove) }
func (f *Fault) RemoveAll(name string) error { return f.remove(name, f.inner.RemoveAll) }

func (f *Fault) remove(name string, remove func(string) error) error {
	if err := f.check(OpRemove, name); err != nil {
		return err
	}
	size := f.sizeOf(name)
	if err := remove(name); err != nil {
		return err
	}
	f.give(size)
	return nil
}

func (f *Fault) Rename(from, to string) error {
	if err := f.check(OpRename, from); err != nil {
		return err
	}
	replaced := f.sizeOf(to)
	if err := f.inner.Rename(from, to); err != nil {
		return err
	}
	f.give(replaced)
	return nil
}

func (f *Fault) ReadDir(dir string) ([]DirEntry, error) {
	if err := f.check(OpReadDir, dir); err != nil {
		return nil, err
	}
	return f.inner.ReadDir(dir)
}

func (f *Fault) Stat(name string) (DirEntry, error) {
	if err := f.check(OpStat, name); err != nil {
		return DirEntry{}, err
	}
	return f.inner.Stat(name)
}

func (f *Fault) SyncDir(dir string) error {
	if err := f.check(OpSyncDir, dir); err != nil {
		return err
	}
	return f.inner.SyncDir(dir)
}

func (f *Fault) Lock(name string) (io.Closer, error) {
	if err := f.check(OpLock, name); err != nil {
		return nil, err
	}
	return f.inner.Lock(name)
}

func (f *Fault) Usage(dir string) (total, free int64, err error) {
	if err := f.check(OpUsage, dir); err != nil {
		return 0, 0, err
	}
	total, free, err = f.inner.Usage(dir)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.free >= 0 {
		free = f.free
	}
	return total, free, err
}

// faultFile is a File that asks its Fault first.
type faultFile struct {
	File
	fault *Fault
}

func (f *faultFile) ReadAt(b []byte, off int64) (int, error) {
	if err := f.fault.check(OpRead, f.Name()); err != nil {
		return 0, err
	}
	return f.File.ReadAt(b, off)
}

func (f *faultFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.fault.check(OpWrite, f.Name()); err != nil {
		return 0, err
	}
	size, err := f.File.Size()
	if err != nil {
		return 0, err
	}
	grows := max(0, off+int64(len(b))-max(size, off))
	missing := grows - f.fault.take(grows)
	n, err := f.File.WriteAt(b[:int64(len(b))-missing], off)
	if err == nil && missing > 0 {
		err = pathError("write", f.Name(), syscall.ENOSPC)
	}
	return n, err
}

func (f *faultFile) Truncate(size int64) error {
	if err := f.fault.check(OpTruncate, f.Name()); err != nil {
		return err
	}
	before, err := f.File.Size()
	if err != nil {
		return err
	}
	// Growing takes no space: the disk has no blocks for what was not written.
	if err := f.File.Truncate(size); err != nil {
		return err
	}
	f.fault.give(max(0, before-size))
	return nil
}

func (f *faultFile) Sync() error {
	if err := f.fault.check(OpSync, f.Name()); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *faultFile) Size() (int64, error) {
	if err := f.fault.check(OpSize, f.Name()); err != nil {
		return 0, err
	}
	return f.File.Size()
}

// Close closes the file also where it is made to fail, as the system does.
func (f *faultFile) Close() error {
	err := f.fault.check(OpClose, f.Name())
	if cerr := f.File.Close(); err == nil {
		err = cerr
	}
	return err
}

func (f *faultFile) Fd() (uintptr, bool) { return 0, false }
