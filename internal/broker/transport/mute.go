package transport

import "time"

// Mute takes no further request from the client for a while; what it was asked before is answered (KIP-219). Whether it
// is called from Begin or Serve, the request that comes next waits. The longest of several times holds.
func (c *Conn) Mute(d time.Duration) {
	if d <= 0 {
		return
	}
	c.server.stats.muted.Add(1)
	to := c.server.opts.Clock.Now().Add(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	if to.After(c.mutedTo) {
		c.mutedTo = to
	}
}

// awaitUnmuted waits until the client may be heard again. The connection's mutex is held, and released while waiting.
func (c *Conn) awaitUnmuted() {
	for !c.mutedTo.IsZero() && !c.closed && !c.draining {
		left := c.mutedTo.Sub(c.server.opts.Clock.Now())
		if left <= 0 {
			c.mutedTo = time.Time{}
			return
		}
		timer := c.server.opts.Clock.AfterFunc(left, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.idle.Broadcast()
		})
		c.idle.Wait()
		timer.Stop()
	}
}
