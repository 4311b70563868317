package format

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"leat.dev/internal/row"
)

// protoWrite says how a struct is written as a message.
type protoWrite struct{ fields []protoPut }

// protoPut says how one field is written.
type protoPut struct {
	number    protowire.Number
	from      int // field of the struct, or of the oneof's
	oneof     int // field of the struct that holds the oneof, -1 for none
	kind      protoreflect.Kind
	enum      protoreflect.EnumDescriptor
	shape     protoShape
	source    *row.Type
	repeated  bool
	packed    bool
	entries   bool
	presence  bool // a default is written like any other value
	message   *protoWrite
	precision int32 // decimals: of the column
}

// protoEncoder writes Protobuf.
type protoEncoder struct {
	side   Side
	prefix []byte // the id of the schema and the way to the message, nil without a registry
	plan   *protoWrite
}

// NewProtobufEncoder writes Protobuf in the registry's wire format, with a schema that [DeriveProtobuf] gave for the columns,
// or any other that has a place for each of them, by the names that the decoder looks for. Fields without a column stay unset.
func NewProtobufEncoder(side Side, s Registered, o ProtobufOptions) (Encoder, error) {
	f, err := compileProto(s.Schema)
	if err != nil {
		return nil, err
	}
	m, err := findMessage(f, o.FullName)
	if err != nil {
		return nil, err
	}
	w, err := compileProtoWrite(m, asStruct(side.Columns), "")
	if err != nil {
		return nil, err
	}
	prefix := appendPrefix(nil, s.ID)
	if indexes := messageIndexes(m); len(indexes) == 1 && indexes[0] == 0 {
		prefix = append(prefix, 0)
	} else {
		prefix = protowire.AppendVarint(prefix, protowire.EncodeZigZag(int64(len(indexes))))
		for _, i := range indexes {
			prefix = protowire.AppendVarint(prefix, protowire.EncodeZigZag(int64(i)))
		}
	}
	return &protoEncoder{side, prefix, w}, nil
}

func compileProtoWrite(m protoreflect.MessageDescriptor, source *row.Type, path string) (*protoWrite, error) {
	w := &protoWrite{}
	used := make([]bool, len(source.Fields()))
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		from, outer := source, -1
		if o := realOneof(f); o != nil {
			if outer = fieldFor(source, oneofName(o)); outer < 0 {
				continue
			}
			used[outer] = true
			if from = source.Fields()[outer].Type; from.Kind() != row.Struct {
				return nil, fmt.Errorf("%s cannot be written as a Protobuf oneof at %s->%s", from, path, source.Fields()[outer].Name)
			}
		}
		at := fieldFor(from, string(f.Name()))
		if at < 0 {
			continue
		}
		if outer < 0 {
			used[at] = true
		}
		column := from.Fields()[at]
		put, err := protoPutOf(f, column.Type, path+"->"+column.Name)
		if err != nil {
			return nil, err
		}
		put.from, put.oneof = at, outer
		put.presence = put.presence || outer >= 0
		w.fields = append(w.fields, put)
	}
	if i := slices.Index(used, false); i >= 0 {
		return nil, fmt.Errorf("the Protobuf message %s has no field for %s%s", m.FullName(), row.QuoteName(source.Fields()[i].Name), at(path))
	}
	slices.SortFunc(w.fields, func(a, b protoPut) int { return int(a.number) - int(b.number) })
	return w, nil
}

func protoPutOf(f protoreflect.FieldDescriptor, t *row.Type, path string) (protoPut, error) {
	p := protoPut{number: f.Number(), kind: f.Kind(), source: t, repeated: f.IsList() || f.IsMap(), packed: f.IsPacked(), presence: f.HasPresence(), precision: t.Precision()}
	misfit := fmt.Errorf("%s cannot be written as the Protobuf field %s%s", t, f.FullName(), at(path))
	switch {
	case isEntries(f):
		if t.Kind() != row.Map {
			return p, misfit
		}
		p.entries = true
		var err error
		p.message, err = compileProtoWrite(f.Message(), row.StructType(row.Field{Name: "key", Type: t.Key()}, row.Field{Name: "value", Type: t.Elem()}), path)
		return p, err
	case f.IsList():
		if t.Kind() != row.Array {
			return p, misfit
		}
		t = t.Elem()
		p.source, p.precision = t, t.Precision()
	}
	if !protoTakes(f, t) {
		return p, misfit
	}
	var err error
	switch f.Kind() {
	case protoreflect.EnumKind:
		p.enum = f.Enum()
	case protoreflect.MessageKind:
		switch p.shape = shapeOf(f.Message()); p.shape {
		case protoStruct:
			p.message, err = compileProtoWrite(f.Message(), t, path)
		case protoWrapper:
			if t.Kind() == row.Struct {
				p.shape = protoStruct
				p.message, err = compileProtoWrite(f.Message(), t, path)
				break
			}
			p.message, err = compileProtoWrite(f.Message(), row.StructType(row.Field{Name: "value", Type: t}), path)
		default:
		}
	default:
	}
	return p, err
}

// protoTakes reports whether a value of the SQL type can be written as the field, widening at most.
func protoTakes(f protoreflect.FieldDescriptor, t *row.Type) bool {
	switch protoWireFor(f, t) {
	case wireInt64:
		return t.Kind() == row.Integer || t.Kind() == row.Bigint || t.Kind() == row.Timestamp || t.Kind() == row.Date || t.Kind() == row.Time
	case wireFloat32, wireFloat64:
		return t.Kind() == row.Double
	case wireInt32:
		return t.Kind() == row.Integer || t.Kind() == row.Date || t.Kind() == row.Time
	default:
		return wireOf(t.Kind()) == protoWireFor(f, t) && f.Kind() != protoreflect.GroupKind
	}
}

func (e *protoEncoder) Encode(dst []byte, r row.Row) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	if err := e.side.checkCount("serialization", len(r)); err != nil {
		return nil, err
	}
	if e.side.Unwrap && r[0].IsNull() {
		return nil, nil
	}
	if dst = append(dst, e.prefix...); dst == nil {
		dst = []byte{}
	}
	dst, err := e.plan.append(dst, r)
	if err != nil {
		return nil, e.side.cannotWrite(err)
	}
	return dst, nil
}

func (w *protoWrite) append(dst []byte, values []row.Value) ([]byte, error) {
	var err error
	for i := range w.fields {
		f := &w.fields[i]
		from := values
		if f.oneof >= 0 {
			if values[f.oneof].IsNull() {
				continue
			}
			from = values[f.oneof].Fields()
		}
		if v := from[f.from]; !v.IsNull() {
			if dst, err = f.append(dst, v); err != nil {
				return nil, err
			}
		}
	}
	return dst, nil
}

var errProtoNull = errors.New("an ARRAY with a NULL element cannot be written as Protobuf")

func (f *protoPut) append(dst []byte, v row.Value) ([]byte, error) {
	var err error
	switch {
	case f.entries:
		for _, e := range v.Entries() {
			if dst, err = f.message.enclosed(dst, f.number, []row.Value{e.Key, e.Value}); err != nil {
				return nil, err
			}
		}
		return dst, nil
	case !f.repeated:
		return f.single(dst, v, f.presence)
	}
	if slices.ContainsFunc(v.Elems(), row.Value.IsNull) {
		return nil, errProtoNull
	}
	if !f.packed || v.Len() == 0 {
		for _, e := range v.Elems() {
			if dst, err = f.single(dst, e, true); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}
	var payload []byte
	for _, e := range v.Elems() {
		if payload, err = f.scalar(payload, e); err != nil {
			return nil, err
		}
	}
	return protowire.AppendBytes(protowire.AppendTag(dst, f.number, protowire.BytesType), payload), nil
}

// enclosed writes a message as a field of another.
func (w *protoWrite) enclosed(dst []byte, number protowire.Number, values []row.Value) ([]byte, error) {
	payload, err := w.append(nil, values)
	if err != nil {
		return nil, err
	}
	return protowire.AppendBytes(protowire.AppendTag(dst, number, protowire.BytesType), payload), nil
}

// single writes one value with its tag; a default only if its presence counts.
func (f *protoPut) single(dst []byte, v row.Value, presence bool) ([]byte, error) {
	typ, ok := wireTypeOf(f.kind)
	if ok {
		if !presence && isProtoDefault(f, v) {
			return dst, nil
		}
		return f.scalar(protowire.AppendTag(dst, f.number, typ), v)
	}
	var payload []byte
	switch f.shape {
	case protoStruct:
		return f.message.enclosed(dst, f.number, v.Fields())
	case protoWrapper:
		return f.message.enclosed(dst, f.number, []row.Value{v})
	case protoDecimal:
		payload = protowire.AppendTag(payload, 1, protowire.BytesType)
		payload = protowire.AppendBytes(payload, appendUnscaled(nil, v.Decimal()))
		payload = appendNumber(payload, 2, int64(f.precision))
		payload = appendNumber(payload, 3, int64(v.Decimal().Scale()))
	case protoDate:
		year, month, day := time.Unix(v.Long()*24*60*60, 0).UTC().Date()
		payload = appendNumber(appendNumber(appendNumber(payload, 1, int64(year)), 2, int64(month)), 3, int64(day))
	case protoTime:
		ms := v.Long()
		payload = appendNumber(appendNumber(payload, 1, ms/3_600_000), 2, ms/60_000%60)
		payload = appendNumber(appendNumber(payload, 3, ms/1000%60), 4, ms%1000*1_000_000)
	case protoTimestamp:
		seconds, ms := v.Long()/1000, v.Long()%1000
		if ms < 0 {
			seconds, ms = seconds-1, ms+1000
		}
		payload = appendNumber(appendNumber(payload, 1, seconds), 2, ms*1_000_000)
	}
	return protowire.AppendBytes(protowire.AppendTag(dst, f.number, protowire.BytesType), payload), nil
}

// appendNumber writes a varint field unless it is 0.
func appendNumber(dst []byte, number protowire.Number, n int64) []byte {
	if n == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendTag(dst, number, protowire.VarintType), uint64(n)) //nolint:gosec // the bits
}

func isProtoDefault(f *protoPut, v row.Value) bool {
	switch v.Kind() {
	case row.String:
		if f.enum != nil {
			n := f.enum.Values().ByName(protoreflect.Name(v.Str()))
			return n != nil && n.Number() == 0
		}
		return v.Len() == 0
	case row.Bytes:
		return v.Len() == 0
	case row.Double:
		return math.Float64bits(v.Double()) == 0
	default:
		return v.Long() == 0
	}
}

// scalar writes a value without its tag.
func (f *protoPut) scalar(dst []byte, v row.Value) ([]byte, error) {
	switch f.kind {
	case protoreflect.StringKind:
		return protowire.AppendString(dst, v.Str()), nil
	case protoreflect.BytesKind:
		return protowire.AppendBytes(dst, v.Bytes()), nil
	case protoreflect.DoubleKind:
		return protowire.AppendFixed64(dst, math.Float64bits(v.Double())), nil
	case protoreflect.FloatKind:
		return protowire.AppendFixed32(dst, math.Float32bits(float32(v.Double()))), nil
	case protoreflect.EnumKind:
		n := f.enum.Values().ByName(protoreflect.Name(v.Str()))
		if n == nil {
			return nil, fmt.Errorf("%q is no value of the Protobuf enum %s", v.Str(), f.enum.FullName())
		}
		return protowire.AppendVarint(dst, uint64(n.Number())), nil //nolint:gosec // the bits
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return protowire.AppendVarint(dst, protowire.EncodeZigZag(v.Long())), nil
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return protowire.AppendFixed64(dst, uint64(v.Long())), nil //nolint:gosec // the bits
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.AppendFixed32(dst, uint32(v.Long())), nil //nolint:gosec // the bits
	case protoreflect.BoolKind:
		return protowire.AppendVarint(dst, protowire.EncodeBool(v.Bool())), nil
	case protoreflect.Uint32Kind:
		return protowire.AppendVarint(dst, uint64(uint32(v.Long()))), nil //nolint:gosec // the bits
	default:
		return protowire.AppendVarint(dst, uint64(v.Long())), nil //nolint:gosec // the bits
	}
}
