package protobuf

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// fromDescriptor reads a serialized FileDescriptorProto. It is false for bytes that are none.
func fromDescriptor(data []byte) (*file, bool) {
	d := &descriptorpb.FileDescriptorProto{}
	if err := (proto.UnmarshalOptions{RecursionLimit: depthMax * 10}).Unmarshal(data, d); err != nil || len(d.ProtoReflect().GetUnknown()) > 0 {
		return nil, false
	}
	r := reader{proto3: d.GetSyntax() == "proto3"}
	f := &file{syntax: d.GetSyntax(), pkg: d.GetPackage(), options: readOptions(d.GetOptions(), "file_meta")}
	public := map[int32]bool{}
	for _, i := range d.GetPublicDependency() {
		public[i] = true
	}
	for i, path := range d.GetDependency() {
		if public[int32(i)] { //nolint:gosec // a list index of the descriptor
			f.publicImports = append(f.publicImports, path)
		} else {
			f.imports = append(f.imports, path)
		}
	}
	for _, m := range d.GetMessageType() {
		f.messages = append(f.messages, r.message(m, 0))
	}
	for _, e := range d.GetEnumType() {
		f.enums = append(f.enums, readEnum(e))
	}
	f.extends = r.extends(d.GetExtension())
	for _, s := range d.GetService() {
		f.services = append(f.services, readService(s))
	}
	if r.deep {
		return nil, false
	}
	// What a descriptor holds need not be words of the language nor UTF-8: the file is what its text says.
	f, err := parse(f.text())
	return f, err == nil
}

type reader struct {
	proto3 bool
	deep   bool
}

func (r *reader) message(d *descriptorpb.DescriptorProto, depth int) *message {
	m := &message{name: d.GetName(), options: readOptions(d.GetOptions(), "message_meta")}
	if depth > depthMax {
		r.deep = true
		return m
	}
	groups := map[string]*descriptorpb.DescriptorProto{}
	for _, f := range d.GetField() {
		if f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_GROUP {
			groups[f.GetTypeName()[strings.LastIndexByte(f.GetTypeName(), '.')+1:]] = nil
		}
	}
	for _, inner := range d.GetNestedType() {
		if _, ok := groups[inner.GetName()]; ok {
			groups[inner.GetName()] = inner
			continue
		}
		m.messages = append(m.messages, r.message(inner, depth+1))
	}
	for _, e := range d.GetEnumType() {
		m.enums = append(m.enums, readEnum(e))
	}
	for _, o := range d.GetOneofDecl() {
		m.oneofs = append(m.oneofs, &oneof{name: o.GetName(), options: readOptions(o.GetOptions(), "oneof_meta")})
	}
	for _, fd := range d.GetField() {
		var into *oneof
		if i := int(fd.GetOneofIndex()); fd.OneofIndex != nil && !fd.GetProto3Optional() && i >= 0 && i < len(m.oneofs) {
			into = m.oneofs[i]
		}
		if fd.GetType() == descriptorpb.FieldDescriptorProto_TYPE_GROUP {
			g := r.group(fd, groups, depth)
			if into != nil {
				g.label = ""
				into.groups = append(into.groups, g)
			} else {
				m.groups = append(m.groups, g)
			}
			continue
		}
		f := r.field(fd)
		if into != nil {
			f.label = ""
			into.fields = append(into.fields, f)
		} else {
			m.fields = append(m.fields, f)
		}
	}
	m.oneofs = withFields(m.oneofs, d)
	m.extends = r.extends(d.GetExtension())
	for _, e := range d.GetExtensionRange() {
		m.extensions = append(m.extensions, extensions{spans: []span{readSpan(e.GetStart(), e.GetEnd()-1)}})
	}
	for _, s := range d.GetReservedRange() {
		m.reserved = append(m.reserved, reserved{[]reservedValue{{span: readSpan(s.GetStart(), s.GetEnd()-1)}}})
	}
	for _, name := range d.GetReservedName() {
		m.reserved = append(m.reserved, reserved{[]reservedValue{{name: name}}})
	}
	return m
}

// withFields drops the oneofs that exist only for optional fields of proto3.
func withFields(list []*oneof, d *descriptorpb.DescriptorProto) []*oneof {
	synthetic := map[int32]bool{}
	for _, f := range d.GetField() {
		if f.GetProto3Optional() && f.OneofIndex != nil {
			synthetic[f.GetOneofIndex()] = true
		}
	}
	var out []*oneof
	for i, o := range list {
		if !synthetic[int32(i)] { //nolint:gosec // a list index of the descriptor
			out = append(out, o)
		}
	}
	return out
}

func readSpan(from, to int32) span {
	if to >= fieldNumberMax {
		return span{int(from), maxNumber}
	}
	return span{int(from), int(to)}
}

func (r *reader) group(d *descriptorpb.FieldDescriptorProto, types map[string]*descriptorpb.DescriptorProto, depth int) *group {
	name := d.GetTypeName()[strings.LastIndexByte(d.GetTypeName(), '.')+1:]
	g := &group{label: r.label(d), name: name, number: int(d.GetNumber()), options: readOptions(d.GetOptions(), "field_meta")}
	if t := types[name]; t != nil {
		g.fields = r.message(t, depth+1).fields
	}
	return g
}

func (r *reader) label(d *descriptorpb.FieldDescriptorProto) string {
	if d.Label == nil && (r.proto3 || d.Type == nil) {
		return ""
	}
	switch d.GetLabel() {
	case descriptorpb.FieldDescriptorProto_LABEL_REPEATED:
		return "repeated"
	case descriptorpb.FieldDescriptorProto_LABEL_REQUIRED:
		return "required"
	}
	if r.proto3 && !d.GetProto3Optional() {
		return ""
	}
	return "optional"
}

func (r *reader) field(d *descriptorpb.FieldDescriptorProto) *field {
	f := &field{label: r.label(d), name: d.GetName(), number: int(d.GetNumber()), options: readOptions(d.GetOptions(), "field_meta")}
	f.typ = d.GetTypeName()
	if f.typ == "" {
		f.typ = strings.ToLower(strings.TrimPrefix(d.GetType().String(), "TYPE_"))
	}
	if d.DefaultValue != nil {
		f.defaultValue = &value{kind: defaultKind(d.GetType()), text: d.GetDefaultValue()}
		if d.GetType() == descriptorpb.FieldDescriptorProto_TYPE_BYTES {
			f.defaultValue.text = unescape(d.GetDefaultValue())
		}
	}
	if d.JsonName != nil && d.GetJsonName() != jsonName(d.GetName()) {
		f.jsonName = d.JsonName
	}
	return f
}

// unescape reads the C escapes of a bytes default; a text that has bad ones stays as it is.
func unescape(text string) string {
	f, err := parse(`option x = "` + text + `";`)
	if err != nil || len(f.options) != 1 {
		return text
	}
	return f.options[0].value.text
}

func defaultKind(t descriptorpb.FieldDescriptorProto_Type) valueKind {
	switch t {
	case descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_BYTES:
		return kindString
	case descriptorpb.FieldDescriptorProto_TYPE_BOOL:
		return kindBoolean
	case descriptorpb.FieldDescriptorProto_TYPE_ENUM:
		return kindEnum
	}
	return kindNumber
}

// jsonName is the name a field has in JSON unless another was chosen.
func jsonName(name string) string {
	entry := strings.TrimSuffix(entryName(name), "Entry")
	if name == "" || name[0] == '_' || entry == "" {
		return entry
	}
	return name[:1] + entry[1:]
}

func (r *reader) extends(list []*descriptorpb.FieldDescriptorProto) []*extend {
	var out []*extend
	for _, d := range list {
		if n := len(out); n == 0 || out[n-1].name != d.GetExtendee() {
			out = append(out, &extend{name: d.GetExtendee()})
		}
		last := out[len(out)-1]
		last.fields = append(last.fields, r.field(d))
	}
	return out
}

func readEnum(d *descriptorpb.EnumDescriptorProto) *enum {
	e := &enum{name: d.GetName(), options: readOptions(d.GetOptions(), "enum_meta")}
	for _, v := range d.GetValue() {
		e.constants = append(e.constants, constant{name: v.GetName(), number: int(v.GetNumber()), options: readOptions(v.GetOptions(), "enum_value_meta")})
	}
	for _, s := range d.GetReservedRange() {
		e.reserved = append(e.reserved, reserved{[]reservedValue{{span: span{int(s.GetStart()), int(s.GetEnd())}}}})
	}
	for _, name := range d.GetReservedName() {
		e.reserved = append(e.reserved, reserved{[]reservedValue{{name: name}}})
	}
	return e
}

func readService(d *descriptorpb.ServiceDescriptorProto) *service {
	s := &service{name: d.GetName(), options: readOptions(d.GetOptions(), "service_meta")}
	for _, m := range d.GetMethod() {
		s.methods = append(s.methods, &method{
			name: m.GetName(), request: m.GetInputType(), response: m.GetOutputType(),
			streamsRequest: m.GetClientStreaming(), streamsResponse: m.GetServerStreaming(),
			options: readOptions(m.GetOptions(), "method_meta"),
		})
	}
	return s
}

// readMeta finds Confluent's extension among the unknown bytes of an options message: message Meta of
// confluent/meta.proto with doc = 1, params = 2 (a map), tags = 3.
func readMeta(unknown []byte) (value, bool) {
	for len(unknown) > 0 {
		n, typ, size := protowire.ConsumeTag(unknown)
		if size < 0 {
			break
		}
		unknown = unknown[size:]
		if n == confluentMeta && typ == protowire.BytesType {
			body, size := protowire.ConsumeBytes(unknown)
			if size < 0 {
				break
			}
			return metaValue(body), true
		}
		if size = protowire.ConsumeFieldValue(n, typ, unknown); size < 0 {
			break
		}
		unknown = unknown[size:]
	}
	return value{}, false
}

func metaValue(body []byte) value {
	out := value{kind: kindMap}
	params, tags := value{kind: kindList}, value{kind: kindList}
	eachText(body, func(n protowire.Number, text []byte) {
		switch n {
		case 1:
			out.add("doc", value{kind: kindString, text: string(text)})
		case 2:
			entry := value{kind: kindMap}
			eachText(text, func(n protowire.Number, part []byte) {
				entry.put(option{name: map[protowire.Number]string{1: "key", 2: "value"}[n], value: value{kind: kindString, text: string(part)}})
			})
			params.items = append(params.items, entry)
		case 3:
			tags.items = append(tags.items, value{kind: kindString, text: string(text)})
		}
	})
	if len(params.items) > 0 {
		out.add("params", params)
	}
	if len(tags.items) > 0 {
		out.add("tags", tags)
	}
	return out
}

// eachText visits the length-delimited fields of a message.
func eachText(data []byte, visit func(protowire.Number, []byte)) {
	for len(data) > 0 {
		n, typ, size := protowire.ConsumeTag(data)
		if size < 0 {
			return
		}
		data = data[size:]
		if typ == protowire.BytesType {
			body, size := protowire.ConsumeBytes(data)
			if size < 0 {
				return
			}
			visit(n, body)
			data = data[size:]
			continue
		}
		if size = protowire.ConsumeFieldValue(n, typ, data); size < 0 {
			return
		}
		data = data[size:]
	}
}
