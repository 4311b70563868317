package batch

import (
	"fmt"

	"leat.dev/internal/wire/compress"
)

// Producer identifies the idempotent producer of a batch. BaseSequence is -1
// in the transaction markers a coordinator writes.
type Producer struct {
	ID           int64
	Epoch        int16
	BaseSequence int32
}

// BuilderOptions describe the batch to build. The zero value makes an
// uncompressed batch at offset 0 with the records' own timestamps and without
// a producer.
type BuilderOptions struct {
	BaseOffset  int64
	LeaderEpoch int32
	Codec       compress.Codec
	Level       int // compress.DefaultLevel, or one of the codec's
	// LogAppendTime makes every record read as MaxTimestamp, which must be
	// set then; without it MaxTimestamp is computed.
	LogAppendTime bool
	MaxTimestamp  int64
	Producer      *Producer // nil: none
	Transactional bool
	Control       bool
	// DeleteHorizon, if not nil, is stored in place of the base timestamp.
	DeleteHorizon *int64
	// MinLastOffset keeps the batch's end where it was although the records
	// there are gone, as compaction must.
	MinLastOffset int64
}

// OptionsFrom returns options that keep everything of a batch but its records:
// range of offsets, epoch, codec, timestamp type, producer and delete horizon.
// Compaction and recompression start from these.
func OptionsFrom(h Header) BuilderOptions {
	o := BuilderOptions{
		BaseOffset:    h.BaseOffset,
		LeaderEpoch:   h.LeaderEpoch,
		Codec:         h.Codec(),
		LogAppendTime: h.LogAppendTime(),
		MaxTimestamp:  h.MaxTimestamp,
		Transactional: h.Transactional(),
		Control:       h.Control(),
		MinLastOffset: h.LastOffset(),
	}
	if h.HasProducer() {
		o.Producer = &Producer{ID: h.ProducerID, Epoch: h.ProducerEpoch, BaseSequence: h.BaseSequence}
	}
	if h.HasDeleteHorizon() {
		horizon := h.BaseTimestamp
		o.DeleteHorizon = &horizon
	}
	return o
}

// Builder makes a batch record by record. Records are encoded as they come
// and compressed by Finish.
type Builder struct {
	o       BuilderOptions
	buf     []byte // room for the header, then the records uncompressed
	count   int32
	next    int64 // the least offset the next record may have
	baseTS  int64
	maxTS   int64
	scratch []byte // a record before its length is known
}

// NewBuilder returns an empty builder.
func NewBuilder(o BuilderOptions) *Builder {
	b := new(Builder)
	b.Reset(o)
	return b
}

// Reset starts a new batch in the memory of the last, whose bytes it
// overwrites.
func (b *Builder) Reset(o BuilderOptions) {
	if cap(b.buf) < HeaderSize {
		b.buf = make([]byte, HeaderSize, 1024)
	}
	*b = Builder{o: o, buf: b.buf[:HeaderSize], scratch: b.scratch, next: o.BaseOffset,
		baseTS: noTimestamp, maxTS: noTimestamp}
}

// Count is the number of records so far.
func (b *Builder) Count() int { return int(b.count) }

// Size is the size of the batch so far, uncompressed.
func (b *Builder) Size() int { return len(b.buf) }

// Append adds a record at the offset after the last.
func (b *Builder) Append(timestamp int64, key, value []byte, headers []RecordHeader) {
	b.AppendAt(b.next, timestamp, key, value, headers)
}

// AppendAt adds a record at its offset, which must be above the last one's and
// at most 2^31-1 above the base offset; anything else is a bug and panics.
func (b *Builder) AppendAt(offset, timestamp int64, key, value []byte, headers []RecordHeader) {
	delta := offset - b.o.BaseOffset
	if offset < b.next || delta > maxOffsetDelta {
		panic(fmt.Sprintf("batch: offset %d in a batch from %d, next %d", offset, b.o.BaseOffset, b.next))
	}
	if b.count == 0 {
		b.baseTS = timestamp
		if b.o.DeleteHorizon != nil {
			b.baseTS = *b.o.DeleteHorizon
		}
	}
	b.next = offset + 1
	b.count++
	b.maxTS = max(b.maxTS, timestamp)

	r := append(b.scratch[:0], 0) // attributes
	r = appendVarint(r, timestamp-b.baseTS)
	r = appendVarint(r, delta)
	r = appendBytes(r, key)
	r = appendBytes(r, value)
	r = appendVarint(r, int64(len(headers)))
	for _, h := range headers {
		r = appendVarint(r, int64(len(h.Key))) // never null
		r = append(r, h.Key...)
		r = appendBytes(r, h.Value)
	}
	b.scratch = r
	b.buf = appendVarint(b.buf, int64(len(r)))
	b.buf = append(b.buf, r...)
}

func appendBytes(dst, v []byte) []byte {
	if v == nil {
		return appendVarint(dst, -1)
	}
	dst = appendVarint(dst, int64(len(v)))
	return append(dst, v...)
}

// Finish returns the batch. It is valid until Reset. Without records it is a
// bare header, which is how compaction keeps a producer's last sequence.
func (b *Builder) Finish() (Batch, error) {
	out := b.buf
	codec := b.o.Codec
	if b.count == 0 {
		codec = compress.None
	}
	if codec != compress.None {
		var err error
		out = make([]byte, HeaderSize, HeaderSize+len(b.buf)/2)
		if out, err = compress.Compress(out, b.buf[HeaderSize:], codec, b.o.Level); err != nil {
			return nil, err
		}
	}
	if len(out) > 1<<31-1 {
		return nil, fmt.Errorf("record batch of %d bytes", len(out))
	}
	b.header(codec, len(out)).put(out)
	batch := Batch(out)
	batch.updateCRC()
	return batch, nil
}

func (b *Builder) header(codec compress.Codec, size int) Header {
	h := Header{
		BaseOffset:    b.o.BaseOffset,
		Length:        int32(size - LogOverhead),
		LeaderEpoch:   b.o.LeaderEpoch,
		Magic:         Magic,
		Attributes:    int16(codec),
		BaseTimestamp: b.baseTS,
		MaxTimestamp:  b.maxTS,
		ProducerID:    noProducerID,
		ProducerEpoch: noProducerEpoch,
		BaseSequence:  noSequence,
		Count:         b.count,
	}
	last := max(b.next-1, b.o.MinLastOffset, b.o.BaseOffset)
	h.LastOffsetDelta = int32(last - b.o.BaseOffset)
	if b.o.LogAppendTime {
		h.Attributes |= logAppendTimeBit
		h.MaxTimestamp = b.o.MaxTimestamp
	}
	if b.count == 0 {
		h.MaxTimestamp = b.o.MaxTimestamp
	} else if b.o.DeleteHorizon != nil {
		h.Attributes |= deleteHorizonBit
	}
	if b.o.Transactional {
		h.Attributes |= transactionalBit
	}
	if b.o.Control {
		h.Attributes |= controlBit
	}
	if p := b.o.Producer; p != nil {
		h.ProducerID, h.ProducerEpoch, h.BaseSequence = p.ID, p.Epoch, p.BaseSequence
	}
	return h
}
