// Package field reads and writes the primitive fields of Kafka's protocol, for
// the few messages that are coded by hand: strings, arrays and tagged fields,
// each in its old form and in the compact one of flexible versions.
//
// The package knows no message, keeps nothing and starts no goroutines.
package field

import (
	"encoding/binary"
	"math/bits"
)

// Writer appends fields to B.
type Writer struct {
	B        []byte
	Flexible bool
}

func (w *Writer) Int16(v int16)    { w.B = binary.BigEndian.AppendUint16(w.B, uint16(v)) }
func (w *Writer) Int32(v int32)    { w.B = binary.BigEndian.AppendUint32(w.B, uint32(v)) }
func (w *Writer) Int64(v int64)    { w.B = binary.BigEndian.AppendUint64(w.B, uint64(v)) }
func (w *Writer) UUID(id [16]byte) { w.B = append(w.B, id[:]...) }
func (w *Writer) Uvarint(v uint32) { w.B = binary.AppendUvarint(w.B, uint64(v)) }

// ArrayLen writes the length of an array; -1 is null.
func (w *Writer) ArrayLen(n int) { w.length32(n) }

// BytesLen writes the length of bytes the caller sends after it; -1 is null.
func (w *Writer) BytesLen(n int) { w.length32(n) }

func (w *Writer) length32(n int) {
	if w.Flexible {
		w.Uvarint(uint32(n + 1))
	} else {
		w.Int32(int32(n))
	}
}

// String writes a string that may not be null.
func (w *Writer) String(s string) {
	w.length16(len(s))
	w.B = append(w.B, s...)
}

// StringBytes is String for bytes.
func (w *Writer) StringBytes(s []byte) {
	w.length16(len(s))
	w.B = append(w.B, s...)
}

// NullableString writes a string, the empty one as null.
func (w *Writer) NullableString(s string) {
	if s == "" {
		w.length16(-1)
		return
	}
	w.String(s)
}

func (w *Writer) length16(n int) {
	if w.Flexible {
		w.Uvarint(uint32(n + 1))
	} else {
		w.Int16(int16(n))
	}
}

// EndStruct ends a structure that has no tagged fields.
func (w *Writer) EndStruct() {
	if w.Flexible {
		w.B = append(w.B, 0)
	}
}

// Tag begins a tagged field of the given size.
func (w *Writer) Tag(number uint32, size int) {
	w.Uvarint(number)
	w.Uvarint(uint32(size))
}

// UvarintSize is the number of bytes Uvarint appends.
func UvarintSize(v uint32) int { return max(1, (bits.Len32(v)+6)/7) }

// CompactStringSize is the number of bytes String appends when flexible; that
// of NullableString differs for the empty string only in meaning.
func CompactStringSize(s string) int { return UvarintSize(uint32(len(s)+1)) + len(s) }

// Reader takes fields off B. After the first that does not fit, Bad is set, B
// is empty, and everything reads as zero.
type Reader struct {
	B        []byte
	Flexible bool
	Bad      bool
}

func (r *Reader) fail() { r.B, r.Bad = nil, true }

// Span takes n bytes, without copying.
func (r *Reader) Span(n int) []byte {
	if n < 0 || n > len(r.B) {
		r.fail()
		return nil
	}
	out := r.B[:n:n]
	r.B = r.B[n:]
	return out
}

func (r *Reader) Int16() int16 {
	if len(r.B) < 2 {
		r.fail()
		return 0
	}
	v := binary.BigEndian.Uint16(r.B)
	r.B = r.B[2:]
	return int16(v)
}

func (r *Reader) Int32() int32 {
	if len(r.B) < 4 {
		r.fail()
		return 0
	}
	v := binary.BigEndian.Uint32(r.B)
	r.B = r.B[4:]
	return int32(v)
}

// UUID takes sixteen bytes.
func (r *Reader) UUID() (id [16]byte) {
	copy(id[:], r.Span(16))
	return id
}

// Uvarint takes an unsigned varint of at most 32 bits in at most five bytes.
func (r *Reader) Uvarint() uint32 {
	if len(r.B) > 0 && r.B[0] < 0x80 {
		v := r.B[0]
		r.B = r.B[1:]
		return uint32(v)
	}
	v, n := binary.Uvarint(r.B)
	if n <= 0 || n > 5 || v > 1<<32-1 {
		r.fail()
		return 0
	}
	r.B = r.B[n:]
	return uint32(v)
}

// ArrayLen takes the length of an array whose elements have at least elemSize
// bytes each, and fails if that many cannot follow; -1 is null.
func (r *Reader) ArrayLen(elemSize int) int {
	n := r.length32()
	if n < -1 || n > 0 && n > len(r.B)/elemSize {
		r.fail()
		return 0
	}
	return n
}

// Bytes takes bytes with their length, without copying; nil is null.
func (r *Reader) Bytes() []byte { return r.lengthPrefixed(r.length32()) }

// String takes a string with its length, without copying; nil is null.
func (r *Reader) String() []byte {
	if r.Flexible {
		return r.Bytes()
	}
	return r.lengthPrefixed(int(r.Int16()))
}

func (r *Reader) lengthPrefixed(n int) []byte {
	if n == -1 {
		return nil
	}
	return r.Span(n)
}

func (r *Reader) length32() int {
	if r.Flexible {
		return int(r.Uvarint()) - 1
	}
	return int(r.Int32())
}

// EndStruct takes the tagged fields at the end of a structure and drops them.
func (r *Reader) EndStruct() {
	if !r.Flexible {
		return
	}
	for n := r.Uvarint(); n > 0 && !r.Bad; n-- {
		r.Uvarint()
		r.Span(int(r.Uvarint()))
	}
}
