package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"leat.dev/internal/row"
)

// avroReader walks over one Avro datum. Formats: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding.
type avroReader struct {
	data  []byte
	pos   int
	depth int
	arena *row.Arena
	stack []row.Value
	pairs []row.Entry
	empty int // elements so far that took no bytes
	room  int // values that the row may still hold
	cell  row.Value
}

// Limits of a datum.
const (
	// maxAvroDepth is how deep records, arrays, maps and unions may be nested in data; only recursive schemas come near.
	maxAvroDepth = 1_000
	// maxAvroEmpty is how many elements of no bytes (nulls, records without fields) a datum may hold: a count of them costs
	// its sender nothing.
	maxAvroEmpty = 1 << 20
)

var (
	errAvroEnd    = errors.New("the Avro datum ends in the middle of a value")
	errAvroLong   = errors.New("an Avro number has more than ten bytes")
	errAvroLength = errors.New("an Avro length is negative or beyond the end of the datum")
	errAvroDepth  = fmt.Errorf("an Avro datum nests more than %d values", maxAvroDepth)
	errAvroEmpty  = fmt.Errorf("an Avro datum holds more than %d elements without bytes", maxAvroEmpty)
)

// long reads a zigzag varint.
func (r *avroReader) long() (int64, error) {
	if r.pos < len(r.data) {
		if b := r.data[r.pos]; b < 0x80 {
			r.pos++
			return int64(b>>1) ^ -int64(b&1), nil
		}
	}
	u, n := binary.Uvarint(r.data[r.pos:])
	switch {
	case n == 0:
		return 0, errAvroEnd
	case n < 0:
		return 0, errAvroLong
	}
	r.pos += n
	return int64(u>>1) ^ -int64(u&1), nil //nolint:gosec // zigzag
}

// int reads a zigzag varint of 32 bits.
func (r *avroReader) int() (int32, error) {
	n, err := r.long()
	if err == nil && (n > math.MaxInt32 || n < math.MinInt32) {
		return 0, fmt.Errorf("an Avro int is out of range: %d", n)
	}
	return int32(n), err //nolint:gosec // checked
}

// bytes reads a length and that many bytes, shared with the input.
func (r *avroReader) bytes() ([]byte, error) {
	n, err := r.long()
	if err != nil {
		return nil, err
	}
	return r.fixed(n)
}

func (r *avroReader) fixed(n int64) ([]byte, error) {
	if n < 0 || n > int64(len(r.data)-r.pos) {
		return nil, errAvroLength
	}
	b := r.data[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return b, nil
}

// text reads a string; what is no UTF-8 in it becomes U+FFFD.
func (r *avroReader) text() (string, error) {
	b, err := r.bytes()
	if err != nil {
		return "", err
	}
	return javaText(r.arena, b), nil
}

func (r *avroReader) bool() (bool, error) {
	b, err := r.fixed(1)
	if err != nil {
		return false, errAvroEnd
	}
	return b[0] == 1, nil
}

func (r *avroReader) float() (float32, error) {
	b, err := r.fixed(4)
	if err != nil {
		return 0, errAvroEnd
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(b)), nil
}

func (r *avroReader) double() (float64, error) {
	b, err := r.fixed(8)
	if err != nil {
		return 0, errAvroEnd
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b)), nil
}

// block reads the head of a block of an array or map: its number of elements, 0 at the end.
func (r *avroReader) block() (int64, error) {
	n, err := r.long()
	if err != nil || n >= 0 {
		return n, err
	}
	if n == math.MinInt64 {
		return 0, errAvroLength
	}
	_, err = r.long() // the block's size in bytes, for those who skip it
	return -n, err
}

// element keeps count of elements without bytes: start is where the one just read began.
func (r *avroReader) element(start int) error {
	if r.pos > start {
		return nil
	}
	if r.empty++; r.empty > maxAvroEmpty {
		return errAvroEmpty
	}
	return nil
}

func (r *avroReader) enter() error {
	if r.depth++; r.depth > maxAvroDepth {
		return errAvroDepth
	}
	return nil
}
