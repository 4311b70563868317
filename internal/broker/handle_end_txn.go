package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/txn"
)

// handleEndTxn commits or aborts a transaction. It answers when that is decided; consumers see it once the markers are
// written. From version 5 on the answer says which producer to go on with.
func (b *Broker) handleEndTxn(ctx context.Context, r *Request, req *kmsg.EndTxnRequest) kmsg.Response {
	resp := kmsg.NewPtrEndTxnResponse()
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	if req.TransactionalID == "" {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	ev := txn.EndTransaction{
		TransactionalID: req.TransactionalID,
		Producer:        txn.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch},
		Commit:          req.Commit,
	}
	if r.Version >= 5 {
		ev.Version = 2
	}
	producer, err := b.txns.End(ctx, ev)
	if err != nil {
		resp.ErrorCode = fencedBefore(err, r.Version, 2)
		return resp
	}
	resp.ProducerID, resp.ProducerEpoch = producer.ID, producer.Epoch
	return resp
}
