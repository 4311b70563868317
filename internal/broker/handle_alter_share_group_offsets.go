package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleAlterShareGroupOffsets gives a share group without members new start offsets.
func (b *Broker) handleAlterShareGroupOffsets(ctx context.Context, _ *Request, req *kmsg.AlterShareGroupOffsetsRequest) kmsg.Response {
	if !b.servesShareGroups() {
		resp := kmsg.NewPtrAlterShareGroupOffsetsResponse()
		resp.ErrorCode, resp.ErrorMessage = kerr.UnsupportedVersion.Code, &kerr.UnsupportedVersion.Description
		return resp
	}
	return b.groups.AlterShareGroupOffsets(ctx, req)
}
