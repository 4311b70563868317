package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/txn"
)

func (b *Broker) handleDescribeTransactions(ctx context.Context, _ *Request, req *kmsg.DescribeTransactionsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeTransactionsResponse()
	for _, d := range b.txns.Describe(ctx, req.TransactionalIDs) {
		resp.TransactionStates = append(resp.TransactionStates, describedTransaction(d))
	}
	return resp
}

func describedTransaction(d txn.Description) kmsg.DescribeTransactionsResponseTransactionState {
	out := kmsg.NewDescribeTransactionsResponseTransactionState()
	out.TransactionalID = d.TransactionalID
	if d.TransactionalID == "" {
		d.Err = kerr.InvalidRequest
	}
	if d.Err != nil {
		out.ErrorCode = d.Err.Code
		return out
	}
	out.State, out.TimeoutMillis, out.StartTimestamp = d.State.String(), d.TimeoutMillis, d.StartMillis
	out.ProducerID, out.ProducerEpoch = d.Producer.ID, d.Producer.Epoch
	for _, tp := range d.Partitions {
		if n := len(out.Topics); n == 0 || out.Topics[n-1].Topic != tp.Topic {
			t := kmsg.NewDescribeTransactionsResponseTransactionStateTopic()
			t.Topic = tp.Topic
			out.Topics = append(out.Topics, t)
		}
		last := &out.Topics[len(out.Topics)-1]
		last.Partitions = append(last.Partitions, tp.Partition)
	}
	return out
}
