// Package batch reads and writes Kafka's record batches, version 2 of the
// message format, laid out in docs/formats/record-batch.md.
//
// A Batch is the bytes of one whole batch as they are on disk and on the wire;
// its methods read fields in place and change the few that a broker may
// change. Records are decoded only on request, without copying: keys and
// values are slices of the batch, or of the decompressor's buffer. Builder
// makes batches.
//
// Parsing is strict: lengths must agree and a body must be consumed exactly.
// What an append may contain (offsets, timestamps, sequences) is the log's
// business. The package starts no goroutines and does no I/O.
package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"leat.dev/internal/wire/compress"
)

const (
	// HeaderSize is the size of a batch without records.
	HeaderSize = 61
	// LogOverhead is what the length field does not count: itself and the
	// base offset before it.
	LogOverhead = 12
	// MinLength is the smallest legal value of the length field.
	MinLength = HeaderSize - LogOverhead
	// Magic is the version of the format.
	Magic = 2
)

// Positions of the fields.
const (
	baseOffsetAt      = 0
	lengthAt          = 8
	leaderEpochAt     = 12
	magicAt           = 16
	crcAt             = 17
	attributesAt      = 21 // the CRC covers everything from here
	lastOffsetDeltaAt = 23
	baseTimestampAt   = 27
	maxTimestampAt    = 35
	producerIDAt      = 43
	producerEpochAt   = 51
	baseSequenceAt    = 53
	countAt           = 57
)

// Bits of the attributes.
const (
	codecMask        int16 = 0x07
	logAppendTimeBit int16 = 1 << 3
	transactionalBit int16 = 1 << 4
	controlBit       int16 = 1 << 5
	deleteHorizonBit int16 = 1 << 6
)

// What fields hold that say nothing, and their largest values.
const (
	noTimestamp     = -1
	noProducerID    = -1
	noProducerEpoch = -1
	noSequence      = -1
	maxSequence     = 1<<31 - 1
	maxOffsetDelta  = 1<<31 - 1
)

var (
	// ErrShort: the bytes end before the header or the batch does.
	ErrShort = errors.New("record batch is cut off")
	// ErrMagic: an old message format (0 or 1), which is not read here.
	ErrMagic = errors.New("old message format")
	// ErrCorrupt: the bytes are no record batch.
	ErrCorrupt = errors.New("corrupt record batch")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header is the decoded head of a batch.
type Header struct {
	BaseOffset      int64
	Length          int32 // bytes after this field
	LeaderEpoch     int32
	Magic           int8
	CRC             uint32
	Attributes      int16
	LastOffsetDelta int32 // survives compaction, so it may exceed Count-1
	BaseTimestamp   int64 // the delete horizon if HasDeleteHorizon
	MaxTimestamp    int64
	ProducerID      int64 // -1: none
	ProducerEpoch   int16
	BaseSequence    int32 // -1: none
	Count           int32
}

// ParseHeader decodes the header at the start of b, which needs HeaderSize
// bytes but not the whole batch. It checks the magic and that the length is
// possible, nothing else.
func ParseHeader(b []byte) (Header, error) {
	if len(b) <= magicAt {
		return Header{}, ErrShort
	}
	switch magic := int8(b[magicAt]); {
	case magic == 0 || magic == 1:
		return Header{}, fmt.Errorf("%w %d", ErrMagic, magic)
	case magic != Magic:
		return Header{}, fmt.Errorf("%w: magic %d", ErrCorrupt, magic)
	}
	if len(b) < HeaderSize {
		return Header{}, ErrShort
	}
	h := decodeHeader(b)
	if h.Length < MinLength || h.Length > 1<<31-1-LogOverhead {
		return Header{}, fmt.Errorf("%w: length %d", ErrCorrupt, h.Length)
	}
	return h, nil
}

func decodeHeader(b []byte) Header {
	_ = b[HeaderSize-1]
	be := binary.BigEndian
	return Header{
		BaseOffset:      int64(be.Uint64(b[baseOffsetAt:])),
		Length:          int32(be.Uint32(b[lengthAt:])),
		LeaderEpoch:     int32(be.Uint32(b[leaderEpochAt:])),
		Magic:           int8(b[magicAt]),
		CRC:             be.Uint32(b[crcAt:]),
		Attributes:      int16(be.Uint16(b[attributesAt:])),
		LastOffsetDelta: int32(be.Uint32(b[lastOffsetDeltaAt:])),
		BaseTimestamp:   int64(be.Uint64(b[baseTimestampAt:])),
		MaxTimestamp:    int64(be.Uint64(b[maxTimestampAt:])),
		ProducerID:      int64(be.Uint64(b[producerIDAt:])),
		ProducerEpoch:   int16(be.Uint16(b[producerEpochAt:])),
		BaseSequence:    int32(be.Uint32(b[baseSequenceAt:])),
		Count:           int32(be.Uint32(b[countAt:])),
	}
}

// put encodes h into the first HeaderSize bytes of b.
func (h Header) put(b []byte) {
	_ = b[HeaderSize-1]
	be := binary.BigEndian
	be.PutUint64(b[baseOffsetAt:], uint64(h.BaseOffset))
	be.PutUint32(b[lengthAt:], uint32(h.Length))
	be.PutUint32(b[leaderEpochAt:], uint32(h.LeaderEpoch))
	b[magicAt] = byte(h.Magic)
	be.PutUint32(b[crcAt:], h.CRC)
	be.PutUint16(b[attributesAt:], uint16(h.Attributes))
	be.PutUint32(b[lastOffsetDeltaAt:], uint32(h.LastOffsetDelta))
	be.PutUint64(b[baseTimestampAt:], uint64(h.BaseTimestamp))
	be.PutUint64(b[maxTimestampAt:], uint64(h.MaxTimestamp))
	be.PutUint64(b[producerIDAt:], uint64(h.ProducerID))
	be.PutUint16(b[producerEpochAt:], uint16(h.ProducerEpoch))
	be.PutUint32(b[baseSequenceAt:], uint32(h.BaseSequence))
	be.PutUint32(b[countAt:], uint32(h.Count))
}

// Size is the number of bytes of the whole batch.
func (h Header) Size() int { return LogOverhead + int(h.Length) }

// LastOffset is the offset of the last record the batch had when written;
// compaction may have removed it.
func (h Header) LastOffset() int64 { return h.BaseOffset + int64(h.LastOffsetDelta) }

// NextOffset is the offset after the batch.
func (h Header) NextOffset() int64 { return h.LastOffset() + 1 }

// LastSequence is the sequence number of the last record, or -1 without one.
// Sequences wrap from the largest int32 to 0.
func (h Header) LastSequence() int32 {
	if h.BaseSequence == noSequence {
		return noSequence
	}
	return AddSequence(h.BaseSequence, h.LastOffsetDelta)
}

// AddSequence returns the sequence number n records after seq.
func AddSequence(seq, n int32) int32 {
	return int32((int64(seq) + int64(n)) & maxSequence)
}

// Codec is the compression of the records; it may be one that is not Valid.
func (h Header) Codec() compress.Codec { return compress.Codec(h.Attributes & codecMask) }

// HasProducer tells whether an idempotent producer wrote the batch.
func (h Header) HasProducer() bool { return h.ProducerID > noProducerID }

// Transactional tells whether the batch is part of a transaction.
func (h Header) Transactional() bool { return h.Attributes&transactionalBit != 0 }

// Control tells whether the batch holds a control record, not data.
func (h Header) Control() bool { return h.Attributes&controlBit != 0 }

// LogAppendTime tells whether every record's timestamp is MaxTimestamp.
func (h Header) LogAppendTime() bool { return h.Attributes&logAppendTimeBit != 0 }

// HasDeleteHorizon tells whether BaseTimestamp is the time from which the
// cleaner may drop the batch's tombstones or marker.
func (h Header) HasDeleteHorizon() bool { return h.Attributes&deleteHorizonBit != 0 }

// DeleteHorizon is that time, or -1.
func (h Header) DeleteHorizon() int64 {
	if !h.HasDeleteHorizon() {
		return noTimestamp
	}
	return h.BaseTimestamp
}
