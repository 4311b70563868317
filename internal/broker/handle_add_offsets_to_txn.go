package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/txn"
)

// handleAddOffsetsToTxn makes a group's partition of __consumer_offsets part of a transaction.
func (b *Broker) handleAddOffsetsToTxn(ctx context.Context, r *Request, req *kmsg.AddOffsetsToTxnRequest) kmsg.Response {
	resp := kmsg.NewPtrAddOffsetsToTxnResponse()
	if req.TransactionalID == "" {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	if err := b.groups.EnsureTopic(ctx); err != nil {
		b.log.Warn("the topic of the group coordinator cannot be created", "err", err)
		resp.ErrorCode = kerr.CoordinatorNotAvailable.Code
		return resp
	}
	partition, ok := b.groups.PartitionFor(req.Group)
	if !ok {
		resp.ErrorCode = kerr.CoordinatorNotAvailable.Code
		return resp
	}
	reply := b.txns.AddPartitions(ctx, txn.AddPartitions{
		TransactionalID: req.TransactionalID,
		Producer:        txn.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch},
		Partitions:      []txn.TopicPartition{{Topic: offsetsTopic, Partition: partition}},
		Patience:        txnPatience,
	})
	resp.ErrorCode = fencedBefore(reply.Err, r.Version, 2)
	return resp
}
