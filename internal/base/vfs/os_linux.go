package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData uses fdatasync: it skips the time stamps but includes a changed size.
func syncData(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = conn.Control(func(fd uintptr) {
		for {
			if serr = unix.Fdatasync(int(fd)); serr != unix.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	if serr != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: serr}
	}
	return nil
}

// reserve allocates blocks beyond the end of the file.
func (f osFile) reserve(size int64) bool {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	reserved := false
	err = conn.Control(func(fd uintptr) {
		reserved = unix.Fallocate(int(fd), unix.FALLOC_FL_KEEP_SIZE, 0, size) == nil
	})
	return err == nil && reserved
}
