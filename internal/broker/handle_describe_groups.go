package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupOperations are the operations on a group that everybody may do while nothing restricts them: read, delete,
// describe, and describe and alter its configuration, as bits by their number in the protocol.
const groupOperations = 3400

func (b *Broker) handleDescribeGroups(ctx context.Context, r *Request, req *kmsg.DescribeGroupsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeGroupsResponse()
	resp.Groups = b.groups.DescribeGroups(ctx, r.Version, req.Groups)
	if req.IncludeAuthorizedOperations {
		for i := range resp.Groups {
			if resp.Groups[i].ErrorCode == 0 {
				resp.Groups[i].AuthorizedOperations = groupOperations
			}
		}
	}
	return resp
}
