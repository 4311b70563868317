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
	out := make([]kmsg.StreamsGroupDescribeResponseGroup, len(groups))
	failed := func(place int, id string, err *kerr.Error) {
		out[place] = kmsg.NewStreamsGroupDescribeResponseGroup()
		out[place].Group, out[place].ErrorCode = id, err.Code
	}
	for _, p := range g.portions(groups) {
		r, err := g.call(ctx, p.keys[0], func(id coord.RequestID) group.Event {
			return group.StreamsGroupDescribe{ID: id, Groups: p.keys}
		})
		for i, place := range p.places {
			switch {
			case p.keys[i] == "":
				failed(place, "", kerr.InvalidGroupID)
			case err != nil:
				failed(place, p.keys[i], err)
			default:
				out[place] = r.([]kmsg.StreamsGroupDescribeResponseGroup)[i]
			}
		}
	}
	return out
}
