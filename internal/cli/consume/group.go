package consume

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/cli/command"
)

// groupOptions make the client a member of the group. Which partitions are ours, and from where, is learned from
// the callbacks; a rebalance waits until printed records are committed.
func (r *reader) groupOptions() []kgo.Opt {
	topics := map[string]bool{}
	for tp := range r.spans {
		topics[tp.topic] = true
	}
	r.mine, r.coming = spans{}, map[topicPartition]bool{}
	opts := []kgo.Opt{
		kgo.ConsumerGroup(r.o.group),
		kgo.ConsumeTopics(slices.Sorted(maps.Keys(topics))...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.AdjustFetchOffsetsFn(r.adjust),
		kgo.OnPartitionsAssigned(r.gained),
		kgo.OnPartitionsRevoked(r.revoked),
		kgo.OnPartitionsLost(r.revoked),
	}
	if r.o.groupProtocol == "consumer" {
		opts = append(opts, kgo.ServerSideBalancer())
	}
	return opts
}

// gained notes newly assigned partitions. Their committed offsets are asked for after this.
func (r *reader) gained(_ context.Context, _ *kgo.Client, gained map[string][]int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.assigned = time.Now()
	for topic, partitions := range gained {
		for _, p := range partitions {
			if tp := (topicPartition{topic, p}); r.spans[tp] != nil {
				r.coming[tp] = true
			}
		}
	}
}

// adjust sees the committed offsets of newly assigned partitions before they are fetched. Partitions without one
// start where the flags say.
func (r *reader) adjust(_ context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for topic, partitions := range offsets {
		for p, o := range partitions {
			tp := topicPartition{topic, p}
			sp, ok := r.spans[tp]
			if !ok {
				continue // a partition added since
			}
			mine := *sp
			if at := o.EpochOffset().Offset; at >= 0 {
				mine.next = at
			} else {
				partitions[p] = kgo.NewOffset().At(mine.next)
			}
			r.mine[tp] = &mine
			delete(r.coming, tp)
		}
	}
	return offsets, nil
}

func (r *reader) revoked(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for topic, partitions := range lost {
		for _, p := range partitions {
			tp := topicPartition{topic, p}
			delete(r.mine, tp)
			delete(r.coming, tp)
			delete(r.recent, tp)
		}
	}
}

// commit tells the group what was printed.
func (r *reader) commit(ctx context.Context, client *command.Client) error {
	r.mu.Lock()
	records := slices.Collect(maps.Values(r.recent))
	clear(r.recent)
	r.mu.Unlock()
	if len(records) == 0 {
		return nil
	}
	if err := client.CommitRecords(ctx, records...); err != nil {
		return client.Explain(fmt.Sprintf("commit offsets of group %q", r.o.group), err)
	}
	return nil
}
