package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func (b *Broker) handleOffsetDelete(ctx context.Context, _ *Request, req *kmsg.OffsetDeleteRequest) kmsg.Response {
	return b.groups.OffsetDelete(ctx, req)
}
