package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func (b *Broker) handleLeaveGroup(ctx context.Context, _ *Request, req *kmsg.LeaveGroupRequest) kmsg.Response {
	return b.groups.LeaveGroup(ctx, req)
}
