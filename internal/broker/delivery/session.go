package delivery

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord/share"
)

// Epochs with a meaning of their own.
const (
	InitialEpoch int32 = 0  // opens a session
	FinalEpoch   int32 = -1 // closes it
)

// maxSessionPartitions bounds what one session remembers: several times what a broker holds.
const maxSessionPartitions = 1 << 16

// SessionKey names a session: a member has one with each broker.
type SessionKey struct{ Group, Member string }

// Session is what a member of a share group fetches here, so that its requests need only say
// what changes. It belongs to a connection and ends with it.
type Session struct {
	Key    SessionKey
	epoch  int32 // expected next
	parts  []share.TopicPartition
	places map[share.TopicPartition]struct{}
	closed chan struct{}
}

// Open starts a member's session, in place of any that it had, and returns its partitions, each once; false means that
// there are too many sessions. gone is closed when the client's connection is.
func (m *Manager) Open(key SessionKey, parts []share.TopicPartition, gone <-chan struct{}) ([]share.TopicPartition, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.sessions[key]
	if m.closed || old == nil && len(m.sessions) >= m.o.MaxSessions {
		return nil, false
	}
	if old != nil {
		close(old.closed)
	} else {
		m.members[key.Group]++
	}
	s := &Session{Key: key, epoch: 1, places: map[share.TopicPartition]struct{}{}, closed: make(chan struct{})}
	s.add(parts[:min(len(parts), maxSessionPartitions)])
	m.sessions[key] = s
	m.running.Go(func() {
		select {
		case <-gone:
			m.end(s)
		case <-s.closed:
		}
	})
	return append([]share.TopicPartition(nil), s.parts...), true
}

// add takes partitions into the session, at the end of the order.
func (s *Session) add(parts []share.TopicPartition) {
	for _, tp := range parts {
		if _, ok := s.places[tp]; !ok {
			s.places[tp] = struct{}{}
			s.parts = append(s.parts, tp)
		}
	}
}

// Continue goes on with a member's session: it takes the changes that a request names and
// returns the partitions of the session.
func (m *Manager) Continue(key SessionKey, epoch int32, added, forgotten []share.TopicPartition) ([]share.TopicPartition, *kerr.Error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sessions[key]
	switch {
	case s == nil:
		return nil, kerr.ShareSessionNotFound
	case s.epoch != epoch:
		return nil, kerr.InvalidShareSessionEpoch
	case len(s.parts)+len(added) > maxSessionPartitions && len(added) > 0:
		return nil, kerr.InvalidRequest
	}
	if s.epoch++; s.epoch == math.MaxInt32 {
		s.epoch = 1
	}
	s.add(added)
	for _, tp := range forgotten {
		delete(s.places, tp)
	}
	if len(s.places) < len(s.parts) {
		var kept []share.TopicPartition
		for _, tp := range s.parts {
			if _, ok := s.places[tp]; ok {
				kept = append(kept, tp)
			}
		}
		s.parts = kept
	}
	return append([]share.TopicPartition(nil), s.parts...), nil
}

// Has tells whether a member has a session.
func (m *Manager) Has(key SessionKey) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sessions[key] != nil
}

// CloseSession ends a member's session, if it has one, and gives back what the member has
// acquired. It does not wait for that.
func (m *Manager) CloseSession(key SessionKey) {
	m.mu.Lock()
	s := m.sessions[key]
	m.mu.Unlock()
	if s != nil {
		m.end(s)
	}
}

// end ends a session, unless another has taken its place.
func (m *Manager) end(s *Session) {
	m.mu.Lock()
	if m.sessions[s.Key] != s {
		m.mu.Unlock()
		return
	}
	delete(m.sessions, s.Key)
	close(s.closed)
	if m.members[s.Key.Group]--; m.members[s.Key.Group] == 0 {
		delete(m.members, s.Key.Group)
	}
	empty := m.members[s.Key.Group] == 0
	var group []*Partition
	for _, p := range m.groups[s.Key.Group] {
		group = append(group, p)
	}
	m.mu.Unlock()
	limits := m.o.Limits(s.Key.Group)
	for _, p := range group {
		p.Release(s.Key.Member, limits, func(Failure) {})
		if empty {
			m.dropIdle(p)
		}
	}
}
