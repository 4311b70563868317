package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/metadata/record"
)

func (c *conn) logDirs() []kmsg.DescribeLogDirsResponseDir {
	c.t.Helper()
	return ask[*kmsg.DescribeLogDirsResponse](c, kmsg.NewPtrDescribeLogDirsRequest(), 5).Dirs
}

// dirOf is where a partition is; "" if nowhere, or in two directories because it is being moved.
func (c *conn) dirOf(topic string, partition int32) (dir string) {
	c.t.Helper()
	n := 0
	for _, d := range c.logDirs() {
		for _, t := range d.Topics {
			for _, p := range t.Partitions {
				if t.Topic == topic && p.Partition == partition {
					dir = d.Dir
					n++
				}
			}
		}
	}
	if n != 1 {
		return ""
	}
	return dir
}

// moveDir sends a partition to a directory and returns the error code.
func (c *conn) moveDir(dir, topic string, partition int32) int16 {
	c.t.Helper()
	req := kmsg.NewPtrAlterReplicaLogDirsRequest()
	req.Dirs = []kmsg.AlterReplicaLogDirsRequestDir{{Dir: dir, Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: topic, Partitions: []int32{partition}}}}}
	return ask[*kmsg.AlterReplicaLogDirsResponse](c, req, 2).Topics[0].Partitions[0].ErrorCode
}

// placesKnown tells whether the metadata says of every partition where it is.
func (h *harness) placesKnown() bool {
	img := h.meta.Image()
	for t := range img.Topics() {
		for _, p := range t.Partitions {
			if p.Directories[0] == (record.UUID{}) {
				return false
			}
		}
	}
	return len(h.misplaced(img)) == 0
}

func TestSeveralLogDirs(t *testing.T) {
	h := startOn(t, vfs.NewMem(1), "/log", "log.dirs", "/a, /b")
	h.createTopic("t", 4)
	c := h.dial()
	dirs := c.logDirs()
	if len(dirs) != 2 || dirs[0].Dir != "/a" || dirs[1].Dir != "/b" || len(dirs[0].Topics) != 1 || len(dirs[0].Topics[0].Partitions) != 2 {
		t.Fatalf("%+v", dirs)
	}
	if code := c.moveDir("/b", "later", 0); code != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("moving what is not there: code %d", code)
	}
	if code := c.moveDir("/c", "t", 0); code != kerr.LogDirNotFound.Code {
		t.Errorf("moving to nowhere: code %d", code)
	}
	h.createTopic("later", 1)
	if got := c.dirOf("later", 0); got != "/b" {
		t.Errorf("the partition that was sent to /b before it was there is in %q", got)
	}
	other := map[string]string{"/a": "/b", "/b": "/a"}
	var want [4][]string
	for round := range 3 {
		for p := range int32(4) {
			v := fmt.Sprint(round)
			c.produce("t", p, records(v))
			want[p] = append(want[p], v)
			to := other[c.dirOf("t", p)]
			if code := c.moveDir(to, "t", p); code != 0 {
				t.Fatalf("code %d", code)
			}
			waitFor(t, func() bool { return c.dirOf("t", p) == to })
			if got := c.consume("t", p, 0); !slices.Equal(got, want[p]) {
				t.Errorf("partition %d: %q, want %q", p, got, want[p])
			}
		}
		waitFor(t, h.placesKnown)
		before := []string{c.dirOf("t", 0), c.dirOf("t", 1), c.dirOf("later", 0)}
		h.restart()
		c = h.dial()
		if after := []string{c.dirOf("t", 0), c.dirOf("t", 1), c.dirOf("later", 0)}; !slices.Equal(before, after) {
			t.Errorf("in %q, after a restart in %q", before, after)
		}
	}
}

func TestMetadataDirectoryOfItsOwn(t *testing.T) {
	disk := vfs.NewMem(1)
	h := startOn(t, disk, "/log", "log.dirs", "/a,/b", "metadata.log.dir", "/meta")
	h.createTopic("t", 2)
	if got := len(h.dial().logDirs()); got != 2 {
		t.Errorf("%d directories", got)
	}
	h.restart()
	if entries, err := disk.ReadDir("/meta"); err != nil || !slices.ContainsFunc(entries, func(e vfs.DirEntry) bool { return e.Name == "__cluster_metadata-0" }) {
		t.Errorf("the metadata is not there: %v, %v", entries, err)
	}
	waitFor(t, h.placesKnown)
}

// Only the partitions of a directory that fails are without service, and they come back with it.
func TestOneLogDirFails(t *testing.T) {
	fault := vfs.NewFault(vfs.NewMem(1))
	h := startOn(t, fault, "/log", "log.dirs", "/a,/b")
	h.createTopic("t", 2)
	c := h.dial()
	in := map[string]int32{}
	for p := range int32(2) {
		c.produce("t", p, records("before"))
		in[c.dirOf("t", p)] = p
	}
	waitFor(t, h.placesKnown)
	unplug := func() {
		fault.Set(func(_ vfs.Op, name string) error {
			if strings.HasPrefix(name, "/b") {
				return errors.New("unplugged")
			}
			return nil
		})
	}
	code := func(dir string) int16 {
		return ask[*kmsg.ProduceResponse](c, produceRequest("t", in[dir], -1, records("x")), 9).Topics[0].Partitions[0].ErrorCode
	}
	check := func(when string) {
		t.Helper()
		if got := code("/b"); got != kerr.KafkaStorageError.Code {
			t.Errorf("%s: producing to the directory that fails: code %d", when, got)
		}
		if got := code("/a"); got != 0 {
			t.Errorf("%s: producing to the other: code %d", when, got)
		}
		waitFor(t, func() bool { return c.logDirs()[1].ErrorCode == kerr.KafkaStorageError.Code })
		if got := c.logDirs()[0].ErrorCode; got != 0 {
			t.Errorf("%s: the other directory has code %d", when, got)
		}
		waitFor(t, func() bool { return h.dir.Describe()[1].Err != nil })
		if got := c.moveDir("/b", "t", in["/a"]); got != kerr.KafkaStorageError.Code {
			t.Errorf("%s: moving into it: code %d", when, got)
		}
		h.createTopic("during-"+when, 1)
		if got := c.dirOf("during-"+when, 0); got != "/a" {
			t.Errorf("%s: a new partition is in %q", when, got)
		}
		fault.Set(nil)
		waitFor(t, func() bool { return code("/b") == 0 && c.logDirs()[1].ErrorCode == 0 })
		if got := c.consume("t", in["/b"], 0); got[0] != "before" {
			t.Errorf("%s: %q", when, got)
		}
	}
	unplug()
	check("running")
	h.stop()
	unplug()
	h.open()
	c = h.dial()
	check("starting")
	waitFor(t, h.placesKnown)
}

// What was acknowledged is there after a power cut in the middle of moves.
func TestPowerCutDuringMoves(t *testing.T) {
	seeds := uint64(8)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			disk := vfs.NewMem(seed)
			h := startOn(t, disk, "/log", "log.dirs", "/a,/b")
			h.createTopic("t", 2)
			var mu sync.Mutex
			var acked [2][]string
			var wg sync.WaitGroup
			stop := make(chan struct{})
			for p := range int32(2) {
				wg.Go(func() {
					c := h.dial()
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						v := fmt.Sprintf("%d-%d", p, i)
						c.produce("t", p, records(v))
						mu.Lock()
						acked[p] = append(acked[p], v)
						mu.Unlock()
					}
				})
			}
			c := h.dial()
			other := map[string]string{"/a": "/b", "/b": "/a"}
			var disks []*vfs.Mem
			var had [][2]int
			for range 6 {
				from := c.dirOf("t", 0)
				c.moveDir(other[from], "t", 0)
				mu.Lock()
				had = append(had, [2]int{len(acked[0]), len(acked[1])})
				mu.Unlock()
				disks = append(disks, disk.Crash())
				waitFor(t, func() bool { return c.dirOf("t", 0) == other[from] })
			}
			close(stop)
			wg.Wait()
			for i, crashed := range disks {
				after := startOn(t, crashed, "/log", "log.dirs", "/a,/b")
				c := after.dial()
				for p := range int32(2) {
					var got []string
					for len(got) < had[i][p] {
						more := c.consume("t", p, int64(len(got)))
						if len(more) == 0 {
							break
						}
						got = append(got, more...)
					}
					if n := had[i][p]; len(got) < n || !slices.Equal(got[:n], acked[p][:n]) {
						t.Errorf("crash %d, partition %d: %d records of %d", i, p, len(got), n)
					}
				}
			}
		})
	}
}

// TestLogDirsAgainstKafka compares the answers with those of a running Apache Kafka that has two log directories as well:
//
//	LEAT_REFERENCE_LOGDIRS=127.0.0.1:9092 go test ./internal/broker -run TestLogDirsAgainstKafka
func TestLogDirsAgainstKafka(t *testing.T) {
	reference := os.Getenv("LEAT_REFERENCE_LOGDIRS")
	if reference == "" {
		t.Skip("LEAT_REFERENCE_LOGDIRS does not name an Apache Kafka to compare with")
	}
	h := startOn(t, vfs.NewMem(1), "/log", "log.dirs", "/a,/b")
	nc, err := net.Dial("tcp", reference)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
		t.Fatal(err)
	}
	ours, theirs := logDirAnswers(t, h.dial()), logDirAnswers(t, &conn{t: t, Conn: nc, id: "test"})
	for i := range ours {
		if ours[i] != theirs[i] {
			t.Errorf("answer %d:\n%s\nKafka:\n%s", i, ours[i], theirs[i])
		}
	}
}

// logDirAnswers are a broker's answers about moves, with its directories called D0 and D1.
func logDirAnswers(t *testing.T, c *conn) (out []string) {
	topic := fmt.Sprintf("moves-%d", time.Now().UnixNano())
	dirs := c.logDirs()
	note := func(version int16, resp kmsg.Response) {
		if d, ok := resp.(*kmsg.DescribeLogDirsResponse); ok {
			for i := range d.Dirs {
				d.Dirs[i].TotalBytes, d.Dirs[i].UsableBytes = min(d.Dirs[i].TotalBytes, 1), min(d.Dirs[i].UsableBytes, 1)
			}
			slices.SortFunc(d.Dirs, func(a, b kmsg.DescribeLogDirsResponseDir) int { return strings.Compare(a.Dir, b.Dir) })
		}
		if a, ok := resp.(*kmsg.AlterReplicaLogDirsResponse); ok { // Kafka's order is that of a hash map
			slices.SortFunc(a.Topics, func(a, b kmsg.AlterReplicaLogDirsResponseTopic) int { return strings.Compare(a.Topic, b.Topic) })
			for _, t := range a.Topics {
				slices.SortFunc(t.Partitions, func(a, b kmsg.AlterReplicaLogDirsResponseTopicPartition) int { return int(a.Partition - b.Partition) })
			}
		}
		text, err := json.Marshal(resp)
		if err != nil {
			t.Fatal(err)
		}
		s := strings.ReplaceAll(string(text), topic, "T")
		for i, d := range dirs {
			s = strings.ReplaceAll(s, `"`+d.Dir+`"`, fmt.Sprintf("D%d", i))
		}
		out = append(out, fmt.Sprintf("v%d %s", version, s))
	}
	describe := func() {
		for version := int16(1); version <= 5; version++ {
			req := kmsg.NewPtrDescribeLogDirsRequest()
			req.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: topic, Partitions: []int32{0, 1, 7}}, {Topic: topic + "-none", Partitions: []int32{0}}}
			note(version, ask[*kmsg.DescribeLogDirsResponse](c, req, version))
		}
	}
	alter := func(moves ...kmsg.AlterReplicaLogDirsRequestDir) {
		for version := int16(1); version <= 2; version++ {
			note(version, ask[*kmsg.AlterReplicaLogDirsResponse](c, &kmsg.AlterReplicaLogDirsRequest{Dirs: moves}, version))
		}
	}
	move := func(dir, topic string, partitions ...int32) kmsg.AlterReplicaLogDirsRequestDir {
		return kmsg.AlterReplicaLogDirsRequestDir{Dir: dir, Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: topic, Partitions: partitions}}}
	}
	alter(move(dirs[1].Dir, topic, 0), move(dirs[0].Dir, topic, 1)) // before it is there
	create := kmsg.NewPtrCreateTopicsRequest()
	create.TimeoutMillis = 10000
	create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: topic, NumPartitions: 2, ReplicationFactor: 1}}
	if code := ask[*kmsg.CreateTopicsResponse](c, create, 5).Topics[0].ErrorCode; code != 0 {
		t.Fatalf("code %d", code)
	}
	waitFor(t, func() bool { return c.dirOf(topic, 0) != "" && c.dirOf(topic, 1) != "" })
	describe()
	c.produce(topic, 0, records("a", "b"))
	c.produce(topic, 1, records("c"))
	describe()
	alter(move(dirs[1].Dir, topic, 0, 1, 2), move("/nowhere", topic, 0), move("", topic+"-none", 1), move(dirs[0].Dir, topic+"-none", 1), move(dirs[0].Dir, strings.Repeat("x", 249), 0))
	alter(move(dirs[0].Dir, topic, 0), move(dirs[1].Dir, topic, 1))
	waitFor(t, func() bool { return c.dirOf(topic, 0) == dirs[0].Dir && c.dirOf(topic, 1) == dirs[1].Dir })
	describe()
	c.produce(topic, 0, records("d"))
	describe()
	alter(move(dirs[0].Dir, topic, 0, 0), move(dirs[1].Dir, topic, 0), move(dirs[0].Dir, topic, 0))
	waitFor(t, func() bool { return c.dirOf(topic, 0) == dirs[0].Dir })
	return out
}
