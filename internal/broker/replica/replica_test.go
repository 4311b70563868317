package replica

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/commitlog/logdir"
	"leat.dev/internal/metadata"
	"leat.dev/internal/metadata/config"
	"leat.dev/internal/wire/batch"
)

// fixture is a manager that follows a metadata node, on a disk that can be made to fail.
type fixture struct {
	t     *testing.T
	fault *vfs.Fault
	clock *clock.Manual
	dir   *logdir.Dirs
	node  *metadata.Node
	*Manager

	mu    sync.Mutex
	roles []string
}

type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(count.Add(1))
	}
	return len(b), nil
}

var count atomic.Int32

func newFixture(t *testing.T, flushOnCommit bool) *fixture {
	t.Helper()
	f := &fixture{t: t, fault: vfs.NewFault(vfs.NewMem(1)), clock: clock.NewManual(time.Unix(1_700_000_000, 0))}
	log := slog.New(slog.DiscardHandler)
	var err error
	if err := f.fault.MkdirAll("/log"); err != nil {
		t.Fatal(err)
	}
	settings := logdir.DefaultSettings()
	settings.CleanerEnabled = false
	f.dir, err = logdir.OpenAll(logdir.Options{
		FS: f.fault, Clock: f.clock, Logger: log, Random: rand.NewChaCha8([32]byte{1}), NodeID: 1, ClusterID: "c", Settings: settings,
		ConfigFor:     func(string, int32) commitlog.Config { return commitlog.DefaultConfig() },
		OnStateChange: func(tp logdir.TopicPartition, err error) { f.StateChanged(tp, err) },
	}, "", "/log")
	if err != nil {
		t.Fatal(err)
	}
	metaLog, err := f.dir.Create(metadata.LogTopic, [16]byte{15: 1}, 0, metadata.LogConfig())
	if err != nil {
		t.Fatal(err)
	}
	f.node, err = metadata.Open(t.Context(), metadata.Options{
		FS: f.fault, Clock: clock.System, Logger: log, Dir: "/log/" + metadata.LogTopic + "-0", Log: metaLog, NodeID: 1,
		ClusterID: "c", Static: config.Defaults(), Random: zeroes{},
	})
	if err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.BrokerID, req.ClusterID, req.PreviousBrokerEpoch = 1, "c", -1
	req.Listeners = []kmsg.BrokerRegistrationRequestListener{{Name: "PLAINTEXT", Host: "localhost", Port: 9092}}
	for _, feature := range metadata.SupportedFeatures() {
		req.Features = append(req.Features, kmsg.BrokerRegistrationRequestFeature{Name: feature.Name, MinSupportedVersion: feature.Min, MaxSupportedVersion: feature.Max})
	}
	if _, err := f.node.StartBroker(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	f.Manager = NewManager(Options{
		Clock: f.clock, Logger: log, NodeID: 1, Dir: f.dir, FlushOnCommit: flushOnCommit,
		Settings: func(img *metadata.Image, topic string) Settings {
			return Settings{Log: f.node.TopicConfig(img, topic), MinInSync: 1}
		},
		OnRole: func(p *Partition, leading bool, _ int32) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.roles = append(f.roles, fmt.Sprintf("%s-%d %v", p.Topic().Name, p.Index(), leading))
		},
	})
	f.node.Subscribe(f.Apply)
	f.dir.Start(t.Context())
	t.Cleanup(func() {
		f.fault.Set(nil)
		f.Manager.Close()
		if err := f.node.Close(); err != nil {
			t.Error(err)
		}
		_ = f.dir.Close()
	})
	return f
}

func (f *fixture) create(name string, partitions int32) {
	f.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(7)
	req.TimeoutMillis = 10000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	req.Topics = append(req.Topics, topic)
	resp := f.node.CreateTopics(f.t.Context(), req)
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) delete(name string) {
	f.t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.SetVersion(6)
	req.TimeoutMillis = 10000
	req.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: &name}}
	if err := kerr.ErrorForCode(f.node.DeleteTopics(f.t.Context(), req).Topics[0].ErrorCode); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) partition(name string, p int32) *Partition {
	f.t.Helper()
	part, err := f.Manager.Partition(name, p)
	if err != nil {
		f.t.Fatal(err)
	}
	return part
}

func record(f *fixture, value string) []byte {
	b := batch.NewBuilder(batch.BuilderOptions{})
	b.Append(f.clock.Now().UnixMilli(), nil, []byte(value), nil)
	out, err := b.Finish()
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func (f *fixture) append(p *Partition, value string) commitlog.AppendInfo {
	f.t.Helper()
	info, err := p.AppendAsLeader(record(f, value), commitlog.Client, 9)
	if err != nil {
		f.t.Fatal(err)
	}
	return info
}

func committed(p *Partition, offset int64) error {
	done := make(chan error, 1)
	p.OnCommitted(offset, func(err error) { done <- err })
	return <-done
}

func TestCommitFollowsFlush(t *testing.T) {
	for _, onCommit := range []bool{true, false} {
		f := newFixture(t, onCommit)
		f.create("t", 1)
		p := f.partition("t", 0)
		for i := range 50 {
			info := f.append(p, "x")
			if info.FirstOffset != int64(i) {
				t.Fatalf("offset %d", info.FirstOffset)
			}
		}
		if err := committed(p, 49); err != nil {
			t.Fatal(err)
		}
		if p.HighWatermark() != 50 || p.Log().HighWatermark() != 50 {
			t.Errorf("high watermark %d", p.HighWatermark())
		}
		if onCommit && p.Log().FlushedOffset() != 50 {
			t.Errorf("flushed %d", p.Log().FlushedOffset())
		}
	}
}

// Nothing is committed while the disk does not sync, and the wait ends with the disk's error.
func TestFlushFails(t *testing.T) {
	f := newFixture(t, true)
	f.create("t", 1)
	p := f.partition("t", 0)
	f.fault.Set(func(op vfs.Op, name string) error {
		if op == vfs.OpSync && strings.Contains(name, "/t-0/") {
			return errors.New("disk is gone")
		}
		return nil
	})
	f.append(p, "x")
	if err := committed(p, 0); !errors.Is(err, kerr.KafkaStorageError) {
		t.Fatalf("committed: %v", err)
	}
	if _, err := f.Manager.Partition("t", 0); err != kerr.KafkaStorageError {
		t.Errorf("partition: %v", err)
	}
	if n := f.Offline(); n != 1 {
		t.Errorf("%d offline", n)
	}
}

func TestTopicsComeAndGo(t *testing.T) {
	f := newFixture(t, true)
	f.create("a", 2)
	if _, err := f.Manager.Partition("a", 2); err != kerr.UnknownTopicOrPartition {
		t.Errorf("beyond the partitions: %v", err)
	}
	p := f.partition("a", 1)
	id := p.Topic().ID
	if f.TopicByID(id) != p.Topic() || f.TopicBytes([]byte("a")) != p.Topic() {
		t.Error("look-ups differ")
	}
	waiter := NewFetchWaiter()
	waiter.Reset(1)
	var w Watch
	if !p.Watch(&w, waiter, 0, 0, commitlog.ReadCommittedHW) {
		t.Fatal("not watching")
	}
	f.delete("a")
	<-waiter.C // deleting ends waits
	w.Unwatch()
	if _, err := f.Manager.Partition("a", 1); err != kerr.UnknownTopicOrPartition {
		t.Errorf("deleted: %v", err)
	}
	if err := committed(p, 10); err == nil {
		t.Error("a deleted partition commits")
	}
	f.create("a", 1)
	if f.partition("a", 0).Topic().ID == id {
		t.Error("the id came back")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if got := strings.Join(f.roles, ", "); got != "a-0 true, a-1 true, a-0 false, a-1 false, a-0 true" {
		t.Errorf("roles: %s", got)
	}
}

func TestWatch(t *testing.T) {
	f := newFixture(t, false)
	f.create("t", 2)
	p, q := f.partition("t", 0), f.partition("t", 1)
	size := int64(f.append(p, "x").Bytes)
	waiter := NewFetchWaiter()
	waiter.Reset(2*size + 1)
	ws := make([]Watch, 2)
	if p.Watch(&ws[0], waiter, 1, 0, commitlog.ReadCommittedHW) {
		t.Fatal("watching although there is more than was seen")
	}
	if !p.Watch(&ws[0], waiter, 1, 1, commitlog.ReadCommittedHW) || !q.Watch(&ws[1], waiter, 0, 0, commitlog.ReadStable) {
		t.Fatal("not watching")
	}
	f.append(p, "x")
	f.append(q, "x")
	select {
	case <-waiter.C:
		t.Fatal("woken too early")
	default:
	}
	f.append(p, "x")
	<-waiter.C
	for i := range ws {
		ws[i].Unwatch()
	}
	ws[0].Unwatch() // once more does nothing
	waiter.Reset(1)
	f.append(p, "x")
	select {
	case <-waiter.C:
		t.Fatal("woken after Unwatch")
	default:
	}
}

type indexWaiter struct{ ch chan string }

func (w indexWaiter) Committed(index int, err error) { w.ch <- fmt.Sprint(index, " ", err) }

func TestCancelAwait(t *testing.T) {
	f := newFixture(t, true)
	f.create("t", 1)
	p := f.partition("t", 0)
	w := indexWaiter{make(chan string, 4)}
	for i := range 3 {
		if done, _ := p.Await(0, w, i); done {
			t.Fatal("done")
		}
	}
	if !p.CancelAwait(w, 1) || p.CancelAwait(w, 1) {
		t.Error("cancelling")
	}
	f.append(p, "x")
	if a, b := <-w.ch, <-w.ch; a != "0 <nil>" || b != "2 <nil>" {
		t.Errorf("told %q, %q", a, b)
	}
	if done, err := p.Await(0, w, 5); !done || err != nil {
		t.Error("waiting for what is committed")
	}
}

func TestCheckEpoch(t *testing.T) {
	f := newFixture(t, true)
	f.create("t", 1)
	p := f.partition("t", 0)
	if p.CheckEpoch(-1) != nil || p.CheckEpoch(p.LeaderEpoch()) != nil {
		t.Error("the current epoch is refused")
	}
	if p.CheckEpoch(p.LeaderEpoch()+1) != kerr.UnknownLeaderEpoch {
		t.Error("an epoch to come")
	}
	if e := p.LeaderEpoch(); e > 0 && p.CheckEpoch(e-1) != kerr.FencedLeaderEpoch {
		t.Error("a past epoch")
	}
}

// A partition whose directory cannot be made is offline until it can.
func TestCreateLater(t *testing.T) {
	f := newFixture(t, true)
	f.fault.Set(func(op vfs.Op, name string) error {
		if strings.Contains(name, "/t-1") {
			return errors.New("read-only")
		}
		return nil
	})
	f.create("t", 2)
	f.append(f.partition("t", 0), "x")
	if _, err := f.Manager.Partition("t", 1); err != kerr.KafkaStorageError {
		t.Fatalf("partition: %v", err)
	}
	f.clock.Advance(retryMissing)
	if _, err := f.Manager.Partition("t", 1); err != kerr.KafkaStorageError {
		t.Fatalf("after a retry in vain: %v", err)
	}
	f.fault.Set(nil)
	f.clock.Advance(retryMissing)
	f.append(f.partition("t", 1), "x")
}

// Many partitions and writers at once: every append is committed, whoever's flush it was.
func TestManyWriters(t *testing.T) {
	f := newFixture(t, true)
	f.create("t", 20)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			p := f.partition("t", int32(i%20))
			for range 25 {
				if err := committed(p, f.append(p, "x").LastOffset); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for p := range f.Partitions() {
		if p.HighWatermark() != 50 {
			t.Errorf("partition %d: %d", p.Index(), p.HighWatermark())
		}
	}
}
