package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func (b *Broker) handleUnregisterBroker(ctx context.Context, _ *Request, req *kmsg.UnregisterBrokerRequest) kmsg.Response {
	return b.meta.UnregisterBroker(ctx, req.BrokerID)
}
