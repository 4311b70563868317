package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func (b *Broker) handleUpdateFeatures(ctx context.Context, _ *Request, req *kmsg.UpdateFeaturesRequest) kmsg.Response {
	ctx, cancel := b.within(ctx, req.TimeoutMillis)
	defer cancel()
	return b.meta.UpdateFeatures(ctx, req)
}
