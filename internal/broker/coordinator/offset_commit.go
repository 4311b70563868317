package coordinator

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group"
)

// place is where a partition stands in a request.
type place struct{ topic, partition int }

// OffsetCommit stores offsets of partitions that exist; the others are answered
// with why they do not.
func (g *Groups) OffsetCommit(ctx context.Context, req *kmsg.OffsetCommitRequest) *kmsg.OffsetCommitResponse {
	resp := kmsg.NewPtrOffsetCommitResponse()
	resp.Version = req.Version
	known := *req
	known.Topics = nil
	var places []place // of known's partitions, in order
	for i := range req.Topics {
		t, unknown := g.topic(req.Version >= 10, req.Topics[i].Topic, req.Topics[i].TopicID)
		rt := kmsg.NewOffsetCommitResponseTopic()
		rt.Topic, rt.TopicID = req.Topics[i].Topic, req.Topics[i].TopicID
		kt := kmsg.NewOffsetCommitRequestTopic()
		kt.Topic, kt.TopicID = t.Name, t.ID
		for j, p := range req.Topics[i].Partitions {
			rp := kmsg.NewOffsetCommitResponseTopicPartition()
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
	if len(places) == 0 {
		return resp
	}
	r, err := g.call(ctx, req.Group, func(id coord.RequestID) group.Event { return group.OffsetCommit{ID: id, Req: &known} })
	if err != nil {
		for _, at := range places {
			resp.Topics[at.topic].Partitions[at.partition].ErrorCode = err.Code
		}
		return resp
	}
	for _, t := range r.(*kmsg.OffsetCommitResponse).Topics {
		for _, p := range t.Partitions {
			at := places[0]
			places = places[1:]
			resp.Topics[at.topic].Partitions[at.partition].ErrorCode = p.ErrorCode
		}
	}
	return resp
}

// topicError is why a topic of a request is not served, nil if it is.
type topicError struct{ err *kerr.Error }

// orPartition adds the check of the partition.
func (e topicError) orPartition(t Topic, partition int32) *kerr.Error {
	if e.err == nil && (partition < 0 || partition >= t.Partitions) {
		return kerr.UnknownTopicOrPartition
	}
	return e.err
}

// topic looks a topic up by what the request's version names it by.
func (g *Groups) topic(byID bool, name string, id [16]byte) (Topic, topicError) {
	if byID {
		t, ok := g.o.Topics.TopicByID(id)
		if !ok {
			return t, topicError{kerr.UnknownTopicID}
		}
		return t, topicError{}
	}
	t, ok := g.o.Topics.TopicByName(name)
	if !ok {
		return t, topicError{kerr.UnknownTopicOrPartition}
	}
	return t, topicError{}
}
