package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (b *Broker) handleDeleteRecords(_ context.Context, r *Request, req *kmsg.DeleteRecordsRequest) kmsg.Response {
	resp := kmsg.NewPtrDeleteRecordsResponse()
	for i := range req.Topics {
		t := &req.Topics[i]
		out := kmsg.NewDeleteRecordsResponseTopic()
		out.Topic = t.Topic
		for j := range t.Partitions {
			p := &t.Partitions[j]
			answer := kmsg.NewDeleteRecordsResponseTopicPartition()
			answer.Partition = p.Partition
			low, err := b.deleteRecords(t.Topic, p.Partition, p.Offset)
			answer.LowWatermark = low
			if err != nil {
				answer.LowWatermark, answer.ErrorCode = -1, err.Code
			}
			out.Partitions = append(out.Partitions, answer)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// deleteRecords moves the start of a partition up to an offset, -1 for the high watermark. With one replica the low
// watermark is the new start.
func (b *Broker) deleteRecords(topic string, partition int32, offset int64) (low int64, err *kerr.Error) {
	t := b.replicas.Topic(topic)
	if t == nil {
		return 0, kerr.UnknownTopicOrPartition
	}
	if t.Internal {
		return 0, kerr.InvalidTopicException
	}
	p, err := t.Leading(partition)
	if err != nil {
		return 0, err
	}
	log := p.Log()
	if !log.Config().Delete {
		return 0, kerr.PolicyViolation
	}
	if offset == -1 {
		offset = log.HighWatermark()
	}
	if offset < 0 || offset > log.HighWatermark() {
		return 0, kerr.OffsetOutOfRange
	}
	low, e := log.DeleteRecords(offset)
	if e != nil {
		return 0, errorCode(e)
	}
	return low, nil
}
