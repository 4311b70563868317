package group

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group/assign"
)

// describeStreams shows streams groups.
func (s *Shard) describeStreams(ev StreamsGroupDescribe) {
	all := make([]kmsg.StreamsGroupDescribeResponseGroup, 0, len(ev.Groups))
	for _, id := range ev.Groups {
		r := kmsg.NewStreamsGroupDescribeResponseGroup()
		r.Group = id
		switch g := s.groups[id].(type) {
		case *streams:
			g.describe(&r)
		default:
			r.ErrorCode, r.ErrorMessage = notOfKind(g, id, "streams")
		}
		all = append(all, r)
	}
	s.reply(ev.ID, all)
}

func (g *streams) describe(r *kmsg.StreamsGroupDescribeResponseGroup) {
	r.State = g.stateName()
	r.Epoch, r.AssignmentEpoch = g.epoch, g.assignmentEpoch
	if g.topology != nil {
		r.Topology = g.describeTopology()
	}
	for _, id := range sortedKeys(g.members) {
		m := g.members[id]
		d := kmsg.NewStreamsGroupDescribeResponseGroupMember()
		d.MemberID, d.MemberEpoch = m.id, m.current.Epoch
		d.InstanceID, d.RackID = m.InstanceID, m.RackID
		d.ClientID, d.ClientHost = m.ClientID, m.ClientHost
		d.TopologyEpoch, d.ProcessID = m.TopologyEpoch, m.ProcessID
		if e := m.Endpoint; e != nil {
			d.UserEndpoint = &kmsg.StreamsGroupDescribeResponseGroupMemberUserEndpoint{Host: e.Host, Port: e.Port}
		}
		for _, t := range m.Tags {
			d.ClientTags = append(d.ClientTags, kmsg.StreamsGroupDescribeResponseGroupMemberClientTag{Key: t.Key, Value: t.Value})
		}
		d.Assignment = describeTasks(assign.TaskSet{Standby: m.current.Assigned.Standby, Warmup: m.current.Assigned.Warmup})
		d.Assignment.ActiveTasks = activeIDs(m.current.Assigned.Active)
		d.TargetAssignment = describeTasks(g.shall[id])
		r.Members = append(r.Members, d)
	}
}

func describeTasks(t assign.TaskSet) kmsg.StreamsAssignment {
	a := kmsg.NewStreamsAssignment()
	a.ActiveTasks, a.StandbyTasks, a.WarmupTasks = taskIDs(t.Active), taskIDs(t.Standby), taskIDs(t.Warmup)
	return a
}

// describeTopology shows how many partitions internal topics have as soon as all of
// them are there.
func (g *streams) describeTopology() *kmsg.StreamsGroupDescribeResponseGroupTopology {
	t := kmsg.NewStreamsGroupDescribeResponseGroupTopology()
	t.Epoch = g.topology.Epoch
	t.Subtopologies = []kmsg.StreamsGroupDescribeResponseGroupTopologySubtopology{}
	for _, s := range g.topology.sorted {
		var partitions map[string]int32
		if g.configured.ready() {
			partitions = g.configured.subtopologies[s.ID].partitions
		}
		d := kmsg.NewStreamsGroupDescribeResponseGroupTopologySubtopology()
		d.SubtopologyID = s.ID
		d.SourceTopics = slices.Sorted(slices.Values(s.SourceTopics))
		d.RepartitionSinkTopics = slices.Sorted(slices.Values(s.RepartitionSinkTopics))
		d.RepartitionSourceTopics = describeTopics(s.RepartitionSourceTopics, partitions)
		d.StateChangelogTopics = describeTopics(s.StateChangelogTopics, partitions)
		t.Subtopologies = append(t.Subtopologies, d)
	}
	return &t
}

func describeTopics(topics []TopicValue, partitions map[string]int32) []kmsg.TopicInfo {
	all := make([]kmsg.TopicInfo, 0, len(topics))
	for i := range topics {
		t := kmsg.NewTopicInfo()
		t.Topic, t.NumPartitions, t.ReplicationFactor = topics[i].Name, topics[i].Partitions, topics[i].ReplicationFactor
		if n, ok := partitions[t.Topic]; ok {
			t.NumPartitions = n
		}
		for _, kv := range topics[i].Configs {
			t.Configs = append(t.Configs, kmsg.TopicInfoConfig{Key: kv.Key, Value: kv.Value})
		}
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b kmsg.TopicInfo) int { return strings.Compare(a.Topic, b.Topic) })
	return all
}

// endpointPartitions tells which topic partitions can be queried at which endpoint:
// those of all members that have one, the member that asks at the end.
func (s *Shard) endpointPartitions(g *streams, asks *streamsMember) []kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpoint {
	all := []kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpoint{}
	add := func(m *streamsMember) {
		if m.Endpoint == nil {
			return
		}
		e := kmsg.NewStreamsGroupHeartbeatResponsePartitionsByUserEndpoint()
		e.UserEndpoint.Host, e.UserEndpoint.Port = m.Endpoint.Host, m.Endpoint.Port
		active := make(assign.Tasks, len(m.current.Assigned.Active))
		for sub, ps := range m.current.Assigned.Active {
			active[sub] = sortedKeys(ps)
		}
		s.eachTaskTopic(g, active, func(topic string, partitions []int32) {
			e.ActivePartitions = append(e.ActivePartitions, kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpointActivePartition{Topic: topic, Partitions: partitions})
		})
		s.eachTaskTopic(g, m.current.Assigned.Standby, func(topic string, partitions []int32) {
			e.StandbyPartitions = append(e.StandbyPartitions, kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpointStandbyPartition{Topic: topic, Partitions: partitions})
		})
		all = append(all, e)
	}
	for _, id := range sortedKeys(g.members) {
		if id != asks.id {
			add(g.members[id])
		}
	}
	add(asks)
	return all
}

// eachTaskTopic visits the source topics of tasks, with the partitions as Kafka
// counts them: the numbers of the tasks, and of those the lowest where a topic has
// fewer partitions than there are tasks.
func (s *Shard) eachTaskTopic(g *streams, tasks assign.Tasks, visit func(topic string, partitions []int32)) {
	if g.configured == nil {
		return
	}
	for _, sub := range sortedKeys(tasks) {
		c := g.configured.subtopologies[sub]
		if c == nil {
			continue
		}
		topics := c.sources()
		slices.Sort(topics)
		for _, name := range slices.Compact(topics) {
			if t, ok := s.cluster.Topic(name); ok {
				visit(name, tasks[sub][:min(len(tasks[sub]), int(t.Partitions))])
			}
		}
	}
}
