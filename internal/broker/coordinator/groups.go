package coordinator

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"
	"unicode/utf16"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord/group"
)

// Groups is the group coordinator of one broker.
//
// Its mutex guards the map of shards and is never held while waiting.
type Groups struct {
	o Options
	// loading bounds how many partitions load at once: each holds a chunk of log.
	loading chan struct{}

	mu     sync.Mutex
	shards map[int32]*shard
	closed bool
	// running counts shard goroutines, those of resigned shards included.
	running sync.WaitGroup
}

// New returns a coordinator that leads nothing yet.
func New(o Options) *Groups {
	if o.CommitTimeout == 0 {
		o.CommitTimeout = 5 * time.Second
	}
	if o.BatchBytes == nil {
		o.BatchBytes = func() int { return 1 << 20 }
	}
	if o.Metrics == nil {
		o.Metrics = &Metrics{}
	}
	return &Groups{
		o:       o,
		loading: make(chan struct{}, max(2, runtime.GOMAXPROCS(0))),
		shards:  map[int32]*shard{},
	}
}

// Lead starts (or restarts, with a newer leader epoch) the shard of a partition.
// It returns at once; requests get COORDINATOR_LOAD_IN_PROGRESS until the log is
// replayed. Call it again when a partition comes back online.
func (g *Groups) Lead(partition, leaderEpoch int32, log PartitionLog) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.shards[partition]
	if g.closed || old != nil && old.epoch > leaderEpoch {
		return
	}
	s := newShard(g, partition, leaderEpoch, log)
	if old != nil {
		old.end()
		s.previous = old.done
	}
	g.shards[partition] = s
	g.running.Go(s.run)
}

// Resign ends the shard of a partition if its epoch is not newer. Waiting
// requests get NOT_COORDINATOR.
func (g *Groups) Resign(partition, leaderEpoch int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.shards[partition]; s != nil && s.epoch <= leaderEpoch {
		s.end()
		delete(g.shards, partition)
	}
}

// TopicsDeleted drops the committed offsets of topics that are gone. It does not
// wait for that.
func (g *Groups) TopicsDeleted(topics []group.Topic) {
	for _, s := range g.led() {
		s.tell(group.TopicsDeleted{Topics: topics})
	}
}

// Reconfigure hands the current settings to all shards, without waiting.
func (g *Groups) Reconfigure() {
	for _, s := range g.led() {
		s.tell(group.Configure{Settings: g.settings()})
	}
}

// Close ends all shards and returns when their goroutines are gone. Later
// requests get COORDINATOR_NOT_AVAILABLE.
func (g *Groups) Close() {
	g.mu.Lock()
	g.closed = true
	for p, s := range g.shards {
		s.end()
		delete(g.shards, p)
	}
	g.mu.Unlock()
	g.running.Wait()
}

// recordBytes is how many bytes of records fit into a batch.
func (g *Groups) recordBytes() int { return max(g.o.BatchBytes(), minBatchBytes) - batchOverhead }

// settings bounds a step's records by what a batch holds.
func (g *Groups) settings() group.Settings {
	s := g.o.Settings()
	s.MaxRecordBytes = min(s.MaxRecordBytes, g.recordBytes())
	return s
}

// newUUID makes what member ids end in, in the form that Kafka gives it.
func (g *Groups) newUUID() string {
	var b [16]byte
	if _, err := io.ReadFull(g.o.Random, b[:]); err != nil {
		panic(fmt.Sprintf("the random source failed: %v", err)) // as crypto/rand does itself
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// led returns the current shards in order of partition.
func (g *Groups) led() []*shard {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]*shard, 0, len(g.shards))
	for _, s := range g.shards {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *shard) int { return int(a.partition - b.partition) })
	return all
}

// PartitionFor returns the partition of __consumer_offsets that a group id
// belongs to. While the topic does not exist it reports false.
func (g *Groups) PartitionFor(groupID string) (partition int32, ok bool) {
	n := g.o.Partitions()
	if n <= 0 {
		return 0, false
	}
	return abs(javaHash(groupID)) % n, true
}

// EnsureTopic creates __consumer_offsets if it does not exist, and then waits a
// little until what is led here is loaded, so that the first request of the first
// client succeeds.
func (g *Groups) EnsureTopic(ctx context.Context) error {
	if g.o.Partitions() > 0 {
		return nil
	}
	if err := g.o.CreateTopic(ctx); err != nil {
		return fmt.Errorf("creating __consumer_offsets: %w", err)
	}
	enough := g.o.Clock.NewTimer(loadPatience)
	defer enough.Stop()
	for _, s := range g.led() {
		select {
		case <-s.tried:
		case <-enough.C():
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// loadPatience is how long EnsureTopic waits for new, empty partitions.
const loadPatience = time.Second

// javaHash is Java's String.hashCode: over UTF-16 units, wrapping.
func javaHash(s string) int32 {
	var h int32
	for _, r := range s {
		if r < 0x10000 {
			h = 31*h + r
			continue
		}
		hi, lo := utf16.EncodeRune(r)
		h = 31*(31*h+hi) + lo
	}
	return h
}

// abs maps the one number without a positive counterpart to 0, as Kafka does.
func abs(v int32) int32 {
	if v == -1<<31 {
		return 0
	}
	return max(v, -v)
}

// shardOf finds who serves a group.
func (g *Groups) shardOf(groupID string) (*shard, *kerr.Error) {
	p, ok := g.PartitionFor(groupID)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return nil, kerr.CoordinatorNotAvailable
	case !ok || g.shards[p] == nil:
		return nil, kerr.NotCoordinator
	}
	return g.shards[p], nil
}

// call has one group's request answered. The event is made once its id is known.
func (g *Groups) call(ctx context.Context, groupID string, event func(group.RequestID) group.Event) (any, *kerr.Error) {
	s, err := g.shardOf(groupID)
	if err != nil {
		return nil, err
	}
	return s.call(ctx, event)
}
