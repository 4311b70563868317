package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group"
)

// handleJoinGroup answers when the rebalance that the member joins is complete.
func (b *Broker) handleJoinGroup(ctx context.Context, r *Request, req *kmsg.JoinGroupRequest) kmsg.Response {
	return b.groups.JoinGroup(ctx, group.Client{ID: r.ClientID, Host: r.Host()}, req)
}
