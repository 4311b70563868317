package batch

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
)

// Batch is exactly one whole batch: its methods need the header and the
// length to be right, as Parse and Split make sure.
type Batch []byte

// Parse returns the batch at the start of b and what follows it.
func Parse(b []byte) (batch Batch, rest []byte, err error) {
	h, err := ParseHeader(b)
	if err != nil {
		return nil, b, err
	}
	if h.Size() > len(b) {
		return nil, b, ErrShort
	}
	return Batch(b[:h.Size():h.Size()]), b[h.Size():], nil
}

// Split yields the batches of b one after the other. The first that is
// malformed, or cut off by the end of b (ErrShort), is yielded with its
// remaining bytes and an error, and ends the iteration.
func Split(b []byte) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for len(b) > 0 {
			one, rest, err := Parse(b)
			if err != nil {
				yield(Batch(b), err)
				return
			}
			if !yield(one, nil) {
				return
			}
			b = rest
		}
	}
}

// Header decodes the header.
func (b Batch) Header() Header { return decodeHeader(b) }

// VerifyCRC tells whether the stored checksum matches the content.
func (b Batch) VerifyCRC() bool { return b.computeCRC() == binary.BigEndian.Uint32(b[crcAt:]) }

func (b Batch) computeCRC() uint32 { return crc32.Checksum(b[attributesAt:], castagnoli) }

func (b Batch) updateCRC() { binary.BigEndian.PutUint32(b[crcAt:], b.computeCRC()) }

// SetBaseOffset changes the base offset, which the CRC does not cover.
func (b Batch) SetBaseOffset(offset int64) {
	binary.BigEndian.PutUint64(b[baseOffsetAt:], uint64(offset))
}

// SetLeaderEpoch changes the leader epoch, which the CRC does not cover.
func (b Batch) SetLeaderEpoch(epoch int32) {
	binary.BigEndian.PutUint32(b[leaderEpochAt:], uint32(epoch))
}

// SetTimestamps changes the timestamp type and the largest timestamp, and the
// CRC if that changed anything.
func (b Batch) SetTimestamps(logAppendTime bool, maxTimestamp int64) {
	h := b.Header()
	if h.LogAppendTime() == logAppendTime && h.MaxTimestamp == maxTimestamp {
		return
	}
	attributes := h.Attributes &^ logAppendTimeBit
	if logAppendTime {
		attributes |= logAppendTimeBit
	}
	binary.BigEndian.PutUint16(b[attributesAt:], uint16(attributes))
	binary.BigEndian.PutUint64(b[maxTimestampAt:], uint64(maxTimestamp))
	b.updateCRC()
}

func corruptf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}
