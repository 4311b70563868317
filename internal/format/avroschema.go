package format

import (
	"errors"
	"fmt"
	"strings"

	"leat.dev/internal/registry/schema"
	"leat.dev/internal/registry/schema/avro"
	"leat.dev/internal/row"
)

// The names that ksqlDB gives to what it derives, so that its topics and ours have the same schemas.
const (
	avroSpace = "io.confluent.ksql.avro_schemas"
	avroRoot  = "KsqlDataSourceSchema"
	connect   = "org.apache.kafka.connect.data."
)

// DeriveAvro gives the schema that rows of these columns are registered and written with: a record in which every field may
// be null, or for a bare column its type alone. Name is the record's full name, the usual one where it is empty.
//
// Dots in names become underscores; other names that Avro does not take are an error.
func DeriveAvro(side Side, name string) (string, error) {
	if err := checkAvroKeys(side.Columns); err != nil {
		return "", err
	}
	d := &avroDeriver{space: avroSpace, root: avroRoot}
	if name != "" {
		d.space, d.root = "", name
		if i := strings.LastIndexByte(name, '.'); i >= 0 {
			d.space, d.root = name[:i], name[i+1:]
		}
	}
	t, err := side.target()
	if err != nil {
		return "", err
	}
	// A bare type loses Connect's version; a struct is the root record itself.
	err = d.typ(t, d.root, false)
	return d.b.String(), err
}

// AvroKeyName is the full name that the key's schema of a sink has where the statement gives none: MY_SINK has
// io.confluent.ksql.avro_schemas.MySinkKey.
func AvroKeyName(sink string) string {
	var b strings.Builder
	b.WriteString(avroSpace + ".")
	for _, word := range strings.Split(sink, "_") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + strings.ToLower(word[1:]))
		}
	}
	b.WriteString("Key")
	return b.String()
}

type avroDeriver struct {
	b           strings.Builder
	space, root string
	spaced      bool // the namespace has been written: what follows inherits it
}

func (d *avroDeriver) full(name string) string {
	if d.space == "" {
		return name
	}
	return d.space + "." + name
}

func (d *avroDeriver) quote(s string) { d.b.Write(appendJSONString(nil, s)) }

// head writes the name of a record, with its namespace if nothing around it has one.
func (d *avroDeriver) head(name string) {
	d.b.WriteString(`{"type":"record","name":`)
	d.quote(name)
	if !d.spaced && d.space != "" {
		d.b.WriteString(`,"namespace":`)
		d.quote(d.space)
	}
	d.spaced = true
	d.b.WriteString(`,"fields":[`)
}

func (d *avroDeriver) record(fields []row.Field, name string) error {
	d.head(name)
	for i, f := range fields {
		if i > 0 {
			d.b.WriteByte(',')
		}
		field := strings.ReplaceAll(f.Name, ".", "_")
		if err := checkAvroName(field); err != nil {
			return err
		}
		d.b.WriteString(`{"name":`)
		d.quote(field)
		d.b.WriteString(`,"type":["null",`)
		if err := d.typ(f.Type, name+"_"+field, true); err != nil {
			return err
		}
		d.b.WriteString(`],"default":null}`)
	}
	d.b.WriteString(`],"connect.name":`)
	d.quote(d.full(name))
	d.b.WriteByte('}')
	return nil
}

// checkAvroName refuses what Avro does not take as a name.
func checkAvroName(name string) error {
	for i, r := range name {
		letter := r == '_' || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z')
		switch {
		case i == 0 && !letter:
			return fmt.Errorf("Schema is not compatible with Avro: Illegal initial character: %s", name) //nolint:staticcheck // ksqlDB's text
		case !letter && (r < '0' || r > '9'):
			return fmt.Errorf("Schema is not compatible with Avro: Illegal character in: %s", name) //nolint:staticcheck // ksqlDB's text
		}
	}
	if name == "" {
		return errors.New("Schema is not compatible with Avro: Empty name") //nolint:staticcheck // ksqlDB's text
	}
	return nil
}

// typ writes a type that is not null. Path names the records inside it; version says whether Connect's version is noted.
func (d *avroDeriver) typ(t *row.Type, path string, version bool) error {
	switch t.Kind() {
	case row.Boolean:
		d.b.WriteString(`"boolean"`)
	case row.Integer:
		d.b.WriteString(`"int"`)
	case row.Bigint:
		d.b.WriteString(`"long"`)
	case row.Double:
		d.b.WriteString(`"double"`)
	case row.String:
		d.b.WriteString(`"string"`)
	case row.Bytes:
		d.b.WriteString(`"bytes"`)
	case row.Decimal:
		fmt.Fprintf(&d.b, `{"type":"bytes","scale":%d,"precision":%d,%s"connect.parameters":{"scale":"%d","connect.decimal.precision":"%d"},"connect.name":"%sDecimal","logicalType":"decimal"}`,
			t.Scale(), t.Precision(), connectVersion(version), t.Scale(), t.Precision(), connect)
	case row.Date:
		d.logical("int", "Date", "date", version)
	case row.Time:
		d.logical("int", "Time", "time-millis", version)
	case row.Timestamp:
		d.logical("long", "Timestamp", "timestamp-millis", version)
	case row.Array:
		d.b.WriteString(`{"type":"array","items":["null",`)
		if err := d.typ(t.Elem(), path, true); err != nil {
			return err
		}
		d.b.WriteString(`]}`)
	case row.Map:
		return d.entries(t, path)
	case row.Struct:
		return d.record(t.Fields(), path)
	default:
		return fmt.Errorf("no Avro for %s", t)
	}
	return nil
}

func connectVersion(version bool) string {
	if version {
		return `"connect.version":1,`
	}
	return ""
}

func (d *avroDeriver) logical(typ, name, logical string, version bool) {
	fmt.Fprintf(&d.b, `{"type":"%s",%s"connect.name":"%s%s","logicalType":"%s"}`, typ, connectVersion(version), connect, name, logical)
}

func (d *avroDeriver) entries(t *row.Type, path string) error {
	d.b.WriteString(`{"type":"array","items":`)
	d.head(path)
	d.b.WriteString(`{"name":"key","type":["null","string"],"default":null},{"name":"value","type":["null",`)
	if err := d.typ(t.Elem(), path+"_MapValue", true); err != nil {
		return err
	}
	d.b.WriteString(`],"default":null}],"connect.internal.type":"MapEntry"},"connect.name":`)
	d.quote(d.full(path))
	d.b.WriteByte('}')
	return nil
}

// Inference says how columns are made from a registered schema.
type Inference struct {
	Key      bool   // the schema of a key: always bare, and the column is ROWKEY
	Unwrap   bool   // the schema of a bare value: one column, ROWVAL
	KeepCase bool   // names stay as they are written; else they become upper case
	FullName string // Protobuf: the message to take, the first if empty
	Nullable Nullable
}

// Nullable says how a Protobuf schema tells an unset scalar from a default.
type Nullable uint8

// The representations of NULL in Protobuf.
const (
	NullableNone     Nullable = iota // unset scalars read as defaults
	NullableOptional                 // fields are marked optional
	NullableWrapper                  // scalars are google.protobuf wrappers
)

var (
	errNoColumnsInferred = errors.New("Schema does not include any columns with types that ksqlDB supports.")                                                                                 //nolint:staticcheck // ksqlDB's text
	errAnonymous         = errors.New("Schema returned from schema registry is anonymous type. To use this schema with ksqlDB, set 'WRAP_SINGLE_VALUE=false' in the WITH clause properties.") //nolint:staticcheck // ksqlDB's text
)

// columns turns a schema's type into columns: a struct's fields, or the one bare column.
func (o Inference) columns(t *row.Type) ([]row.Column, error) {
	switch {
	case t == nil:
		return nil, errNoColumnsInferred
	case o.Key:
		return []row.Column{{Name: "ROWKEY", Type: t}}, nil
	case o.Unwrap:
		return []row.Column{{Name: "ROWVAL", Type: t}}, nil
	case t.Kind() != row.Struct:
		return nil, errAnonymous
	case len(t.Fields()) == 0:
		return nil, errNoColumnsInferred
	}
	columns := make([]row.Column, len(t.Fields()))
	for i, f := range t.Fields() {
		columns[i] = row.Column(f)
	}
	return columns, nil
}

func (o Inference) fold(name string) string {
	if o.KeepCase {
		return name
	}
	return strings.ToUpper(name)
}

// InferAvro gives the columns that data of a registered Avro schema has. Fields whose type SQL does not have (null alone,
// recursive records, maps of other keys) are left out.
func InferAvro(src schema.Source, o Inference) ([]row.Column, error) {
	s, err := parseAvro(src)
	if err != nil {
		return nil, err
	}
	i := avroInferrer{o: o, open: map[*avro.Type]bool{}}
	t := i.typ(s.Root)
	if i.seen > maxInferred {
		return nil, errInferred
	}
	return o.columns(t)
}

// maxInferred is how many types a schema may have once every reference to a named one is written out: a short text can name
// very many.
const maxInferred = 100_000

var errInferred = fmt.Errorf("the schema has more than %d types when its references are written out", maxInferred)

type avroInferrer struct {
	o    Inference
	open map[*avro.Type]bool // records around the place that is looked at
	seen int                 // types looked at so far
}

// typ is the SQL type of an Avro type, nil if there is none.
func (i *avroInferrer) typ(t *avro.Type) *row.Type {
	if i.seen++; i.seen > maxInferred {
		return nil
	}
	switch t.Kind {
	case avro.Boolean:
		return row.BooleanType
	case avro.Int:
		switch prop(t, "logicalType") {
		case "date":
			return row.DateType
		case "time-millis":
			return row.TimeType
		}
		return row.IntegerType
	case avro.Long:
		if prop(t, "logicalType") == "timestamp-millis" {
			return row.TimestampType
		}
		return row.BigintType
	case avro.Float, avro.Double:
		return row.DoubleType
	case avro.String, avro.Enum:
		return row.StringType
	case avro.Bytes, avro.Fixed:
		if prop(t, "logicalType") == "decimal" {
			return row.DecimalType(avroPrecision(t))
		}
		return row.BytesType
	case avro.Array:
		if isMapEntries(t) {
			return i.entries(t)
		}
		if elem := i.typ(t.Items); elem != nil {
			return row.ArrayType(elem)
		}
		return nil
	case avro.Map:
		if elem := i.typ(t.Items); elem != nil {
			return row.MapType(row.StringType, elem)
		}
		return nil
	case avro.Record:
		return i.record(t)
	case avro.Union:
		return i.union(t)
	default:
		return nil
	}
}

func (i *avroInferrer) entries(t *avro.Type) *row.Type {
	key, value := t.Items.Fields[0], t.Items.Fields[1]
	if key.Name != "key" {
		key, value = value, key
	}
	k, v := i.typ(key.Type), i.typ(value.Type)
	if k == nil || v == nil || k.Kind() != row.String {
		return nil
	}
	return row.MapType(k, v)
}

func (i *avroInferrer) record(t *avro.Type) *row.Type {
	if i.open[t] {
		return nil
	}
	i.open[t] = true
	defer delete(i.open, t)
	var fields []row.Field
	for _, f := range t.Fields {
		if typ := i.typ(f.Type); typ != nil {
			fields = append(fields, row.Field{Name: i.o.fold(f.Name), Type: typ})
		}
	}
	return row.StructType(fields...)
}

func (i *avroInferrer) union(t *avro.Type) *row.Type {
	rest := others(t)
	if len(rest) == 1 {
		return i.typ(rest[0])
	}
	var fields []row.Field
	for _, b := range rest {
		if typ := i.typ(b); typ != nil {
			fields = append(fields, row.Field{Name: i.o.fold(branchName(b)), Type: typ})
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return row.StructType(fields...)
}

// avroPrecision is the precision and scale of a decimal; no scale is 0.
func avroPrecision(t *avro.Type) (precision, scale int32) {
	return intOr(prop(t, "precision"), 0), intOr(prop(t, "scale"), 0)
}
