package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func (b *Broker) handleCreatePartitions(ctx context.Context, _ *Request, req *kmsg.CreatePartitionsRequest) kmsg.Response {
	ctx, cancel := b.within(ctx, req.TimeoutMillis)
	defer cancel()
	return b.meta.CreatePartitions(ctx, req)
}
