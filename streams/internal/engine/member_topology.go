package engine

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/streams/internal/topology"
)

// topologyEpoch is that of every topology, as in Kafka Streams 4.3: brokers of Kafka 4.3 take one topology for a group and no
// other, whatever its epoch is.
const topologyEpoch = 0

// declaredTopology is the topology as the group coordinator is told it.
func (a *App) declaredTopology() *kmsg.StreamsGroupHeartbeatRequestTopology {
	s := &a.prog.Settings
	out := kmsg.NewStreamsGroupHeartbeatRequestTopology()
	out.Epoch = topologyEpoch
	all := a.prog.Topology.Declare(topology.LayoutConfig{
		ApplicationID: a.prog.ApplicationID, WindowExtraRetentionMs: s.WindowChangelogMs, TopicConfig: s.TopicConfig,
	})
	for i := range all {
		out.Subtopologies = append(out.Subtopologies, declaredSubtopology(&all[i], s.ReplicationFactor))
	}
	slices.SortFunc(out.Subtopologies, func(a, b kmsg.StreamsGroupHeartbeatRequestTopologySubtopology) int {
		return cmp.Compare(a.SubtopologyID, b.SubtopologyID)
	})
	return &out
}

func declaredSubtopology(d *topology.Declared, replication int16) kmsg.StreamsGroupHeartbeatRequestTopologySubtopology {
	out := kmsg.NewStreamsGroupHeartbeatRequestTopologySubtopology()
	out.SubtopologyID = strconv.Itoa(d.ID)
	out.SourceTopics, out.RepartitionSinkTopics = d.Sources, d.RepartitionSinks
	out.RepartitionSourceTopics = topicInfos(d.Repartition, replication)
	out.StateChangelogTopics = topicInfos(d.Changelogs, replication)
	for _, c := range d.Copartitioned {
		g := kmsg.NewStreamsGroupHeartbeatRequestTopologySubtopologyCopartitionGroup()
		g.SourceTopics, g.RepartitionSourceTopics = c.Sources, c.Repartition
		out.CopartitionGroups = append(out.CopartitionGroups, g)
	}
	return out
}

func topicInfos(topics []topology.DeclaredTopic, replication int16) []kmsg.TopicInfo {
	var out []kmsg.TopicInfo
	for _, t := range topics {
		info := kmsg.NewTopicInfo()
		info.Topic, info.NumPartitions, info.ReplicationFactor = t.Name, int32(t.Partitions), replication //nolint:gosec // partitions are int32
		for _, key := range slices.Sorted(maps.Keys(t.Config)) {
			c := kmsg.NewTopicInfoConfig()
			c.Key, c.Value = key, t.Config[key]
			info.Configs = append(info.Configs, c)
		}
		out = append(out, info)
	}
	return out
}
