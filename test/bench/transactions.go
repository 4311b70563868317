package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	txnProducers = 8
	txnRecords   = 10 // of a transaction, over all partitions
)

var (
	moreTxns   = unit{"txn/s", true}
	moreTxnCPU = unit{"txn per CPU-s", true}
)

// transactions runs producers that commit one small transaction after the other, beside a reader of committed data.
// Latency is counted from the begin of a transaction to its last record at the reader.
func transactions(ctx context.Context, b *bench, s system) error {
	n, err := b.start(ctx, s)
	if err != nil {
		return err
	}
	defer n.end()
	const topic = "transactions"
	if err := n.createTopic(ctx, topic, loadPartitions); err != nil {
		return err
	}
	if _, err := b.commitFor(ctx, n, topic, 2*time.Second); err != nil { // the topics, the first producer ids, the JVM
		return err
	}
	before, err := n.Usage()
	if err != nil {
		return err
	}
	span := time.Duration(b.latencySeconds) * time.Second
	took, err := b.commitFor(ctx, n, topic, span)
	if err != nil {
		return err
	}
	after, err := n.Usage()
	if err != nil {
		return err
	}
	group := fmt.Sprintf("Transactions, %d producers, %d records of 100 B in %d partitions each, read_committed reader", txnProducers, txnRecords, loadPartitions)
	rate, perCPU := float64(len(took))/span.Seconds(), float64(len(took))/(after.CPU-before.CPU).Seconds()
	b.table.set(group, "committed", moreTxns, s, rate)
	b.table.set(group, "committed, per CPU", moreTxnCPU, s, perCPU)
	b.table.set(group, "begin to reader, p50", lessMs, s, quantile(took, 0.5))
	b.table.set(group, "begin to reader, p99", lessMs, s, quantile(took, 0.99))
	fmt.Printf("   %.0f txn/s, %.0f per CPU-s, p50 %.2f ms, p99 %.2f ms\n", rate, perCPU, quantile(took, 0.5), quantile(took, 0.99))
	return nil
}

// commitFor returns the sorted latencies of all transactions of a span.
func (b *bench) commitFor(ctx context.Context, n *node, topic string, span time.Duration) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, span+time.Minute)
	defer cancel()
	reader, err := n.client(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMinBytes(1),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	reader.PollFetches(timeout(ctx, time.Second)) // finds the ends

	begin := time.Now()
	var mu sync.Mutex
	var failed error
	var writing, reading sync.WaitGroup
	committed := 0
	for p := range txnProducers {
		writing.Go(func() {
			done, err := produceTxns(ctx, n, fmt.Sprintf("%s-%d-%d", topic, span, p), topic, begin, span)
			mu.Lock()
			defer mu.Unlock()
			committed += done
			if err != nil {
				failed = err
			}
		})
	}
	seen := map[string]int{}
	var took []time.Duration
	finished := make(chan struct{})
	reading.Go(func() {
		for ctx.Err() == nil {
			fetches := reader.PollFetches(timeout(ctx, 500*time.Millisecond))
			now := time.Since(begin)
			fetches.EachRecord(func(r *kgo.Record) {
				key := string(r.Key)
				if seen[key]++; seen[key] == txnRecords {
					delete(seen, key)
					var id string
					var at int64
					if _, err := fmt.Sscan(key, &id, &at); err == nil {
						took = append(took, now-time.Duration(at))
					}
				}
			})
			select {
			case <-finished:
				if fetches.NumRecords() == 0 {
					return
				}
			default:
			}
		}
	})
	writing.Wait()
	close(finished)
	reading.Wait()
	if failed != nil || len(took) < committed {
		return nil, fmt.Errorf("%d transactions committed, %d seen: %w", committed, len(took), failed)
	}
	slices.Sort(took)
	return took, nil
}

// timeout is a context whose cancel function has nothing to free that its own end does not.
func timeout(ctx context.Context, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(ctx, d)
	context.AfterFunc(ctx, cancel)
	return ctx
}

func produceTxns(ctx context.Context, n *node, id, topic string, begin time.Time, span time.Duration) (done int, err error) {
	cl, err := n.client(kgo.TransactionalID(id), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	value := payloads(100)[0]
	for time.Since(begin) < span {
		if err := cl.BeginTransaction(); err != nil {
			return done, err
		}
		key := fmt.Appendf(nil, "%s %d", id, time.Since(begin))
		var results kgo.FirstErrPromise
		for range txnRecords {
			cl.Produce(ctx, &kgo.Record{Key: key, Value: value}, results.Promise())
		}
		if err := results.Err(); err != nil {
			return done, err
		}
		if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
			return done, err
		}
		done++
	}
	return done, nil
}

// readCommitted measures single-record transactions at a fixed rate, from the moment a record was due to the moment a
// reader of committed data has it.
func readCommitted(ctx context.Context, b *bench, s system) error {
	n, err := b.start(ctx, s)
	if err != nil {
		return err
	}
	defer n.end()
	const topic, rate = "committed", 50
	if err := n.createTopic(ctx, topic, loadPartitions); err != nil {
		return err
	}
	took, err := b.committedAt(ctx, n, topic, rate)
	if err != nil {
		return err
	}
	group := fmt.Sprintf("Transactions of one 1 KB record at %d/s, due to read_committed reader", rate)
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		v := quantile(took, q.at)
		b.table.set(group, q.name, lessMs, s, v)
		fmt.Printf("   %s %.2f ms\n", q.name, v)
	}
	return nil
}

func (b *bench) committedAt(ctx context.Context, n *node, topic string, rate int) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(b.latencySeconds)*time.Second+time.Minute)
	defer cancel()
	cl, err := n.client(kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	reader, err := n.client(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMinBytes(1),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	commit := func(i uint64) error {
		if err := cl.BeginTransaction(); err != nil {
			return err
		}
		v := make([]byte, latencySize)
		binary.BigEndian.PutUint64(v, i)
		if err := cl.ProduceSync(ctx, &kgo.Record{Value: v}).FirstErr(); err != nil {
			return err
		}
		return cl.EndTransaction(ctx, kgo.TryCommit)
	}
	// The coordinator's topic, the first producer id and the JVM take seconds, which would be a backlog ever after.
	const warming = math.MaxUint64
	for range 5 * rate {
		if err := commit(warming); err != nil {
			return nil, err
		}
	}
	warm := rate * max(2, b.latencySeconds/4)
	total := warm + rate*b.latencySeconds
	begin := time.Now().Add(200 * time.Millisecond)
	var took []time.Duration
	var reading sync.WaitGroup
	var readErr error
	reading.Go(func() {
		for seen := 0; seen < total; {
			fetches := reader.PollFetches(ctx)
			now := time.Since(begin)
			if readErr = fetches.Err0(); readErr != nil {
				return
			}
			fetches.EachRecord(func(r *kgo.Record) {
				i := binary.BigEndian.Uint64(r.Value)
				if i == warming {
					return
				}
				if seen++; i >= uint64(warm) {
					took = append(took, now-due(int(i), rate))
				}
			})
		}
	})
	for i := range total {
		if err := pause(ctx, due(i, rate)-time.Since(begin)); err != nil {
			return nil, err
		}
		if err := commit(uint64(i)); err != nil {
			return nil, err
		}
	}
	reading.Wait()
	slices.Sort(took)
	return took, readErr
}
