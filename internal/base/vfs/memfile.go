package vfs

import (
	"bytes"
	"io"
	"io/fs"
	"math"
	"slices"
	"syscall"
	"time"
)

// memFile is a file: its content as programs see it, its content at the last
// Sync, and the changes since. The lock of the Mem guards it.
type memFile struct {
	data    []byte
	synced  []byte
	pending []fileChange
	modTime time.Time
}

// fileChange is a write at an offset or, with nil data, a truncation to it.
type fileChange struct {
	at   int64
	data []byte
}

func (f *memFile) write(b []byte, off int64, now time.Time) {
	end := int(off) + len(b)
	if end > len(f.data) {
		f.data = slices.Grow(f.data, end-len(f.data))[:end]
	}
	copy(f.data[off:], b)
	f.pending = append(f.pending, fileChange{at: off, data: bytes.Clone(b)})
	f.modTime = now
}

func (f *memFile) truncate(size int64, now time.Time) {
	if n := int(size); n <= len(f.data) {
		clear(f.data[n:]) // so that growing again shows zeros
		f.data = f.data[:n]
	} else {
		f.data = slices.Grow(f.data, n-len(f.data))[:n]
	}
	f.pending = append(f.pending, fileChange{at: size})
	f.modTime = now
}

func (f *memFile) sync() {
	if len(f.pending) == 0 {
		return
	}
	// Bring the synced content up to date change by change: a log is appended
	// to and synced over and over, and copying it whole would be quadratic.
	for _, c := range f.pending {
		end := int(c.at) + len(c.data)
		if c.data == nil && end < len(f.synced) {
			clear(f.synced[end:])
			f.synced = f.synced[:end]
		}
		if end > len(f.synced) {
			f.synced = slices.Grow(f.synced, end-len(f.synced))[:end]
		}
		copy(f.synced[c.at:], c.data)
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
	if off >= int64(len(h.file.data)) {
		if len(b) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	n := copy(b, h.file.data[off:])
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
		h.file.write(b, off, h.mem.now())
	}
	return len(b), nil
}

func (h *memHandle) Truncate(size int64) error {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	if err := h.check("truncate", size); err != nil {
		return err
	}
	h.file.truncate(size, h.mem.now())
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
	return int64(len(h.file.data)), nil
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
