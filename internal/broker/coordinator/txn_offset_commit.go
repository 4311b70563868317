package coordinator

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group"
)

func endTxnEvent(producerID int64, epoch int16, end coord.EndTxn) func(coord.RequestID) group.Event {
	return func(id coord.RequestID) group.Event {
		return group.EndTxn{ID: id, ProducerID: producerID, ProducerEpoch: epoch, End: end}
	}
}

// TxnOffsetCommit stores offsets that become visible when the producer's
// transaction commits. With verify set the log wants proof, guard, that the
// transaction includes the group's partition of __consumer_offsets, unless it has
// the transaction open already.
func (g *Groups) TxnOffsetCommit(ctx context.Context, req *kmsg.TxnOffsetCommitRequest, verify bool, guard uint64) *kmsg.TxnOffsetCommitResponse {
	resp := kmsg.NewPtrTxnOffsetCommitResponse()
	resp.Version = req.Version
	known := *req
	known.Topics = nil
	var places []place // of known's partitions, in order
	for i := range req.Topics {
		t, unknown := g.topic(false, req.Topics[i].Topic, [16]byte{})
		rt := kmsg.NewTxnOffsetCommitResponseTopic()
		rt.Topic = req.Topics[i].Topic
		kt := kmsg.NewTxnOffsetCommitRequestTopic()
		kt.Topic = t.Name
		for j, p := range req.Topics[i].Partitions {
			rp := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			rp.Partition = p.Partition
			if err := unknown.orPartition(t, p.Partition); err != nil {
				rp.ErrorCode = err.Code
			} else {
				kt.Partitions = append(kt.Partitions, p)
				places = append(places, place{i, j})
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
		if len(kt.Partitions) > 0 {
			known.Topics = append(known.Topics, kt)
		}
	}
	if len(places) == 0 {
		return resp
	}
	r, err := g.call(ctx, req.Group, func(id coord.RequestID) group.Event {
		return group.TxnOffsetCommit{ID: id, Req: &known, Guard: guard, Verify: verify}
	})
	if err != nil {
		for _, at := range places {
			resp.Topics[at.topic].Partitions[at.partition].ErrorCode = err.Code
		}
		return resp
	}
	for _, t := range r.(*kmsg.TxnOffsetCommitResponse).Topics {
		for _, p := range t.Partitions {
			at := places[0]
			places = places[1:]
			resp.Topics[at.topic].Partitions[at.partition].ErrorCode = p.ErrorCode
		}
	}
	return resp
}
