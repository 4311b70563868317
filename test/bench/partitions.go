package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// manyPartitions creates topics until there are as many partitions as asked, writes to each, and restarts.
func manyPartitions(ctx context.Context, b *bench, s system) error {
	for _, count := range b.partitions {
		if err := b.partitionRows(ctx, s, count); err != nil {
			return fmt.Errorf("%d partitions: %w", count, err)
		}
	}
	return nil
}

func (b *bench) partitionRows(ctx context.Context, s system, count int) error {
	n, err := b.start(ctx, s)
	if err != nil {
		return err
	}
	defer n.end()
	group := fmt.Sprintf("%d partitions (10 topics)", count)
	var topics []string
	for i := range 10 {
		topics = append(topics, fmt.Sprint("many-", i))
	}
	begin := time.Now()
	if err := n.createMany(ctx, topics, int32(count/len(topics))); err != nil {
		return err
	}
	if err := n.awaitAll(ctx, topics, count); err != nil {
		return err
	}
	b.table.set(group, "created, and each answers ListOffsets", lessMs, s, millis(time.Since(begin)))
	begin = time.Now()
	if err := n.writeEach(ctx, topics, count/len(topics)); err != nil {
		return err
	}
	b.table.set(group, "one record written to each", lessMs, s, millis(time.Since(begin)))
	u, err := n.Usage()
	if err != nil {
		return err
	}
	b.table.set(group, "resident after that", lessMB, s, mb(u.RSS))
	stop, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	took, err := n.Stop(stop)
	if err != nil {
		return err
	}
	b.table.set(group, "end after SIGTERM", lessMs, s, millis(took))
	if err := b.restartRow(ctx, s, n, group, "restart after SIGTERM until each answers", topics, count); err != nil {
		return err
	}
	if err := n.Kill(); err != nil {
		return err
	}
	return b.restartRow(ctx, s, n, group, "restart after SIGKILL until each answers", topics, count)
}

func (b *bench) restartRow(ctx context.Context, s system, n *node, group, row string, topics []string, count int) error {
	begin := time.Now()
	if _, err := n.restart(ctx); err != nil {
		return err
	}
	if err := n.awaitAll(ctx, topics, count); err != nil {
		return err
	}
	took := time.Since(begin)
	b.table.set(group, row, lessMs, s, millis(took))
	fmt.Printf("   %s: %s %v\n", group, row, took.Round(time.Millisecond))
	return nil
}

func (n *node) createMany(ctx context.Context, topics []string, partitions int32) error {
	cl, err := n.client(kgo.RequestTimeoutOverhead(time.Minute))
	if err != nil {
		return err
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	admin.SetTimeoutMillis(60_000)
	// One topic a request: Kafka refuses to create as many partitions as ten thousand with one.
	for _, t := range topics {
		if _, err := admin.CreateTopic(ctx, partitions, 1, nil, t); err != nil {
			return err
		}
	}
	return nil
}

// awaitAll asks for the start offset of every partition until all answer without an error.
func (n *node) awaitAll(ctx context.Context, topics []string, count int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cl, err := n.client(kgo.MetadataMinAge(10*time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }))
	if err != nil {
		return err
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	for {
		listed, err := admin.ListStartOffsets(ctx, topics...)
		answered := 0
		listed.Each(func(o kadm.ListedOffset) {
			if o.Err == nil {
				answered++
			}
		})
		if err == nil && answered == count {
			return nil
		}
		if perr := pause(ctx, 20*time.Millisecond); perr != nil {
			return fmt.Errorf("%d of %d partitions answer: %w", answered, count, errors.Join(perr, err))
		}
	}
}

func (n *node) writeEach(ctx context.Context, topics []string, partitions int) error {
	cl, err := n.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer cl.Close()
	var records []*kgo.Record
	for _, t := range topics {
		for p := range partitions {
			records = append(records, &kgo.Record{Topic: t, Partition: int32(p), Value: []byte("one")})
		}
	}
	return cl.ProduceSync(ctx, records...).FirstErr()
}
