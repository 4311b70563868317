package metadata

import (
	"encoding/binary"
	"fmt"

	"leat.dev/internal/metadata/record"
	"leat.dev/internal/wire/batch"
)

// encodeRecords makes the batch of a raft entry. Offset and leader epoch are
// set when it is appended.
func encodeRecords(records []record.Record, now int64) ([]byte, error) {
	b := batch.NewBuilder(batch.BuilderOptions{})
	var value []byte
	for _, r := range records {
		value = record.Append(value[:0], r)
		b.Append(now, nil, value, nil)
	}
	return b.Finish()
}

// decodeRecords calls f with every record of a batch.
func decodeRecords(data []byte, f func(r record.Record, offset int64) error) error {
	for r, err := range batch.Batch(data).Records(nil, len(data)) {
		if err != nil {
			return err
		}
		m, err := record.Decode(r.Value)
		if err == nil {
			err = f(m, r.Offset)
		}
		if err != nil {
			return fmt.Errorf("metadata record at offset %d: %w", r.Offset, err)
		}
	}
	return nil
}

// leaderChange is the control batch that Kafka's quorum begins a term with; it
// stands for raft's empty entry.
func leaderChange(leader int32, voters []int32, now int64) []byte {
	value := []byte{0, 0} // the message's version
	value = binary.BigEndian.AppendUint32(value, uint32(leader))
	value = binary.AppendUvarint(value, uint64(len(voters)+1))
	for _, v := range voters {
		value = append(binary.BigEndian.AppendUint32(value, uint32(v)), 0)
	}
	value = append(value, 2) // of those that granted their vote only the leader is known
	value = append(binary.BigEndian.AppendUint32(value, uint32(leader)), 0)
	return controlBatch(batch.ControlLeaderChange, value, 0, now)
}

// controlBatch is a batch of one control record.
func controlBatch(kind batch.ControlType, value []byte, offset, now int64) []byte {
	b := batch.NewBuilder(batch.BuilderOptions{BaseOffset: offset, Control: true})
	key := binary.BigEndian.AppendUint16(make([]byte, 2, 4), uint16(kind))
	b.Append(now, key, append(value, 0), nil)
	out, err := b.Finish()
	if err != nil {
		panic(err) // uncompressed and small: cannot fail
	}
	return out
}
