package coordinator

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group"
	"leat.dev/internal/coord/group/assign"
	"leat.dev/internal/coord/share"
)

func sortedPartitions(ps assign.Partitions) assign.Partitions {
	for id := range ps {
		slices.Sort(ps[id])
	}
	return ps
}

// DescribeShareGroupOffsets tells where a share group stands in some partitions, or in
// all that it has state of. As in Kafka the lack of a group, a topic or state is no
// error: there is no offset then.
func (g *Groups) DescribeShareGroupOffsets(ctx context.Context, req *kmsg.DescribeShareGroupOffsetsRequestGroup) kmsg.DescribeShareGroupOffsetsResponseGroup {
	resp := kmsg.NewDescribeShareGroupOffsetsResponseGroup()
	resp.GroupID = req.GroupID
	asked, unknown, err := g.describedPartitions(ctx, req)
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = err.Code, &err.Description
		return resp
	}
	if len(asked) > 0 {
		partitions := make([]share.ReadPartition, len(asked))
		for i := range asked {
			partitions[i] = asked[i].ReadPartition
		}
		for i, r := range g.persister().ReadSummary(ctx, req.GroupID, partitions) {
			n := len(resp.Topics)
			if n == 0 || resp.Topics[n-1].TopicID != r.TopicID {
				t := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopic()
				t.Topic, t.TopicID = asked[i].topic, r.TopicID
				resp.Topics = append(resp.Topics, t)
				n++
			}
			resp.Topics[n-1].Partitions = append(resp.Topics[n-1].Partitions, g.describeShareOffset(asked[i].topic, &r))
		}
	}
	resp.Topics = append(resp.Topics, unknown...)
	return resp
}

type describedPartition struct {
	share.ReadPartition
	topic string
}

// describedPartitions lists what to ask for, and answers for topics that do not exist.
func (g *Groups) describedPartitions(ctx context.Context, req *kmsg.DescribeShareGroupOffsetsRequestGroup) (asked []describedPartition, unknown []kmsg.DescribeShareGroupOffsetsResponseGroupTopic, err *kerr.Error) {
	add := func(topic string, id [16]byte, partitions []int32) {
		for _, p := range partitions {
			asked = append(asked, describedPartition{share.ReadPartition{
				TopicPartition: share.TopicPartition{TopicID: id, Partition: p}, LeaderEpoch: -1,
			}, topic})
		}
	}
	if req.Topics == nil {
		r, err := g.call(ctx, req.GroupID, func(id coord.RequestID) group.Event {
			return group.ShareOffsets{ID: id, Group: req.GroupID}
		})
		if err != nil {
			return nil, nil, err
		}
		ps := r.(assign.Partitions)
		for _, id := range ps.Topics() {
			if t, ok := g.o.Topics.TopicByID(id); ok {
				add(t.Name, id, ps[id])
			}
		}
		return asked, nil, nil
	}
	for i := range req.Topics {
		rt := &req.Topics[i]
		if t, ok := g.o.Topics.TopicByName(rt.Topic); ok {
			add(t.Name, t.ID, rt.Partitions)
			continue
		}
		t := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopic()
		t.Topic = rt.Topic
		for _, partition := range rt.Partitions {
			p := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopicPartition()
			p.Partition, p.StartOffset = partition, share.NoOffset
			t.Partitions = append(t.Partitions, p)
		}
		unknown = append(unknown, t)
	}
	return asked, unknown, nil
}

// describeShareOffset adds the lag: the offsets from the start offset to the end of the
// partition that have not been delivered for good.
func (g *Groups) describeShareOffset(topic string, r *share.SummaryResult) kmsg.DescribeShareGroupOffsetsResponseGroupTopicPartition {
	p := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopicPartition()
	p.Partition = r.Partition
	if r.Err != nil {
		p.StartOffset = share.NoOffset
		return p
	}
	p.StartOffset, p.LeaderEpoch = r.StartOffset, r.LeaderEpoch
	if r.StartOffset == share.NoOffset || r.DeliveryCompleteCount < 0 || g.o.LatestOffset == nil {
		return p
	}
	end, err := g.o.LatestOffset(topic, r.Partition)
	if err != nil {
		p.StartOffset, p.LeaderEpoch = 0, 0
		p.ErrorCode, p.ErrorMessage = err.Code, &err.Description
		return p
	}
	p.Lag = end - r.StartOffset - int64(r.DeliveryCompleteCount)
	return p
}

// AlterShareGroupOffsets gives a share group without members new start offsets.
func (g *Groups) AlterShareGroupOffsets(ctx context.Context, req *kmsg.AlterShareGroupOffsetsRequest) *kmsg.AlterShareGroupOffsetsResponse {
	refuse := func(err *kerr.Error) *kmsg.AlterShareGroupOffsetsResponse {
		resp := kmsg.NewPtrAlterShareGroupOffsetsResponse()
		resp.ErrorCode, resp.ErrorMessage = err.Code, new(errorMessage(err))
		return resp
	}
	if req.GroupID == "" {
		return refuse(kerr.InvalidGroupID)
	}
	r, err := g.call(ctx, req.GroupID, func(id coord.RequestID) group.Event {
		return group.AlterShareOffsets{ID: id, Req: req}
	})
	if err != nil {
		return refuse(err)
	}
	altered := r.(group.ShareOffsetsAltered)
	if len(altered.Initialize) == 0 {
		return altered.Response
	}
	done, failed := g.initializeShares(ctx, req.GroupID, altered.Initialize, func(r share.Result) {
		for i := range altered.Response.Topics {
			t := &altered.Response.Topics[i]
			for j := range t.Partitions {
				if p := &t.Partitions[j]; t.TopicID == r.TopicID && p.Partition == r.Partition && p.ErrorCode == 0 {
					p.ErrorCode, p.ErrorMessage = r.Err.Code, new(resultMessage(r))
				}
			}
		}
	})
	if _, err := g.call(ctx, req.GroupID, func(id coord.RequestID) group.Event {
		return group.ShareInitialized{ID: id, Group: req.GroupID, Done: done, Failed: failed}
	}); err != nil {
		return refuse(err)
	}
	return altered.Response
}

// errorMessage is what goes with a code for people: mostly what the client library
// says of it, too.
func errorMessage(err *kerr.Error) string {
	if err == kerr.InvalidGroupID {
		return "The group id is invalid."
	}
	return err.Description
}

func resultMessage(r share.Result) string {
	if r.Message != "" {
		return r.Message
	}
	return r.Err.Description
}

// DeleteShareGroupOffsets takes topics out of a share group without members.
func (g *Groups) DeleteShareGroupOffsets(ctx context.Context, req *kmsg.DeleteShareGroupOffsetsRequest) *kmsg.DeleteShareGroupOffsetsResponse {
	refuse := func(err *kerr.Error) *kmsg.DeleteShareGroupOffsetsResponse {
		resp := kmsg.NewPtrDeleteShareGroupOffsetsResponse()
		resp.ErrorCode, resp.ErrorMessage = err.Code, new(errorMessage(err))
		return resp
	}
	if req.GroupID == "" {
		return refuse(kerr.InvalidGroupID)
	}
	r, err := g.call(ctx, req.GroupID, func(id coord.RequestID) group.Event {
		return group.DeleteShareOffsets{ID: id, Req: req}
	})
	if err != nil {
		return refuse(err)
	}
	deleting := r.(group.ShareOffsetsDeleting)
	if len(deleting.Topics) == 0 {
		return deleting.Response
	}
	var partitions []share.TopicPartition
	for _, id := range assign.SortedTopics(deleting.Topics) {
		for _, p := range deleting.Topics[id].Partitions {
			partitions = append(partitions, share.TopicPartition{TopicID: id, Partition: p})
		}
	}
	failed := map[assign.TopicID]share.Result{}
	for _, r := range g.persister().Delete(ctx, req.GroupID, partitions) {
		if r.Err != nil {
			failed[r.TopicID] = r
		}
	}
	var topics []kmsg.DeleteShareGroupOffsetsResponseTopic
	gone := group.ShareOffsetsDeleted{Group: req.GroupID}
	for _, id := range assign.SortedTopics(deleting.Topics) {
		t := kmsg.NewDeleteShareGroupOffsetsResponseTopic()
		t.Topic, t.TopicID = deleting.Topics[id].Name, id
		if r, bad := failed[id]; bad {
			t.ErrorCode, t.ErrorMessage = r.Err.Code, new(resultMessage(r))
		} else {
			gone.Topics = append(gone.Topics, id)
		}
		topics = append(topics, t)
	}
	if len(gone.Topics) > 0 {
		if _, err := g.call(ctx, req.GroupID, func(id coord.RequestID) group.Event {
			gone.ID = id
			return gone
		}); err != nil {
			return refuse(err)
		}
	}
	deleting.Response.Topics = append(topics, deleting.Response.Topics...)
	return deleting.Response
}
