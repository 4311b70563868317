package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
)

func (b *Broker) handleCreatePartitions(ctx context.Context, r *Request, req *kmsg.CreatePartitionsRequest) kmsg.Response {
	ctx, cancel := b.within(ctx, req.TimeoutMillis)
	defer cancel()
	return b.meta.CreatePartitions(metadata.WithMutations(ctx, b.mutating(r, 3)), req)
}
