package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleDeleteShareGroupOffsets takes topics out of a share group without members.
func (b *Broker) handleDeleteShareGroupOffsets(ctx context.Context, _ *Request, req *kmsg.DeleteShareGroupOffsetsRequest) kmsg.Response {
	if !b.servesShareGroups() {
		resp := kmsg.NewPtrDeleteShareGroupOffsetsResponse()
		resp.ErrorCode, resp.ErrorMessage = kerr.UnsupportedVersion.Code, &kerr.UnsupportedVersion.Description
		return resp
	}
	return b.groups.DeleteShareGroupOffsets(ctx, req)
}
