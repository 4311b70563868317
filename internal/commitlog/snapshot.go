package commitlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	snapshotHeader = 10 // version i16, CRC u32, count i32
	snapshotEntry  = 46
	snapshotCRCEnd = 6 // the CRC covers everything from here
)

// producerSnapshot is one producer in a .snapshot file. Only its last batch is
// kept.
type producerSnapshot struct {
	id               int64
	epoch            int16
	lastSequence     int32 // -1: no batch
	lastOffset       int64
	offsetDelta      int32
	timestamp        int64
	coordinatorEpoch int32
	txnFirst         int64 // -1: no open transaction
}

// encodeSnapshot gives a .snapshot file.
func encodeSnapshot(entries []producerSnapshot) []byte {
	b := make([]byte, snapshotHeader, snapshotHeader+len(entries)*snapshotEntry)
	be := binary.BigEndian
	be.PutUint16(b, 1)
	be.PutUint32(b[6:], uint32(len(entries)))
	for _, e := range entries {
		b = be.AppendUint64(b, uint64(e.id))
		b = be.AppendUint16(b, uint16(e.epoch))
		b = be.AppendUint32(b, uint32(e.lastSequence))
		b = be.AppendUint64(b, uint64(e.lastOffset))
		b = be.AppendUint32(b, uint32(e.offsetDelta))
		b = be.AppendUint64(b, uint64(e.timestamp))
		b = be.AppendUint32(b, uint32(e.coordinatorEpoch))
		b = be.AppendUint64(b, uint64(e.txnFirst))
	}
	be.PutUint32(b[2:], crc32.Checksum(b[snapshotCRCEnd:], castagnoli))
	return b
}

// decodeSnapshot reads a .snapshot file.
func decodeSnapshot(b []byte) ([]producerSnapshot, error) {
	be := binary.BigEndian
	if len(b) < snapshotHeader {
		return nil, errors.New("producer snapshot is cut off")
	}
	if v := be.Uint16(b); v != 1 {
		return nil, fmt.Errorf("producer snapshot has version %d", v)
	}
	if be.Uint32(b[2:]) != crc32.Checksum(b[snapshotCRCEnd:], castagnoli) {
		return nil, errors.New("producer snapshot has a wrong checksum")
	}
	n := int64(be.Uint32(b[6:]))
	b = b[snapshotHeader:]
	if n*snapshotEntry != int64(len(b)) {
		return nil, fmt.Errorf("producer snapshot says %d producers in %d bytes", n, len(b))
	}
	out := make([]producerSnapshot, 0, n)
	for ; len(b) > 0; b = b[snapshotEntry:] {
		out = append(out, producerSnapshot{
			id:               int64(be.Uint64(b)),
			epoch:            int16(be.Uint16(b[8:])),
			lastSequence:     int32(be.Uint32(b[10:])),
			lastOffset:       int64(be.Uint64(b[14:])),
			offsetDelta:      int32(be.Uint32(b[22:])),
			timestamp:        int64(be.Uint64(b[26:])),
			coordinatorEpoch: int32(be.Uint32(b[34:])),
			txnFirst:         int64(be.Uint64(b[38:])),
		})
	}
	return out, nil
}
