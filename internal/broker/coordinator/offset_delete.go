package coordinator

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group"
)

// OffsetDelete deletes offsets of partitions that exist.
func (g *Groups) OffsetDelete(ctx context.Context, req *kmsg.OffsetDeleteRequest) *kmsg.OffsetDeleteResponse {
	resp := kmsg.NewPtrOffsetDeleteResponse()
	resp.Version = req.Version
	if req.Group == "" {
		resp.ErrorCode = kerr.InvalidGroupID.Code
		return resp
	}
	known := *req
	known.Topics = nil
	var places []place
	for i := range req.Topics {
		t, unknown := g.topic(false, req.Topics[i].Topic, [16]byte{})
		rt := kmsg.NewOffsetDeleteResponseTopic()
		rt.Topic = req.Topics[i].Topic
		kt := kmsg.NewOffsetDeleteRequestTopic()
		kt.Topic = t.Name
		for j, p := range req.Topics[i].Partitions {
			rp := kmsg.NewOffsetDeleteResponseTopicPartition()
			rp.Partition = p.Partition
			if err := unknown.orPartition(t, p.Partition); err != nil {
				rp.ErrorCode = err.Code
			} else {
				kt.Partitions = append(kt.Partitions, p)
				places = append(places, place{i, j})
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
		if len(kt.Partitions) > 0 {
			known.Topics = append(known.Topics, kt)
		}
	}
	// The group is checked even if no partition is left: its error goes first.
	r, err := g.call(ctx, req.Group, func(id coord.RequestID) group.Event { return group.OffsetDelete{ID: id, Req: &known} })
	if err != nil {
		return &kmsg.OffsetDeleteResponse{Version: req.Version, ErrorCode: err.Code}
	}
	got := r.(*kmsg.OffsetDeleteResponse)
	if got.ErrorCode != 0 {
		return got
	}
	for _, t := range got.Topics {
		for _, p := range t.Partitions {
			at := places[0]
			places = places[1:]
			resp.Topics[at.topic].Partitions[at.partition].ErrorCode = p.ErrorCode
		}
	}
	return resp
}
