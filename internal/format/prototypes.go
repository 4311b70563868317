package format

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"leat.dev/internal/registry/schema"
	"leat.dev/internal/row"
)

// protoShape says what a message means beyond being a struct.
type protoShape uint8

const (
	protoStruct protoShape = iota
	protoTimestamp
	protoDate
	protoTime
	protoDecimal
	protoWrapper // google.protobuf.Int32Value and its like: the scalar, or NULL
)

func shapeOf(m protoreflect.MessageDescriptor) protoShape {
	switch m.FullName() {
	case "google.protobuf.Timestamp":
		return protoTimestamp
	case "google.type.Date":
		return protoDate
	case "google.type.TimeOfDay":
		return protoTime
	case "confluent.type.Decimal":
		return protoDecimal
	case "google.protobuf.DoubleValue", "google.protobuf.FloatValue", "google.protobuf.Int64Value", "google.protobuf.UInt64Value", "google.protobuf.Int32Value",
		"google.protobuf.UInt32Value", "google.protobuf.BoolValue", "google.protobuf.StringValue", "google.protobuf.BytesValue":
		return protoWrapper
	}
	return protoStruct
}

// protoWire is the Connect type of a field's single value.
func protoWire(f protoreflect.FieldDescriptor) wireKind {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return wireBoolean
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return wireInt32
	case protoreflect.FloatKind:
		return wireFloat32
	case protoreflect.DoubleKind:
		return wireFloat64
	case protoreflect.StringKind, protoreflect.EnumKind:
		return wireString
	case protoreflect.BytesKind:
		return wireBytes
	case protoreflect.MessageKind, protoreflect.GroupKind:
		switch shapeOf(f.Message()) {
		case protoTimestamp:
			return wireInt64
		case protoDate, protoTime:
			return wireInt32
		case protoDecimal:
			return wireDecimal
		case protoWrapper:
			return protoWire(f.Message().Fields().Get(0))
		default:
			return wireStruct
		}
	default:
		return wireInt64
	}
}

// protoWireFor is protoWire, with a wrapper as the message that it is where the column is a STRUCT.
func protoWireFor(f protoreflect.FieldDescriptor, t *row.Type) wireKind {
	if t.Kind() == row.Struct && f.Kind() == protoreflect.MessageKind && shapeOf(f.Message()) == protoWrapper {
		return wireStruct
	}
	return protoWire(f)
}

// isEntries reports whether a repeated field holds a map: a real one, or Connect's plain message with key and value that is
// named like the entry of a map.
func isEntries(f protoreflect.FieldDescriptor) bool {
	if f.IsMap() {
		return true
	}
	if !f.IsList() || f.Kind() != protoreflect.MessageKind || f.Message().Fields().Len() != 2 || !strings.HasSuffix(string(f.Message().Name()), "Entry") {
		return false
	}
	key, value := f.Message().Fields().ByName("key"), f.Message().Fields().ByName("value")
	return key != nil && value != nil && key.Number() == 1 && value.Number() == 2
}

// realOneof is the oneof that a field belongs to, nil for none; `optional` is no oneof.
func realOneof(f protoreflect.FieldDescriptor) protoreflect.OneofDescriptor {
	if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
		return o
	}
	return nil
}

// oneofName is what the struct for a oneof is called: with its index, as Connect's.
func oneofName(o protoreflect.OneofDescriptor) string {
	return fmt.Sprintf("%s_%d", o.Name(), o.Index())
}

// InferProtobuf gives the columns that data of a registered Protobuf schema has.
func InferProtobuf(src schema.Source, o Inference) ([]row.Column, error) {
	f, err := compileProto(src)
	if err != nil {
		return nil, err
	}
	m, err := findMessage(f, o.FullName)
	if err != nil {
		return nil, err
	}
	i := protoInferrer{o: o, open: map[protoreflect.FullName]bool{}}
	t := i.message(m)
	if i.seen > maxInferred {
		return nil, errInferred
	}
	o.Key, o.Unwrap = false, false // always a message
	return o.columns(t)
}

type protoInferrer struct {
	o    Inference
	open map[protoreflect.FullName]bool
	seen int
}

func (i *protoInferrer) message(m protoreflect.MessageDescriptor) *row.Type {
	if i.seen++; i.open[m.FullName()] || i.seen > maxInferred {
		return nil
	}
	i.open[m.FullName()] = true
	defer delete(i.open, m.FullName())
	var fields []row.Field
	for n := range m.Oneofs().Len() {
		o := m.Oneofs().Get(n)
		if o.IsSynthetic() {
			continue
		}
		var members []row.Field
		for k := range o.Fields().Len() {
			members = i.append(members, o.Fields().Get(k))
		}
		if len(members) > 0 {
			fields = append(fields, row.Field{Name: i.o.fold(oneofName(o)), Type: row.StructType(members...)})
		}
	}
	for n := range m.Fields().Len() {
		if f := m.Fields().Get(n); realOneof(f) == nil {
			fields = i.append(fields, f)
		}
	}
	return row.StructType(fields...)
}

func (i *protoInferrer) append(fields []row.Field, f protoreflect.FieldDescriptor) []row.Field {
	if t := i.field(f); t != nil {
		fields = append(fields, row.Field{Name: i.o.fold(string(f.Name())), Type: t})
	}
	return fields
}

func (i *protoInferrer) field(f protoreflect.FieldDescriptor) *row.Type {
	switch {
	case isEntries(f):
		if elem := i.single(f.Message().Fields().ByNumber(2)); elem != nil {
			return row.MapType(row.StringType, elem)
		}
		return nil
	case f.IsList():
		if elem := i.single(f); elem != nil {
			return row.ArrayType(elem)
		}
		return nil
	}
	return i.single(f)
}

func (i *protoInferrer) single(f protoreflect.FieldDescriptor) *row.Type {
	i.seen++
	if f.Kind() == protoreflect.MessageKind || f.Kind() == protoreflect.GroupKind {
		switch shapeOf(f.Message()) {
		case protoTimestamp:
			return row.TimestampType
		case protoDate:
			return row.DateType
		case protoTime:
			return row.TimeType
		case protoDecimal:
			params := fieldMeta(f)
			return row.DecimalType(intOr(params["precision"], defaultPrecision), intOr(params["scale"], 0))
		case protoWrapper:
			return i.single(f.Message().Fields().Get(0))
		default:
			return i.message(f.Message())
		}
	}
	switch protoWire(f) {
	case wireBoolean:
		return row.BooleanType
	case wireInt32:
		return row.IntegerType
	case wireFloat32, wireFloat64:
		return row.DoubleType
	case wireString:
		return row.StringType
	case wireBytes:
		return row.BytesType
	default:
		return row.BigintType
	}
}

// metaNumber is the number of Confluent's option (confluent.field_meta), whose field 2 is a map of parameters.
const metaNumber = 1088

// fieldMeta are the parameters in a field's (confluent.field_meta).
func fieldMeta(f protoreflect.FieldDescriptor) map[string]string {
	options, err := proto.Marshal(f.Options())
	if err != nil {
		return nil
	}
	params := map[string]string{}
	eachBytes(options, metaNumber, func(meta []byte) {
		eachBytes(meta, 2, func(entry []byte) {
			var key, value string
			eachBytes(entry, 1, func(b []byte) { key = string(b) })
			eachBytes(entry, 2, func(b []byte) { value = string(b) })
			params[key] = value
		})
	})
	return params
}

// eachBytes calls what it is given with each length-delimited field of a number.
func eachBytes(message []byte, number protowire.Number, each func([]byte)) {
	for len(message) > 0 {
		n, typ, size := protowire.ConsumeField(message)
		if size < 0 {
			return
		}
		if n == number && typ == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(message)
			if b, l := protowire.ConsumeBytes(message[tag:]); l >= 0 {
				each(b)
			}
		}
		message = message[size:]
	}
}

// DeriveProtobuf gives the .proto text that rows of these columns are registered and written with. Name is the message's
// full name, ConnectDefault1 where it is empty.
func DeriveProtobuf(side Side, name string, nullable Nullable) (string, error) {
	for _, c := range side.Columns {
		if !stringKeys(c.Type) {
			return "", errors.New("PROTOBUF format only supports MAP types with STRING keys")
		}
	}
	d := &protoDeriver{nullable: nullable, next: 1}
	pkg, message := "", "ConnectDefault1"
	if name != "" {
		message = name
		if i := strings.LastIndexByte(name, '.'); i >= 0 {
			pkg, message = name[:i], name[i+1:]
		}
	}
	body, err := d.message(asStruct(side.Columns).Fields(), message, "", true)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("syntax = \"proto3\";\n")
	if pkg != "" {
		fmt.Fprintf(&b, "package %s;\n", pkg)
	}
	b.WriteByte('\n')
	for _, path := range d.imports {
		fmt.Fprintf(&b, "import %q;\n", path)
	}
	if len(d.imports) > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(body)
	return b.String(), nil
}

type protoDeriver struct {
	imports  []string
	nullable Nullable
	next     int // number of the last message that was named
}

func (d *protoDeriver) use(path string) {
	for _, p := range d.imports {
		if p == path {
			return
		}
	}
	d.imports = append(d.imports, path)
}

func checkProtoName(name string) error {
	for i, r := range name {
		letter := r == '_' || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z')
		if !letter && (i == 0 || r < '0' || r > '9') {
			return fmt.Errorf("Schema is not compatible with Protobuf: %q is no identifier", name) //nolint:staticcheck // as for Avro
		}
	}
	if name == "" {
		return errors.New("Schema is not compatible with Protobuf: empty name") //nolint:staticcheck // as for Avro
	}
	return nil
}

// message gives the text of a message with those that its fields need inside it. Messages are numbered as they are met, depth
// first. The fields of map entries are never marked optional.
func (d *protoDeriver) message(fields []row.Field, name, indent string, mark bool) (string, error) {
	var b, inner strings.Builder
	fmt.Fprintf(&b, "%smessage %s {\n", indent, name)
	for i, f := range fields {
		if err := checkProtoName(f.Name); err != nil {
			return "", err
		}
		if err := d.field(&b, &inner, f, i+1, indent+"  ", mark); err != nil {
			return "", err
		}
	}
	fmt.Fprintf(&b, "%s%s}\n", inner.String(), indent)
	return b.String(), nil
}

func (d *protoDeriver) field(b, inner *strings.Builder, f row.Field, number int, indent string, mark bool) error {
	t, label := f.Type, ""
	switch {
	case t.Kind() == row.Array:
		if k := t.Elem().Kind(); k == row.Array || k == row.Map {
			return errors.New("Array cannot be nested") //nolint:staticcheck // ksqlDB's text
		}
		t, label = t.Elem(), "repeated "
	case t.Kind() == row.Map:
		label = "repeated "
	case mark && d.nullable == NullableOptional:
		label = "optional "
	}
	name, options := d.typeName(t)
	fmt.Fprintf(b, "%s%s%s %s = %d%s;\n", indent, label, name, f.Name, number, options)
	fields, mark := t.Fields(), true
	switch t.Kind() {
	case row.Map:
		fields, mark = []row.Field{{Name: "key", Type: t.Key()}, {Name: "value", Type: t.Elem()}}, false
	case row.Struct:
	default:
		return nil
	}
	text, err := d.message(fields, name, indent, mark)
	inner.WriteString("\n" + text)
	return err
}

// typeName names a type; a MAP or STRUCT gets the next number.
func (d *protoDeriver) typeName(t *row.Type) (name, options string) {
	scalar := func(plain, wrapper string) (string, string) {
		if d.nullable == NullableWrapper {
			d.use("google/protobuf/wrappers.proto")
			return "google.protobuf." + wrapper, ""
		}
		return plain, ""
	}
	switch t.Kind() {
	case row.Boolean:
		return scalar("bool", "BoolValue")
	case row.Integer:
		return scalar("int32", "Int32Value")
	case row.Bigint:
		return scalar("int64", "Int64Value")
	case row.Double:
		return scalar("double", "DoubleValue")
	case row.Bytes:
		return scalar("bytes", "BytesValue")
	case row.Decimal:
		d.use("confluent/type/decimal.proto")
		return "confluent.type.Decimal", fmt.Sprintf(` [(confluent.field_meta) = {params: [{value: "%d", key: "precision"}, {value: "%d", key: "scale"}]}]`, t.Precision(), t.Scale())
	case row.Date:
		d.use("google/type/date.proto")
		return "google.type.Date", ""
	case row.Time:
		d.use("google/type/timeofday.proto")
		return "google.type.TimeOfDay", ""
	case row.Timestamp:
		d.use("google/protobuf/timestamp.proto")
		return "google.protobuf.Timestamp", ""
	case row.Map, row.Struct:
		d.next++
		name = fmt.Sprintf("ConnectDefault%d", d.next)
		if t.Kind() == row.Map {
			name += "Entry"
		}
		return name, ""
	default:
		return scalar("string", "StringValue")
	}
}
