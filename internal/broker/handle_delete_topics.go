package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
)

func (b *Broker) handleDeleteTopics(ctx context.Context, r *Request, req *kmsg.DeleteTopicsRequest) kmsg.Response {
	ctx, cancel := b.within(ctx, req.TimeoutMillis)
	defer cancel()
	return b.meta.DeleteTopics(metadata.WithMutations(ctx, b.mutating(r, 5)), req)
}
