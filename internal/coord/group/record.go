package group

import (
	"encoding/binary"
	"errors"
	"fmt"

	"leat.dev/internal/coord"
)

// Key types: the int16 that starts every key. Those of consumer groups stand in
// consumer_record.go; the others up to 24 belong to share and streams groups.
const (
	keyOffsetCommitV0 int16 = 0 // before Kafka 0.9; same fields as 1
	keyOffsetCommit   int16 = 1
	keyGroupMetadata  int16 = 2
)

// maxString is the longest string that a record holds: newer requests can carry
// longer ones, which are refused before they reach a record.
const maxString = 1<<15 - 1

// ErrMalformed is wrapped by every decoding error.
var ErrMalformed = errors.New("malformed __consumer_offsets record")

// OffsetKey is the key of an OffsetCommit record.
type OffsetKey struct {
	Group     string
	Topic     string
	Partition int32
}

// OffsetValue is the value of an OffsetCommit record.
type OffsetValue struct {
	Offset          int64
	LeaderEpoch     int32 // -1 = unknown
	Metadata        string
	CommitTimestamp int64    // milliseconds since 1970
	ExpireTimestamp int64    // -1 = none, the usual case: retention decides
	TopicID         [16]byte // zero = unknown
}

// GroupValue is the value of a GroupMetadata record.
type GroupValue struct {
	ProtocolType   string
	Generation     int32
	Protocol       *string
	Leader         *string
	StateTimestamp int64 // when the group entered its state; -1 = unknown
	Members        []MemberValue
}

// MemberValue is one member within a GroupMetadata record.
type MemberValue struct {
	ID                     string
	InstanceID             *string
	ClientID               string
	ClientHost             string
	RebalanceTimeoutMillis int32
	SessionTimeoutMillis   int32
	Subscription           []byte
	Assignment             []byte
}

// Key is a decoded record key: an OffsetKey, a GroupKey, the key of another kind of
// group, or an UnknownKey.
type Key interface{ key() }

// GroupKey is the key of a GroupMetadata record.
type GroupKey struct{ Group string }

// UnknownKey is the key of a record that this package does not keep.
type UnknownKey struct{ Type int16 }

func (OffsetKey) key()  {}
func (GroupKey) key()   {}
func (UnknownKey) key() {}

// DecodeKey reads a record key. Types it does not know are no error.
func DecodeKey(b []byte) (Key, error) {
	r := coord.Reader{B: b}
	typ := r.Int16()
	var k Key
	switch {
	case r.Bad:
		return nil, fmt.Errorf("%w: key of %d bytes", ErrMalformed, len(b))
	case typ == keyOffsetCommitV0 || typ == keyOffsetCommit:
		k = OffsetKey{Group: r.String(), Topic: r.String(), Partition: r.Int32()}
	case typ == keyGroupMetadata:
		k = GroupKey{Group: r.String()}
	case isConsumerKey(typ):
		k = decodeConsumerKey(typ, &r)
	case isShareKey(typ):
		k = decodeShareKey(typ, &r)
	case isStreamsKey(typ):
		k = decodeStreamsKey(typ, &r)
	default:
		return UnknownKey{Type: typ}, nil
	}
	if !r.Done() {
		return nil, fmt.Errorf("%w: key of type %d", ErrMalformed, typ)
	}
	return k, nil
}

// DecodeOffsetValue reads an OffsetCommit value, versions 0 to 4.
func DecodeOffsetValue(b []byte) (OffsetValue, error) {
	r := coord.Reader{B: b}
	version := r.Int16()
	v := OffsetValue{LeaderEpoch: -1, ExpireTimestamp: -1}
	if version < 0 || version > 4 {
		return v, fmt.Errorf("%w: offset value version %d", ErrMalformed, version)
	}
	r.Compact = version >= 4
	v.Offset = r.Int64()
	if version >= 3 {
		v.LeaderEpoch = r.Int32()
	}
	v.Metadata = r.String()
	v.CommitTimestamp = r.Int64()
	if version == 1 {
		v.ExpireTimestamp = r.Int64()
	}
	r.Tags(func(tag uint64, field []byte) {
		if tag == 0 {
			if len(field) != len(v.TopicID) {
				r.Bad = true
			}
			copy(v.TopicID[:], field)
		}
	})
	if !r.Done() {
		return v, fmt.Errorf("%w: offset value version %d", ErrMalformed, version)
	}
	return v, nil
}

// DecodeGroupValue reads a GroupMetadata value, versions 0 to 4.
func DecodeGroupValue(b []byte) (GroupValue, error) {
	r := coord.Reader{B: b}
	version := r.Int16()
	v := GroupValue{StateTimestamp: -1}
	if version < 0 || version > 4 {
		return v, fmt.Errorf("%w: group value version %d", ErrMalformed, version)
	}
	r.Compact = version >= 4
	v.ProtocolType = r.String()
	v.Generation = r.Int32()
	v.Protocol = r.NullableString()
	v.Leader = r.NullableString()
	if version >= 2 {
		v.StateTimestamp = r.Int64()
	}
	// A member takes at least 16 bytes, so a claimed count beyond the bytes
	// left is a lie and must not allocate.
	n := r.ArrayLen(16)
	if n > 0 {
		v.Members = make([]MemberValue, 0, n)
	}
	for range n {
		v.Members = append(v.Members, decodeMember(&r, version))
	}
	r.Tags(nil)
	if !r.Done() {
		return v, fmt.Errorf("%w: group value version %d", ErrMalformed, version)
	}
	return v, nil
}

func decodeMember(r *coord.Reader, version int16) MemberValue {
	m := MemberValue{ID: r.String(), RebalanceTimeoutMillis: -1}
	if version >= 3 {
		m.InstanceID = r.NullableString()
	}
	m.ClientID = r.String()
	m.ClientHost = r.String()
	if version >= 1 {
		m.RebalanceTimeoutMillis = r.Int32()
	}
	m.SessionTimeoutMillis = r.Int32()
	m.Subscription = r.Bytes()
	m.Assignment = r.Bytes()
	r.Tags(nil)
	return m
}

// EncodeOffset returns an OffsetCommit record as Kafka 4.3.1 writes it: key type
// 1 and value version 4, or version 1 when the commit brought its own retention
// time (only that version can hold it).
func EncodeOffset(k OffsetKey, v OffsetValue) Record {
	b := make([]byte, 0, 48+len(v.Metadata))
	if v.ExpireTimestamp >= 0 {
		b = binary.BigEndian.AppendUint16(b, 1)
		b = binary.BigEndian.AppendUint64(b, uint64(v.Offset))
		b = appendString(b, v.Metadata)
		b = binary.BigEndian.AppendUint64(b, uint64(v.CommitTimestamp))
		b = binary.BigEndian.AppendUint64(b, uint64(v.ExpireTimestamp))
		return Record{Key: encodeOffsetKey(k), Value: b}
	}
	b = binary.BigEndian.AppendUint16(b, 4)
	b = binary.BigEndian.AppendUint64(b, uint64(v.Offset))
	b = binary.BigEndian.AppendUint32(b, uint32(v.LeaderEpoch))
	b = binary.AppendUvarint(b, uint64(len(v.Metadata))+1)
	b = append(b, v.Metadata...)
	b = binary.BigEndian.AppendUint64(b, uint64(v.CommitTimestamp))
	if v.TopicID == [16]byte{} {
		b = append(b, 0)
	} else {
		b = append(b, 1, 0, byte(len(v.TopicID)))
		b = append(b, v.TopicID[:]...)
	}
	return Record{Key: encodeOffsetKey(k), Value: b}
}

// EncodeOffsetTombstone returns the record that deletes an offset.
func EncodeOffsetTombstone(k OffsetKey) Record { return Record{Key: encodeOffsetKey(k)} }

func encodeOffsetKey(k OffsetKey) []byte {
	b := make([]byte, 0, 10+len(k.Group)+len(k.Topic))
	b = binary.BigEndian.AppendUint16(b, uint16(keyOffsetCommit))
	b = appendString(b, k.Group)
	b = appendString(b, k.Topic)
	return binary.BigEndian.AppendUint32(b, uint32(k.Partition))
}

// EncodeGroup returns a GroupMetadata record as Kafka 4.3.1 writes it (value
// version 3).
func EncodeGroup(group string, v GroupValue) Record {
	var b []byte
	b = binary.BigEndian.AppendUint16(b, 3)
	b = appendString(b, v.ProtocolType)
	b = binary.BigEndian.AppendUint32(b, uint32(v.Generation))
	b = appendNullableString(b, v.Protocol)
	b = appendNullableString(b, v.Leader)
	b = binary.BigEndian.AppendUint64(b, uint64(v.StateTimestamp))
	b = binary.BigEndian.AppendUint32(b, uint32(len(v.Members)))
	for i := range v.Members {
		m := &v.Members[i]
		b = appendString(b, m.ID)
		b = appendNullableString(b, m.InstanceID)
		b = appendString(b, m.ClientID)
		b = appendString(b, m.ClientHost)
		b = binary.BigEndian.AppendUint32(b, uint32(m.RebalanceTimeoutMillis))
		b = binary.BigEndian.AppendUint32(b, uint32(m.SessionTimeoutMillis))
		b = appendBytes(b, m.Subscription)
		b = appendBytes(b, m.Assignment)
	}
	return Record{Key: encodeGroupKey(group), Value: b}
}

// EncodeGroupTombstone returns the record that deletes a group.
func EncodeGroupTombstone(group string) Record { return Record{Key: encodeGroupKey(group)} }

func encodeGroupKey(group string) []byte {
	b := make([]byte, 0, 4+len(group))
	b = binary.BigEndian.AppendUint16(b, uint16(keyGroupMetadata))
	return appendString(b, group)
}

func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

func appendNullableString(b []byte, s *string) []byte {
	if s == nil {
		return append(b, 0xff, 0xff)
	}
	return appendString(b, *s)
}

func appendBytes(b, v []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
	return append(b, v...)
}
