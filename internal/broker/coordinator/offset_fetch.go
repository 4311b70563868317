package coordinator

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group"
)

// OffsetFetch reads offsets: of one group up to version 7, of many from 8 on.
func (g *Groups) OffsetFetch(ctx context.Context, req *kmsg.OffsetFetchRequest) *kmsg.OffsetFetchResponse {
	resp := kmsg.NewPtrOffsetFetchResponse()
	resp.Version = req.Version
	if req.Version >= 8 {
		for i := range req.Groups {
			resp.Groups = append(resp.Groups, g.fetchGroup(ctx, req, &req.Groups[i]))
		}
		return resp
	}
	one := kmsg.NewOffsetFetchRequestGroup()
	one.Group = req.Group
	one.MemberEpoch = -1
	if req.Topics != nil || req.Version < 2 {
		one.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	}
	for i := range req.Topics {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.Partitions = req.Topics[i].Topic, req.Topics[i].Partitions
		one.Topics = append(one.Topics, t)
	}
	got := g.fetchGroup(ctx, req, &one)
	resp.ErrorCode = got.ErrorCode
	if got.ErrorCode != 0 && req.Version < 2 {
		// The oldest version has no place for an error but each partition.
		failed := failedFetch(&one, got.ErrorCode)
		got.Topics = failed.Topics
	}
	for i := range got.Topics {
		t := kmsg.NewOffsetFetchResponseTopic()
		t.Topic = got.Topics[i].Topic
		for _, p := range got.Topics[i].Partitions {
			out := kmsg.NewOffsetFetchResponseTopicPartition()
			out.Partition, out.Offset, out.LeaderEpoch = p.Partition, p.Offset, p.LeaderEpoch
			out.Metadata, out.ErrorCode = p.Metadata, p.ErrorCode
			t.Partitions = append(t.Partitions, out)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}

// fetchGroup answers one group. Topics named by ids that nobody has are answered
// with an error each; unknown names have committed nothing.
func (g *Groups) fetchGroup(ctx context.Context, req *kmsg.OffsetFetchRequest, rg *kmsg.OffsetFetchRequestGroup) kmsg.OffsetFetchResponseGroup {
	byID := req.Version >= 10
	ev := group.OffsetFetch{Group: *rg, All: rg.Topics == nil, RequireStable: req.RequireStable}
	ev.Group.Topics = nil
	unknown := kmsg.NewOffsetFetchRequestGroup()
	for _, t := range rg.Topics {
		known, err := g.topic(byID, t.Topic, t.TopicID)
		if byID && err.err != nil {
			unknown.Topics = append(unknown.Topics, t)
			continue
		}
		if err.err == nil {
			t.Topic, t.TopicID = known.Name, known.ID
		}
		ev.Group.Topics = append(ev.Group.Topics, t)
	}
	out := kmsg.NewOffsetFetchResponseGroup()
	r, err := g.call(ctx, rg.Group, func(id coord.RequestID) group.Event {
		ev.ID = id
		return ev
	})
	switch {
	case err == nil:
		out = r.(kmsg.OffsetFetchResponseGroup)
	case err == kerr.CoordinatorNotAvailable:
		out.ErrorCode = kerr.NotCoordinator.Code
	default:
		out.ErrorCode = err.Code
	}
	out.Group = rg.Group
	if out.ErrorCode != 0 {
		out.Topics = nil
		return out
	}
	if byID {
		out.Topics = g.withIDs(out.Topics)
	}
	out.Topics = append(out.Topics, failedFetch(&unknown, kerr.UnknownTopicID.Code).Topics...)
	return out
}

// withIDs names topics by id. A topic that is gone has none and is left out.
func (g *Groups) withIDs(topics []kmsg.OffsetFetchResponseGroupTopic) []kmsg.OffsetFetchResponseGroupTopic {
	out := topics[:0]
	for _, t := range topics {
		if t.TopicID == [16]byte{} {
			known, ok := g.o.Topics.TopicByName(t.Topic)
			if !ok {
				continue
			}
			t.TopicID = known.ID
		}
		out = append(out, t)
	}
	return out
}

// failedFetch answers every partition asked for with an error.
func failedFetch(rg *kmsg.OffsetFetchRequestGroup, code int16) kmsg.OffsetFetchResponseGroup {
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group = rg.Group
	for _, t := range rg.Topics {
		rt := kmsg.NewOffsetFetchResponseGroupTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch = p, -1, -1
			rp.Metadata = new(string)
			rp.ErrorCode = code
			rt.Partitions = append(rt.Partitions, rp)
		}
		out.Topics = append(out.Topics, rt)
	}
	return out
}
