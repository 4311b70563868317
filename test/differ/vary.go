package differ

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// variant is a change of a request: of a field, or of its bytes.
type variant struct {
	name   string
	change func(s *scope, req reflect.Value) error // nil: none
	// null encodes the field at this path as null where the protocol's type does not allow it.
	null string
	raw  string
}

// variants lists the changes of a template. They are found on the message as the script has it, without what only a
// run can know; a change that alters nothing in a version is dropped when that version is built.
func (t *Template) variants() ([]variant, error) {
	if t.Raw != "" {
		return []variant{{raw: t.Raw}}, nil
	}
	out := []variant{{}}
	for _, v := range t.Vary {
		if v.Path == "" {
			all, err := t.allFields(v.Except)
			if err != nil {
				return nil, err
			}
			out = append(out, all...)
			continue
		}
		for _, value := range v.Values {
			out = append(out, variant{
				name: fmt.Sprintf("%s=%s", v.Path, show(value)),
				change: func(s *scope, req reflect.Value) error {
					f, err := at(req, v.Path)
					if err != nil {
						return err
					}
					return s.fill(f, value)
				},
			})
			if value == nil {
				out[len(out)-1].null = v.Path
			}
		}
	}
	return out, nil
}

func show(v any) string {
	if s, ok := v.(string); ok {
		return `"` + s + `"`
	}
	if v == nil {
		return "null"
	}
	if id, ok := v.([16]byte); ok && id == [16]byte{} {
		return "zero"
	}
	return compact(v)
}

// allFields gives each field of the message its edge and bad values, one at a time.
func (t *Template) allFields(except []string) ([]variant, error) {
	req := kmsg.RequestForKey(int16(t.Key))
	root := reflect.ValueOf(req).Elem()
	blank := &scope{saved: anything{}.values(t), topicID: func(string) [16]byte { return [16]byte{1} }}
	if err := blank.fill(root, t.Body); err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	var out []variant
	walk(root, "", func(path string, f reflect.Value) {
		plain := withoutIndexes(path)
		for _, e := range except {
			if plain == e || strings.HasPrefix(plain, e+".") {
				return
			}
		}
		for _, v := range edges(path, f) {
			if !slices.Contains(except, plain+"~"+v.name[strings.LastIndexByte(v.name, ' ')+1:]) {
				out = append(out, v)
			}
		}
	})
	return append(out, variant{name: "last byte cut", raw: "cut 1"}, variant{name: "a byte too many", raw: "add 00"}, variant{name: "no body", raw: "body"}), nil
}

// anything stands for what is saved in a run while the list is built without one.
type anything struct{}

func (anything) values(t *Template) map[string]any {
	out := map[string]any{}
	var visit func(v any)
	visit = func(v any) {
		switch v := v.(type) {
		case string:
			for _, m := range reference.FindAllStringSubmatch(v, -1) {
				out[m[1]] = "1"
				for _, inner := range reference.FindAllStringSubmatch(m[2], -1) {
					out[inner[1]] = "1"
				}
			}
		case []any:
			for _, e := range v {
				visit(e)
			}
		case map[string]any:
			for _, e := range v {
				visit(e)
			}
		}
	}
	visit(t.Body)
	return out
}

func withoutIndexes(path string) string {
	for {
		i := strings.IndexByte(path, '[')
		if i < 0 {
			return path
		}
		path = path[:i] + path[i+strings.IndexByte(path[i:], ']')+1:]
	}
}

// walk visits each field: arrays before their first element, structs by their fields.
func walk(v reflect.Value, path string, visit func(string, reflect.Value)) {
	t := v.Type()
	for i := range t.NumField() {
		f, name := v.Field(i), t.Field(i).Name
		if !f.CanSet() || path == "" && name == "Version" {
			continue
		}
		if path != "" {
			name = path + "." + name
		}
		visit(name, f)
		if f.Kind() == reflect.Pointer && !f.IsNil() && f.Elem().Kind() == reflect.Struct {
			walk(f.Elem(), name, visit)
		}
		if f.Kind() == reflect.Slice && f.Len() > 0 {
			if f.Index(0).Kind() == reflect.Struct {
				walk(f.Index(0), name+"[0]", visit)
			} else if f.Type().Elem().Kind() != reflect.Uint8 {
				visit(name+"[0]", f.Index(0))
			}
		}
	}
}

// edges are the values tried for a field of a kind.
func edges(path string, f reflect.Value) []variant {
	set := func(values ...any) []variant {
		var out []variant
		for _, value := range values {
			out = append(out, variant{name: fmt.Sprintf("%s=%s", path, show(value)), change: func(s *scope, req reflect.Value) error {
				dst, err := at(req, path)
				if err != nil {
					return err
				}
				return s.fill(dst, value)
			}})
		}
		return out
	}
	change := func(name string, f func(reflect.Value)) variant {
		return variant{name: path + " " + name, change: func(_ *scope, req reflect.Value) error {
			dst, err := at(req, path)
			if err == nil {
				f(dst)
			}
			return err
		}}
	}
	if f.Type() == reflect.TypeFor[kmsg.Tags]() {
		return []variant{change("unknown tag", func(v reflect.Value) { v.Addr().Interface().(*kmsg.Tags).Set(77, []byte("new")) })}
	}
	switch f.Kind() {
	case reflect.Bool:
		return []variant{change("flipped", func(v reflect.Value) { v.SetBool(!v.Bool()) })}
	case reflect.Int8:
		return set(-1, 0, 1, 2, 3, 99, math.MinInt8)
	case reflect.Int16:
		return set(-1, 0, 1, math.MaxInt16, math.MinInt16)
	case reflect.Int32:
		return set(-2, -1, 0, 1, math.MaxInt32, math.MinInt32)
	case reflect.Int64:
		return set(-2, -1, 0, 1, math.MaxInt64)
	case reflect.Float64:
		return set(-1, 0, 0.5)
	case reflect.Uint16:
		return set(0, 65535)
	case reflect.String:
		return append(set("", "no-such", "$long(300)", "a b/ü"), variant{name: path + "=null", null: path})
	case reflect.Array:
		return set("$uuid(0)", [16]byte{})
	case reflect.Pointer:
		out := set(nil)
		if f.Type().Elem().Kind() == reflect.String {
			return append(out, set("", "no-such", "$long(300)")...)
		}
		return append(out, change("default", func(v reflect.Value) { v.Set(newDefault(v.Type().Elem())) }))
	case reflect.Slice:
		out := []variant{change("empty", func(v reflect.Value) { v.Set(reflect.MakeSlice(v.Type(), 0, 0)) }), {name: path + "=null", null: path}}
		if f.Type().Elem().Kind() == reflect.Uint8 {
			return append(out, set("x")...)
		}
		if f.Len() > 0 {
			out = append(out, change("twice", func(v reflect.Value) { v.Set(reflect.Append(v, v.Index(0))) }))
		}
		return out
	}
	return nil
}

// encode builds the body of a variant in a version. ok is false when the variant is the same as the request itself
// there, because the version does not have the field.
func (t *Template) encode(s *scope, v *variant, version int16) (req kmsg.Request, body []byte, ok bool, err error) {
	build := func(change func(*scope, reflect.Value) error) (kmsg.Request, []byte, error) {
		r := kmsg.RequestForKey(int16(t.Key))
		root := reflect.ValueOf(r).Elem()
		if err := s.fill(root, t.Body); err != nil {
			return nil, nil, err
		}
		r.SetVersion(version)
		if change != nil {
			if err := change(s, root); err != nil {
				return nil, nil, err
			}
		}
		return r, r.AppendTo(nil), nil
	}
	req, plain, err := build(nil)
	if err != nil {
		return nil, nil, false, err
	}
	switch {
	case v.raw != "":
		body, err = rawBody(plain, v.raw)
		return req, body, err == nil && (v.name == "" || !bytes.Equal(plain, body)), err
	case v.null != "":
		body, ok, err = nulled(build, v.null, req.IsFlexible())
		return req, body, ok && !bytes.Equal(plain, body), err
	case v.change == nil:
		return req, plain, true, nil
	}
	req, body, err = build(v.change)
	return req, body, err == nil && !bytes.Equal(plain, body), err
}

// nulled encodes a field as null. Where kmsg's type has no null, the place of the field's length is found by comparing
// encodings with different lengths.
func nulled(build func(func(*scope, reflect.Value) error) (kmsg.Request, []byte, error), path string, flexible bool) ([]byte, bool, error) {
	var kind reflect.Kind
	var bytesField bool
	sized := func(n int) ([]byte, error) {
		_, b, err := build(func(_ *scope, req reflect.Value) error {
			f, err := at(req, path)
			if err != nil {
				return err
			}
			kind = f.Kind()
			switch kind {
			case reflect.String:
				f.SetString(strings.Repeat("y", n))
			case reflect.Slice:
				bytesField = f.Type().Elem().Kind() == reflect.Uint8
				f.Set(reflect.MakeSlice(f.Type(), n, n))
			default:
				f.SetZero() // a pointer: null is a value of its type
			}
			return nil
		})
		return b, err
	}
	zero, err := sized(0)
	if err != nil {
		return nil, false, err
	}
	if kind != reflect.String && kind != reflect.Slice {
		return zero, true, nil
	}
	one, err := sized(1)
	if err != nil || bytes.Equal(zero, one) {
		return nil, false, err
	}
	i := 0
	for i < len(zero) && zero[i] == one[i] {
		i++
	}
	if i == len(zero) {
		return nil, false, nil
	}
	out := slices.Clone(zero)
	width := 4
	if kind == reflect.String && !bytesField {
		width = 2
	}
	if flexible {
		if out[i] != 1 {
			return nil, false, nil // a tagged field: one that is empty is not sent at all
		}
		out[i] = 0
		return out, true, nil
	}
	if i < width-1 {
		return nil, false, fmt.Errorf("no room for the length of %s", path)
	}
	for k := i - width + 1; k <= i; k++ {
		out[k] = 0xff
	}
	return out, true, nil
}

// rawBody is "cut N", "add HEX" or "body HEX".
func rawBody(plain []byte, how string) ([]byte, error) {
	word, arg, _ := strings.Cut(how, " ")
	switch word {
	case "cut":
		var n int
		if _, err := fmt.Sscan(arg, &n); err != nil {
			return nil, err
		}
		return plain[:max(0, len(plain)-n)], nil
	case "add", "body":
		var b []byte
		if _, err := fmt.Sscanf(arg, "%x", &b); err != nil && arg != "" {
			return nil, err
		}
		if word == "add" {
			return append(slices.Clone(plain), b...), nil
		}
		return b, nil
	}
	return nil, fmt.Errorf("raw %q: cut, add or body", how)
}
