package coordinator

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord/share"
)

// prunedLog is a memLog whose start can be cut off.
type prunedLog struct {
	*memLog
	start int64
}

func (l *prunedLog) StartOffset() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start
}

func (l *prunedLog) Prune(before int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.start = max(l.start, before)
	return nil
}

func newTestShares(t *testing.T, partitions int32) *Shares {
	s := NewShares(ShareOptions{
		Surroundings: quietSurroundings(partitions),
		Settings: func() share.Settings {
			set := share.DefaultSettings()
			set.UpdatesPerSnapshot = 5
			return set
		},
		Exists: func(share.TopicPartition) bool { return true },
	})
	t.Cleanup(s.Close)
	return s
}

func TestSharesAnswerInOrderFromAllShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestShares(t, 4)
		ctx := t.Context()
		var list []share.InitializePartition
		var read []share.ReadPartition
		for p := range int32(20) {
			tp := share.TopicPartition{TopicID: [16]byte{1}, Partition: p}
			list = append(list, share.InitializePartition{TopicPartition: tp, StateEpoch: 1, StartOffset: int64(100 + p)})
			read = append(read, share.ReadPartition{TopicPartition: tp, LeaderEpoch: -1})
		}
		for i, r := range s.Initialize(ctx, "g", list) {
			if r.Err != kerr.NotCoordinator || r.Partition != int32(i) {
				t.Fatalf("%+v", r)
			}
		}
		for p := range int32(4) {
			s.Lead(p, 0, &memLog{})
		}
		synctest.Wait()
		for i, r := range s.Initialize(ctx, "g", list) {
			if r.Err != nil || r.Partition != int32(i) {
				t.Fatalf("%+v", r)
			}
		}
		for i, r := range s.ReadSummary(ctx, "g", read) {
			if r.Err != nil || r.StartOffset != int64(100+i) {
				t.Fatalf("%d: %+v", i, r)
			}
		}
		if got := s.Read(ctx, "g", nil); len(got) != 0 {
			t.Fatal(got)
		}
	})
}

func TestSharesCutTheirLogOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestShares(t, 1)
		log := &prunedLog{memLog: &memLog{}}
		s.Lead(0, 0, log)
		synctest.Wait()
		ctx := t.Context()
		tp := share.TopicPartition{TopicID: [16]byte{1}}
		idle := share.TopicPartition{TopicID: [16]byte{1}, Partition: 1}
		s.Initialize(ctx, "g", []share.InitializePartition{{TopicPartition: tp, StateEpoch: 1}, {TopicPartition: idle, StateEpoch: 1, StartOffset: 7}})
		for i := range 100 {
			r := s.Write(ctx, "g", []share.WritePartition{{
				TopicPartition: tp, StateEpoch: 1, StartOffset: int64(i), Batches: []share.StateBatch{{First: int64(i + 2), Last: int64(i + 2), State: share.Acknowledged, DeliveryCount: 1}},
			}})
			if r[0].Err != nil {
				t.Fatal(r)
			}
			time.Sleep(20 * time.Second)
		}
		if start := log.StartOffset(); start == 0 || log.EndOffset()-start > 40 {
			t.Fatalf("the log is %d to %d", start, log.EndOffset())
		}
		// What is left is enough.
		read := []share.ReadPartition{{TopicPartition: tp, LeaderEpoch: -1}, {TopicPartition: idle, LeaderEpoch: -1}}
		before := fmt.Sprintf("%+v", s.Read(ctx, "g", read))
		s.Lead(0, 1, log)
		synctest.Wait()
		if after := fmt.Sprintf("%+v", s.Read(ctx, "g", read)); after != before {
			t.Fatalf("%s\nafter a load\n%s", before, after)
		}
		s.TopicsDeleted([][16]byte{{1}})
		synctest.Wait()
		if r := s.Read(ctx, "g", read[:1])[0]; r.Err != kerr.InvalidRequest {
			t.Fatalf("%+v", r)
		}
	})
}

func TestShareKey(t *testing.T) {
	// Apache Kafka's SharePartitionKey.asCoordinatorKey.
	tp := share.TopicPartition{TopicID: [16]byte{0x3f, 0x3f, 0xe3, 0x84, 0x48, 0x10, 0xa6, 0xc7, 0x59, 0x33, 0xff, 0xe4, 0x0f, 0x21, 0, 0xff}, Partition: 3}
	if got := ShareKey("g:h", tp); got != "g:h:Pz_jhEgQpsdZM__kDyEA_w:3" {
		t.Fatal(got)
	}
}
