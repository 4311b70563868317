package txn

import (
	"encoding/binary"
	"errors"
	"fmt"

	"leat.dev/internal/coord"
)

// ErrMalformed is wrapped by every decoding error.
var ErrMalformed = errors.New("malformed __transaction_state record")

// Value is the value of a record: the state of a transactional id.
type Value struct {
	Producer      Producer
	PreviousID    int64 // -1 = unknown
	NextID        int64 // -1 = none
	NextEpoch     int16 // -1 = none; of two-phase commit, which nobody asks for yet
	TimeoutMillis int32
	State         State
	// Partitions are sorted by topic and number. Nil is stored as null, as Kafka
	// does in state Empty.
	Partitions    []TopicPartition
	UpdatedMillis int64
	StartedMillis int64 // -1 = none
	ClientVersion int16
}

// keyTransaction is the only key type: its version.
const keyTransaction int16 = 0

// The tags of a version 1 value.
const (
	tagPreviousID    = 0
	tagNextID        = 1
	tagClientVersion = 2
	tagNextEpoch     = 3
)

// DecodeKey reads a record key. ok is false for a key of another kind, which is
// no error: the record is to be skipped.
func DecodeKey(b []byte) (transactionalID string, ok bool, err error) {
	r := coord.Reader{B: b}
	version := r.Int16()
	if !r.Bad && version != keyTransaction {
		return "", false, nil
	}
	id := r.String()
	if !r.Done() {
		return "", false, fmt.Errorf("%w: key of %d bytes", ErrMalformed, len(b))
	}
	return id, true, nil
}

// DecodeValue reads a record value, versions 0 and 1.
func DecodeValue(b []byte) (Value, error) {
	r := coord.Reader{B: b}
	version := r.Int16()
	v := Value{PreviousID: noID, NextID: noID, NextEpoch: noEpoch}
	if version < 0 || version > 1 {
		return v, fmt.Errorf("%w: value version %d", ErrMalformed, version)
	}
	r.Compact = version >= 1
	v.Producer = Producer{ID: r.Int64(), Epoch: r.Int16()}
	v.TimeoutMillis = r.Int32()
	v.State = State(r.Int8())
	if v.State < Empty || v.State > CompleteAbort {
		r.Bad = true
	}
	v.Partitions = decodePartitions(&r)
	v.UpdatedMillis = r.Int64()
	v.StartedMillis = r.Int64()
	r.Tags(func(tag uint64, field []byte) { v.decodeTag(&r, tag, field) })
	if !r.Done() {
		return v, fmt.Errorf("%w: value version %d", ErrMalformed, version)
	}
	return v, nil
}

func decodePartitions(r *coord.Reader) []TopicPartition {
	// A topic takes at least a name's length and a count.
	n := r.NullableArrayLen(4)
	if n < 0 {
		return nil
	}
	all := []TopicPartition{}
	for range n {
		topic := r.String()
		compactSize := 4
		if r.Compact {
			compactSize = 8 // ArrayLen halves it
		}
		for range r.ArrayLen(compactSize) {
			all = append(all, TopicPartition{topic, r.Int32()})
		}
		r.Tags(nil)
	}
	return all
}

func (v *Value) decodeTag(r *coord.Reader, tag uint64, field []byte) {
	f := coord.Reader{B: field}
	switch tag {
	case tagPreviousID:
		v.PreviousID = f.Int64()
	case tagNextID:
		v.NextID = f.Int64()
	case tagClientVersion:
		v.ClientVersion = f.Int16()
	case tagNextEpoch:
		v.NextEpoch = f.Int16()
	default:
		return
	}
	if !f.Done() {
		r.Bad = true
	}
}

func encodeKey(transactionalID string) []byte {
	b := make([]byte, 0, 4+len(transactionalID))
	b = binary.BigEndian.AppendUint16(b, uint16(keyTransaction))
	b = binary.BigEndian.AppendUint16(b, uint16(len(transactionalID)))
	return append(b, transactionalID...)
}

// EncodeTombstone returns the record that deletes a transactional id.
func EncodeTombstone(transactionalID string) coord.Record {
	return coord.Record{Key: encodeKey(transactionalID)}
}

// Encode returns the record of a transactional id as Kafka 4.3.1 writes it: value
// version 1, or 0 under transaction.version 0, which has no place for the tags.
func Encode(transactionalID string, v Value, transactionVersion int16) coord.Record {
	e := encoder{flexible: transactionVersion >= 1, b: make([]byte, 0, 64+16*len(v.Partitions))}
	e.value(&v)
	return coord.Record{Key: encodeKey(transactionalID), Value: e.b}
}

type encoder struct {
	b        []byte
	flexible bool
}

func (e *encoder) int16(v int16) { e.b = binary.BigEndian.AppendUint16(e.b, uint16(v)) }
func (e *encoder) int32(v int32) { e.b = binary.BigEndian.AppendUint32(e.b, uint32(v)) }
func (e *encoder) int64(v int64) { e.b = binary.BigEndian.AppendUint64(e.b, uint64(v)) }

// length writes an array's, -1 for null.
func (e *encoder) length(n int) {
	if e.flexible {
		e.b = binary.AppendUvarint(e.b, uint64(n+1))
	} else {
		e.int32(int32(n))
	}
}

func (e *encoder) string(s string) {
	if e.flexible {
		e.length(len(s))
	} else {
		e.int16(int16(len(s)))
	}
	e.b = append(e.b, s...)
}

func (e *encoder) value(v *Value) {
	if e.flexible {
		e.int16(1)
	} else {
		e.int16(0)
	}
	e.int64(v.Producer.ID)
	e.int16(v.Producer.Epoch)
	e.int32(v.TimeoutMillis)
	e.b = append(e.b, byte(v.State))
	e.partitions(v.Partitions)
	e.int64(v.UpdatedMillis)
	e.int64(v.StartedMillis)
	if e.flexible {
		e.tags(v)
	}
}

func (e *encoder) partitions(all []TopicPartition) {
	if all == nil {
		e.length(-1)
		return
	}
	topics := 0
	for i := range all {
		if i == 0 || all[i].Topic != all[i-1].Topic {
			topics++
		}
	}
	e.length(topics)
	for i := 0; i < len(all); {
		end := i
		for end < len(all) && all[end].Topic == all[i].Topic {
			end++
		}
		e.string(all[i].Topic)
		e.length(end - i)
		for ; i < end; i++ {
			e.int32(all[i].Partition)
		}
		if e.flexible {
			e.b = append(e.b, 0)
		}
	}
}

func (e *encoder) tags(v *Value) {
	at := len(e.b)
	e.b = append(e.b, 0)
	long := func(tag byte, value int64) {
		e.b = append(e.b, tag, 8)
		e.int64(value)
		e.b[at]++
	}
	short := func(tag byte, value int16) {
		e.b = append(e.b, tag, 2)
		e.int16(value)
		e.b[at]++
	}
	if v.PreviousID != noID {
		long(tagPreviousID, v.PreviousID)
	}
	if v.NextID != noID {
		long(tagNextID, v.NextID)
	}
	if v.ClientVersion != 0 {
		short(tagClientVersion, v.ClientVersion)
	}
	if v.NextEpoch != noEpoch {
		short(tagNextEpoch, v.NextEpoch)
	}
}
