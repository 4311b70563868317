package metadata

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/metadata/config"
)

const testDir = "/data/__cluster_metadata-0"

// seeded is a repeatable source of bytes.
type seeded struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newSeeded(seed uint64) *seeded { return &seeded{r: rand.New(rand.NewPCG(seed, 1))} }

func (s *seeded) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 0; i < len(p); i += 8 {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], s.r.Uint64())
		copy(p[i:], b[:])
	}
	return len(p), nil
}

func testLogger(t testing.TB) *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	return slog.New(slog.DiscardHandler)
}

// openLog opens the metadata log the way a log directory would after a crash.
func openLog(fs vfs.FS, dir string, logger *slog.Logger) (*commitlog.Log, error) {
	if err := fs.MkdirAll(dir); err != nil {
		return nil, err
	}
	for d := path.Dir(dir); ; d = path.Dir(d) { // as a log directory does
		if err := fs.SyncDir(d); err != nil {
			return nil, err
		}
		if d == "/" || d == "." {
			break
		}
	}
	return commitlog.Open(commitlog.Options{
		FS: fs, Clock: clock.System, Logger: logger, Dir: dir,
		Topic: LogTopic, Partition: 0, TopicID: [16]byte{15: 1}, Config: LogConfig(),
	})
}

type testNode struct {
	*Node
	t   testing.TB
	log *commitlog.Log
}

func open(t testing.TB, fs vfs.FS, change ...func(*Options)) *testNode {
	t.Helper()
	n, err := tryOpen(t, fs, change...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func tryOpen(t testing.TB, fs vfs.FS, change ...func(*Options)) (*testNode, error) {
	t.Helper()
	o := Options{
		FS: fs, Clock: clock.System, Logger: testLogger(t), Dir: testDir,
		NodeID: 1, ClusterID: "test-cluster", Static: config.Defaults(), Random: newSeeded(7),
	}
	for _, f := range change {
		f(&o)
	}
	log, err := openLog(fs, o.Dir, o.Logger)
	if err != nil {
		return nil, err
	}
	o.Log = log
	n, err := Open(t.Context(), o)
	if err != nil {
		log.Close()
		return nil, err
	}
	return &testNode{n, t, log}, nil
}

func (n *testNode) close() {
	n.t.Helper()
	if err := n.Close(); err != nil {
		n.t.Error(err)
	}
	if err := n.log.Close(); err != nil {
		n.t.Error(err)
	}
}

// startBroker registers broker 1.
func (n *testNode) startBroker(previousEpoch int64) int64 {
	n.t.Helper()
	epoch, err := n.tryStartBroker(previousEpoch)
	if err != nil {
		n.t.Fatal(err)
	}
	return epoch
}

func (n *testNode) tryStartBroker(previousEpoch int64) (int64, error) {
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.BrokerID, req.ClusterID, req.PreviousBrokerEpoch = 1, "test-cluster", previousEpoch
	req.IncarnationID = [16]byte{1}
	l := kmsg.NewBrokerRegistrationRequestListener()
	l.Name, l.Host, l.Port = "PLAINTEXT", "localhost", 9092
	req.Listeners = append(req.Listeners, l)
	req.LogDirs = [][16]byte{{9}}
	return n.StartBroker(n.t.Context(), req)
}

func topicRequest(name string, partitions int32, factor int16, cfg ...string) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, factor
	for i := 0; i < len(cfg); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = cfg[i], &cfg[i+1]
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	return req
}

// create creates a topic and returns the error, nil if it was created.
func (n *testNode) create(name string, partitions int32, cfg ...string) error {
	n.t.Helper()
	resp := n.CreateTopics(n.t.Context(), topicRequest(name, partitions, 1, cfg...))
	return kerr.ErrorForCode(resp.Topics[0].ErrorCode)
}

func (n *testNode) mustCreate(name string, partitions int32, cfg ...string) {
	n.t.Helper()
	if err := n.create(name, partitions, cfg...); err != nil {
		n.t.Fatalf("creating %s: %v", name, err)
	}
}

func TestNewNode(t *testing.T) {
	fs := vfs.NewMem(1)
	n := open(t, fs)
	defer n.close()
	img := n.Image()
	if got := img.Features[MetadataVersion]; got != metadataLevel {
		t.Errorf("metadata.version is %d, want %d", got, metadataLevel)
	}
	if img.ControllerID != 1 || img.Epoch != 1 || img.ClusterID != "test-cluster" {
		t.Errorf("controller %d, epoch %d, cluster %q", img.ControllerID, img.Epoch, img.ClusterID)
	}
}

func TestTopicLifeAcrossRestart(t *testing.T) {
	fs := vfs.NewMem(1)
	n := open(t, fs)
	epoch := n.startBroker(-1)
	n.mustCreate("a", 3, "retention.ms", "5000")
	n.mustCreate("b.c", 1)
	if err := n.create("a", 3); err != kerr.TopicAlreadyExists {
		t.Errorf("second creation: %v", err)
	}
	if err := n.create("b_c", 1); err != kerr.InvalidTopicException {
		t.Errorf("colliding name: %v", err)
	}
	first, count, err := n.AllocateProducerIDs(t.Context())
	if err != nil || first != 0 || count != producerIDBlock {
		t.Errorf("producer ids %d+%d, %v", first, count, err)
	}
	id := n.Image().Topic("a").ID
	before := describe(n.Image())
	n.close()

	n = open(t, fs)
	if got := describe(n.Image()); got != before {
		t.Errorf("after the restart:\n%s\nbefore:\n%s", got, before)
	}
	img := n.Image()
	a := img.Topic("a")
	if a == nil || a.ID != id || len(a.Partitions) != 3 || img.TopicByID(id) != a {
		t.Fatalf("topic a is %+v", a)
	}
	for _, p := range a.Partitions {
		if p.Leader != 1 || p.LeaderEpoch != 0 || len(p.ISR) != 1 {
			t.Errorf("partition %+v", p)
		}
	}
	if got := img.Configs(TopicResource, "a")["retention.ms"]; got != "5000" {
		t.Errorf("retention.ms %q", got)
	}
	// A clean restart keeps the leader epoch, any other raises it.
	epoch2 := n.startBroker(epoch)
	if p := n.Image().Topic("a").Partitions[0]; p.LeaderEpoch != 0 {
		t.Errorf("leader epoch %d after a clean restart", p.LeaderEpoch)
	}
	epoch3 := n.startBroker(epoch)
	if p := n.Image().Topic("a").Partitions[0]; p.LeaderEpoch != 1 || p.PartitionEpoch != 1 {
		t.Errorf("leader epoch %d, partition epoch %d after a crash", p.LeaderEpoch, p.PartitionEpoch)
	}
	if epoch2 <= epoch || epoch3 <= epoch2 {
		t.Errorf("broker epochs %d, %d, %d do not grow", epoch, epoch2, epoch3)
	}
	if first, _, _ := n.AllocateProducerIDs(t.Context()); first != producerIDBlock {
		t.Errorf("second block of producer ids begins at %d", first)
	}
	del := kmsg.NewPtrDeleteTopicsRequest()
	del.TopicNames = []string{"a"}
	if resp := n.DeleteTopics(t.Context(), del); resp.Topics[0].ErrorCode != 0 {
		t.Errorf("deleting: %+v", resp.Topics[0])
	}
	if img := n.Image(); img.Topic("a") != nil || img.TopicByID(id) != nil || img.Configs(TopicResource, "a") != nil {
		t.Error("a is still there")
	}
	n.close()
	n = open(t, fs)
	defer n.close()
	if n.Image().Topic("a") != nil || n.Image().Topic("b.c") == nil {
		t.Error("the deletion was lost")
	}
}

// describe prints everything in an image but the place in the log.
func describe(img *Image) string {
	var out string
	for r := range img.records {
		b, err := json.Marshal(r)
		if err != nil {
			panic(err)
		}
		out += fmt.Sprintf("%T %s\n", r, b)
	}
	return out
}

func TestSubscribersSeeChangesBeforeTheAnswer(t *testing.T) {
	n := open(t, vfs.NewMem(1))
	defer n.close()
	n.startBroker(-1)
	n.mustCreate("old", 1)
	var seen []string
	n.Subscribe(func(prev, next *Image) {
		for was, is := range next.ChangedTopics(prev) {
			switch {
			case was == nil:
				seen = append(seen, "+"+is.Name)
			case is == nil:
				seen = append(seen, "-"+was.Name)
			default:
				seen = append(seen, "~"+is.Name)
			}
		}
	})
	n.mustCreate("x", 1)
	parts := kmsg.NewPtrCreatePartitionsRequest()
	pt := kmsg.NewCreatePartitionsRequestTopic()
	pt.Topic, pt.Count = "x", 4
	parts.Topics = append(parts.Topics, pt)
	if resp := n.CreatePartitions(t.Context(), parts); resp.Topics[0].ErrorCode != 0 {
		t.Fatalf("%+v", resp.Topics[0])
	}
	del := kmsg.NewPtrDeleteTopicsRequest()
	del.TopicNames = []string{"x"}
	n.DeleteTopics(t.Context(), del)
	if got, want := fmt.Sprint(seen), "[+old +x ~x -x]"; got != want {
		t.Errorf("subscriber saw %s, want %s", got, want)
	}
}

func TestConcurrentOperations(t *testing.T) {
	n := open(t, vfs.NewMem(1))
	defer n.close()
	n.startBroker(-1)
	var wg sync.WaitGroup
	starts := make([]int64, 100)
	for i := range starts {
		wg.Go(func() {
			n.mustCreate(fmt.Sprintf("t%d", i), 2)
			starts[i], _, _ = n.AllocateProducerIDs(t.Context())
		})
	}
	wg.Wait()
	if got := n.Image().PartitionCount(); got != 200 {
		t.Errorf("%d partitions", got)
	}
	seen := map[int64]bool{}
	for _, s := range starts {
		if seen[s] {
			t.Fatalf("producer id block %d was handed out twice", s)
		}
		seen[s] = true
	}
}

func TestSnapshotsCutTheLog(t *testing.T) {
	fs := vfs.NewMem(1)
	small := func(o *Options) { o.SnapshotBytes = 2000 }
	n := open(t, fs, small)
	n.startBroker(-1)
	for i := range 60 {
		n.mustCreate(fmt.Sprintf("topic-%02d", i), 3, "retention.ms", "1000")
	}
	waitFor(t, func() bool { return n.log.StartOffset() > 100 })
	before := describe(n.Image())
	n.close()
	n = open(t, fs, small)
	defer n.close()
	if got := describe(n.Image()); got != before {
		t.Errorf("after the restart:\n%s\nbefore:\n%s", got, before)
	}
	entries, _ := fs.ReadDir(testDir)
	snapshots := 0
	for _, e := range entries {
		if path.Ext(e.Name) == snapshotSuffix {
			snapshots++
		}
	}
	if snapshots != 1 {
		t.Errorf("%d snapshots are left, want 1: %v", snapshots, entries)
	}
}

// waitFor polls a condition that another goroutine makes true.
func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it did not happen within a minute")
		}
	}
}

var _ io.Reader = (*seeded)(nil)
