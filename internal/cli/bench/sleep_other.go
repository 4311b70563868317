//go:build !unix

package bench

import "time"

func sleep(d time.Duration) { time.Sleep(d) }
