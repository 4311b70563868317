package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func (b *Broker) handleOffsetFetch(ctx context.Context, _ *Request, req *kmsg.OffsetFetchRequest) kmsg.Response {
	return b.groups.OffsetFetch(ctx, req)
}
