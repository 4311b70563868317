package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleSyncGroup answers when the leader of the group has assigned its partitions.
func (b *Broker) handleSyncGroup(ctx context.Context, _ *Request, req *kmsg.SyncGroupRequest) kmsg.Response {
	return b.groups.SyncGroup(ctx, req)
}
