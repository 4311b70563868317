package replica

import (
	"errors"
	"iter"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/commitlog/logdir"
	"leat.dev/internal/metadata"
)

// Options of a Manager.
type Options struct {
	Clock  clock.Clock
	Logger *slog.Logger
	NodeID int32
	Dir    *logdir.Dirs
	// FlushOnCommit is log.flush=commit.
	FlushOnCommit bool
	// FlushWorkers bounds the flushes that run at once (16).
	FlushWorkers int
	// Settings resolves a topic's configs against an image.
	Settings func(img *metadata.Image, topic string) Settings
	// OnRole, if set, is told when this broker begins to lead a partition (leading, with its epoch) or ends to. It is
	// called in order, before Apply returns.
	OnRole func(p *Partition, leading bool, epoch int32)
	// ObserveFlush, if set, gets the duration of every flush.
	ObserveFlush func(time.Duration)
}

// Settings are what a partition needs of its topic's configs.
type Settings struct {
	Log       commitlog.Config
	MinInSync int // min.insync.replicas
}

// Manager keeps the partitions that the metadata assigns to this broker.
type Manager struct {
	opts    Options
	flusher flusher

	applyMu sync.Mutex // one Apply, retry or state change at a time
	image   *metadata.Image
	missing map[*Partition]struct{} // partitions whose directory could not be made
	retry   clock.Timer
	closed  bool

	mu     sync.RWMutex
	topics map[string]*Topic
	ids    map[[16]byte]*Topic
}

// Topic is one topic with those of its partitions that are here.
type Topic struct {
	Name     string
	ID       [16]byte
	Internal bool

	mu         sync.RWMutex
	partitions []*Partition // by number; nil where this broker holds no replica
}

// retryMissing is how often directories that could not be made are tried again.
const retryMissing = 5 * time.Second

// NewManager returns a manager without partitions; Apply gives it some.
func NewManager(o Options) *Manager {
	if o.FlushWorkers == 0 {
		o.FlushWorkers = 16
	}
	return &Manager{
		opts:    o,
		flusher: flusher{limit: o.FlushWorkers},
		missing: map[*Partition]struct{}{},
		topics:  map[string]*Topic{},
		ids:     map[[16]byte]*Topic{},
	}
}

// NodeID is the id of this broker.
func (m *Manager) NodeID() int32 { return m.opts.NodeID }

// Topic returns the topic of that name, nil if the manager does not know it.
func (m *Manager) Topic(name string) *Topic {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.topics[name]
}

// TopicBytes is Topic for a name that is still part of a request; it does not allocate.
func (m *Manager) TopicBytes(name []byte) *Topic {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.topics[string(name)]
}

// TopicByID returns the topic with that id, or nil.
func (m *Manager) TopicByID(id [16]byte) *Topic {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.ids[id]
}

// Partition returns a partition that this broker leads and can serve, or the Kafka error that says why not.
func (m *Manager) Partition(topic string, index int32) (*Partition, *kerr.Error) {
	t := m.Topic(topic)
	if t == nil {
		return nil, kerr.UnknownTopicOrPartition
	}
	return t.Leading(index)
}

// Partition returns the partition of that number, or nil.
func (t *Topic) Partition(index int32) *Partition {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if index < 0 || int(index) >= len(t.partitions) {
		return nil
	}
	return t.partitions[index]
}

// Leading returns the partition if this broker leads it and its log is usable.
func (t *Topic) Leading(index int32) (*Partition, *kerr.Error) {
	p := t.Partition(index)
	if p == nil {
		return nil, kerr.UnknownTopicOrPartition
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

// Partitions yields all partitions that are here, in no order.
func (m *Manager) Partitions() iter.Seq[*Partition] {
	return func(yield func(*Partition) bool) {
		m.mu.RLock()
		topics := make([]*Topic, 0, len(m.topics))
		for _, t := range m.topics {
			topics = append(topics, t)
		}
		m.mu.RUnlock()
		for _, t := range topics {
			t.mu.RLock()
			parts := t.partitions
			t.mu.RUnlock()
			for _, p := range parts {
				if p != nil && !yield(p) {
					return
				}
			}
		}
	}
}

// each runs f over the items on a few goroutines.
func each[T any](items []T, f func(T)) {
	workers := min(len(items), 2*runtime.GOMAXPROCS(0))
	if workers <= 1 {
		for _, it := range items {
			f(it)
		}
		return
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	next := 0
	for range workers {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(items) {
					return
				}
				f(items[i])
			}
		})
	}
	wg.Wait()
}

// StateChanged is told by the log directory that a partition went offline or is back.
func (m *Manager) StateChanged(tp logdir.TopicPartition, err error) {
	t := m.Topic(tp.Topic)
	if t == nil {
		return
	}
	p := t.Partition(tp.Partition)
	if p == nil {
		return
	}
	if err != nil {
		p.fail(kerr.KafkaStorageError, false)
		return
	}
	m.opts.Logger.Info("partition is back", "topic", tp.Topic, "partition", tp.Partition)
	if p.log.Load() != nil {
		p.recovered()
	}
	m.applyMu.Lock()
	defer m.applyMu.Unlock()
	if p.log.Load() == nil {
		// It could not be opened when the broker started.
		if !m.closed {
			m.adopt(p)
		}
		return
	}
	if m.opts.OnRole != nil && !m.closed {
		if r := p.role.Load(); r.leader == m.opts.NodeID {
			// Whoever keeps state over the partition reads it anew: some of what it had appended may be gone.
			m.opts.OnRole(p, true, r.epoch)
		}
	}
}

// Offline counts the partitions that this broker should serve and cannot.
func (m *Manager) Offline() int {
	n := 0
	for p := range m.Partitions() {
		if errors.Is(p.errOrNil(), kerr.KafkaStorageError) {
			n++
		}
	}
	return n
}

func (p *Partition) errOrNil() error {
	if err := p.Err(); err != nil {
		return err
	}
	return nil
}

// WakeAll ends all long polls, for shutdown.
func (m *Manager) WakeAll() {
	for p := range m.Partitions() {
		p.mu.Lock()
		p.fetches.wakeAll()
		p.mu.Unlock()
	}
}

// Close waits for flushes and tells everybody who still waits that it is over. The logs belong to the log directory,
// which closes them. Nobody may append any more.
func (m *Manager) Close() {
	m.applyMu.Lock()
	m.closed = true
	if m.retry != nil {
		m.retry.Stop()
	}
	m.applyMu.Unlock()
	m.flusher.wait()
	for p := range m.Partitions() {
		p.fail(kerr.NotLeaderForPartition, true)
	}
}

// SaveLogStarts makes the starts of all logs durable.
func (m *Manager) SaveLogStarts() error { return m.opts.Dir.SaveLogStarts() }
