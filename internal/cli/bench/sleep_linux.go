package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// sleep waits in the kernel: the runtime's timers may be a millisecond late, which would count as latency.
func sleep(d time.Duration) {
	ts := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.Nanosleep(&ts, nil) // waking early only makes the next wait longer
}
