package share

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"leat.dev/internal/coord"
)

// ErrMalformed is wrapped by every decoding error.
var ErrMalformed = errors.New("malformed __share_group_state record")

// The kinds of record, which are the versions of their keys.
const (
	keySnapshot int16 = 0
	keyUpdate   int16 = 1
)

// Snapshot is the whole state of a share-partition.
type Snapshot struct {
	Epoch                 int32 // counts the snapshots of the share-partition
	StateEpoch            int32
	LeaderEpoch           int32
	StartOffset           int64
	DeliveryCompleteCount int32 // -1 = nobody said
	CreatedMillis         int64
	WrittenMillis         int64
	Batches               []StateBatch // in order, not overlapping
}

// Update is what one write changed. SnapshotEpoch names the snapshot it follows.
type Update struct {
	SnapshotEpoch         int32
	LeaderEpoch           int32 // -1 = as it was
	StartOffset           int64 // NoOffset = as it was
	DeliveryCompleteCount int32
	Batches               []StateBatch
}

// DecodeKey reads a record key. ok is false for a key of another kind, which is no
// error: the record is to be skipped.
func DecodeKey(b []byte) (kind int16, key Key, ok bool, err error) {
	r := coord.Reader{B: b}
	kind = r.Int16()
	if !r.Bad && kind != keySnapshot && kind != keyUpdate {
		return kind, Key{}, false, nil
	}
	key.Group = r.String()
	copy(key.TopicID[:], r.Span(16))
	key.Partition = r.Int32()
	if !r.Done() {
		return kind, Key{}, false, fmt.Errorf("%w: key of %d bytes", ErrMalformed, len(b))
	}
	return kind, key, true, nil
}

// stateBatchBytes is what a batch takes: two offsets, state, count, tags.
const stateBatchBytes = 8 + 8 + 1 + 2 + 1

// DecodeSnapshot reads the value of a snapshot, version 0.
func DecodeSnapshot(b []byte) (Snapshot, error) {
	r, err := openValue(b)
	if err != nil {
		return Snapshot{}, err
	}
	s := Snapshot{
		Epoch: r.Int32(), StateEpoch: r.Int32(), LeaderEpoch: r.Int32(), StartOffset: r.Int64(),
		CreatedMillis: r.Int64(), WrittenMillis: r.Int64(),
	}
	s.Batches, s.DeliveryCompleteCount, err = closeValue(r)
	return s, err
}

// DecodeUpdate reads the value of an update, version 0.
func DecodeUpdate(b []byte) (Update, error) {
	r, err := openValue(b)
	if err != nil {
		return Update{}, err
	}
	u := Update{SnapshotEpoch: r.Int32(), LeaderEpoch: r.Int32(), StartOffset: r.Int64()}
	u.Batches, u.DeliveryCompleteCount, err = closeValue(r)
	return u, err
}

func openValue(b []byte) (*coord.Reader, error) {
	r := &coord.Reader{B: b, Compact: true}
	if version := r.Int16(); r.Bad || version != 0 {
		return nil, fmt.Errorf("%w: value version %d", ErrMalformed, version)
	}
	return r, nil
}

// closeValue reads what both kinds end in.
func closeValue(r *coord.Reader) (batches []StateBatch, complete int32, err error) {
	complete = unknownCount
	n := r.ArrayLen(2 * stateBatchBytes) // ArrayLen halves it
	if n > 0 {
		batches = make([]StateBatch, 0, n)
	}
	for range n {
		b := StateBatch{First: r.Int64(), Last: r.Int64(), State: DeliveryState(r.Int8()), DeliveryCount: r.Int16()}
		r.Tags(nil)
		if !b.valid() {
			r.Bad = true
		}
		batches = append(batches, b)
	}
	r.Tags(func(tag uint64, field []byte) {
		if tag != tagDeliveryCompleteCount {
			return
		}
		f := coord.Reader{B: field}
		if complete = f.Int32(); !f.Done() {
			r.Bad = true
		}
	})
	if !r.Done() {
		return nil, 0, fmt.Errorf("%w: value", ErrMalformed)
	}
	return batches, complete, nil
}

// valid tells whether a batch is one that may be stored.
func (b StateBatch) valid() bool {
	return b.First >= 0 && b.Last >= b.First && b.Last < math.MaxInt64 && b.DeliveryCount >= 0 &&
		(b.State == Available || b.State == Acknowledged || b.State == Archived)
}

const (
	tagDeliveryCompleteCount = 0
	unknownCount             = -1
)

func encodeKey(kind int16, k Key) []byte {
	b := make([]byte, 0, 24+len(k.Group))
	b = binary.BigEndian.AppendUint16(b, uint16(kind))
	b = binary.BigEndian.AppendUint16(b, uint16(len(k.Group)))
	b = append(b, k.Group...)
	b = append(b, k.TopicID[:]...)
	return binary.BigEndian.AppendUint32(b, uint32(k.Partition))
}

// EncodeTombstone returns the record that forgets a share-partition.
func EncodeTombstone(k Key) coord.Record { return coord.Record{Key: encodeKey(keySnapshot, k)} }

// EncodeSnapshot returns the record of a snapshot as Kafka 4.3.1 writes it.
func EncodeSnapshot(k Key, s Snapshot) coord.Record {
	b := make([]byte, 0, snapshotBytes(len(s.Batches)))
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(s.Epoch))
	b = binary.BigEndian.AppendUint32(b, uint32(s.StateEpoch))
	b = binary.BigEndian.AppendUint32(b, uint32(s.LeaderEpoch))
	b = binary.BigEndian.AppendUint64(b, uint64(s.StartOffset))
	b = binary.BigEndian.AppendUint64(b, uint64(s.CreatedMillis))
	b = binary.BigEndian.AppendUint64(b, uint64(s.WrittenMillis))
	return coord.Record{Key: encodeKey(keySnapshot, k), Value: appendEnd(b, s.Batches, s.DeliveryCompleteCount)}
}

// snapshotBytes bounds the value of a snapshot with that many batches.
func snapshotBytes(batches int) int { return 64 + batches*stateBatchBytes }

// EncodeUpdate returns the record of an update as Kafka 4.3.1 writes it.
func EncodeUpdate(k Key, u Update) coord.Record {
	b := make([]byte, 0, snapshotBytes(len(u.Batches)))
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(u.SnapshotEpoch))
	b = binary.BigEndian.AppendUint32(b, uint32(u.LeaderEpoch))
	b = binary.BigEndian.AppendUint64(b, uint64(u.StartOffset))
	return coord.Record{Key: encodeKey(keyUpdate, k), Value: appendEnd(b, u.Batches, u.DeliveryCompleteCount)}
}

func appendEnd(b []byte, batches []StateBatch, complete int32) []byte {
	b = binary.AppendUvarint(b, uint64(len(batches)+1))
	for _, s := range batches {
		b = binary.BigEndian.AppendUint64(b, uint64(s.First))
		b = binary.BigEndian.AppendUint64(b, uint64(s.Last))
		b = append(b, byte(s.State))
		b = binary.BigEndian.AppendUint16(b, uint16(s.DeliveryCount))
		b = append(b, 0)
	}
	if complete == unknownCount {
		return append(b, 0)
	}
	b = append(b, 1, tagDeliveryCompleteCount, 4)
	return binary.BigEndian.AppendUint32(b, uint32(complete))
}
