package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleOffsetCommit answers once the offsets are as durable as the topic __consumer_offsets.
func (b *Broker) handleOffsetCommit(ctx context.Context, _ *Request, req *kmsg.OffsetCommitRequest) kmsg.Response {
	return b.groups.OffsetCommit(ctx, req)
}
