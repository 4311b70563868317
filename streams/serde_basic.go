package streams

import (
	"encoding/binary"
	"encoding/hex"
	"math"
)

// Serdes of the basic types. Their bytes are those of Kafka's own serializers, so that its tools and clients read them.
//
// Stores keep their keys in the order of the bytes: with Int64 and its like negative numbers come behind the positive
// ones in a range.
var (
	// String is UTF-8. Bytes that are not are kept as they are.
	String Serde[string] = stringSerde{}
	// Bytes is the bytes themselves; nil is null, an empty slice is not.
	Bytes Serde[[]byte] = bytesSerde{}
	// Int16, Int32 and Int64 are big-endian, in two's complement.
	Int16 Serde[int16] = int16Serde{}
	Int32 Serde[int32] = int32Serde{}
	Int64 Serde[int64] = int64Serde{}
	// Float32 and Float64 are big-endian IEEE 754.
	Float32 Serde[float32] = float32Serde{}
	Float64 Serde[float64] = float64Serde{}
	// Bool is one byte, 0 or 1.
	Bool Serde[bool] = boolSerde{}
	// UUID is the text of 36 characters, as in Kafka; it writes small letters and reads capitals as well.
	UUID Serde[[16]byte] = uuidSerde{}
	// None is for keys and values that are always null; bytes are an error.
	None Serde[struct{}] = noneSerde{}
)

type (
	stringSerde  struct{}
	bytesSerde   struct{}
	int16Serde   struct{}
	int32Serde   struct{}
	int64Serde   struct{}
	float32Serde struct{}
	float64Serde struct{}
	boolSerde    struct{}
	uuidSerde    struct{}
	noneSerde    struct{}
)

func (stringSerde) Append(dst []byte, _ string, _ *Headers, v string) ([]byte, error) {
	return append(dst, v...), nil
}

func (stringSerde) Decode(b []byte, _ string, _ Headers) (string, error) { return string(b), nil }

func (bytesSerde) Append(dst []byte, _ string, _ *Headers, v []byte) ([]byte, error) {
	return append(dst, v...), nil
}

func (bytesSerde) Decode(b []byte, _ string, _ Headers) ([]byte, error) {
	return append(make([]byte, 0, len(b)), b...), nil
}

// wrongSize is the error of a value that has a fixed size and not this one.
func wrongSize(what, topic string, got, want int) error {
	return cannotRead(what, topic, "it has %d bytes, there are %d", want, got)
}

func (int16Serde) fixedSize() int { return 2 }

func (int16Serde) Append(dst []byte, _ string, _ *Headers, v int16) ([]byte, error) {
	return binary.BigEndian.AppendUint16(dst, uint16(v)), nil //nolint:gosec // the bits
}

func (s int16Serde) Decode(b []byte, topic string, _ Headers) (int16, error) {
	if len(b) != s.fixedSize() {
		return 0, wrongSize("an int16", topic, len(b), s.fixedSize())
	}
	return int16(binary.BigEndian.Uint16(b)), nil //nolint:gosec // the bits
}

func (int32Serde) fixedSize() int { return 4 }

func (int32Serde) Append(dst []byte, _ string, _ *Headers, v int32) ([]byte, error) {
	return binary.BigEndian.AppendUint32(dst, uint32(v)), nil //nolint:gosec // the bits
}

func (s int32Serde) Decode(b []byte, topic string, _ Headers) (int32, error) {
	if len(b) != s.fixedSize() {
		return 0, wrongSize("an int32", topic, len(b), s.fixedSize())
	}
	return int32(binary.BigEndian.Uint32(b)), nil //nolint:gosec // the bits
}

func (int64Serde) fixedSize() int { return 8 }

func (int64Serde) Append(dst []byte, _ string, _ *Headers, v int64) ([]byte, error) {
	return binary.BigEndian.AppendUint64(dst, uint64(v)), nil //nolint:gosec // the bits
}

func (s int64Serde) Decode(b []byte, topic string, _ Headers) (int64, error) {
	if len(b) != s.fixedSize() {
		return 0, wrongSize("an int64", topic, len(b), s.fixedSize())
	}
	return int64(binary.BigEndian.Uint64(b)), nil //nolint:gosec // the bits
}

func (float32Serde) fixedSize() int { return 4 }

func (float32Serde) Append(dst []byte, _ string, _ *Headers, v float32) ([]byte, error) {
	return binary.BigEndian.AppendUint32(dst, math.Float32bits(v)), nil
}

func (s float32Serde) Decode(b []byte, topic string, _ Headers) (float32, error) {
	if len(b) != s.fixedSize() {
		return 0, wrongSize("a float32", topic, len(b), s.fixedSize())
	}
	return math.Float32frombits(binary.BigEndian.Uint32(b)), nil
}

func (float64Serde) fixedSize() int { return 8 }

// quietNaN is the one NaN that Java writes.
const quietNaN = 0x7ff8000000000000

func (float64Serde) Append(dst []byte, _ string, _ *Headers, v float64) ([]byte, error) {
	bits := math.Float64bits(v)
	if v != v { //nolint:gocritic // NaN: all of them have the same bytes, so that equal keys stay equal
		bits = quietNaN
	}
	return binary.BigEndian.AppendUint64(dst, bits), nil
}

func (s float64Serde) Decode(b []byte, topic string, _ Headers) (float64, error) {
	if len(b) != s.fixedSize() {
		return 0, wrongSize("a float64", topic, len(b), s.fixedSize())
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
}

func (boolSerde) Append(dst []byte, _ string, _ *Headers, v bool) ([]byte, error) {
	if v {
		return append(dst, 1), nil
	}
	return append(dst, 0), nil
}

func (boolSerde) Decode(b []byte, topic string, _ Headers) (bool, error) {
	switch {
	case len(b) != 1:
		return false, wrongSize("a bool", topic, len(b), 1)
	case b[0] > 1:
		return false, cannotRead("a bool", topic, "the byte is %d, not 0 or 1", b[0])
	}
	return b[0] == 1, nil
}

// Lengths of the five groups of a UUID, in bytes.
var uuidGroups = [...]int{4, 2, 2, 2, 6}

const uuidTextBytes = 36

func (uuidSerde) fixedSize() int { return uuidTextBytes }

func (uuidSerde) Append(dst []byte, _ string, _ *Headers, v [16]byte) ([]byte, error) {
	rest := v[:]
	for i, n := range uuidGroups {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, rest[:n])
		rest = rest[n:]
	}
	return dst, nil
}

func (uuidSerde) Decode(b []byte, topic string, _ Headers) (v [16]byte, err error) {
	if len(b) != uuidTextBytes {
		return v, wrongSize("a UUID", topic, len(b), uuidTextBytes)
	}
	text, to := b, v[:]
	for i, n := range uuidGroups {
		if i > 0 {
			if text[0] != '-' {
				return [16]byte{}, cannotRead("a UUID", topic, "%q has no hyphen where one belongs", b)
			}
			text = text[1:]
		}
		if _, err := hex.Decode(to[:n], text[:2*n]); err != nil {
			return [16]byte{}, cannotRead("a UUID", topic, "%q: %w", b, err)
		}
		text, to = text[2*n:], to[n:]
	}
	return v, nil
}

func (noneSerde) Append(dst []byte, _ string, _ *Headers, _ struct{}) ([]byte, error) {
	return dst, nil
}

func (noneSerde) Decode(b []byte, topic string, _ Headers) (struct{}, error) {
	return struct{}{}, cannotRead("nothing", topic, "there are %d bytes, only null was expected", len(b))
}
