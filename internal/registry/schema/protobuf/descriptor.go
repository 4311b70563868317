package protobuf

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// toDescriptor gives the file as a serialized FileDescriptorProto. Options of the language are set, others
// stand as uninterpreted ones, so that nothing is lost.
func toDescriptor(f *file, types universe) ([]byte, error) {
	d := describer{types: types}
	out := &descriptorpb.FileDescriptorProto{Name: proto.String("default"), Options: &descriptorpb.FileOptions{}}
	if f.pkg != "" {
		out.Package = proto.String(f.pkg)
	}
	if f.syntax == "proto3" {
		out.Syntax = proto.String("proto3")
	}
	out.Dependency = append(out.Dependency, f.imports...)
	for _, path := range f.publicImports {
		out.PublicDependency = append(out.PublicDependency, int32(len(out.Dependency))) //nolint:gosec // bounded by the text
		out.Dependency = append(out.Dependency, path)
	}
	d.proto3 = f.syntax == "proto3"
	for _, m := range f.messages {
		out.MessageType = append(out.MessageType, d.message(m, f.pkg))
	}
	for _, e := range f.enums {
		out.EnumType = append(out.EnumType, d.enum(e))
	}
	out.Extension = d.extends(f.extends, f.pkg)
	for _, s := range f.services {
		out.Service = append(out.Service, d.service(s, f.pkg))
	}
	if !setOptions(out.Options, f.options) {
		out.Options = nil
	}
	if d.err != nil {
		return nil, d.err
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(out)
}

// A describer keeps the first error.
type describer struct {
	types  universe
	proto3 bool
	err    error
}

func (d *describer) message(m *message, scope string) *descriptorpb.DescriptorProto {
	scope = join(scope, m.name)
	out := &descriptorpb.DescriptorProto{Name: proto.String(m.name), Options: &descriptorpb.MessageOptions{}}
	for _, f := range m.fields {
		out.Field = append(out.Field, d.field(f, scope, out))
	}
	for _, o := range m.oneofs {
		index := int32(len(out.OneofDecl)) //nolint:gosec // bounded by the text
		decl := &descriptorpb.OneofDescriptorProto{Name: proto.String(o.name), Options: &descriptorpb.OneofOptions{}}
		if !setOptions(decl.Options, o.options) {
			decl.Options = nil
		}
		out.OneofDecl = append(out.OneofDecl, decl)
		for _, f := range o.fields {
			fd := d.field(f, scope, out)
			fd.OneofIndex = proto.Int32(index)
			out.Field = append(out.Field, fd)
		}
		for _, g := range o.groups {
			fd := d.group(g, scope, out)
			fd.OneofIndex = proto.Int32(index)
			out.Field = append(out.Field, fd)
		}
	}
	for _, g := range m.groups {
		out.Field = append(out.Field, d.group(g, scope, out))
	}
	d.synthetic(out)
	for _, inner := range m.messages {
		out.NestedType = append(out.NestedType, d.message(inner, scope))
	}
	for _, e := range m.enums {
		out.EnumType = append(out.EnumType, d.enum(e))
	}
	out.Extension = d.extends(m.extends, scope)
	for _, e := range m.extensions {
		for _, s := range e.spans {
			out.ExtensionRange = append(out.ExtensionRange, &descriptorpb.DescriptorProto_ExtensionRange{Start: number(s.from), End: end(s)})
		}
	}
	for _, r := range m.reserved {
		for _, v := range r.values {
			if v.name != "" {
				out.ReservedName = append(out.ReservedName, v.name)
			} else {
				out.ReservedRange = append(out.ReservedRange, &descriptorpb.DescriptorProto_ReservedRange{Start: number(v.span.from), End: end(v.span)})
			}
		}
	}
	if !setOptions(out.Options, m.options) {
		out.Options = nil
	}
	return out
}

// fieldNumberMax is the highest field number; a range to max ends there.
const fieldNumberMax = 1<<29 - 1

func number(v int) *int32 { return proto.Int32(int32(v)) } //nolint:gosec // parsed as 32 bits

// end is the exclusive end of a range of field numbers.
func end(s span) *int32 {
	if s.to == maxNumber {
		return proto.Int32(fieldNumberMax + 1)
	}
	return number(s.to + 1)
}

// synthetic gives each optional field of proto3 the oneof of its own that the descriptor demands.
func (d *describer) synthetic(m *descriptorpb.DescriptorProto) {
	for _, f := range m.Field {
		if f.GetProto3Optional() {
			f.OneofIndex = proto.Int32(int32(len(m.OneofDecl))) //nolint:gosec // bounded by the text
			m.OneofDecl = append(m.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String("_" + f.GetName())})
		}
	}
}

var labels = map[string]descriptorpb.FieldDescriptorProto_Label{
	"optional": descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL,
	"required": descriptorpb.FieldDescriptorProto_LABEL_REQUIRED,
	"repeated": descriptorpb.FieldDescriptorProto_LABEL_REPEATED,
}

func (d *describer) field(f *field, scope string, owner *descriptorpb.DescriptorProto) *descriptorpb.FieldDescriptorProto {
	out := &descriptorpb.FieldDescriptorProto{Name: proto.String(f.name), Number: number(f.number), Options: &descriptorpb.FieldOptions{}}
	if label, ok := labels[f.label]; ok {
		out.Label = label.Enum()
		if d.proto3 && f.label == "optional" && owner != nil {
			out.Proto3Optional = proto.Bool(true)
		}
	}
	if f.isMap() {
		out.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		out.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
		out.TypeName = proto.String("." + join(scope, entryName(f.name)))
		if owner != nil {
			owner.NestedType = append(owner.NestedType, d.entry(f, scope))
		}
	} else {
		d.setType(out, f.typ, scope)
	}
	if f.defaultValue != nil {
		text := f.defaultValue.text
		if f.typ == "bytes" {
			text = escapeBytes(text)
		}
		out.DefaultValue = proto.String(strings.ToValidUTF8(text, "\uFFFD"))
	}
	out.JsonName = f.jsonName
	if !setOptions(out.Options, f.options) {
		out.Options = nil
	}
	return out
}

func (d *describer) setType(out *descriptorpb.FieldDescriptorProto, word, scope string) {
	if scalars[word] != "" {
		v := descriptorpb.FieldDescriptorProto_Type_value["TYPE_"+strings.ToUpper(word)]
		out.Type = descriptorpb.FieldDescriptorProto_Type(v).Enum()
		return
	}
	t, err := d.types.resolve(word, scope)
	if err != nil {
		if d.err == nil {
			d.err = err
		}
		return
	}
	out.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
	if t.isEnum() {
		out.Type = descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum()
	}
	out.TypeName = proto.String("." + t.full)
}

// entryName is the name of a map's message: the field's in camel case and "Entry".
func entryName(field string) string {
	var b strings.Builder
	up := true
	for _, r := range field {
		switch {
		case r == '_':
			up = true
		case up:
			b.WriteString(strings.ToUpper(string(r)))
			up = false
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + "Entry"
}

func (d *describer) entry(f *field, scope string) *descriptorpb.DescriptorProto {
	part := func(name string, n int, word string) *descriptorpb.FieldDescriptorProto {
		out := &descriptorpb.FieldDescriptorProto{Name: proto.String(name), Number: number(n), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
		d.setType(out, word, scope)
		return out
	}
	return &descriptorpb.DescriptorProto{
		Name:    proto.String(entryName(f.name)),
		Field:   []*descriptorpb.FieldDescriptorProto{part("key", 1, f.key), part("value", 2, f.value)},
		Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
	}
}

func (d *describer) group(g *group, scope string, owner *descriptorpb.DescriptorProto) *descriptorpb.FieldDescriptorProto {
	owner.NestedType = append(owner.NestedType, d.message(&message{name: g.name, fields: g.fields}, scope))
	out := &descriptorpb.FieldDescriptorProto{
		Name: proto.String(strings.ToLower(g.name)), Number: number(g.number), Type: descriptorpb.FieldDescriptorProto_TYPE_GROUP.Enum(),
		TypeName: proto.String("." + join(scope, g.name)), Options: &descriptorpb.FieldOptions{},
	}
	if label, ok := labels[g.label]; ok {
		out.Label = label.Enum()
	}
	if !setOptions(out.Options, g.options) {
		out.Options = nil
	}
	return out
}

func (d *describer) extends(list []*extend, scope string) []*descriptorpb.FieldDescriptorProto {
	var out []*descriptorpb.FieldDescriptorProto
	for _, e := range list {
		t, err := d.types.resolve(e.name, scope)
		if err != nil {
			if d.err == nil {
				d.err = err
			}
			continue
		}
		for _, f := range e.fields {
			fd := d.field(f, scope, nil)
			fd.Extendee = proto.String("." + t.full)
			out = append(out, fd)
		}
	}
	return out
}

func (d *describer) enum(e *enum) *descriptorpb.EnumDescriptorProto {
	out := &descriptorpb.EnumDescriptorProto{Name: proto.String(e.name), Options: &descriptorpb.EnumOptions{}}
	for _, c := range e.constants {
		v := &descriptorpb.EnumValueDescriptorProto{Name: proto.String(c.name), Number: number(c.number), Options: &descriptorpb.EnumValueOptions{}}
		if !setOptions(v.Options, c.options) {
			v.Options = nil
		}
		out.Value = append(out.Value, v)
	}
	for _, r := range e.reserved {
		for _, v := range r.values {
			if v.name != "" {
				out.ReservedName = append(out.ReservedName, v.name)
			} else {
				out.ReservedRange = append(out.ReservedRange, &descriptorpb.EnumDescriptorProto_EnumReservedRange{Start: number(v.span.from), End: number(v.span.to)})
			}
		}
	}
	if !setOptions(out.Options, e.options) {
		out.Options = nil
	}
	return out
}

func (d *describer) service(s *service, scope string) *descriptorpb.ServiceDescriptorProto {
	out := &descriptorpb.ServiceDescriptorProto{Name: proto.String(s.name), Options: &descriptorpb.ServiceOptions{}}
	for _, m := range s.methods {
		md := &descriptorpb.MethodDescriptorProto{Name: proto.String(m.name), Options: &descriptorpb.MethodOptions{}}
		var in, res descriptorpb.FieldDescriptorProto
		d.setType(&in, m.request, scope)
		d.setType(&res, m.response, scope)
		md.InputType, md.OutputType = in.TypeName, res.TypeName
		if m.streamsRequest {
			md.ClientStreaming = proto.Bool(true)
		}
		if m.streamsResponse {
			md.ServerStreaming = proto.Bool(true)
		}
		if !setOptions(md.Options, m.options) {
			md.Options = nil
		}
		out.Method = append(out.Method, md)
	}
	if !setOptions(out.Options, s.options) {
		out.Options = nil
	}
	return out
}

func parseUint(text string) (uint64, error) { return strconv.ParseUint(text, 0, 64) }
