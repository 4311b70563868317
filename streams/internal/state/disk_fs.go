package state

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"leat.dev/internal/base/clock"
)

// haltFS makes a disk that fails to write look like a machine that stopped at
// that moment. Pebble ends the process, panics or waits for ever when its log
// or manifest cannot be written. Here the first failure is remembered, reaches
// the tasks by the DB, and from then on nothing changes on the disk: writes,
// renames and removals claim to have worked and do nothing. Opening the
// directory again finds what it would find after a crash.
//
// Removals have to halt with the writes: Pebble removes a log once the table
// that replaces it is written, which it now only seems to be.
type haltFS struct {
	vfs.FS
	clock clock.Clock

	mu   sync.Mutex
	err  error         // what halted it
	gone chan struct{} // closed by the DB's Close
}

func newHaltFS(fs vfs.FS, c clock.Clock) *haltFS {
	return &haltFS{FS: fs, clock: c, gone: make(chan struct{})}
}

// Err is what halted the disk, or nil.
func (h *haltFS) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *haltFS) halted() bool { return h.Err() != nil }

// halt stops all changes; only the first cause counts.
func (h *haltFS) halt(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
	}
}

// change runs something that changes the disk, or claims to have done so.
func (h *haltFS) change(f func() error) error {
	if h.halted() {
		return nil
	}
	if err := f(); err != nil && !os.IsNotExist(err) {
		h.halt(err)
		return nil
	} else {
		return err
	}
}

// file wraps a file; one of a disk that has halted has no file below it.
func (h *haltFS) file(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &haltFile{File: f, fs: h}, nil
}

func (h *haltFS) create(open func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	err := h.change(func() (err error) { f, err = open(); return err })
	return h.file(f, err)
}

func (h *haltFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return h.create(func() (vfs.File, error) { return h.FS.Create(name, c) })
}

func (h *haltFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return h.create(func() (vfs.File, error) { return h.FS.ReuseForWrite(from, to, c) })
}

func (h *haltFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return h.create(func() (vfs.File, error) { return h.FS.OpenReadWrite(name, c, o...) })
}

// Open of a file that only seemed to be written fails. Pebble tries again at
// once, and for ever: it is held back until the DB is closed.
func (h *haltFS) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := h.FS.Open(name, o...)
	if err != nil && h.Err() != nil {
		h.pause()
	}
	return h.file(f, err)
}

func (h *haltFS) pause() {
	t := h.clock.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-t.C():
	case <-h.gone:
	}
}

func (h *haltFS) OpenDir(name string) (vfs.File, error) { return h.file(h.FS.OpenDir(name)) }

func (h *haltFS) Link(from, to string) error {
	return h.change(func() error { return h.FS.Link(from, to) })
}

func (h *haltFS) Rename(from, to string) error {
	return h.change(func() error { return h.FS.Rename(from, to) })
}

func (h *haltFS) Remove(name string) error {
	return h.change(func() error { return h.FS.Remove(name) })
}

func (h *haltFS) RemoveAll(name string) error {
	return h.change(func() error { return h.FS.RemoveAll(name) })
}

func (h *haltFS) MkdirAll(dir string, perm os.FileMode) error {
	return h.change(func() error { return h.FS.MkdirAll(dir, perm) })
}

func (h *haltFS) Unwrap() vfs.FS { return h.FS }

// haltFile is a file of a haltFS. File is nil if it came to be after the halt.
type haltFile struct {
	vfs.File
	fs *haltFS
}

func (f *haltFile) change(g func() error) error {
	if f.File == nil {
		return nil
	}
	return f.fs.change(g)
}

func (f *haltFile) Write(p []byte) (int, error) {
	return len(p), f.change(func() error { _, err := f.File.Write(p); return err })
}

func (f *haltFile) WriteAt(p []byte, off int64) (int, error) {
	return len(p), f.change(func() error { _, err := f.File.WriteAt(p, off); return err })
}

func (f *haltFile) Preallocate(off, n int64) error {
	return f.change(func() error { return f.File.Preallocate(off, n) })
}

func (f *haltFile) Sync() error { return f.change(func() error { return f.File.Sync() }) }

func (f *haltFile) SyncData() error { return f.change(func() error { return f.File.SyncData() }) }

func (f *haltFile) SyncTo(n int64) (full bool, err error) {
	full = true
	err = f.change(func() (err error) { full, err = f.File.SyncTo(n); return err })
	return full, err
}

func (f *haltFile) Close() error {
	if f.File == nil {
		return nil
	}
	return f.File.Close()
}

func (f *haltFile) Read(p []byte) (int, error) {
	if f.File == nil {
		return 0, io.ErrUnexpectedEOF
	}
	return f.File.Read(p)
}

func (f *haltFile) ReadAt(p []byte, off int64) (int, error) {
	if f.File == nil {
		return 0, io.ErrUnexpectedEOF
	}
	return f.File.ReadAt(p, off)
}

func (f *haltFile) Stat() (vfs.FileInfo, error) {
	if f.File == nil {
		return nil, io.ErrUnexpectedEOF
	}
	return f.File.Stat()
}

func (f *haltFile) Prefetch(off, n int64) error {
	if f.File == nil {
		return nil
	}
	return f.File.Prefetch(off, n)
}

func (f *haltFile) Fd() uintptr {
	if f.File == nil {
		return vfs.InvalidFd
	}
	return f.File.Fd()
}
