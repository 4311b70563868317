package broker

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/acl"
)

// readGroup is the rule of the requests that members of a group send.
func readGroup[Q kmsg.Request](group func(Q) string) rule {
	return rule{"Read Group", func(g *guard, req kmsg.Request, next func() kmsg.Response) kmsg.Response {
		if !g.may(acl.Read, acl.Group, group(req.(Q))) {
			return refused(req, kerr.GroupAuthorizationFailed)
		}
		return next()
	}}
}

// groupRules are those of APIs about groups of all kinds and their offsets.
var groupRules = map[kmsg.Key]rule{
	kmsg.JoinGroup: {"Read Group", checked(func(g *guard, q *kmsg.JoinGroupRequest, next func() *kmsg.JoinGroupResponse) *kmsg.JoinGroupResponse {
		if g.may(acl.Read, acl.Group, q.Group) {
			return next()
		}
		resp := kmsg.NewPtrJoinGroupResponse()
		resp.ErrorCode, resp.Generation = kerr.GroupAuthorizationFailed.Code, -1
		if g.r.Version < 7 {
			resp.Protocol = new("")
		}
		return resp
	})},
	kmsg.Heartbeat: readGroup(func(q *kmsg.HeartbeatRequest) string { return q.Group }),
	kmsg.LeaveGroup: {"Read Group", checked(func(g *guard, q *kmsg.LeaveGroupRequest, next func() *kmsg.LeaveGroupResponse) *kmsg.LeaveGroupResponse {
		if g.may(acl.Read, acl.Group, q.Group) {
			return next()
		}
		resp := kmsg.NewPtrLeaveGroupResponse() // the error stands at the group, also where members have places of their own
		resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
		return resp
	})},
	kmsg.SyncGroup: {"Read Group", checked(func(g *guard, q *kmsg.SyncGroupRequest, next func() *kmsg.SyncGroupResponse) *kmsg.SyncGroupResponse {
		// As in Kafka, a request without its protocol is wrong before it is forbidden.
		if g.r.Version >= 5 && (q.ProtocolType == nil || q.Protocol == nil) {
			return refused(q, kerr.InconsistentGroupProtocol).(*kmsg.SyncGroupResponse)
		}
		if g.may(acl.Read, acl.Group, q.Group) {
			return next()
		}
		return refused(q, kerr.GroupAuthorizationFailed).(*kmsg.SyncGroupResponse)
	})},

	kmsg.OffsetCommit: {"Read Group and Topic", checked(func(g *guard, q *kmsg.OffsetCommitRequest, next func() *kmsg.OffsetCommitResponse) *kmsg.OffsetCommitResponse {
		if !g.may(acl.Read, acl.Group, q.Group) {
			return refused(q, kerr.GroupAuthorizationFailed).(*kmsg.OffsetCommitResponse)
		}
		may := g.mayTopic(acl.Read)
		left, denied := split(q.Topics, func(t *kmsg.OffsetCommitRequestTopic) bool { return may(t.Topic, t.TopicID) })
		q.Topics = left
		resp := next()
		addRefused(&resp.Topics, denied, kerr.TopicAuthorizationFailed)
		return resp
	})},
	kmsg.OffsetFetch: {"Describe Group and Topic", checked(guardOffsetFetch)},
	kmsg.OffsetDelete: {"Delete Group, Read Topic", checked(func(g *guard, q *kmsg.OffsetDeleteRequest, next func() *kmsg.OffsetDeleteResponse) *kmsg.OffsetDeleteResponse {
		if !g.may(acl.Delete, acl.Group, q.Group) {
			resp := kmsg.NewPtrOffsetDeleteResponse()
			resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
			return resp
		}
		may := g.mayNames(acl.Read, acl.Topic)
		left, denied := split(q.Topics, func(t *kmsg.OffsetDeleteRequestTopic) bool { return may(t.Topic) })
		q.Topics = left
		resp := next()
		if resp.ErrorCode == 0 {
			addRefused(&resp.Topics, denied, kerr.TopicAuthorizationFailed)
		}
		return resp
	})},
	kmsg.FindCoordinator: {"Describe Group or TransactionalId; for share groups ClusterAction Cluster", checked(guardFindCoordinator)},
	kmsg.DescribeGroups: {"Describe Group", checked(func(g *guard, q *kmsg.DescribeGroupsRequest, next func() *kmsg.DescribeGroupsResponse) *kmsg.DescribeGroupsResponse {
		may := g.mayNames(acl.Describe, acl.Group)
		left, denied := split(q.Groups, func(n *string) bool { return may(*n) })
		q.Groups = left
		resp := next()
		for i := range resp.Groups {
			if m := &resp.Groups[i]; q.IncludeAuthorizedOperations && m.AuthorizedOperations != math.MinInt32 {
				m.AuthorizedOperations = g.operations(acl.Group, m.Group)
			}
		}
		for _, n := range denied {
			m := kmsg.NewDescribeGroupsResponseGroup()
			m.Group, m.ErrorCode = n, kerr.GroupAuthorizationFailed.Code
			resp.Groups = append(resp.Groups, m)
		}
		return resp
	})},
	kmsg.ListGroups: {"Describe Cluster, else Describe Group for each", checked(func(g *guard, _ *kmsg.ListGroupsRequest, next func() *kmsg.ListGroupsResponse) *kmsg.ListGroupsResponse {
		resp := next()
		if !g.sees(acl.Describe, acl.Cluster, acl.ClusterName) {
			resp.Groups = shown(resp.Groups, func(m *kmsg.ListGroupsResponseGroup) bool { return g.sees(acl.Describe, acl.Group, m.Group) })
		}
		return resp
	})},
	kmsg.DeleteGroups: {"Delete Group", checked(func(g *guard, q *kmsg.DeleteGroupsRequest, next func() *kmsg.DeleteGroupsResponse) *kmsg.DeleteGroupsResponse {
		may := g.mayNames(acl.Delete, acl.Group)
		left, denied := split(q.Groups, func(n *string) bool { return may(*n) })
		q.Groups = left
		resp := next()
		addRefused(&resp.Groups, denied, kerr.GroupAuthorizationFailed)
		return resp
	})},

	kmsg.ConsumerGroupHeartbeat: {"Read Group, Describe Topic", checked(func(g *guard, q *kmsg.ConsumerGroupHeartbeatRequest, next func() *kmsg.ConsumerGroupHeartbeatResponse) *kmsg.ConsumerGroupHeartbeatResponse {
		if code := g.heartbeat(q.Group, q.SubscribedTopicNames); code != nil {
			return refused(q, code).(*kmsg.ConsumerGroupHeartbeatResponse)
		}
		return next()
	})},
	kmsg.ShareGroupHeartbeat: {"Read Group, Describe Topic", checked(func(g *guard, q *kmsg.ShareGroupHeartbeatRequest, next func() *kmsg.ShareGroupHeartbeatResponse) *kmsg.ShareGroupHeartbeatResponse {
		if code := g.heartbeat(q.GroupID, q.SubscribedTopicNames); code != nil {
			return refused(q, code).(*kmsg.ShareGroupHeartbeatResponse)
		}
		return next()
	})},
	kmsg.StreamsGroupHeartbeat: {"Read Group, Describe Topic; to create internal topics Create Cluster or Topic", checked(func(g *guard, q *kmsg.StreamsGroupHeartbeatRequest, next func() *kmsg.StreamsGroupHeartbeatResponse) *kmsg.StreamsGroupHeartbeatResponse {
		if !g.may(acl.Read, acl.Group, q.Group) {
			return streamsRefusal(kerr.GroupAuthorizationFailed, "")
		}
		topics := topologyTopics(q.Topology)
		if resp := checkTopologyTopics(topics); resp != nil {
			return resp
		}
		for _, t := range topics {
			if !g.may(acl.Describe, acl.Topic, t) {
				return streamsRefusal(kerr.TopicAuthorizationFailed, "")
			}
		}
		return next()
	})},
	kmsg.ConsumerGroupDescribe: {"Describe Group, Describe Topic", checked(func(g *guard, q *kmsg.ConsumerGroupDescribeRequest, next func() *kmsg.ConsumerGroupDescribeResponse) *kmsg.ConsumerGroupDescribeResponse {
		may := g.mayNames(acl.Describe, acl.Group)
		left, denied := split(q.Groups, func(n *string) bool { return may(*n) })
		q.Groups = left
		resp := next()
		for i := range resp.Groups {
			m := &resp.Groups[i]
			var topics []string
			for j := range m.Members {
				for _, list := range [][]kmsg.AssignmentTopicPartition{m.Members[j].Assignment.TopicPartitions, m.Members[j].TargetAssignment.TopicPartitions} {
					for k := range list {
						topics = append(topics, list[k].Topic)
					}
				}
			}
			if g.hides(topics) {
				name := m.Group
				*m = kmsg.NewConsumerGroupDescribeResponseGroup()
				m.Group, m.ErrorCode, m.ErrorMessage = name, kerr.TopicAuthorizationFailed.Code, new(hiddenAssignment)
			} else if m.AuthorizedOperations != math.MinInt32 {
				m.AuthorizedOperations = g.operations(acl.Group, m.Group)
			}
		}
		addRefused(&resp.Groups, denied, kerr.GroupAuthorizationFailed)
		return resp
	})},
	kmsg.ShareGroupDescribe: {"Describe Group, Describe Topic", checked(func(g *guard, q *kmsg.ShareGroupDescribeRequest, next func() *kmsg.ShareGroupDescribeResponse) *kmsg.ShareGroupDescribeResponse {
		may := g.mayNames(acl.Describe, acl.Group)
		left, denied := split(q.GroupIDs, func(n *string) bool { return may(*n) })
		q.GroupIDs = left
		resp := next()
		for i := range resp.Groups {
			m := &resp.Groups[i]
			var topics []string
			for j := range m.Members {
				for _, t := range m.Members[j].Assignment.TopicPartitions {
					topics = append(topics, t.Topic)
				}
			}
			if g.hides(topics) {
				id := m.GroupID
				*m = kmsg.NewShareGroupDescribeResponseGroup()
				m.GroupID, m.ErrorCode, m.ErrorMessage = id, kerr.TopicAuthorizationFailed.Code, new(hiddenAssignment)
			} else if m.AuthorizedOperations != math.MinInt32 {
				m.AuthorizedOperations = g.operations(acl.Group, m.GroupID)
			}
		}
		addRefused(&resp.Groups, denied, kerr.GroupAuthorizationFailed)
		return resp
	})},
	kmsg.StreamsGroupDescribe: {"Describe Group, Describe Topic", checked(func(g *guard, q *kmsg.StreamsGroupDescribeRequest, next func() *kmsg.StreamsGroupDescribeResponse) *kmsg.StreamsGroupDescribeResponse {
		may := g.mayNames(acl.Describe, acl.Group)
		left, denied := split(q.Groups, func(n *string) bool { return may(*n) })
		q.Groups = left
		resp := next()
		for i := range resp.Groups {
			m := &resp.Groups[i]
			var topics []string
			if m.Topology != nil {
				for j := range m.Topology.Subtopologies {
					s := &m.Topology.Subtopologies[j]
					topics = append(append(topics, s.SourceTopics...), s.RepartitionSinkTopics...)
					for _, t := range s.RepartitionSourceTopics {
						topics = append(topics, t.Topic)
					}
					for _, t := range s.StateChangelogTopics {
						topics = append(topics, t.Topic)
					}
				}
			}
			if g.hides(topics) {
				id := m.Group
				*m = kmsg.NewStreamsGroupDescribeResponseGroup()
				m.Group, m.ErrorCode, m.ErrorMessage = id, kerr.TopicAuthorizationFailed.Code, new(hiddenTopics)
			} else if m.AuthorizedOperations != math.MinInt32 {
				m.AuthorizedOperations = g.operations(acl.Group, m.Group)
			}
		}
		addRefused(&resp.Groups, denied, kerr.GroupAuthorizationFailed)
		return resp
	})},

	kmsg.ShareFetch: {needs: "Read Group and Topic"}, // asked for by its own path, as records go out of files
	kmsg.ShareAcknowledge: {"Read Group and Topic", checked(func(g *guard, q *kmsg.ShareAcknowledgeRequest, next func() *kmsg.ShareAcknowledgeResponse) *kmsg.ShareAcknowledgeResponse {
		if !g.may(acl.Read, acl.Group, text(q.GroupID)) {
			resp := kmsg.NewPtrShareAcknowledgeResponse()
			resp.ErrorCode, resp.ErrorMessage = kerr.GroupAuthorizationFailed.Code, new(denialMessage(kerr.GroupAuthorizationFailed))
			return resp
		}
		may := g.mayTopic(acl.Read)
		left, denied := split(q.Topics, func(t *kmsg.ShareAcknowledgeRequestTopic) bool { return may("", t.TopicID) })
		q.Topics = left
		resp := next()
		addRefused(&resp.Topics, denied, kerr.TopicAuthorizationFailed)
		return resp
	})},
	kmsg.DescribeShareGroupOffsets: {"Describe Group and Topic", checked(func(g *guard, q *kmsg.DescribeShareGroupOffsetsRequest, next func() *kmsg.DescribeShareGroupOffsetsResponse) *kmsg.DescribeShareGroupOffsetsResponse {
		may := g.mayNames(acl.Describe, acl.Group)
		left, denied := split(q.Groups, func(m *kmsg.DescribeShareGroupOffsetsRequestGroup) bool { return may(m.GroupID) })
		q.Groups = left
		mayTopic := g.mayNames(acl.Describe, acl.Topic)
		refusedTopics := map[string][]kmsg.DescribeShareGroupOffsetsRequestGroupTopic{}
		for i := range q.Groups {
			m := &q.Groups[i]
			if m.Topics != nil {
				m.Topics, refusedTopics[m.GroupID] = split(m.Topics, func(t *kmsg.DescribeShareGroupOffsetsRequestGroupTopic) bool { return mayTopic(t.Topic) })
			}
		}
		resp := next()
		for i := range resp.Groups {
			m := &resp.Groups[i]
			m.Topics = shown(m.Topics, func(t *kmsg.DescribeShareGroupOffsetsResponseGroupTopic) bool {
				return g.sees(acl.Describe, acl.Topic, t.Topic)
			})
			if m.ErrorCode != 0 {
				continue
			}
			at := len(m.Topics)
			addRefused(&m.Topics, refusedTopics[m.GroupID], kerr.TopicAuthorizationFailed)
			for j := at; j < len(m.Topics); j++ {
				for k := range m.Topics[j].Partitions {
					m.Topics[j].Partitions[k].StartOffset = -1
				}
			}
		}
		for _, m := range denied {
			out := kmsg.NewDescribeShareGroupOffsetsResponseGroup()
			out.GroupID, out.ErrorCode = m.GroupID, kerr.GroupAuthorizationFailed.Code
			resp.Groups = append(resp.Groups, out)
		}
		return resp
	})},
	kmsg.AlterShareGroupOffsets: {"Read Group and Topic", checked(func(g *guard, q *kmsg.AlterShareGroupOffsetsRequest, next func() *kmsg.AlterShareGroupOffsetsResponse) *kmsg.AlterShareGroupOffsetsResponse {
		if !g.may(acl.Read, acl.Group, q.GroupID) {
			resp := kmsg.NewPtrAlterShareGroupOffsetsResponse()
			resp.ErrorCode, resp.ErrorMessage = kerr.GroupAuthorizationFailed.Code, new(denialMessage(kerr.GroupAuthorizationFailed))
			return resp
		}
		may := g.mayNames(acl.Read, acl.Topic)
		left, denied := split(q.Topics, func(t *kmsg.AlterShareGroupOffsetsRequestTopic) bool { return may(t.Topic) })
		q.Topics = left
		resp := next()
		if resp.ErrorCode == 0 {
			addRefused(&resp.Topics, denied, kerr.TopicAuthorizationFailed)
		}
		return resp
	})},
	kmsg.DeleteShareGroupOffsets: {"Delete Group, Read Topic", checked(func(g *guard, q *kmsg.DeleteShareGroupOffsetsRequest, next func() *kmsg.DeleteShareGroupOffsetsResponse) *kmsg.DeleteShareGroupOffsetsResponse {
		if !g.may(acl.Delete, acl.Group, q.GroupID) {
			resp := kmsg.NewPtrDeleteShareGroupOffsetsResponse()
			resp.ErrorCode, resp.ErrorMessage = kerr.GroupAuthorizationFailed.Code, new(denialMessage(kerr.GroupAuthorizationFailed))
			return resp
		}
		may := g.mayNames(acl.Read, acl.Topic)
		left, denied := split(q.Topics, func(t *kmsg.DeleteShareGroupOffsetsRequestTopic) bool { return may(t.Topic) })
		q.Topics = left
		resp := next()
		if resp.ErrorCode == 0 {
			addRefused(&resp.Topics, denied, kerr.TopicAuthorizationFailed)
		}
		return resp
	})},
}

// hiddenTopics is what Kafka says when a group is not shown because of its topics.
const hiddenTopics = "The described group uses topics that the client is not authorized to describe."

// hiddenAssignment is the same for consumer and share groups, of which what members have counts, not what they ask for.
const hiddenAssignment = "The group has described topic(s) that the client is not authorized to describe."

func (g *guard) hides(topics []string) bool {
	for _, t := range topics {
		if !g.sees(acl.Describe, acl.Topic, t) {
			return true
		}
	}
	return false
}

// heartbeat is what members of the newer kinds of groups need.
func (g *guard) heartbeat(group string, topics []string) *kerr.Error {
	if !g.may(acl.Read, acl.Group, group) {
		return kerr.GroupAuthorizationFailed
	}
	for _, t := range topics {
		if !g.may(acl.Describe, acl.Topic, t) {
			return kerr.TopicAuthorizationFailed
		}
	}
	return nil
}

// guardOffsetFetch: topics that are named are refused one by one; where all are asked for, the others are left out.
func guardOffsetFetch(g *guard, q *kmsg.OffsetFetchRequest, next func() *kmsg.OffsetFetchResponse) *kmsg.OffsetFetchResponse {
	mayGroup, may := g.mayNames(acl.Describe, acl.Group), g.mayTopic(acl.Describe)
	if g.r.Version < 8 {
		if !mayGroup(q.Group) {
			resp := refused(q, kerr.GroupAuthorizationFailed).(*kmsg.OffsetFetchResponse)
			resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
			for i := range resp.Topics {
				for j := range resp.Topics[i].Partitions {
					p := &resp.Topics[i].Partitions[j]
					p.Offset, p.LeaderEpoch, p.Metadata = -1, -1, new("")
				}
			}
			if g.r.Version >= 2 {
				resp.Topics = nil
			}
			return resp
		}
		all := q.Topics == nil
		left, denied := split(q.Topics, func(t *kmsg.OffsetFetchRequestTopic) bool { return may(t.Topic, [16]byte{}) })
		q.Topics = left
		resp := next()
		if all {
			resp.Topics = shown(resp.Topics, func(t *kmsg.OffsetFetchResponseTopic) bool { return g.b.visible(g.r, t.Topic) })
		}
		at := len(resp.Topics)
		addRefused(&resp.Topics, denied, kerr.TopicAuthorizationFailed)
		for i := at; i < len(resp.Topics); i++ {
			for j := range resp.Topics[i].Partitions {
				resp.Topics[i].Partitions[j].Offset, resp.Topics[i].Partitions[j].LeaderEpoch = -1, -1
			}
		}
		return resp
	}
	left, deniedGroups := split(q.Groups, func(m *kmsg.OffsetFetchRequestGroup) bool { return mayGroup(m.Group) })
	q.Groups = left
	deniedTopics := make([][]kmsg.OffsetFetchRequestGroupTopic, len(left))
	all := make([]bool, len(left))
	for i := range left {
		m := &left[i]
		if all[i] = m.Topics == nil; !all[i] {
			m.Topics, deniedTopics[i] = split(m.Topics, func(t *kmsg.OffsetFetchRequestGroupTopic) bool { return may(t.Topic, t.TopicID) })
		}
	}
	resp := next()
	for i := range min(len(resp.Groups), len(left)) {
		m := &resp.Groups[i]
		if all[i] {
			m.Topics = shown(m.Topics, func(t *kmsg.OffsetFetchResponseGroupTopic) bool {
				name, known := g.topicName(t.Topic, t.TopicID)
				return known && g.b.visible(g.r, name)
			})
		}
		if m.ErrorCode != 0 {
			continue
		}
		at := len(m.Topics)
		addRefused(&m.Topics, deniedTopics[i], kerr.TopicAuthorizationFailed)
		for j := at; j < len(m.Topics); j++ {
			for k := range m.Topics[j].Partitions {
				m.Topics[j].Partitions[k].Offset, m.Topics[j].Partitions[k].LeaderEpoch = -1, -1
			}
		}
	}
	for _, m := range deniedGroups {
		out := kmsg.NewOffsetFetchResponseGroup()
		out.Group, out.ErrorCode = m.Group, kerr.GroupAuthorizationFailed.Code
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}

func guardFindCoordinator(g *guard, q *kmsg.FindCoordinatorRequest, next func() *kmsg.FindCoordinatorResponse) *kmsg.FindCoordinatorResponse {
	code := kerr.GroupAuthorizationFailed
	var may func(string) bool
	switch q.CoordinatorType {
	case 1:
		code, may = kerr.TransactionalIDAuthorizationFailed, g.mayNames(acl.Describe, acl.TransactionalID)
	case 2:
		code, may = kerr.ClusterAuthorizationFailed, func(string) bool { return g.cluster(acl.ClusterAction) }
	default:
		may = g.mayNames(acl.Describe, acl.Group)
	}
	if g.r.Version < 4 {
		if may(q.CoordinatorKey) {
			return next()
		}
		resp := kmsg.NewPtrFindCoordinatorResponse()
		resp.ErrorCode, resp.ErrorMessage, resp.NodeID, resp.Port = code.Code, new(denialMessage(code)), -1, -1
		return resp
	}
	left, denied := split(q.CoordinatorKeys, func(k *string) bool { return may(*k) })
	q.CoordinatorKeys = left
	resp := next()
	for _, k := range denied {
		c := kmsg.NewFindCoordinatorResponseCoordinator()
		c.Key, c.ErrorCode, c.ErrorMessage, c.NodeID, c.Port = k, code.Code, new(""), -1, -1
		if q.CoordinatorType == 2 {
			c.ErrorMessage = new(denialMessage(code))
		}
		resp.Coordinators = append(resp.Coordinators, c)
	}
	return resp
}
