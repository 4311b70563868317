package coordinator

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/coord/share"
)

func TestPatientWaitsForTheCoordinator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestShares(t, 2)
		p := Patient{Persister: s, Clock: clock.System}
		var list []share.InitializePartition
		var read []share.ReadPartition
		for i := range int32(8) {
			tp := share.TopicPartition{TopicID: [16]byte{1}, Partition: i}
			list = append(list, share.InitializePartition{TopicPartition: tp, StateEpoch: 1, StartOffset: int64(100 + i)})
			read = append(read, share.ReadPartition{TopicPartition: tp, LeaderEpoch: -1})
		}
		// One of two shards is there from the start, the other after a second; until then its partitions are asked for again.
		s.Lead(0, 0, &memLog{})
		time.AfterFunc(time.Second, func() { s.Lead(1, 0, &memLog{}) })
		began := time.Now()
		for i, r := range p.Initialize(t.Context(), "g", list) {
			if r.Err != nil || r.Partition != int32(i) {
				t.Fatalf("%d: %+v", i, r)
			}
		}
		if took := time.Since(began); took < time.Second || took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
		for i, r := range p.ReadSummary(t.Context(), "g", read) {
			if r.Err != nil || r.StartOffset != int64(100+i) {
				t.Fatalf("%d: %+v", i, r)
			}
		}

		// What is no question of time is said at once.
		began = time.Now()
		strange := []share.ReadPartition{{TopicPartition: share.TopicPartition{TopicID: [16]byte{2}}}}
		if r := p.Read(t.Context(), "g", strange)[0]; r.Err != kerr.InvalidRequest || time.Since(began) != 0 {
			t.Errorf("%+v after %v", r, time.Since(began))
		}
	})
}

func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Patient{Persister: newTestShares(t, 1), Clock: clock.System}
		list := []share.TopicPartition{{TopicID: [16]byte{1}}}
		for _, c := range []struct {
			limit time.Duration // of the caller
			most  time.Duration
		}{{time.Hour, 20 * time.Second}, {time.Second, time.Second}} {
			ctx, cancel := context.WithTimeout(t.Context(), c.limit)
			began := time.Now()
			if r := p.Delete(ctx, "g", list)[0]; r.Err != kerr.NotCoordinator || time.Since(began) > c.most {
				t.Errorf("%s after %v", fmt.Sprint(r.Err), time.Since(began))
			}
			cancel()
		}
	})
}
