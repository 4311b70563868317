package group

import (
	"container/heap"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Codes of a status in the answer to a heartbeat (KIP-1071).
const (
	statusStaleTopology          int8 = 0
	statusMissingSourceTopics    int8 = 1
	statusIncorrectlyPartitioned int8 = 2
	statusMissingInternalTopics  int8 = 3
	statusShutdownApplication    int8 = 4
	statusAssignmentDelayed      int8 = 5
)

// MissingInternalTopics is the status of an answer whose topics are to be created.
const MissingInternalTopics = statusMissingInternalTopics

// configuredTopology is a topology on the topics that exist.
type configuredTopology struct {
	epoch int32
	// subtopologies are nil if source topics are missing or topics do not fit each other.
	subtopologies map[string]*configuredSubtopology
	create        []kmsg.CreateTopicsRequestTopic // internal topics that are missing, by name
	problem       *topicProblem                   // nil = ready
}

type configuredSubtopology struct {
	*SubtopologyValue
	tasks      int32
	partitions map[string]int32 // of its internal topics
}

// topicProblem is why a topology cannot run.
type topicProblem struct {
	status int8
	detail string
}

func (c *configuredTopology) ready() bool { return c != nil && c.problem == nil }

// serverError is how Kafka answers what it does not expect: without a message.
var serverError = &refusal{code: kerr.UnknownServerError}

// configuring finds out how many partitions internal topics need.
type configuring struct {
	t       *topology
	cluster Cluster
	decided map[string]int32 // partitions of internal topics

	fixedSize int32 // of the repartition topics with a fixed number, if they have the same
	fixedSame bool

	problem *topicProblem
	refusal *refusal
}

// configure places a topology on the topics of the cluster. The refusal is about a
// topology that no topics could satisfy.
func configure(t *topology, cluster Cluster) (*configuredTopology, *refusal) {
	c := &configuring{t: t, cluster: cluster, decided: map[string]int32{}}
	out := &configuredTopology{epoch: t.Epoch}
	for _, step := range []func(){c.checkSources, c.decideRepartition, c.enforceCopartition, c.decideChangelogs} {
		if step(); c.refusal != nil {
			return nil, c.refusal
		} else if c.problem != nil {
			out.problem = c.problem
			return out, nil
		}
	}
	subtopologies := map[string]*configuredSubtopology{}
	for _, s := range t.sorted {
		cs := &configuredSubtopology{SubtopologyValue: s, partitions: map[string]int32{}}
		for _, name := range s.sources() {
			n, _ := c.count(name)
			cs.tasks = max(cs.tasks, n)
		}
		for _, list := range [][]TopicValue{s.RepartitionSourceTopics, s.StateChangelogTopics} {
			for i := range list {
				n := list[i].Partitions
				if n == 0 {
					n = c.decided[list[i].Name]
				}
				if n < 1 {
					return nil, serverError
				}
				cs.partitions[list[i].Name] = n
			}
		}
		subtopologies[s.ID] = cs
	}
	if out.create, out.problem = c.missing(subtopologies); out.problem == nil || len(out.create) > 0 {
		out.subtopologies = subtopologies
	}
	return out, nil
}

// count is the number of partitions a topic has or will have.
func (c *configuring) count(topic string) (int32, bool) {
	if t, ok := c.cluster.Topic(topic); ok {
		return t.Partitions, true
	}
	n, ok := c.decided[topic]
	return n, ok
}

func (c *configuring) checkSources() {
	missing := map[string]struct{}{}
	for _, s := range c.t.sorted {
		for _, name := range s.SourceTopics {
			if _, ok := c.cluster.Topic(name); !ok {
				missing[name] = struct{}{}
			}
		}
	}
	if len(missing) > 0 {
		c.problem = &topicProblem{statusMissingSourceTopics, "Source topics " + summarize(sortedKeys(missing)) + " are missing."}
	}
}

// summarize names at most three topics.
func summarize(topics []string) string {
	const shown = 3
	if len(topics) <= shown {
		return strings.Join(topics, ", ")
	}
	return fmt.Sprintf("%s and %d additional topics", strings.Join(topics[:shown], ", "), len(topics)-shown)
}

// decideRepartition gives each repartition topic as many partitions as the largest
// source of who writes it. Sources may be repartition topics themselves, so this
// goes on until all are known.
func (c *configuring) decideRepartition() {
	counts := map[string]int32{}
	for _, s := range c.t.sorted {
		for i := range s.RepartitionSourceTopics {
			if t := &s.RepartitionSourceTopics[i]; t.Partitions != 0 {
				counts[t.Name] = t.Partitions
			}
		}
	}
	if !c.spread(counts) {
		c.refusal = refuse(kerr.StreamsInvalidTopology, "Failed to compute number of partitions for all repartition topics. There may be loops in the topology that cannot be resolved.")
		return
	}
	for _, s := range c.t.sorted {
		for i := range s.RepartitionSourceTopics {
			if _, ok := counts[s.RepartitionSourceTopics[i].Name]; !ok {
				c.refusal = refuse(kerr.StreamsInvalidTopology, "Failed to compute number of partitions for all repartition topics, because a repartition source topic is never used as a sink topic.")
				return
			}
		}
	}
	c.decided = counts
}

// spread finds the number of partitions of all that is written. Kafka goes over the
// subtopologies again and again, in which each takes what it knows of its sources; to
// the same end, but once for each, only those are looked at again that have come to
// know a source. It tells whether all are known.
func (c *configuring) spread(counts map[string]int32) bool {
	readers := map[string][]int{}
	for i, s := range c.t.sorted {
		for j := range s.RepartitionSourceTopics {
			name := s.RepartitionSourceTopics[j].Name
			readers[name] = append(readers[name], i)
		}
	}
	resolved := make([]bool, len(c.t.sorted))
	// Of the round at hand, in order; what comes before the place in it is of the next.
	queue := &placeHeap{}
	for i := range c.t.sorted {
		queue.places = append(queue.places, place{0, i})
	}
	for queue.Len() > 0 {
		at := heap.Pop(queue).(place)
		s := c.t.sorted[at.index]
		if resolved[at.index] {
			continue
		}
		n, known := c.largestSource(s, counts)
		if !known {
			continue // until one of its sources is known
		}
		resolved[at.index] = true
		for _, sink := range s.RepartitionSinkTopics {
			if _, ok := counts[sink]; ok {
				continue
			}
			counts[sink] = n
			for _, r := range readers[sink] {
				next := place{at.round, r}
				if r <= at.index {
					next.round++
				}
				if !resolved[r] {
					heap.Push(queue, next)
				}
			}
		}
	}
	for _, s := range c.t.sorted {
		for _, sink := range s.RepartitionSinkTopics {
			if _, ok := counts[sink]; !ok {
				return false
			}
		}
	}
	return true
}

// place is a subtopology's turn.
type place struct{ round, index int }

type placeHeap struct{ places []place }

func (h *placeHeap) Len() int { return len(h.places) }

func (h *placeHeap) Less(i, j int) bool {
	a, b := h.places[i], h.places[j]
	return a.round < b.round || a.round == b.round && a.index < b.index
}

func (h *placeHeap) Swap(i, j int) { h.places[i], h.places[j] = h.places[j], h.places[i] }

// Push implements heap.Interface.
func (h *placeHeap) Push(x any) { h.places = append(h.places, x.(place)) }

// Pop implements heap.Interface.
func (h *placeHeap) Pop() any {
	last := h.places[len(h.places)-1]
	h.places = h.places[:len(h.places)-1]
	return last
}

func (c *configuring) largestSource(s *SubtopologyValue, counts map[string]int32) (largest int32, known bool) {
	for i := range s.RepartitionSourceTopics {
		if n, ok := counts[s.RepartitionSourceTopics[i].Name]; ok && (!known || n > largest) {
			largest, known = n, true
		}
	}
	for _, name := range s.SourceTopics {
		if t, ok := c.cluster.Topic(name); ok && (!known || t.Partitions > largest) {
			largest, known = t.Partitions, true
		}
	}
	return largest, known
}

// enforceCopartition makes topics that are joined equally large, where they may be
// made so.
func (c *configuring) enforceCopartition() {
	fixed, flexible := map[string]bool{}, map[string]bool{}
	for _, s := range c.t.sorted {
		for i := range s.RepartitionSourceTopics {
			if t := &s.RepartitionSourceTopics[i]; t.Partitions != 0 {
				fixed[t.Name] = true
			} else {
				flexible[t.Name] = true
			}
		}
	}
	// All topics of the application with a fixed number count where only internal ones
	// are joined, as in Kafka.
	c.fixedSize, c.fixedSame = 0, true
	for name := range fixed {
		n, _ := c.count(name)
		c.fixedSame = c.fixedSame && (c.fixedSize == 0 || c.fixedSize == n)
		c.fixedSize = n
	}
	for _, s := range c.t.sorted {
		for i := range s.CopartitionGroups {
			topics, ok := s.copartitioned(&s.CopartitionGroups[i])
			if !ok {
				c.refusal = serverError
				return
			}
			c.enforce(topics, fixed, flexible)
			if c.problem != nil || c.refusal != nil {
				return
			}
		}
	}
}

// copartitioned are the topics of a group, sorted; ok is false if a place is none.
func (s *SubtopologyValue) copartitioned(g *CopartitionGroupValue) (topics []string, ok bool) {
	all := map[string]struct{}{}
	for _, i := range g.SourceTopics {
		if i < 0 || int(i) >= len(s.SourceTopics) {
			return nil, false
		}
		all[s.SourceTopics[i]] = struct{}{}
	}
	for _, i := range g.RepartitionSourceTopics {
		if i < 0 || int(i) >= len(s.RepartitionSourceTopics) {
			return nil, false
		}
		all[s.RepartitionSourceTopics[i].Name] = struct{}{}
	}
	return slices.Sorted(maps.Keys(all)), true
}

func (c *configuring) enforce(topics []string, fixed, flexible map[string]bool) {
	internal, external := map[string]int32{}, map[string]int32{}
	for _, name := range topics {
		n, ok := c.count(name)
		if !ok {
			c.refusal = serverError
			return
		}
		if fixed[name] || flexible[name] {
			internal[name] = n
		} else {
			external[name] = n
		}
	}
	var size int32
	switch {
	case len(topics) == 0:
		return
	case len(external) > 0:
		for _, n := range external {
			if size != 0 && n != size {
				c.differ(external)
				return
			}
			size = n
		}
	case len(fixed) > 0:
		if size = c.fixedSize; !c.fixedSame {
			c.differ(internal)
			return
		}
	default:
		size = slices.Max(slices.Collect(maps.Values(internal)))
	}
	for _, name := range sortedKeys(internal) {
		if fixed[name] && internal[name] != size {
			c.mismatch(fmt.Sprintf("Number of partitions [%d] of repartition topic [%s] doesn't match number of partitions [%d] of the source topic.", internal[name], name, size))
			return
		}
		c.decided[name] = size
	}
}

// differ tells of topics that should have equally many partitions.
func (c *configuring) differ(counts map[string]int32) {
	var all []string
	for _, name := range sortedKeys(counts) {
		all = append(all, fmt.Sprintf("%s=%d", name, counts[name]))
	}
	c.mismatch("Following topics do not have the same number of partitions: [{" + strings.Join(all, ", ") + "}]")
}

func (c *configuring) mismatch(detail string) {
	c.problem = &topicProblem{statusIncorrectlyPartitioned, detail}
}

// decideChangelogs gives each changelog a partition a task.
func (c *configuring) decideChangelogs() {
	for _, s := range c.t.sorted {
		var tasks int32
		for _, name := range s.sources() {
			n, ok := c.count(name)
			if !ok {
				c.refusal = serverError
				return
			}
			tasks = max(tasks, n)
		}
		if len(s.SourceTopics)+len(s.RepartitionSourceTopics) == 0 {
			c.refusal = refuse(kerr.StreamsInvalidTopology, "No source topics found for subtopology %s", s.ID)
			return
		}
		for i := range s.StateChangelogTopics {
			c.decided[s.StateChangelogTopics[i].Name] = tasks
		}
	}
}

// missing lists the internal topics that have to be created. Those that exist must
// have the right number of partitions.
func (c *configuring) missing(subtopologies map[string]*configuredSubtopology) ([]kmsg.CreateTopicsRequestTopic, *topicProblem) {
	need := map[string]kmsg.CreateTopicsRequestTopic{}
	for _, id := range sortedKeys(subtopologies) {
		s := subtopologies[id]
		for _, list := range [][]TopicValue{s.RepartitionSourceTopics, s.StateChangelogTopics} {
			for i := range list {
				need[list[i].Name] = creatable(&list[i], s.partitions[list[i].Name])
			}
		}
	}
	for _, name := range sortedKeys(need) {
		t, ok := c.cluster.Topic(name)
		if !ok {
			continue
		}
		if t.Partitions != need[name].NumPartitions {
			return nil, &topicProblem{statusIncorrectlyPartitioned, fmt.Sprintf("Existing topic %s has different number of partitions: expected %d, found %d", name, need[name].NumPartitions, t.Partitions)}
		}
		delete(need, name)
	}
	if len(need) == 0 {
		return nil, nil
	}
	names := sortedKeys(need)
	create := make([]kmsg.CreateTopicsRequestTopic, 0, len(names))
	for _, name := range names {
		create = append(create, need[name])
	}
	return create, &topicProblem{statusMissingInternalTopics, "Internal topics are missing: " + summarize(names)}
}

func creatable(t *TopicValue, partitions int32) kmsg.CreateTopicsRequestTopic {
	c := kmsg.NewCreateTopicsRequestTopic()
	c.Topic, c.NumPartitions, c.ReplicationFactor = t.Name, partitions, t.ReplicationFactor
	if c.ReplicationFactor == 0 {
		c.ReplicationFactor = -1
	}
	for _, kv := range t.Configs {
		tc := kmsg.NewCreateTopicsRequestTopicConfig()
		tc.Name, tc.Value = kv.Key, &kv.Value
		c.Configs = append(c.Configs, tc)
	}
	return c
}
