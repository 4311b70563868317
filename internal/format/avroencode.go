package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"leat.dev/internal/registry/schema/avro"
	"leat.dev/internal/registry/schema/tree"
	"leat.dev/internal/row"
)

// avroWrite says how values of one SQL type are written as one Avro type.
type avroWrite struct {
	kind     avro.Kind
	source   row.Kind
	elem     *avroWrite // arrays and maps
	entries  bool       // a map as an array of {key, value}
	key      *avroWrite // of such an array
	swapped  bool       // of such an array: the value stands first
	fields   []avroPut  // records: in the schema's order; unions of several types: by branch
	null     int        // unions: the branch of NULL, -1 if there is none
	branch   int        // unions with one other branch: which it is
	one      *avroWrite // that branch
	symbols  []string   // enums
	size     int        // fixed
	scale    int32      // decimals
	decimals bool       // bytes and fixed that hold decimals
	precise  int32      // decimals: the schema's precision, 0 for any
}

// avroPut is a field of a record: the value at from, or constant bytes.
type avroPut struct {
	from     int // -1 for none
	plan     *avroWrite
	constant []byte
}

// compileAvroWrite plans writing source as t, at a path for errors.
func compileAvroWrite(t *avro.Type, source *row.Type, path string) (*avroWrite, error) {
	w := &avroWrite{kind: t.Kind, source: source.Kind(), symbols: t.Symbols, size: t.Size, null: -1}
	misfit := fmt.Errorf("%s cannot be written as Avro %s%s", source, t.Kind, at(path))
	var err error
	switch t.Kind {
	case avro.Union:
		return w, w.union(t, source, path)
	case avro.Record:
		if source.Kind() != row.Struct {
			return nil, misfit
		}
		return w, w.record(t, source, path)
	case avro.Array:
		switch {
		case source.Kind() == row.Map && isMapEntries(t):
			w.entries = true
			key, value := t.Items.Fields[0], t.Items.Fields[1]
			if w.swapped = key.Name != "key"; w.swapped {
				key, value = value, key
			}
			if w.key, err = compileAvroWrite(key.Type, source.Key(), path+"->MAP_KEY"); err != nil {
				return nil, err
			}
			w.elem, err = compileAvroWrite(value.Type, source.Elem(), path+"->MAP_VAL")
			return w, err
		case source.Kind() != row.Array:
			return nil, misfit
		}
		w.elem, err = compileAvroWrite(t.Items, source.Elem(), path+"->ARRAY")
		return w, err
	case avro.Map:
		if source.Kind() != row.Map {
			return nil, misfit
		}
		w.elem, err = compileAvroWrite(t.Items, source.Elem(), path+"->MAP_VAL")
		return w, err
	}
	if !w.scalar(t, source) {
		return nil, misfit
	}
	return w, nil
}

func at(path string) string {
	if path == "" {
		return ""
	}
	return " at " + path
}

// scalar reports whether a value of the SQL type can be written as the Avro type, widening at most.
func (w *avroWrite) scalar(t *avro.Type, source *row.Type) bool {
	k := source.Kind()
	switch t.Kind {
	case avro.Boolean:
		return k == row.Boolean
	case avro.Int:
		return k == row.Integer || k == row.Date || k == row.Time
	case avro.Long:
		return k == row.Integer || k == row.Date || k == row.Time || k == row.Bigint || k == row.Timestamp
	case avro.Float, avro.Double:
		return k == row.Double
	case avro.String, avro.Enum:
		return k == row.String
	case avro.Bytes, avro.Fixed:
		if w.decimals = prop(t, "logicalType") == "decimal"; w.decimals {
			w.precise, w.scale = avroPrecision(t)
			return k == row.Decimal
		}
		return k == row.Bytes
	default:
		return false
	}
}

func (w *avroWrite) union(t *avro.Type, source *row.Type, path string) error {
	rest := 0
	for i, b := range t.Types {
		if b.Kind == avro.Null {
			w.null = i
			continue
		}
		rest++
		w.branch = i
	}
	if rest == 1 {
		var err error
		w.one, err = compileAvroWrite(t.Types[w.branch], source, path)
		return err
	}
	if source.Kind() != row.Struct {
		return fmt.Errorf("%s cannot be written as an Avro union of several types%s", source, at(path))
	}
	for _, b := range t.Types {
		put := avroPut{from: -1}
		if b.Kind != avro.Null {
			if put.from = avroFieldFor(source, branchName(b)); put.from >= 0 {
				f := source.Fields()[put.from]
				var err error
				if put.plan, err = compileAvroWrite(b, f.Type, path+"->"+f.Name); err != nil {
					return err
				}
			}
		}
		w.fields = append(w.fields, put)
	}
	return nil
}

// fieldFor is the struct's field that a name of a schema means: the exact one, or the one in upper case.
func fieldFor(t *row.Type, name string) int {
	if i := t.FieldIndex(name); i >= 0 {
		return i
	}
	return t.FieldIndex(strings.ToUpper(name))
}

func (w *avroWrite) record(t *avro.Type, source *row.Type, path string) error {
	used := make([]bool, len(source.Fields()))
	for _, f := range t.Fields {
		put := avroPut{from: avroFieldFor(source, f.Name)}
		var err error
		if put.from >= 0 {
			column := source.Fields()[put.from]
			used[put.from] = true
			put.plan, err = compileAvroWrite(f.Type, column.Type, path+"->"+column.Name)
		} else {
			put.constant, err = avroDefault(f)
		}
		if err != nil {
			return err
		}
		w.fields = append(w.fields, put)
	}
	if i := slices.Index(used, false); i >= 0 {
		return fmt.Errorf("the Avro record %s has no field for %s%s", t.Name.Full(), row.QuoteName(source.Fields()[i].Name), at(path))
	}
	return nil
}

// avroDefault is the default of a field that no column fills, as bytes.
func avroDefault(f *avro.Field) ([]byte, error) {
	if f.Default == nil {
		if f.Type.Kind == avro.Union {
			if i := slices.IndexFunc(f.Type.Types, func(b *avro.Type) bool { return b.Kind == avro.Null }); i >= 0 {
				return binary.AppendVarint(nil, int64(i)), nil
			}
		}
		return nil, fmt.Errorf("the Avro field %s has no default and no column fills it", f.Name)
	}
	b, err := appendAvroNode(nil, f.Type, f.Default, 0)
	if err != nil {
		return nil, fmt.Errorf("the default of the Avro field %s: %w", f.Name, err)
	}
	return b, nil
}

var errDefault = errors.New("it is no value of its type")

// appendAvroNode writes a default. Those of unions belong to the first branch.
func appendAvroNode(dst []byte, t *avro.Type, n *tree.Node, depth int) ([]byte, error) {
	var err error
	switch {
	case depth > maxDefaultDepth || len(dst) > maxDefault:
		return nil, errBigValue
	case t.Kind == avro.Union && len(t.Types) > 0:
		return appendAvroNode(append(dst, 0), t.Types[0], n, depth+1)
	case t.Kind == avro.Null && n.Kind == tree.Null:
		return dst, nil
	case t.Kind == avro.Boolean && n.Kind == tree.Bool:
		if n.Bool {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	case (t.Kind == avro.Int || t.Kind == avro.Long) && n.Kind == tree.Number:
		d, err := row.ParseDec(n.Text)
		return binary.AppendVarint(dst, d.Low64()), err
	case (t.Kind == avro.Float || t.Kind == avro.Double) && n.Kind == tree.Number:
		d, err := row.ParseDec(n.Text)
		if t.Kind == avro.Float {
			return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(d.Double()))), err
		}
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(d.Double())), err
	case t.Kind == avro.String && n.Kind == tree.String:
		return appendAvroText(dst, n.Text), nil
	case t.Kind == avro.Enum && n.Kind == tree.String && slices.Contains(t.Symbols, n.Text):
		return binary.AppendVarint(dst, int64(slices.Index(t.Symbols, n.Text))), nil
	case (t.Kind == avro.Bytes || t.Kind == avro.Fixed) && n.Kind == tree.String: // one byte for each character up to U+00FF
		var b []byte
		for _, r := range n.Text {
			b = append(b, byte(r)) //nolint:gosec // by the specification
		}
		if t.Kind == avro.Bytes {
			dst = binary.AppendVarint(dst, int64(len(b)))
		}
		return append(dst, b...), nil
	case t.Kind == avro.Array && n.Kind == tree.Array:
		if len(n.Items) > 0 {
			dst = binary.AppendVarint(dst, int64(len(n.Items)))
		}
		for _, item := range n.Items {
			if dst, err = appendAvroNode(dst, t.Items, item, depth+1); err != nil {
				return nil, err
			}
		}
		return append(dst, 0), nil
	case t.Kind == avro.Map && n.Kind == tree.Object:
		if len(n.Members) > 0 {
			dst = binary.AppendVarint(dst, int64(len(n.Members)))
		}
		for _, m := range n.Members {
			if dst, err = appendAvroNode(appendAvroText(dst, m.Key), t.Items, m.Value, depth+1); err != nil {
				return nil, err
			}
		}
		return append(dst, 0), nil
	case t.Kind == avro.Record && n.Kind == tree.Object:
		for _, f := range t.Fields {
			value := n.Get(f.Name)
			if value == nil {
				value = f.Default
			}
			if value == nil {
				return nil, errDefault
			}
			if dst, err = appendAvroNode(dst, f.Type, value, depth+1); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}
	return nil, errDefault
}

func appendAvroText(dst []byte, s string) []byte {
	return append(binary.AppendVarint(dst, int64(len(s))), s...)
}

var errAvroNull = errors.New("NULL has no place in a schema without null")

// append writes a value.
func (w *avroWrite) append(dst []byte, v row.Value) ([]byte, error) {
	if w.kind == avro.Union {
		return w.appendUnion(dst, v)
	}
	if v.IsNull() {
		return nil, errAvroNull
	}
	switch w.kind {
	case avro.Boolean:
		if v.Bool() {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	case avro.Int, avro.Long:
		return binary.AppendVarint(dst, v.Long()), nil
	case avro.Double:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Double())), nil
	case avro.Float:
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(v.Double()))), nil
	case avro.String:
		return appendAvroText(dst, v.Str()), nil
	case avro.Enum:
		i := slices.Index(w.symbols, v.Str())
		if i < 0 {
			return nil, fmt.Errorf("%q is none of the enum's symbols", v.Str())
		}
		return binary.AppendVarint(dst, int64(i)), nil
	case avro.Bytes, avro.Fixed:
		return w.appendBytes(dst, v)
	case avro.Record:
		var err error
		values := v.Fields()
		for i := range w.fields {
			f := &w.fields[i]
			if f.from < 0 {
				dst = append(dst, f.constant...)
			} else if dst, err = f.plan.append(dst, values[f.from]); err != nil {
				return nil, err
			}
		}
		return dst, nil
	default:
		return w.appendCollection(dst, v)
	}
}

func (w *avroWrite) appendUnion(dst []byte, v row.Value) ([]byte, error) {
	if v.IsNull() {
		if w.null < 0 {
			return nil, errAvroNull
		}
		return binary.AppendVarint(dst, int64(w.null)), nil
	}
	if w.one != nil {
		return w.one.append(binary.AppendVarint(dst, int64(w.branch)), v)
	}
	values := v.Fields()
	for i, f := range w.fields {
		if f.from >= 0 && !values[f.from].IsNull() {
			return f.plan.append(binary.AppendVarint(dst, int64(i)), values[f.from])
		}
	}
	if w.null >= 0 {
		return binary.AppendVarint(dst, int64(w.null)), nil
	}
	return nil, errAvroNull
}

func (w *avroWrite) appendBytes(dst []byte, v row.Value) ([]byte, error) {
	b := v.Bytes()
	if w.decimals {
		d, err := v.Decimal().Rescale(w.scale, row.RoundUnnecessary)
		if err != nil {
			return nil, fmt.Errorf("decimal %s does not fit the schema's scale %d: %w", v.Decimal(), w.scale, err)
		}
		if w.precise > 0 && d.Digits() > w.precise {
			return nil, fmt.Errorf("decimal %s has more than the schema's %d digits", d, w.precise)
		}
		b = appendUnscaled(nil, d)
		if missing := w.size - len(b); w.kind == avro.Fixed && missing > 0 {
			b = append(bytes.Repeat([]byte{signByte(b)}, missing), b...)
		}
	}
	if w.kind == avro.Bytes {
		return append(binary.AppendVarint(dst, int64(len(b))), b...), nil
	}
	if len(b) != w.size {
		return nil, fmt.Errorf("%d bytes do not fit a fixed of %d", len(b), w.size)
	}
	return append(dst, b...), nil
}

func signByte(b []byte) byte {
	if b[0] >= 0x80 {
		return 0xFF
	}
	return 0
}

// appendUnscaled appends a decimal's coefficient as the shortest big-endian two's complement, as BigInteger.toByteArray.
func appendUnscaled(dst []byte, d row.Dec) []byte {
	if n, ok := d.Small(); ok {
		size := 1
		for size < 8 && (n > 1<<(8*size-1)-1 || n < -1<<(8*size-1)) {
			size++
		}
		for i := size - 1; i >= 0; i-- {
			dst = append(dst, byte(n>>(8*i))) //nolint:gosec // the bits
		}
		return dst
	}
	n := d.Coefficient()
	if n.Sign() >= 0 {
		b := n.Bytes()
		if b[0] >= 0x80 {
			dst = append(dst, 0)
		}
		return append(dst, b...)
	}
	size := len(new(big.Int).Not(n).Bytes())                    // of -n-1: what the magnitude needs beside a sign bit
	n.Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*(size+1)))) //nolint:gosec // a length
	b := n.Bytes()
	if b[0] == 0xFF && b[1] >= 0x80 {
		b = b[1:]
	}
	return append(dst, b...)
}

func (w *avroWrite) appendCollection(dst []byte, v row.Value) ([]byte, error) {
	if v.Len() == 0 {
		return append(dst, 0), nil
	}
	dst = binary.AppendVarint(dst, int64(v.Len()))
	var err error
	if w.source == row.Array {
		for _, e := range v.Elems() {
			if dst, err = w.elem.append(dst, e); err != nil {
				return nil, err
			}
		}
		return append(dst, 0), nil
	}
	for _, e := range v.Entries() {
		switch {
		case !w.entries && e.Key.IsNull():
			return nil, errMapKey
		case !w.entries:
			dst = appendAvroText(dst, e.Key.Str())
		case !w.swapped:
			if dst, err = w.key.append(dst, e.Key); err != nil {
				return nil, err
			}
		}
		if dst, err = w.elem.append(dst, e.Value); err != nil {
			return nil, err
		}
		if w.entries && w.swapped {
			if dst, err = w.key.append(dst, e.Key); err != nil {
				return nil, err
			}
		}
	}
	return append(dst, 0), nil
}
