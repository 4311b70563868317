package coordinator

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group"
)

// StreamsGroupHeartbeat is the request of a member of a streams group. What is wrong
// with it by itself is said before looking for its group. The topics are internal
// ones that the group lacks; the caller creates them.
func (g *Groups) StreamsGroupHeartbeat(ctx context.Context, client group.Client, req *kmsg.StreamsGroupHeartbeatRequest) (*kmsg.StreamsGroupHeartbeatResponse, []kmsg.CreateTopicsRequestTopic) {
	if resp := group.CheckStreamsGroupHeartbeat(req); resp != nil {
		return resp, nil
	}
	r, err := g.call(ctx, req.Group, func(id coord.RequestID) group.Event {
		return group.StreamsGroupHeartbeat{ID: id, Client: client, Req: req}
	})
	if err == nil {
		reply := r.(group.StreamsHeartbeatReply)
		return reply.Response, reply.Create
	}
	resp := kmsg.NewPtrStreamsGroupHeartbeatResponse()
	resp.Version = req.Version
	resp.ErrorCode = err.Code
	resp.Status = []kmsg.StreamsGroupHeartbeatResponseStatus{}
	return resp, nil
}

// DescribeStreamsGroups describes groups in the order asked for.
func (g *Groups) DescribeStreamsGroups(ctx context.Context, groups []string) []kmsg.StreamsGroupDescribeResponseGroup {
	return describeNamed(ctx, g, groups,
		func(id coord.RequestID, part []string) group.Event {
			return group.StreamsGroupDescribe{ID: id, Groups: part}
		},
		func(id string, err *kerr.Error) kmsg.StreamsGroupDescribeResponseGroup {
			d := kmsg.NewStreamsGroupDescribeResponseGroup()
			d.Group, d.ErrorCode = id, err.Code
			return d
		})
}
