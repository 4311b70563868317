package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/txn"
	"leat.dev/internal/metadata"
)

// handleInitProducerID gives producers their id: an idempotent one a fresh one, a transactional one what its
// transactional id has, under an epoch that fences whoever had it before.
func (b *Broker) handleInitProducerID(ctx context.Context, r *Request, req *kmsg.InitProducerIDRequest) kmsg.Response {
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	switch {
	case (req.ProducerID == -1) != (req.ProducerEpoch == -1), req.TransactionalID != nil && *req.TransactionalID == "":
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	case req.TransactionalID == nil:
		b.initIdempotent(ctx, resp)
		return resp
	}
	b.producerIDs.await(ctx)
	producer, err := b.txns.InitProducer(ctx, txn.InitProducer{
		TransactionalID: *req.TransactionalID,
		TimeoutMillis:   req.TransactionTimeoutMillis,
		Expected:        txn.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch},
	})
	if err != nil {
		resp.ErrorCode = fencedBefore(err, r.Version, 4)
		return resp
	}
	resp.ProducerID, resp.ProducerEpoch = producer.ID, producer.Epoch
	return resp
}

func (b *Broker) initIdempotent(ctx context.Context, resp *kmsg.InitProducerIDResponse) {
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	id, err := b.meta.NextProducerID(ctx)
	if err != nil {
		resp.ErrorCode = metadata.ErrorCode(err)
		if resp.ErrorCode == kerr.NotController.Code || resp.ErrorCode == kerr.RequestTimedOut.Code {
			// What clients of this API know to retry.
			resp.ErrorCode = kerr.CoordinatorLoadInProgress.Code
		}
		return
	}
	resp.ProducerID, resp.ProducerEpoch = id, 0
}

// fencedBefore is an error's code in a version of an API whose clients know PRODUCER_FENCED from version since on.
func fencedBefore(err *kerr.Error, version, since int16) int16 {
	switch {
	case err == nil:
		return 0
	case err == kerr.ProducerFenced && version < since:
		return kerr.InvalidProducerEpoch.Code
	}
	return err.Code
}
