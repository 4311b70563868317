package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func (b *Broker) handleHeartbeat(ctx context.Context, _ *Request, req *kmsg.HeartbeatRequest) kmsg.Response {
	return b.groups.Heartbeat(ctx, req)
}
