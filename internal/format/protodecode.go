package format

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"leat.dev/internal/registry/schema"
	"leat.dev/internal/row"
)

// protoPlan says how one message is read into a struct.
type protoPlan struct {
	fields map[protowire.Number]*protoRead
	low    [32]*protoRead // those with the lowest numbers once more, found faster
	gather []*protoRead   // those that gather, by their place in lists
	start  []row.Value    // what the struct holds before any field was read: the defaults of unset scalars
	err    error
}

// protoRead says how one field is read.
type protoRead struct {
	to       int   // field of the struct, or of the oneof's struct
	oneof    int   // field of the struct that holds the oneof, -1 for none
	width    int   // fields of the oneof's struct
	rivals   []int // where other members of the oneof gather
	list     int   // where elements, entries or payloads are gathered, -1 for a scalar
	kind     protoreflect.Kind
	enum     protoreflect.EnumDescriptor
	target   *row.Type // of a single value
	shape    protoShape
	repeated bool
	entries  bool
	message  *protoPlan
	err      error
}

// ProtobufOptions are the properties of a Protobuf side.
type ProtobufOptions struct {
	FullName string // the message, the first of the schema if empty
	Nullable Nullable
}

// protoDecoder reads Protobuf, registered or not.
type protoDecoder struct {
	side    Side
	options ProtobufOptions
	target  *row.Type
	schemas Schemas
	plans   plans[*protoSchema]
	fixed   *protoPlan // without a registry: the one plan
	arena   *row.Arena
	room    int        // values that the row may still hold
	seen    int        // fields planned so far for one schema
	lists   []gathered // of the messages that are being read, one behind the other
}

// protoSchema is a writer's schema with a plan for each of its messages that was met.
type protoSchema struct {
	file  protoreflect.FileDescriptor
	plans map[string]*protoPlan
}

// NewProtobufDecoder reads Protobuf in the registry's wire format: the schema's id, the way to the message, the message.
//
// Fields are found by their exact name, else by their name in upper case; a oneof is a STRUCT of its members. An unset scalar
// is its default, an unset message NULL, an unset repeated field empty; with optional fields as the representation of NULL,
// unset ones are NULL. An enum is its name, an unknown number UNKNOWN_ENUM_VALUE_<enum>_<n>.
func NewProtobufDecoder(side Side, schemas Schemas, o ProtobufOptions) (Decoder, error) {
	return &protoDecoder{side: side, schemas: schemas, options: o, target: asStruct(side.Columns)}, nil
}

// NewPlainProtobuf opens PROTOBUF_NOSR: messages of the schema that [DeriveProtobuf] gives for the columns, without prefix. A
// bare column is a message with one field all the same, as a wrapper is; only its NULL is no bytes.
func NewPlainProtobuf(side Side, o ProtobufOptions) (Decoder, Encoder, error) {
	text, err := DeriveProtobuf(side, o.FullName, o.Nullable)
	if err != nil {
		return nil, nil, err
	}
	file, err := compileProto(schema.Source{Type: schema.Protobuf, Text: text})
	if err != nil {
		return nil, nil, err
	}
	m, err := findMessage(file, o.FullName)
	if err != nil {
		return nil, nil, err
	}
	d := &protoDecoder{side: side, options: o, target: asStruct(side.Columns)}
	d.fixed = d.compile(m, d.target, "")
	w, err := compileProtoWrite(m, d.target, "")
	return d, &protoEncoder{side: side, plan: w}, err
}

// compile plans reading m as target, which is finite however m is.
func (d *protoDecoder) compile(m protoreflect.MessageDescriptor, target *row.Type, path string) *protoPlan {
	p := &protoPlan{fields: map[protowire.Number]*protoRead{}, start: make([]row.Value, len(target.Fields()))}
	places := map[[2]int]protowire.Number{}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		into, outer := target, -1
		if o := realOneof(f); o != nil {
			if outer = fieldFor(target, oneofName(o)); outer < 0 {
				continue
			}
			if into = target.Fields()[outer].Type; into.Kind() != row.Struct {
				p.err = checkWire(into.Kind(), wireStruct, path+"->"+target.Fields()[outer].Name)
				continue
			}
		}
		to := fieldFor(into, string(f.Name()))
		if to < 0 {
			continue
		}
		if d.seen++; d.seen > maxCompiled {
			p.err = errCompiled
			return p
		}
		// Of several fields that mean the same column the last one counts, whether it is set or not.
		place := [2]int{outer, to}
		if earlier, ok := places[place]; ok {
			delete(p.fields, earlier)
		}
		places[place] = f.Number()
		field := into.Fields()[to]
		r := d.field(f, field.Type, path+"->"+field.Name)
		r.to, r.oneof, r.width, r.list = to, outer, len(into.Fields()), -1
		if r.repeated || r.message != nil || r.shape != protoStruct {
			r.list = len(p.gather)
			p.gather = append(p.gather, r)
		}
		if r.err != nil && p.err == nil {
			p.err = r.err
		}
		p.fields[f.Number()] = r
		if outer < 0 && r.err == nil {
			p.start[to] = d.unset(f, field.Type)
		}
	}
	for number, r := range p.fields {
		if int(number) < len(p.low) {
			p.low[number] = r
		}
		for _, g := range p.gather {
			if r.oneof >= 0 && g.oneof == r.oneof && g != r {
				r.rivals = append(r.rivals, g.list)
			}
		}
	}
	return p
}

// unset is the value of a field that is not in the message.
func (d *protoDecoder) unset(f protoreflect.FieldDescriptor, t *row.Type) row.Value {
	switch {
	case t.Kind() == row.Array:
		return row.OfArray(nil)
	case t.Kind() == row.Map:
		return row.OfMap(nil)
	case f.Kind() == protoreflect.MessageKind || f.Kind() == protoreflect.GroupKind:
		return row.Value{}
	case d.options.Nullable == NullableOptional && f.HasPresence():
		return row.Value{}
	}
	arena := new(row.Arena)
	switch v := f.Default(); f.Kind() {
	case protoreflect.BoolKind:
		return ofBoolean(t.Kind(), v.Bool())
	case protoreflect.StringKind:
		return row.OfString(v.String())
	case protoreflect.BytesKind:
		return row.OfBytes(v.Bytes())
	case protoreflect.EnumKind:
		return row.OfString(enumName(f.Enum(), v.Enum()))
	case protoreflect.FloatKind:
		return ofFloat32(arena, t.Kind(), float32(v.Float()))
	case protoreflect.DoubleKind:
		return ofFloat64(arena, t.Kind(), v.Float())
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return ofInteger(arena, t.Kind(), int64(v.Uint())) //nolint:gosec // the bits
	default:
		return ofInteger(arena, t.Kind(), v.Int())
	}
}

func enumName(e protoreflect.EnumDescriptor, n protoreflect.EnumNumber) string {
	if v := e.Values().ByNumber(n); v != nil {
		return string(v.Name())
	}
	return fmt.Sprintf("UNKNOWN_ENUM_VALUE_%s_%d", e.Name(), n)
}

func (d *protoDecoder) field(f protoreflect.FieldDescriptor, t *row.Type, path string) *protoRead {
	r := &protoRead{kind: f.Kind(), repeated: f.IsList() || f.IsMap()}
	switch {
	case isEntries(f):
		if r.err = checkWire(t.Kind(), wireMap, path); r.err != nil {
			return r
		}
		r.entries, r.target = true, t
		entry := row.StructType(row.Field{Name: "key", Type: t.Key()}, row.Field{Name: "value", Type: t.Elem()})
		r.message = d.compile(f.Message(), entry, path)
		return r
	case f.IsList():
		if r.err = checkWire(t.Kind(), wireArray, path); r.err != nil {
			return r
		}
		t, path = t.Elem(), path+"->ARRAY"
	}
	r.target = t
	if r.err = checkWire(t.Kind(), protoWireFor(f, t), path); r.err != nil {
		return r
	}
	switch f.Kind() {
	case protoreflect.EnumKind:
		r.enum = f.Enum()
	case protoreflect.GroupKind:
		r.err = errors.New("groups of Protobuf cannot be read")
	case protoreflect.MessageKind:
		switch r.shape = shapeOf(f.Message()); r.shape {
		case protoStruct:
			r.message = d.compile(f.Message(), t, path)
		case protoWrapper:
			if t.Kind() == row.Struct { // a column that names the wrapper's field
				r.shape, r.message = protoStruct, d.compile(f.Message(), t, path)
				break
			}
			r.message = d.compile(f.Message(), row.StructType(row.Field{Name: "value", Type: t}), path)
		default:
		}
	default:
	}
	return r
}

func (d *protoDecoder) Decode(a *row.Arena, data []byte) (row.Row, error) {
	if data == nil {
		return nil, nil
	}
	d.arena, d.room, d.lists = a, room(data), d.lists[:0]
	r, err := d.decode(data)
	if err != nil {
		return nil, d.side.cannotRead(err)
	}
	return r, nil
}

func (d *protoDecoder) decode(data []byte) (row.Row, error) {
	plan := d.fixed
	if plan == nil {
		id, rest, err := cutPrefix(data)
		if err != nil {
			return nil, err
		}
		s, err := d.plans.get(id, d.schemas, func(src schema.Source) (*protoSchema, error) {
			f, err := compileProto(src)
			return &protoSchema{f, map[string]*protoPlan{}}, err
		})
		if err != nil {
			return nil, err
		}
		if plan, data, err = d.message(s, rest); err != nil {
			return nil, err
		}
	}
	v, err := d.read(plan, data)
	if err != nil {
		return nil, err
	}
	return v.Fields(), nil
}

// maxMessageDepth is how deep a message may be nested in its .proto file.
const maxMessageDepth = 64

var errMessageIndex = errors.New("the way to the Protobuf message is malformed")

// message reads the way to the message and finds its plan.
func (d *protoDecoder) message(s *protoSchema, data []byte) (*protoPlan, []byte, error) {
	number := func() (int64, error) {
		u, n := protowire.ConsumeVarint(data)
		if n < 0 {
			return 0, errMessageIndex
		}
		data = data[n:]
		return protowire.DecodeZigZag(u), nil
	}
	start := data
	count, err := number()
	if err != nil || count < 0 || count > maxMessageDepth {
		return nil, nil, errMessageIndex
	}
	indexes := []int{0} // a count of 0 means the first message
	for i := range count {
		n, err := number()
		if err != nil || n < 0 || n > math.MaxInt32 {
			return nil, nil, errMessageIndex
		}
		indexes = append(indexes[:i], int(n))
	}
	way := string(start[:len(start)-len(data)])
	if p := s.plans[way]; p != nil {
		return p, data, nil
	}
	m, err := messageAt(s.file, indexes)
	if err != nil {
		return nil, nil, err
	}
	d.seen = 0
	p := d.compile(m, d.target, "")
	s.plans[way] = p
	return p, data, nil
}

// gathered is what the repeated and message fields of one message hold until its end.
type gathered struct {
	values  []row.Value
	entries []row.Entry
	payload []byte // of a single message: all its parts, one behind the other, which is their merger
	parts   int    // of the payload: one shares the input, more have been copied
	set     bool
}

// read reads a message into a struct.
func (d *protoDecoder) read(p *protoPlan, data []byte) (row.Value, error) {
	if p.err != nil {
		return row.Value{}, p.err
	}
	if d.room -= len(p.start); d.room < 0 {
		return row.Value{}, errRoom
	}
	values := d.arena.Row(len(p.start))
	copy(values, p.start)
	base := len(d.lists)
	lists := d.gatherers(len(p.gather))
	for len(data) > 0 {
		number, typ, n := protowire.ConsumeTag(data)
		if n < 0 {
			return row.Value{}, protowire.ParseError(n)
		}
		data = data[n:]
		var f *protoRead
		if int(number) < len(p.low) {
			f = p.low[number]
		} else {
			f = p.fields[number]
		}
		if n = protowire.ConsumeFieldValue(number, typ, data); n < 0 {
			return row.Value{}, protowire.ParseError(n)
		}
		raw := data[:n]
		data = data[n:]
		if f == nil {
			continue
		}
		if err := d.value(f, typ, raw, values, lists); err != nil {
			return row.Value{}, err
		}
	}
	for _, f := range p.gather {
		if !lists[f.list].set {
			continue
		}
		v, err := d.gathered(f, &lists[f.list])
		if err == nil {
			err = d.put(f, values, v)
		}
		if err != nil {
			return row.Value{}, err
		}
	}
	d.lists = d.lists[:base]
	return row.OfStruct(values), nil
}

// maxKeptGathered is how many elements a field's place to gather keeps memory for.
const maxKeptGathered = 1 << 12

// gatherers gives n places to gather in, with the memory that earlier messages left there. The result stays valid when those of
// messages inside make d.lists move.
func (d *protoDecoder) gatherers(n int) []gathered {
	base := len(d.lists)
	if base+n > cap(d.lists) {
		grown := make([]gathered, base, 2*(base+n))
		copy(grown, d.lists)
		d.lists = grown
	}
	d.lists = d.lists[:base+n]
	lists := d.lists[base:]
	for i := range lists {
		g := &lists[i]
		if cap(g.values) > maxKeptGathered || cap(g.entries) > maxKeptGathered {
			*g = gathered{}
		}
		*g = gathered{values: g.values[:0], entries: g.entries[:0]}
	}
	return lists
}

// put sets a field, or a oneof's member in place of what the oneof held.
func (d *protoDecoder) put(f *protoRead, values []row.Value, v row.Value) error {
	if f.oneof < 0 {
		values[f.to] = v
		return nil
	}
	if d.room -= f.width; d.room < 0 {
		return errRoom
	}
	members := d.arena.Row(f.width)
	members[f.to] = v
	values[f.oneof] = row.OfStruct(members)
	return nil
}

// value reads one occurrence of a field. One of another wire type is passed over, as an unknown field is.
func (d *protoDecoder) value(f *protoRead, typ protowire.Type, raw []byte, values []row.Value, lists []gathered) error {
	for _, rival := range f.rivals { // the last member of a oneof is the one that is set
		lists[rival] = gathered{}
	}
	if typ == protowire.BytesType && f.list >= 0 && (f.message != nil || f.shape != protoStruct) {
		payload, _ := protowire.ConsumeBytes(raw)
		g := &lists[f.list]
		g.set = true
		switch {
		case f.entries:
			e, err := d.read(f.message, payload)
			if err == nil {
				g.entries = append(g.entries, row.Entry{Key: e.Fields()[0], Value: e.Fields()[1]})
			}
			return err
		case f.repeated:
			v, err := d.single(f, payload)
			g.values = append(g.values, v)
			return err
		case g.parts == 0:
			g.payload = payload[:len(payload):len(payload)] // what is appended goes elsewhere
		default:
			g.payload = append(g.payload, payload...)
		}
		g.parts++
		return nil
	}
	want, ok := wireTypeOf(f.kind)
	switch {
	case !ok:
		return nil
	case typ == want:
		v, _, err := d.scalar(f, raw)
		if err != nil {
			return err
		}
		if f.repeated {
			lists[f.list].values = append(lists[f.list].values, v)
			lists[f.list].set = true
		} else {
			return d.put(f, values, v)
		}
	case typ == protowire.BytesType && f.repeated: // packed
		payload, _ := protowire.ConsumeBytes(raw)
		g := &lists[f.list]
		g.set = true
		for len(payload) > 0 {
			v, n, err := d.scalar(f, payload)
			if err != nil {
				return err
			}
			g.values = append(g.values, v)
			payload = payload[n:]
		}
	}
	return nil
}

// gathered ends a repeated or message field.
func (d *protoDecoder) gathered(f *protoRead, g *gathered) (row.Value, error) {
	switch {
	case f.entries:
		return d.arena.Map(distinct(g.entries)), nil
	case f.repeated:
		return d.arena.Array(g.values), nil
	}
	return d.single(f, g.payload)
}

// single is the value of one message.
func (d *protoDecoder) single(f *protoRead, payload []byte) (row.Value, error) {
	switch f.shape {
	case protoStruct:
		return d.read(f.message, payload)
	case protoWrapper:
		v, err := d.read(f.message, payload)
		if err != nil {
			return row.Value{}, err
		}
		return v.Fields()[0], nil
	case protoDecimal:
		var value []byte
		var scale uint64
		err := eachField(payload, func(n protowire.Number, u uint64, b []byte) {
			switch n {
			case 1:
				value = b
			case 3:
				scale = u
			}
		})
		if err != nil {
			return row.Value{}, err
		}
		x, err := checkedUnscaled(value, int32(scale)) //nolint:gosec // the bits
		return row.OfDecimal(x), err
	default:
		return d.time(f, payload)
	}
}

func (d *protoDecoder) time(f *protoRead, payload []byte) (row.Value, error) {
	var n [5]int64
	if err := eachField(payload, func(number protowire.Number, u uint64, _ []byte) {
		if number < 5 {
			n[number] = int64(u) //nolint:gosec // the bits
		}
	}); err != nil {
		return row.Value{}, err
	}
	var number int64
	switch f.shape {
	case protoDate:
		number = time.Date(int(n[1]), time.Month(n[2]), int(n[3]), 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60)
	case protoTime:
		number = ((n[1]*60+n[2])*60+n[3])*1000 + n[4]/1_000_000
	default:
		number = n[1]*1000 + n[2]/1_000_000
	}
	return ofInteger(d.arena, f.target.Kind(), number), nil
}

// eachField walks over a flat message.
func eachField(message []byte, each func(n protowire.Number, u uint64, b []byte)) error {
	for len(message) > 0 {
		number, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if n = protowire.ConsumeFieldValue(number, typ, message); n < 0 {
			return protowire.ParseError(n)
		}
		switch typ {
		case protowire.VarintType:
			u, _ := protowire.ConsumeVarint(message)
			each(number, u, nil)
		case protowire.BytesType:
			b, _ := protowire.ConsumeBytes(message)
			each(number, 0, b)
		default:
		}
		message = message[n:]
	}
	return nil
}

// wireTypeOf is how a scalar is written, false for what is none.
func wireTypeOf(k protoreflect.Kind) (protowire.Type, bool) {
	switch k {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return 0, false
	case protoreflect.StringKind, protoreflect.BytesKind:
		return protowire.BytesType, true
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return protowire.Fixed64Type, true
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.Fixed32Type, true
	default:
		return protowire.VarintType, true
	}
}

// scalar reads one scalar and says how many bytes it took.
func (d *protoDecoder) scalar(f *protoRead, raw []byte) (row.Value, int, error) {
	target := f.target.Kind()
	typ, _ := wireTypeOf(f.kind)
	var u uint64
	var n int
	switch typ {
	case protowire.BytesType:
		b, n := protowire.ConsumeBytes(raw)
		if n < 0 {
			return row.Value{}, 0, protowire.ParseError(n)
		}
		if f.kind == protoreflect.BytesKind {
			return row.OfBytes(b), n, nil
		}
		return row.OfString(javaText(d.arena, b)), n, nil
	case protowire.Fixed64Type:
		u, n = protowire.ConsumeFixed64(raw)
	case protowire.Fixed32Type:
		var x uint32
		x, n = protowire.ConsumeFixed32(raw)
		u = uint64(x)
	default:
		u, n = protowire.ConsumeVarint(raw)
	}
	if n < 0 {
		return row.Value{}, 0, protowire.ParseError(n)
	}
	switch f.kind {
	case protoreflect.BoolKind:
		return ofBoolean(target, u != 0), n, nil
	case protoreflect.EnumKind:
		return row.OfString(enumName(f.enum, protoreflect.EnumNumber(int32(u)))), n, nil //nolint:gosec // the bits
	case protoreflect.DoubleKind:
		return ofFloat64(d.arena, target, math.Float64frombits(u)), n, nil
	case protoreflect.FloatKind:
		return ofFloat32(d.arena, target, math.Float32frombits(uint32(u))), n, nil //nolint:gosec // the bits
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return ofInteger(d.arena, target, protowire.DecodeZigZag(u)), n, nil
	case protoreflect.Int32Kind, protoreflect.Sfixed32Kind:
		return ofInteger(d.arena, target, int64(int32(u))), n, nil //nolint:gosec // the bits
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return ofInteger(d.arena, target, int64(uint32(u))), n, nil //nolint:gosec // the bits
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		if target == row.String {
			return row.OfString(strconv.FormatInt(int64(u), 10)), n, nil //nolint:gosec // the bits, as Java's long
		}
		return ofInteger(d.arena, target, int64(u)), n, nil //nolint:gosec // the bits
	default:
		return ofInteger(d.arena, target, int64(u)), n, nil //nolint:gosec // the bits
	}
}
