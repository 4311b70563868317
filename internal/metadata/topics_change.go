package metadata

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata/record"
)

// DeleteTopics deletes topics by name or id; errors stand in the response.
// The request is that of version 6: older ones list names only, which
// DeleteTopicNames turns into it.
func (n *Node) DeleteTopics(ctx context.Context, req *kmsg.DeleteTopicsRequest) *kmsg.DeleteTopicsResponse {
	topics := req.Topics
	for _, name := range req.TopicNames {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = new(name)
		topics = append(topics, t)
	}
	resp, err := submit(ctx, n, func(v *view) (*kmsg.DeleteTopicsResponse, []record.Record, error) {
		resp, records := v.limited(ctx).deleteTopics(topics, req.Version)
		return resp, records, nil
	})
	if err != nil {
		resp = kmsg.NewPtrDeleteTopicsResponse()
		for _, t := range topics {
			resp.Topics = append(resp.Topics, undeleted(t, refusalOf(err)))
		}
	}
	return resp
}

func undeleted(t kmsg.DeleteTopicsRequestTopic, why *refusal) kmsg.DeleteTopicsResponseTopic {
	r := kmsg.NewDeleteTopicsResponseTopic()
	r.Topic, r.TopicID = t.Topic, t.TopicID
	r.ErrorCode, r.ErrorMessage = why.fields()
	return r
}

func (v *view) deleteTopics(topics []kmsg.DeleteTopicsRequestTopic, version int16) (*kmsg.DeleteTopicsResponse, []record.Record) {
	resp := kmsg.NewPtrDeleteTopicsResponse()
	names, ids := map[string]int{}, map[[16]byte]int{}
	resolve := func(t *kmsg.DeleteTopicsRequestTopic) *Topic {
		if t.Topic != nil {
			return v.Topic(*t.Topic)
		}
		return v.TopicByID(t.TopicID)
	}
	for i := range topics {
		t := &topics[i]
		if t.Topic != nil {
			names[*t.Topic]++
		} else {
			ids[t.TopicID]++
		}
	}
	// A topic that the request names by its name and by its id stays, and is answered for once.
	both := func(topic *Topic) bool { return names[topic.Name] != 0 && ids[topic.ID] != 0 }
	var records []record.Record
	for i := range topics {
		t := &topics[i]
		if why, seen := v.checkDelete(t, names, ids, version); seen {
			continue
		} else if why != nil {
			resp.Topics = append(resp.Topics, undeleted(*t, why))
			continue
		}
		topic := resolve(t)
		if both(topic) {
			if t.Topic != nil {
				r := undeleted(*t, refuse(kerr.InvalidRequest, "The provided topic name maps to an ID that was already supplied."))
				r.TopicID = topic.ID
				resp.Topics = append(resp.Topics, r)
			}
			continue
		}
		if why := v.mutate(len(topic.Partitions)); why != nil {
			resp.Topics = append(resp.Topics, undeleted(*t, why))
			continue
		}
		records = append(records, &record.RemoveTopic{TopicID: topic.ID})
		r := kmsg.NewDeleteTopicsResponseTopic()
		r.Topic, r.TopicID = new(topic.Name), topic.ID
		resp.Topics = append(resp.Topics, r)
	}
	return resp, records
}

// checkDelete says why one entry of the request cannot be deleted. Of
// duplicates, the first gets the error and the others are skipped (seen).
func (v *view) checkDelete(t *kmsg.DeleteTopicsRequestTopic, names map[string]int, ids map[[16]byte]int, version int16) (why *refusal, seen bool) {
	zero := [16]byte{}
	if !v.node.o.Static.Bool("delete.topic.enable") {
		if version < 3 {
			return refuse(kerr.InvalidRequest, "Topic deletion is disabled."), false
		}
		return refuse(kerr.TopicDeletionDisabled, "Topic deletion is disabled."), false
	}
	if t.Topic != nil {
		switch c := names[*t.Topic]; {
		case c < 0:
			return nil, true
		case t.TopicID != zero:
			return refuse(kerr.InvalidRequest, "You may not specify both topic name and topic id."), false
		case c > 1:
			names[*t.Topic] = -1
			return refuse(kerr.InvalidRequest, "Duplicate topic name."), false
		case v.Topic(*t.Topic) == nil:
			return refuse(kerr.UnknownTopicOrPartition, kerr.UnknownTopicOrPartition.Description), false
		}
		return nil, false
	}
	switch c := ids[t.TopicID]; {
	case c < 0:
		return nil, true
	case t.TopicID == zero:
		return refuse(kerr.InvalidRequest, "Neither topic name nor id were specified."), false
	case c > 1:
		ids[t.TopicID] = -1
		return refuse(kerr.InvalidRequest, "Duplicate topic id."), false
	case v.TopicByID(t.TopicID) == nil:
		return refuse(kerr.UnknownTopicID, kerr.UnknownTopicID.Description), false
	}
	return nil, false
}

// CreatePartitions adds partitions to topics; errors stand in the response.
func (n *Node) CreatePartitions(ctx context.Context, req *kmsg.CreatePartitionsRequest) *kmsg.CreatePartitionsResponse {
	resp, err := submit(ctx, n, func(v *view) (*kmsg.CreatePartitionsResponse, []record.Record, error) {
		return v.limited(ctx).createPartitions(req)
	})
	if err != nil {
		resp = kmsg.NewPtrCreatePartitionsResponse()
		for _, t := range req.Topics {
			r := kmsg.NewCreatePartitionsResponseTopic()
			r.Topic = t.Topic
			r.ErrorCode, r.ErrorMessage = refusalOf(err).fields()
			resp.Topics = append(resp.Topics, r)
		}
	}
	return resp
}

func (v *view) createPartitions(req *kmsg.CreatePartitionsRequest) (*kmsg.CreatePartitionsResponse, []record.Record, error) {
	count := map[string]int{}
	added := int64(0)
	for _, t := range req.Topics {
		count[t.Topic]++
		if topic := v.Topic(t.Topic); topic != nil {
			added += max(0, int64(t.Count)-int64(len(topic.Partitions)))
		}
	}
	if added > partitionsPerRequest {
		return nil, nil, refuse(kerr.PolicyViolation, "Excessively large number of partitions per request.")
	}
	resp := kmsg.NewPtrCreatePartitionsResponse()
	var records []record.Record
	for i := range req.Topics {
		t := &req.Topics[i]
		var why *refusal
		switch c := count[t.Topic]; {
		case c < 0:
			continue
		case c > 1:
			count[t.Topic] = -1
			why = refuse(kerr.InvalidRequest, "Duplicate topic name.")
		default:
			var more []record.Record
			more, why = v.addPartitions(t)
			records = append(records, more...)
		}
		r := kmsg.NewCreatePartitionsResponseTopic()
		r.Topic = t.Topic
		r.ErrorCode, r.ErrorMessage = why.fields()
		resp.Topics = append(resp.Topics, r)
	}
	if req.ValidateOnly {
		records = nil
	}
	return resp, records, nil
}

func (v *view) addPartitions(t *kmsg.CreatePartitionsRequestTopic) ([]record.Record, *refusal) {
	topic := v.Topic(t.Topic)
	if topic == nil {
		return nil, refuse(kerr.UnknownTopicOrPartition, "")
	}
	have := int32(len(topic.Partitions))
	switch {
	case t.Count == have:
		return nil, refuse(kerr.InvalidPartitions, fmt.Sprintf("Topic already has %d partition(s).", have))
	case t.Count < have:
		return nil, refuse(kerr.InvalidPartitions, fmt.Sprintf("The topic %s currently has %d partition(s); %d would not be an increase.", t.Topic, have, t.Count))
	}
	factor := len(topic.Partitions[0].Replicas)
	added := int(t.Count - have)
	if t.Assignment != nil && added != len(t.Assignment) {
		return nil, refuse(kerr.InvalidReplicaAssignment, fmt.Sprintf("Attempted to add %d additional partition(s), but only %d assignment(s) were specified.", added, len(t.Assignment)))
	}
	if why := v.mutate(added); why != nil {
		return nil, why
	}
	var records []record.Record
	if t.Assignment != nil {
		for i, a := range t.Assignment {
			if why := v.checkAssignment(a.Replicas, factor); why != nil {
				return nil, why
			}
			r := v.newPartition(topic.ID, have+int32(i), a.Replicas)
			if r.Leader == NoLeader {
				return nil, refuse(kerr.InvalidReplicaAssignment, fmt.Sprintf("All brokers specified in the manual partition assignment for partition %d are fenced or in controlled shutdown.", r.PartitionID))
			}
			records = append(records, r)
		}
		return records, nil
	}
	placer := newPlacer(v.Image, v.node.o.Random)
	for p := have; p < t.Count; p++ {
		replicas, why := placer.place(factor)
		if why != nil {
			return nil, why
		}
		records = append(records, v.newPartition(topic.ID, p, replicas))
	}
	return records, nil
}
