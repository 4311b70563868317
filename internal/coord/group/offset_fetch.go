package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fetchOffsets answers one group of an OffsetFetch. An unknown group or partition
// is no error: it has committed nothing.
func (s *Shard) fetchOffsets(ev OffsetFetch) {
	r := kmsg.NewOffsetFetchResponseGroup()
	r.Group = ev.Group.Group
	if err := s.checkFetch(&ev.Group); err != nil {
		r.ErrorCode = err.Code
		s.reply(ev.ID, r)
		return
	}
	topics := ev.Group.Topics
	if ev.All {
		topics = s.allTopics(ev.Group.Group)
	}
	for i := range topics {
		t := kmsg.NewOffsetFetchResponseGroupTopic()
		t.Topic, t.TopicID = topics[i].Topic, topics[i].TopicID
		for _, partition := range topics[i].Partitions {
			t.Partitions = append(t.Partitions, s.fetchOne(ev, &topics[i], partition))
		}
		r.Topics = append(r.Topics, t)
	}
	s.reply(ev.ID, r)
}

// checkFetch checks the member that new clients name.
func (s *Shard) checkFetch(req *kmsg.OffsetFetchRequestGroup) *kerr.Error {
	if g := s.groups[req.Group]; g != nil {
		return g.validateOffsetFetch(req.MemberID, req.MemberEpoch)
	}
	return nil
}

func (s *Shard) fetchOne(ev OffsetFetch, t *kmsg.OffsetFetchRequestGroupTopic, partition int32) kmsg.OffsetFetchResponseGroupTopicPartition {
	p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	p.Partition = partition
	p.Offset, p.LeaderEpoch, p.Metadata = -1, -1, new(string)
	tp := topicPartition{t.Topic, partition}
	if ev.RequireStable && s.offsets.hasPending(ev.Group.Group, tp) {
		p.ErrorCode = kerr.UnstableOffsetCommit.Code
		return p
	}
	if o := s.offsets.get(ev.Group.Group, tp); o != nil && sameTopic(o.value.TopicID, t.TopicID) {
		p.Offset, p.LeaderEpoch = o.value.Offset, o.value.LeaderEpoch
		metadata := o.value.Metadata
		p.Metadata = &metadata
	}
	return p
}

// sameTopic tells two topics of one name apart where both ids are known: an
// offset of a deleted topic says nothing about its successor.
func sameTopic(a, b [16]byte) bool {
	zero := [16]byte{}
	return a == b || a == zero || b == zero
}

// allTopics lists the group's committed offsets as a request would.
func (s *Shard) allTopics(group string) []kmsg.OffsetFetchRequestGroupTopic {
	var topics []kmsg.OffsetFetchRequestGroupTopic
	for _, tp := range s.offsets.partitions(group) {
		if s.offsets.get(group, tp) == nil {
			continue // only pending
		}
		if n := len(topics); n == 0 || topics[n-1].Topic != tp.topic {
			t := kmsg.NewOffsetFetchRequestGroupTopic()
			t.Topic = tp.topic
			topics = append(topics, t)
		}
		last := &topics[len(topics)-1]
		last.Partitions = append(last.Partitions, tp.partition)
	}
	return topics
}
