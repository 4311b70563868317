package demo

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// loader writes the events at a steady pace. Its producer is idempotent: when the broker is gone it tries again,
// and the broker recognises what it has already.
type loader struct {
	client *kgo.Client
	cancel context.CancelFunc
	acked  atomic.Int64
	done   chan struct{}

	mu  sync.Mutex
	err error
}

func startLoader(ctx context.Context, addr string, events []event) (*loader, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(addr), kgo.ClientID("demo-loader"), kgo.DefaultProduceTopic(eventsTopic),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(5*time.Millisecond), kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.RetryBackoffFn(retrySoon), kgo.MetadataMinAge(50*time.Millisecond),
	)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &loader{client: client, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		l.load(ctx, events)
	}()
	return l, nil
}

// retrySoon keeps the pauses between attempts short: the broker is back in milliseconds.
func retrySoon(attempt int) time.Duration {
	return min(time.Duration(attempt)*10*time.Millisecond, 200*time.Millisecond)
}

func (l *loader) load(ctx context.Context, events []event) {
	const pulse = 10 * time.Millisecond
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	start := time.Now()
	for sent := 0; sent < len(events); {
		due := min(len(events), int(time.Since(start).Seconds()*eventsPerSecond)+1)
		for ; sent < due; sent++ {
			e := events[sent]
			r := &kgo.Record{Key: []byte(e.quake.ID), Value: e.line, Timestamp: e.quake.Time.Time()}
			l.client.Produce(ctx, r, func(_ *kgo.Record, err error) {
				if err != nil {
					l.fail(fmt.Errorf("event %s: %w", e.quake.ID, err))
					return
				}
				l.acked.Add(1)
			})
		}
		select {
		case <-ctx.Done():
			l.fail(ctx.Err())
			return
		case <-tick.C:
		}
	}
	if err := l.client.Flush(ctx); err != nil {
		l.fail(err)
	}
}

func (l *loader) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

func (l *loader) wait(ctx context.Context) error {
	select {
	case <-l.done:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *loader) stop() {
	l.cancel()
	<-l.done
	l.client.Close()
}
