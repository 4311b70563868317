package metadata

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/vfs"
)

// crashSeeds is how many histories TestCrash goes through: 150, or as many as
// the environment asks for.
func crashSeeds(t *testing.T) uint64 {
	s := os.Getenv("LEAT_CRASH_SEEDS")
	if s == "" {
		return 150
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		t.Fatalf("LEAT_CRASH_SEEDS: %v", err)
	}
	return n
}

// TestCrash cuts the power at arbitrary points of a history of operations, on
// a disk that loses, tears and corrupts what was not flushed. Every answered
// operation must have survived, each restart must lead to the same image, and
// producer ids must never repeat.
func TestCrash(t *testing.T) {
	for seed := range crashSeeds(t) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { crashHistory(t, seed) })
	}
}

func crashHistory(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	mem := vfs.NewMem(seed)
	options := func(o *Options) {
		o.SnapshotBytes = 1500
		o.Random = newSeeded(seed + r.Uint64())
	}
	exists := map[string]bool{} // what was answered
	nextID := int64(0)
	for life := range 4 {
		n, err := tryOpen(t, mem, options)
		if err != nil {
			t.Fatalf("life %d: %v", life, err)
		}
		n.startBroker(-1)
		img := n.Image()
		for name, want := range exists {
			if got := img.Topic(name) != nil; got != want {
				t.Fatalf("life %d: topic %s is there: %v, want %v", life, name, got, want)
			}
		}
		checkImage(t, img)
		crashed := mem
		for step := range 5 + r.IntN(30) {
			if r.IntN(12) == 0 {
				crashed = mem.Crash() // the power goes while later steps run
				if err := sameAfter(t, crashed.Kill(), n.Image(), options); err != nil {
					t.Fatalf("life %d step %d: %v", life, step, err)
				}
			}
			crashStep(t, r, n, exists, &nextID)
		}
		if r.IntN(3) == 0 {
			n.close()
			crashed = mem.Crash()
		} else {
			crashed = mem.Crash()
			n.close() // of the program that no longer exists
		}
		mem = crashed
	}
}

// sameAfter opens a copy of the disk and compares with the image it must hold
// at least.
func sameAfter(t *testing.T, disk *vfs.Mem, want *Image, options func(*Options)) error {
	n, err := tryOpen(t, disk, options)
	if err != nil {
		return err
	}
	defer n.close()
	for topic := range want.Topics() {
		got := n.Image().TopicByID(topic.ID)
		if got == nil || len(got.Partitions) != len(topic.Partitions) {
			return fmt.Errorf("topic %s was lost or changed", topic.Name)
		}
	}
	if got, want := describe(n.Image()), describe(want); got != want {
		return fmt.Errorf("image after a crash:\n%s\nbefore:\n%s", got, want)
	}
	return nil
}

func crashStep(t *testing.T, r *rand.Rand, n *testNode, exists map[string]bool, nextID *int64) {
	name := fmt.Sprintf("t%d", r.IntN(12))
	switch r.IntN(6) {
	case 0:
		del := kmsg.NewPtrDeleteTopicsRequest()
		del.TopicNames = []string{name}
		resp := n.DeleteTopics(t.Context(), del)
		if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); (err == nil) != exists[name] {
			t.Fatalf("deleting %s: %v", name, err)
		}
		exists[name] = false
	case 1:
		first, count, err := n.AllocateProducerIDs(t.Context())
		if err != nil || first < *nextID {
			t.Fatalf("producer ids from %d, %v; %d were handed out", first, err, *nextID)
		}
		*nextID = first + int64(count)
	case 2:
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		rs := kmsg.NewIncrementalAlterConfigsRequestResource()
		rs.ResourceType, rs.ResourceName = kmsg.ConfigResourceTypeTopic, name
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Value = "retention.ms", new(fmt.Sprint(r.IntN(1000)))
		rs.Configs = append(rs.Configs, c)
		req.Resources = append(req.Resources, rs)
		resp := n.IncrementalAlterConfigs(t.Context(), req)
		if err := kerr.ErrorForCode(resp.Resources[0].ErrorCode); (err == nil) != exists[name] {
			t.Fatalf("altering %s: %v", name, err)
		}
	default:
		if err := n.create(name, int32(1+r.IntN(5)), "segment.ms", "1000"); (err == nil) == exists[name] {
			t.Fatalf("creating %s: %v", name, err)
		}
		exists[name] = true
	}
}

// checkImage checks what must hold in every image.
func checkImage(t interface{ Fatalf(string, ...any) }, img *Image) {
	partitions := 0
	for topic := range img.Topics() {
		if img.Topic(topic.Name) != topic || img.TopicByID(topic.ID) != topic {
			t.Fatalf("topic %s is not found by its name or id", topic.Name)
		}
		partitions += len(topic.Partitions)
		if len(topic.Partitions) == 0 {
			t.Fatalf("topic %s has no partitions", topic.Name)
		}
		for id, p := range topic.Partitions {
			in := func(list []int32, b int32) bool {
				for _, x := range list {
					if x == b {
						return true
					}
				}
				return false
			}
			if p.Leader != NoLeader && !in(p.ISR, p.Leader) {
				t.Fatalf("%s-%d is led by %d, which is not in sync: %v", topic.Name, id, p.Leader, p.ISR)
			}
			for _, b := range p.ISR {
				if !in(p.Replicas, b) {
					t.Fatalf("%s-%d: %d is in sync but no replica: %v", topic.Name, id, b, p.Replicas)
				}
			}
			if p.LeaderEpoch < 0 || p.PartitionEpoch < p.LeaderEpoch {
				t.Fatalf("%s-%d: leader epoch %d, partition epoch %d", topic.Name, id, p.LeaderEpoch, p.PartitionEpoch)
			}
		}
	}
	if partitions != img.PartitionCount() {
		t.Fatalf("%d partitions are counted as %d", partitions, img.PartitionCount())
	}
	ids := 0
	for range img.ids.all() {
		ids++
	}
	if ids != img.TopicCount() {
		t.Fatalf("%d ids for %d topics", ids, img.TopicCount())
	}
	for name := range img.ConfigResources(TopicResource) {
		if img.Topic(name) == nil {
			t.Fatalf("configs of topic %s, which does not exist", name)
		}
	}
}

// TestDiskFails lets the disk fill up under the node: operations get Kafka's
// storage error, what was answered stays, and the node comes back by itself.
func TestDiskFails(t *testing.T) {
	fault := vfs.NewFault(vfs.NewMem(3))
	n := open(t, fault)
	n.startBroker(-1)
	n.mustCreate("before", 2)
	var mu sync.Mutex
	subscribed := []string{}
	n.Subscribe(func(prev, next *Image) {
		mu.Lock()
		defer mu.Unlock()
		for was, is := range next.ChangedTopics(prev) {
			if was == nil {
				subscribed = append(subscribed, is.Name)
			}
		}
	})
	fault.FailWith(syscall.ENOSPC, vfs.OpWrite, vfs.OpSync, vfs.OpCreate)
	for i := range 3 {
		if err := n.create(fmt.Sprintf("failing%d", i), 1); !errors.Is(err, kerr.KafkaStorageError) {
			t.Errorf("creating a topic on a full disk: %v", err)
		}
	}
	if n.Image().Topic("before") == nil || n.Image().Topic("failing0") != nil {
		t.Error("the image changed")
	}
	fault.Set(nil)
	waitFor(t, func() bool { return n.create("after", 1) == nil })
	img := n.Image()
	checkImage(t, img)
	mu.Lock()
	seen := map[string]int{}
	for _, name := range subscribed {
		seen[name]++
	}
	mu.Unlock()
	for topic := range img.Topics() {
		if seen[topic.Name] != 1 {
			t.Errorf("subscribers saw %s appear %d times", topic.Name, seen[topic.Name])
		}
	}
	want := describe(img)
	n.close()
	n = open(t, fault)
	defer n.close()
	if got := describe(n.Image()); got != want {
		t.Errorf("after the restart:\n%s\nbefore:\n%s", got, want)
	}
}

// TestSnapshotFails: a snapshot that cannot be written costs nothing but the
// space it would have saved, and is not tried again at once.
func TestSnapshotFails(t *testing.T) {
	fault := vfs.NewFault(vfs.NewMem(5))
	var attempts atomic.Int64
	fault.Set(func(op vfs.Op, name string) error {
		if op == vfs.OpCreate && strings.Contains(name, snapshotSuffix) {
			attempts.Add(1)
			return syscall.ENOSPC
		}
		return nil
	})
	small := func(o *Options) { o.SnapshotBytes, o.Tick = 4000, time.Millisecond }
	n := open(t, fault, small)
	n.startBroker(-1)
	for i := range 60 {
		n.mustCreate(fmt.Sprintf("t%d", i), 3)
	}
	waitFor(t, func() bool { return attempts.Load() > 0 }) // a goroutine of its own writes snapshots
	if got := attempts.Load(); got > 10 {
		t.Errorf("%d attempts", got)
	}
	fault.Set(nil)
	for i := range 60 {
		n.mustCreate(fmt.Sprintf("u%d", i), 3)
	}
	waitFor(t, func() bool { return n.log.StartOffset() > 0 })
	want := describe(n.Image())
	n.close()
	n = open(t, fault, small)
	defer n.close()
	if got := describe(n.Image()); got != want {
		t.Errorf("after the restart:\n%s\nbefore:\n%s", got, want)
	}
}

// TestDamageIsRefused: a node must not start from less than it once knew.
func TestDamageIsRefused(t *testing.T) {
	build := func() *vfs.Mem {
		fs := vfs.NewMem(4)
		n := open(t, fs, func(o *Options) { o.SnapshotBytes = 3000 })
		n.startBroker(-1)
		for i := range 40 {
			n.mustCreate(fmt.Sprintf("t%d", i), 3)
		}
		waitFor(t, func() bool { return n.log.StartOffset() > 0 })
		n.close()
		return fs
	}
	find := func(fs *vfs.Mem, suffix string) string {
		entries, err := fs.ReadDir(testDir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if len(e.Name) >= len(suffix) && e.Name[len(e.Name)-len(suffix):] == suffix {
				return testDir + "/" + e.Name
			}
		}
		t.Fatalf("no %s among %v", suffix, entries)
		return ""
	}
	flip := func(fs *vfs.Mem, name string) {
		data, err := vfs.ReadFile(fs, name)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 0x10
		if err := vfs.WriteFileAtomic(fs, name, data); err != nil {
			t.Fatal(err)
		}
	}
	for name, damage := range map[string]func(fs *vfs.Mem){
		"state missing":    func(fs *vfs.Mem) { fs.Remove(find(fs, stateFile)) },
		"state damaged":    func(fs *vfs.Mem) { flip(fs, find(fs, stateFile)) },
		"snapshot missing": func(fs *vfs.Mem) { fs.Remove(find(fs, snapshotSuffix)) },
		"log cut short": func(fs *vfs.Mem) {
			entries, _ := fs.ReadDir(testDir)
			last := ""
			for _, e := range entries {
				if strings.HasSuffix(e.Name, ".log") {
					last = e.Name
				}
			}
			f, err := fs.Open(testDir + "/" + last)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			size, _ := f.Size()
			if err := f.Truncate(size - 100); err != nil {
				t.Fatal(err)
			}
			fs.Remove(testDir + "/leat-flush-point") // or the log itself would notice
		},
		"snapshot damaged": func(fs *vfs.Mem) { flip(fs, find(fs, snapshotSuffix)) },
	} {
		t.Run(name, func(t *testing.T) {
			fs := build()
			damage(fs)
			if n, err := tryOpen(t, fs); err == nil {
				n.close()
				t.Fatal("the node started")
			} else {
				t.Log(err)
			}
		})
	}
}
