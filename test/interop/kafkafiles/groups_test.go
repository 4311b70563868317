// Package kafkafiles has Apache Kafka's tools judge the files we write, and us the
// files it writes. It starts brokers only as child processes (test/launch) and
// owns no goroutine; tests without Kafka's jars skip and say so.
package kafkafiles

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group"
	"leat.dev/internal/wire/batch"
	"leat.dev/test/launch"
)

// groupBroker starts a broker with one partition of __consumer_offsets, or skips.
func groupBroker(t *testing.T, kind string) *launch.Broker {
	t.Helper()
	if os.Getenv("LEAT_KAFKA_LIB") == "" {
		t.Skip("LEAT_KAFKA_LIB is not set: Apache Kafka's jars are needed")
	}
	b, err := launch.New(t.Context(), launch.Spec{Kind: kind, Dir: t.TempDir(), HeapMB: 400, Props: map[string]string{
		"group.initial.rebalance.delay.ms": "0", "offsets.topic.num.partitions": "1",
	}})
	if errors.Is(err, launch.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if b.Running() {
			_ = b.Kill()
		}
	})
	return b
}

// useGroups leaves a static member's stable group, offsets of a simple group, and
// a deleted group behind; with transactions also offsets that were committed and
// aborted by them.
func useGroups(t *testing.T, addr string, transactions bool) {
	t.Helper()
	ctx := t.Context()
	seeds := kgo.SeedBrokers(addr)
	client, err := kgo.NewClient(seeds)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(ctx, 2, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		r := &kgo.Record{Topic: "t", Partition: int32(i % 2), Value: fmt.Append(nil, i)}
		if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	consume(t, seeds, kgo.ConsumerGroup("static"), kgo.InstanceID("x"))

	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: "t", Partition: 1, At: 17, LeaderEpoch: 0, Metadata: "by hand"})
	for _, g := range []string{"simple", "deleted"} {
		if err := admin.CommitAllOffsets(ctx, g, offsets); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := admin.DeleteGroup(ctx, "deleted"); err != nil {
		t.Fatal(err)
	}
	if transactions {
		for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
			transact(t, seeds, end)
		}
	}
}

// consume reads what there is and commits it. A static member does not leave.
func consume(t *testing.T, opts ...kgo.Opt) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := kgo.NewClient(append(opts, kgo.ConsumeTopics("t"), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for n := 0; n < 20; {
		f := c.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		n += f.NumRecords()
	}
	if err := c.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
}

// transact commits offsets of the group "eos" in a transaction.
func transact(t *testing.T, seeds kgo.Opt, end kgo.TransactionEndTry) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	name := fmt.Sprint("eos-", bool(end))
	s, err := kgo.NewGroupTransactSession(seeds, kgo.TransactionalID(name), kgo.ConsumerGroup(name), kgo.ConsumeTopics("t"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := 0; n < 20; {
		f := s.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		n += f.NumRecords()
	}
	if err := s.Begin(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.End(ctx, end); err != nil {
		t.Fatal(err)
	}
}

// TestGroupsWrittenByKafka loads the __consumer_offsets that Apache Kafka wrote
// and compares what it holds with what Kafka answered, and each record's bytes
// with what we would write.
func TestGroupsWrittenByKafka(t *testing.T) {
	b := groupBroker(t, launch.Kafka)
	useGroups(t, b.Addr(), true)
	groups := []string{"static", "simple", "deleted", "eos-true", "eos-false"}
	want := map[string]string{}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for _, g := range groups {
		offsets, err := admin.FetchOffsets(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range offsets.Sorted() {
			want[g] += fmt.Sprintf("%s-%d=%d/%d/%s ", o.Topic, o.Partition, o.At, o.LeaderEpoch, o.Metadata)
		}
	}
	described, err := admin.DescribeGroups(t.Context(), "static")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	shard, records := load(t, b)
	if records < 10 {
		t.Fatalf("only %d records in the log", records)
	}
	now := time.Now()
	shard.Step(now, group.Loaded{})
	for i, g := range groups {
		req := kmsg.NewOffsetFetchRequestGroup()
		req.Group = g
		fx := shard.Step(now, group.OffsetFetch{ID: group.RequestID(i), Group: req, All: true})
		got := ""
		for _, topic := range fx.Replies[0].Response.(kmsg.OffsetFetchResponseGroup).Topics {
			for _, p := range topic.Partitions {
				got += fmt.Sprintf("%s-%d=%d/%d/%s ", topic.Topic, p.Partition, p.Offset, p.LeaderEpoch, *p.Metadata)
			}
		}
		if got != want[g] {
			t.Errorf("%s: %s, Kafka says %s", g, got, want[g])
		}
	}
	if want["static"] == "" || want["eos-true"] == "" || want["eos-false"] != "" || want["deleted"] != "" {
		t.Errorf("the workload did not leave what it should: %v", want)
	}
	fx := shard.Step(now, group.DescribeGroups{ID: 99, Version: 6, Groups: []string{"static"}})
	d, k := fx.Replies[0].Response.([]kmsg.DescribeGroupsResponseGroup)[0], described["static"]
	if d.State != k.State || d.Protocol != k.Protocol || len(d.Members) != 1 || len(k.Members) != 1 {
		t.Fatalf("described %+v, Kafka says %+v", d, k)
	}
	ours, theirs := d.Members[0], k.Members[0]
	if ours.MemberID != theirs.MemberID || *ours.InstanceID != *theirs.InstanceID || ours.ClientHost != theirs.ClientHost || len(ours.MemberAssignment) == 0 {
		t.Errorf("member %+v, Kafka says %+v", ours, theirs)
	}
}

// load replays the log and checks that each record we know would be written with
// the same bytes.
func load(t *testing.T, b *launch.Broker) (*group.Shard, int) {
	t.Helper()
	dir, err := b.PartitionDir("__consumer_offsets", 0)
	if err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no segments in %s: %v", dir, err)
	}
	shard := group.New(group.DefaultSettings(), func() string { return "" })
	records := 0
	for _, segment := range segments {
		data, err := os.ReadFile(segment)
		if err != nil {
			t.Fatal(err)
		}
		for one, err := range batch.Split(data) {
			if errors.Is(err, batch.ErrShort) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			records += replayBatch(t, shard, one)
		}
	}
	return shard, records
}

func replayBatch(t *testing.T, shard *group.Shard, one batch.Batch) (records int) {
	t.Helper()
	h := one.Header()
	for r, err := range one.Records(nil, 1<<20) {
		if err != nil {
			t.Fatal(err)
		}
		records++
		if h.Control() {
			end, _, err := batch.ParseEndTxn(r)
			if err != nil {
				t.Fatal(err)
			}
			shard.ReplayEndTxn(r.Offset, h.ProducerID, end.Commit)
			continue
		}
		sameBytes(t, r)
		lr := group.LogRecord{Offset: r.Offset, ProducerID: -1, Key: r.Key, Value: r.Value}
		if h.Transactional() {
			lr.ProducerID = h.ProducerID
		}
		if err := shard.Replay(lr); err != nil {
			t.Fatal(err)
		}
	}
	return records
}

func sameBytes(t *testing.T, r batch.Record) {
	t.Helper()
	key, err := group.DecodeKey(r.Key)
	if err != nil {
		t.Fatal(err)
	}
	var again group.Record
	switch k := key.(type) {
	case group.OffsetKey:
		if again = group.EncodeOffsetTombstone(k); r.Value != nil {
			v, err := group.DecodeOffsetValue(r.Value)
			if err != nil {
				t.Fatal(err)
			}
			again = group.EncodeOffset(k, v)
		}
	case group.GroupKey:
		if again = group.EncodeGroupTombstone(k.Group); r.Value != nil {
			v, err := group.DecodeGroupValue(r.Value)
			if err != nil {
				t.Fatal(err)
			}
			again = group.EncodeGroup(k.Group, v)
		}
	default:
		return
	}
	if string(again.Key) != string(r.Key) || string(again.Value) != string(r.Value) {
		t.Errorf("record at offset %d: Kafka wrote\n%x %x\nwe would write\n%x %x", r.Offset, r.Key, r.Value, again.Key, again.Value)
	}
}

// TestGroupsReadByKafka has Kafka's dump tool decode the __consumer_offsets that
// Leat wrote.
func TestGroupsReadByKafka(t *testing.T) {
	b := groupBroker(t, launch.Leat)
	useGroups(t, b.Addr(), false)
	if _, err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	load(t, b)
	dir, err := b.PartitionDir("__consumer_offsets", 0)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "java", "-Xmx256m", "-cp", os.Getenv("LEAT_KAFKA_LIB")+"/*",
		"org.apache.kafka.tools.DumpLogSegments", "--offsets-decoder", "--files", filepath.Join(dir, "00000000000000000000.log")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := string(out)
	for _, want := range []string{
		`key: {"type":"2","data":{"group":"static"}} payload: {"version":"3","data":{"protocolType":"consumer","generation":1`,
		`"groupInstanceId":"x"`, `"clientHost":"/127.0.0.1"`,
		`key: {"type":"1","data":{"group":"simple","topic":"t","partition":1}} payload: {"version":"4","data":{"offset":17,"leaderEpoch":0,"metadata":"by hand"`,
		`key: {"type":"1","data":{"group":"deleted","topic":"t","partition":1}} payload: <DELETE>`,
		`key: {"type":"2","data":{"group":"deleted"}} payload: <DELETE>`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("Kafka's tool does not show %s", want)
		}
	}
	if n := strings.Count(text, "isvalid: true"); n == 0 || n != strings.Count(text, "baseOffset: ") {
		t.Errorf("%d valid batches of %d", n, strings.Count(text, "baseOffset: "))
	}
	if t.Failed() {
		t.Log(text)
	}
}
