//go:build unix

package scratch

import "golang.org/x/sys/unix"

func mapMemory(size int) []byte {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	return b
}

func giveBack(b []byte) {
	_ = unix.Madvise(b, unix.MADV_DONTNEED) // where it is refused the memory stays with the process
}
