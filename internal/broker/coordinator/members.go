package coordinator

import (
	"bytes"
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group"
)

// JoinGroup blocks until the rebalance the member joins is complete.
func (g *Groups) JoinGroup(ctx context.Context, client group.Client, req *kmsg.JoinGroupRequest) *kmsg.JoinGroupResponse {
	// The caller may leave, and its buffer be used again, before the shard reads it.
	for i := range req.Protocols {
		req.Protocols[i].Metadata = bytes.Clone(req.Protocols[i].Metadata)
	}
	r, err := g.call(ctx, req.Group, func(id coord.RequestID) group.Event {
		return group.JoinGroup{ID: id, Client: client, Req: req}
	})
	if err == nil {
		return r.(*kmsg.JoinGroupResponse)
	}
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.Version = req.Version
	resp.ErrorCode = err.Code
	resp.Generation = -1
	resp.MemberID = req.MemberID
	return resp
}

// SyncGroup blocks until the leader has assigned.
func (g *Groups) SyncGroup(ctx context.Context, req *kmsg.SyncGroupRequest) *kmsg.SyncGroupResponse {
	for i := range req.GroupAssignment {
		req.GroupAssignment[i].MemberAssignment = bytes.Clone(req.GroupAssignment[i].MemberAssignment)
	}
	r, err := g.call(ctx, req.Group, func(id coord.RequestID) group.Event { return group.SyncGroup{ID: id, Req: req} })
	if err == nil {
		return r.(*kmsg.SyncGroupResponse)
	}
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.Version = req.Version
	resp.ErrorCode = err.Code
	resp.MemberAssignment = []byte{}
	return resp
}

// Heartbeat keeps a member alive. While the group is being loaded nobody knows
// better, so it succeeds rather than disturb the members.
func (g *Groups) Heartbeat(ctx context.Context, req *kmsg.HeartbeatRequest) *kmsg.HeartbeatResponse {
	r, err := g.call(ctx, req.Group, func(id coord.RequestID) group.Event { return group.Heartbeat{ID: id, Req: req} })
	if err == nil {
		return r.(*kmsg.HeartbeatResponse)
	}
	resp := kmsg.NewPtrHeartbeatResponse()
	resp.Version = req.Version
	if !isLoading(err) {
		resp.ErrorCode = err.Code
	}
	return resp
}

// LeaveGroup removes members.
func (g *Groups) LeaveGroup(ctx context.Context, req *kmsg.LeaveGroupRequest) *kmsg.LeaveGroupResponse {
	r, err := g.call(ctx, req.Group, func(id coord.RequestID) group.Event { return group.LeaveGroup{ID: id, Req: req} })
	if err == nil {
		return r.(*kmsg.LeaveGroupResponse)
	}
	resp := kmsg.NewPtrLeaveGroupResponse()
	resp.Version = req.Version
	resp.ErrorCode = err.Code
	return resp
}
