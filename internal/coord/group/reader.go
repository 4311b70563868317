package group

import "encoding/binary"

// reader decodes Kafka's primitive types from a record. After the first value
// that does not fit it is bad and yields zeros, so that decoders check once, at
// the end. Values are copied: records live longer than the buffer they came in.
type reader struct {
	b       []byte
	bad     bool
	compact bool // flexible version: uvarint lengths and tagged fields
}

func (r *reader) done() bool { return !r.bad && len(r.b) == 0 }

// span takes n bytes without copying them.
func (r *reader) span(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}

func (r *reader) int16() int16 {
	if s := r.span(2); s != nil {
		return int16(binary.BigEndian.Uint16(s))
	}
	return 0
}

func (r *reader) int32() int32 {
	if s := r.span(4); s != nil {
		return int32(binary.BigEndian.Uint32(s))
	}
	return 0
}

func (r *reader) int64() int64 {
	if s := r.span(8); s != nil {
		return int64(binary.BigEndian.Uint64(s))
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	if r.bad {
		return 0
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > 1<<31 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// stringLen returns -1 for null.
func (r *reader) stringLen() int {
	if r.compact {
		return int(r.uvarint()) - 1
	}
	return int(r.int16())
}

func (r *reader) string() string {
	return string(r.span(r.stringLen()))
}

func (r *reader) nullableString() *string {
	n := r.stringLen()
	if r.bad || n == -1 {
		return nil
	}
	s := string(r.span(n))
	return &s
}

func (r *reader) bytes() []byte {
	n := 0
	if r.compact {
		n = int(r.uvarint()) - 1
	} else {
		n = int(r.int32())
	}
	return append([]byte{}, r.span(n)...)
}

// arrayLen reads a count of elements that take at least minSize bytes each.
func (r *reader) arrayLen(minSize int) int {
	n := 0
	if r.compact {
		n = int(r.uvarint()) - 1
		minSize /= 2 // lengths take one byte instead of two or four
	} else {
		n = int(r.int32())
	}
	if r.bad || n < 0 || n > len(r.b)/minSize {
		r.bad = true
		return 0
	}
	return n
}

// tags reads the tagged fields that end a flexible structure, handing each to
// field if that is not nil. Unknown tags are skipped.
func (r *reader) tags(field func(tag uint64, b []byte)) {
	if !r.compact {
		return
	}
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		tag := r.uvarint()
		b := r.span(int(r.uvarint()))
		if !r.bad && field != nil {
			field(tag, b)
		}
	}
}
