package coordinator

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group"
)

// ConsumerGroupHeartbeat is the request of a member of a consumer group. What is
// wrong with it by itself is said before looking for its group. mayDescribe tells
// which topics a regular expression may match for this client; it may be called
// after the answer.
func (g *Groups) ConsumerGroupHeartbeat(ctx context.Context, client group.Client, req *kmsg.ConsumerGroupHeartbeatRequest, mayDescribe func(topic string) bool) *kmsg.ConsumerGroupHeartbeatResponse {
	if resp := group.CheckConsumerGroupHeartbeat(req, g.o.Settings().Consumer.Assignors); resp != nil {
		return resp
	}
	r, err := g.call(ctx, req.Group, func(id coord.RequestID) group.Event {
		return group.ConsumerGroupHeartbeat{ID: id, Client: client, Req: req, MayDescribe: mayDescribe}
	})
	if err == nil {
		return r.(*kmsg.ConsumerGroupHeartbeatResponse)
	}
	resp := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	resp.Version = req.Version
	resp.ErrorCode = err.Code
	return resp
}

// DescribeConsumerGroups describes groups in the order asked for.
func (g *Groups) DescribeConsumerGroups(ctx context.Context, groups []string) []kmsg.ConsumerGroupDescribeResponseGroup {
	return describeNamed(ctx, g, groups,
		func(id coord.RequestID, part []string) group.Event {
			return group.ConsumerGroupDescribe{ID: id, Groups: part}
		},
		func(id string, err *kerr.Error) kmsg.ConsumerGroupDescribeResponseGroup {
			d := kmsg.NewConsumerGroupDescribeResponseGroup()
			d.Group, d.ErrorCode = id, err.Code
			return d
		})
}

// ClusterChanged tells all shards of a new view of the topics, without waiting.
func (g *Groups) ClusterChanged(ev group.ClusterChanged) { g.tellAll(ev) }
