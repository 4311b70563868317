// Package codec holds the byte formats of Kafka Streams 4.3: keys of windows and sessions, values with timestamps and
// headers, change values, the messages of foreign-key joins, entries of suppress buffers, lists, the metadata of committed
// offsets, and the two hashes that decide where a record goes.
//
// Everything that Kafka Streams writes into a topic (user topics, repartition topics, changelogs, committed offsets) is
// byte-exact, so that an application can be moved over with its topics. The vectors in testdata were recorded from Kafka's
// own classes; testdata/Vectors.java recorded them.
//
// Encoders append to a slice and allocate nothing else. Decoders return slices of what they were given, check every length
// before they use it and never panic. A nil slice is null; an empty one is not. All numbers are big-endian. The package
// has no state and knows nothing of stores, topics or types.
package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrCorrupt is wrapped by every error of a decoder.
var ErrCorrupt = errors.New("bytes are not what Kafka Streams writes")

// tooShort says that bytes end before the format does.
func tooShort(what string, got, need int) error {
	return fmt.Errorf("%s of %d bytes, it needs %d: %w", what, got, need, ErrCorrupt)
}

// put64 and get64 are Kafka's long.
func put64(dst []byte, v int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v)) } //nolint:gosec // the bits
func get64(b []byte) int64             { return int64(binary.BigEndian.Uint64(b)) }             //nolint:gosec // the bits

// put32 and get32 are Kafka's int.
func put32(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) } //nolint:gosec // the bits
func get32(b []byte) int32             { return int32(binary.BigEndian.Uint32(b)) }             //nolint:gosec // the bits

// size is a length as an int32. Lengths beyond it cannot be written: no record is that large, and Java has no such array.
func size(n int) int32 {
	if n > math.MaxInt32 {
		panic("codec: more than 2 GiB in one field")
	}
	return int32(n)
}

// A cursor takes a format apart from its front. After the first failure every further take gives zero.
type cursor struct {
	b    []byte
	what string
	err  error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%s: %s: %w", c.what, fmt.Sprintf(format, args...), ErrCorrupt)
	}
	c.b = nil
}

// take gives the next n bytes.
func (c *cursor) take(n int, field string) []byte {
	if c.err != nil || n < 0 || n > len(c.b) {
		c.fail("%s has %d bytes, %d are left", field, n, len(c.b))
		return nil
	}
	b := c.b[:n:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) int8(field string) byte {
	if b := c.take(1, field); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) int32(field string) int32 {
	if b := c.take(4, field); b != nil {
		return get32(b)
	}
	return 0
}

func (c *cursor) int64(field string) int64 {
	if b := c.take(8, field); b != nil {
		return get64(b)
	}
	return 0
}

// sized gives bytes behind their length; −1 is null.
func (c *cursor) sized(field string) []byte {
	n := c.int32(field)
	if n == -1 {
		return nil
	}
	return c.take(int(n), field)
}

// count reads how many elements follow, each of at least elementBytes.
func (c *cursor) count(elementBytes int, field string) int {
	n := int(c.int32(field))
	if n < 0 || n > len(c.b)/elementBytes {
		c.fail("%d of %s in %d bytes", n, field, len(c.b))
		return 0
	}
	return n
}

// varint reads Kafka's zig-zag int of at most five bytes.
func (c *cursor) varint(field string) int {
	if c.err != nil {
		return 0
	}
	v, n := binary.Varint(c.b)
	if n <= 0 || n > 5 || v < math.MinInt32 || v > math.MaxInt32 {
		c.fail("%s is not a varint", field)
		return 0
	}
	c.b = c.b[n:]
	return int(v)
}

// end fails on bytes that are left.
func (c *cursor) end() error {
	if c.err == nil && len(c.b) > 0 {
		c.fail("%d bytes too many", len(c.b))
	}
	return c.err
}

// rest is everything that is left, never nil: an empty rest is a value, not null.
func (c *cursor) rest() []byte {
	if c.b == nil {
		return []byte{}
	}
	return c.b
}

// putSized appends bytes behind their length; nil is −1.
func putSized(dst, b []byte) []byte {
	if b == nil {
		return put32(dst, -1)
	}
	return append(put32(dst, size(len(b))), b...)
}

// varintSize is how many bytes binary.AppendVarint takes.
func varintSize(v int) int {
	u, n := uint64(v)<<1^uint64(v>>63), 1 //nolint:gosec // the bits
	for ; u >= 0x80; u >>= 7 {
		n++
	}
	return n
}
