package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// deleteOffsets handles OffsetDelete: a consumer group may have members, but no
// offset of a topic they subscribe to is deleted.
func (s *Shard) deleteOffsets(ev OffsetDelete) {
	r := kmsg.NewPtrOffsetDeleteResponse()
	r.Version = ev.Req.Version
	g := s.groups[ev.Req.Group]
	err := kerr.GroupIDNotFound
	if g != nil {
		err = g.validateOffsetDelete()
	}
	if err != nil {
		r.ErrorCode = err.Code
		s.reply(ev.ID, r)
		return
	}
	for i := range ev.Req.Topics {
		t := kmsg.NewOffsetDeleteResponseTopic()
		t.Topic = ev.Req.Topics[i].Topic
		subscribed := g.subscribedTo(t.Topic)
		for _, rp := range ev.Req.Topics[i].Partitions {
			p := kmsg.NewOffsetDeleteResponseTopicPartition()
			p.Partition = rp.Partition
			tp := topicPartition{t.Topic, rp.Partition}
			if subscribed {
				p.ErrorCode = kerr.GroupSubscribedToTopic.Code
			} else if s.offsets.get(ev.Req.Group, tp) != nil || s.offsets.hasPending(ev.Req.Group, tp) {
				s.dropOffset(ev.Req.Group, tp)
			}
			t.Partitions = append(t.Partitions, p)
		}
		r.Topics = append(r.Topics, t)
	}
	s.reply(ev.ID, r)
}
