package row

import (
	"slices"
	"strconv"
	"strings"
)

// Kind says how a Value is held and which family of types it belongs to.
type Kind uint8

// The kinds. Null is the kind of NULL values only; no type has it.
const (
	Null      Kind = iota
	Boolean        // BOOLEAN
	Integer        // INTEGER: 32 bits, two's complement
	Bigint         // BIGINT: 64 bits, two's complement
	Double         // DOUBLE: IEEE 754 binary64
	Decimal        // DECIMAL(p, s): exact
	String         // STRING: UTF-8
	Bytes          // BYTES
	Date           // DATE: days since 1970-01-01
	Time           // TIME: milliseconds since midnight, 0 to 86,399,999
	Timestamp      // TIMESTAMP: milliseconds since 1970-01-01T00:00:00Z
	Array          // ARRAY<T>
	Map            // MAP<K, V>: distinct keys in the order of their insertion
	Struct         // STRUCT<name T, ...>
)

var kindNames = [...]string{
	"NULL", "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "DECIMAL", "STRING", "BYTES", "DATE", "TIME", "TIMESTAMP", "ARRAY", "MAP", "STRUCT",
}

// String gives the SQL name of the kind, without parameters.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "KIND(" + strconv.Itoa(int(k)) + ")"
}

// Numeric reports whether values of the kind take part in arithmetic.
func (k Kind) Numeric() bool { return k >= Integer && k <= Decimal }

// Type is a SQL type. Types are immutable and shared by pointer; two types are the same when [Type.Equal] says so.
type Type struct {
	kind             Kind
	precision, scale int32
	key, elem        *Type
	fields           []Field
}

// Field is a named part of a struct type. Names are compared exactly; folding to upper case is the parser's work.
type Field struct {
	Name string
	Type *Type
}

// The types without parameters.
var (
	BooleanType   = &Type{kind: Boolean}
	IntegerType   = &Type{kind: Integer}
	BigintType    = &Type{kind: Bigint}
	DoubleType    = &Type{kind: Double}
	StringType    = &Type{kind: String}
	BytesType     = &Type{kind: Bytes}
	DateType      = &Type{kind: Date}
	TimeType      = &Type{kind: Time}
	TimestampType = &Type{kind: Timestamp}
)

// DecimalType is DECIMAL(precision, scale): precision digits in all, scale of them after the point.
// The caller keeps precision >= 1 and 0 <= scale <= precision for types that SQL declares; results of arithmetic may
// have any precision.
func DecimalType(precision, scale int32) *Type {
	return &Type{kind: Decimal, precision: precision, scale: scale}
}

// ArrayType is ARRAY<elem>.
func ArrayType(elem *Type) *Type { return &Type{kind: Array, elem: elem} }

// MapType is MAP<key, value>. ksqlDB and most formats know only STRING keys.
func MapType(key, value *Type) *Type { return &Type{kind: Map, key: key, elem: value} }

// StructType is STRUCT<fields>, in their order. The slice is copied.
func StructType(fields ...Field) *Type { return &Type{kind: Struct, fields: slices.Clone(fields)} }

// Kind of the type's values.
func (t *Type) Kind() Kind { return t.kind }

// Precision of a decimal type: its digits in all. Zero for other types.
func (t *Type) Precision() int32 { return t.precision }

// Scale of a decimal type: its digits after the point. Zero for other types.
func (t *Type) Scale() int32 { return t.scale }

// Elem is the type of an array's elements or of a map's values, nil for other types.
func (t *Type) Elem() *Type { return t.elem }

// Key is the type of a map's keys, nil for other types.
func (t *Type) Key() *Type { return t.key }

// Fields of a struct type, in order; not to be changed. Nil for other types.
func (t *Type) Fields() []Field { return t.fields }

// FieldIndex is the position of the struct's field of exactly this name, or -1.
func (t *Type) FieldIndex(name string) int {
	return slices.IndexFunc(t.fields, func(f Field) bool { return f.Name == name })
}

// Equal reports whether both are the same type, field names and their order included.
func (t *Type) Equal(o *Type) bool {
	if t == o {
		return true
	}
	if t == nil || o == nil || t.kind != o.kind || t.precision != o.precision || t.scale != o.scale {
		return false
	}
	if (t.key != nil && !t.key.Equal(o.key)) || (t.elem != nil && !t.elem.Equal(o.elem)) {
		return false
	}
	return slices.EqualFunc(t.fields, o.fields, func(a, b Field) bool { return a.Name == b.Name && a.Type.Equal(b.Type) })
}

// String gives the SQL text of the type as ksqlDB prints it: STRUCT fields in back-ticks, `DECIMAL(4, 2)`.
func (t *Type) String() string {
	var b strings.Builder
	t.write(&b)
	return b.String()
}

func (t *Type) write(b *strings.Builder) {
	b.WriteString(t.kind.String())
	switch t.kind {
	case Decimal:
		b.WriteByte('(')
		b.WriteString(strconv.Itoa(int(t.precision)))
		b.WriteString(", ")
		b.WriteString(strconv.Itoa(int(t.scale)))
		b.WriteByte(')')
	case Array:
		b.WriteByte('<')
		t.elem.write(b)
		b.WriteByte('>')
	case Map:
		b.WriteByte('<')
		t.key.write(b)
		b.WriteString(", ")
		t.elem.write(b)
		b.WriteByte('>')
	case Struct:
		b.WriteByte('<')
		for i, f := range t.fields {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(QuoteName(f.Name))
			b.WriteByte(' ')
			f.Type.write(b)
		}
		if len(t.fields) == 0 {
			b.WriteByte(' ')
		}
		b.WriteByte('>')
	default:
	}
}

// QuoteName puts a name into back-ticks, doubling those inside, as rendered schemas show names.
func QuoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
