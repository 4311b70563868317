package protobuf

import (
	"cmp"
	"slices"
	"strings"

	"leat.dev/internal/registry/schema/source"
)

// normalize gives the file of `normalize=true`: types by their full names, map entries as maps, numbers and
// names in order. Its errors are those of a file whose types do not fit together, so that it also serves as
// the check of every schema.
func normalize(f *file, types universe) (*file, error) {
	n := normalizer{types: types}
	out := &file{
		syntax: f.syntax, pkg: f.pkg, options: normalOptions(f.options),
		imports: sortedUnique(f.imports), publicImports: sortedUnique(f.publicImports),
	}
	if out.syntax == "proto2" {
		out.syntax = ""
	}
	for _, m := range f.messages {
		out.messages = append(out.messages, n.message(m, f.pkg))
	}
	for _, e := range f.enums {
		out.enums = append(out.enums, normalEnum(e))
	}
	out.extends = n.extends(f.extends, f.pkg)
	for _, s := range f.services {
		c := &service{name: s.name, options: normalOptions(s.options)}
		for _, m := range s.methods {
			c.methods = append(c.methods, n.method(m, f.pkg))
		}
		out.services = append(out.services, c)
	}
	return out, n.err
}

// A normalizer keeps the first error.
type normalizer struct {
	types universe
	err   error
}

func sortedUnique(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

// name is a type's full name with a leading dot; built-in words stay.
func (n *normalizer) name(word, scope string) string {
	if scalars[word] != "" {
		return word
	}
	t, err := n.types.resolve(word, scope)
	if err != nil {
		if n.err == nil {
			n.err = err
		}
		return word
	}
	return "." + t.full
}

func (n *normalizer) message(m *message, scope string) *message {
	scope = join(scope, m.name)
	out := &message{name: m.name, options: normalOptions(m.options), reserved: normalReserved(m.reserved)}
	entries := map[string]*message{}
	for _, inner := range m.messages {
		if isMapEntry(inner) {
			entries["."+join(scope, inner.name)] = inner
		} else {
			out.messages = append(out.messages, n.message(inner, scope))
		}
	}
	for _, e := range m.enums {
		out.enums = append(out.enums, normalEnum(e))
	}
	for _, f := range m.fields {
		out.fields = append(out.fields, n.field(f, scope, entries))
	}
	slices.SortStableFunc(out.fields, byNumber)
	for _, o := range m.oneofs {
		c := &oneof{name: o.name, options: normalOptions(o.options), groups: n.groups(o.groups, scope)}
		for _, f := range o.fields {
			c.fields = append(c.fields, n.field(f, scope, entries))
		}
		slices.SortStableFunc(c.fields, byNumber)
		out.oneofs = append(out.oneofs, c)
	}
	slices.SortStableFunc(out.oneofs, func(a, b *oneof) int { return cmp.Compare(a.first(), b.first()) })
	out.groups = n.groups(m.groups, scope)
	for _, e := range m.extensions {
		for _, s := range e.spans {
			out.extensions = append(out.extensions, extensions{spans: []span{s}, options: normalOptions(e.options)})
		}
	}
	slices.SortStableFunc(out.extensions, func(a, b extensions) int { return cmp.Compare(a.spans[0].from, b.spans[0].from) })
	out.extends = n.extends(m.extends, scope)
	return out
}

func join(scope, name string) string {
	if scope == "" {
		return name
	}
	return scope + "." + name
}

func isMapEntry(m *message) bool {
	return slices.ContainsFunc(m.options, func(o option) bool {
		return o.name == "map_entry" && !o.parenthesized && o.value.text == "true"
	})
}

func (o *oneof) first() int {
	if len(o.fields) == 0 {
		return 0
	}
	return o.fields[0].number
}

func byNumber(a, b *field) int { return cmp.Compare(a.number, b.number) }

func (n *normalizer) field(f *field, scope string, entries map[string]*message) *field {
	out := *f
	out.options = normalOptions(f.options)
	if f.isMap() {
		n.mapType(&out, scope)
		return &out
	}
	out.typ = n.name(f.typ, scope)
	if entry := entries[out.typ]; entry != nil && f.label == "repeated" {
		out.label = ""
		for _, part := range entry.fields {
			switch part.number {
			case 1:
				out.key = part.typ
			case 2:
				out.value = part.typ
			}
		}
		n.mapType(&out, join(scope, entry.name))
	}
	return &out
}

func (n *normalizer) mapType(f *field, scope string) {
	if kind := scalars[f.key]; (kind == "" || kind == "float" || kind == "double" || f.key == "bytes") && n.err == nil {
		n.err = source.Invalidf("map key must be non-byte, non-floating point scalar: %s", f.key)
	}
	f.value = n.name(f.value, scope)
	f.typ = "map<" + f.key + ", " + f.value + ">"
}

func (n *normalizer) groups(list []*group, scope string) []*group {
	var out []*group
	for _, g := range list {
		c := &group{label: g.label, name: g.name, number: g.number, options: normalOptions(g.options)}
		for _, f := range g.fields {
			c.fields = append(c.fields, n.field(f, join(scope, g.name), nil))
		}
		slices.SortStableFunc(c.fields, byNumber)
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(a, b *group) int { return cmp.Compare(a.number, b.number) })
	return out
}

func (n *normalizer) extends(list []*extend, scope string) []*extend {
	var out []*extend
	for _, e := range list {
		c := &extend{name: n.name(e.name, scope)}
		for _, f := range e.fields {
			c.fields = append(c.fields, n.field(f, scope, nil))
		}
		slices.SortStableFunc(c.fields, byNumber)
		out = append(out, c)
	}
	return out
}

func (n *normalizer) method(m *method, scope string) *method {
	out := *m
	out.request, out.response = n.name(m.request, scope), n.name(m.response, scope)
	out.options = normalOptions(m.options)
	return &out
}

func normalEnum(e *enum) *enum {
	out := &enum{name: e.name, options: normalOptions(e.options), reserved: normalReserved(e.reserved)}
	for _, c := range e.constants {
		c.options = normalOptions(c.options)
		out.constants = append(out.constants, c)
	}
	slices.SortStableFunc(out.constants, func(a, b constant) int {
		return cmp.Or(cmp.Compare(a.number, b.number), strings.Compare(a.name, b.name))
	})
	return out
}

// normalReserved gives each span and name a statement of its own, spans first.
func normalReserved(list []reserved) []reserved {
	var values []reservedValue
	for _, r := range list {
		values = append(values, r.values...)
	}
	slices.SortStableFunc(values, func(a, b reservedValue) int {
		if (a.name == "") != (b.name == "") {
			if a.name == "" {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.span.from, b.span.from), strings.Compare(a.name, b.name))
	})
	out := make([]reserved, len(values))
	for i, v := range values {
		out[i] = reserved{values: []reservedValue{v}}
	}
	return out
}

// normalOptions sorts by name, joins (a).b = 1 and (a).c = 2 into one message, and writes a list of one
// element as that element.
func normalOptions(list []option) []option {
	var out []option
	at := map[string]int{}
	for _, o := range list {
		o.value = normalValue(o.value)
		if i, ok := at[o.name]; ok && o.value.kind == kindMap && out[i].value.kind == kindMap && out[i].parenthesized == o.parenthesized {
			merged := value{kind: kindMap}
			for _, p := range slices.Concat(out[i].value.pairs, o.value.pairs) {
				merged.put(option{name: p.key, value: p.value})
			}
			out[i].value = merged
			continue
		}
		at[o.name] = len(out)
		out = append(out, o)
	}
	slices.SortStableFunc(out, func(a, b option) int { return strings.Compare(a.name, b.name) })
	return out
}

func normalValue(v value) value {
	switch v.kind {
	case kindOption:
		out := normalValue(v.sub.value)
		for _, part := range slices.Backward(nameParts(v.sub.name)) {
			outer := value{kind: kindMap}
			outer.add(part, out)
			out = outer
		}
		return out
	case kindList:
		if len(v.items) == 1 {
			return normalValue(v.items[0])
		}
		out := value{kind: kindList}
		for _, item := range v.items {
			out.items = append(out.items, normalValue(item))
		}
		return out
	case kindMap:
		out := value{kind: kindMap}
		for _, p := range v.pairs {
			out.add(p.key, normalValue(p.value))
		}
		return out
	}
	return v
}

// nameParts splits b.(c.d).e into the fields b, [c.d] and e of messages in text format.
func nameParts(name string) []string {
	var parts []string
	for name != "" {
		if inner, ok := strings.CutPrefix(name, "("); ok {
			extension, rest, _ := strings.Cut(inner, ")")
			parts, name = append(parts, "["+extension+"]"), strings.TrimPrefix(rest, ".")
			continue
		}
		part, rest, _ := strings.Cut(name, ".")
		parts, name = append(parts, part), rest
	}
	return parts
}
