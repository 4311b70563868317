package format

import (
	"strconv"

	"leat.dev/internal/row"
)

// wireType is a schema of Connect's data model: what a registered JSON Schema means before it means SQL.
type wireType struct {
	kind      wireKind
	optional  bool
	logical   row.Kind // Date, Time or Timestamp; Null for none
	precision int32    // decimals
	scale     int32
	key, elem *wireType
	fields    []wireField
	oneOf     bool // a struct with a field for each branch of a union, of which one is set
}

type wireField struct {
	name string
	typ  *wireType
}

// sql is the SQL type that a column inferred from t has, nil if there is none.
func (t *wireType) sql(o Inference) *row.Type {
	switch t.logical {
	case row.Date:
		return row.DateType
	case row.Time:
		return row.TimeType
	case row.Timestamp:
		return row.TimestampType
	default:
	}
	switch t.kind {
	case wireInt8, wireInt16, wireInt32:
		return row.IntegerType
	case wireInt64:
		return row.BigintType
	case wireFloat32, wireFloat64:
		return row.DoubleType
	case wireBoolean:
		return row.BooleanType
	case wireString:
		return row.StringType
	case wireBytes:
		return row.BytesType
	case wireDecimal:
		return row.DecimalType(t.precision, t.scale)
	case wireArray:
		if elem := t.elem.sql(o); elem != nil {
			return row.ArrayType(elem)
		}
		return nil
	case wireMap:
		key, elem := t.key.sql(o), t.elem.sql(o)
		if key == nil || elem == nil || key.Kind() != row.String {
			return nil
		}
		return row.MapType(key, elem)
	default:
	}
	var fields []row.Field
	for _, f := range t.fields {
		if typ := f.typ.sql(o); typ != nil {
			fields = append(fields, row.Field{Name: o.fold(f.name), Type: typ})
		}
	}
	return row.StructType(fields...)
}

// Connect's names of logical types.
const (
	connectDecimal   = connect + "Decimal"
	connectDate      = connect + "Date"
	connectTime      = connect + "Time"
	connectTimestamp = connect + "Timestamp"
)

// logicalKind is the SQL kind of a Connect name.
func logicalKind(name string) row.Kind {
	switch name {
	case connectDate:
		return row.Date
	case connectTime:
		return row.Time
	case connectTimestamp:
		return row.Timestamp
	}
	return row.Null
}

// defaultPrecision is a Connect decimal's where its schema does not say.
const defaultPrecision = 64

func intOr(text string, otherwise int32) int32 {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return otherwise
	}
	return int32(n)
}
