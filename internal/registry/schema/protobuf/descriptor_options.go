package protobuf

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// setOptions writes options into one of descriptor.proto's option messages; it reports whether there were any.
func setOptions(to proto.Message, list []option) bool {
	m := to.ProtoReflect()
	for _, o := range list {
		if !o.parenthesized && setKnown(m, o) {
			continue
		}
		field := m.Descriptor().Fields().ByName("uninterpreted_option")
		m.Mutable(field).List().Append(protoreflect.ValueOfMessage(uninterpreted(o).ProtoReflect()))
	}
	return len(list) > 0
}

// setKnown sets an option of the language; false if it has none of that name that takes such a value.
func setKnown(m protoreflect.Message, o option) bool {
	field := m.Descriptor().Fields().ByName(protoreflect.Name(o.name))
	if field == nil || field.IsList() || field.Message() != nil {
		return false
	}
	switch v := o.value; field.Kind() {
	case protoreflect.BoolKind:
		if v.kind != kindBoolean {
			return false
		}
		m.Set(field, protoreflect.ValueOfBool(v.text == "true"))
	case protoreflect.StringKind:
		if v.kind != kindString {
			return false
		}
		m.Set(field, protoreflect.ValueOfString(strings.ToValidUTF8(v.text, "\uFFFD")))
	case protoreflect.EnumKind:
		known := field.Enum().Values().ByName(protoreflect.Name(v.text))
		if known == nil {
			return false
		}
		m.Set(field, protoreflect.ValueOfEnum(known.Number()))
	default:
		return false
	}
	return true
}

// uninterpreted keeps an option as its text, in the form protoc uses before it knows what an option means.
func uninterpreted(o option) *descriptorpb.UninterpretedOption {
	out := &descriptorpb.UninterpretedOption{}
	part := func(name string, extension bool) {
		out.Name = append(out.Name, &descriptorpb.UninterpretedOption_NamePart{NamePart: proto.String(name), IsExtension: proto.Bool(extension)})
	}
	part(o.name, o.parenthesized)
	v := o.value
	for v.kind == kindOption {
		part(v.sub.name, v.sub.parenthesized)
		v = v.sub.value
	}
	switch v.kind {
	case kindString:
		out.StringValue = []byte(v.text)
	case kindNumber:
		if n, err := parseUint(v.text); err == nil {
			out.PositiveIntValue = proto.Uint64(n)
		} else if n, err := strconv.ParseInt(v.text, 0, 64); err == nil {
			out.NegativeIntValue = proto.Int64(n)
		} else if f, err := strconv.ParseFloat(v.text, 64); err == nil {
			out.DoubleValue = proto.Float64(f)
		} else {
			out.IdentifierValue = proto.String(v.text)
		}
	case kindBoolean, kindEnum:
		out.IdentifierValue = proto.String(v.text)
	default:
		text := v.String()
		out.AggregateValue = proto.String(text[1 : len(text)-1])
	}
	return out
}

// confluentMeta is the number of the extension (confluent.field_meta) and its kin in every option message.
const confluentMeta = 1088

// readOptions gives the options of a descriptor as they would be written. Extensions other than Confluent's
// own have no definition at hand and are left out.
func readOptions(from proto.Message, metaName string) []option {
	m := from.ProtoReflect()
	if !m.IsValid() {
		return nil
	}
	var list []option
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !m.Has(field) || field.IsList() || field.Message() != nil {
			continue
		}
		v := m.Get(field)
		o := option{name: string(field.Name())}
		switch field.Kind() {
		case protoreflect.BoolKind:
			o.value = value{kind: kindBoolean, text: strconv.FormatBool(v.Bool())}
		case protoreflect.StringKind:
			o.value = value{kind: kindString, text: v.String()}
		case protoreflect.EnumKind:
			known := field.Enum().Values().ByNumber(v.Enum())
			if known == nil {
				continue
			}
			o.value = value{kind: kindEnum, text: string(known.Name())}
		default:
			continue
		}
		list = append(list, o)
	}
	if with, ok := from.(interface {
		GetUninterpretedOption() []*descriptorpb.UninterpretedOption
	}); ok {
		for _, u := range with.GetUninterpretedOption() {
			if o, ok := interpreted(u); ok {
				list = append(list, o)
			}
		}
	}
	if meta, ok := readMeta(m.GetUnknown()); ok {
		list = append(list, option{name: "confluent." + metaName, parenthesized: true, value: meta})
	}
	return list
}

func interpreted(u *descriptorpb.UninterpretedOption) (option, bool) {
	parts := u.GetName()
	if len(parts) == 0 {
		return option{}, false
	}
	var v value
	switch {
	case u.StringValue != nil:
		v = value{kind: kindString, text: string(u.StringValue)}
	case u.PositiveIntValue != nil:
		v = value{kind: kindNumber, text: strconv.FormatUint(u.GetPositiveIntValue(), 10)}
	case u.NegativeIntValue != nil:
		v = value{kind: kindNumber, text: strconv.FormatInt(u.GetNegativeIntValue(), 10)}
	case u.DoubleValue != nil:
		v = value{kind: kindNumber, text: strconv.FormatFloat(u.GetDoubleValue(), 'g', -1, 64)}
	case u.IdentifierValue != nil:
		v = value{kind: kindEnum, text: u.GetIdentifierValue()}
	case u.AggregateValue != nil:
		parsed, err := parse("option x = {" + u.GetAggregateValue() + "};")
		if err != nil || len(parsed.options) != 1 {
			return option{}, false
		}
		v = parsed.options[0].value
	default:
		return option{}, false
	}
	if v.text == "true" || v.text == "false" {
		v.kind = kindBoolean
	}
	o := option{}
	for i := len(parts) - 1; i >= 0; i-- {
		o = option{name: parts[i].GetNamePart(), parenthesized: parts[i].GetIsExtension(), value: v}
		v = value{kind: kindOption, sub: &o}
		if i > 0 {
			inner := o
			v.sub = &inner
		}
	}
	return o, true
}
