package kafkafiles

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

// TestKafkaReadsOurs writes a log with every codec, transactions and
// compaction and lets Kafka's DumpLogSegments read all of its files.
func TestKafkaReadsOurs(t *testing.T) {
	classpath(t)
	dir := filepath.Join(t.TempDir(), "ours-0")
	c := commitlog.DefaultConfig()
	c.SegmentBytes, c.IndexInterval, c.Compact = 20_000, 500, true
	now := time.UnixMilli(1_700_000_000_000)
	l, err := commitlog.Open(commitlog.Options{
		FS: vfs.OS, Clock: clock.NewManual(now), Dir: dir, Topic: "ours", TopicID: [16]byte{1, 2, 3}, Config: c,
	})
	if err != nil {
		t.Fatal(err)
	}
	add := func(o batch.BuilderOptions, i int) {
		t.Helper()
		b := batch.NewBuilder(o)
		for j := range 5 {
			b.Append(now.UnixMilli()+int64(i), fmt.Appendf(nil, "key-%d", (i*5+j)%40), fmt.Appendf(nil, "value-%d-%d", i, j), nil)
		}
		one, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.AppendLeader(one, commitlog.AppendOptions{LeaderEpoch: 4}); err != nil {
			t.Fatal(err)
		}
	}
	marker := func(id int64, commit bool) {
		t.Helper()
		b := batch.EndTxnMarker(id, 0, 1, commit, now.UnixMilli(), 0)
		if _, err := l.AppendLeader(b, commitlog.AppendOptions{LeaderEpoch: 4, Origin: commitlog.Coordinator}); err != nil {
			t.Fatal(err)
		}
	}
	write := func() {
		for i := range 200 {
			add(batch.BuilderOptions{Codec: compress.Codec(i % 5)}, i)
		}
	}
	write()
	for i := range 20 {
		add(batch.BuilderOptions{Transactional: true, Producer: &batch.Producer{ID: 1000, BaseSequence: int32(i * 10)}}, 2*i)
		add(batch.BuilderOptions{Transactional: true, Producer: &batch.Producer{ID: 1000, BaseSequence: int32(i*10 + 5)}}, 2*i+1)
		marker(1000, i%2 == 0)
	}
	if _, err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	l.SetHighWatermark(l.EndOffset())
	stats, err := l.Clean(context.Background(), commitlog.NewCleanerBuffers(1<<20, 1<<16, 0.9))
	if err != nil {
		t.Fatal(err)
	}
	if stats.KeptRecords >= stats.ReadRecords {
		t.Fatalf("nothing was compacted: %+v", stats)
	}
	write()
	if err := l.SweepDeleted(now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	end := l.EndOffset()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	list, err := vfs.OS.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	var files []string
	for _, f := range list {
		switch ext := filepath.Ext(f.Name); ext {
		case ".log", ".index", ".timeindex", ".txnindex", ".snapshot":
			kinds[ext]++
			if f.Size > 0 {
				files = append(files, filepath.Join(dir, f.Name))
			}
		}
	}
	for _, ext := range []string{".log", ".index", ".timeindex", ".txnindex", ".snapshot"} {
		if kinds[ext] == 0 {
			t.Errorf("no %s file was written", ext)
		}
	}
	out := dump(t, files...)
	for _, bad := range []string{"Found timestamp mismatch", "Found out of order", "Index position", "Mismatches in", "isvalid: false", "WARN", "ERROR", "Exception", "is not valid"} {
		if strings.Contains(out, bad) {
			t.Errorf("DumpLogSegments says %q:\n%s", bad, around(out, bad))
		}
	}
	for _, want := range []string{"compresscodec: zstd", "compresscodec: snappy", "endTxnMarker: ABORT", fmt.Sprintf("offset: %d ", end-1), "producerId: 1000"} {
		if !strings.Contains(out, want) {
			t.Errorf("DumpLogSegments does not show %q", want)
		}
	}
	if n := len(regexp.MustCompile(`(?m)^\| offset: `).FindAllString(out, -1)); n < 1000 {
		t.Errorf("DumpLogSegments shows %d records", n)
	}
}

func around(text, what string) string {
	i := strings.Index(text, what)
	return text[max(0, i-300):min(len(text), i+500)]
}
