package kafkafiles

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/commitlog/logdir"
	"leat.dev/internal/wire/batch"
)

// seen is what a consumer finds in a partition.
type seen struct {
	all, committed map[int64]string // offset -> key=value
	start, end     int64
}

// TestWeOpenKafkas lets Kafka write plain, transactional and compacted topics,
// ends it in order or by SIGKILL, and opens its log directory.
func TestWeOpenKafkas(t *testing.T) {
	classpath(t)
	for name, sig := range map[string]syscall.Signal{"closed": syscall.SIGTERM, "killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			k := startKafka(t)
			want := k.writeTopics()
			k.stop(sig)
			d, err := logdir.Open(logdir.Options{FS: vfs.OS, Clock: clock.System, Random: rand.Reader, Path: k.data, NodeID: 1})
			if err != nil {
				t.Fatal(err)
			}
			if d.WasClean() != (sig == syscall.SIGTERM) {
				t.Errorf("clean: %v", d.WasClean())
			}
			if broken := d.Broken(); len(broken) > 0 {
				t.Errorf("broken: %v", broken)
			}
			for topic, w := range want {
				checkTopic(t, d, topic, w)
			}
			// Kafka opens what we leave behind.
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(k.data, "txn-0", "*.log"))
			if err != nil || len(files) == 0 {
				t.Fatalf("files %v, %v", files, err)
			}
			if out := dump(t, files...); strings.Contains(out, "isvalid: false") || strings.Contains(out, "mismatch") {
				t.Errorf("DumpLogSegments after us:\n%s", out)
			}
		})
	}
}

// writeTopics fills the topics and returns what Kafka's consumer sees in them.
func (k *kafka) writeTopics() map[string]seen {
	t := k.t
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	admin := kadm.NewClient(k.client())
	defer admin.Close()
	str := func(s string) *string { return &s }
	for topic, config := range map[string]map[string]*string{
		"plain":   {"internal.segment.bytes": str("60000"), "index.interval.bytes": str("300")},
		"txn":     {"internal.segment.bytes": str("20000"), "index.interval.bytes": str("300")},
		"compact": {"cleanup.policy": str("compact"), "internal.segment.bytes": str("20000"), "min.cleanable.dirty.ratio": str("0.01")},
	} {
		if _, err := admin.CreateTopic(ctx, 1, 1, config, topic); err != nil {
			t.Fatal(err)
		}
	}
	k.produce(ctx, "plain", kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	k.produce(ctx, "compact", kgo.ProducerBatchCompression(kgo.NoCompression()))
	k.transactions(ctx)
	k.awaitCompaction(ctx)
	out := map[string]seen{}
	for _, topic := range []string{"plain", "txn", "compact"} {
		start, err := admin.ListStartOffsets(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		end, err := admin.ListEndOffsets(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		s := seen{}
		lo, _ := start.Lookup(topic, 0)
		hi, _ := end.Lookup(topic, 0)
		s.start, s.end = lo.Offset, hi.Offset
		s.all = k.consume(ctx, topic, s.end, kgo.ReadUncommitted())
		s.committed = k.consume(ctx, topic, s.end, kgo.ReadCommitted())
		out[topic] = s
	}
	return out
}

func (k *kafka) produce(ctx context.Context, topic string, opts ...kgo.Opt) {
	k.t.Helper()
	c := k.client(append(opts, kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(0))...)
	defer c.Close()
	for i := range 600 {
		r := &kgo.Record{Key: fmt.Appendf(nil, "key-%d", i%30), Value: fmt.Appendf(nil, "%s value %d %s", topic, i, strings.Repeat("x", 150))}
		if err := c.ProduceSync(ctx, r).FirstErr(); err != nil {
			k.t.Fatal(err)
		}
	}
}

func (k *kafka) transactions(ctx context.Context) {
	k.t.Helper()
	c := k.client(kgo.DefaultProduceTopic("txn"), kgo.TransactionalID("tx"), kgo.ProducerLinger(0))
	defer c.Close()
	for i := range 40 {
		if err := c.BeginTransaction(); err != nil {
			k.t.Fatal(err)
		}
		for j := range 4 {
			r := &kgo.Record{Key: fmt.Appendf(nil, "k%d", j), Value: fmt.Appendf(nil, "txn %d %d %s", i, j, strings.Repeat("y", 100))}
			if err := c.ProduceSync(ctx, r).FirstErr(); err != nil {
				k.t.Fatal(err)
			}
		}
		if err := c.EndTransaction(ctx, kgo.TransactionEndTry(i%3 != 0)); err != nil {
			k.t.Fatal(err)
		}
	}
}

// awaitCompaction waits until Kafka's cleaner has swapped a segment of the
// compacted topic.
func (k *kafka) awaitCompaction(ctx context.Context) {
	k.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		data, _ := os.ReadFile(filepath.Join(k.data, "cleaner-offset-checkpoint"))
		if strings.Contains(string(data), "compact 0 ") {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			k.t.Fatal("Kafka did not compact the topic")
		}
	}
}

func (k *kafka) consume(ctx context.Context, topic string, end int64, isolation kgo.IsolationLevel) map[int64]string {
	k.t.Helper()
	c := k.client(kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	defer c.Close()
	out := map[int64]string{}
	for next := int64(0); next < end; {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			k.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			if !r.Attrs.IsControl() {
				out[r.Offset] = string(r.Key) + "=" + string(r.Value)
			}
		})
	}
	return out
}

// checkTopic compares our log with what Kafka's consumer saw.
func checkTopic(t *testing.T, d *logdir.Dir, topic string, want seen) {
	t.Helper()
	l := d.Get(logdir.TopicPartition{Topic: topic})
	if l == nil {
		t.Errorf("%s is not open", topic)
		return
	}
	if l.TopicID() == ([16]byte{}) || l.LatestEpoch() < 0 {
		t.Errorf("%s: topic id %x, epoch %d", topic, l.TopicID(), l.LatestEpoch())
	}
	if l.StartOffset() != want.start || l.EndOffset() != want.end {
		t.Errorf("%s is [%d, %d), want [%d, %d)", topic, l.StartOffset(), l.EndOffset(), want.start, want.end)
	}
	l.SetHighWatermark(l.EndOffset())
	if l.LastStableOffset() != l.EndOffset() {
		t.Errorf("%s: last stable offset %d, end %d", topic, l.LastStableOffset(), l.EndOffset())
	}
	all, committed := readAll(t, l)
	// A cleaner that was still at work may have removed more since we looked.
	maps.DeleteFunc(want.all, func(o int64, _ string) bool { _, ok := all[o]; return topic == "compact" && !ok })
	maps.DeleteFunc(want.committed, func(o int64, _ string) bool { _, ok := committed[o]; return topic == "compact" && !ok })
	if !maps.Equal(all, want.all) {
		t.Errorf("%s: %d records, Kafka gave %d", topic, len(all), len(want.all))
	}
	if !maps.Equal(committed, want.committed) {
		t.Errorf("%s: %d committed records, Kafka gave %d", topic, len(committed), len(want.committed))
	}
	if topic != "compact" && len(all) == 0 || topic == "txn" && len(committed) == len(all) {
		t.Errorf("%s shows nothing: %d records, %d committed", topic, len(all), len(committed))
	}
}

// readAll reads a log as both kinds of consumers do.
func readAll(t *testing.T, l *commitlog.Log) (all, committed map[int64]string) {
	t.Helper()
	all, committed = map[int64]string{}, map[int64]string{}
	for offset := l.StartOffset(); offset < l.EndOffset(); {
		info, err := l.Read(offset, 3000, true, commitlog.ReadStable)
		if err != nil {
			t.Fatal(err)
		}
		info.Release()
		b, err := l.ReadBytes(offset, 3000, commitlog.ReadStable)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 {
			break
		}
		pending, skip := info.Aborted, map[int64]bool{}
		for one, err := range batch.Split(b) {
			if err != nil {
				t.Fatal(err)
			}
			h := one.Header()
			offset = h.NextOffset()
			pending = slices.DeleteFunc(pending, func(a commitlog.AbortedTxn) bool {
				begun := a.FirstOffset <= h.LastOffset()
				skip[a.ProducerID] = skip[a.ProducerID] || begun
				return begun
			})
			for r, err := range one.Records(nil, 1<<24) {
				if err != nil {
					t.Fatal(err)
				}
				if h.Control() {
					delete(skip, h.ProducerID)
					continue
				}
				text := string(r.Key) + "=" + string(r.Value)
				all[r.Offset] = text
				if !h.Transactional() || !skip[h.ProducerID] {
					committed[r.Offset] = text
				}
			}
		}
	}
	return all, committed
}
