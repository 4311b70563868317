package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func (b *Broker) handleElectLeaders(ctx context.Context, _ *Request, req *kmsg.ElectLeadersRequest) kmsg.Response {
	ctx, cancel := b.within(ctx, req.TimeoutMillis)
	defer cancel()
	return b.meta.ElectLeaders(ctx, req)
}
