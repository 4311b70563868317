package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func (b *Broker) handleListGroups(ctx context.Context, _ *Request, req *kmsg.ListGroupsRequest) kmsg.Response {
	resp := kmsg.NewPtrListGroupsResponse()
	groups, err := b.groups.ListGroups(ctx, req.StatesFilter, req.TypesFilter)
	if err != nil {
		resp.ErrorCode = err.Code
		return resp
	}
	resp.Groups = groups
	return resp
}
