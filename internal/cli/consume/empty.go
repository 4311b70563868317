package consume

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
)

// Positions in the header of a record batch, as far as they matter here.
const (
	batchLengthAt    = 8
	batchLastDeltaAt = 23
	batchCountAt     = 57
	batchHeader      = 61
	batchOverhead    = 12
)

// emptyUntil fetches once at the span's next offset and returns the offset up to which there are only batches
// without records. It returns the next offset itself if records are still to come.
func emptyUntil(ctx context.Context, env *command.Env, client *command.Client, tp topicPartition, sp *span, committed bool) (int64, error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 0, 0, 1<<20
	req.ReplicaID = -1
	if committed {
		req.IsolationLevel = 1
	}
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = tp.topic, sp.topicID
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = tp.partition, sp.next, 1<<20
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)

	ctx, cancel := env.Deadline(ctx)
	defer cancel()
	resp, err := client.Broker(int(sp.leader)).Request(ctx, req)
	if err != nil {
		return sp.next, nil // the consuming client retries and reports
	}
	f, ok := resp.(*kmsg.FetchResponse)
	if !ok || f.ErrorCode != 0 || len(f.Topics) != 1 || len(f.Topics[0].Partitions) != 1 {
		return sp.next, nil
	}
	got := f.Topics[0].Partitions[0]
	if err := command.Failure(got.ErrorCode); err != nil {
		if kerr.IsRetriable(err) {
			return sp.next, nil
		}
		return 0, client.Explain(fmt.Sprintf("read partition %d of topic %q", tp.partition, tp.topic), err)
	}
	return skipEmptyBatches(got.RecordBatches, sp.next), nil
}

func skipEmptyBatches(b []byte, next int64) int64 {
	for len(b) >= batchHeader {
		base := int64(binary.BigEndian.Uint64(b))
		size := int64(int32(binary.BigEndian.Uint32(b[batchLengthAt:]))) + batchOverhead
		last := base + int64(int32(binary.BigEndian.Uint32(b[batchLastDeltaAt:])))
		if count := int32(binary.BigEndian.Uint32(b[batchCountAt:])); count != 0 && last >= next {
			return next
		}
		next = max(next, last+1)
		if size < batchHeader || size > int64(len(b)) {
			break
		}
		b = b[size:]
	}
	return next
}
