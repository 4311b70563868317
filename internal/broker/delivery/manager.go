package delivery

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/coord/share"
)

// Options are the surroundings of a Manager. All fields are required unless said otherwise.
type Options struct {
	Clock  clock.Clock
	Logger *slog.Logger
	// Persister asks again by itself where that may help.
	Persister share.Persister
	// Limits are the settings of a group in force. It is called often and must not block.
	Limits func(group string) Limits
	// StartOffset is where a group begins in a partition by its share.auto.offset.reset.
	StartOffset func(share.Key) (int64, *kerr.Error)
	// MaxSessions is group.share.max.share.sessions.
	MaxSessions int
	// Metrics may be nil.
	Metrics *Metrics
}

// Metrics are called from many goroutines; any field may be nil. They must not block.
type Metrics struct {
	Acquired func(records int64)      // delivered, again or for the first time
	Expired  func(records int64)      // whose locks ran out
	Persist  func(took time.Duration) // a change written down, with its retries
}

func (m *Metrics) expired(n int64) {
	if m != nil && m.Expired != nil {
		m.Expired(n)
	}
}

// Manager keeps the share-partitions that are delivered here. One is made by its first fetch and
// goes when the group has no session left, or when the partition or the group's state goes to
// somebody else.
//
// Its mutex guards the maps and is never held while a Partition's is taken.
type Manager struct {
	o      Options
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu       sync.Mutex
	groups   map[string]map[share.TopicPartition]*Partition
	sessions map[SessionKey]*Session
	members  map[string]int // sessions of each group
	closed   bool
	// running counts the goroutines: loads, writers, and those that watch a session's
	// connection.
	running sync.WaitGroup
}

// NewManager returns a manager without share-partitions.
func NewManager(o Options) *Manager {
	m := &Manager{
		o: o, groups: map[string]map[share.TopicPartition]*Partition{},
		sessions: map[SessionKey]*Session{}, members: map[string]int{},
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// Close ends everything and returns when the goroutines are gone.
func (m *Manager) Close() {
	m.mu.Lock()
	m.closed = true
	for key, s := range m.sessions {
		close(s.closed)
		delete(m.sessions, key)
	}
	all := m.all()
	m.groups = nil
	m.mu.Unlock()
	for _, p := range all {
		p.end(Failure{kerr.NotLeaderForPartition, "the broker shuts down"})
	}
	m.cancel()
	m.running.Wait()
}

// all lists the share-partitions; mu is held.
func (m *Manager) all() (all []*Partition) {
	for _, g := range m.groups {
		for _, p := range g {
			all = append(all, p)
		}
	}
	return all
}

// Get returns a share-partition, and loads it if need be. epoch is the leader epoch of its
// partition; one that was loaded under an older epoch is loaded anew.
func (m *Manager) Get(key share.Key, epoch int32) *Partition {
	m.mu.Lock()
	old := m.groups[key.Group][key.TopicPartition]
	if old != nil && old.epoch >= epoch {
		m.mu.Unlock()
		return old
	}
	p := &Partition{m: m, key: key, epoch: epoch}
	if m.closed {
		m.mu.Unlock()
		p.over = Failure{kerr.NotLeaderForPartition, "the broker shuts down"}
		return p
	}
	if m.groups[key.Group] == nil {
		m.groups[key.Group] = map[share.TopicPartition]*Partition{}
	}
	m.groups[key.Group][key.TopicPartition] = p
	m.running.Go(p.load)
	m.mu.Unlock()
	if old != nil {
		old.end(Failure{kerr.NotLeaderForPartition, kerr.NotLeaderForPartition.Description})
	}
	return p
}

// Find returns a share-partition that is here, or nil.
func (m *Manager) Find(key share.Key) *Partition {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.groups[key.Group][key.TopicPartition]
}

// drop forgets a share-partition and ends it.
func (m *Manager) drop(p *Partition, why Failure) {
	m.mu.Lock()
	m.remove(p)
	m.mu.Unlock()
	p.end(why)
}

// remove takes a share-partition out of the map; mu is held.
func (m *Manager) remove(p *Partition) {
	g := m.groups[p.key.Group]
	if g[p.key.TopicPartition] == p {
		delete(g, p.key.TopicPartition)
		if len(g) == 0 {
			delete(m.groups, p.key.Group)
		}
	}
}

// Unused is told of share-partitions that a fetch is done with. They go if their group has no session any more.
func (m *Manager) Unused(p *Partition) { m.dropIdle(p) }

// dropIdle forgets a share-partition whose group has no sessions, if there is nothing to lose.
func (m *Manager) dropIdle(p *Partition) {
	m.mu.Lock()
	empty := m.members[p.key.Group] == 0
	m.mu.Unlock()
	if !empty {
		return
	}
	p.mu.Lock()
	idle := p.over.Code == nil && p.window != nil && !p.writing && !p.fetching && len(p.watchers) == 0 && p.window.Idle()
	if idle {
		p.over = Failure{kerr.NotLeaderForPartition, "the share group has gone"}
	} else if p.over.Code == nil && p.window != nil {
		p.changed() // what could not be written before is tried once more
	}
	p.mu.Unlock()
	if idle {
		m.drop(p, p.over)
	}
}

// Lost ends the share-partitions of a partition that is not led here any more, or not there.
func (m *Manager) Lost(tp share.TopicPartition) {
	m.mu.Lock()
	var lost []*Partition
	for _, g := range m.groups {
		if p := g[tp]; p != nil {
			lost = append(lost, p)
		}
	}
	m.mu.Unlock()
	for _, p := range lost {
		m.drop(p, Failure{kerr.NotLeaderForPartition, kerr.NotLeaderForPartition.Description})
	}
}

// Stats are sizes for metrics.
type Stats struct {
	Sessions, Partitions int
	InFlight             int64 // offsets between the start and the end of all share-partitions
}

// Stats counts what is here.
func (m *Manager) Stats() Stats {
	m.mu.Lock()
	all, s := m.all(), Stats{Sessions: len(m.sessions)}
	m.mu.Unlock()
	s.Partitions = len(all)
	for _, p := range all {
		if start, end, ok := p.Position(); ok {
			s.InFlight += end - start
		}
	}
	return s
}

func (m *Manager) acquired(got []Acquired) {
	if m.o.Metrics == nil || m.o.Metrics.Acquired == nil || len(got) == 0 {
		return
	}
	n := int64(0)
	for _, a := range got {
		n += a.Last - a.First + 1
	}
	m.o.Metrics.Acquired(n)
}

// persist calls the persister and translates its errors into what clients are told.
func (m *Manager) persist(call func(context.Context) share.Result) Failure {
	began := m.o.Clock.Now()
	r := call(m.ctx)
	if m.o.Metrics != nil && m.o.Metrics.Persist != nil {
		m.o.Metrics.Persist(m.o.Clock.Now().Sub(began))
	}
	switch r.Err {
	case nil:
		return Failure{}
	case kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress:
		return Failure{kerr.CoordinatorNotAvailable, r.Message}
	case kerr.GroupIDNotFound, kerr.UnknownTopicOrPartition:
		return Failure{r.Err, r.Message}
	case kerr.FencedLeaderEpoch, kerr.FencedStateEpoch:
		return Failure{kerr.NotLeaderForPartition, r.Message}
	}
	return Failure{kerr.UnknownServerError, r.Message}
}
