package coord

import (
	"bytes"
	"encoding/binary"
)

// Reader decodes Kafka's primitive types from a record. After the first value
// that does not fit it is bad and yields zeros, so that decoders check once, at
// the end. Values are copied: records live longer than the buffer they came in.
type Reader struct {
	B       []byte
	Bad     bool
	Compact bool // flexible version: uvarint lengths and tagged fields
}

// Done tells whether everything fitted and nothing is left.
func (r *Reader) Done() bool { return !r.Bad && len(r.B) == 0 }

// Span takes n bytes without copying them.
func (r *Reader) Span(n int) []byte {
	if r.Bad || n < 0 || n > len(r.B) {
		r.Bad = true
		return nil
	}
	s := r.B[:n:n]
	r.B = r.B[n:]
	return s
}

// Int8 reads one byte.
func (r *Reader) Int8() int8 {
	if s := r.Span(1); s != nil {
		return int8(s[0])
	}
	return 0
}

// Int16 reads two bytes.
func (r *Reader) Int16() int16 {
	if s := r.Span(2); s != nil {
		return int16(binary.BigEndian.Uint16(s))
	}
	return 0
}

// Int32 reads four bytes.
func (r *Reader) Int32() int32 {
	if s := r.Span(4); s != nil {
		return int32(binary.BigEndian.Uint32(s))
	}
	return 0
}

// Int64 reads eight bytes.
func (r *Reader) Int64() int64 {
	if s := r.Span(8); s != nil {
		return int64(binary.BigEndian.Uint64(s))
	}
	return 0
}

// Uvarint reads a length or a tag; more than fits an array is bad.
func (r *Reader) Uvarint() uint64 {
	if r.Bad {
		return 0
	}
	v, n := binary.Uvarint(r.B)
	if n <= 0 || v > 1<<31 {
		r.Bad = true
		return 0
	}
	r.B = r.B[n:]
	return v
}

// stringLen returns -1 for null.
func (r *Reader) stringLen() int {
	if r.Compact {
		return int(r.Uvarint()) - 1
	}
	return int(r.Int16())
}

// String reads a string that may not be null.
func (r *Reader) String() string {
	return string(r.Span(r.stringLen()))
}

// NullableString reads a string that may be null.
func (r *Reader) NullableString() *string {
	n := r.stringLen()
	if r.Bad || n == -1 {
		return nil
	}
	s := string(r.Span(n))
	return &s
}

// Bytes reads a byte string; the result is never nil.
func (r *Reader) Bytes() []byte {
	n := 0
	if r.Compact {
		n = int(r.Uvarint()) - 1
	} else {
		n = int(r.Int32())
	}
	return append([]byte{}, r.Span(n)...)
}

// NullableArrayLen is ArrayLen for an array that may be null, which reads as -1.
func (r *Reader) NullableArrayLen(minSize int) int {
	if null := []byte{0xff, 0xff, 0xff, 0xff}; r.Compact && len(r.B) > 0 && r.B[0] == 0 {
		r.B = r.B[1:]
		return -1
	} else if !r.Compact && bytes.HasPrefix(r.B, null) {
		r.B = r.B[len(null):]
		return -1
	}
	return r.ArrayLen(minSize)
}

// ArrayLen reads a count of elements that take at least minSize bytes each.
func (r *Reader) ArrayLen(minSize int) int {
	n := 0
	if r.Compact {
		n = int(r.Uvarint()) - 1
		minSize /= 2 // lengths take one byte instead of two or four
	} else {
		n = int(r.Int32())
	}
	if r.Bad || n < 0 || n > len(r.B)/minSize {
		r.Bad = true
		return 0
	}
	return n
}

// Tags reads the tagged fields that end a flexible structure, handing each to
// field if that is not nil. Unknown tags are skipped.
func (r *Reader) Tags(field func(tag uint64, b []byte)) {
	if !r.Compact {
		return
	}
	for n := r.Uvarint(); n > 0 && !r.Bad; n-- {
		tag := r.Uvarint()
		b := r.Span(int(r.Uvarint()))
		if !r.Bad && field != nil {
			field(tag, b)
		}
	}
}
