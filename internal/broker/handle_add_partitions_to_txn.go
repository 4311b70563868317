package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/txn"
)

// handleAddPartitionsToTxn makes partitions part of a transaction. Up to version 3 it comes from producers, one
// transaction at a time; later versions come from brokers.
func (b *Broker) handleAddPartitionsToTxn(ctx context.Context, r *Request, req *kmsg.AddPartitionsToTxnRequest) kmsg.Response {
	resp := kmsg.NewPtrAddPartitionsToTxnResponse()
	if r.Version >= 4 {
		for i := range req.Transactions {
			t := &req.Transactions[i]
			out := kmsg.NewAddPartitionsToTxnResponseTransaction()
			out.TransactionalID = t.TransactionalID
			out.Topics = b.addPartitions(ctx, r.Version, t)
			resp.Transactions = append(resp.Transactions, out)
		}
		return resp
	}
	one := kmsg.NewAddPartitionsToTxnRequestTransaction()
	one.TransactionalID, one.ProducerID, one.ProducerEpoch = req.TransactionalID, req.ProducerID, req.ProducerEpoch
	for i := range req.Topics {
		t := kmsg.NewAddPartitionsToTxnRequestTransactionTopic()
		t.Topic, t.Partitions = req.Topics[i].Topic, req.Topics[i].Partitions
		one.Topics = append(one.Topics, t)
	}
	for _, t := range b.addPartitions(ctx, r.Version, &one) {
		out := kmsg.NewAddPartitionsToTxnResponseTopic()
		out.Topic = t.Topic
		for _, p := range t.Partitions {
			op := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
			op.Partition, op.ErrorCode = p.Partition, p.ErrorCode
			out.Partitions = append(out.Partitions, op)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// addPartitions answers for one transaction. Partitions that do not exist keep the others from being added.
func (b *Broker) addPartitions(ctx context.Context, version int16, t *kmsg.AddPartitionsToTxnRequestTransaction) []kmsg.AddPartitionsToTxnResponseTransactionTopic {
	ev := txn.AddPartitions{
		TransactionalID: t.TransactionalID,
		Producer:        txn.Producer{ID: t.ProducerID, Epoch: t.ProducerEpoch},
		VerifyOnly:      t.VerifyOnly,
		Patience:        txnPatience,
	}
	if version >= 5 {
		ev.Version = 2
	}
	unknown := map[txn.TopicPartition]bool{}
	image := b.meta.Image()
	for i := range t.Topics {
		topic := image.Topic(t.Topics[i].Topic)
		for _, index := range t.Topics[i].Partitions {
			tp := txn.TopicPartition{Topic: t.Topics[i].Topic, Partition: index}
			ev.Partitions = append(ev.Partitions, tp)
			if topic == nil || index < 0 || int(index) >= len(topic.Partitions) {
				unknown[tp] = true
			}
		}
	}
	code := func(txn.TopicPartition) *kerr.Error { return kerr.InvalidRequest }
	switch {
	case t.TransactionalID == "":
	case len(unknown) > 0:
		code = func(tp txn.TopicPartition) *kerr.Error {
			if unknown[tp] {
				return kerr.UnknownTopicOrPartition
			}
			return kerr.OperationNotAttempted
		}
	default:
		code = addCodes(b.txns.AddPartitions(ctx, ev))
	}
	return addResponse(version, t, code)
}

// addCodes gives each partition its part of an answer.
func addCodes(r txn.AddReply) func(txn.TopicPartition) *kerr.Error {
	missing := map[txn.TopicPartition]bool{}
	for _, tp := range r.Missing {
		missing[tp] = true
	}
	return func(tp txn.TopicPartition) *kerr.Error {
		if missing[tp] {
			return kerr.TransactionAbortable
		}
		return r.Err
	}
}

func addResponse(version int16, t *kmsg.AddPartitionsToTxnRequestTransaction, code func(txn.TopicPartition) *kerr.Error) []kmsg.AddPartitionsToTxnResponseTransactionTopic {
	var out []kmsg.AddPartitionsToTxnResponseTransactionTopic
	for i := range t.Topics {
		ot := kmsg.NewAddPartitionsToTxnResponseTransactionTopic()
		ot.Topic = t.Topics[i].Topic
		for _, index := range t.Topics[i].Partitions {
			op := kmsg.NewAddPartitionsToTxnResponseTransactionTopicPartition()
			op.Partition = index
			op.ErrorCode = fencedBefore(code(txn.TopicPartition{Topic: ot.Topic, Partition: index}), version, 2)
			ot.Partitions = append(ot.Partitions, op)
		}
		out = append(out, ot)
	}
	return out
}
