package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// MissingTopicsError says which topics must be created by the user before the program can run.
type MissingTopicsError struct {
	Topics map[int][]string // by sub-topology
}

// Error lists the topics of each sub-topology.
func (e *MissingTopicsError) Error() string {
	var parts []string
	for _, id := range slices.Sorted(maps.Keys(e.Topics)) {
		parts = append(parts, fmt.Sprintf("missing source topics %s of sub-topology %d", bracketed(e.Topics[id]), id))
	}
	return strings.Join(parts, "; ") + ": create them"
}

// CopartitionError says that topics that are joined, or share a store, differ in their numbers of partitions.
type CopartitionError struct {
	Partitions map[string]int // by topic
	Fixed      string         // the repartition topic whose given number does not fit, if it is about one
}

// Error names the topics with their partitions.
func (e *CopartitionError) Error() string {
	var parts []string
	for _, topic := range slices.Sorted(maps.Keys(e.Partitions)) {
		parts = append(parts, fmt.Sprintf("%s=%d", topic, e.Partitions[topic]))
	}
	list := "[" + strings.Join(parts, ", ") + "]"
	if e.Fixed != "" {
		return fmt.Sprintf("the number of partitions given for the repartition topic %q does not match that of the topics it is co-partitioned with: %s: leave it out or give the same", e.Fixed, list)
	}
	return fmt.Sprintf("topics not co-partitioned: %s must have the same number of partitions: repartition one of them", list)
}

func differ(counts map[string]int) bool {
	first := -1
	for _, n := range counts {
		if first >= 0 && n != first {
			return true
		}
		first = n
	}
	return false
}

// counts finds the number of partitions of every topic that a program reads.
type counts struct {
	t       *Topology
	l       *Layout
	full    func(topic string) string
	n       map[string]int            // by full name; 0: not known yet
	repart  map[string]bool           // full names of repartition topics
	fixed   map[string]bool           // those whose number was given
	writers map[string][]*Subtopology // of repartition topics
}

// external asks for the numbers of all topics that are not the program's own.
func (c *counts) external(ask func(topic string) (int, error)) error {
	missing := map[int][]string{}
	for _, s := range c.t.Subtopologies {
		for _, src := range s.Sources() {
			for _, topic := range c.l.Reads[src.Name] {
				if _, known := c.n[topic]; known || c.repart[topic] {
					continue
				}
				n, err := ask(topic)
				if err != nil {
					return fmt.Errorf("partitions of topic %q: %w", topic, err)
				}
				if n <= 0 {
					missing[s.ID] = append(missing[s.ID], topic)
					continue
				}
				c.n[topic] = n
			}
		}
	}
	if len(missing) > 0 {
		return &MissingTopicsError{Topics: missing}
	}
	return nil
}

// derive gives each repartition topic the largest number among the topics that the sub-topologies writing
// to it read. These may be repartition topics themselves, even ones further down, so it goes round until
// nothing changes: numbers only grow, and none gets larger than the largest that was there.
func (c *counts) derive() error {
	for changed := true; changed; {
		changed = false
		for _, it := range c.t.internal {
			topic := c.full(it.Name)
			if n := c.upstream(topic); n > c.n[topic] && !c.fixed[topic] {
				c.n[topic], changed = n, true
			}
		}
	}
	for _, it := range c.t.internal {
		if c.n[c.full(it.Name)] == 0 {
			return fmt.Errorf("the number of partitions of the repartition topic %q cannot be found: nothing that is read writes to it; do all source topics exist, and does every pattern match at least one topic?", c.full(it.Name))
		}
	}
	return nil
}

func (c *counts) upstream(topic string) int {
	most := 0
	for _, s := range c.writers[topic] {
		for _, src := range s.Sources() {
			for _, read := range c.l.Reads[src.Name] {
				most = max(most, c.n[read])
			}
		}
	}
	return most
}

// enforce makes co-partitioned repartition topics as large as the topics they are joined with.
func (c *counts) enforce(sources []string) error {
	all, outer := map[string]int{}, map[string]int{}
	given, own := map[string]int{}, []string{}
	for _, src := range sources {
		for _, topic := range c.l.Reads[src] {
			all[topic] = c.n[topic]
			switch {
			case !c.repart[topic]:
				outer[topic] = c.n[topic]
			case c.fixed[topic]:
				given[topic] = c.n[topic]
			default:
				own = append(own, topic)
			}
		}
	}
	if differ(outer) {
		return &CopartitionError{Partitions: outer}
	}
	if differ(given) {
		return &CopartitionError{Partitions: given}
	}
	n := 0
	switch {
	case len(outer) > 0:
		n = most(outer)
	case len(given) > 0:
		n = most(given)
	default:
		n = most(all)
	}
	for topic, have := range given {
		if have != n {
			outer[topic] = have
			return &CopartitionError{Partitions: outer, Fixed: topic}
		}
	}
	for _, topic := range own {
		c.n[topic] = n
	}
	return nil
}

func most(counts map[string]int) int {
	n := 0
	for _, c := range counts {
		n = max(n, c)
	}
	return n
}
