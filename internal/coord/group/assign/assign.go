// Package assign computes who consumes which partitions of a group: Kafka's
// server-side assignors uniform and range of consumer groups (KIP-848), and simple
// of share groups (KIP-932).
//
// An assignor is a pure function of the topics, the members and what each member
// has at present: the same input gives the same result on every machine. Every
// partition of a subscribed topic goes to one of its subscribers; in a consumer
// group to exactly one. Racks play no part, as in Kafka's own.
package assign

import (
	"cmp"
	"maps"
	"slices"
)

// TopicID identifies a topic across deletions.
type TopicID = [16]byte

// Partitions are sets of partitions by topic, each sorted and not empty.
type Partitions map[TopicID][]int32

// Equal tells whether two hold the same partitions.
func (p Partitions) Equal(o Partitions) bool { return maps.EqualFunc(p, o, slices.Equal[[]int32]) }

// Count is the number of partitions.
func (p Partitions) Count() int {
	n := 0
	for _, ps := range p {
		n += len(ps)
	}
	return n
}

// Topics lists the topic ids in order.
func (p Partitions) Topics() []TopicID { return SortedTopics(p) }

// SortedTopics lists the keys of a map by topic in order.
func SortedTopics[V any](m map[TopicID]V) []TopicID {
	return slices.SortedFunc(maps.Keys(m), CompareTopics)
}

// CompareTopics orders topic ids.
func CompareTopics(a, b TopicID) int { return slices.Compare(a[:], b[:]) }

// Member is a member as an assignor sees it.
type Member struct {
	ID         string
	InstanceID string     // of a static member, else empty
	Topics     []TopicID  // subscribed topics that exist, in any order
	Current    Partitions // what the assignment before gave it
}

// Assignor gives each member its partitions. Topics holds the partition counts of
// all topics that members name. A member that gets nothing has an empty entry.
type Assignor func(topics map[TopicID]int32, members []Member) map[string]Partitions

// byID orders members, so that results do not depend on the caller's order.
func byID(members []Member) []Member {
	sorted := slices.Clone(members)
	slices.SortFunc(sorted, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return sorted
}
