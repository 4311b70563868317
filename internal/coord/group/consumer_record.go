package group

import (
	"encoding/binary"
	"fmt"
	"slices"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group/assign"
)

// Key types of the records of consumer groups. Type 4, the partitions of the
// subscribed topics, was written up to Kafka 4.0; nothing needs it.
const (
	keyConsumerGroup     int16 = 3
	keyConsumerMember    int16 = 5
	keyTargetMetadata    int16 = 6
	keyTargetAssignment  int16 = 7
	keyCurrentAssignment int16 = 8
	keyRegularExpression int16 = 16
)

// ConsumerKey is the key of a record of a consumer group. Name is a member id, or
// the expression of a RegularExpression record.
type ConsumerKey struct {
	Type  int16
	Group string
	Name  string
}

func (ConsumerKey) key() {}

// ConsumerGroupValue is the value of a ConsumerGroupMetadata record.
type ConsumerGroupValue struct {
	Epoch int32
	Hash  int64 // of the subscribed topics; 0 = none
}

// ConsumerMemberValue is the value of a ConsumerGroupMemberMetadata record: what
// the member says of itself.
type ConsumerMemberValue struct {
	InstanceID             *string
	RackID                 *string
	ClientID               string
	ClientHost             string
	Topics                 []string // sorted
	Regex                  string   // empty = none
	RebalanceTimeoutMillis int32
	Assignor               *string
	Classic                *ClassicMemberValue // of a member that uses the classic protocol
}

// ClassicMemberValue is what a member said when it joined by JoinGroup.
type ClassicMemberValue struct {
	SessionTimeoutMillis int32
	Protocols            []ClassicProtocol
}

// ClassicProtocol is an assignor that a classic member offers, with its
// subscription.
type ClassicProtocol struct {
	Name     string
	Metadata []byte
}

// TargetMetadataValue is the value of a ConsumerGroupTargetAssignmentMetadata
// record.
type TargetMetadataValue struct {
	Epoch     int32
	Timestamp int64 // when it was computed, ms since 1970; 0 = unknown
}

// CurrentAssignmentValue is the value of a ConsumerGroupCurrentMemberAssignment
// record: what the member has, and is to give up.
type CurrentAssignmentValue struct {
	Epoch    int32
	Previous int32
	State    int8
	Assigned Held
	Revoking Held
}

// Held are partitions, each with the epoch it was assigned at.
type Held map[assign.TopicID]map[int32]int32

// RegexValue is the value of a ConsumerGroupRegularExpression record: the topics
// that match.
type RegexValue struct {
	Topics    []string // sorted
	Version   int64    // of the metadata
	Timestamp int64    // ms since 1970
}

// decodeConsumerKey reads the rest of a key of one of these types.
func decodeConsumerKey(typ int16, r *coord.Reader) Key {
	k := ConsumerKey{Type: typ, Group: r.String()}
	if hasName(typ) {
		k.Name = r.String()
	}
	return k
}

func hasName(typ int16) bool {
	switch typ {
	case keyConsumerMember, keyTargetAssignment, keyCurrentAssignment, keyRegularExpression:
		return true
	}
	return false
}

func isConsumerKey(typ int16) bool {
	return typ == keyConsumerGroup || typ >= keyConsumerMember && typ <= keyCurrentAssignment || typ == keyRegularExpression
}

func encodeConsumerKey(k ConsumerKey) []byte {
	return encodeNamedKey(k.Type, k.Group, k.Name, hasName(k.Type))
}

// encodeNamedKey makes a key of a group, and of a name in it if keys of the type have one.
func encodeNamedKey(typ int16, group, name string, named bool) []byte {
	b := make([]byte, 0, 6+len(group)+len(name))
	b = binary.BigEndian.AppendUint16(b, uint16(typ))
	b = appendString(b, group)
	if named {
		b = appendString(b, name)
	}
	return b
}

// consumerReader starts to read a value, all of which are flexible version 0.
func consumerReader(b []byte) *coord.Reader {
	r := &coord.Reader{B: b, Compact: true}
	if r.Int16() != 0 {
		r.Bad = true
	}
	return r
}

func done(r *coord.Reader, what string) error {
	if !r.Done() {
		return fmt.Errorf("%w: %s", ErrMalformed, what)
	}
	return nil
}

// tagInt64 reads a tagged field that is one number.
func tagInt64(r *coord.Reader, field []byte, to *int64) {
	if len(field) != 8 {
		r.Bad = true
		return
	}
	*to = int64(binary.BigEndian.Uint64(field))
}

// DecodeConsumerGroup reads a ConsumerGroupMetadata value.
func DecodeConsumerGroup(b []byte) (ConsumerGroupValue, error) {
	r := consumerReader(b)
	v := ConsumerGroupValue{Epoch: r.Int32()}
	r.Tags(func(tag uint64, field []byte) {
		if tag == 0 {
			tagInt64(r, field, &v.Hash)
		}
	})
	return v, done(r, "consumer group value")
}

// EncodeConsumerGroup returns the value.
func EncodeConsumerGroup(v ConsumerGroupValue) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(v.Epoch))
	return appendTagInt64(b, v.Hash)
}

// appendTagInt64 ends a structure whose one tagged field is a number that is left
// out if it is zero.
func appendTagInt64(b []byte, v int64) []byte {
	if v == 0 {
		return append(b, 0)
	}
	b = append(b, 1, 0, 8)
	return binary.BigEndian.AppendUint64(b, uint64(v))
}

// DecodeTargetMetadata reads a ConsumerGroupTargetAssignmentMetadata value.
func DecodeTargetMetadata(b []byte) (TargetMetadataValue, error) {
	r := consumerReader(b)
	v := TargetMetadataValue{Epoch: r.Int32()}
	r.Tags(func(tag uint64, field []byte) {
		if tag == 0 {
			tagInt64(r, field, &v.Timestamp)
		}
	})
	return v, done(r, "target assignment metadata value")
}

// EncodeTargetMetadata returns the value.
func EncodeTargetMetadata(v TargetMetadataValue) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(v.Epoch))
	return appendTagInt64(b, v.Timestamp)
}

// DecodeConsumerMember reads a ConsumerGroupMemberMetadata value.
func DecodeConsumerMember(b []byte) (ConsumerMemberValue, error) {
	r := consumerReader(b)
	v := ConsumerMemberValue{
		InstanceID: r.NullableString(),
		RackID:     r.NullableString(),
		ClientID:   r.String(),
		ClientHost: r.String(),
		Topics:     stringArray(r),
	}
	if regex := r.NullableString(); regex != nil {
		v.Regex = *regex
	}
	v.RebalanceTimeoutMillis = r.Int32()
	v.Assignor = r.NullableString()
	r.Tags(func(tag uint64, field []byte) {
		if tag == 0 {
			v.Classic = decodeClassicMember(r, field)
		}
	})
	return v, done(r, "consumer group member value")
}

func stringArray(r *coord.Reader) []string {
	n := r.ArrayLen(2)
	all := make([]string, 0, n)
	for range n {
		all = append(all, r.String())
	}
	return all
}

// decodeClassicMember reads a nullable structure, which begins with 1 unless it is
// null.
func decodeClassicMember(outer *coord.Reader, field []byte) *ClassicMemberValue {
	r := &coord.Reader{B: field, Compact: true}
	if r.Int8() <= 0 {
		outer.Bad = outer.Bad || !r.Done()
		return nil
	}
	v := &ClassicMemberValue{SessionTimeoutMillis: r.Int32()}
	for range r.ArrayLen(4) {
		v.Protocols = append(v.Protocols, ClassicProtocol{Name: r.String(), Metadata: r.Bytes()})
		r.Tags(nil)
	}
	r.Tags(nil)
	outer.Bad = outer.Bad || !r.Done()
	return v
}

// EncodeConsumerMember returns the value.
func EncodeConsumerMember(v ConsumerMemberValue) []byte {
	b := []byte{0, 0}
	b = appendCompactNullable(b, v.InstanceID)
	b = appendCompactNullable(b, v.RackID)
	b = appendCompact(b, v.ClientID)
	b = appendCompact(b, v.ClientHost)
	b = appendCompactStrings(b, v.Topics)
	b = appendCompact(b, v.Regex)
	b = binary.BigEndian.AppendUint32(b, uint32(v.RebalanceTimeoutMillis))
	b = appendCompactNullable(b, v.Assignor)
	if v.Classic == nil {
		return append(b, 1, 0, 1, 0) // Kafka says so, though it is the default
	}
	c := binary.BigEndian.AppendUint32([]byte{1}, uint32(v.Classic.SessionTimeoutMillis))
	c = binary.AppendUvarint(c, uint64(len(v.Classic.Protocols))+1)
	for _, p := range v.Classic.Protocols {
		c = appendCompact(c, p.Name)
		c = appendCompact(c, string(p.Metadata))
		c = append(c, 0)
	}
	c = append(c, 0)
	b = append(b, 1, 0)
	b = binary.AppendUvarint(b, uint64(len(c)))
	return append(b, c...)
}

// DecodeTargetAssignment reads a ConsumerGroupTargetAssignmentMember value.
func DecodeTargetAssignment(b []byte) (assign.Partitions, error) {
	r := consumerReader(b)
	v := decodePartitions(r)
	r.Tags(nil)
	return v, done(r, "target assignment value")
}

// decodePartitions reads an array of topics, each an id with partitions.
func decodePartitions(r *coord.Reader) assign.Partitions {
	all := assign.Partitions{}
	for range r.ArrayLen(4) {
		id, ps := topicPartitions(r)
		r.Tags(nil)
		if len(ps) > 0 {
			all[id] = sortedSetOf(ps)
		}
	}
	return all
}

func sortedSetOf(ps []int32) []int32 {
	slices.Sort(ps)
	return slices.Compact(ps)
}

func topicPartitions(r *coord.Reader) (id assign.TopicID, partitions []int32) {
	copy(id[:], r.Span(len(id)))
	return id, int32Array(r)
}

func int32Array(r *coord.Reader) []int32 {
	size := 4
	if r.Compact {
		size = 8 // ArrayLen halves it, for the sake of lengths
	}
	n := r.ArrayLen(size)
	all := make([]int32, 0, n)
	for range n {
		all = append(all, r.Int32())
	}
	return all
}

// EncodeTargetAssignment returns the value.
func EncodeTargetAssignment(v assign.Partitions) []byte {
	return append(appendPartitions([]byte{0, 0}, v), 0)
}

func appendPartitions(b []byte, all assign.Partitions) []byte {
	b = binary.AppendUvarint(b, uint64(len(all))+1)
	for _, id := range all.Topics() {
		b = append(b, id[:]...)
		b = appendInt32s(b, all[id])
		b = append(b, 0)
	}
	return b
}

func appendInt32s(b []byte, all []int32) []byte {
	b = binary.AppendUvarint(b, uint64(len(all))+1)
	for _, v := range all {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	return b
}

// DecodeCurrentAssignment reads a ConsumerGroupCurrentMemberAssignment value.
func DecodeCurrentAssignment(b []byte) (CurrentAssignmentValue, error) {
	r := consumerReader(b)
	v := CurrentAssignmentValue{Epoch: r.Int32(), Previous: r.Int32(), State: r.Int8()}
	v.Assigned = decodeHeld(r, v.Epoch)
	v.Revoking = decodeHeld(r, v.Epoch)
	r.Tags(nil)
	return v, done(r, "current assignment value")
}

// decodeHeld reads partitions with their assignment epochs. Brokers before 4.3 did
// not write those: then the member's epoch stands for them.
func decodeHeld(r *coord.Reader, epoch int32) Held {
	h := Held{}
	for range r.ArrayLen(4) {
		id, ps := topicPartitions(r)
		epochs := taggedEpochs(r)
		if epochs != nil && len(epochs) != len(ps) {
			r.Bad = true
		}
		if r.Bad {
			return h
		}
		for i, p := range ps {
			e := epoch
			if epochs != nil {
				e = epochs[i]
			}
			h.add(id, p, e)
		}
	}
	return h
}

// taggedEpochs ends a structure as appendWithEpochs does; nil if it has no epochs.
func taggedEpochs(r *coord.Reader) (epochs []int32) {
	r.Tags(func(tag uint64, field []byte) {
		if tag == 0 && (len(field) != 1 || field[0] != 0) { // not null
			er := &coord.Reader{B: field, Compact: true}
			epochs = int32Array(er)
			r.Bad = r.Bad || !er.Done()
		}
	})
	return epochs
}

// EncodeCurrentAssignment returns the value.
func EncodeCurrentAssignment(v CurrentAssignmentValue) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(v.Epoch))
	b = binary.BigEndian.AppendUint32(b, uint32(v.Previous))
	b = append(b, byte(v.State))
	b = appendHeld(b, v.Assigned)
	b = appendHeld(b, v.Revoking)
	return append(b, 0)
}

func appendHeld(b []byte, h Held) []byte {
	b = binary.AppendUvarint(b, uint64(len(h))+1)
	for _, id := range assign.SortedTopics(h) {
		b = appendWithEpochs(append(b, id[:]...), h[id])
	}
	return b
}

// appendWithEpochs ends a structure whose last field is numbers of partitions and whose one
// tagged field is when each was assigned.
func appendWithEpochs(b []byte, epochs map[int32]int32) []byte {
	var tagged []byte
	partitions := sortedKeys(epochs)
	tagged = binary.AppendUvarint(tagged, uint64(len(partitions))+1)
	for _, p := range partitions {
		tagged = binary.BigEndian.AppendUint32(tagged, uint32(epochs[p]))
	}
	b = append(appendInt32s(b, partitions), 1, 0)
	b = binary.AppendUvarint(b, uint64(len(tagged)))
	return append(b, tagged...)
}

// DecodeRegex reads a ConsumerGroupRegularExpression value.
func DecodeRegex(b []byte) (RegexValue, error) {
	r := consumerReader(b)
	v := RegexValue{Topics: stringArray(r), Version: r.Int64(), Timestamp: r.Int64()}
	r.Tags(nil)
	return v, done(r, "regular expression value")
}

// EncodeRegex returns the value.
func EncodeRegex(v RegexValue) []byte {
	b := appendCompactStrings([]byte{0, 0}, v.Topics)
	b = binary.BigEndian.AppendUint64(b, uint64(v.Version))
	b = binary.BigEndian.AppendUint64(b, uint64(v.Timestamp))
	return append(b, 0)
}

func appendCompact(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s))+1)
	return append(b, s...)
}

func appendCompactNullable(b []byte, s *string) []byte {
	if s == nil {
		return append(b, 0)
	}
	return appendCompact(b, *s)
}

func appendCompactStrings(b []byte, all []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(all))+1)
	for _, s := range all {
		b = appendCompact(b, s)
	}
	return b
}

// add puts one partition in.
func (h Held) add(id assign.TopicID, partition, epoch int32) {
	if h[id] == nil {
		h[id] = map[int32]int32{}
	}
	h[id][partition] = epoch
}

// epoch returns when the partition was assigned.
func (h Held) epoch(id assign.TopicID, partition int32) (int32, bool) {
	e, ok := h[id][partition]
	return e, ok
}

// partitions leaves the epochs out.
func (h Held) partitions() assign.Partitions {
	ps := make(assign.Partitions, len(h))
	for id, m := range h {
		ps[id] = sortedKeys(m)
	}
	return ps
}
