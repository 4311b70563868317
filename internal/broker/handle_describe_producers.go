package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
)

func (b *Broker) handleDescribeProducers(_ context.Context, r *Request, req *kmsg.DescribeProducersRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeProducersResponse()
	for i := range req.Topics {
		t := &req.Topics[i]
		out := kmsg.NewDescribeProducersResponseTopic()
		out.Topic = t.Topic
		for _, index := range t.Partitions {
			out.Partitions = append(out.Partitions, b.describeProducers(t.Topic, index))
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (b *Broker) describeProducers(topic string, index int32) kmsg.DescribeProducersResponseTopicPartition {
	out := kmsg.NewDescribeProducersResponseTopicPartition()
	out.Partition = index
	p, err := b.replicas.Partition(topic, index)
	if err != nil {
		if metadata.CheckTopicName(topic) != "" {
			err = kerr.InvalidTopicException
		}
		out.ErrorCode = err.Code
		if b.replicas.Topic(topic) == nil {
			out.ErrorMessage = &err.Description
		}
		return out
	}
	for _, info := range p.Log().Producers() {
		a := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		a.ProducerID = info.ProducerID
		a.ProducerEpoch = int32(info.Epoch)
		a.LastSequence = info.LastSequence
		a.LastTimestamp = info.LastTimestamp
		a.CoordinatorEpoch = info.CoordinatorEpoch
		a.CurrentTxnStartOffset = info.TxnStartOffset
		out.ActiveProducers = append(out.ActiveProducers, a)
	}
	return out
}
