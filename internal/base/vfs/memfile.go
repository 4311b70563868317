package vfs

import (
	"bytes"
	"io"
	"io/fs"
	"math"
	"syscall"
	"time"
)

// memFile is a file: its content as programs see it, its content at the last
// Sync, and the changes since. The lock of the Mem guards it.
type memFile struct {
	data    sparse
	synced  sparse
	pending []fileChange
	modTime time.Time
}

// fileChange is a write at an offset or, with nil data, a truncation to it.
type fileChange struct {
	at   int64
	data []byte
}

func (c fileChange) end() int64 { return c.at + int64(len(c.data)) }

func (c fileChange) apply(to *sparse) {
	if c.data == nil {
		to.truncate(c.at)
		return
	}
	to.writeAt(c.data, c.at)
}

func (f *memFile) change(c fileChange, now time.Time) {
	c.apply(&f.data)
	f.pending = append(f.pending, c)
	f.modTime = now
}

func (f *memFile) sync() {
	for _, c := range f.pending {
		c.apply(&f.synced)
	}
	f.pending = nil
}

// memHandle is an open memFile.
type memHandle struct {
	mem    *Mem
	name   string
	file   *memFile
	closed bool // guarded by the Mem's lock
}

func (h *memHandle) check(op string, off int64) error {
	if h.closed {
		return pathError(op, h.name, fs.ErrClosed)
	}
	if off < 0 || off > math.MaxInt32<<8 { // a mistake, not a file of half a terabyte in memory
		return pathError(op, h.name, syscall.EINVAL)
	}
	return nil
}

func (h *memHandle) ReadAt(b []byte, off int64) (int, error) {
	h.mem.mu.RLock()
	defer h.mem.mu.RUnlock()
	if err := h.check("read", off); err != nil {
		return 0, err
	}
	n := h.file.data.readAt(b, off)
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (h *memHandle) WriteAt(b []byte, off int64) (int, error) {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	if err := h.check("write", off); err != nil {
		return 0, err
	}
	if len(b) > 0 {
		h.file.change(fileChange{at: off, data: bytes.Clone(b)}, h.mem.now())
	}
	return len(b), nil
}

func (h *memHandle) Truncate(size int64) error {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	if err := h.check("truncate", size); err != nil {
		return err
	}
	h.file.change(fileChange{at: size}, h.mem.now())
	return nil
}

func (h *memHandle) Sync() error {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	if err := h.check("sync", 0); err != nil {
		return err
	}
	h.file.sync()
	return nil
}

func (h *memHandle) Size() (int64, error) {
	h.mem.mu.RLock()
	defer h.mem.mu.RUnlock()
	if err := h.check("stat", 0); err != nil {
		return 0, err
	}
	return h.file.data.size, nil
}

func (h *memHandle) Name() string        { return h.name }
func (h *memHandle) Fd() (uintptr, bool) { return 0, false }

func (h *memHandle) Close() error {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	if err := h.check("close", 0); err != nil {
		return err
	}
	h.closed = true
	return nil
}
