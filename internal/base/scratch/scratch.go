// Package scratch gives memory from outside the collected heap, for large things that live shortly: on the heap they would
// let it grow to a multiple of their size before the collector runs again.
//
// Where the system has no such memory, it comes from the heap.
package scratch

// Buffer is a piece of such memory, for one user at a time. Its addresses are its own as long as the process runs: who was
// lent it may still point into it, as decoders do, and the collector ends a process in which such a pointer has come to lead
// into free memory of the heap.
type Buffer struct {
	size   int
	mapped []byte // nil before it is used, and where there is no such memory
}

// New makes a buffer of size bytes, which takes no memory until it is used.
func New(size int) *Buffer { return &Buffer{size: size} }

// Bytes is the whole buffer; what is in it may be anything. It takes the memory that is written to.
func (b *Buffer) Bytes() []byte {
	if b.mapped == nil {
		b.mapped = mapMemory(b.size)
	}
	if b.mapped == nil {
		return make([]byte, b.size)
	}
	return b.mapped
}

// Rest gives the memory back to the system until the next use. What was written is gone.
func (b *Buffer) Rest() {
	if b.mapped != nil {
		giveBack(b.mapped)
	}
}
