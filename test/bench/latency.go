package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const latencySize = 1024

// latency sends records at fixed rates and measures from the moment each was due to the moment the consumer
// has it. Counting from when it was due keeps a stall in the figures: the records that waited behind it count.
func latency(ctx context.Context, b *bench, s system) error {
	n, err := b.start(ctx, s)
	if err != nil {
		return err
	}
	defer n.end()
	for _, rate := range b.latencyRates {
		topic := fmt.Sprint("latency-", rate)
		if err := n.createTopic(ctx, topic, loadPartitions); err != nil {
			return err
		}
		took, err := b.endToEnd(ctx, n, topic, rate)
		if err != nil {
			return err
		}
		group := "End-to-end latency, 1 KB records, 6 partitions, acks=all"
		for _, q := range []struct {
			name string
			at   float64
		}{{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}} {
			v := quantile(took, q.at)
			b.table.set(group, fmt.Sprintf("%d records/s, %s", rate, q.name), lessMs, s, v)
			fmt.Printf("   %d/s %s %.2f ms\n", rate, q.name, v)
		}
	}
	return nil
}

func quantile(sorted []time.Duration, at float64) float64 {
	i := min(len(sorted)-1, int(float64(len(sorted))*at))
	return float64(sorted[i]) / float64(time.Millisecond)
}

// endToEnd returns the sorted latencies of all records after a warm-up.
func (b *bench) endToEnd(ctx context.Context, n *node, topic string, rate int) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(b.latencySeconds)*time.Second+time.Minute)
	defer cancel()
	warm := rate * max(2, b.latencySeconds/4)
	total := warm + rate*b.latencySeconds
	producer, err := n.client(kgo.DefaultProduceTopic(topic), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	consumer, err := n.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMinBytes(1), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer consumer.Close()

	begin := time.Now().Add(200 * time.Millisecond)
	took := make([]time.Duration, 0, total)
	var receiving sync.WaitGroup
	var readErr error
	receiving.Go(func() {
		for seen := 0; seen < total; {
			fetches := consumer.PollFetches(ctx)
			now := time.Since(begin)
			if readErr = fetches.Err0(); readErr != nil {
				return
			}
			fetches.EachRecord(func(r *kgo.Record) {
				seen++
				if i := binary.BigEndian.Uint64(r.Value); int(i) >= warm {
					took = append(took, now-due(int(i), rate))
				}
			})
		}
	})
	var failed error
	var mu sync.Mutex
	value := payloads(latencySize)[0]
	for i := 0; i < total; {
		// All that are due by now; then wait for the next. Timers of the kernel are good to about 0.1 ms.
		for now := time.Since(begin); i < total && due(i, rate) <= now; i++ {
			v := slices.Clone(value)
			binary.BigEndian.PutUint64(v, uint64(i))
			producer.Produce(ctx, &kgo.Record{Value: v}, func(_ *kgo.Record, err error) {
				if err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			})
		}
		if err := pause(ctx, due(i, rate)-time.Since(begin)); err != nil {
			return nil, err
		}
	}
	if err := producer.Flush(ctx); err != nil {
		return nil, err
	}
	receiving.Wait()
	if failed != nil || readErr != nil {
		return nil, errors.Join(failed, readErr)
	}
	slices.Sort(took)
	return took, nil
}

// due is when record i is to be sent, after the begin.
func due(i, rate int) time.Duration {
	return time.Duration(float64(i) / float64(rate) * float64(time.Second))
}
