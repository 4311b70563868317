package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleDescribeShareGroupOffsets tells where share groups stand, and from v1 on how far behind they are.
func (b *Broker) handleDescribeShareGroupOffsets(ctx context.Context, _ *Request, req *kmsg.DescribeShareGroupOffsetsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeShareGroupOffsetsResponse()
	for i := range req.Groups {
		if !b.servesShareGroups() {
			g := kmsg.NewDescribeShareGroupOffsetsResponseGroup()
			g.GroupID, g.ErrorCode = req.Groups[i].GroupID, kerr.UnsupportedVersion.Code
			resp.Groups = append(resp.Groups, g)
			continue
		}
		resp.Groups = append(resp.Groups, b.groups.DescribeShareGroupOffsets(ctx, &req.Groups[i]))
	}
	return resp
}
