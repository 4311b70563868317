package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group/assign"
)

// describeConsumers shows consumer groups.
func (s *Shard) describeConsumers(ev ConsumerGroupDescribe) {
	all := make([]kmsg.ConsumerGroupDescribeResponseGroup, 0, len(ev.Groups))
	for _, id := range ev.Groups {
		r := kmsg.NewConsumerGroupDescribeResponseGroup()
		r.Group = id
		switch g := s.groups[id].(type) {
		case *consumer:
			s.describeConsumer(g, &r)
		default:
			r.ErrorCode, r.ErrorMessage = notOfKind(g, id, "consumer")
		}
		all = append(all, r)
	}
	s.reply(ev.ID, all)
}

func (s *Shard) describeConsumer(g *consumer, r *kmsg.ConsumerGroupDescribeResponseGroup) {
	r.State = g.stateName()
	r.Epoch, r.AssignmentEpoch = g.epoch, g.assignmentEpoch
	r.AssignorName = s.assignorOf(g)
	for _, id := range sortedKeys(g.members) {
		m := g.members[id]
		d := kmsg.NewConsumerGroupDescribeResponseGroupMember()
		d.MemberID, d.InstanceID, d.RackID = m.id, m.InstanceID, m.RackID
		d.MemberEpoch = m.current.Epoch
		d.ClientID, d.ClientHost = m.ClientID, m.ClientHost
		d.SubscribedTopics = m.Topics
		d.SubscribedTopicRegex = &m.Regex
		d.Assignment = s.describePartitions(m.owns())
		d.TargetAssignment = s.describePartitions(g.targetOf(m))
		d.MemberType = 1
		if m.isClassic() {
			d.MemberType = 0
		}
		r.Members = append(r.Members, d)
	}
}

// owns is what a member consumes: what it has and what it has yet to give up.
func (m *consumerMember) owns() assign.Partitions {
	all := Held{}
	for _, h := range []Held{m.current.Assigned, m.current.Revoking} {
		for id, ps := range h {
			for p, epoch := range ps {
				all.add(id, p, epoch)
			}
		}
	}
	return all.partitions()
}

// describePartitions names partitions; topics that are gone are left out.
func (s *Shard) describePartitions(partitions assign.Partitions) kmsg.Assignment {
	a := kmsg.NewAssignment()
	for _, id := range partitions.Topics() {
		name, ok := s.cluster.TopicName(id)
		if !ok {
			continue
		}
		t := kmsg.NewAssignmentTopicPartition()
		t.TopicID, t.Topic, t.Partitions = id, name, partitions[id]
		a.TopicPartitions = append(a.TopicPartitions, t)
	}
	return a
}
