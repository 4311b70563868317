package coordinator

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
	"unicode/utf16"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord"
)

// machine is a coordinator's state machine as the runtime sees it; E is its kind
// of event.
type machine[E any] interface {
	Step(now time.Time, ev E) coord.Effects
	Replay(r coord.LogRecord) error
	ReplayEndTxn(offset, producerID int64, commit bool)
}

// runtimeOptions say which state machines run, over what.
type runtimeOptions[E any] struct {
	Surroundings
	kind  string // for log messages: "group"
	topic string

	newMachine   func() machine[E]
	loaded, tick E
	// send, if set, gets what a step sends once it may leave, with the leader epoch
	// it was sent under. tell hands an event back; it is dropped if the state machine
	// was loaded anew meanwhile. send does not block.
	send func(epoch int32, message any, tell func(E))
	// newReport makes a shard's function that tells the metrics how much a state
	// machine holds; nil means nothing.
	newReport   func() func(machine[E])
	onLoaded    func(took time.Duration, records int64)
	onCommitted func(took time.Duration, requests int)
}

// coordinators runs the state machines of one topic: a shard for each partition
// that this broker leads.
//
// Its mutex guards the map of shards and is never held while waiting.
type coordinators[E any] struct {
	o runtimeOptions[E]
	// loading bounds how many partitions load at once: each holds a chunk of log.
	loading chan struct{}

	mu     sync.Mutex
	shards map[int32]*shard[E]
	closed bool
	// running counts shard goroutines, those of resigned shards included.
	running sync.WaitGroup
}

func newCoordinators[E any](o runtimeOptions[E]) *coordinators[E] {
	if o.CommitTimeout == 0 {
		o.CommitTimeout = 5 * time.Second
	}
	if o.BatchBytes == nil {
		o.BatchBytes = func() int { return 1 << 20 }
	}
	if o.newReport == nil {
		o.newReport = func() func(machine[E]) { return func(machine[E]) {} }
	}
	return &coordinators[E]{
		o:       o,
		loading: make(chan struct{}, max(2, runtime.GOMAXPROCS(0))),
		shards:  map[int32]*shard[E]{},
	}
}

// Lead starts (or restarts, with a newer leader epoch) the shard of a partition.
// It returns at once; requests get COORDINATOR_LOAD_IN_PROGRESS until the log is
// replayed. Call it again when a partition comes back online.
func (c *coordinators[E]) Lead(partition, leaderEpoch int32, log PartitionLog) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.shards[partition]
	if c.closed || old != nil && old.epoch > leaderEpoch {
		return
	}
	s := newShard(c, partition, leaderEpoch, log)
	if old != nil {
		old.end()
		s.previous = old.done
	}
	c.shards[partition] = s
	c.running.Go(s.run)
}

// Resign ends the shard of a partition if its epoch is not newer. Waiting
// requests get NOT_COORDINATOR.
func (c *coordinators[E]) Resign(partition, leaderEpoch int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.shards[partition]; s != nil && s.epoch <= leaderEpoch {
		s.end()
		delete(c.shards, partition)
	}
}

// Close ends all shards and returns when their goroutines are gone. Later
// requests get COORDINATOR_NOT_AVAILABLE.
func (c *coordinators[E]) Close() {
	c.mu.Lock()
	c.closed = true
	for p, s := range c.shards {
		s.end()
		delete(c.shards, p)
	}
	c.mu.Unlock()
	c.running.Wait()
}

// led returns the current shards in order of partition.
func (c *coordinators[E]) led() []*shard[E] {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*shard[E], 0, len(c.shards))
	for _, s := range c.shards {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *shard[E]) int { return int(a.partition - b.partition) })
	return all
}

// tellAll hands an event to all shards, without waiting.
func (c *coordinators[E]) tellAll(ev E) {
	for _, s := range c.led() {
		s.tell(ev)
	}
}

// PartitionFor returns the partition of the topic that a group or transactional id
// belongs to. While the topic does not exist it reports false.
func (c *coordinators[E]) PartitionFor(key string) (partition int32, ok bool) {
	n := c.o.Partitions()
	if n <= 0 {
		return 0, false
	}
	return abs(javaHash(key)) % n, true
}

// recordBytes is how many bytes of records fit into a batch.
func (c *coordinators[E]) recordBytes() int {
	return max(c.o.BatchBytes(), minBatchBytes) - batchOverhead
}

// loadPatience is how long EnsureTopic waits for new, empty partitions: milliseconds, unless the machine is very busy.
const loadPatience = 10 * time.Second

// EnsureTopic creates the topic if it does not exist, and then waits a little until
// what is led here is loaded, so that the first request of the first client succeeds.
func (c *coordinators[E]) EnsureTopic(ctx context.Context) error {
	if c.o.Partitions() > 0 {
		return nil
	}
	if err := c.o.CreateTopic(ctx); err != nil {
		return fmt.Errorf("creating %s: %w", c.o.topic, err)
	}
	enough := c.o.Clock.NewTimer(loadPatience)
	defer enough.Stop()
	c.awaitLoads(ctx, enough.C())
	return nil
}

// AwaitLoads waits until the first load of all that is led here has ended, well or not, or ctx ends.
func (c *coordinators[E]) AwaitLoads(ctx context.Context) { c.awaitLoads(ctx, nil) }

func (c *coordinators[E]) awaitLoads(ctx context.Context, enough <-chan time.Time) {
	for _, s := range c.led() {
		select {
		case <-s.tried:
		case <-enough:
			return
		case <-ctx.Done():
			return
		}
	}
}

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

// shardOf finds who serves a key.
func (c *coordinators[E]) shardOf(key string) (*shard[E], *kerr.Error) {
	p, ok := c.PartitionFor(key)
	if !ok {
		p = -1
	}
	return c.shardAt(p)
}

func (c *coordinators[E]) shardAt(partition int32) (*shard[E], *kerr.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, kerr.CoordinatorNotAvailable
	case c.shards[partition] == nil:
		return nil, kerr.NotCoordinator
	}
	return c.shards[partition], nil
}

// call has one key's request answered. The event is made once its id is known.
func (c *coordinators[E]) call(ctx context.Context, key string, event func(coord.RequestID) E) (any, *kerr.Error) {
	s, err := c.shardOf(key)
	if err != nil {
		return nil, err
	}
	return s.call(ctx, event)
}

// portion is what one shard has to answer of a request about many keys.
type portion struct {
	keys   []string
	places []int // of the keys in the request
}

// portions splits keys by partition; all keys of one are asked at once.
func (c *coordinators[E]) portions(keys []string) []portion {
	var all []portion
	at := map[int32]int{}
	for i, key := range keys {
		p, _ := c.PartitionFor(key)
		n, ok := at[p]
		if !ok {
			n = len(all)
			at[p] = n
			all = append(all, portion{})
		}
		all[n].keys = append(all[n].keys, key)
		all[n].places = append(all[n].places, i)
	}
	return all
}

// callEach asks the shards that keys belong to, each with all that are its own, and returns an answer for each key, in
// order. The answer of a shard is a []R; failed stands in for the answers of one that gives none.
func callEach[E, R any](ctx context.Context, c *coordinators[E], keys []string, event func(coord.RequestID, []string) E, failed func(key string, err *kerr.Error) R) []R {
	out := make([]R, len(keys))
	for _, p := range c.portions(keys) {
		r, err := c.call(ctx, p.keys[0], func(id coord.RequestID) E { return event(id, p.keys) })
		for i, place := range p.places {
			if err != nil {
				out[place] = failed(p.keys[i], err)
				continue
			}
			out[place] = r.([]R)[i]
		}
	}
	return out
}

// callAll asks all shards led here. Shards that are just given up are left out;
// while any loads the answer would be incomplete, which is an error.
func (c *coordinators[E]) callAll(ctx context.Context, event func(coord.RequestID) E) ([]any, *kerr.Error) {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return nil, kerr.CoordinatorNotAvailable
	}
	var all []any
	for _, s := range c.led() {
		r, err := s.call(ctx, event)
		switch {
		case err == nil:
			all = append(all, r)
		case err != kerr.NotCoordinator:
			return nil, err
		}
	}
	return all, nil
}
