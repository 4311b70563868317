package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group/assign"
	"leat.dev/internal/coord/share"
)

// shareOffsets tells which partitions of topics that exist have state. An unknown group
// has none.
func (s *Shard) shareOffsets(ev ShareOffsets) {
	ps := assign.Partitions{}
	if g := s.share(ev.Group); g != nil {
		for id, t := range g.state.Initialized {
			if _, ok := s.cluster.TopicName(id); ok && len(t.Partitions) > 0 {
				ps[id] = t.Partitions
			}
		}
	}
	s.reply(ev.ID, ps)
}

// alterShareOffsets checks what AlterShareGroupOffsets asks for, and writes down that
// the state of its partitions is about to be made anew. A group that does not exist
// comes to be: so can offsets be set before the first member joins.
func (s *Shard) alterShareOffsets(ev AlterShareOffsets) {
	r := kmsg.NewPtrAlterShareGroupOffsetsResponse()
	r.Version = ev.Req.Version
	altered := ShareOffsetsAltered{Response: r}
	g, err := s.findShare(ev.Req.GroupID, true, "")
	if err == nil && !g.empty() {
		err = refuse(kerr.NonEmptyGroup, "The group is not empty.")
	}
	if err != nil {
		r.ErrorCode, r.ErrorMessage = err.code.Code, &err.message
		s.reply(ev.ID, altered)
		return
	}
	topics := map[assign.TopicID]ShareTopic{}
	for i := range ev.Req.Topics {
		t := &ev.Req.Topics[i]
		info, known := s.cluster.Topic(t.Topic)
		out := kmsg.NewAlterShareGroupOffsetsResponseTopic()
		out.Topic, out.TopicID = t.Topic, info.ID
		var ps []int32
		for _, p := range t.Partitions {
			op := kmsg.NewAlterShareGroupOffsetsResponseTopicPartition()
			op.Partition = p.Partition
			if !known || p.Partition < 0 || p.Partition >= info.Partitions {
				op.ErrorCode, op.ErrorMessage = kerr.UnknownTopicOrPartition.Code, new(unknownTopicMessage)
			} else {
				ps = append(ps, p.Partition)
				altered.Initialize = append(altered.Initialize, share.InitializePartition{
					TopicPartition: share.TopicPartition{TopicID: info.ID, Partition: p.Partition},
					StateEpoch:     g.epoch, StartOffset: p.StartOffset,
				})
			}
			out.Partitions = append(out.Partitions, op)
		}
		if len(ps) > 0 {
			topics[info.ID] = ShareTopic{t.Topic, union(topics[info.ID].Partitions, ps)}
		}
		r.Topics = append(r.Topics, out)
	}
	if len(topics) > 0 {
		if s.groups[g.id] == nil {
			s.addShare(g)
		}
		if err := s.putInitializing(g, topics); err != nil {
			altered.Initialize = nil
			r.ErrorCode, r.ErrorMessage, r.Topics = err.code.Code, &err.message, nil
		}
	}
	s.reply(ev.ID, altered)
}

// unknownTopicMessage is Kafka's sentence for UNKNOWN_TOPIC_OR_PARTITION.
const unknownTopicMessage = "This server does not host this topic-partition."

// deleteShareOffsets checks what DeleteShareGroupOffsets asks for, and writes down that
// the state of its topics is about to go.
func (s *Shard) deleteShareOffsets(ev DeleteShareOffsets) {
	r := kmsg.NewPtrDeleteShareGroupOffsetsResponse()
	r.Version = ev.Req.Version
	deleting := ShareOffsetsDeleting{Response: r, Topics: map[assign.TopicID]ShareTopic{}}
	defer func() { s.reply(ev.ID, deleting) }()
	g, err := s.findShare(ev.Req.GroupID, false, "Group %s not found.")
	if err == nil && !g.empty() {
		err = refuse(kerr.NonEmptyGroup, "The group is not empty.")
	}
	if err != nil {
		r.ErrorCode, r.ErrorMessage = err.code.Code, &err.message
		return
	}
	v := g.state.copy()
	for i := range ev.Req.Topics {
		name := ev.Req.Topics[i].Topic
		info, known := s.cluster.Topic(name)
		initialized, has := v.Initialized[info.ID]
		_, again := v.Deleting[info.ID]
		message := ""
		switch {
		case !known:
			message = unknownTopicMessage
		case again: // an earlier attempt has left what nobody knows
			deleting.Topics[info.ID], _ = s.wholeTopic(info.ID)
			delete(v.Initialized, info.ID)
		case has:
			deleting.Topics[info.ID] = initialized
			delete(v.Initialized, info.ID)
			v.Deleting[info.ID] = name
		default:
			message = "There is no offset information to delete."
		}
		if message != "" {
			t := kmsg.NewDeleteShareGroupOffsetsResponseTopic()
			t.Topic, t.ErrorCode, t.ErrorMessage = name, kerr.UnknownTopicOrPartition.Code, &message
			r.Topics = append(r.Topics, t)
		}
	}
	if len(deleting.Topics) > 0 {
		s.putShareState(g, v)
	}
}

// shareOffsetsDeleted forgets topics whose state is gone.
func (s *Shard) shareOffsetsDeleted(ev ShareOffsetsDeleted) {
	if g := s.share(ev.Group); g != nil {
		v := g.state.copy()
		for _, id := range ev.Topics {
			delete(v.Deleting, id)
		}
		s.putShareState(g, v)
	}
	s.reply(ev.ID, nil)
}
