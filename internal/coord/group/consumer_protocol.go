package group

import (
	"encoding/binary"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group/assign"
)

// What consumers of the classic protocol put into JoinGroup and SyncGroup: an
// int16 version and fields that are not flexible. The coordinator reads it where
// it has to speak for a leader.

// newestEmbedded is the newest version whose fields are known. Later ones begin
// with the same fields.
const newestEmbedded = 3

// embeddedSubscription is a member's subscription.
type embeddedSubscription struct {
	version int16
	topics  []string
	owned   map[string][]int32
	rack    *string
}

func decodeSubscription(b []byte) (v embeddedSubscription, ok bool) {
	r := coord.Reader{B: b}
	if v.version = r.Int16(); v.version < 0 {
		return v, false
	}
	for range r.ArrayLen(2) {
		v.topics = append(v.topics, r.String())
	}
	skipUserData(&r)
	if v.version >= 1 {
		v.owned = embeddedPartitions(&r)
	}
	if v.version >= 2 {
		r.Int32() // generation
	}
	if v.version >= 3 {
		v.rack = r.NullableString()
	}
	return v, !r.Bad
}

// skipUserData returns the length of a nullable byte string.
func skipUserData(r *coord.Reader) int {
	n := int(r.Int32())
	if n >= 0 {
		r.Span(n)
	}
	return n
}

func embeddedPartitions(r *coord.Reader) map[string][]int32 {
	all := map[string][]int32{}
	for range r.ArrayLen(6) {
		topic := r.String()
		all[topic] = append(all[topic], int32Array(r)...)
	}
	return all
}

// decodeAssignment reads a member's assignment. custom tells that the leader put
// something in that only its assignor knows.
func decodeAssignment(b []byte) (partitions map[string][]int32, custom, ok bool) {
	if len(b) == 0 {
		return nil, false, true
	}
	r := coord.Reader{B: b}
	if r.Int16() < 0 {
		return nil, false, false
	}
	partitions = embeddedPartitions(&r)
	n := skipUserData(&r)
	return partitions, n > 0, !r.Bad
}

// byID names partitions by topic id; topics that are gone are left out.
func (s *Shard) byID(partitions map[string][]int32) assign.Partitions {
	all := assign.Partitions{}
	for name, ps := range partitions {
		if t, ok := s.cluster.Topic(name); ok && len(ps) > 0 {
			all[t.ID] = append(all[t.ID], ps...)
		}
	}
	return all
}

// encodeAssignment writes partitions the way a leader would, in the version of the
// member's subscription.
func (s *Shard) encodeAssignment(partitions assign.Partitions, subscription []byte) []byte {
	version := uint16(newestEmbedded)
	if len(subscription) >= 2 {
		version = min(version, binary.BigEndian.Uint16(subscription))
	}
	names := map[string][]int32{}
	for id, ps := range partitions {
		if name, ok := s.cluster.TopicName(id); ok {
			names[name] = ps
		}
	}
	b := binary.BigEndian.AppendUint16(nil, version)
	b = binary.BigEndian.AppendUint32(b, uint32(len(names)))
	for _, name := range sortedKeys(names) {
		b = appendString(b, name)
		b = binary.BigEndian.AppendUint32(b, uint32(len(names[name])))
		for _, p := range names[name] {
			b = binary.BigEndian.AppendUint32(b, uint32(p))
		}
	}
	return append(b, 0xff, 0xff, 0xff, 0xff) // no user data
}
