//go:build unix

package logfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// inUse reports whether a broker holds the lock of a log directory: Leat's is of the flock kind, Kafka's of the
// fcntl kind. Asking takes a shared lock for a moment at most and changes nothing.
func inUse(lock string) bool {
	f, err := os.Open(lock)
	if err != nil {
		return false
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		return true
	}
	_ = unix.Flock(int(f.Fd()), unix.LOCK_UN) // closing the file would do it too
	query := unix.Flock_t{Type: unix.F_WRLCK}
	return unix.FcntlFlock(f.Fd(), unix.F_GETLK, &query) == nil && query.Type != unix.F_UNLCK
}
