package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/share"
)

// The APIs of the share coordinator, which brokers call. They take the same way as calls within the process: each turns
// the topics of its request into a flat list and back.

const noGroup = "Group id must be specified and non-empty."

// shareState answers one such request. flat lists the share-partitions of a topic, ask has them answered, and add puts
// an answer into the response, under the topic of that index.
func shareState[T, P any](
	group string, topics []T, flat func(*T) []P, ask func([]P) []share.Result, add func(topic, index int, tp share.TopicPartition, r share.Result),
	tpOf func(*P) share.TopicPartition,
) {
	var all []P
	var topicOf []int
	for i := range topics {
		for _, p := range flat(&topics[i]) {
			all = append(all, p)
			topicOf = append(topicOf, i)
		}
	}
	var results []share.Result
	if group != "" && len(all) > 0 {
		results = ask(all)
	}
	for i := range all {
		tp := tpOf(&all[i])
		r := share.Result{TopicPartition: tp, Err: kerr.InvalidRequest, Message: noGroup}
		if group != "" {
			r = results[i]
		}
		add(topicOf[i], i, tp, r)
	}
}

// resultCode is a result as responses carry it.
func resultCode(r share.Result) (code int16, message *string) {
	if r.Err == nil {
		return 0, nil
	}
	return r.Err.Code, &r.Message
}

// handleInitializeShareGroupState makes the state of share-partitions, or replaces it.
func (b *Broker) handleInitializeShareGroupState(ctx context.Context, _ *Request, req *kmsg.InitializeShareGroupStateRequest) kmsg.Response {
	resp := kmsg.NewPtrInitializeShareGroupStateResponse()
	for i := range req.Topics {
		t := kmsg.NewInitializeShareGroupStateResponseTopic()
		t.TopicID = req.Topics[i].TopicID
		resp.Topics = append(resp.Topics, t)
	}
	shareState(req.GroupID, req.Topics,
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
		func(topic, _ int, tp share.TopicPartition, r share.Result) {
			p := kmsg.NewInitializeShareGroupStateResponseTopicPartition()
			p.Partition = tp.Partition
			p.ErrorCode, p.ErrorMessage = resultCode(r)
			resp.Topics[topic].Partitions = append(resp.Topics[topic].Partitions, p)
		},
		func(p *share.InitializePartition) share.TopicPartition { return p.TopicPartition })
	return resp
}

// handleDeleteShareGroupState forgets share-partitions.
func (b *Broker) handleDeleteShareGroupState(ctx context.Context, _ *Request, req *kmsg.DeleteShareGroupStateRequest) kmsg.Response {
	resp := kmsg.NewPtrDeleteShareGroupStateResponse()
	for i := range req.Topics {
		t := kmsg.NewDeleteShareGroupStateResponseTopic()
		t.TopicID = req.Topics[i].TopicID
		resp.Topics = append(resp.Topics, t)
	}
	shareState(req.GroupID, req.Topics,
		func(t *kmsg.DeleteShareGroupStateRequestTopic) (out []share.TopicPartition) {
			for _, p := range t.Partitions {
				out = append(out, share.TopicPartition{TopicID: t.TopicID, Partition: p.Partition})
			}
			return out
		},
		func(list []share.TopicPartition) []share.Result { return b.shares.Delete(ctx, req.GroupID, list) },
		func(topic, _ int, tp share.TopicPartition, r share.Result) {
			p := kmsg.NewDeleteShareGroupStateResponseTopicPartition()
			p.Partition = tp.Partition
			p.ErrorCode, p.ErrorMessage = resultCode(r)
			resp.Topics[topic].Partitions = append(resp.Topics[topic].Partitions, p)
		},
		func(p *share.TopicPartition) share.TopicPartition { return *p })
	return resp
}

// handleWriteShareGroupState changes the state of share-partitions.
func (b *Broker) handleWriteShareGroupState(ctx context.Context, _ *Request, req *kmsg.WriteShareGroupStateRequest) kmsg.Response {
	resp := kmsg.NewPtrWriteShareGroupStateResponse()
	for i := range req.Topics {
		t := kmsg.NewWriteShareGroupStateResponseTopic()
		t.TopicID = req.Topics[i].TopicID
		resp.Topics = append(resp.Topics, t)
	}
	shareState(req.GroupID, req.Topics, writePartitions,
		func(list []share.WritePartition) []share.Result { return b.shares.Write(ctx, req.GroupID, list) },
		func(topic, _ int, tp share.TopicPartition, r share.Result) {
			p := kmsg.NewWriteShareGroupStateResponseTopicPartition()
			p.Partition = tp.Partition
			p.ErrorCode, p.ErrorMessage = resultCode(r)
			resp.Topics[topic].Partitions = append(resp.Topics[topic].Partitions, p)
		},
		func(p *share.WritePartition) share.TopicPartition { return p.TopicPartition })
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
	for i := range req.Topics {
		t := kmsg.NewReadShareGroupStateResponseTopic()
		t.TopicID = req.Topics[i].TopicID
		resp.Topics = append(resp.Topics, t)
	}
	var found []share.ReadResult
	shareState(req.GroupID, req.Topics,
		func(t *kmsg.ReadShareGroupStateRequestTopic) (out []share.ReadPartition) {
			for _, p := range t.Partitions {
				out = append(out, share.ReadPartition{
					TopicPartition: share.TopicPartition{TopicID: t.TopicID, Partition: p.Partition}, LeaderEpoch: p.LeaderEpoch,
				})
			}
			return out
		},
		func(list []share.ReadPartition) (out []share.Result) {
			found = b.shares.Read(ctx, req.GroupID, list)
			for i := range found {
				out = append(out, found[i].Result)
			}
			return out
		},
		func(topic, i int, tp share.TopicPartition, r share.Result) {
			p := kmsg.NewReadShareGroupStateResponseTopicPartition()
			p.Partition = tp.Partition
			p.ErrorCode, p.ErrorMessage = resultCode(r)
			if r.Err == nil {
				p.StateEpoch, p.StartOffset = found[i].StateEpoch, found[i].StartOffset
				for _, s := range found[i].Batches {
					out := kmsg.NewReadShareGroupStateResponseTopicPartitionStateBatch()
					out.FirstOffset, out.LastOffset, out.DeliveryState, out.DeliveryCount = s.First, s.Last, int8(s.State), s.DeliveryCount
					p.StateBatches = append(p.StateBatches, out)
				}
			}
			resp.Topics[topic].Partitions = append(resp.Topics[topic].Partitions, p)
		},
		func(p *share.ReadPartition) share.TopicPartition { return p.TopicPartition })
	return resp
}

// handleReadShareGroupStateSummary tells how far share groups are.
func (b *Broker) handleReadShareGroupStateSummary(ctx context.Context, _ *Request, req *kmsg.ReadShareGroupStateSummaryRequest) kmsg.Response {
	resp := kmsg.NewPtrReadShareGroupStateSummaryResponse()
	for i := range req.Topics {
		t := kmsg.NewReadShareGroupStateSummaryResponseTopic()
		t.TopicID = req.Topics[i].TopicID
		resp.Topics = append(resp.Topics, t)
	}
	var found []share.SummaryResult
	shareState(req.GroupID, req.Topics,
		func(t *kmsg.ReadShareGroupStateSummaryRequestTopic) (out []share.ReadPartition) {
			for _, p := range t.Partitions {
				out = append(out, share.ReadPartition{
					TopicPartition: share.TopicPartition{TopicID: t.TopicID, Partition: p.Partition}, LeaderEpoch: p.LeaderEpoch,
				})
			}
			return out
		},
		func(list []share.ReadPartition) (out []share.Result) {
			found = b.shares.ReadSummary(ctx, req.GroupID, list)
			for i := range found {
				out = append(out, found[i].Result)
			}
			return out
		},
		func(topic, i int, tp share.TopicPartition, r share.Result) {
			p := kmsg.NewReadShareGroupStateSummaryResponseTopicPartition()
			p.Partition = tp.Partition
			p.ErrorCode, p.ErrorMessage = resultCode(r)
			if r.Err == nil {
				p.StateEpoch, p.LeaderEpoch = found[i].StateEpoch, found[i].LeaderEpoch
				p.StartOffset, p.DeliveryCompleteCount = found[i].StartOffset, found[i].DeliveryCompleteCount
			}
			resp.Topics[topic].Partitions = append(resp.Topics[topic].Partitions, p)
		},
		func(p *share.ReadPartition) share.TopicPartition { return p.TopicPartition })
	return resp
}
