package scratch

import (
	"runtime"
	"testing"
)

func TestBuffer(t *testing.T) {
	const size = 64 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := New(size)
	b := s.Bytes()
	runtime.ReadMemStats(&after)
	if len(b) != size || cap(b) != size {
		t.Fatalf("%d bytes with room for %d", len(b), cap(b))
	}
	if runtime.GOOS == "linux" && after.TotalAlloc-before.TotalAlloc > size/2 {
		t.Errorf("%d bytes are of the heap", after.TotalAlloc-before.TotalAlloc)
	}
	b[0], b[size-1] = 1, 2
	s.Rest()
	// Who was lent it may look at it still, and the next one gets the same.
	if runtime.GOOS == "linux" && (b[0] != 0 || b[size-1] != 0 || &s.Bytes()[0] != &b[0]) {
		t.Error("the memory was not given back, or is not the same")
	}
	s.Rest()
}

// What the system refuses comes from the heap, and goes back like all else.
func TestBufferOfTheHeap(t *testing.T) {
	s := New(0)
	if b := s.Bytes(); b == nil || len(b) != 0 || s.mapped != nil {
		t.Fatalf("%v, mapped %v", b, s.mapped)
	}
	s.Rest()
}
