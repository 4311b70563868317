package group

import (
	"encoding/binary"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group/assign"
)

// Key types of the records of share groups. Type 9, the partitions of the subscribed
// topics, was written by an early release only; nothing needs it.
const (
	keyShareMember            int16 = 10
	keyShareGroup             int16 = 11
	keyShareTargetMetadata    int16 = 12
	keyShareTargetAssignment  int16 = 13
	keyShareCurrentAssignment int16 = 14
	keyShareState             int16 = 15
)

// ShareKey is the key of a record of a share group. Name is a member id.
type ShareKey struct {
	Type  int16
	Group string
	Name  string
}

func (ShareKey) key() {}

// ShareMemberValue is the value of a ShareGroupMemberMetadata record: what the member
// says of itself.
type ShareMemberValue struct {
	RackID     *string
	ClientID   string
	ClientHost string
	Topics     []string // sorted
}

// ShareCurrentValue is the value of a ShareGroupCurrentMemberAssignment record: what the
// member has.
type ShareCurrentValue struct {
	Epoch    int32
	Previous int32
	State    int8 // always memberStable
	Assigned assign.Partitions
}

// ShareStateValue is the value of a ShareGroupStatePartitionMetadata record: of which
// partitions the share coordinator keeps state for the group.
type ShareStateValue struct {
	Initializing map[assign.TopicID]ShareTopic
	Initialized  map[assign.TopicID]ShareTopic
	Deleting     map[assign.TopicID]string // names
}

// ShareTopic are partitions of one topic, sorted.
type ShareTopic struct {
	Name       string
	Partitions []int32
}

func isShareKey(typ int16) bool { return typ >= keyShareMember && typ <= keyShareState }

func shareKeyHasName(typ int16) bool {
	return typ == keyShareMember || typ == keyShareTargetAssignment || typ == keyShareCurrentAssignment
}

// decodeShareKey reads the rest of a key of one of these types.
func decodeShareKey(typ int16, r *coord.Reader) Key {
	k := ShareKey{Type: typ, Group: r.String()}
	if shareKeyHasName(typ) {
		k.Name = r.String()
	}
	return k
}

func encodeShareKey(k ShareKey) []byte {
	return encodeNamedKey(k.Type, k.Group, k.Name, shareKeyHasName(k.Type))
}

// DecodeShareGroup reads a ShareGroupMetadata value. Its fields are those of a
// consumer group's, but the hash is no tagged field.
func DecodeShareGroup(b []byte) (ConsumerGroupValue, error) {
	r := consumerReader(b)
	v := ConsumerGroupValue{Epoch: r.Int32(), Hash: r.Int64()}
	r.Tags(nil)
	return v, done(r, "share group value")
}

// EncodeShareGroup returns the value.
func EncodeShareGroup(v ConsumerGroupValue) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(v.Epoch))
	b = binary.BigEndian.AppendUint64(b, uint64(v.Hash))
	return append(b, 0)
}

// DecodeShareMember reads a ShareGroupMemberMetadata value.
func DecodeShareMember(b []byte) (ShareMemberValue, error) {
	r := consumerReader(b)
	v := ShareMemberValue{RackID: r.NullableString(), ClientID: r.String(), ClientHost: r.String(), Topics: stringArray(r)}
	r.Tags(nil)
	return v, done(r, "share group member value")
}

// EncodeShareMember returns the value.
func EncodeShareMember(v ShareMemberValue) []byte {
	b := appendCompactNullable([]byte{0, 0}, v.RackID)
	b = appendCompact(b, v.ClientID)
	b = appendCompact(b, v.ClientHost)
	b = appendCompactStrings(b, v.Topics)
	return append(b, 0)
}

// DecodeShareCurrent reads a ShareGroupCurrentMemberAssignment value.
func DecodeShareCurrent(b []byte) (ShareCurrentValue, error) {
	r := consumerReader(b)
	v := ShareCurrentValue{Epoch: r.Int32(), Previous: r.Int32(), State: r.Int8(), Assigned: decodePartitions(r)}
	r.Tags(nil)
	return v, done(r, "share group assignment value")
}

// EncodeShareCurrent returns the value.
func EncodeShareCurrent(v ShareCurrentValue) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(v.Epoch))
	b = binary.BigEndian.AppendUint32(b, uint32(v.Previous))
	b = append(b, byte(v.State))
	return append(appendPartitions(b, v.Assigned), 0)
}

// DecodeShareState reads a ShareGroupStatePartitionMetadata value.
func DecodeShareState(b []byte) (ShareStateValue, error) {
	r := consumerReader(b)
	v := ShareStateValue{
		Initializing: shareTopics(r),
		Initialized:  shareTopics(r),
		Deleting:     map[assign.TopicID]string{},
	}
	for range r.ArrayLen(4) {
		var id assign.TopicID
		copy(id[:], r.Span(len(id)))
		name := r.String()
		r.Tags(nil)
		if !r.Bad {
			v.Deleting[id] = name
		}
	}
	r.Tags(nil)
	return v, done(r, "share group state value")
}

func shareTopics(r *coord.Reader) map[assign.TopicID]ShareTopic {
	all := map[assign.TopicID]ShareTopic{}
	for range r.ArrayLen(4) {
		var id assign.TopicID
		copy(id[:], r.Span(len(id)))
		t := ShareTopic{Name: r.String(), Partitions: sortedSetOf(int32Array(r))}
		r.Tags(nil)
		if !r.Bad {
			all[id] = t
		}
	}
	return all
}

// EncodeShareState returns the value.
func EncodeShareState(v ShareStateValue) []byte {
	b := appendShareTopics([]byte{0, 0}, v.Initializing)
	b = appendShareTopics(b, v.Initialized)
	b = binary.AppendUvarint(b, uint64(len(v.Deleting))+1)
	for _, id := range assign.SortedTopics(v.Deleting) {
		b = append(b, id[:]...)
		b = appendCompact(b, v.Deleting[id])
		b = append(b, 0)
	}
	return append(b, 0)
}

func appendShareTopics(b []byte, topics map[assign.TopicID]ShareTopic) []byte {
	b = binary.AppendUvarint(b, uint64(len(topics))+1)
	for _, id := range assign.SortedTopics(topics) {
		b = append(b, id[:]...)
		b = appendCompact(b, topics[id].Name)
		b = appendInt32s(b, topics[id].Partitions)
		b = append(b, 0)
	}
	return b
}
