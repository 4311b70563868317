package broker

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/vfs"
)

// What was acknowledged with acks=all is there after a power cut that takes, tears or corrupts everything that was not
// synced; so are topics and the offsets that groups committed.
func TestPowerCutKeepsWhatWasAcknowledged(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			disk := vfs.NewMem(seed)
			h := startOn(t, disk, "/log")
			h.createTopic("t", 2)
			var mu sync.Mutex
			acked := map[int32][]string{}
			var wg sync.WaitGroup
			for p := range int32(2) {
				wg.Go(func() {
					c := h.dial()
					for i := range 30 {
						v := fmt.Sprintf("%d-%d", p, i)
						c.produce("t", p, records(v))
						mu.Lock()
						acked[p] = append(acked[p], v)
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			c := h.dial()
			commitOffset(t, c, "g", "t", 17)
			// More that nobody was told of.
			c.send(produceRequest("t", 0, -1, records("unknown")), 9)

			after := startOn(t, disk.Crash(), "/log")
			c = after.dial()
			for p := range int32(2) {
				got := c.consume("t", p, 0)
				if len(got) < 30 || !slices.Equal(got[:30], acked[p]) {
					t.Errorf("partition %d: %q", p, got)
				}
			}
			if got := committedOffset(t, c, "g", "t"); got != 17 {
				t.Errorf("committed offset %d", got)
			}
		})
	}
}

func commitOffset(t *testing.T, c *conn, group, topic string, offset int64) {
	t.Helper()
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKey = group
	waitFor(t, func() bool { return ask[*kmsg.FindCoordinatorResponse](c, find, 2).ErrorCode == 0 })
	waitFor(t, func() bool {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.Generation = group, -1
		req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: offset, LeaderEpoch: -1}}}}
		return ask[*kmsg.OffsetCommitResponse](c, req, 8).Topics[0].Partitions[0].ErrorCode == 0
	})
}

func committedOffset(t *testing.T, c *conn, group, topic string) (offset int64) {
	t.Helper()
	waitFor(t, func() bool {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Group = group
		req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: topic, Partitions: []int32{0}}}
		resp := ask[*kmsg.OffsetFetchResponse](c, req, 5)
		if resp.ErrorCode != 0 {
			return false // still loading
		}
		offset = resp.Topics[0].Partitions[0].Offset
		return true
	})
	return offset
}
