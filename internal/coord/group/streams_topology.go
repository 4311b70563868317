package group

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TopologyValue is the value of a StreamsGroupTopology record: what an application
// reads, writes and keeps.
type TopologyValue struct {
	Epoch         int32
	Subtopologies []SubtopologyValue
}

// SubtopologyValue is a part of a topology whose tasks depend on no other part's
// except through topics.
type SubtopologyValue struct {
	ID                      string
	SourceTopics            []string
	SourceTopicRegex        []string // not served by Kafka 4.3; kept as it comes
	StateChangelogTopics    []TopicValue
	RepartitionSinkTopics   []string
	RepartitionSourceTopics []TopicValue
	CopartitionGroups       []CopartitionGroupValue
}

// TopicValue is an internal topic, which the broker creates.
type TopicValue struct {
	Name              string
	Partitions        int32 // 0 = to be found out; of changelogs always
	ReplicationFactor int16 // 0 = the broker's
	Configs           []KeyValue
}

// KeyValue is a setting or a tag.
type KeyValue struct{ Key, Value string }

// CopartitionGroupValue are topics that need equally many partitions, as places in
// the lists of the subtopology.
type CopartitionGroupValue struct {
	SourceTopics            []int16
	SourceTopicRegex        []int16
	RepartitionSourceTopics []int16
}

// topology is a group's topology, ready to be asked.
type topology struct {
	TopologyValue
	sorted   []*SubtopologyValue // by id
	bySource map[string]string   // topic -> id of the subtopology that reads it
	required []string            // the topics that assignments depend on, sorted
}

// newTopology is nil if two subtopologies have one id.
func newTopology(v TopologyValue) *topology {
	t := &topology{TopologyValue: v, bySource: map[string]string{}}
	for i := range v.Subtopologies {
		t.sorted = append(t.sorted, &v.Subtopologies[i])
	}
	slices.SortStableFunc(t.sorted, func(a, b *SubtopologyValue) int { return bytes.Compare([]byte(a.ID), []byte(b.ID)) })
	for i, s := range t.sorted {
		if i > 0 && t.sorted[i-1].ID == s.ID {
			return nil
		}
		for _, name := range s.sources() {
			t.bySource[name] = s.ID
			t.required = append(t.required, name)
		}
		for j := range s.StateChangelogTopics {
			t.required = append(t.required, s.StateChangelogTopics[j].Name)
		}
	}
	slices.Sort(t.required)
	t.required = slices.Compact(t.required)
	return t
}

// sources are the topics a subtopology reads, internal ones included.
func (s *SubtopologyValue) sources() []string {
	all := slices.Clone(s.SourceTopics)
	for i := range s.RepartitionSourceTopics {
		all = append(all, s.RepartitionSourceTopics[i].Name)
	}
	return all
}

// same tells whether two topologies are equal; the order of subtopologies does not
// matter.
func (t *topology) same(o *topology) bool {
	return t.Epoch == o.Epoch && slices.EqualFunc(t.sorted, o.sorted, func(a, b *SubtopologyValue) bool {
		return bytes.Equal(appendSubtopology(nil, a), appendSubtopology(nil, b))
	})
}

// topologyOf reads the topology of a heartbeat.
func topologyOf(req *kmsg.StreamsGroupHeartbeatRequestTopology) TopologyValue {
	v := TopologyValue{Epoch: req.Epoch}
	for i := range req.Subtopologies {
		s := &req.Subtopologies[i]
		sub := SubtopologyValue{
			ID:                      s.SubtopologyID,
			SourceTopics:            s.SourceTopics,
			SourceTopicRegex:        s.SourceTopicRegex,
			StateChangelogTopics:    topicValues(s.StateChangelogTopics),
			RepartitionSinkTopics:   s.RepartitionSinkTopics,
			RepartitionSourceTopics: topicValues(s.RepartitionSourceTopics),
		}
		for j := range s.CopartitionGroups {
			c := &s.CopartitionGroups[j]
			sub.CopartitionGroups = append(sub.CopartitionGroups, CopartitionGroupValue{
				SourceTopics: c.SourceTopics, SourceTopicRegex: c.SourceTopicRegex, RepartitionSourceTopics: c.RepartitionSourceTopics,
			})
		}
		v.Subtopologies = append(v.Subtopologies, sub)
	}
	return v
}

func topicValues(topics []kmsg.TopicInfo) []TopicValue {
	var all []TopicValue
	for i := range topics {
		v := TopicValue{Name: topics[i].Topic, Partitions: topics[i].NumPartitions, ReplicationFactor: topics[i].ReplicationFactor}
		for _, c := range topics[i].Configs {
			v.Configs = append(v.Configs, KeyValue{c.Key, c.Value})
		}
		all = append(all, v)
	}
	return all
}

// errDuplicateSubtopology is about a record that no broker writes.
var errDuplicateSubtopology = fmt.Errorf("%w: two subtopologies of one id", ErrMalformed)
