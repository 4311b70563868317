package transport

import (
	"math/bits"
	"sync"
	"time"

	"leat.dev/internal/base/clock"
)

// Buffers up to 4 MiB are pooled by size class, four classes to a power of two so that a frame a little over 1 MiB does
// not take 2. Larger ones are rare and left to the garbage collector.
const (
	minClassShift = 12 // 4 KiB
	maxClassShift = 22 // 4 MiB
	poolTrimEvery = 10 * time.Second
)

// bufferPool is a free list of buffers per size class. What it retains is bounded, and halves every poolTrimEvery
// while idle, so memory after a burst goes back. A free list instead of sync.Pool: with a heap this small the
// collector runs often and would empty a sync.Pool each time.
type bufferPool struct {
	clock clock.Clock
	limit int64

	mu       sync.Mutex
	free     [(maxClassShift-minClassShift)*4 + 1][][]byte
	retained int64
	// low is the least that was retained since the last trim: bytes that nobody needed.
	low     int64
	trimmer clock.Timer
	closed  bool
}

func newBufferPool(c clock.Clock, limit int64) *bufferPool {
	return &bufferPool{clock: c, limit: limit}
}

// classFor returns the class whose buffers hold n bytes, or -1.
func classFor(n int) int {
	if n <= 1<<minClassShift {
		return 0
	}
	if n > 1<<maxClassShift {
		return -1
	}
	shift := bits.Len(uint(n-1)) - 1 // 2^shift < n <= 2^(shift+1)
	quarter := (n - 1 - 1<<shift) >> (shift - 2)
	return (shift-minClassShift)*4 + quarter + 1
}

func classSize(class int) int {
	if class == 0 {
		return 1 << minClassShift
	}
	shift := (class-1)/4 + minClassShift
	return 1<<shift + ((class-1)%4+1)<<(shift-2)
}

// get returns a buffer of length n, its content arbitrary.
func (p *bufferPool) get(n int) []byte {
	class := classFor(n)
	if class < 0 {
		return make([]byte, n)
	}
	p.mu.Lock()
	list := p.free[class]
	if len(list) == 0 {
		p.mu.Unlock()
		return make([]byte, n, classSize(class))
	}
	b := list[len(list)-1]
	list[len(list)-1] = nil
	p.free[class] = list[:len(list)-1]
	p.retained -= int64(cap(b))
	p.low = min(p.low, p.retained)
	p.mu.Unlock()
	return b[:n]
}

// put gives a buffer back. Only buffers of an exact class size are kept.
func (p *bufferPool) put(b []byte) {
	class := classFor(cap(b))
	if class < 0 || classSize(class) != cap(b) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.retained+int64(cap(b)) > p.limit {
		return
	}
	p.free[class] = append(p.free[class], b)
	p.retained += int64(cap(b))
	if p.trimmer == nil {
		p.low = 0
		p.trimmer = p.clock.AfterFunc(poolTrimEvery, p.trim)
	}
}

// trim drops half of what stayed unused since the last trim, largest classes first.
func (p *bufferPool) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	drop := p.low
	if p.low > 1<<18 {
		drop = p.low / 2
	}
	for class := len(p.free) - 1; class >= 0 && drop > 0; class-- {
		list := p.free[class]
		for len(list) > 0 && drop > 0 {
			b := list[len(list)-1]
			list[len(list)-1] = nil
			list = list[:len(list)-1]
			p.retained -= int64(cap(b))
			drop -= int64(cap(b))
		}
		p.free[class] = list
	}
	p.low = p.retained
	if p.retained == 0 || p.closed {
		p.trimmer = nil
		return
	}
	p.trimmer = p.clock.AfterFunc(poolTrimEvery, p.trim)
}

func (p *bufferPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	clear(p.free[:])
	p.retained = 0
	if p.trimmer != nil {
		p.trimmer.Stop()
		p.trimmer = nil
	}
}
