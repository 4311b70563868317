package topic

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/registry/store"
)

// Places in an encoded record batch (docs/formats/record-batch.md).
const (
	batchLengthAt     = 8
	batchAfterLength  = 12
	batchCRCAt        = 17
	batchAttributesAt = 21
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// producer is who writes: what a broker knows duplicates and former leaders by.
type producer struct {
	id       int64
	epoch    int16
	sequence int32 // of the next record
}

// batch encodes records as one batch, uncompressed: it is in the log as a whole or not at all.
func (p *producer) batch(records []store.Record, millis int64) []byte {
	var body []byte
	for i, r := range records {
		k := kmsg.Record{OffsetDelta: int32(i), Key: r.Key, Value: r.Value}
		k.Length = int32(len(k.AppendTo(nil)) - 1) // all but the length itself, which is one byte while it is zero
		body = k.AppendTo(body)
	}
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, LastOffsetDelta: int32(len(records) - 1),
		FirstTimestamp: millis, MaxTimestamp: millis,
		ProducerID: p.id, ProducerEpoch: p.epoch, FirstSequence: p.sequence,
		NumRecords: int32(len(records)), Records: body,
	}
	out := b.AppendTo(nil)
	binary.BigEndian.PutUint32(out[batchLengthAt:], uint32(len(out)-batchAfterLength))
	binary.BigEndian.PutUint32(out[batchCRCAt:], crc32.Checksum(out[batchAttributesAt:], castagnoli))
	return out
}
