package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// member is one member of the consumer group. It counts the events of the partitions it is given and keeps the
// counts in a compacted topic, from which whoever gets the partition next reads them back.
//
// Counts stay exact although events may be read more than once, and although there is no transaction: a count
// belongs to one source partition and says up to which offset of it it has counted. The events of a partition come
// in order, so what lies below that offset is in the count, and a repeated event is recognised and left out. Counts
// are on the log before the offsets behind them are committed, never after.
type member struct {
	name   string
	client *kgo.Client
	cancel context.CancelFunc
	done   chan struct{}

	counted  atomic.Int64
	replayed atomic.Int64
	dying    atomic.Bool
	died     chan int // how many events were counted but not committed

	mu    sync.Mutex // guards what the group's callbacks and the loop share
	state map[int32]map[bucket]count
	err   error
}

// count is the value in the compacted topic.
type count struct {
	Count int64 `json:"count"`
	Next  int64 `json:"next"` // offset after the last event in it
}

// with counts one more event, unless it is in the count already.
func (c count) with(offset int64) (_ count, isNew bool) {
	if offset < c.Next {
		return c, false
	}
	return count{Count: c.Count + 1, Next: offset + 1}, true
}

const (
	batchSize  = 50 // events between commits at most
	deathBatch = 25 // events that a dying member counts without committing
)

func startMember(ctx context.Context, addr string, n int) (*member, error) {
	m := &member{name: fmt.Sprintf("counter-%d", n), done: make(chan struct{}), died: make(chan int, 1), state: map[int32]map[bucket]count{}}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(addr), kgo.ClientID(m.name), kgo.RetryBackoffFn(retrySoon), kgo.MetadataMinAge(50*time.Millisecond),
		kgo.ConsumerGroup(groupName), kgo.ConsumeTopics(eventsTopic),
		// A fixed name: after a crash the member takes its own place again, and the others work on undisturbed.
		kgo.InstanceID(m.name), kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(200*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(m.assigned), kgo.OnPartitionsRevoked(m.revoked), kgo.OnPartitionsLost(m.lost),
		kgo.FetchMaxWait(50*time.Millisecond),
		kgo.DefaultProduceTopic(countsTopic), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
	)
	if err != nil {
		return nil, err
	}
	m.client = client
	ctx, m.cancel = context.WithCancel(ctx)
	go func() {
		defer close(m.done)
		if err := m.run(ctx); err != nil && ctx.Err() == nil {
			m.fail(err)
		}
	}()
	return m, nil
}

func (m *member) owned() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.state)
}

func (m *member) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = fmt.Errorf("%s: %w", m.name, err)
	}
}

func (m *member) failed() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

func (m *member) stop() {
	m.cancel()
	<-m.done
	m.client.CloseAllowingRebalance()
}

func (m *member) run(ctx context.Context) error {
	uncommitted := 0
	for {
		fetches := m.client.PollRecords(ctx, batchSize)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := fetches.Err0(); err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("reading events: %w", err)
		}
		n, err := m.count(ctx, fetches)
		if err != nil {
			return err
		}
		if m.dying.Load() {
			// A crash between writing and committing. Nothing more is said to the group: that is what a crash is.
			if uncommitted += n; uncommitted >= deathBatch {
				m.died <- uncommitted
				<-ctx.Done()
				return nil
			}
		} else if n > 0 {
			if err := m.client.CommitUncommittedOffsets(ctx); err != nil {
				return fmt.Errorf("committing offsets: %w", err)
			}
		}
		m.client.AllowRebalance()
	}
}

// count counts a batch of events and writes the counts that changed. It returns when they are on the log.
func (m *member) count(ctx context.Context, fetches kgo.Fetches) (int, error) {
	type changed struct {
		partition int32
		bucket    bucket
	}
	dirty := map[changed]count{}
	n := 0
	m.mu.Lock()
	var failure error
	fetches.EachRecord(func(r *kgo.Record) {
		e, err := parseEvent(r.Value)
		if err != nil {
			failure = fmt.Errorf("partition %d, offset %d: %w", r.Partition, r.Offset, err)
			return
		}
		n++
		b := e.bucket()
		c, isNew := m.state[r.Partition][b].with(r.Offset)
		if !isNew {
			m.replayed.Add(1)
			return
		}
		m.state[r.Partition][b] = c
		dirty[changed{r.Partition, b}] = c
		m.counted.Add(1)
	})
	m.mu.Unlock()
	if failure != nil {
		return n, failure
	}
	for at, c := range dirty {
		r, err := countRecord(at.partition, at.bucket, c)
		if err != nil {
			return n, err
		}
		m.client.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				m.fail(fmt.Errorf("writing a count: %w", err))
			}
		})
	}
	if err := m.client.Flush(ctx); err != nil {
		return n, err
	}
	return n, m.failed()
}

func countRecord(partition int32, b bucket, c count) (*kgo.Record, error) {
	value, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return &kgo.Record{Partition: partition, Key: []byte(b.Hour + "|" + b.Class), Value: value}, nil
}

// assigned reads back the counts of newly assigned partitions before their events are counted.
func (m *member) assigned(ctx context.Context, _ *kgo.Client, partitions map[string][]int32) {
	for _, p := range partitions[eventsTopic] {
		state, err := readCounts(ctx, m.client.OptValue(kgo.SeedBrokers).([]string), p)
		if err != nil {
			m.fail(fmt.Errorf("reading back the counts of partition %d: %w", p, err))
			return
		}
		m.mu.Lock()
		m.state[p] = state
		m.mu.Unlock()
	}
}

// revoked gives partitions away. What was counted is on the log already; the offsets behind it are committed so
// that the next owner does not start over.
func (m *member) revoked(ctx context.Context, c *kgo.Client, partitions map[string][]int32) {
	if m.dying.Load() {
		return // the dead do not commit
	}
	if err := c.CommitUncommittedOffsets(ctx); err != nil && ctx.Err() == nil {
		m.fail(fmt.Errorf("committing offsets: %w", err))
	}
	m.lost(ctx, c, partitions)
}

func (m *member) lost(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range partitions[eventsTopic] {
		delete(m.state, p)
	}
}

// dieBeforeCommit makes the member crash at the worst moment and returns how many events it had counted since its
// last commit.
func (m *member) dieBeforeCommit(ctx context.Context) (int, error) {
	m.dying.Store(true)
	select {
	case n := <-m.died:
		return n, nil
	case <-m.done:
		return 0, m.failed()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
