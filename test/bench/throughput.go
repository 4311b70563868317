package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const loadPartitions = 6

// throughput produces and consumes records of three sizes and reads the broker's CPU time and memory.
func throughput(ctx context.Context, b *bench, s system) error {
	n, err := b.start(ctx, s)
	if err != nil {
		return err
	}
	defer n.end()
	for _, size := range []int{100, 1024, 10240} {
		topic := fmt.Sprint("load-", size)
		if err := n.createTopic(ctx, topic, loadPartitions); err != nil {
			return err
		}
		if err := n.ResetPeak(); err != nil {
			return err
		}
		if err := b.produceRow(ctx, s, n, topic, size); err != nil {
			return err
		}
		if err := b.consumeRow(ctx, s, n, topic, size); err != nil {
			return err
		}
		if size == 1024 {
			u, err := n.Usage()
			if err != nil {
				return err
			}
			b.table.set("Memory", "most resident under the 1 KB load", lessMB, s, mb(u.Peak))
		}
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	u, err := n.Usage()
	if err != nil {
		return err
	}
	b.table.set("Memory", "resident after all loads", lessMB, s, mb(u.RSS))
	return nil
}

func mb(bytes int64) float64 { return float64(bytes) / 1e6 }

// payloads are random, so that no layer below gains by compressing them.
func payloads(size int) [][]byte {
	random := rand.NewChaCha8([32]byte{1})
	out := make([][]byte, 64)
	for i := range out {
		out[i] = make([]byte, size)
		_, _ = random.Read(out[i]) // never fails
	}
	return out
}

func (b *bench) produceRow(ctx context.Context, s system, n *node, topic string, size int) error {
	cl, err := n.client(kgo.DefaultProduceTopic(topic), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(5*time.Millisecond),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedBytes(64<<20), kgo.MaxBufferedRecords(1<<20))
	if err != nil {
		return err
	}
	defer cl.Close()
	values := payloads(size)
	var failed atomic.Pointer[error]
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			failed.Store(&err)
		}
	}
	// Warm up: connections, producer id, the JIT of the other side.
	if err := produceFor(ctx, cl, values, promise, b.produceBytes/10, b.produceSeconds/5); err != nil {
		return err
	}
	before, err := n.Usage()
	if err != nil {
		return err
	}
	begin := time.Now()
	count, err := produceCount(ctx, cl, values, promise, b.produceBytes, b.produceSeconds)
	if err != nil {
		return err
	}
	took := time.Since(begin)
	after, err := n.Usage()
	if err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return fmt.Errorf("a record failed: %w", *err)
	}
	sent := float64(count) * float64(size) / 1e6
	name := "produce " + sizeName(size) + n.over
	b.table.set("Throughput, 6 partitions, acks=all, no compression", name, moreMBs, s, sent/took.Seconds())
	b.table.set("Broker CPU", name, morePerCPU, s, sent/cpuSeconds(after.CPU-before.CPU))
	fmt.Printf("   %s: %.0f MB in %v, %.0f records/s, broker CPU %v\n", name, sent, took.Round(time.Millisecond), float64(count)/took.Seconds(), after.CPU-before.CPU)
	return nil
}

// cpuSeconds is at least one tick of the kernel's accounting.
func cpuSeconds(d time.Duration) float64 { return max(d, 10*time.Millisecond).Seconds() }

func produceFor(ctx context.Context, cl *kgo.Client, values [][]byte, promise func(*kgo.Record, error), bytes int64, seconds float64) error {
	_, err := produceCount(ctx, cl, values, promise, bytes, seconds)
	return err
}

// produceCount sends until bytes or seconds are reached and waits for all answers.
func produceCount(ctx context.Context, cl *kgo.Client, values [][]byte, promise func(*kgo.Record, error), bytes int64, seconds float64) (int64, error) {
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	count := int64(0)
	for sent := int64(0); sent < bytes; {
		v := values[count%int64(len(values))]
		cl.Produce(ctx, &kgo.Record{Value: v}, promise)
		sent += int64(len(v))
		count++
		if count%256 == 0 && time.Now().After(end) {
			break
		}
	}
	return count, cl.Flush(ctx)
}

func (b *bench) consumeRow(ctx context.Context, s system, n *node, topic string, size int) error {
	ends, err := n.ends(ctx, topic)
	if err != nil {
		return err
	}
	total := int64(0)
	for _, e := range ends {
		total += e
	}
	if _, err := consumeAll(ctx, n, topic, ends); err != nil { // warm up
		return err
	}
	before, err := n.Usage()
	if err != nil {
		return err
	}
	begin := time.Now()
	read := int64(0)
	for read*int64(size) < b.consumeBytes && time.Since(begin).Seconds() < 2*b.produceSeconds {
		n, err := consumeAll(ctx, n, topic, ends)
		if err != nil {
			return err
		}
		if n != total {
			return fmt.Errorf("read %d records, %d are there", n, total)
		}
		read += n
	}
	took := time.Since(begin)
	after, err := n.Usage()
	if err != nil {
		return err
	}
	got := float64(read) * float64(size) / 1e6
	name := "consume " + sizeName(size) + n.over
	b.table.set("Throughput, 6 partitions, acks=all, no compression", name, moreMBs, s, got/took.Seconds())
	b.table.set("Broker CPU", name, morePerCPU, s, got/cpuSeconds(after.CPU-before.CPU))
	fmt.Printf("   %s: %.0f MB in %v, %.0f records/s, broker CPU %v\n", name, got, took.Round(time.Millisecond), float64(read)/took.Seconds(), after.CPU-before.CPU)
	return nil
}

func (n *node) ends(ctx context.Context, topic string) (map[int32]int64, error) {
	cl, err := n.client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	listed, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	out := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) {
		if o.Err != nil {
			err = o.Err
		}
		out[o.Partition] = o.Offset
	})
	return out, err
}

// consumeAll reads a topic from its start to the given ends with a new client.
func consumeAll(ctx context.Context, n *node, topic string, ends map[int32]int64) (int64, error) {
	start := map[int32]kgo.Offset{}
	left := 0
	for p, end := range ends {
		if end > 0 {
			start[p] = kgo.NewOffset().AtStart()
			left++
		}
	}
	cl, err := n.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: start}), kgo.FetchMaxPartitionBytes(4<<20))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	count := int64(0)
	for left > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return count, err
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if len(p.Records) == 0 {
				return
			}
			count += int64(len(p.Records))
			if p.Records[len(p.Records)-1].Offset+1 == ends[p.Partition] {
				left--
			}
		})
	}
	return count, nil
}

func sizeName(size int) string {
	if size >= 1024 {
		return fmt.Sprintf("%d KB", size/1024)
	}
	return fmt.Sprintf("%d B", size)
}
