// Package compress holds the codecs of Kafka record batches: gzip, snappy,
// lz4 and zstd, in the framings Kafka writes and reads.
//
// Compress takes pooled encoders and is safe for concurrent use. A
// Decompressor keeps its output buffer between calls and belongs to one
// goroutine. Decompression never yields more than the caller's maximum, and
// what it allocates on the way is bounded by that maximum too.
//
// The framings are described in docs/formats/record-batch.md. The package
// starts no goroutines and knows nothing of batches or records.
package compress

import (
	"errors"
	"fmt"
)

// Codec is the compression of a record batch; the values are those of bits
// 0-2 of its attributes.
type Codec int8

const (
	None   Codec = 0
	Gzip   Codec = 1
	Snappy Codec = 2
	LZ4    Codec = 3
	Zstd   Codec = 4
)

var names = [...]string{"none", "gzip", "snappy", "lz4", "zstd"}

// Valid tells whether c is a codec Kafka knows.
func (c Codec) Valid() bool { return c >= None && c <= Zstd }

func (c Codec) String() string {
	if !c.Valid() {
		return fmt.Sprintf("codec(%d)", int8(c))
	}
	return names[c]
}

// ParseCodec returns the codec of a name as producers and topic settings use
// it; "uncompressed" (the topic setting) means None.
func ParseCodec(name string) (Codec, bool) {
	if name == "uncompressed" {
		return None, true
	}
	for c, n := range names {
		if n == name {
			return Codec(c), true
		}
	}
	return 0, false
}

// DefaultLevel stands for each codec's default level, as Kafka has it: gzip -1
// (6), lz4 9, zstd 3.
const DefaultLevel = 0

var (
	// ErrTooLarge: the decompressed data would exceed the given maximum.
	ErrTooLarge = errors.New("decompressed data exceeds the allowed size")
	// ErrCorrupt: the compressed data is malformed.
	ErrCorrupt = errors.New("corrupt compressed data")
	// ErrUnknownCodec: no codec has this number.
	ErrUnknownCodec = errors.New("unknown compression codec")
	// ErrLevel: the codec has no such level.
	ErrLevel = errors.New("invalid compression level")
)

// Compress appends the compressed form of src to dst. Levels: gzip 1 to 9,
// lz4 1 to 17, zstd -131072 to 22 mapped onto the four the encoder has;
// DefaultLevel and, for gzip, -1 mean the default. The others ignore it.
func Compress(dst, src []byte, codec Codec, level int) ([]byte, error) {
	switch codec {
	case None:
		return append(dst, src...), nil
	case Gzip:
		return appendGzip(dst, src, level)
	case Snappy:
		return appendSnappy(dst, src), nil
	case LZ4:
		return appendLZ4(dst, src, level)
	case Zstd:
		return appendZstd(dst, src, level)
	default:
		return dst, fmt.Errorf("%w: %d", ErrUnknownCodec, codec)
	}
}

// Decompressor decompresses, keeping its buffer and decoders for the next
// call. The zero value is ready. It must not be used concurrently.
type Decompressor struct {
	out  []byte
	keep int // the capacity of the buffer that Use gave
	gzip gzipDecoder
}

// Use has the next calls write into buf, whatever its size, as far as it
// reaches; with Slack more than what is to fit in no codec needs another.
// Pooled decoders may go on pointing into buf, without looking at it.
func (d *Decompressor) Use(buf []byte) { d.out, d.keep = buf[:0], cap(buf) }

// Slack is what decoders want beyond the data.
const Slack = zstdSlack

// keepBytes is the largest buffer of its own a Decompressor holds on to:
// batches are rarely larger, and one that is should not pin its size for ever.
const keepBytes = 4<<20 + Slack

// Decompress returns the decompressed form of src, valid until the next call.
// For None it returns src itself. More than maxBytes of output is ErrTooLarge.
// A nil Decompressor works and keeps nothing.
func (d *Decompressor) Decompress(codec Codec, src []byte, maxBytes int) ([]byte, error) {
	if codec == None {
		if len(src) > maxBytes {
			return nil, ErrTooLarge
		}
		return src, nil
	}
	if d == nil {
		d = new(Decompressor)
	}
	d.trim()
	out, err := d.appendTo(d.out[:0], codec, src, maxBytes)
	d.out = out
	if err != nil {
		d.trim() // nobody needs it until the next call
		return nil, fmt.Errorf("%s: %w", codec, err)
	}
	return out, nil
}

func (d *Decompressor) trim() {
	if cap(d.out) > max(keepBytes, d.keep) {
		d.out = nil
	}
}

// appendTo returns the buffer with an error too: what was made room for serves
// the next call.
func (d *Decompressor) appendTo(dst []byte, codec Codec, src []byte, maxBytes int) ([]byte, error) {
	switch codec {
	case Gzip:
		return d.gzip.decode(dst, src, maxBytes)
	case Snappy:
		return decodeSnappy(dst, src, maxBytes)
	case LZ4:
		return decodeLZ4(dst, src, maxBytes)
	case Zstd:
		return decodeZstd(dst, src, maxBytes)
	default:
		return dst, fmt.Errorf("%w: %d", ErrUnknownCodec, codec)
	}
}

// grow makes room for n more bytes, never for more than maxBytes in all unless
// n itself asks for it.
func grow(dst []byte, n, maxBytes int) []byte {
	need := len(dst) + n
	if need <= cap(dst) {
		return dst
	}
	size := max(need, min(2*cap(dst), maxBytes))
	out := make([]byte, len(dst), size)
	copy(out, dst)
	return out
}
