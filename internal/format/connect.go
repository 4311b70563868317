package format

import (
	"fmt"
	"strconv"

	"leat.dev/internal/row"
)

// wireKind is a type of Connect's data model: what Avro, Protobuf and JSON Schema become before they become SQL.
type wireKind uint8

const (
	wireInt8 wireKind = iota
	wireInt16
	wireInt32
	wireInt64
	wireFloat32
	wireFloat64
	wireBoolean
	wireString
	wireBytes
	wireDecimal // bytes with the logical type Decimal
	wireArray
	wireMap
	wireStruct
)

var wireNames = [...]string{"int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string", "bytes", "bytes", "array", "map", "struct"}

// String is Connect's name of the type; a decimal is bytes there.
func (k wireKind) String() string { return wireNames[k] }

// wireOf is the Connect type that a SQL type is written as.
func wireOf(k row.Kind) wireKind {
	switch k {
	case row.Boolean:
		return wireBoolean
	case row.Integer, row.Date, row.Time:
		return wireInt32
	case row.Bigint, row.Timestamp:
		return wireInt64
	case row.Double:
		return wireFloat64
	case row.Decimal:
		return wireDecimal
	case row.Bytes:
		return wireBytes
	case row.Array:
		return wireArray
	case row.Map:
		return wireMap
	case row.Struct:
		return wireStruct
	default:
		return wireString
	}
}

// checkWire refuses a Connect type that a SQL type is not read from. Path names the place: "->F->ARRAY".
func checkWire(target row.Kind, from wireKind, path string) error {
	ok := false
	switch target {
	case row.Integer, row.Date, row.Time:
		ok = from <= wireInt32
	case row.Bigint, row.Timestamp:
		ok = from <= wireInt64
	case row.Double:
		ok = from == wireFloat32 || from == wireFloat64
	case row.String:
		ok = from <= wireString
	default:
		ok = from == wireOf(target)
	}
	if ok {
		return nil
	}
	return fmt.Errorf("Cannot deserialize type %s as type %s for path: %s", from, wireOf(target), path) //nolint:staticcheck // ksqlDB's text
}

// ofInteger is a whole number of Connect's as a value of a type that checkWire lets through: text for a STRING.
func ofInteger(a *row.Arena, target row.Kind, n int64) row.Value {
	switch target {
	case row.Integer:
		return row.OfInt(int32(n)) //nolint:gosec // no wider than the target
	case row.Date:
		return row.OfDate(int32(n)) //nolint:gosec // no wider than the target
	case row.Time:
		return row.OfTime(int32(n)) //nolint:gosec // no wider than the target
	case row.Timestamp:
		return row.OfTimestamp(n)
	case row.String:
		return row.OfString(unsafeString(strconv.AppendInt(a.Bytes(20)[:0], n, 10)))
	default:
		return row.OfLong(n)
	}
}

// ofFloat64 and ofFloat32 likewise.
func ofFloat64(a *row.Arena, target row.Kind, f float64) row.Value {
	if target == row.String {
		return row.OfString(unsafeString(row.AppendDouble(a.Bytes(32)[:0], f)))
	}
	return row.OfDouble(f)
}

func ofFloat32(a *row.Arena, target row.Kind, f float32) row.Value {
	if target == row.String {
		return row.OfString(unsafeString(row.AppendFloat(a.Bytes(32)[:0], f)))
	}
	return row.OfDouble(float64(f))
}

// ofBoolean likewise.
func ofBoolean(target row.Kind, b bool) row.Value {
	if target == row.String {
		return row.OfString(strconv.FormatBool(b))
	}
	return row.OfBool(b)
}
