package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/share"
)

// The APIs of the share coordinator, which brokers call. They take the same way as calls within the process: each turns
// the topics of its request into a flat list and back.

// shareState answers the topics of one such request. flat lists the share-partitions of a topic, ask has those of all
// topics answered, in order, and answer makes a topic of the response from its share of the results.
func shareState[T, P, R, Out any](topics []T, flat func(*T) []P, ask func([]P) []R, answer func(*T, []R) Out) []Out {
	var all []P
	ends := make([]int, len(topics))
	for i := range topics {
		all = append(all, flat(&topics[i])...)
		ends[i] = len(all)
	}
	var results []R
	if len(all) > 0 {
		results = ask(all)
	}
	out, from := make([]Out, len(topics)), 0
	for i, end := range ends {
		out[i] = answer(&topics[i], results[from:end])
		from = end
	}
	return out
}

// resultCode is a result as responses carry it.
func resultCode(r *share.Result) (code int16, message *string) {
	if r.Err == nil {
		return 0, nil
	}
	return r.Err.Code, &r.Message
}

// handleInitializeShareGroupState makes the state of share-partitions, or replaces it.
func (b *Broker) handleInitializeShareGroupState(ctx context.Context, _ *Request, req *kmsg.InitializeShareGroupStateRequest) kmsg.Response {
	resp := kmsg.NewPtrInitializeShareGroupStateResponse()
	resp.Topics = shareState(req.Topics,
		func(t *kmsg.InitializeShareGroupStateRequestTopic) (out []share.InitializePartition) {
			for _, p := range t.Partitions {
				out = append(out, share.InitializePartition{
					TopicPartition: share.TopicPartition{TopicID: t.TopicID, Partition: p.Partition}, StateEpoch: p.StateEpoch, StartOffset: p.StartOffset,
				})
			}
			return out
		},
		func(list []share.InitializePartition) []share.Result {
			return b.shares.Initialize(ctx, req.GroupID, list)
		},
		func(t *kmsg.InitializeShareGroupStateRequestTopic, results []share.Result) kmsg.InitializeShareGroupStateResponseTopic {
			out := kmsg.NewInitializeShareGroupStateResponseTopic()
			out.TopicID = t.TopicID
			for i := range results {
				r := &results[i]
				p := kmsg.NewInitializeShareGroupStateResponseTopicPartition()
				p.Partition = r.Partition
				p.ErrorCode, p.ErrorMessage = resultCode(r)
				out.Partitions = append(out.Partitions, p)
			}
			return out
		})
	return resp
}

// handleDeleteShareGroupState forgets share-partitions.
func (b *Broker) handleDeleteShareGroupState(ctx context.Context, _ *Request, req *kmsg.DeleteShareGroupStateRequest) kmsg.Response {
	resp := kmsg.NewPtrDeleteShareGroupStateResponse()
	resp.Topics = shareState(req.Topics,
		func(t *kmsg.DeleteShareGroupStateRequestTopic) (out []share.TopicPartition) {
			for _, p := range t.Partitions {
				out = append(out, share.TopicPartition{TopicID: t.TopicID, Partition: p.Partition})
			}
			return out
		},
		func(list []share.TopicPartition) []share.Result { return b.shares.Delete(ctx, req.GroupID, list) },
		func(t *kmsg.DeleteShareGroupStateRequestTopic, results []share.Result) kmsg.DeleteShareGroupStateResponseTopic {
			out := kmsg.NewDeleteShareGroupStateResponseTopic()
			out.TopicID = t.TopicID
			for i := range results {
				r := &results[i]
				p := kmsg.NewDeleteShareGroupStateResponseTopicPartition()
				p.Partition = r.Partition
				p.ErrorCode, p.ErrorMessage = resultCode(r)
				out.Partitions = append(out.Partitions, p)
			}
			return out
		})
	return resp
}

// handleWriteShareGroupState changes the state of share-partitions.
func (b *Broker) handleWriteShareGroupState(ctx context.Context, _ *Request, req *kmsg.WriteShareGroupStateRequest) kmsg.Response {
	resp := kmsg.NewPtrWriteShareGroupStateResponse()
	resp.Topics = shareState(req.Topics,
		writePartitions,
		func(list []share.WritePartition) []share.Result { return b.shares.Write(ctx, req.GroupID, list) },
		func(t *kmsg.WriteShareGroupStateRequestTopic, results []share.Result) kmsg.WriteShareGroupStateResponseTopic {
			out := kmsg.NewWriteShareGroupStateResponseTopic()
			out.TopicID = t.TopicID
			for i := range results {
				r := &results[i]
				p := kmsg.NewWriteShareGroupStateResponseTopicPartition()
				p.Partition = r.Partition
				p.ErrorCode, p.ErrorMessage = resultCode(r)
				out.Partitions = append(out.Partitions, p)
			}
			return out
		})
	return resp
}

func writePartitions(t *kmsg.WriteShareGroupStateRequestTopic) (out []share.WritePartition) {
	for _, p := range t.Partitions {
		w := share.WritePartition{
			TopicPartition: share.TopicPartition{TopicID: t.TopicID, Partition: p.Partition},
			StateEpoch:     p.StateEpoch, LeaderEpoch: p.LeaderEpoch, StartOffset: p.StartOffset, DeliveryCompleteCount: p.DeliveryCompleteCount,
		}
		for _, s := range p.StateBatches {
			w.Batches = append(w.Batches, share.StateBatch{
				First: s.FirstOffset, Last: s.LastOffset, State: share.DeliveryState(s.DeliveryState), DeliveryCount: s.DeliveryCount,
			})
		}
		out = append(out, w)
	}
	return out
}

// handleReadShareGroupState tells the leader of a partition what share groups have consumed of it.
func (b *Broker) handleReadShareGroupState(ctx context.Context, _ *Request, req *kmsg.ReadShareGroupStateRequest) kmsg.Response {
	resp := kmsg.NewPtrReadShareGroupStateResponse()
	resp.Topics = shareState(req.Topics,
		func(t *kmsg.ReadShareGroupStateRequestTopic) (out []share.ReadPartition) {
			for _, p := range t.Partitions {
				out = append(out, share.ReadPartition{
					TopicPartition: share.TopicPartition{TopicID: t.TopicID, Partition: p.Partition}, LeaderEpoch: p.LeaderEpoch,
				})
			}
			return out
		},
		func(list []share.ReadPartition) []share.ReadResult { return b.shares.Read(ctx, req.GroupID, list) },
		func(t *kmsg.ReadShareGroupStateRequestTopic, results []share.ReadResult) kmsg.ReadShareGroupStateResponseTopic {
			out := kmsg.NewReadShareGroupStateResponseTopic()
			out.TopicID = t.TopicID
			for i := range results {
				r := &results[i]
				p := kmsg.NewReadShareGroupStateResponseTopicPartition()
				p.Partition = r.Partition
				p.ErrorCode, p.ErrorMessage = resultCode(&r.Result)
				if r.Err == nil {
					p.StateEpoch, p.StartOffset = r.StateEpoch, r.StartOffset
					for _, s := range r.Batches {
						batch := kmsg.NewReadShareGroupStateResponseTopicPartitionStateBatch()
						batch.FirstOffset, batch.LastOffset, batch.DeliveryState, batch.DeliveryCount = s.First, s.Last, int8(s.State), s.DeliveryCount
						p.StateBatches = append(p.StateBatches, batch)
					}
				}
				out.Partitions = append(out.Partitions, p)
			}
			return out
		})
	return resp
}

// handleReadShareGroupStateSummary tells how far share groups are.
func (b *Broker) handleReadShareGroupStateSummary(ctx context.Context, _ *Request, req *kmsg.ReadShareGroupStateSummaryRequest) kmsg.Response {
	resp := kmsg.NewPtrReadShareGroupStateSummaryResponse()
	resp.Topics = shareState(req.Topics,
		func(t *kmsg.ReadShareGroupStateSummaryRequestTopic) (out []share.ReadPartition) {
			for _, p := range t.Partitions {
				out = append(out, share.ReadPartition{
					TopicPartition: share.TopicPartition{TopicID: t.TopicID, Partition: p.Partition}, LeaderEpoch: p.LeaderEpoch,
				})
			}
			return out
		},
		func(list []share.ReadPartition) []share.SummaryResult {
			return b.shares.ReadSummary(ctx, req.GroupID, list)
		},
		func(t *kmsg.ReadShareGroupStateSummaryRequestTopic, results []share.SummaryResult) kmsg.ReadShareGroupStateSummaryResponseTopic {
			out := kmsg.NewReadShareGroupStateSummaryResponseTopic()
			out.TopicID = t.TopicID
			for i := range results {
				r := &results[i]
				p := kmsg.NewReadShareGroupStateSummaryResponseTopicPartition()
				p.Partition = r.Partition
				p.ErrorCode, p.ErrorMessage = resultCode(&r.Result)
				if r.Err == nil {
					p.StateEpoch, p.LeaderEpoch = r.StateEpoch, r.LeaderEpoch
					p.StartOffset, p.DeliveryCompleteCount = r.StartOffset, r.DeliveryCompleteCount
				}
				out.Partitions = append(out.Partitions, p)
			}
			return out
		})
	return resp
}
