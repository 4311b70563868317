package coordinator

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/coord/group"
	"leat.dev/internal/wire/batch"
)

type topics struct{}

func (topics) TopicByName(name string) (Topic, bool) {
	if name != "t" && name != "u" {
		return Topic{}, false
	}
	return Topic{Name: name, ID: [16]byte{name[0]}, Partitions: 4}, true
}

func (t topics) TopicByID(id [16]byte) (Topic, bool) { return t.TopicByName(string(id[:1])) }

// bench is a coordinator of a few partitions in memory. Within synctest its clock
// is the bubble's.
type bench struct {
	*Groups
	t          *testing.T
	logs       []*memLog
	partitions int32

	mu     sync.Mutex
	counts map[string]int
}

func (b *bench) add(what string, delta int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts[what] += delta
}

// count returns a number that the metrics were told.
func (b *bench) count(what string) int {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts[what]
}

func newBench(t *testing.T, partitions int) *bench {
	b := &bench{t: t, partitions: int32(partitions), counts: map[string]int{}}
	b.Groups = New(Options{
		Surroundings: Surroundings{
			Clock: clock.System, Logger: slog.New(slog.DiscardHandler),
			Partitions:  func() int32 { return b.partitions },
			CreateTopic: func(context.Context) error { b.partitions = int32(partitions); return nil },
		},
		Topics: topics{},
		Settings: func() group.Settings {
			s := group.DefaultSettings()
			s.InitialRebalanceDelay = 0
			return s
		},
		Random: &counting{},
		Metrics: &Metrics{
			Groups:  func(_, state string, delta int) { b.add(state, delta) },
			Offsets: func(delta int) { b.add("offsets", delta) },
			Loaded:  func(time.Duration, int64) { b.add("loads", 1) },
		},
	})
	for range partitions {
		b.logs = append(b.logs, &memLog{})
	}
	t.Cleanup(b.Close)
	return b
}

// counting is a random source whose bytes count up.
type counting struct {
	mu sync.Mutex
	n  byte
}

func (c *counting) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range p {
		c.n++
		p[i] = c.n
	}
	return len(p), nil
}

// lead takes all partitions and waits until they are loaded.
func (b *bench) lead(epoch int32) {
	for i, l := range b.logs {
		b.Lead(int32(i), epoch, l)
	}
	synctest.Wait()
}

func commitRequest(groupID string, offset int64) *kmsg.OffsetCommitRequest {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version, r.Group, r.Generation = 9, groupID, -1
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic = "t"
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset = offset
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return r
}

func (b *bench) commit(groupID string, offset int64) int16 {
	return b.OffsetCommit(b.t.Context(), commitRequest(groupID, offset)).Topics[0].Partitions[0].ErrorCode
}

// fetch returns the committed offset of t-0, or -100 minus the group's error.
func (b *bench) fetch(groupID string) int64 {
	r := kmsg.NewPtrOffsetFetchRequest()
	r.Version = 8
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = groupID
	r.Groups = append(r.Groups, g)
	got := b.OffsetFetch(b.t.Context(), r).Groups[0]
	switch {
	case got.ErrorCode != 0:
		return -100 - int64(got.ErrorCode)
	case len(got.Topics) == 0:
		return -1
	}
	return got.Topics[0].Partitions[0].Offset
}

// async runs f and returns a channel with its result.
func async[T any](f func() T) <-chan T {
	c := make(chan T, 1)
	go func() { c <- f() }()
	synctest.Wait()
	return c
}

func isWaiting[T any](t *testing.T, c <-chan T, what string) {
	t.Helper()
	synctest.Wait()
	select {
	case v := <-c:
		t.Fatalf("%s did not wait: %v", what, v)
	default:
	}
}

func expect[T comparable](t *testing.T, got, want T, what string) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func join(version int16, groupID, memberID string) *kmsg.JoinGroupRequest {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.MemberID = version, groupID, memberID
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 10000, 60000
	r.ProtocolType = "consumer"
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", []byte{0, 0, 0, 0, 0, 0}
	r.Protocols = append(r.Protocols, p)
	return r
}

// An answer, of a write or of a read, waits for all that was written before it.
func TestAnswersWaitForTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.lead(1)
		expect(t, b.commit("g", 5), 0, "commit")

		b.logs[0].hold()
		write := async(func() int16 { return b.commit("g", 6) })
		read := async(func() int64 { return b.fetch("g") })
		isWaiting(t, write, "a commit")
		isWaiting(t, read, "a read behind it")
		b.logs[0].release()
		expect(t, <-write, 0, "commit")
		expect(t, <-read, 6, "fetch")
	})
}

// While a batch is in flight records gather; they share the next one.
func TestBatching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.lead(1)
		b.logs[0].hold()
		var writes []<-chan int16
		for i := range 50 {
			writes = append(writes, async(func() int16 { return b.commit(fmt.Sprint("g", i), int64(i)) }))
		}
		expect(t, b.logs[0].appendCount(), 1, "appends while the first is in flight")
		b.logs[0].release()
		synctest.Wait()
		for _, w := range writes {
			expect(t, <-w, 0, "commit")
		}
		expect(t, b.logs[0].appendCount(), 2, "appends")
	})
}

// A commit that takes too long is answered with an error, yet may come true.
func TestCommitTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.lead(1)
		b.logs[0].hold()
		write := async(func() int16 { return b.commit("g", 6) })
		time.Sleep(3 * time.Second)
		read := async(func() int64 { return b.fetch("g") })
		time.Sleep(2 * time.Second)
		expect(t, <-write, kerr.CoordinatorNotAvailable.Code, "commit")
		isWaiting(t, read, "a read 2 s old")
		time.Sleep(3 * time.Second)
		expect(t, <-read, -100-int64(kerr.NotCoordinator.Code), "fetch")
		b.logs[0].release()
		synctest.Wait()
		expect(t, b.fetch("g"), 6, "fetch after the commit")
	})
}

// A failed append is answered by Kafka's rules, and what memory held ahead of the
// log is forgotten.
func TestAppendFailure(t *testing.T) {
	for _, test := range []struct {
		err  error
		want *kerr.Error
	}{
		{kerr.NotEnoughReplicas, kerr.CoordinatorNotAvailable},
		{kerr.KafkaStorageError, kerr.NotCoordinator},
		{fmt.Errorf("disk: %w", kerr.NotLeaderForPartition), kerr.NotCoordinator},
		{fmt.Errorf("no code"), kerr.NotCoordinator},
		{kerr.MessageTooLarge, kerr.UnknownServerError},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, 1)
			b.lead(1)
			expect(t, b.commit("g", 5), 0, "commit")
			b.logs[0].failAppends(test.err)
			expect(t, b.commit("g", 6), test.want.Code, test.err.Error())
			expect(t, b.fetch("g"), -100-int64(kerr.NotCoordinator.Code), "fetch from a failed shard")
			expect(t, b.count("offsets"), 0, "offsets shown by the metrics")
			b.logs[0].failAppends(nil)
			time.Sleep(time.Second)
			expect(t, b.fetch("g"), 5, "fetch after the reload")
			expect(t, b.count("offsets"), 1, "offsets shown by the metrics")
			expect(t, b.count("loads"), 2, "loads")
			expect(t, b.commit("g", 7), 0, "commit after the reload")
		})
	}
}

// Members that wait in a rebalance are told when their coordinator fails.
func TestFailureReachesParkedMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.lead(1)
		ctx := t.Context()
		first := b.JoinGroup(ctx, group.Client{ID: "a"}, join(3, "g", ""))
		expect(t, first.ErrorCode, 0, "join")
		expect(t, first.MemberID, "a-01020304-0506-4708-890a-0b0c0d0e0f10", "member id")
		second := async(func() int16 { return b.JoinGroup(ctx, group.Client{ID: "b"}, join(3, "g", "")).ErrorCode })
		isWaiting(t, second, "a member joining a stable group")
		b.logs[0].failAppends(kerr.KafkaStorageError)
		b.commit("other", 1)
		expect(t, <-second, kerr.NotCoordinator.Code, "parked join")
	})
}

// Leadership lost: what was not committed here is gone for its clients.
func TestLeadershipLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.lead(1)
		expect(t, b.commit("g", 5), 0, "commit")
		b.logs[0].hold()
		write := async(func() int16 { return b.commit("g", 6) })
		b.logs[0].lose(kerr.NotLeaderForPartition)
		expect(t, <-write, kerr.NotCoordinator.Code, "commit in flight")
		b.Resign(0, 1)
		expect(t, b.fetch("g"), -100-int64(kerr.NotCoordinator.Code), "fetch after resigning")

		b.lead(2)
		expect(t, b.fetch("g"), 5, "fetch from the next leader")
		b.Resign(0, 1) // late news of an older epoch
		expect(t, b.fetch("g"), 5, "fetch after a stale resignation")
		b.Lead(0, 1, &memLog{})
		expect(t, b.fetch("g"), 5, "fetch after a stale election")
	})
}

func TestCloseEndsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 3)
		b.lead(1)
		for _, l := range b.logs {
			l.hold()
		}
		write := async(func() int16 { return b.commit("g", 6) })
		b.Close()
		expect(t, <-write, kerr.NotCoordinator.Code, "commit")
		expect(t, b.commit("g", 6), kerr.CoordinatorNotAvailable.Code, "commit after Close")
		b.Lead(0, 2, b.logs[0])
		b.Close()
	})
}

// An abandoned request does not hold up the shard.
func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.lead(1)
		b.logs[0].hold()
		ctx, cancel := context.WithCancel(t.Context())
		write := async(func() int16 { return b.OffsetCommit(ctx, commitRequest("g", 6)).Topics[0].Partitions[0].ErrorCode })
		cancel()
		expect(t, <-write, kerr.CoordinatorNotAvailable.Code, "commit")
		b.logs[0].release()
		expect(t, b.commit("g", 7), 0, "commit")
	})
}

// A transaction's offsets in a log written by Kafka count once its marker is read.
func TestLoadTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		add := func(groupID string, pid, offset int64) {
			build := batch.NewBuilder(batch.BuilderOptions{Producer: &batch.Producer{ID: pid}, Transactional: true})
			r := group.EncodeOffset(group.OffsetKey{Group: groupID, Topic: "t"}, group.OffsetValue{Offset: offset, ExpireTimestamp: -1})
			build.Append(1, r.Key, r.Value, nil)
			one, err := build.Finish()
			if err != nil {
				t.Fatal(err)
			}
			b.logs[0].appendBatch(t, one)
		}
		add("committed", 1, 10)
		add("aborted", 2, 11)
		add("open", 3, 12)
		b.logs[0].appendBatch(t, batch.EndTxnMarker(1, 0, 0, true, 1, 0))
		b.logs[0].appendBatch(t, batch.EndTxnMarker(2, 0, 0, false, 1, 0))
		b.lead(1)
		expect(t, b.fetch("committed"), 10, "committed")
		expect(t, b.fetch("aborted"), -1, "aborted")
		expect(t, b.fetch("open"), -1, "open")
	})
}

// A damaged log is not served from, and says so until it is whole again.
func TestLoadCorrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.lead(1)
		b.commit("g", 5)
		b.Resign(0, 1)
		b.logs[0].flip()
		b.lead(2)
		expect(t, b.fetch("g"), -100-int64(kerr.NotCoordinator.Code), "fetch")
		b.logs[0].flip()
		time.Sleep(time.Minute)
		expect(t, b.fetch("g"), 5, "fetch after the repair")
	})
}

// What a load replays may not be committed yet: answers wait for it.
func TestLoadWaitsForTheHighWatermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.lead(1)
		b.logs[0].hold()
		write := async(func() int16 { return b.commit("g", 5) })
		b.lead(2)
		expect(t, <-write, kerr.NotCoordinator.Code, "commit")
		synctest.Wait() // for the load
		read := async(func() int64 { return b.fetch("g") })
		isWaiting(t, read, "a read of replayed state")
		b.logs[0].release()
		expect(t, <-read, 5, "fetch")
	})
}

// Large steps are split between batches, in order.
func TestLargeStepIsSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.lead(1)
		b.coordinators.o.BatchBytes = func() int { return 4 << 10 }
		for i := range 300 {
			r := commitRequest("g", 1)
			r.Topics[0].Topic = "t"
			r.Topics[0].Partitions[0].Partition = int32(i / 100)
			r.Group = fmt.Sprintf("g%d", i%100)
			b.OffsetCommit(t.Context(), r)
		}
		before := b.logs[0].appendCount()
		b.TopicsDeleted([]group.Topic{{Name: "t", ID: [16]byte{'t'}}})
		synctest.Wait()
		if n := b.logs[0].appendCount() - before; n < 3 {
			t.Errorf("the tombstones of 300 offsets went into %d batches of 4 KiB", n)
		}
		for _, one := range b.logs[0].batches {
			if len(one) > 4<<10 {
				t.Errorf("batch of %d bytes", len(one))
			}
		}
		expect(t, b.count("offsets"), 0, "offsets left")
		b.lead(2)
		expect(t, b.fetch("g1"), -1, "fetch after a reload")
	})
}

// Session timers run on the clock without any request.
func TestTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.lead(1)
		ctx := t.Context()
		first := b.JoinGroup(ctx, group.Client{ID: "a"}, join(3, "g", ""))
		expect(t, b.count("CompletingRebalance"), 1, "groups completing")
		syncing := kmsg.NewPtrSyncGroupRequest()
		syncing.Version, syncing.Group, syncing.MemberID, syncing.Generation = 4, "g", first.MemberID, 1
		expect(t, b.SyncGroup(ctx, syncing).ErrorCode, 0, "sync")
		expect(t, b.count("Stable"), 1, "stable groups")
		time.Sleep(11 * time.Second)
		synctest.Wait()
		expect(t, b.count("Stable"), 0, "stable groups")
		expect(t, b.count("Empty"), 1, "empty groups")
		describe := b.DescribeGroups(ctx, 5, []string{"g"})
		expect(t, describe[0].State, "Empty", "state")
	})
}

func TestManyPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 7)
		expect(t, b.commit("g", 1), kerr.NotCoordinator.Code, "commit before leading")
		b.lead(1)
		var ids []string
		for i := range 40 {
			id := fmt.Sprintf("group-%02d", i)
			ids = append(ids, id)
			expect(t, b.commit(id, int64(i)), 0, "commit")
		}
		used := 0
		for _, l := range b.logs {
			if l.appendCount() > 0 {
				used++
			}
		}
		expect(t, used, 7, "partitions used")
		listed, err := b.ListGroups(t.Context(), []string{"EMPTY"}, []string{"Classic"})
		if err != nil || len(listed) != len(ids) {
			t.Fatalf("listed %d groups, error %v", len(listed), err)
		}
		for i, d := range b.DescribeGroups(t.Context(), 6, append(ids, "none")) {
			switch {
			case i < len(ids) && (d.Group != ids[i] || d.ErrorCode != 0):
				t.Errorf("described %+v as %s", d, ids[i])
			case i == len(ids) && d.ErrorCode != kerr.GroupIDNotFound.Code:
				t.Errorf("described %+v", d)
			}
		}
		b.Resign(3, 1)
		listed, err = b.ListGroups(t.Context(), nil, nil)
		if err != nil || len(listed) >= len(ids) || len(listed) == 0 {
			t.Fatalf("listed %d groups without a partition, error %v", len(listed), err)
		}
		gone := 0
		for _, d := range b.DeleteGroups(t.Context(), append(ids, ids...)) {
			if d.ErrorCode == kerr.NotCoordinator.Code {
				gone++
			} else if d.ErrorCode != 0 {
				t.Errorf("delete: %+v", d)
			}
		}
		expect(t, gone, len(ids)-len(listed), "groups of the missing partition")
	})
}

func TestJavaHash(t *testing.T) {
	for s, want := range map[string]int32{
		"": 0, "a": 97, "console-consumer-12345": 158455506, "größe": 98762257, "😀": 1772899,
		"polygenelubricants": -1 << 31,
	} {
		if got := javaHash(s); got != want {
			t.Errorf("javaHash(%q) = %d, want %d", s, got, want)
		}
	}
	expect(t, abs(-1<<31), 0, "abs of the least number")
	expect(t, abs(-5), 5, "abs")
}

func TestOffsetsOfUnknownTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.lead(1)
		r := commitRequest("g", 5)
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, kmsg.OffsetCommitRequestTopicPartition{Partition: 9})
		r.Topics = append(r.Topics, kmsg.OffsetCommitRequestTopic{Topic: "nope", Partitions: make([]kmsg.OffsetCommitRequestTopicPartition, 1)})
		expect(t, commitCodes(b.OffsetCommit(t.Context(), r)), "0 3 3", "by name")
		r.Version = 10
		r.Topics[0].TopicID, r.Topics[0].Topic = [16]byte{'t'}, ""
		r.Topics[1].TopicID, r.Topics[1].Topic = [16]byte{'?'}, ""
		expect(t, commitCodes(b.OffsetCommit(t.Context(), r)), "0 3 100", "by id")

		f := kmsg.NewPtrOffsetFetchRequest()
		f.Version = 10
		g := kmsg.OffsetFetchRequestGroup{Group: "g", Topics: []kmsg.OffsetFetchRequestGroupTopic{
			{TopicID: [16]byte{'?'}, Partitions: []int32{1}}, {TopicID: [16]byte{'t'}, Partitions: []int32{0}}}}
		f.Groups = append(f.Groups, g, kmsg.OffsetFetchRequestGroup{Group: "g"})
		got := b.OffsetFetch(t.Context(), f)
		expect(t, fmt.Sprint(got.Groups[0].Topics[0].TopicID[0], got.Groups[0].Topics[0].Partitions[0].Offset, got.Groups[0].Topics[1].Partitions[0].ErrorCode),
			fmt.Sprint('t', 5, 100), "one by one")
		expect(t, fmt.Sprint(len(got.Groups[1].Topics), got.Groups[1].Topics[0].TopicID[0]), fmt.Sprint(1, 't'), "all")
	})
}

func commitCodes(r *kmsg.OffsetCommitResponse) string {
	var all []string
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			all = append(all, fmt.Sprint(p.ErrorCode))
		}
	}
	return strings.Join(all, " ")
}

// The oldest versions have one group and, first, no room for its error.
func TestOffsetFetchVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.lead(1)
		b.commit("g", 5)
		for v := int16(1); v <= 7; v++ {
			f := kmsg.NewPtrOffsetFetchRequest()
			f.Version, f.Group = v, "g"
			f.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0, 1}}}
			got := b.OffsetFetch(t.Context(), f)
			expect(t, fmt.Sprint(got.ErrorCode, got.Topics[0].Partitions[0].Offset, got.Topics[0].Partitions[1].Offset), "0 5 -1", "fetch")
			if v >= 2 {
				f.Topics = nil
				expect(t, len(b.OffsetFetch(t.Context(), f).Topics), 1, "fetch all")
			}
		}
		b.Resign(0, 1)
		f := kmsg.NewPtrOffsetFetchRequest()
		f.Version, f.Group = 1, "g"
		f.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0}}}
		expect(t, b.OffsetFetch(t.Context(), f).Topics[0].Partitions[0].ErrorCode, kerr.NotCoordinator.Code, "v1 error")
		f.Version = 2
		got := b.OffsetFetch(t.Context(), f)
		expect(t, fmt.Sprint(got.ErrorCode, len(got.Topics)), fmt.Sprint(kerr.NotCoordinator.Code, 0), "v2 error")
	})
}
