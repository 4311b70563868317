package group

import (
	"encoding/binary"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group/assign"
)

// Key types of the records of streams groups. Type 18 was dropped before it was
// ever released.
const (
	keyStreamsGroup          int16 = 17
	keyStreamsMember         int16 = 19
	keyStreamsTargetMetadata int16 = 20
	keyStreamsTarget         int16 = 21
	keyStreamsCurrent        int16 = 22
	keyStreamsTopology       int16 = 23
)

// StreamsKey is the key of a record of a streams group. Member is empty where a
// record is about the group.
type StreamsKey struct {
	Type   int16
	Group  string
	Member string
}

func (StreamsKey) key() {}

// StreamsGroupValue is the value of a StreamsGroupMetadata record.
type StreamsGroupValue struct {
	Epoch int32
	Hash  int64 // of the topics the topology needs
	// Validated is the epoch of the topology whose topics all exist and fit; -1 = none.
	Validated int32
	// AssignmentConfigs are the settings the target depends on; nil = not known.
	AssignmentConfigs []KeyValue
}

// StreamsMemberValue is the value of a StreamsGroupMemberMetadata record: what the
// member says of itself.
type StreamsMemberValue struct {
	InstanceID             *string
	RackID                 *string
	ClientID               string
	ClientHost             string
	RebalanceTimeoutMillis int32
	TopologyEpoch          int32
	ProcessID              string
	Endpoint               *EndpointValue // for interactive queries
	Tags                   []KeyValue     // sorted by key
}

// EndpointValue is where an application answers queries.
type EndpointValue struct {
	Host string
	Port uint16
}

// StreamsCurrentValue is the value of a StreamsGroupCurrentMemberAssignment record:
// what the member has, and is to give up.
type StreamsCurrentValue struct {
	Epoch    int32
	Previous int32
	State    int8
	Assigned HeldTasks
	Revoking HeldTasks
}

// HeldTasks are tasks in somebody's hands. Active ones bear the epoch they were
// assigned at, which fences commits of who had them before.
type HeldTasks struct {
	Active  map[string]map[int32]int32
	Standby assign.Tasks
	Warmup  assign.Tasks
}

func isStreamsKey(typ int16) bool {
	return typ == keyStreamsGroup || typ >= keyStreamsMember && typ <= keyStreamsTopology
}

func hasMember(typ int16) bool {
	return typ == keyStreamsMember || typ == keyStreamsTarget || typ == keyStreamsCurrent
}

// decodeStreamsKey reads the rest of a key of one of these types.
func decodeStreamsKey(typ int16, r *coord.Reader) Key {
	k := StreamsKey{Type: typ, Group: r.String()}
	if hasMember(typ) {
		k.Member = r.String()
	}
	return k
}

func encodeStreamsKey(k StreamsKey) []byte {
	return encodeNamedKey(k.Type, k.Group, k.Member, hasMember(k.Type))
}

// DecodeStreamsGroup reads a StreamsGroupMetadata value.
func DecodeStreamsGroup(b []byte) (StreamsGroupValue, error) {
	r := consumerReader(b)
	v := StreamsGroupValue{Epoch: r.Int32(), Hash: r.Int64(), Validated: -1}
	r.Tags(func(tag uint64, field []byte) {
		f := &coord.Reader{B: field, Compact: true}
		switch tag {
		case 0:
			v.Validated = f.Int32()
		case 1:
			if n := f.NullableArrayLen(4); n >= 0 {
				v.AssignmentConfigs = keyValues(f, n)
			}
		default:
			return
		}
		r.Bad = r.Bad || !f.Done()
	})
	return v, done(r, "streams group value")
}

// keyValues reads n pairs; the result is not nil.
func keyValues(r *coord.Reader, n int) []KeyValue {
	all := make([]KeyValue, 0, n)
	for range n {
		all = append(all, KeyValue{Key: r.String(), Value: r.String()})
		r.Tags(nil)
	}
	return all
}

// EncodeStreamsGroup returns the value.
func EncodeStreamsGroup(v StreamsGroupValue) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(v.Epoch))
	b = binary.BigEndian.AppendUint64(b, uint64(v.Hash))
	tags := byte(0)
	var t []byte
	if v.Validated != -1 {
		tags++
		t = binary.BigEndian.AppendUint32(append(t, 0, 4), uint32(v.Validated))
	}
	if v.AssignmentConfigs != nil {
		tags++
		field := appendKeyValues(nil, v.AssignmentConfigs)
		t = binary.AppendUvarint(append(t, 1), uint64(len(field)))
		t = append(t, field...)
	}
	return append(append(b, tags), t...)
}

func appendKeyValues(b []byte, all []KeyValue) []byte {
	b = binary.AppendUvarint(b, uint64(len(all))+1)
	for _, kv := range all {
		b = append(appendCompact(appendCompact(b, kv.Key), kv.Value), 0)
	}
	return b
}

// DecodeStreamsMember reads a StreamsGroupMemberMetadata value.
func DecodeStreamsMember(b []byte) (StreamsMemberValue, error) {
	r := consumerReader(b)
	v := StreamsMemberValue{
		InstanceID:             r.NullableString(),
		RackID:                 r.NullableString(),
		ClientID:               r.String(),
		ClientHost:             r.String(),
		RebalanceTimeoutMillis: r.Int32(),
		TopologyEpoch:          r.Int32(),
		ProcessID:              r.String(),
	}
	if r.Int8() > 0 { // 1 before a structure that is there
		v.Endpoint = &EndpointValue{Host: r.String(), Port: uint16(r.Int16())}
		r.Tags(nil)
	}
	v.Tags = keyValues(r, r.ArrayLen(4))
	r.Tags(nil)
	return v, done(r, "streams group member value")
}

// EncodeStreamsMember returns the value.
func EncodeStreamsMember(v StreamsMemberValue) []byte {
	b := []byte{0, 0}
	b = appendCompactNullable(b, v.InstanceID)
	b = appendCompactNullable(b, v.RackID)
	b = appendCompact(b, v.ClientID)
	b = appendCompact(b, v.ClientHost)
	b = binary.BigEndian.AppendUint32(b, uint32(v.RebalanceTimeoutMillis))
	b = binary.BigEndian.AppendUint32(b, uint32(v.TopologyEpoch))
	b = appendCompact(b, v.ProcessID)
	if v.Endpoint == nil {
		b = append(b, 0xff)
	} else {
		b = appendCompact(append(b, 1), v.Endpoint.Host)
		b = append(binary.BigEndian.AppendUint16(b, v.Endpoint.Port), 0)
	}
	return append(appendKeyValues(b, v.Tags), 0)
}

// DecodeStreamsTarget reads a StreamsGroupTargetAssignmentMember value.
func DecodeStreamsTarget(b []byte) (assign.TaskSet, error) {
	r := consumerReader(b)
	v := assign.TaskSet{Active: decodeTasks(r), Standby: decodeTasks(r), Warmup: decodeTasks(r)}
	r.Tags(nil)
	return v, done(r, "streams target assignment value")
}

func decodeTasks(r *coord.Reader) assign.Tasks {
	t := assign.Tasks{}
	for range r.ArrayLen(4) {
		id, ps := r.String(), int32Array(r)
		r.Tags(nil)
		if len(ps) > 0 {
			t[id] = sortedSetOf(ps)
		}
	}
	return t
}

// EncodeStreamsTarget returns the value.
func EncodeStreamsTarget(v assign.TaskSet) []byte {
	b := appendTasks([]byte{0, 0}, v.Active)
	b = appendTasks(b, v.Standby)
	return append(appendTasks(b, v.Warmup), 0)
}

func appendTasks(b []byte, t assign.Tasks) []byte {
	b = binary.AppendUvarint(b, uint64(len(t))+1)
	for _, id := range sortedKeys(t) {
		b = append(appendInt32s(appendCompact(b, id), t[id]), 0)
	}
	return b
}

// DecodeStreamsCurrent reads a StreamsGroupCurrentMemberAssignment value.
func DecodeStreamsCurrent(b []byte) (StreamsCurrentValue, error) {
	r := consumerReader(b)
	v := StreamsCurrentValue{Epoch: r.Int32(), Previous: r.Int32(), State: r.Int8()}
	v.Assigned = decodeHeldTasks(r, v.Epoch)
	v.Revoking = decodeHeldTasks(r, v.Epoch)
	r.Tags(nil)
	return v, done(r, "streams current assignment value")
}

func decodeHeldTasks(r *coord.Reader, epoch int32) HeldTasks {
	return HeldTasks{Active: decodeActive(r, epoch), Standby: decodeTasks(r), Warmup: decodeTasks(r)}
}

// decodeActive reads tasks with their epochs. Where there are none, or not as many
// as tasks, the member's epoch stands for them, as in Kafka.
func decodeActive(r *coord.Reader, epoch int32) map[string]map[int32]int32 {
	active := map[string]map[int32]int32{}
	for range r.ArrayLen(4) {
		id, ps := r.String(), int32Array(r)
		epochs := taggedEpochs(r)
		if r.Bad {
			return active
		}
		for i, p := range ps {
			e := epoch
			if len(epochs) == len(ps) {
				e = epochs[i]
			}
			if active[id] == nil {
				active[id] = map[int32]int32{}
			}
			active[id][p] = e
		}
	}
	return active
}

// EncodeStreamsCurrent returns the value.
func EncodeStreamsCurrent(v StreamsCurrentValue) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(v.Epoch))
	b = binary.BigEndian.AppendUint32(b, uint32(v.Previous))
	b = append(b, byte(v.State))
	b = appendHeldTasks(b, v.Assigned)
	return append(appendHeldTasks(b, v.Revoking), 0)
}

func appendHeldTasks(b []byte, h HeldTasks) []byte {
	b = binary.AppendUvarint(b, uint64(len(h.Active))+1)
	for _, id := range sortedKeys(h.Active) {
		b = appendWithEpochs(appendCompact(b, id), h.Active[id])
	}
	return appendTasks(appendTasks(b, h.Standby), h.Warmup)
}

// DecodeTopology reads a StreamsGroupTopology value.
func DecodeTopology(b []byte) (TopologyValue, error) {
	r := consumerReader(b)
	v := TopologyValue{Epoch: r.Int32()}
	for range r.ArrayLen(16) {
		v.Subtopologies = append(v.Subtopologies, decodeSubtopology(r))
	}
	r.Tags(nil)
	return v, done(r, "streams topology value")
}

func decodeSubtopology(r *coord.Reader) SubtopologyValue {
	s := SubtopologyValue{
		ID:                      r.String(),
		SourceTopics:            stringArray(r),
		SourceTopicRegex:        stringArray(r),
		StateChangelogTopics:    decodeTopics(r),
		RepartitionSinkTopics:   stringArray(r),
		RepartitionSourceTopics: decodeTopics(r),
	}
	for range r.ArrayLen(8) {
		s.CopartitionGroups = append(s.CopartitionGroups, CopartitionGroupValue{
			SourceTopics: int16Array(r), SourceTopicRegex: int16Array(r), RepartitionSourceTopics: int16Array(r),
		})
		r.Tags(nil)
	}
	r.Tags(nil)
	return s
}

func decodeTopics(r *coord.Reader) []TopicValue {
	var all []TopicValue
	for range r.ArrayLen(16) {
		t := TopicValue{Name: r.String(), Partitions: r.Int32(), ReplicationFactor: r.Int16()}
		t.Configs = keyValues(r, r.ArrayLen(4))
		r.Tags(nil)
		all = append(all, t)
	}
	return all
}

func int16Array(r *coord.Reader) []int16 {
	n := r.ArrayLen(4) // which ArrayLen halves
	all := make([]int16, 0, n)
	for range n {
		all = append(all, r.Int16())
	}
	return all
}

// EncodeTopology returns the value.
func EncodeTopology(v TopologyValue) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(v.Epoch))
	b = binary.AppendUvarint(b, uint64(len(v.Subtopologies))+1)
	for i := range v.Subtopologies {
		b = appendSubtopology(b, &v.Subtopologies[i])
	}
	return append(b, 0)
}

func appendSubtopology(b []byte, s *SubtopologyValue) []byte {
	b = appendCompact(b, s.ID)
	b = appendCompactStrings(b, s.SourceTopics)
	b = appendCompactStrings(b, s.SourceTopicRegex)
	b = appendTopics(b, s.StateChangelogTopics)
	b = appendCompactStrings(b, s.RepartitionSinkTopics)
	b = appendTopics(b, s.RepartitionSourceTopics)
	b = binary.AppendUvarint(b, uint64(len(s.CopartitionGroups))+1)
	for i := range s.CopartitionGroups {
		c := &s.CopartitionGroups[i]
		b = appendInt16s(appendInt16s(appendInt16s(b, c.SourceTopics), c.SourceTopicRegex), c.RepartitionSourceTopics)
		b = append(b, 0)
	}
	return append(b, 0)
}

func appendTopics(b []byte, topics []TopicValue) []byte {
	b = binary.AppendUvarint(b, uint64(len(topics))+1)
	for i := range topics {
		t := &topics[i]
		b = binary.BigEndian.AppendUint32(appendCompact(b, t.Name), uint32(t.Partitions))
		b = binary.BigEndian.AppendUint16(b, uint16(t.ReplicationFactor))
		b = append(appendKeyValues(b, t.Configs), 0)
	}
	return b
}

func appendInt16s(b []byte, all []int16) []byte {
	b = binary.AppendUvarint(b, uint64(len(all))+1)
	for _, v := range all {
		b = binary.BigEndian.AppendUint16(b, uint16(v))
	}
	return b
}
