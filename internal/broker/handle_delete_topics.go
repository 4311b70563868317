package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func (b *Broker) handleDeleteTopics(ctx context.Context, _ *Request, req *kmsg.DeleteTopicsRequest) kmsg.Response {
	ctx, cancel := b.within(ctx, req.TimeoutMillis)
	defer cancel()
	return b.meta.DeleteTopics(ctx, req)
}
