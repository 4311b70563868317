// Package plainjson reads and writes JSON of plain Go types as encoding/json/v2 does with its defaults, several times as
// fast. Plain are structs of exported fields, booleans, numbers, strings, pointers to and slices of plain types, without
// methods that say how they are written. A type is taken apart once, by reflection; For gives nil for others.
//
// A Codec knows when it does not know: text that is not in the form it expects (escapes by number, names that come twice,
// unknown members that are not scalars, anything wrong), and values that cannot be written. It then says so, and the caller
// asks encoding/json/v2, which decides what they are or what is wrong with them. What it does say is the same, byte for byte;
// the fuzz tests hold it to that. It starts no goroutines.
package plainjson

import (
	"encoding"
	"encoding/json"
	jsonv2 "encoding/json/v2"
	"reflect"
	"slices"
	"strings"
	"unsafe"
)

// Codec reads and writes one type. It is safe for concurrent use.
type Codec struct{ root *form }

// For gives the codec of a struct or of a pointer to one, nil if the type is not plain.
func For(t reflect.Type) *Codec {
	c := compiler{forms: map[reflect.Type]*form{}}
	if t == nil || t.Kind() != reflect.Struct && (t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct) {
		return nil
	}
	f := c.form(t)
	if c.refused {
		return nil
	}
	return &Codec{f}
}

// Append appends the JSON of the value at p, which is of the codec's type. It is false where encoding/json/v2 has to be asked;
// what is behind the length of dst is then undefined.
func (c *Codec) Append(dst []byte, p unsafe.Pointer) ([]byte, bool) {
	return appendValue(dst, c.root, p, 0)
}

// Decode reads b into the zero value of the codec's type at p. It is false where encoding/json/v2 has to be asked; the value
// is then undefined. Nothing at p refers to b.
func (c *Codec) Decode(b []byte, p unsafe.Pointer) bool {
	i := decodeValue(b, space(b, 0), c.root, p, 0)
	return i >= 0 && space(b, i) == len(b)
}

// depthMax is how deep values are nested, beyond which encoding/json/v2 is asked.
const depthMax = 200

// form is how values of one type are read and written.
type form struct {
	kind   reflect.Kind
	size   uintptr
	typ    reflect.Type
	elem   *form   // of pointers and slices
	fields []field // of structs
}

type field struct {
	*form
	name   string // without quotes
	quoted string // with quotes and colon, as it is written
	tail   string // the name with its closing quote
	offset uintptr
	omit   omission
}

type omission uint8

const (
	always omission = iota
	omitEmpty
	omitZero
)

// fieldsMax is the most fields of a struct: one bit of a word for each.
const fieldsMax = 64

type compiler struct {
	forms   map[reflect.Type]*form
	refused bool
}

var saysItself = []reflect.Type{
	reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[jsonv2.MarshalerTo](),
	reflect.TypeFor[jsonv2.UnmarshalerFrom](), reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	reflect.TypeFor[encoding.TextAppender](), reflect.TypeFor[interface{ IsZero() bool }](),
}

func (c *compiler) refuse() *form {
	c.refused = true
	return &form{}
}

func (c *compiler) form(t reflect.Type) *form {
	if f := c.forms[t]; f != nil {
		return f
	}
	if c.refused || t.PkgPath() == "time" || strings.HasPrefix(t.PkgPath(), "encoding/json") {
		return c.refuse()
	}
	for _, own := range saysItself {
		if t.Implements(own) || reflect.PointerTo(t).Implements(own) {
			return c.refuse()
		}
	}
	f := &form{kind: t.Kind(), size: t.Size(), typ: t}
	c.forms[t] = f
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
	case reflect.Pointer:
		f.elem = c.form(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 { // is written as base64
			return c.refuse()
		}
		f.elem = c.form(t.Elem())
	case reflect.Struct:
		c.fields(f, t)
	default:
		return c.refuse()
	}
	return f
}

func (c *compiler) fields(f *form, t reflect.Type) {
	for sf := range t.Fields() {
		tag, tagged := sf.Tag.Lookup("json")
		switch {
		case tag == "-":
			continue
		case !sf.IsExported() && !tagged && !sf.Anonymous:
			continue
		case !sf.IsExported() || sf.Anonymous:
			c.refuse()
			return
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "" {
			name = sf.Name
		}
		omit, ok := c.omission(options, sf.Type)
		same := slices.ContainsFunc(f.fields, func(o field) bool { return o.name == name })
		if !ok || same || !plainName(name) || len(f.fields) == fieldsMax {
			c.refuse()
			return
		}
		f.fields = append(f.fields, field{c.form(sf.Type), name, `"` + name + `":`, name + `"`, sf.Offset, omit})
	}
}

// omission is what the options of a tag say.
func (c *compiler) omission(options string, t reflect.Type) (omission, bool) {
	switch options {
	case "":
		return always, true
	case "omitempty": // what is written as "" or []; numbers and booleans never are
		switch t.Kind() {
		case reflect.String, reflect.Slice:
			return omitEmpty, true
		case reflect.Pointer, reflect.Struct:
			return always, false
		}
		return always, true
	case "omitzero":
		return omitZero, true
	}
	return always, false
}

// plainName tells that a name is written as it is.
func plainName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte("\"\\'`,&<>", c) >= 0 {
			return false
		}
	}
	return s != ""
}
