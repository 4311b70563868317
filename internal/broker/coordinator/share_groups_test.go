package coordinator

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/coord/group"
	"leat.dev/internal/coord/share"
)

// oneTopic is a cluster with the topic t of two partitions.
type oneTopic struct{}

func (oneTopic) Version() int64 { return 1 }
func (oneTopic) Topic(name string) (group.TopicInfo, bool) {
	return group.TopicInfo{ID: [16]byte{'t'}, Partitions: 2}, name == "t"
}
func (oneTopic) TopicName(id [16]byte) (string, bool) { return "t", id == [16]byte{'t'} }
func (oneTopic) TopicNames() iter.Seq[string]         { return slices.Values([]string{"t"}) }
func (oneTopic) Racks(string, int32) []string         { return nil }

// shareBook is a share coordinator in memory that may refuse, or hang until its caller
// gives up.
type shareBook struct {
	mu    sync.Mutex
	err   *kerr.Error
	hang  bool
	state map[share.TopicPartition]int64
}

func (b *shareBook) set(err *kerr.Error, hang bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err, b.hang = err, hang
}

// wait hangs if it is told to, and returns the error that all get.
func (b *shareBook) wait(ctx context.Context) *kerr.Error {
	b.mu.Lock()
	hang, err := b.hang, b.err
	b.mu.Unlock()
	if hang {
		<-ctx.Done()
		return kerr.RequestTimedOut
	}
	return err
}

func (b *shareBook) Initialize(ctx context.Context, _ string, all []share.InitializePartition) (out []share.Result) {
	err := b.wait(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range all {
		if err == nil {
			b.state[p.TopicPartition] = p.StartOffset
		}
		out = append(out, share.Result{TopicPartition: p.TopicPartition, Err: err})
	}
	return out
}

func (b *shareBook) Delete(ctx context.Context, _ string, all []share.TopicPartition) (out []share.Result) {
	err := b.wait(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, tp := range all {
		if err == nil {
			delete(b.state, tp)
		}
		out = append(out, share.Result{TopicPartition: tp, Err: err})
	}
	return out
}

func (b *shareBook) ReadSummary(_ context.Context, _ string, all []share.ReadPartition) (out []share.SummaryResult) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range all {
		r := share.SummaryResult{Result: share.Result{TopicPartition: p.TopicPartition, Err: b.err}, StartOffset: share.NoOffset}
		if start, ok := b.state[p.TopicPartition]; ok {
			r.StartOffset, r.DeliveryCompleteCount, r.LeaderEpoch = start, 2, 3
		}
		out = append(out, r)
	}
	return out
}

func (b *shareBook) Read(context.Context, string, []share.ReadPartition) []share.ReadResult {
	return nil
}

func (b *shareBook) Write(context.Context, string, []share.WritePartition) []share.Result { return nil }

type shareBench struct {
	*Groups
	t    *testing.T
	book *shareBook
	gone []string
}

func newShareBench(t *testing.T) *shareBench {
	b := &shareBench{t: t, book: &shareBook{state: map[share.TopicPartition]int64{}}}
	b.Groups = New(Options{
		Surroundings: quietSurroundings(1), Topics: shareTopics{}, Random: &counting{},
		Settings: func() group.Settings {
			s := group.DefaultSettings()
			s.Share.AssignmentInterval = 0
			return s
		},
		Cluster:         func() group.Cluster { return oneTopic{} },
		SharePersister:  func() share.Persister { return b.book },
		ShareMemberGone: func(_, member string) { b.gone = append(b.gone, member) },
		LatestOffset:    func(string, int32) (int64, *kerr.Error) { return 10, nil },
	})
	t.Cleanup(b.Close)
	b.Lead(0, 1, &memLog{})
	synctest.Wait()
	return b
}

// quietSurroundings are those of a coordinator whose topic is there.
func quietSurroundings(partitions int32) Surroundings {
	return Surroundings{
		Clock: clock.System, Logger: slog.New(slog.DiscardHandler),
		Partitions:  func() int32 { return partitions },
		CreateTopic: func(context.Context) error { return nil },
	}
}

type shareTopics struct{}

func (shareTopics) TopicByName(name string) (Topic, bool) {
	return Topic{Name: "t", ID: [16]byte{'t'}, Partitions: 2}, name == "t"
}
func (s shareTopics) TopicByID(id [16]byte) (Topic, bool) {
	t, _ := s.TopicByName("t")
	return t, id == t.ID
}

func (b *shareBench) beat(epoch int32) *kmsg.ShareGroupHeartbeatResponse {
	req := kmsg.NewPtrShareGroupHeartbeatRequest()
	req.GroupID, req.MemberID, req.MemberEpoch, req.SubscribedTopicNames = "g", "m", epoch, []string{"t"}
	r := b.ShareGroupHeartbeat(b.t.Context(), group.Client{}, req)
	synctest.Wait()
	return r
}

func (b *shareBench) assigned(epoch int32) int {
	n := 0
	for _, t := range b.beat(epoch).Assignment.TopicPartitions {
		n += len(t.Partitions)
	}
	return n
}

// TestShareState lets the share coordinator refuse and hang: partitions are assigned
// once it has done its part, and a group is deleted after it has.
func TestShareState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newShareBench(t)
		b.book.set(kerr.CoordinatorNotAvailable, false)
		expect(t, b.beat(0).ErrorCode, 0, "join")
		expect(t, b.assigned(2), 0, "partitions without state")
		b.book.set(nil, true)
		expect(t, b.assigned(2), 0, "partitions while the share coordinator hangs")
		b.book.set(nil, false)
		time.Sleep(shareStateTimeout + time.Second)
		synctest.Wait()
		expect(t, b.assigned(2), 0, "partitions after the question was given up, which is asked again")
		expect(t, b.assigned(2), 2, "partitions with state")

		describe := kmsg.DescribeShareGroupOffsetsRequestGroup{GroupID: "g"}
		topics := b.DescribeShareGroupOffsets(t.Context(), &describe).Topics
		expect(t, len(topics), 1, "topics")
		expect(t, topics[0].Partitions[0].StartOffset, share.NoOffset, "start offset")

		expect(t, b.DeleteGroups(t.Context(), []string{"g"})[0].ErrorCode, kerr.NonEmptyGroup.Code, "delete with a member")
		b.beat(-1)
		expect(t, len(b.gone), 1, "members reported gone")
		alter := kmsg.NewPtrAlterShareGroupOffsetsRequest()
		alter.GroupID = "g"
		alter.Topics = []kmsg.AlterShareGroupOffsetsRequestTopic{{Topic: "t", Partitions: []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{Partition: 1, StartOffset: 4}}}}
		b.book.set(kerr.NotCoordinator, false)
		expect(t, b.AlterShareGroupOffsets(t.Context(), alter).Topics[0].Partitions[0].ErrorCode, kerr.NotCoordinator.Code, "alter while refused")
		b.book.set(nil, false)
		expect(t, b.AlterShareGroupOffsets(t.Context(), alter).Topics[0].Partitions[0].ErrorCode, 0, "alter")
		p := b.DescribeShareGroupOffsets(t.Context(), &describe).Topics[0].Partitions[1]
		expect(t, p.StartOffset, 4, "start offset")
		expect(t, p.Lag, 10-4-2, "lag")

		b.book.set(kerr.CoordinatorLoadInProgress, false)
		expect(t, b.DeleteGroups(t.Context(), []string{"g", "none"})[0].ErrorCode, kerr.CoordinatorLoadInProgress.Code, "delete while refused")
		b.book.set(nil, false)
		expect(t, b.DeleteGroups(t.Context(), []string{"g", "none"})[0].ErrorCode, 0, "delete")
		expect(t, len(b.book.state), 0, "share-partitions left behind")
		expect(t, b.DescribeShareGroups(t.Context(), []string{"g"})[0].ErrorCode, kerr.GroupIDNotFound.Code, "describe")
	})
}

// Close does not wait for a share coordinator that hangs.
func TestCloseWithShareQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newShareBench(t)
		b.book.set(nil, true)
		b.beat(0)
		start := time.Now()
		b.Close()
		if d := time.Since(start); d > time.Second {
			t.Errorf("closing took %v", d)
		}
	})
}
