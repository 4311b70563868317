package row

import (
	"math"
	"math/big"
	"unsafe"
)

// Value is one SQL value, or NULL (the zero Value). Values must not be compared with ==: use [Equal] or [Compare].
//
// The accessors give the value as its kind's Go type and may be called for that kind only; they do not check, because the
// column's type has already said what is there. Ask [Value.IsNull] first.
type Value struct {
	_     [0]func() // not comparable with ==
	ptr   unsafe.Pointer
	num   int64
	kind  Kind
	scale int32 // decimals only
}

// Entry is one key and value of a map.
type Entry struct {
	Key, Value Value
}

// Kind of the value: Null, or that of its type.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is NULL.
func (v Value) IsNull() bool { return v.kind == Null }

// OfBool makes a BOOLEAN.
func OfBool(b bool) Value {
	if b {
		return Value{kind: Boolean, num: 1}
	}
	return Value{kind: Boolean}
}

// OfInt makes an INTEGER.
func OfInt(n int32) Value { return Value{kind: Integer, num: int64(n)} }

// OfLong makes a BIGINT.
func OfLong(n int64) Value { return Value{kind: Bigint, num: n} }

// OfDouble makes a DOUBLE.
func OfDouble(f float64) Value { return Value{kind: Double, num: int64(math.Float64bits(f))} } //nolint:gosec // the bits

// OfString makes a STRING that shares s.
func OfString(s string) Value {
	return Value{kind: String, ptr: unsafe.Pointer(unsafe.StringData(s)), num: int64(len(s))}
}

// OfBytes makes BYTES that share b; the caller changes b no more. A nil slice is empty BYTES, not NULL.
func OfBytes(b []byte) Value {
	return Value{kind: Bytes, ptr: unsafe.Pointer(unsafe.SliceData(b)), num: int64(len(b))}
}

// OfDate makes a DATE of days since 1970-01-01.
func OfDate(days int32) Value { return Value{kind: Date, num: int64(days)} }

// OfTime makes a TIME of milliseconds since midnight.
func OfTime(ms int32) Value { return Value{kind: Time, num: int64(ms)} }

// OfTimestamp makes a TIMESTAMP of milliseconds since the epoch.
func OfTimestamp(ms int64) Value { return Value{kind: Timestamp, num: ms} }

// OfDecimal makes a DECIMAL.
func OfDecimal(d Dec) Value {
	return Value{kind: Decimal, num: d.small, ptr: unsafe.Pointer(d.big), scale: d.scale}
}

// OfArray makes an ARRAY of the elements; the caller gives the slice away.
func OfArray(elems []Value) Value {
	return Value{kind: Array, ptr: unsafe.Pointer(unsafe.SliceData(elems)), num: int64(len(elems))}
}

// OfStruct makes a STRUCT of the fields' values in the type's order; the caller gives the slice away.
func OfStruct(fields []Value) Value {
	return Value{kind: Struct, ptr: unsafe.Pointer(unsafe.SliceData(fields)), num: int64(len(fields))}
}

// OfMap makes a MAP of entries whose keys are distinct; the caller gives the slice away and vouches for the keys.
func OfMap(entries []Entry) Value {
	return Value{kind: Map, ptr: unsafe.Pointer(unsafe.SliceData(entries)), num: int64(len(entries))}
}

// Bool of a BOOLEAN.
func (v Value) Bool() bool { return v.num != 0 }

// Int of an INTEGER, DATE or TIME.
func (v Value) Int() int32 { return int32(v.num) } //nolint:gosec // made from an int32

// Long of an INTEGER, BIGINT, DATE, TIME or TIMESTAMP.
func (v Value) Long() int64 { return v.num }

// Double of a DOUBLE.
func (v Value) Double() float64 { return math.Float64frombits(uint64(v.num)) } //nolint:gosec // the bits

// Decimal of a DECIMAL.
func (v Value) Decimal() Dec { return Dec{small: v.num, big: (*big.Int)(v.ptr), scale: v.scale} }

// Str of a STRING.
func (v Value) Str() string { return unsafe.String((*byte)(v.ptr), int(v.num)) }

// Bytes of BYTES, not to be changed. Never nil.
func (v Value) Bytes() []byte {
	if v.ptr == nil {
		return []byte{}
	}
	return unsafe.Slice((*byte)(v.ptr), int(v.num))
}

// Elems of an ARRAY, not to be changed.
func (v Value) Elems() []Value { return unsafe.Slice((*Value)(v.ptr), int(v.num)) }

// Fields of a STRUCT, in its type's order, not to be changed.
func (v Value) Fields() []Value { return unsafe.Slice((*Value)(v.ptr), int(v.num)) }

// Entries of a MAP, in the order of insertion, not to be changed.
func (v Value) Entries() []Entry { return unsafe.Slice((*Entry)(v.ptr), int(v.num)) }

// Len is the number of elements of an ARRAY, entries of a MAP, fields of a STRUCT, bytes of a STRING or of BYTES.
func (v Value) Len() int { return int(v.num) }

// Get is the value under a STRING key of a MAP.
func (v Value) Get(key string) (Value, bool) {
	for _, e := range v.Entries() {
		if e.Key.kind == String && e.Key.Str() == key {
			return e.Value, true
		}
	}
	return Value{}, false
}
