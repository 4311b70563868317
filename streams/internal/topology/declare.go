package topology

import (
	"cmp"
	"maps"
	"slices"
)

// Declared is a sub-topology as an application tells it to the group coordinator (KIP-1071), which then lays it out
// itself: topics by full name, without the numbers of partitions that follow from others. All lists are sorted, so that a
// program is told in the same words each time, and in those of Kafka Streams.
type Declared struct {
	ID               int
	Sources          []string // that are not this program's own
	Repartition      []DeclaredTopic
	RepartitionSinks []string
	Changelogs       []DeclaredTopic // source topics that are changelogs too
	Copartitioned    []CopartitionGroup
}

// CopartitionGroup are topics that need equally many partitions, as places in Sources and Repartition.
type CopartitionGroup struct{ Sources, Repartition []int16 }

// DeclaredTopic is an internal topic.
type DeclaredTopic struct {
	Name       string
	Partitions int // 0: follows from others
	Config     map[string]string
}

// Declare says what the sub-topologies read, write and keep, in the order of their numbers. A topology with patterns cannot
// be told so; its pattern sources are left out. cfg.Topics is not used.
func (t *Topology) Declare(cfg LayoutConfig) []Declared {
	var all []Declared
	for _, s := range t.Subtopologies {
		all = append(all, t.declare(s, cfg))
	}
	return all
}

func (t *Topology) declare(s *Subtopology, cfg LayoutConfig) Declared {
	d := Declared{ID: s.ID}
	reads := map[string]bool{}
	for _, src := range s.Sources() {
		for _, topic := range src.Topics {
			reads[topic] = true
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(reads)) {
		if !t.IsInternal(topic) {
			d.Sources = append(d.Sources, topic)
		}
	}
	for _, it := range t.internal {
		if reads[it.Name] {
			d.Repartition = append(d.Repartition, DeclaredTopic{Decorate(cfg.ApplicationID, it.Name), it.Partitions, repartitionConfig(cfg)})
		}
	}
	for _, sink := range s.Sinks() {
		if sink.Internal {
			d.RepartitionSinks = append(d.RepartitionSinks, Decorate(cfg.ApplicationID, sink.Topic))
		}
	}
	slices.Sort(d.RepartitionSinks)
	d.RepartitionSinks = slices.Compact(d.RepartitionSinks)
	for _, store := range s.Stores {
		if store.Changelog(cfg.ApplicationID) != "" {
			d.Changelogs = append(d.Changelogs, DeclaredTopic{store.Changelog(cfg.ApplicationID), 0, store.changelogConfig(cfg)})
		}
	}
	byName := func(a, b DeclaredTopic) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(d.Repartition, byName)
	slices.SortFunc(d.Changelogs, byName)
	d.Copartitioned = t.copartitionedIn(s, &d, cfg.ApplicationID)
	return d
}

// copartitionedIn are the groups of one sub-topology, each in the order of Java's hash sets, which is Kafka's.
func (t *Topology) copartitionedIn(s *Subtopology, d *Declared, app string) []CopartitionGroup {
	var groups []CopartitionGroup
	for _, names := range t.copart {
		var topics []string
		for _, source := range names {
			if n := t.nodes[source]; n.Subtopology == s.ID {
				for _, topic := range n.Topics {
					topics = append(topics, t.FullName(app, topic))
				}
			}
		}
		slices.Sort(topics)
		var g CopartitionGroup
		for _, topic := range hashOrder(slices.Compact(topics), 0) {
			if i := slices.Index(d.Sources, topic); i >= 0 {
				g.Sources = append(g.Sources, int16(i)) //nolint:gosec // a program names far fewer topics
				continue
			}
			i := slices.IndexFunc(d.Repartition, func(r DeclaredTopic) bool { return r.Name == topic })
			g.Repartition = append(g.Repartition, int16(i)) //nolint:gosec // as above
		}
		if len(g.Sources)+len(g.Repartition) > 0 {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b CopartitionGroup) int {
		return cmp.Or(slices.Compare(a.Sources, b.Sources), slices.Compare(a.Repartition, b.Repartition))
	})
	return groups
}
