package format

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"leat.dev/internal/registry/schema/avro"
	"leat.dev/internal/row"
)

// avroPlan says how data of one writer's type is read into a value of one SQL type, or skipped.
type avroPlan struct {
	code     avroCode
	target   row.Kind
	elem     *avroPlan   // arrays and maps: of the elements
	key      *avroPlan   // arrays of map entries: of the keys
	swapped  bool        // arrays of map entries: the value stands before the key
	fields   []avroField // records: in the writer's order
	width    int         // records and open unions: fields of the struct
	branches []avroField // unions: by branch; to is the struct's field, or -1 in a union with null only
	symbols  []string    // enums
	size     int64       // fixed
	scale    int32       // decimals: of the writer
	decimal  *row.Type   // decimals: of the target
	err      error       // the types do not suit: every datum fails here
}

type avroField struct {
	to   int // field of the struct, -1 to skip
	plan *avroPlan
}

type avroCode uint8

const (
	avroNull avroCode = iota
	avroBoolean
	avroInt
	avroLong
	avroFloat
	avroDouble
	avroString
	avroEnum
	avroBytes
	avroFixed
	avroDecimal
	avroFixedDecimal
	avroArray
	avroMap
	avroEntries // an array of {key, value} records
	avroRecord
	avroOptional // a union in which all branches but nulls are one
	avroUnion    // any other union: a struct with a field for each branch
	avroSkip     // of target: there is none
)

// avroCodes are the codes that a kind has by itself, whatever is done with its data.
var avroCodes = [...]avroCode{
	avro.Null: avroNull, avro.Boolean: avroBoolean, avro.Int: avroInt, avro.Long: avroLong, avro.Float: avroFloat, avro.Double: avroDouble,
	avro.String: avroString, avro.Enum: avroEnum, avro.Bytes: avroBytes, avro.Fixed: avroFixed,
	avro.Array: avroArray, avro.Map: avroMap, avro.Record: avroRecord, avro.Union: avroUnion,
}

var errAvroBranch = errors.New("an Avro union names a branch that its schema does not have")

// avroCompiler makes plans. Plans for skipping are shared by type, because schemas may be recursive; SQL types are not.
type avroCompiler struct {
	skips map[*avro.Type]*avroPlan
	seen  int // places planned so far
}

// isMapEntries reports whether an Avro array holds the entries of a Connect map.
func isMapEntries(t *avro.Type) bool {
	if t.Kind != avro.Array || t.Items.Kind != avro.Record || len(t.Items.Fields) != 2 {
		return false
	}
	entry := prop(t.Items, "connect.internal.type")
	a, b := t.Items.Fields[0].Name, t.Items.Fields[1].Name
	return entry == "MapEntry" && (a == "key" && b == "value" || a == "value" && b == "key")
}

// prop is a text among a type's properties, empty if there is none.
func prop(t *avro.Type, name string) string {
	for _, p := range t.Props {
		if p.Key == name {
			return p.Value.Text
		}
	}
	return ""
}

// others are the branches of a union that are not null.
func others(t *avro.Type) []*avro.Type {
	var rest []*avro.Type
	for _, b := range t.Types {
		if b.Kind != avro.Null {
			rest = append(rest, b)
		}
	}
	return rest
}

// wire is the Connect type of an Avro type that is no null and no union with null.
func avroWire(t *avro.Type) wireKind {
	switch t.Kind {
	case avro.Boolean:
		return wireBoolean
	case avro.Int:
		return wireInt32
	case avro.Long:
		return wireInt64
	case avro.Float:
		return wireFloat32
	case avro.Double:
		return wireFloat64
	case avro.Bytes, avro.Fixed:
		if prop(t, "logicalType") == "decimal" {
			return wireDecimal
		}
		return wireBytes
	case avro.Array:
		if isMapEntries(t) {
			return wireMap
		}
		return wireArray
	case avro.Map:
		return wireMap
	case avro.Record, avro.Union:
		return wireStruct
	default:
		return wireString
	}
}

// compile plans reading t as target, at a path for errors.
func (c *avroCompiler) compile(t *avro.Type, target *row.Type, path string) *avroPlan {
	if c.seen++; c.seen > maxCompiled {
		return &avroPlan{err: errCompiled}
	}
	if t.Kind == avro.Null {
		return &avroPlan{code: avroNull, target: target.Kind()}
	}
	if t.Kind == avro.Union {
		return c.union(t, target, path)
	}
	if err := checkWire(target.Kind(), avroWire(t), path); err != nil {
		return &avroPlan{err: err}
	}
	p := &avroPlan{target: target.Kind(), size: int64(t.Size), symbols: t.Symbols}
	switch p.code = avroCodes[t.Kind]; t.Kind {
	case avro.Bytes, avro.Fixed:
		if target.Kind() == row.Decimal {
			p.code += avroDecimal - avroBytes
			_, p.scale = avroPrecision(t)
			p.decimal = target
		}
	case avro.Map:
		p.code, p.elem = avroMap, c.compile(t.Items, target.Elem(), path+"->MAP_VAL")
		p.err = checkKey(target, path)
	case avro.Array:
		if !isMapEntries(t) {
			p.code, p.elem = avroArray, c.compile(t.Items, target.Elem(), path+"->ARRAY")
			break
		}
		key, value := t.Items.Fields[0], t.Items.Fields[1]
		if p.swapped = key.Name != "key"; p.swapped {
			key, value = value, key
		}
		p.code = avroEntries
		p.key, p.elem = c.compile(key.Type, target.Key(), path+"->MAP_KEY"), c.compile(value.Type, target.Elem(), path+"->MAP_VAL")
	case avro.Record:
		c.record(p, t, target, path)
	default:
	}
	return p
}

func checkKey(target *row.Type, path string) error {
	return checkWire(target.Key().Kind(), wireString, path+"->MAP_KEY")
}

// record finds a place for each of the writer's fields: the exact name, else the name in upper case. Several may mean the
// same field: the last one stays.
func (c *avroCompiler) record(p *avroPlan, t *avro.Type, target *row.Type, path string) {
	p.code, p.width = avroRecord, len(target.Fields())
	for _, f := range t.Fields {
		to := avroFieldFor(target, f.Name)
		if to < 0 {
			p.fields = append(p.fields, avroField{-1, c.skip(f.Type)})
			continue
		}
		field := target.Fields()[to]
		p.fields = append(p.fields, avroField{to, c.compile(f.Type, field.Type, path+"->"+field.Name)})
	}
}

func (c *avroCompiler) union(t *avro.Type, target *row.Type, path string) *avroPlan {
	rest := others(t)
	p := &avroPlan{code: avroOptional, target: target.Kind()}
	if len(rest) > 1 {
		if err := checkWire(target.Kind(), wireStruct, path); err != nil {
			return &avroPlan{err: err}
		}
		p.code, p.width = avroUnion, len(target.Fields())
	}
	for _, b := range t.Types {
		switch {
		case b.Kind == avro.Null || p.code == avroOptional:
			p.branches = append(p.branches, avroField{0, c.compile(b, target, path)})
		default:
			to := avroFieldFor(target, branchName(b))
			if to < 0 {
				p.branches = append(p.branches, avroField{-1, c.skip(b)})
				continue
			}
			field := target.Fields()[to]
			p.branches = append(p.branches, avroField{to, c.compile(b, field.Type, path+"->"+field.Name)})
		}
	}
	return p
}

// avroFieldFor is the struct's field that a name of an Avro schema means: the exact one, else the one in upper case. Dots of
// a column's name are underscores there.
func avroFieldFor(t *row.Type, name string) int {
	upper, folded := strings.ToUpper(name), -1
	for i, f := range t.Fields() {
		switch strings.ReplaceAll(f.Name, ".", "_") {
		case name:
			return i
		case upper:
			if folded < 0 {
				folded = i
			}
		}
	}
	return folded
}

// branchName is what the field of a union's branch is called: the type, or a record's, enum's or fixed's own name.
func branchName(t *avro.Type) string {
	if t.Name.Short != "" {
		return t.Name.Short
	}
	return t.Kind.String()
}

// skip plans reading over t.
func (c *avroCompiler) skip(t *avro.Type) *avroPlan {
	if p := c.skips[t]; p != nil {
		return p
	}
	if c.skips == nil {
		c.skips = map[*avro.Type]*avroPlan{}
	}
	p := &avroPlan{size: int64(t.Size), symbols: t.Symbols}
	c.skips[t] = p
	switch p.code = avroCodes[t.Kind]; t.Kind {
	case avro.Map, avro.Array:
		p.elem = c.skip(t.Items)
	case avro.Record:
		for _, f := range t.Fields {
			p.fields = append(p.fields, avroField{-1, c.skip(f.Type)})
		}
	case avro.Union:
		for _, b := range t.Types {
			p.branches = append(p.branches, avroField{-1, c.skip(b)})
		}
	}
	return p
}

// read reads a datum into *to, which holds NULL.
func (r *avroReader) read(p *avroPlan, to *row.Value) error {
	if p.code == avroOptional {
		n, err := r.long()
		if err != nil {
			return err
		}
		if n < 0 || n >= int64(len(p.branches)) {
			return errAvroBranch
		}
		p = p.branches[n].plan // unions do not hold unions
	}
	if p.err != nil {
		return p.err
	}
	switch p.code {
	case avroNull:
		return nil
	case avroInt:
		n, err := r.int()
		*to = ofInteger(r.arena, p.target, int64(n))
		return err
	case avroLong:
		n, err := r.long()
		*to = ofInteger(r.arena, p.target, n)
		return err
	case avroString:
		s, err := r.text()
		*to = row.OfString(s)
		return err
	case avroRecord:
		return r.record(p, to)
	case avroBoolean:
		b, err := r.bool()
		*to = ofBoolean(p.target, b)
		return err
	case avroDouble:
		f, err := r.double()
		*to = ofFloat64(r.arena, p.target, f)
		return err
	case avroFloat:
		f, err := r.float()
		*to = ofFloat32(r.arena, p.target, f)
		return err
	case avroBytes:
		b, err := r.bytes()
		*to = row.OfBytes(b)
		return err
	case avroFixed:
		b, err := r.fixed(p.size)
		*to = row.OfBytes(b)
		return err
	case avroEnum:
		n, err := r.long()
		if err == nil && (n < 0 || n >= int64(len(p.symbols))) {
			return fmt.Errorf("an Avro enum has the index %d of %d symbols", n, len(p.symbols))
		}
		if err == nil {
			*to = row.OfString(p.symbols[n])
		}
		return err
	case avroDecimal, avroFixedDecimal:
		return r.decimal(p, to)
	case avroArray, avroMap, avroEntries:
		return r.collection(p, to)
	default:
		return r.union(p, to)
	}
}

func (r *avroReader) record(p *avroPlan, to *row.Value) error {
	if err := r.enter(); err != nil {
		return err
	}
	if r.room -= p.width; r.room < 0 {
		return errRoom
	}
	values := r.arena.Row(p.width)
	for i := range p.fields {
		f := &p.fields[i]
		if f.to < 0 {
			if err := r.skip(f.plan); err != nil {
				return err
			}
			continue
		}
		values[f.to] = row.Value{}
		if err := r.read(f.plan, &values[f.to]); err != nil {
			return err
		}
	}
	*to = row.OfStruct(values)
	r.depth--
	return nil
}

func (r *avroReader) union(p *avroPlan, to *row.Value) error {
	n, err := r.long()
	if err != nil {
		return err
	}
	if n < 0 || n >= int64(len(p.branches)) {
		return errAvroBranch
	}
	if r.room -= p.width; r.room < 0 {
		return errRoom
	}
	b := p.branches[n]
	switch {
	case b.plan.code == avroNull:
		return nil
	case b.to < 0:
		*to = row.OfStruct(r.arena.Row(p.width))
		return r.skip(b.plan)
	}
	values := r.arena.Row(p.width)
	*to = row.OfStruct(values)
	return r.read(b.plan, &values[b.to])
}

func (r *avroReader) decimal(p *avroPlan, to *row.Value) error {
	b, err := r.fixedOrBytes(p)
	if err != nil {
		return err
	}
	d, err := checkedUnscaled(b, p.scale)
	if err != nil {
		return err
	}
	if d, err = d.Fit(p.decimal.Precision(), p.decimal.Scale()); err != nil {
		return err
	}
	*to = row.OfDecimal(d)
	return nil
}

func (r *avroReader) fixedOrBytes(p *avroPlan) ([]byte, error) {
	if p.code == avroFixedDecimal {
		return r.fixed(p.size)
	}
	return r.bytes()
}

// unscaled is a decimal whose coefficient is big-endian two's complement.
func unscaled(b []byte, scale int32) row.Dec {
	if len(b) <= 8 {
		var n int64
		if len(b) > 0 && b[0] >= 0x80 {
			n = -1
		}
		for _, x := range b {
			n = n<<8 | int64(x)
		}
		return row.DecOf(n, scale)
	}
	n := new(big.Int).SetBytes(b)
	if b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b)))) //nolint:gosec // a length
	}
	return row.DecOfBig(n, scale)
}

func (r *avroReader) collection(p *avroPlan, to *row.Value) error {
	if err := r.enter(); err != nil {
		return err
	}
	values, pairs := len(r.stack), len(r.pairs)
	for {
		n, err := r.block()
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		for ; n > 0; n-- {
			start := r.pos
			if p.code == avroArray {
				r.cell = row.Value{}
				err = r.read(p.elem, &r.cell)
				r.stack = append(r.stack, r.cell)
			} else {
				err = r.entry(p, pairs)
			}
			if err == nil {
				err = r.element(start)
			}
			if err != nil {
				return err
			}
		}
	}
	if p.code == avroArray {
		*to = r.arena.Array(r.stack[values:])
		r.stack = r.stack[:values]
	} else {
		*to = r.arena.Map(distinct(r.pairs[pairs:]))
		r.pairs = r.pairs[:pairs]
	}
	r.depth--
	return nil
}

// entry appends one entry of a map.
func (r *avroReader) entry(p *avroPlan, base int) error {
	var key, value row.Value
	switch {
	case p.code == avroMap:
		s, err := r.text()
		if err != nil {
			return err
		}
		key = row.OfString(s)
	case !p.swapped:
		r.cell = row.Value{}
		if err := r.read(p.key, &r.cell); err != nil {
			return err
		}
		key = r.cell
	}
	r.cell = row.Value{}
	if err := r.read(p.elem, &r.cell); err != nil {
		return err
	}
	value = r.cell
	if p.code == avroEntries && p.swapped {
		r.cell = row.Value{}
		if err := r.read(p.key, &r.cell); err != nil {
			return err
		}
		key = r.cell
	}
	r.pairs = append(r.pairs, row.Entry{Key: key, Value: value})
	return nil
}

// distinct keeps the last value of each key at the key's first place.
func distinct(entries []row.Entry) []row.Entry {
	if len(entries) < 2 {
		return entries
	}
	if len(entries) > smallMap {
		type name struct {
			text string
			null bool
		}
		at := make(map[name]int, len(entries))
		kept := entries[:0]
		for _, e := range entries {
			k := name{e.Key.Str(), e.Key.IsNull()}
			if i, ok := at[k]; ok {
				kept[i].Value = e.Value
				continue
			}
			at[k] = len(kept)
			kept = append(kept, e)
		}
		return kept
	}
	kept := entries[:1]
next:
	for _, e := range entries[1:] {
		for i := range kept {
			if row.Equal(kept[i].Key, e.Key) {
				kept[i].Value = e.Value
				continue next
			}
		}
		kept = append(kept, e)
	}
	return kept
}

// skip reads over a datum.
func (r *avroReader) skip(p *avroPlan) error {
	var err error
	switch p.code {
	case avroNull:
	case avroBoolean:
		_, err = r.fixed(1)
	case avroInt, avroLong, avroEnum:
		_, err = r.long()
	case avroFloat:
		_, err = r.fixed(4)
	case avroDouble:
		_, err = r.fixed(8)
	case avroString, avroBytes:
		_, err = r.bytes()
	case avroFixed:
		_, err = r.fixed(p.size)
	case avroArray, avroMap:
		err = r.skipBlocks(p)
	case avroRecord:
		if err = r.enter(); err != nil {
			return err
		}
		for i := range p.fields {
			if err = r.skip(p.fields[i].plan); err != nil {
				return err
			}
		}
		r.depth--
	default:
		var n int64
		if n, err = r.long(); err == nil {
			if n < 0 || n >= int64(len(p.branches)) {
				return errAvroBranch
			}
			if err = r.enter(); err == nil {
				err = r.skip(p.branches[n].plan)
				r.depth--
			}
		}
	}
	return err
}

func (r *avroReader) skipBlocks(p *avroPlan) error {
	if err := r.enter(); err != nil {
		return err
	}
	for {
		n, err := r.long()
		if err != nil {
			return err
		}
		if n == 0 {
			r.depth--
			return nil
		}
		if n < 0 {
			size, err := r.long()
			if err == nil {
				_, err = r.fixed(size)
			}
			if err != nil {
				return err
			}
			continue
		}
		for ; n > 0; n-- {
			start := r.pos
			if p.code == avroMap {
				if _, err := r.bytes(); err != nil {
					return err
				}
			}
			if err := r.skip(p.elem); err != nil {
				return err
			}
			if err := r.element(start); err != nil {
				return err
			}
		}
	}
}
