package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (b *Broker) handleOffsetForLeaderEpoch(_ context.Context, r *Request, req *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	resp := kmsg.NewPtrOffsetForLeaderEpochResponse()
	for i := range req.Topics {
		t := &req.Topics[i]
		out := kmsg.NewOffsetForLeaderEpochResponseTopic()
		out.Topic = t.Topic
		for j := range t.Partitions {
			p := &t.Partitions[j]
			answer := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			answer.Partition = p.Partition
			epoch, end, err := b.offsetForEpoch(t.Topic, p)
			answer.LeaderEpoch, answer.EndOffset = epoch, end
			if err != nil {
				answer.ErrorCode = err.Code
			}
			out.Partitions = append(out.Partitions, answer)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (b *Broker) offsetForEpoch(topic string, p *kmsg.OffsetForLeaderEpochRequestTopicPartition) (epoch int32, end int64, err *kerr.Error) {
	part, err := b.replicas.Partition(topic, p.Partition)
	if err != nil {
		return -1, -1, err
	}
	if err := part.CheckEpoch(p.CurrentLeaderEpoch); err != nil {
		return -1, -1, err
	}
	epoch, end = part.Log().EndOffsetForEpoch(p.LeaderEpoch)
	return epoch, end, nil
}
