// Package session keeps incremental fetch sessions (KIP-227): what a consumer fetches and what it was last told, so
// that requests and responses need only carry what changed.
//
// A session is used by one request at a time; Cache.Resolve hands it out and Session.Done takes it back. Nothing here
// reads partitions, waits or starts goroutines.
package session

import (
	"encoding/binary"
	"io"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/broker/replica"
)

// Epochs with a meaning of their own.
const (
	InitialEpoch int32 = 0  // the request names everything and asks for a session
	FinalEpoch   int32 = -1 // the request names everything and wants no session, or ends its own
)

// evictAfter protects sessions that were used lately or are young from being pushed out.
const evictAfter = 2 * time.Minute

// Key names a partition the way its session does: by topic name up to Fetch version 12, by topic id from 13.
type Key struct {
	Topic     string
	ID        [16]byte
	Partition int32
}

// Partition is one partition of a session.
type Partition struct {
	Key
	FetchOffset       int64
	MaxBytes          int32
	LeaderEpoch       int32 // the client's, -1 if not given
	LastFetchedEpoch  int32 // -1 if not given
	Found             *replica.Partition
	sentHW, sentStart int64 // what the client was told last, -1 if nothing
	previous, next    *Partition
	session           *Session
}

// Session is one consumer's.
type Session struct {
	ID       int32
	UsesIDs  bool
	epoch    int32 // expected next
	created  time.Time
	lastUsed time.Time
	busy     bool
	fresh    bool // not used by an incremental request yet
	closed   bool
	size     int // as counted for eviction
	byKey    map[Key]*Partition
	// A ring in the order of fetching; head is a sentinel.
	head Partition
}

// Cache holds the sessions of a broker.
type Cache struct {
	slots  int
	random io.Reader

	mu       sync.Mutex
	sessions map[int32]*Session
	parts    int
	evicted  int64
}

// NewCache returns a cache for at most slots sessions, whose ids come from the random source.
func NewCache(slots int, random io.Reader) *Cache {
	return &Cache{slots: slots, random: random, sessions: map[int32]*Session{}}
}

// Stats tells the number of sessions, the partitions in them, and how many sessions were evicted.
func (c *Cache) Stats() (sessions, partitions int, evicted int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sessions), c.parts, c.evicted
}

// Close ends the session, as a client asks that sends a full request with the id of its session.
func (c *Cache) Close(id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.sessions[id]; s != nil {
		c.drop(s)
	}
}

func (c *Cache) drop(s *Session) {
	if !s.closed {
		s.closed = true
		c.parts -= s.size
		delete(c.sessions, s.ID)
	}
}

// Resolve finds the session that an incremental request continues and reserves it for the request; Done ends that.
func (c *Cache) Resolve(id, epoch int32, usesIDs bool, now time.Time) (*Session, *kerr.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[id]
	switch {
	case s == nil:
		return nil, kerr.FetchSessionIDNotFound
	case s.busy || s.epoch != epoch:
		return nil, kerr.InvalidFetchSessionEpoch
	case s.UsesIDs != usesIDs:
		return nil, kerr.FetchSessionTopicIDError
	}
	s.busy, s.fresh = true, false
	s.lastUsed = now
	s.epoch = nextEpoch(s.epoch)
	return s, nil
}

// Done ends a request's use of its session. A session that has been emptied is closed.
func (c *Cache) Done(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.busy = false
	if !s.closed {
		c.parts += len(s.byKey) - s.size
		s.size = len(s.byKey)
		if s.size == 0 && !s.fresh {
			c.drop(s)
		}
	}
}

// New starts a session for a full request, nil if there is no room. It is in use until Done.
func (c *Cache) New(usesIDs bool, size int, now time.Time) *Session {
	if c.slots <= 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sessions) >= c.slots && !c.evict(size, now) {
		return nil
	}
	s := &Session{
		UsesIDs: usesIDs, epoch: nextEpoch(InitialEpoch), created: now, lastUsed: now, busy: true, fresh: true, size: size,
		byKey: make(map[Key]*Partition, size),
	}
	s.head.next, s.head.previous = &s.head, &s.head
	for s.ID == 0 || c.sessions[s.ID] != nil {
		var b [4]byte
		if _, err := io.ReadFull(c.random, b[:]); err != nil {
			return nil // a client can do without a session
		}
		s.ID = int32(binary.BigEndian.Uint32(b[:]) & math.MaxInt32)
	}
	c.sessions[s.ID] = s
	c.parts += size
	return s
}

// evict makes room: the session unused for longest if that is long enough, else one that is old and not larger than
// the new one. It tells whether it did.
func (c *Cache) evict(size int, now time.Time) bool {
	var victim *Session
	stale := false
	for _, s := range c.sessions {
		if s.busy {
			continue
		}
		if unused := now.Sub(s.lastUsed) > evictAfter; unused {
			if !stale || s.lastUsed.Before(victim.lastUsed) {
				victim, stale = s, true
			}
			continue
		}
		if !stale && now.Sub(s.created) > evictAfter && s.size <= size && (victim == nil || s.size < victim.size) {
			victim = s
		}
	}
	if victim == nil {
		return false
	}
	c.drop(victim)
	c.evicted++
	return true
}

func nextEpoch(e int32) int32 {
	if e == math.MaxInt32 {
		return 1
	}
	return e + 1
}

// Set adds a partition or changes what is asked of it.
func (s *Session) Set(k Key, offset int64, maxBytes, leaderEpoch, lastFetchedEpoch int32) *Partition {
	p := s.byKey[k]
	if p == nil {
		p = &Partition{Key: k, sentHW: -1, sentStart: -1, session: s}
		s.byKey[k] = p
		p.link()
	}
	p.FetchOffset, p.MaxBytes, p.LeaderEpoch, p.LastFetchedEpoch = offset, maxBytes, leaderEpoch, lastFetchedEpoch
	return p
}

// Forget removes a partition.
func (s *Session) Forget(k Key) {
	if p := s.byKey[k]; p != nil {
		p.unlink()
		delete(s.byKey, k)
	}
}

// Len is the number of partitions.
func (s *Session) Len() int { return len(s.byKey) }

// First and Next walk the partitions in the order in which they are to be fetched; nil ends the walk.
func (s *Session) First() *Partition { return s.after(&s.head) }

// Next returns the partition after p.
func (s *Session) Next(p *Partition) *Partition { return s.after(p) }

func (s *Session) after(p *Partition) *Partition {
	if p.next == &s.head {
		return nil
	}
	return p.next
}

func (p *Partition) link() {
	h := &p.session.head
	p.previous, p.next = h.previous, h
	h.previous.next = p
	h.previous = p
}

func (p *Partition) unlink() {
	p.previous.next = p.next
	p.next.previous = p.previous
	p.previous, p.next = nil, nil
}

// ToEnd makes the partition the last to be fetched, which is what happens to those that just had data.
func (p *Partition) ToEnd() {
	p.unlink()
	p.link()
}

// News tells whether a response without data and errors has to carry the partition, because what the client knows of
// it is out of date.
func (p *Partition) News(highWatermark, logStart int64) bool {
	return p.sentHW != highWatermark || p.sentStart != logStart
}

// Sent remembers what the client is told.
func (p *Partition) Sent(highWatermark, logStart int64) {
	p.sentHW, p.sentStart = highWatermark, logStart
}

// SentError forgets what the client was told: once the error is over, it is told anew.
func (p *Partition) SentError() { p.sentHW, p.sentStart = -1, -1 }
