package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleShareGroupDescribe shows share groups with their members and what these have.
func (b *Broker) handleShareGroupDescribe(ctx context.Context, _ *Request, req *kmsg.ShareGroupDescribeRequest) kmsg.Response {
	if !b.servesShareGroups() {
		return noShareGroups(req)
	}
	resp := kmsg.NewPtrShareGroupDescribeResponse()
	resp.Groups = b.groups.DescribeShareGroups(ctx, req.GroupIDs)
	if req.IncludeAuthorizedOperations {
		for i := range resp.Groups {
			if resp.Groups[i].ErrorCode == 0 {
				resp.Groups[i].AuthorizedOperations = groupOperations
			}
		}
	}
	return resp
}
