package streamsapp

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
)

// committed is the sum of a group's committed offsets of a topic.
func (c *cluster) committed(group, topic string) (sum int64) {
	c.t.Helper()
	offsets, err := c.admin.FetchOffsets(c.t.Context(), group)
	if err != nil {
		return 0
	}
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.Topic == topic && o.At > 0 {
			sum += o.At
		}
	})
	return sum
}

// TestCommitOptions: commits come by records and by bytes when time does not ask for one.
func TestCommitOptions(t *testing.T) {
	c := start(t, "leat")
	for name, o := range map[string]streams.AppOption{"records": streams.CommitEveryRecords(10), "bytes": streams.CommitEveryBytes(500)} {
		c.create(1, name+"-lines", name+"-counts")
		r := c.run(name, func(b *streams.Builder) {
			streams.NewTopic(name+"-lines", streams.String, streams.String).Stream(b).GroupByKey().Reduce("last", func(_, v string) string { return v }).
				ToStream().To(streams.NewTopic(name+"-counts", streams.String, streams.String))
		}, o, streams.CommitEvery(time.Hour), streams.CacheBytes(0))
		var all []string
		for i := range 100 {
			all = append(all, fmt.Sprintf("key%03d=%s", i, strings.Repeat("v", 50)))
		}
		c.send(name+"-lines", all...)
		until(t, "a commit by "+name, func() bool { return c.committed(name, name+"-lines") >= 10 })
		r.close()
	}
}

// TestInputOptions: small buffers hold up nothing for ever, and a task that waits for an input takes records by their times.
func TestInputOptions(t *testing.T) {
	c := start(t, "leat")
	c.create(1, "first", "second", "merged")
	in := func(name string) streams.Topic[string, string] {
		return streams.NewTopic(name, streams.String, streams.String)
	}
	r := c.run("idle", func(b *streams.Builder) {
		in("first").Stream(b).Merge(in("second").Stream(b)).To(in("merged"))
	}, streams.MaxTaskIdle(time.Hour), streams.BufferRecords(2), streams.InputBufferBytes(1000), streams.ClientID("by-time"))
	r.await(streams.Running)
	at := func(topic string, from, step int) {
		var all []*kgo.Record
		for i := range 200 {
			all = append(all, &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(topic), Timestamp: time.UnixMilli(int64(from + i*step))})
		}
		if err := c.client.ProduceSync(t.Context(), all...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	at("first", 1, 2)
	at("second", 0, 2)
	got := c.read("merged", total(399)) // the last one waits for the other input
	if !slices.IsSortedFunc(got, func(a, b *kgo.Record) int { return a.Timestamp.Compare(b.Timestamp) }) {
		t.Errorf("not by time:\n%s", show(got))
	}
	groups, err := c.admin.DescribeGroups(t.Context(), "idle")
	if err != nil || len(groups["idle"].Members) != 1 || groups["idle"].Members[0].ClientID != "by-time" {
		t.Error(groups, err)
	}
	r.close()
}

// TestSince begins at what is young enough, where nothing was committed.
func TestSince(t *testing.T) {
	c := start(t, "leat")
	c.create(1, "lines", "counts")
	for i, age := range []time.Duration{3 * time.Hour, 2 * time.Hour, time.Minute, 0} {
		rec := &kgo.Record{Topic: "lines", Key: []byte("k"), Value: fmt.Append(nil, i), Timestamp: time.Now().Add(-age)}
		if err := c.client.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	r := c.run("since", func(b *streams.Builder) {
		lines.Stream(b, streams.StartAt(streams.Since(time.Hour))).To(counts)
	})
	if got := show(c.read("counts", total(2))); got != "0:0 k=2\n0:1 k=3\n" {
		t.Error(got)
	}
	r.close()
}

// TestTopicConfig: internal topics are made with it, and a store's own configs go over it.
func TestTopicConfig(t *testing.T) {
	c := start(t, "leat")
	c.create(1, "lines", "counts")
	r := c.run("configured", func(b *streams.Builder) {
		s := lines.Stream(b).Repartition("again").GroupByKey()
		s.Count("one")
		s.Count("two", streams.ChangelogConfig(map[string]string{"segment.bytes": "2000000"}))
	}, streams.TopicConfig(map[string]string{"segment.bytes": "3000000"}))
	r.await(streams.Running)
	for topic, want := range map[string]string{"again-repartition": "3000000", "one-changelog": "3000000", "two-changelog": "2000000"} {
		all, err := c.admin.DescribeTopicConfigs(t.Context(), "configured-"+topic)
		if err != nil {
			t.Fatal(err)
		}
		for _, conf := range all[0].Configs {
			if conf.Key == "segment.bytes" && conf.MaybeValue() != want {
				t.Errorf("%s: %s", topic, conf.MaybeValue())
			}
		}
	}
	r.close()
}

// TestTaskTimeout: an application whose cluster is away stands still for that long, and no longer.
func TestTaskTimeout(t *testing.T) {
	c := start(t, "leat")
	c.create(1, "lines", "counts")
	begun, away, crashed := make(chan struct{}), make(chan struct{}), make(chan error, 10)
	r := c.run("waits", func(b *streams.Builder) {
		lines.Stream(b).MapValues(func(v string) string { close(begun); <-away; return v }).To(counts)
	}, streams.TaskTimeout(time.Second), streams.OnCrash(func(err error) streams.CrashPolicy {
		crashed <- err
		return streams.StopClient
	}))
	c.send("lines", "k=v")
	<-begun
	if err := c.broker.Kill(); err != nil {
		t.Fatal(err)
	}
	close(away)
	select {
	case err := <-crashed:
		if !strings.Contains(err.Error(), "1s") {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("it waits for ever")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := c.broker.Start(ctx); err != nil { // without it the end takes its time
		t.Fatal(err)
	}
	if err := r.end(); err == nil {
		t.Error("it ended without an error")
	}
}

// TestStateAge: state that was not used for long is not gone on with when the application starts.
func TestStateAge(t *testing.T) {
	c := start(t, "leat")
	c.create(1, "lines", "counts")
	dir := t.TempDir()
	restored := func(o ...streams.AppOption) float64 {
		reg := prometheus.NewRegistry()
		r := c.run("aged", wordCount, append(o, streams.StateDir(dir), streams.Metrics(reg))...)
		r.await(streams.Running)
		defer r.close()
		return gauge(t, reg, "leat_streams_records_restored_total")
	}
	c.send("lines", "k=a b c")
	first := c.run("aged", wordCount, streams.StateDir(dir))
	c.read("counts", total(3))
	first.close()
	if n := restored(); n > 0 {
		t.Errorf("%v records were restored", n)
	}
	if n := restored(streams.StateMaxAge(time.Millisecond)); n < 3 {
		t.Errorf("%v records were restored from behind state that is too old", n)
	}
}

// TestStateCleanup removes the state of tasks that have gone to another instance.
func TestStateCleanup(t *testing.T) {
	chaosTime(t)
	c := start(t, "leat")
	c.create(4, "lines", "counts")
	dir := t.TempDir()
	a := c.joins("cleaned", streams.StateDir(dir), streams.StateCleanupDelay(time.Second))
	a.await(streams.Running)
	c.send("lines", "k=a b c d e f g h i j k l")
	c.read("counts", total(12))
	kept := func() int {
		all, err := filepath.Glob(filepath.Join(dir, "cleaned", "state", "tasks", "*", "db"))
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	have := kept()
	b := c.joins("cleaned", streams.StateDir(t.TempDir()))
	until(t, "shares", func() bool { return a.tasks(t, "running") == 4 && b.tasks(t, "running") == 4 })
	until(t, "the removal of state", func() bool { return kept() < have })
	b.close()
	a.close()
}

// TestQueryOptions: reads of one partition, reads that are given up.
func TestQueryOptions(t *testing.T) {
	c := start(t, "leat")
	c.create(3, "numbers")
	r := c.run("asked", keepNumbers)
	var sent streams.Position
	where := map[string]int32{}
	for i := range 30 {
		rec := &kgo.Record{Topic: "numbers", Key: fmt.Appendf(nil, "k%d", i), Value: []byte("1"), Timestamp: time.UnixMilli(int64(i))}
		if err := c.client.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
		sent, where[string(rec.Key)] = sent.At("numbers", rec.Partition, rec.Offset), rec.Partition
	}
	r.await(streams.Running)
	for p := range int32(3) {
		kv, err := r.app.Query(plain, streams.OnPartition(p), streams.AtLeast(sent, patience), streams.ReadTimeout(patience))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for k := range kv.All() {
			if n++; where[k] != p {
				t.Errorf("%s is of partition %d, not %d", k, where[k], p)
			}
		}
		if n == 0 || kv.Err() != nil {
			t.Error(p, n, kv.Err())
		}
	}
	if _, err := r.app.Query(plain, streams.OnPartition(3)); !errors.Is(err, streams.ErrNotHere) {
		t.Error(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	far := sent.At("numbers", 0, 1<<40)
	for what, o := range map[string]struct {
		option streams.QueryOption
		want   error
	}{"context": {streams.QueryContext(over), context.Canceled}, "timeout": {streams.ReadTimeout(time.Millisecond), context.DeadlineExceeded}} {
		kv, err := r.app.Query(plain, streams.AtLeast(far, patience), o.option)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := kv.Get(keyAt(where, 0)); !errors.Is(err, o.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	r.close()
}

func keyAt(where map[string]int32, p int32) string {
	for k, at := range where {
		if at == p {
			return k
		}
	}
	return ""
}
