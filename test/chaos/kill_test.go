package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/test/launch"
)

const (
	killTopic      = "chaos"
	killGroup      = "chaos-group"
	killPartitions = 6
	killProducers  = 3
	killMembers    = 2
)

// TestKillUnderLoad kills the broker in a loop while idempotent producers write and a group reads and commits.
// A killed process leaves what it wrote to the operating system, so nothing may be lost without fsync either.
func TestKillUnderLoad(t *testing.T) {
	lasts, random := chaos(t)
	for _, flush := range []string{"commit", "os"} {
		t.Run(flush, func(t *testing.T) {
			if flush == "os" && kind() == launch.Kafka {
				t.Skip("Apache Kafka has no log.flush")
			}
			killUnderLoad(t, lasts, random, flush)
		})
	}
}

func killUnderLoad(t *testing.T, lasts time.Duration, random *rand.Rand, flush string) {
	b := startBroker(t, "", map[string]string{"log.flush": flush})
	createTopic(t, b, killTopic, killPartitions)

	load, endLoad := context.WithCancel(context.Background())
	defer endLoad()
	ledgers := make([]*ledger, killProducers)
	commits := &committed{next: map[int32]int64{}}
	var writers, readers sync.WaitGroup
	for i := range ledgers {
		ledgers[i] = newLedger(i)
		writers.Go(func() { ledgers[i].write(load, t, b) })
	}
	reading, endReading := context.WithCancel(context.Background())
	defer endReading()
	for i := range killMembers {
		readers.Go(func() { consumeAndCommit(reading, t, b, i, commits) })
	}

	kills, slowest := killLoop(t, b, random, lasts, commits)
	endLoad()
	writers.Wait() // each record that was begun ends as acknowledged or refused
	endReading()
	readers.Wait()
	checkCommitted(t, b, commits)
	stored := checkLog(t, b, ledgers)
	acked, commitCount := 0, commits.count()
	for _, l := range ledgers {
		acked += l.acknowledged()
	}
	t.Logf("%d ends of the broker (slowest return %v), %d records acknowledged, %d stored, %d commits acknowledged: nothing lost, nothing doubled",
		kills, slowest.Round(time.Millisecond), acked, stored, commitCount)
	if acked == 0 || commitCount == 0 || kills == 0 {
		t.Errorf("the load did too little to show anything")
	}
}

// killLoop ends the broker again and again, mostly by SIGKILL, and starts it on the same data.
func killLoop(t *testing.T, b *launch.Broker, random *rand.Rand, lasts time.Duration, commits *committed) (kills int, slowest time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	for pause(ctx, 300*time.Millisecond+time.Duration(random.Int64N(int64(2*time.Second)))) {
		if !b.Running() {
			t.Fatalf("the broker ended by itself:\n%s", b.LogTail(40))
		}
		// What was acknowledged before the end must be there after it.
		before := commits.snapshot()
		if random.IntN(5) == 0 {
			stop, done := context.WithTimeout(context.Background(), 2*time.Minute)
			_, err := b.Stop(stop)
			done()
			if err != nil {
				t.Fatalf("SIGTERM under load: %v\n%s", err, b.LogTail(40))
			}
		} else if err := b.Kill(); err != nil {
			t.Fatal(err)
		}
		kills++
		took := restart(t, b)
		if took > 2*time.Second && took > slowest {
			t.Logf("end %d: back after %v, saying: %s", kills, took.Round(time.Millisecond), b.LogTail(1))
		}
		slowest = max(slowest, took)
		compareCommitted(t, b, before)
	}
	return kills, slowest
}

// A ledger is what one producer was told about its records.
type ledger struct {
	id int

	mu      sync.Mutex
	offsets [killPartitions][]int64 // by sequence; -1 while unknown
	refused int
}

func newLedger(id int) *ledger { return &ledger{id: id} }

func (l *ledger) write(ctx context.Context, t *testing.T, b *launch.Broker) {
	cl := client(t, b, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(5000),
		kgo.RecordDeliveryTimeout(4*time.Minute), kgo.ProducerLinger(2*time.Millisecond), kgo.DefaultProduceTopic(killTopic))
	// Records that were begun may finish after the load: their fate must be known.
	for pause(ctx, 5*time.Millisecond) {
		for i := range int32(60) {
			l.produce(cl, i%killPartitions)
		}
	}
	flush, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	if err := cl.Flush(flush); err != nil {
		t.Errorf("producer %d: flush: %v", l.id, err)
	}
}

func (l *ledger) produce(cl *kgo.Client, partition int32) {
	l.mu.Lock()
	sequence := len(l.offsets[partition])
	l.offsets[partition] = append(l.offsets[partition], -1)
	l.mu.Unlock()
	cl.Produce(context.Background(), &kgo.Record{Partition: partition, Value: value(l.id, sequence)}, func(r *kgo.Record, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil {
			l.refused++
			return
		}
		l.offsets[partition][sequence] = r.Offset
	})
}

func (l *ledger) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, p := range l.offsets {
		for _, offset := range p {
			if offset >= 0 {
				n++
			}
		}
	}
	return n
}

func value(producer, sequence int) []byte { return fmt.Appendf(nil, "%d/%d", producer, sequence) }

// committed is the highest offset of each partition whose commit was acknowledged.
type committed struct {
	mu   sync.Mutex
	next map[int32]int64
	n    int
}

func (c *committed) acknowledge(offsets map[int32]int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, o := range offsets {
		c.next[p] = max(c.next[p], o)
	}
	c.n++
}

func (c *committed) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func (c *committed) snapshot() map[int32]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[int32]int64{}
	for p, o := range c.next {
		out[p] = o
	}
	return out
}

// consumeAndCommit is one member: it reads, commits what it read, and remembers what was acknowledged.
func consumeAndCommit(ctx context.Context, t *testing.T, b *launch.Broker, member int, commits *committed) {
	cl := client(t, b, kgo.ConsumerGroup(killGroup), kgo.ConsumeTopics(killTopic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(8*time.Second), kgo.HeartbeatInterval(500*time.Millisecond),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.BlockRebalanceOnPoll(), kgo.ClientID(fmt.Sprint("member-", member)))
	for ctx.Err() == nil {
		fetches := cl.PollRecords(ctx, 2000)
		offsets := map[int32]int64{}
		var last []*kgo.Record
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if n := len(p.Records); n > 0 {
				last = append(last, p.Records[n-1])
				offsets[p.Partition] = p.Records[n-1].Offset + 1
			}
		})
		if len(last) > 0 {
			commit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			// A failed commit (the broker just died, or the group rebalances) promises nothing.
			if err := cl.CommitRecords(commit, last...); err == nil {
				commits.acknowledge(offsets)
			}
			cancel()
		}
		cl.AllowRebalance()
	}
}

func checkCommitted(t *testing.T, b *launch.Broker, commits *committed) {
	t.Helper()
	compareCommitted(t, b, commits.snapshot())
}

// compareCommitted asks the broker for the group's offsets: none may be below what was acknowledged.
func compareCommitted(t *testing.T, b *launch.Broker, want map[int32]int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cl := client(t, b)
	defer cl.Close()
	got, err := kadm.NewClient(cl).FetchOffsets(ctx, killGroup)
	if err != nil {
		t.Fatalf("offsets of the group after a restart: %v\n%s", err, b.LogTail(20))
	}
	for p, offset := range want {
		o, _ := got.Lookup(killTopic, p)
		if o.Err != nil || o.At < offset {
			t.Errorf("partition %d: commit of %d was acknowledged, the broker says %d (%v)", p, offset, o.At, o.Err)
		}
	}
}

// checkLog reads every partition and compares it with the ledgers. It returns the number of records stored.
func checkLog(t *testing.T, b *launch.Broker, ledgers []*ledger) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	ends, err := kadm.NewClient(client(t, b)).ListEndOffsets(ctx, killTopic)
	if err != nil {
		t.Fatal(err)
	}
	cl := client(t, b, kgo.ConsumeTopics(killTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxBytes(16<<20))
	var logs [killPartitions][]string
	left := killPartitions
	end := func(p int32) int64 { o, _ := ends.Lookup(killTopic, p); return o.Offset }
	for p := range int32(killPartitions) {
		if end(p) == 0 {
			left--
		}
	}
	for left > 0 {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("reading the log back: %v", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if want := int64(len(logs[r.Partition])); r.Offset != want {
				t.Fatalf("partition %d: offset %d follows %d", r.Partition, r.Offset, want-1)
			}
			logs[r.Partition] = append(logs[r.Partition], string(r.Value))
			if r.Offset+1 == end(r.Partition) {
				left--
			}
		})
	}
	stored := 0
	for p := range logs {
		stored += len(logs[p])
		for _, problem := range checkPartition(p, logs[p], ledgers) {
			t.Error(problem)
		}
	}
	return stored
}

// checkPartition says what is wrong with a partition's values, in offset order, given what was acknowledged.
func checkPartition(partition int, log []string, ledgers []*ledger) (problems []string) {
	fail := func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf("partition %d: ", partition)+fmt.Sprintf(format, args...))
	}
	next := make([]int, len(ledgers))
	for offset, v := range log {
		var producer, sequence int
		if _, err := fmt.Sscanf(v, "%d/%d", &producer, &sequence); err != nil {
			fail("offset %d holds %q, which nobody wrote", offset, v)
			continue
		}
		if sequence < next[producer] {
			fail("offset %d: record %q again or out of order, after %d", offset, v, next[producer]-1)
		}
		next[producer] = max(next[producer], sequence+1)
	}
	for _, l := range ledgers {
		lost := 0
		for sequence, offset := range l.offsets[partition] {
			if offset < 0 {
				continue
			}
			if offset >= int64(len(log)) || log[offset] != string(value(l.id, sequence)) {
				if lost == 0 {
					fail("producer %d's record %d was acknowledged at %d and is not there", l.id, sequence, offset)
				}
				lost++
			}
		}
		if lost > 0 {
			fail("producer %d lost %d acknowledged records", l.id, lost)
		}
		if l.refused > 0 {
			fail("producer %d: %d records failed although the broker always came back", l.id, l.refused)
		}
	}
	return problems
}
