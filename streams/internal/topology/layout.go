package topology

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// The settings Kafka Streams gives its internal topics.
const (
	repartitionSegmentBytes       = 50 << 20
	versionedLagMs          int64 = 24 * 3600 * 1000 // over the history, before old versions may be compacted away
)

// DefaultWindowExtraRetentionMs is windowstore.changelog.additional.retention.ms.
const DefaultWindowExtraRetentionMs int64 = 24 * 3600 * 1000

// LayoutConfig is what a topology needs to know of the application and the cluster to be laid out.
type LayoutConfig struct {
	ApplicationID          string
	Topics                 []string          // the cluster's topics, for patterns; without the broker's own
	WindowExtraRetentionMs int64             // how much longer changelogs of windows are kept than the windows
	TopicConfig            map[string]string // settings for all internal topics (topic.*); a store's own go over them
}

// Layout is what follows from a topology and the partitions of its topics.
type Layout struct {
	Reads    map[string][]string // what each source node reads, by full name; patterns are resolved
	Internal []TopicSpec         // repartition topics in the order they were declared, then changelogs by store
	Tasks    []Task              // by sub-topology, then partition
}

// TopicSpec is an internal topic as it has to exist.
type TopicSpec struct {
	Name        string // full name
	Partitions  int
	Config      map[string]string
	Repartition bool   // else a changelog
	Store       string // of a changelog
	Subtopology int    // that reads it, or whose store it is
}

// TaskID names a task: the number of its sub-topology and the partition it works on.
type TaskID struct {
	Subtopology, Partition int
}

// String gives Kafka's form, 0_3.
func (id TaskID) String() string {
	return strconv.Itoa(id.Subtopology) + "_" + strconv.Itoa(id.Partition)
}

// TopicPartition is one partition of a topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Task is one copy of a sub-topology.
type Task struct {
	ID     TaskID
	Inputs []TopicPartition // of topics that have this many partitions, by full name, in the order of the sources
}

// Layout computes the internal topics and the tasks. partitions gives the number of a topic's partitions, 0
// if it does not exist; it is asked for topics outside of the program only. Errors: MissingTopicsError,
// CopartitionError, and those of partitions.
//
// A changelog has as many partitions as its sub-topology has tasks. Unlike Kafka, co-partitioning is checked
// too where no repartition topic exists.
func (t *Topology) Layout(cfg LayoutConfig, partitions func(topic string) (int, error)) (*Layout, error) {
	full := func(topic string) string {
		if t.IsInternal(topic) {
			return Decorate(cfg.ApplicationID, topic)
		}
		return topic
	}
	l := &Layout{Reads: map[string][]string{}}
	if err := t.resolve(l, cfg, full); err != nil {
		return nil, err
	}
	c := &counts{
		t: t, l: l, full: full, n: map[string]int{}, repart: map[string]bool{}, fixed: map[string]bool{},
		writers: map[string][]*Subtopology{},
	}
	for _, it := range t.internal {
		c.repart[full(it.Name)] = true
		if it.Partitions > 0 {
			c.n[full(it.Name)] = it.Partitions
			c.fixed[full(it.Name)] = true
		}
	}
	for _, s := range t.Subtopologies {
		for _, sink := range s.Sinks() {
			if sink.Internal {
				c.writers[full(sink.Topic)] = append(c.writers[full(sink.Topic)], s)
			}
		}
	}
	if err := c.external(partitions); err != nil {
		return nil, err
	}
	if err := c.derive(); err != nil {
		return nil, err
	}
	var errs []error
	for _, g := range t.copart {
		errs = append(errs, c.enforce(g))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	l.tasks(t, c)
	l.internal(t, c, cfg)
	return l, nil
}

// InternalTopics gives the repartition and changelog topics of the application, by full name.
func (t *Topology) InternalTopics(cfg LayoutConfig, partitions func(topic string) (int, error)) ([]TopicSpec, error) {
	l, err := t.Layout(cfg, partitions)
	if err != nil {
		return nil, err
	}
	return l.Internal, nil
}

// Tasks gives the tasks of the application.
func (t *Topology) Tasks(cfg LayoutConfig, partitions func(topic string) (int, error)) ([]Task, error) {
	l, err := t.Layout(cfg, partitions)
	if err != nil {
		return nil, err
	}
	return l.Tasks, nil
}

// resolve finds the topics of all sources. A pattern takes no topic that is named elsewhere.
func (t *Topology) resolve(l *Layout, cfg LayoutConfig, full func(string) string) error {
	named, matched := map[string]bool{}, map[string]*Node{}
	for _, n := range t.order {
		for _, topic := range n.Topics {
			l.Reads[n.Name] = append(l.Reads[n.Name], full(topic))
			named[full(topic)] = true
		}
	}
	var errs []error
	for _, n := range t.order {
		if n.re == nil {
			continue
		}
		for _, topic := range slices.Sorted(slices.Values(cfg.Topics)) {
			if named[topic] || !n.re.MatchString(topic) {
				continue
			}
			if other := matched[topic]; other != nil {
				errs = append(errs, fmt.Errorf("the topic %q matches the patterns %q of source %q and %q of source %q: make one of them narrower", topic, other.Pattern, other.Name, n.Pattern, n.Name))
				continue
			}
			matched[topic] = n
			l.Reads[n.Name] = append(l.Reads[n.Name], topic)
		}
	}
	return errors.Join(errs...)
}

func (l *Layout) tasks(t *Topology, c *counts) {
	for _, s := range t.Subtopologies {
		for p := range l.taskCount(s, c) {
			task := Task{ID: TaskID{s.ID, p}}
			for _, src := range s.Sources() {
				for _, topic := range l.Reads[src.Name] {
					if p < c.n[topic] {
						task.Inputs = append(task.Inputs, TopicPartition{topic, int32(p)})
					}
				}
			}
			l.Tasks = append(l.Tasks, task)
		}
	}
}

func (l *Layout) taskCount(s *Subtopology, c *counts) int {
	n := 0
	for _, src := range s.Sources() {
		for _, topic := range l.Reads[src.Name] {
			n = max(n, c.n[topic])
		}
	}
	return n
}

func (l *Layout) internal(t *Topology, c *counts, cfg LayoutConfig) {
	reader := map[string]int{}
	for _, s := range t.Subtopologies {
		for _, src := range s.Sources() {
			for _, topic := range l.Reads[src.Name] {
				reader[topic] = s.ID
			}
		}
	}
	for _, it := range t.internal {
		topic := c.full(it.Name)
		id, read := reader[topic]
		if !read {
			continue
		}
		l.Internal = append(l.Internal, TopicSpec{
			Name: topic, Partitions: c.n[topic], Repartition: true, Subtopology: id, Config: repartitionConfig(cfg),
		})
	}
	for _, s := range t.Subtopologies {
		n := l.taskCount(s, c)
		for _, store := range s.Stores {
			if store.Logged && n > 0 {
				l.Internal = append(l.Internal, TopicSpec{
					Name: store.Changelog(cfg.ApplicationID), Partitions: n, Store: store.Name, Subtopology: s.ID,
					Config: store.changelogConfig(cfg),
				})
			}
		}
	}
}

func repartitionConfig(cfg LayoutConfig) map[string]string {
	return over(map[string]string{
		"cleanup.policy": "delete", "segment.bytes": itoa(repartitionSegmentBytes), "retention.ms": "-1",
	}, cfg.TopicConfig, nil)
}

// changelogConfig gives the settings of the store's own changelog topic.
func (s *Store) changelogConfig(cfg LayoutConfig) map[string]string {
	own := map[string]string{}
	switch s.Kind {
	case KeyValue:
		own["cleanup.policy"] = "compact"
	case Window, Session:
		own["cleanup.policy"] = "compact,delete"
	case JoinWindow:
		own["cleanup.policy"] = "delete"
	case Versioned:
		own["cleanup.policy"] = "compact"
	}
	out := over(own, cfg.TopicConfig, s.Config)
	switch s.Kind {
	case Window, Session, JoinWindow:
		if _, set := s.Config["retention.ms"]; !set {
			out["retention.ms"] = strconv.FormatInt(addMs(s.RetentionMs, cfg.WindowExtraRetentionMs), 10)
		}
	case Versioned:
		if _, set := s.Config["min.compaction.lag.ms"]; !set {
			out["min.compaction.lag.ms"] = strconv.FormatInt(addMs(s.RetentionMs, versionedLagMs), 10)
		}
	case KeyValue:
	}
	return out
}

func over(base, all, own map[string]string) map[string]string {
	out := map[string]string{"message.timestamp.type": "CreateTime"}
	maps.Copy(out, base)
	maps.Copy(out, all)
	maps.Copy(out, own)
	return out
}

func addMs(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
