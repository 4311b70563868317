package streamsapp

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
)

// TestRestoreSpeed measures how fast a table of so many records of about 100 bytes comes back, in four partitions and a new
// directory: LEAT_RESTORE_RECORDS=5000000 go test -run TestRestoreSpeed -v -timeout 30m ./test/streamsapp
func TestRestoreSpeed(t *testing.T) {
	records, err := strconv.Atoi(os.Getenv("LEAT_RESTORE_RECORDS"))
	if err != nil {
		t.Skip("it takes minutes; LEAT_RESTORE_RECORDS says how many")
	}
	c := start(t, kinds()[0])
	const partitions = 4
	compact := "compact"
	if _, err := c.admin.CreateTopics(t.Context(), partitions, 1, map[string]*string{"cleanup.policy": &compact}, "fast-rows-changelog"); err != nil {
		t.Fatal(err)
	}
	c.create(partitions, "lines")
	var failed atomic.Int64
	value := make([]byte, 70)
	for i := range value {
		value[i] = "abcdefghijklmnop"[i*7%16]
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(c.broker.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(50_000))
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		r := &kgo.Record{Topic: "fast-rows-changelog", Partition: int32(i % partitions), Key: fmt.Appendf(nil, "customer-%010d", uint32(i)*2654435761), Value: fmt.Appendf(nil, "%08d%s", i, value)} //nolint:gosec // spread
		producer.Produce(t.Context(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Add(1)
			}
		})
	}
	if err := producer.Flush(t.Context()); err != nil || failed.Load() > 0 {
		t.Fatal(err, failed.Load())
	}
	producer.Close()
	runtime.GC()
	told := newRestores()
	before, began := cpu(t), time.Now()
	r := c.run("fast", func(b *streams.Builder) { lines.Table(b, "rows") }, streams.StateDir(t.TempDir()), streams.Workers(2), told.option())
	n := told.await(t, partitions, func(e streams.RestoreEvent) bool { return e.Kind == streams.RestoreEnd })
	took, used := time.Since(began), cpu(t)-before
	t.Logf("%d records in %v: %.0f records/s, %.0f records per CPU-second of this process, %d MB resident at most", n, took.Round(time.Millisecond),
		float64(n)/took.Seconds(), float64(n)/used.Seconds(), resident(t)>>10)
	r.close()
}

func cpu(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is in KiB.
func resident(t *testing.T) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return u.Maxrss
}
