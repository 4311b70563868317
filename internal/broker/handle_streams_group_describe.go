package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleStreamsGroupDescribe shows groups of KIP-1071: their topology, and the tasks that members have and shall have.
func (b *Broker) handleStreamsGroupDescribe(ctx context.Context, _ *Request, req *kmsg.StreamsGroupDescribeRequest) kmsg.Response {
	resp := kmsg.NewPtrStreamsGroupDescribeResponse()
	if !b.servesStreamsGroups() {
		for _, id := range req.Groups {
			g := kmsg.NewStreamsGroupDescribeResponseGroup()
			g.Group, g.ErrorCode = id, kerr.UnsupportedVersion.Code
			resp.Groups = append(resp.Groups, g)
		}
		return resp
	}
	resp.Groups = b.groups.DescribeStreamsGroups(ctx, req.Groups)
	if req.IncludeAuthorizedOperations {
		for i := range resp.Groups {
			if resp.Groups[i].ErrorCode == 0 {
				resp.Groups[i].AuthorizedOperations = groupOperations
			}
		}
	}
	return resp
}
