package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// commitOffsets handles OffsetCommit: all acceptable partitions are stored in one
// step, the others answered with their error.
func (s *Shard) commitOffsets(ev OffsetCommit) {
	req := ev.Req
	g, err := s.committer(req)
	if err == nil && g != nil {
		err = s.checkCommitted(g, req)
	}
	if err != nil {
		s.reply(ev.ID, commitResponse(req, func(*kmsg.OffsetCommitRequestTopicPartition) *kerr.Error { return err }))
		return
	}
	tooLarge := func(p *kmsg.OffsetCommitRequestTopicPartition) *kerr.Error {
		if p.Metadata != nil && len(*p.Metadata) > min(s.settings.OffsetMetadataMaxBytes, maxString) {
			return kerr.OffsetMetadataTooLarge
		}
		return nil
	}
	size := 0
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			if p := &req.Topics[i].Partitions[j]; tooLarge(p) == nil {
				size += commitRecordBytes(req, &req.Topics[i], p)
			}
		}
	}
	if size > s.settings.MaxRecordBytes {
		s.reply(ev.ID, commitResponse(req, func(*kmsg.OffsetCommitRequestTopicPartition) *kerr.Error {
			return kerr.UnknownServerError
		}))
		return
	}
	if g == nil && size > 0 {
		s.newClassic(req.Group) // a simple group: offsets and nothing else
	}
	s.fx.Atomic = true
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			if p := &t.Partitions[j]; tooLarge(p) == nil {
				s.commitOne(req, t, p)
			}
		}
	}
	s.reply(ev.ID, commitResponse(req, tooLarge))
}

// committer checks that the sender may commit and renews its session. The group
// is nil if it does not exist and the commit would make it.
func (s *Shard) committer(req *kmsg.OffsetCommitRequest) (group, *kerr.Error) {
	g := s.groups[req.Group]
	if g == nil {
		switch {
		case len(req.Group) > maxString:
			return nil, kerr.InvalidGroupID
		case req.Generation < 0:
			return nil, nil
		case req.Version >= 9:
			return nil, kerr.GroupIDNotFound
		}
		return nil, kerr.IllegalGeneration
	}
	m, err := g.validateOffsetCommit(plainCommitting(req))
	if err != nil {
		return nil, err
	}
	if c, ok := g.(*classic); ok && m != nil {
		s.renewSession(c, m)
	}
	return g, nil
}

// checkCommitted checks the partitions: one that the sender has no right to is
// enough to refuse them all, as in Kafka.
func (s *Shard) checkCommitted(g group, req *kmsg.OffsetCommitRequest) *kerr.Error {
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			if err := g.validateCommitOf(plainCommitting(req), s.identified(t.Topic, t.TopicID), t.Partitions[j].Partition); err != nil {
				return err
			}
		}
	}
	return nil
}

func plainCommitting(req *kmsg.OffsetCommitRequest) committing {
	return committing{memberID: req.MemberID, instanceID: req.InstanceID, generation: req.Generation, version: req.Version}
}

// identified adds a topic's id, looked up by name, if the request does not tell it.
func (s *Shard) identified(name string, id [16]byte) Topic {
	if id == [16]byte{} {
		t, _ := s.cluster.Topic(name)
		id = t.ID
	}
	return Topic{Name: name, ID: id}
}

func (s *Shard) commitOne(req *kmsg.OffsetCommitRequest, t *kmsg.OffsetCommitRequestTopic, p *kmsg.OffsetCommitRequestTopicPartition) {
	v := OffsetValue{
		Offset:          p.Offset,
		LeaderEpoch:     p.LeaderEpoch,
		CommitTimestamp: s.now.UnixMilli(),
		ExpireTimestamp: -1,
		TopicID:         t.TopicID,
	}
	if p.Metadata != nil {
		v.Metadata = *p.Metadata
	}
	if req.Version >= 2 && req.Version <= 4 && req.RetentionTimeMillis >= 0 {
		v.ExpireTimestamp = v.CommitTimestamp + req.RetentionTimeMillis
		// The record version that has room for this has none for the rest.
		v.LeaderEpoch, v.TopicID = -1, [16]byte{}
	}
	key := OffsetKey{Group: req.Group, Topic: t.Topic, Partition: p.Partition}
	order := s.write(EncodeOffset(key, v))
	s.offsets.put(req.Group, topicPartition{t.Topic, p.Partition}, &offset{value: v, order: order})
}

// commitRecordBytes bounds the size of the record that a partition's commit
// makes, with the framing of a record batch.
func commitRecordBytes(req *kmsg.OffsetCommitRequest, t *kmsg.OffsetCommitRequestTopic, p *kmsg.OffsetCommitRequestTopicPartition) int {
	const fixed = 80
	n := fixed + len(req.Group) + len(t.Topic)
	if p.Metadata != nil {
		n += len(*p.Metadata)
	}
	return n
}

func commitResponse(req *kmsg.OffsetCommitRequest, code func(*kmsg.OffsetCommitRequestTopicPartition) *kerr.Error) *kmsg.OffsetCommitResponse {
	r := kmsg.NewPtrOffsetCommitResponse()
	r.Version = req.Version
	for i := range req.Topics {
		t := kmsg.NewOffsetCommitResponseTopic()
		t.Topic, t.TopicID = req.Topics[i].Topic, req.Topics[i].TopicID
		for j := range req.Topics[i].Partitions {
			p := kmsg.NewOffsetCommitResponseTopicPartition()
			p.Partition = req.Topics[i].Partitions[j].Partition
			if err := code(&req.Topics[i].Partitions[j]); err != nil {
				p.ErrorCode = err.Code
			}
			t.Partitions = append(t.Partitions, p)
		}
		r.Topics = append(r.Topics, t)
	}
	return r
}
