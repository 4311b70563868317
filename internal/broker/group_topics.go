package broker

import (
	"iter"
	"slices"

	"leat.dev/internal/coord/group"
	"leat.dev/internal/metadata"
)

// groupTopics is the metadata as consumer groups see it.
type groupTopics struct{ img *metadata.Image }

// Version implements group.Cluster.
func (v groupTopics) Version() int64 { return v.img.Offset }

// Topic implements group.Cluster.
func (v groupTopics) Topic(name string) (group.TopicInfo, bool) {
	t := v.img.Topic(name)
	if t == nil {
		return group.TopicInfo{}, false
	}
	return group.TopicInfo{ID: t.ID, Partitions: int32(len(t.Partitions))}, true
}

// TopicName implements group.Cluster.
func (v groupTopics) TopicName(id [16]byte) (string, bool) {
	if t := v.img.TopicByID(id); t != nil {
		return t.Name, true
	}
	return "", false
}

// TopicNames implements group.Cluster.
func (v groupTopics) TopicNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		for t := range v.img.Topics() {
			if !yield(t.Name) {
				return
			}
		}
	}
}

// Racks implements group.Cluster.
func (v groupTopics) Racks(topic string, partition int32) []string {
	t := v.img.Topic(topic)
	if t == nil || int(partition) >= len(t.Partitions) {
		return nil
	}
	var racks []string
	for _, id := range t.Partitions[partition].Replicas {
		if b := v.img.Broker(id); b != nil && b.Rack != nil && !slices.Contains(racks, *b.Rack) {
			racks = append(racks, *b.Rack)
		}
	}
	return racks
}

// groupTopicsChange tells which topics consumer groups have to look at again. It is
// about their number of partitions and the racks they are in; a new leader is none of
// a group's business.
func groupTopicsChange(prev, next *metadata.Image) (ev group.ClusterChanged, changed bool) {
	ev.Cluster = groupTopics{next}
	for old, now := range next.ChangedTopics(prev) {
		switch {
		case old == nil:
			ev.NewTopics = true
			ev.Changed = append(ev.Changed, now.Name)
		case now == nil || now.ID != old.ID || len(now.Partitions) != len(old.Partitions) || !sameReplicas(old, now):
			ev.Changed = append(ev.Changed, old.Name)
		}
	}
	if racksChanged(prev, next) {
		ev.Changed = slices.Collect(groupTopics{next}.TopicNames())
	}
	return ev, len(ev.Changed) > 0
}

func sameReplicas(a, b *metadata.Topic) bool {
	for i := range a.Partitions {
		if !slices.Equal(a.Partitions[i].Replicas, b.Partitions[i].Replicas) {
			return false
		}
	}
	return true
}

func racksChanged(prev, next *metadata.Image) bool {
	for b := range next.Brokers() {
		old := prev.Broker(b.ID)
		if old == nil && b.Rack != nil || old != nil && !samePtr(old.Rack, b.Rack) {
			return true
		}
	}
	return false
}

func samePtr(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }
