package transport

import (
	"sync"
	"time"
)

// complaintsPerSecond bounds the lines about clients that send nonsense: anybody can make us write them.
const complaintsPerSecond = 10

// complaints says whether another such line may be written.
type complaints struct {
	mu      sync.Mutex
	second  int64
	written int
	skipped int64
}

// room tells whether there is room for a line now, and how many were left out since the last.
func (c *complaints) room(now time.Time) (ok bool, skipped int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := now.Unix(); s != c.second {
		c.second, c.written = s, 0
	}
	if c.written >= complaintsPerSecond {
		c.skipped++
		return false, 0
	}
	c.written++
	skipped, c.skipped = c.skipped, 0
	return true, skipped
}
