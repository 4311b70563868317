package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group"
)

// handleShareGroupHeartbeat is how a member of a share group (KIP-932) joins, stays and leaves.
func (b *Broker) handleShareGroupHeartbeat(ctx context.Context, r *Request, req *kmsg.ShareGroupHeartbeatRequest) kmsg.Response {
	if !b.servesShareGroups() {
		resp := kmsg.NewPtrShareGroupHeartbeatResponse()
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		return resp
	}
	return b.groups.ShareGroupHeartbeat(ctx, group.Client{ID: r.ClientID, Host: r.Host()}, req)
}
