package row

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math"
	"unicode/utf8"
)

// Compare orders two values of one type, or two numbers of any types, totally: NULL before everything, false before true,
// numbers by value (between a DOUBLE and another numeric type as doubles; NaN after all others, -0.0 before 0.0 as
// Double.compare), strings by UTF-16 units as Java's String, bytes as signed bytes, arrays and structs element by
// element. Maps have no order in SQL; here by size, then by their entries in key order, so that sorting them is
// deterministic. Values of different kinds that are not both numbers are ordered by kind.
func Compare(a, b Value) int {
	if a.kind != b.kind {
		if a.kind.Numeric() && b.kind.Numeric() {
			return compareNumbers(a, b)
		}
		return cmp.Compare(a.kind, b.kind)
	}
	switch a.kind {
	case Null:
		return 0
	case Double:
		return compareDoubles(a.Double(), b.Double())
	case Decimal:
		return a.Decimal().Compare(b.Decimal())
	case String:
		return CompareStrings(a.Str(), b.Str())
	case Bytes:
		return compareBytes(a.Bytes(), b.Bytes())
	case Array, Struct:
		return compareLists(a.Elems(), b.Elems())
	case Map:
		return compareMaps(a, b)
	default:
		return cmp.Compare(a.num, b.num)
	}
}

// Equal reports whether two values of one type are the same, NULLs being equal to each other: SQL's IS NOT DISTINCT FROM.
// Decimals are equal by number, maps whatever the order of their entries, doubles as Double.equals (NaN equals NaN, 0.0
// and -0.0 differ).
func Equal(a, b Value) bool {
	if a.kind == Map && b.kind == Map {
		return equalMaps(a, b)
	}
	if a.kind == String && b.kind == String {
		return a.Str() == b.Str()
	}
	if (a.kind == Array || a.kind == Struct) && a.kind == b.kind {
		x, y := a.Elems(), b.Elems()
		if len(x) != len(y) {
			return false
		}
		for i := range x {
			if !Equal(x[i], y[i]) {
				return false
			}
		}
		return true
	}
	return Compare(a, b) == 0
}

func compareDoubles(x, y float64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	case x == y && x != 0:
		return 0
	}
	return cmp.Compare(doubleOrder(x), doubleOrder(y))
}

// doubleOrder maps doubles to integers in Double.compare's order; all NaNs are one.
func doubleOrder(f float64) int64 {
	if math.IsNaN(f) {
		return math.MaxInt64
	}
	n := int64(math.Float64bits(f)) //nolint:gosec // the bits
	if n < 0 {
		return math.MinInt64 - n
	}
	return n
}

func compareNumbers(a, b Value) int {
	if a.kind == Double || b.kind == Double {
		return compareDoubles(ToDouble(a), ToDouble(b))
	}
	if a.kind == Decimal || b.kind == Decimal {
		return ToDec(a).Compare(ToDec(b))
	}
	return cmp.Compare(a.num, b.num)
}

// CompareStrings orders as Java's String.compareTo, by UTF-16 units: that is code point order, except that characters
// beyond U+FFFF (surrogate pairs there) come before U+E000 to U+FFFF.
func CompareStrings(a, b string) int {
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	if i == len(a) || i == len(b) {
		return cmp.Compare(len(a), len(b))
	}
	x, y := a[i], b[i]
	if x < utf8.RuneSelf || y < utf8.RuneSelf || x < 0xEE && y < 0xEE {
		return cmp.Compare(x, y)
	}
	// A lead byte of F0 or more is a surrogate pair, EE and EF are U+E000 to U+FFFF. Continuation bytes are below C0.
	if (x >= 0xF0) != (y >= 0xF0) && x >= 0xEE && y >= 0xEE {
		if x >= 0xF0 {
			return -1
		}
		return 1
	}
	return cmp.Compare(x, y)
}

func compareBytes(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return cmp.Compare(int8(a[i]), int8(b[i])) //nolint:gosec // signed bytes are the rule
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareLists(a, b []Value) int {
	for i := range min(len(a), len(b)) {
		if c := Compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareMaps(a, b Value) int {
	x, y := SortedEntries(a), SortedEntries(b)
	if c := cmp.Compare(len(x), len(y)); c != 0 {
		return c
	}
	for i := range x {
		if c := Compare(x[i].Key, y[i].Key); c != 0 {
			return c
		}
		if c := Compare(x[i].Value, y[i].Value); c != 0 {
			return c
		}
	}
	return 0
}

func equalMaps(a, b Value) bool {
	if a.Len() != b.Len() {
		return false
	}
	x, y := a.Entries(), b.Entries()
	for i := range x { // most often the order is the same
		if !Equal(x[i].Key, y[i].Key) {
			return compareMaps(a, b) == 0
		}
		if !Equal(x[i].Value, y[i].Value) {
			return false
		}
	}
	return true
}

// Hash of a value that agrees with [Equal]: equal values of one type have equal hashes under one seed. It differs from
// process to process with the seed and must not be stored.
func Hash(seed maphash.Seed, v Value) uint64 {
	switch v.kind {
	case String:
		return maphash.String(seed, v.Str())
	case Bytes:
		return maphash.Bytes(seed, v.Bytes())
	}
	var h maphash.Hash
	h.SetSeed(seed)
	hashInto(&h, v)
	return h.Sum64()
}

func hashInto(h *maphash.Hash, v Value) {
	var b [9]byte
	b[0] = byte(v.kind)
	switch v.kind {
	case String:
		binary.LittleEndian.PutUint64(b[1:], uint64(v.Len())) //nolint:gosec // a length
		h.Write(b[:])
		h.WriteString(v.Str())
	case Bytes:
		binary.LittleEndian.PutUint64(b[1:], uint64(v.Len())) //nolint:gosec // a length
		h.Write(b[:])
		h.Write(v.Bytes())
	case Double:
		binary.LittleEndian.PutUint64(b[1:], uint64(doubleOrder(v.Double()))) //nolint:gosec // the bits
		h.Write(b[:])
	case Decimal:
		d := v.Decimal().Trim()
		binary.LittleEndian.PutUint64(b[1:], uint64(d.scale)) //nolint:gosec // the bits
		h.Write(b[:])
		h.Write(d.digitText())
		h.WriteByte(byte(d.Sign()))
	case Array, Struct:
		binary.LittleEndian.PutUint64(b[1:], uint64(v.Len())) //nolint:gosec // a length
		h.Write(b[:])
		for _, e := range v.Elems() {
			hashInto(h, e)
		}
	case Map: // whatever the order: the sum of the entries' hashes
		var sum uint64
		for _, e := range v.Entries() {
			var one maphash.Hash
			one.SetSeed(h.Seed())
			hashInto(&one, e.Key)
			hashInto(&one, e.Value)
			sum += one.Sum64()
		}
		binary.LittleEndian.PutUint64(b[1:], sum)
		h.Write(b[:])
	default:
		binary.LittleEndian.PutUint64(b[1:], uint64(v.num)) //nolint:gosec // the bits
		h.Write(b[:])
	}
}
