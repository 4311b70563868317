package format

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"leat.dev/internal/registry/schema/tree"
	"leat.dev/internal/row"
)

// jsonSRDecoder reads JSON by the registered JSON Schema.
type jsonSRDecoder struct {
	side    Side
	target  *row.Type
	schemas Schemas
	plans   plans[*wireType]
	arena   *row.Arena
	room    int // values that the row may still hold
}

// NewJSONSchemaDecoder reads JSON in the registry's wire format by the schema it was written with, as Confluent's converter
// does and with its leniency: what has the wrong JSON type is 0, 0.0 or false in a number or boolean, NULL in a string, an
// empty array in an array; numbers are cut. NULL where the schema has no null is an error, a missing property is NULL.
func NewJSONSchemaDecoder(side Side, schemas Schemas) (Decoder, error) {
	target, err := side.target()
	if err != nil {
		return nil, err
	}
	return &jsonSRDecoder{side: side, schemas: schemas, target: target}, checkJSON(side.Columns)
}

// NewJSONSchemaEncoder writes JSON in the registry's wire format. It is the JSON of [NewJSONEncoder], except that a MAP is an
// array of objects with key and value.
func NewJSONSchemaEncoder(side Side, id int32) (Encoder, error) {
	e, err := newJSONEncoder(side, true)
	if err != nil {
		return nil, err
	}
	e.id = &id
	return e, nil
}

func (d *jsonSRDecoder) Decode(a *row.Arena, data []byte) (row.Row, error) {
	if data == nil {
		return nil, nil
	}
	r, err := d.decode(a, data)
	if err != nil {
		return nil, d.side.cannotRead(err)
	}
	return r, nil
}

func (d *jsonSRDecoder) decode(a *row.Arena, data []byte) (row.Row, error) {
	id, data, err := cutPrefix(data)
	if err != nil {
		return nil, err
	}
	t, err := d.plans.get(id, d.schemas, parseJSONSchema)
	if err != nil {
		return nil, err
	}
	n, _, err := tree.Parse(string(data))
	if err != nil {
		return nil, err
	}
	if n == nil {
		return nil, nil
	}
	d.arena, d.room = a, room(data)
	v, err := d.value(t, n, d.target, "")
	if err != nil {
		return nil, err
	}
	return d.side.row(a, v), nil
}

// value reads n, which t describes, as target.
func (d *jsonSRDecoder) value(t *wireType, n *tree.Node, target *row.Type, path string) (row.Value, error) {
	if n.Is(tree.Null) {
		if !t.optional {
			return row.Value{}, fmt.Errorf("Invalid null value for required %s field", strings.ToUpper(t.kind.String())) //nolint:staticcheck // Connect's text
		}
		return row.Value{}, nil
	}
	if err := checkWire(target.Kind(), t.kind, path); err != nil {
		return row.Value{}, err
	}
	switch t.kind {
	case wireInt8, wireInt16, wireInt32, wireInt64:
		return ofInteger(d.arena, target.Kind(), cut(t.kind, jsonLong(n))), nil
	case wireFloat32:
		return ofFloat32(d.arena, target.Kind(), float32(jsonDouble(n))), nil
	case wireFloat64:
		return ofFloat64(d.arena, target.Kind(), jsonDouble(n)), nil
	case wireBoolean:
		return ofBoolean(target.Kind(), n.Is(tree.Bool) && n.Bool), nil
	case wireString:
		if !n.Is(tree.String) {
			return row.Value{}, nil
		}
		return row.OfString(n.Text), nil
	case wireBytes:
		b, ok := decodeBase64(d.arena, []byte(n.Text))
		if !n.Is(tree.String) || !ok {
			return row.Value{}, fmt.Errorf("Value is not a valid Base64 encoded string: %s", n.Text) //nolint:staticcheck // ksqlDB's text
		}
		return row.OfBytes(b), nil
	case wireDecimal:
		if !n.Is(tree.Number) {
			return row.OfDecimal(row.Dec{}), nil
		}
		x, err := row.ParseDec(n.Text)
		return row.OfDecimal(x), err
	case wireArray:
		return d.array(t, n, target, path)
	case wireMap:
		return d.entries(t, n, target, path)
	default:
		return d.object(t, n, target, path)
	}
}

// cut keeps the low bits that a whole number's type has.
func cut(kind wireKind, n int64) int64 {
	switch kind {
	case wireInt8:
		return int64(int8(n)) //nolint:gosec // the low bits are meant
	case wireInt16:
		return int64(int16(n)) //nolint:gosec // the low bits are meant
	case wireInt32:
		return int64(int32(n)) //nolint:gosec // the low bits are meant
	}
	return n
}

func jsonLong(n *tree.Node) int64 {
	if !n.Is(tree.Number) {
		return 0
	}
	d, err := row.ParseDec(n.Text)
	if err != nil {
		return 0
	}
	return d.Low64()
}

func jsonDouble(n *tree.Node) float64 {
	if !n.Is(tree.Number) {
		return 0
	}
	f, _ := strconv.ParseFloat(n.Text, 64) // out of range is an infinity
	return f
}

func (d *jsonSRDecoder) array(t *wireType, n *tree.Node, target *row.Type, path string) (row.Value, error) {
	values := make([]row.Value, 0, len(n.Items))
	for _, item := range n.Items {
		v, err := d.value(t.elem, item, target.Elem(), path+"->ARRAY")
		if err != nil {
			return row.Value{}, err
		}
		values = append(values, v)
	}
	return row.OfArray(values), nil
}

func (d *jsonSRDecoder) entries(t *wireType, n *tree.Node, target *row.Type, path string) (row.Value, error) {
	var entries []row.Entry
	add := func(key row.Value, value *tree.Node) error {
		v := row.Value{}
		var err error
		if value != nil {
			if v, err = d.value(t.elem, value, target.Elem(), path+"->MAP_VAL"); err != nil {
				return err
			}
		}
		entries = append(entries, row.Entry{Key: key, Value: v})
		return nil
	}
	for _, m := range n.Members {
		if err := add(row.OfString(m.Key), m.Value); err != nil {
			return row.Value{}, err
		}
	}
	for _, item := range n.Items {
		var key row.Value
		if k := item.Get("key"); k != nil {
			var err error
			if key, err = d.value(t.key, k, target.Key(), path+"->MAP_KEY"); err != nil {
				return row.Value{}, err
			}
		}
		if err := add(key, item.Get("value")); err != nil {
			return row.Value{}, err
		}
	}
	return row.OfMap(distinct(entries)), nil
}

var errJSONStruct = errors.New("Structs should be encoded as JSON objects") //nolint:staticcheck // Connect's text

func (d *jsonSRDecoder) object(t *wireType, n *tree.Node, target *row.Type, path string) (row.Value, error) {
	if !t.oneOf && !n.Is(tree.Object) {
		return row.Value{}, errJSONStruct
	}
	if d.room -= len(target.Fields()); d.room < 0 {
		return row.Value{}, errRoom
	}
	values := d.arena.Row(len(target.Fields()))
	for _, f := range t.fields {
		member := n
		if t.oneOf {
			if !f.typ.fits(n) {
				continue
			}
		} else {
			member = n.Get(f.name)
		}
		if to := fieldFor(target, f.name); to >= 0 {
			if values[to] = (row.Value{}); member == nil { // missing: NULL, whatever an earlier property of the same column had
				continue
			}
			field := target.Fields()[to]
			v, err := d.value(f.typ, member, field.Type, path+"->"+field.Name)
			if err != nil {
				return row.Value{}, err
			}
			values[to] = v
		}
		if t.oneOf {
			break
		}
	}
	return row.OfStruct(values), nil
}

// fits reports whether a JSON value may belong to a branch of a union.
func (t *wireType) fits(n *tree.Node) bool {
	switch t.kind {
	case wireBoolean:
		return n.Is(tree.Bool)
	case wireString, wireBytes:
		return n.Is(tree.String)
	case wireArray:
		return n.Is(tree.Array)
	case wireMap:
		return n.Is(tree.Array) || n.Is(tree.Object)
	case wireStruct:
		return n.Is(tree.Object)
	case wireFloat32, wireFloat64, wireDecimal:
		return n.Is(tree.Number)
	default:
		return n.Is(tree.Number) && tree.IsInteger(n.Text)
	}
}
