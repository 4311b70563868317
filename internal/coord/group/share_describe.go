package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// shareAssignor is the name of the one assignor of share groups.
const shareAssignor = "simple"

// describeShares shows share groups.
func (s *Shard) describeShares(ev ShareGroupDescribe) {
	all := make([]kmsg.ShareGroupDescribeResponseGroup, 0, len(ev.Groups))
	for _, id := range ev.Groups {
		r := kmsg.NewShareGroupDescribeResponseGroup()
		r.GroupID = id
		switch g := s.groups[id].(type) {
		case *shareGroup:
			s.describeShare(g, &r)
		default:
			r.ErrorCode, r.ErrorMessage = notOfKind(g, id, "share")
		}
		all = append(all, r)
	}
	s.reply(ev.ID, all)
}

func (s *Shard) describeShare(g *shareGroup, r *kmsg.ShareGroupDescribeResponseGroup) {
	r.GroupState = g.stateName()
	r.GroupEpoch, r.AssignmentEpoch = g.epoch, g.assignmentEpoch
	r.Assignor = shareAssignor
	for _, id := range sortedKeys(g.members) {
		m := g.members[id]
		d := kmsg.NewShareGroupDescribeResponseGroupMember()
		d.MemberID, d.RackID, d.MemberEpoch = m.id, m.RackID, m.current.Epoch
		d.ClientID, d.ClientHost = m.ClientID, m.ClientHost
		d.SubscribedTopicNames = m.Topics
		for _, topicID := range m.current.Assigned.Topics() {
			name, ok := s.cluster.TopicName(topicID)
			if !ok {
				continue
			}
			t := kmsg.NewShareGroupDescribeResponseGroupMemberAssignmentTopicPartition()
			t.TopicID, t.Topic, t.Partitions = topicID, name, m.current.Assigned[topicID]
			d.Assignment.TopicPartitions = append(d.Assignment.TopicPartitions, t)
		}
		r.Members = append(r.Members, d)
	}
}
