package broker

import (
	"time"

	"leat.dev/internal/broker/quota"
	"leat.dev/internal/broker/session"
	"leat.dev/internal/broker/transport"
)

// partitionOverhead is about what a partition takes in a response besides its records.
const partitionOverhead = 40

// charge records what the response takes, and tells how long the client has to wait; 0 means that it gets its data.
func (s *fetchState) charge(c *transport.Call) time.Duration {
	wait := s.watch.charge(c)
	if !s.broker.throttles(quota.Fetch, c.Conn) || s.req.replicaID >= 0 {
		return wait
	}
	size := float64(s.size())
	wait = max(wait, s.broker.use(quota.Fetch, c, size))
	if wait > 0 {
		// The data stays here, so it does not count: not even if it is the time that is used up.
		s.broker.security.quotas.Unrecord(quota.Fetch, quotaUser(c.Conn.Auth.(*connAuth)), c.ClientID, size, s.broker.clock.Now())
	}
	return wait
}

// size is about the size of the response, worked out without a change to the session's books.
func (s *fetchState) size() (n int) {
	for i := range s.items {
		it := &s.items[i]
		if it.entry == nil || s.full || it.err != nil || it.diverged != nil || it.read.Bytes > 0 ||
			it.entry.News(it.read.HighWatermark, it.read.LogStart) {
			n += partitionOverhead + it.read.Bytes
		}
	}
	return n
}

// throttle answers without data and mutes the client. A session that the request would have begun is not begun: the
// client asks for it again (KIP-219).
func (s *fetchState) throttle(c *transport.Call, wait time.Duration) {
	s.resp.ThrottleMillis = int32(wait.Milliseconds())
	c.Conn.Mute(wait)
	if s.session != nil && s.req.sessionEpoch == session.InitialEpoch {
		s.broker.sessions.Close(s.session.ID)
		s.broker.sessions.Done(s.session)
		s.session = nil
	}
}
