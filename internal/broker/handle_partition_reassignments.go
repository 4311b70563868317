package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func (b *Broker) handleAlterPartitionAssignments(ctx context.Context, _ *Request, req *kmsg.AlterPartitionAssignmentsRequest) kmsg.Response {
	ctx, cancel := b.within(ctx, req.TimeoutMillis)
	defer cancel()
	if len(req.Topics) == 0 {
		resp := kmsg.NewPtrAlterPartitionAssignmentsResponse()
		resp.AllowReplicationFactorChange, resp.ErrorMessage = true, new("")
		return resp
	}
	return b.meta.AlterPartitionAssignments(ctx, req)
}

func (b *Broker) handleListPartitionReassignments(_ context.Context, _ *Request, req *kmsg.ListPartitionReassignmentsRequest) kmsg.Response {
	return b.meta.Image().Reassignments(req)
}
