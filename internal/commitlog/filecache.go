package commitlog

import (
	"errors"
	"sync"

	"leat.dev/internal/base/vfs"
)

// errGone tells that a segment left the log while it was looked up; the caller
// starts over.
var errGone = errors.New("segment was removed")

// FileCache bounds the open files of all logs that share it. Files in use are
// never closed, so the bound can be exceeded by what is being read, written
// or sent at one moment.
type FileCache struct {
	mu    sync.Mutex
	limit int
	open  int
	idle  handle // head of the list of unused open files, oldest first
}

// NewFileCache returns a cache that keeps at most limit files open beside
// those being used.
func NewFileCache(limit int) *FileCache {
	c := &FileCache{limit: limit}
	c.idle.prev, c.idle.next = &c.idle, &c.idle
	return c
}

// Open is the number of files open now.
func (c *FileCache) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// handle is one open file, shared by everyone who uses it.
type handle struct {
	cache *FileCache
	file  vfs.File
	owner *lazyFile // nil once detached: closed by the last release

	refs     int
	slices   int   // references held by readers outside of the package
	sliceEnd int64 // the end of what they may read

	prev, next *handle // in the idle list if refs == 0
}

// lazyFile is a named file that is opened when needed. The zero value with fs,
// cache and name set is ready.
type lazyFile struct {
	fs    vfs.FS
	cache *FileCache
	name  func() string // must not change while gone is false, except under rename

	h    *handle // guarded by cache.mu, like gen and gone
	gen  uint32  // changes whenever the file behind the name changes
	gone bool
}

// acquire opens the file if it is not open and counts a use of it.
func (f *lazyFile) acquire(create bool) (*handle, error) {
	c := f.cache
	for {
		c.mu.Lock()
		if f.gone {
			c.mu.Unlock()
			return nil, errGone
		}
		if h := f.h; h != nil {
			h.retain()
			c.mu.Unlock()
			return h, nil
		}
		gen, name := f.gen, f.name()
		c.mu.Unlock()

		var file vfs.File
		var err error
		if create {
			file, err = f.fs.OpenOrCreate(name)
		} else {
			file, err = f.fs.Open(name)
		}

		c.mu.Lock()
		if f.gen != gen || f.gone || (err == nil && f.h != nil) {
			c.mu.Unlock()
			if err == nil {
				file.Close()
			}
			continue
		}
		if err != nil {
			c.mu.Unlock()
			return nil, err
		}
		h := &handle{cache: c, file: file, owner: f, refs: 1}
		f.h = h
		c.open++
		evicted := c.evict()
		c.mu.Unlock()
		closeAll(evicted)
		return h, nil
	}
}

// retain counts a use. cache.mu is held.
func (h *handle) retain() {
	if h.refs == 0 {
		h.unlink()
	}
	h.refs++
}

func (h *handle) unlink() {
	h.prev.next, h.next.prev = h.next, h.prev
	h.prev, h.next = nil, nil
}

// release ends a use.
func (h *handle) release() {
	c := h.cache
	c.mu.Lock()
	var evicted *handle
	h.refs--
	if h.refs == 0 {
		if h.owner == nil {
			c.open--
			c.mu.Unlock()
			h.file.Close()
			return
		}
		last := c.idle.prev
		last.next, h.prev = h, last
		h.next, c.idle.prev = &c.idle, h
		evicted = c.evict()
	}
	c.mu.Unlock()
	closeAll(evicted)
}

// pinSlice turns the caller's use into one by a reader of bytes below end.
func (h *handle) pinSlice(end int64) {
	h.cache.mu.Lock()
	h.slices++
	h.sliceEnd = max(h.sliceEnd, end)
	h.cache.mu.Unlock()
}

func (h *handle) releaseSlice() {
	h.cache.mu.Lock()
	if h.slices--; h.slices == 0 {
		h.sliceEnd = 0
	}
	h.cache.mu.Unlock()
	h.release()
}

// evict takes the oldest unused files out until the limit holds; the caller
// closes the returned chain without the lock. cache.mu is held.
func (c *FileCache) evict() *handle {
	var chain *handle
	for c.open > c.limit && c.idle.next != &c.idle {
		h := c.idle.next
		h.unlink()
		h.owner.h = nil
		h.owner = nil
		c.open--
		h.next = chain
		chain = h
	}
	return chain
}

func closeAll(chain *handle) {
	for h := chain; h != nil; h = h.next {
		h.file.Close()
	}
}

// detach forgets the open file, because the name now means another one (or,
// with gone, none). Readers that hold it keep it.
func (f *lazyFile) detach(gone bool) {
	c := f.cache
	c.mu.Lock()
	f.gen++
	f.gone = f.gone || gone
	h := f.h
	f.h = nil
	if h == nil {
		c.mu.Unlock()
		return
	}
	h.owner = nil
	if h.refs > 0 {
		c.mu.Unlock()
		return
	}
	h.unlink()
	c.open--
	c.mu.Unlock()
	h.file.Close()
}

// slicesPast tells whether a reader may still read bytes at or after pos.
func (f *lazyFile) slicesPast(pos int64) bool {
	f.cache.mu.Lock()
	defer f.cache.mu.Unlock()
	return f.h != nil && f.h.slices > 0 && f.h.sliceEnd > pos
}
