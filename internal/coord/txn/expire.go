package txn

import "time"

// onAbortCheck aborts the transactions that are open longer than their producer
// said they would be. One that needs a producer id while there is none waits for
// the next check.
func (s *Shard) onAbortCheck() {
	now := s.now.UnixMilli()
	for _, id := range sortedKeys(s.byID) {
		if t := s.byID[id]; t.state == Ongoing && t.started+int64(t.timeoutMillis) < now {
			_ = s.fence(t)
		}
	}
	s.after(s.abortCheck, s.settings.AbortCheckInterval)
}

// onExpiryCheck forgets the transactional ids that nobody used for long. Their
// producers get INVALID_PRODUCER_ID_MAPPING should they come back.
func (s *Shard) onExpiryCheck() {
	for _, id := range sortedKeys(s.byID) {
		t := s.byID[id]
		if t.state.idle() && !s.now.Before(time.UnixMilli(t.updated).Add(s.settings.Expiration)) {
			s.fx.Records = append(s.fx.Records, EncodeTombstone(id))
			s.forget(t)
		}
	}
	s.after(s.expiry, s.settings.ExpiredCheckInterval)
}
