package streamsapp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// diagnose tells what a broker knows when results do not come: what is committed of which input, and transactions that are open.
func (c *cluster) diagnose() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var b strings.Builder
	lags, err := c.admin.Lag(ctx)
	if err != nil {
		fmt.Fprintln(&b, "lags:", err)
	}
	for _, g := range lags.Sorted() {
		fmt.Fprintf(&b, "group %s is %s, %d members, error %v\n", g.Group, g.State, len(g.Members), g.Error())
		for _, l := range g.Lag.Sorted() {
			if l.Lag != 0 {
				fmt.Fprintf(&b, "  %s-%d: committed %d, end %d, error %v\n", l.Topic, l.Partition, l.Commit.At, l.End.Offset, l.Err)
			}
		}
	}
	ends, err := c.admin.ListEndOffsets(ctx)
	stable, err2 := c.admin.ListCommittedOffsets(ctx)
	if err != nil || err2 != nil {
		fmt.Fprintln(&b, "offsets:", err, err2)
	}
	stuck := kadm.TopicsSet{}
	for _, o := range ends.Offsets().Sorted() {
		if s, ok := stable.Lookup(o.Topic, o.Partition); ok && s.Offset != o.At {
			fmt.Fprintf(&b, "%s-%d: a transaction is open at %d, the end is %d\n", o.Topic, o.Partition, s.Offset, o.At)
			stuck.Add(o.Topic, o.Partition)
		}
	}
	if producers, err := c.admin.DescribeProducers(ctx, stuck); err != nil {
		fmt.Fprintln(&b, "producers:", err)
	} else {
		for _, p := range producers.SortedProducers() {
			if p.CurrentTxnStartOffset >= 0 {
				fmt.Fprintf(&b, "%s-%d: producer %d, epoch %d, last sequence %d, is in a transaction since offset %d\n", p.Topic, p.Partition, p.ProducerID, p.ProducerEpoch, p.LastSequence, p.CurrentTxnStartOffset)
			}
		}
	}
	for _, line := range c.broker.LogLines(noLeader) {
		fmt.Fprintln(&b, "the broker left out markers:", line)
	}
	found, err := c.admin.ListTransactions(ctx, nil, nil)
	if err != nil {
		fmt.Fprintln(&b, "transactions:", err)
	}
	described, err := c.admin.DescribeTransactions(ctx, found.TransactionalIDs()...)
	if err != nil {
		fmt.Fprintln(&b, "transactions:", err)
	}
	for _, x := range described.Sorted() {
		if open := !slices.Contains([]string{"CompleteCommit", "CompleteAbort", "Empty"}, x.State); open || len(stuck) > 0 {
			fmt.Fprintf(&b, "transaction %s (producer %d, epoch %d) is %s since %d: %v\n", x.TxnID, x.ProducerID, x.ProducerEpoch, x.State, x.StartTimestamp, x.Topics)
		}
	}
	shown := 0
	for _, o := range ends.Offsets().Sorted() {
		if strings.HasPrefix(o.Topic, "__") || o.At == 0 || shown == rawPartitions {
			continue
		}
		shown++
		b.WriteString(c.raw(o.Topic, o.Partition, 0, rawRecords))
	}
	fmt.Fprintf(&b, "the applications said:\n%s", c.said)
	return b.String()
}

// noLeader is in the lines about transactions that Apache Kafka calls complete without having written all their markers.
const noLeader = "Couldn't find leader endpoint"

// leftOut tells that Apache Kafka, if it runs, left out markers of transactions.
func leftOut() string {
	if kafka == nil {
		return ""
	}
	if lines := kafka.LogLines(noLeader); len(lines) > 0 {
		return lines[len(lines)-1]
	}
	return ""
}

// What diagnose shows of the topics: the first records of some partitions.
const (
	rawPartitions = 8
	rawRecords    = 60
)

// history keeps the last lines that applications logged, for tests that fail.
type history struct {
	mu    sync.Mutex
	lines []string
}

func (h *history) Write(line []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.lines) == historyLines {
		h.lines = h.lines[1:]
	}
	h.lines = append(h.lines, string(line))
	return len(line), nil
}

const historyLines = 400

func (h *history) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.lines, "")
}

// raw shows records of a partition as they lie there, markers and what was aborted too, from an offset on.
func (c *cluster) raw(topic string, partition int32, from int64, n int) string {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.broker.Addr()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(max(0, from))}}))
	if err != nil {
		return err.Error()
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var b strings.Builder
	for shown := 0; shown < n; {
		fetches := client.PollRecords(ctx, n-shown)
		if ctx.Err() != nil {
			break
		}
		for _, r := range fetches.Records() {
			shown++
			fmt.Fprintf(&b, "%s-%d@%d producer %d/%d marker %v: %q=%q\n", topic, partition, r.Offset, r.ProducerID, r.ProducerEpoch, r.Attrs.IsControl(), r.Key, r.Value)
		}
	}
	return b.String()
}
