package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
)

// handleInitProducerID gives idempotent producers an id. A transactional one needs a transaction coordinator, which
// this version does not have: it is refused for good, since clients would retry "not available" until they time out
// without ever saying why.
func (b *Broker) handleInitProducerID(ctx context.Context, _ *Request, req *kmsg.InitProducerIDRequest) kmsg.Response {
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	switch {
	case (req.ProducerID == -1) != (req.ProducerEpoch == -1), req.TransactionalID != nil && *req.TransactionalID == "":
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	case req.TransactionalID != nil:
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		return resp
	}
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	id, err := b.meta.NextProducerID(ctx)
	if err != nil {
		resp.ErrorCode = metadata.ErrorCode(err)
		if resp.ErrorCode == kerr.NotController.Code || resp.ErrorCode == kerr.RequestTimedOut.Code {
			// What clients of this API know to retry.
			resp.ErrorCode = kerr.CoordinatorLoadInProgress.Code
		}
		return resp
	}
	resp.ProducerID, resp.ProducerEpoch = id, 0
	return resp
}
