package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleDeleteRecords answers once the new starts are durable. Kafka leaves that to its next checkpoint, so that a crash
// within the minute brings deleted records back.
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
	if err := b.replicas.SaveLogStarts(); err != nil {
		b.log.Error("log starts cannot be made durable", "error", err)
		failDeleteRecords(resp, kerr.KafkaStorageError.Code)
	}
	return resp
}

// failDeleteRecords answers code where a partition would have been answered without an error.
func failDeleteRecords(resp *kmsg.DeleteRecordsResponse, code int16) {
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			if p := &resp.Topics[i].Partitions[j]; p.ErrorCode == 0 {
				p.LowWatermark, p.ErrorCode = -1, code
			}
		}
	}
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
