package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/txn"
)

// handleTxnOffsetCommit stores offsets that a group has once the producer's transaction commits.
func (b *Broker) handleTxnOffsetCommit(ctx context.Context, r *Request, req *kmsg.TxnOffsetCommitRequest) kmsg.Response {
	if req.Group == "" {
		return refusedTxnCommit(req, kerr.InvalidGroupID)
	}
	verify := r.Version >= 5 || b.verifiesTransactions()
	var guard uint64
	var err *kerr.Error
	if verify {
		guard, err = b.verifyOffsets(ctx, r.Version, req)
	}
	if err != nil {
		return refusedTxnCommit(req, oldTxnCommitError(err, r.Version))
	}
	resp := b.groups.TxnOffsetCommit(ctx, req, verify, guard)
	if r.Version < 2 {
		for i := range resp.Topics {
			for j := range resp.Topics[i].Partitions {
				if p := &resp.Topics[i].Partitions[j]; p.ErrorCode == kerr.CoordinatorLoadInProgress.Code {
					p.ErrorCode = kerr.CoordinatorNotAvailable.Code
				}
			}
		}
	}
	return resp
}

// verifyOffsets sees to it that the transaction includes the group's partition of __consumer_offsets: from version 5
// on by adding it, before by asking. It returns the guard to append with.
func (b *Broker) verifyOffsets(ctx context.Context, version int16, req *kmsg.TxnOffsetCommitRequest) (guard uint64, err *kerr.Error) {
	index, ok := b.groups.PartitionFor(req.Group)
	if !ok {
		return 0, kerr.NotCoordinator
	}
	partition, err := b.replicas.Partition(offsetsTopic, index)
	if err != nil {
		return 0, kerr.NotCoordinator
	}
	newer := version >= 5
	v := verifier{
		txns: b.txns, newer: newer, id: req.TransactionalID,
		producer:   txn.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch},
		partitions: []toVerify{{partition: partition, sequence: -1}},
	}
	v.run(ctx)
	switch p := &v.partitions[0]; {
	case p.missing:
		return 0, kerr.TransactionAbortable
	case p.err != nil:
		return 0, verificationError(p.err, newer, kerr.CoordinatorNotAvailable)
	default:
		return p.guard, nil
	}
}

// oldTxnCommitError is an error as older clients know it.
func oldTxnCommitError(err *kerr.Error, version int16) *kerr.Error {
	switch {
	case err == kerr.TransactionAbortable && version < 4:
		return kerr.InvalidTxnState
	case err == kerr.CoordinatorLoadInProgress && version < 2:
		return kerr.CoordinatorNotAvailable
	}
	return err
}

func refusedTxnCommit(req *kmsg.TxnOffsetCommitRequest, err *kerr.Error) *kmsg.TxnOffsetCommitResponse {
	resp := kmsg.NewPtrTxnOffsetCommitResponse()
	for i := range req.Topics {
		t := kmsg.NewTxnOffsetCommitResponseTopic()
		t.Topic = req.Topics[i].Topic
		for j := range req.Topics[i].Partitions {
			p := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			p.Partition, p.ErrorCode = req.Topics[i].Partitions[j].Partition, err.Code
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}
