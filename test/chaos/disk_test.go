package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/test/launch"
)

const (
	diskBytes    = 64 << 20
	ballastBytes = 32 << 20
	diskTopic    = "disk"
)

// smallDisk mounts a file system of diskBytes for the test.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", diskBytes)); err != nil {
		fmt.Printf("SKIP chaos: full disk: a small disk cannot be mounted here: %v\n", err) // for .ci/run
		t.Skipf("a small disk cannot be mounted here (%v): it needs root", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// TestFullDisk fills the broker's disk under load. The producer is told so with Kafka's error, the process stays
// up and answers, and when space is back so are the partitions, with everything that was acknowledged.
func TestFullDisk(t *testing.T) {
	chaos(t)
	if kind() == launch.Kafka {
		t.Skip("Apache Kafka ends the process when its only log directory fails; docs/adr says why ours does not")
	}
	disk := smallDisk(t)
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, ballastBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	// Small indexes: they are preallocated, and the disk is small.
	b := startBroker(t, filepath.Join(disk, "data"), map[string]string{"log.index.size.max.bytes": "65536", "offsets.topic.num.partitions": "1"})
	createTopic(t, b, diskTopic, 2)

	// One record in flight, no retries by the client: each answer is the broker's.
	cl := client(t, b, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableIdempotentWrite(), kgo.RecordRetries(0),
		kgo.MaxProduceRequestsInflightPerBroker(1), kgo.DefaultProduceTopic(diskTopic), kgo.ProducerBatchCompression(kgo.NoCompression()))
	var acked [2][]int64
	payload := make([]byte, 64<<10)
	produce := func() error {
		for p := range int32(2) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			r, err := cl.ProduceSync(ctx, &kgo.Record{Partition: p, Value: payload}).First()
			cancel()
			if err != nil {
				return err
			}
			acked[p] = append(acked[p], r.Offset)
		}
		return nil
	}

	var refused error
	for written := 0; refused == nil; written += 2 * len(payload) {
		if written > 2*diskBytes {
			t.Fatalf("%d bytes fit a disk of %d", written, diskBytes)
		}
		refused = produce()
	}
	t.Logf("after %d records the broker says: %v", len(acked[0])+len(acked[1]), refused)
	if !errors.Is(refused, kerr.KafkaStorageError) {
		t.Errorf("a full disk is answered with %v, want KAFKA_STORAGE_ERROR", refused)
	}
	stillUp(t, b)

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	freed := time.Now()
	deadline, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for err := produce(); err != nil; err = produce() {
		if !pause(deadline, 100*time.Millisecond) {
			t.Fatalf("two minutes after space was freed: %v\n%s", err, b.LogTail(30))
		}
	}
	t.Logf("both partitions took records again %v after space was freed", time.Since(freed).Round(time.Millisecond))
	readBack(t, b, acked)

	// The same after a restart: what came back was no illusion of the process.
	stop, done := context.WithTimeout(t.Context(), 2*time.Minute)
	defer done()
	if _, err := b.Stop(stop); err != nil {
		t.Fatal(err)
	}
	restart(t, b)
	readBack(t, b, acked)
}

// stillUp checks that the process lives and answers what needs no writing.
func stillUp(t *testing.T, b *launch.Broker) {
	t.Helper()
	if !b.Running() {
		t.Fatalf("the process ended:\n%s", b.LogTail(30))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	admin := kadm.NewClient(client(t, b))
	if _, err := admin.ListTopics(ctx); err != nil {
		t.Errorf("metadata with a full disk: %v", err)
	}
	if _, err := admin.ApiVersions(ctx); err != nil {
		t.Errorf("ApiVersions with a full disk: %v", err)
	}
}

// readBack reads both partitions and checks that each acknowledged offset is there.
func readBack(t *testing.T, b *launch.Broker, acked [2][]int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ends, err := kadm.NewClient(client(t, b)).ListEndOffsets(ctx, diskTopic)
	if err != nil {
		t.Fatal(err)
	}
	for p := range int32(2) {
		end, _ := ends.Lookup(diskTopic, p)
		seen := map[int64]bool{}
		cl := client(t, b, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{diskTopic: {p: kgo.NewOffset().AtStart()}}))
		for next := int64(0); next < end.Offset; {
			fetches := cl.PollFetches(ctx)
			if ctx.Err() != nil {
				t.Fatalf("partition %d: read to %d of %d: %v", p, next, end.Offset, fetches.Err())
			}
			fetches.EachRecord(func(r *kgo.Record) { seen[r.Offset] = true; next = r.Offset + 1 })
		}
		cl.Close()
		for _, offset := range acked[p] {
			if !seen[offset] {
				t.Errorf("partition %d: offset %d was acknowledged and is gone (end %d, %v)", p, offset, end.Offset, end.Err)
			}
		}
	}
}
