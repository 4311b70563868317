package protobuf

import (
	"fmt"
	"strconv"
	"strings"
)

// text prints a file in Confluent's canonical form: sections in a fixed order, an empty line before each,
// two blanks for a level; the empty lines of nested messages carry their indent.
func (f *file) text() string {
	var b strings.Builder
	if f.syntax != "" {
		fmt.Fprintf(&b, "syntax = \"%s\";\n", f.syntax)
	}
	if f.pkg != "" {
		fmt.Fprintf(&b, "package %s;\n", f.pkg)
	}
	if len(f.imports)+len(f.publicImports) > 0 {
		b.WriteByte('\n')
	}
	for _, path := range f.imports {
		fmt.Fprintf(&b, "import \"%s\";\n", escape(path))
	}
	for _, path := range f.publicImports {
		fmt.Fprintf(&b, "import public \"%s\";\n", escape(path))
	}
	section(&b, f.options, optionStatement)
	if len(f.messages)+len(f.enums) > 0 {
		b.WriteByte('\n')
	}
	for _, m := range f.messages {
		b.WriteString(m.text())
	}
	for _, e := range f.enums {
		b.WriteString(e.text())
	}
	section(&b, f.extends, (*extend).text)
	section(&b, f.services, (*service).text)
	return b.String()
}

// section prints a newline and the elements; at the beginning of a block the newline ends its first line.
func section[T any](b *strings.Builder, list []T, text func(T) string) {
	if len(list) == 0 {
		return
	}
	b.WriteByte('\n')
	for _, item := range list {
		b.WriteString(text(item))
	}
}

// indented puts two blanks before each line of a text that ends with a newline.
func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  ")
		b.WriteString(line)
	}
	return b.String()
}

func within[T any](text func(T) string) func(T) string {
	return func(item T) string { return indented(text(item)) }
}

func (m *message) text() string {
	var b strings.Builder
	b.WriteString("message " + m.name + " {")
	section(&b, m.reserved, within(reserved.text))
	section(&b, m.options, within(optionStatement))
	section(&b, m.fields, within((*field).text))
	section(&b, m.oneofs, within((*oneof).text))
	section(&b, m.groups, within((*group).text))
	section(&b, m.extensions, within(extensions.text))
	section(&b, m.extends, within((*extend).text))
	if len(m.messages)+len(m.enums) > 0 {
		b.WriteByte('\n')
	}
	for _, inner := range m.messages {
		b.WriteString(indented(inner.text()))
	}
	for _, inner := range m.enums {
		b.WriteString(indented(inner.text()))
	}
	b.WriteString("}\n")
	return b.String()
}

func (e *enum) text() string {
	var b strings.Builder
	b.WriteString("enum " + e.name + " {")
	if len(e.reserved)+len(e.options)+len(e.constants) > 0 {
		b.WriteByte('\n')
	}
	for _, r := range e.reserved {
		b.WriteString(indented(r.text()))
	}
	for _, o := range e.options {
		b.WriteString(indented(optionStatement(o)))
	}
	for _, c := range e.constants {
		b.WriteString(indented(c.name + " = " + strconv.Itoa(c.number) + optionList(c.options) + ";\n"))
	}
	b.WriteString("}\n")
	return b.String()
}

func (f *field) text() string {
	label := f.label
	if label != "" {
		label += " "
	}
	options := f.options
	if f.defaultValue != nil {
		v := *f.defaultValue
		if v.kind == kindString && f.typ == "bytes" {
			v = value{kind: kindEnum, text: `"` + escapeBytes(v.text) + `"`}
		}
		options = append(options[:len(options):len(options)], option{name: "default", value: v})
	}
	if f.jsonName != nil {
		options = append(options[:len(options):len(options)], option{name: "json_name", value: value{kind: kindString, text: *f.jsonName}})
	}
	return label + f.typ + " " + f.name + " = " + strconv.Itoa(f.number) + optionList(options) + ";\n"
}

func (o *oneof) text() string {
	var b strings.Builder
	b.WriteString("oneof " + o.name + " {")
	section(&b, o.options, within(optionStatement))
	section(&b, o.fields, within((*field).text))
	section(&b, o.groups, within((*group).text))
	b.WriteString("}\n")
	return b.String()
}

func (g *group) text() string {
	var b strings.Builder
	if g.label != "" {
		b.WriteString(g.label + " ")
	}
	b.WriteString("group " + g.name + " = " + strconv.Itoa(g.number) + optionList(g.options) + " {")
	section(&b, g.fields, within((*field).text))
	b.WriteString("}\n")
	return b.String()
}

func (e *extend) text() string {
	var b strings.Builder
	b.WriteString("extend " + e.name + " {")
	section(&b, e.fields, within((*field).text))
	b.WriteString("}\n")
	return b.String()
}

func (s *service) text() string {
	var b strings.Builder
	b.WriteString("service " + s.name + " {")
	section(&b, s.options, within(optionStatement))
	section(&b, s.methods, within((*method).text))
	b.WriteString("}\n")
	return b.String()
}

func (m *method) text() string {
	side := func(streams bool, typ string) string {
		if streams {
			return "(stream " + typ + ")"
		}
		return "(" + typ + ")"
	}
	out := "rpc " + m.name + " " + side(m.streamsRequest, m.request) + " returns " + side(m.streamsResponse, m.response)
	if len(m.options) > 0 {
		out += " {\n"
		for _, o := range m.options {
			out += indented(optionStatement(o))
		}
		out += "}"
	}
	return out + ";\n"
}

func (s span) String() string {
	switch s.to {
	case s.from:
		return strconv.Itoa(s.from)
	case maxNumber:
		return strconv.Itoa(s.from) + " to max"
	}
	return strconv.Itoa(s.from) + " to " + strconv.Itoa(s.to)
}

func (r reserved) text() string {
	words := make([]string, len(r.values))
	for i, v := range r.values {
		words[i] = v.span.String()
		if v.name != "" {
			words[i] = `"` + escape(v.name) + `"`
		}
	}
	return "reserved " + strings.Join(words, ", ") + ";\n"
}

func (e extensions) text() string {
	words := make([]string, len(e.spans))
	for i, s := range e.spans {
		words[i] = s.String()
	}
	return "extensions " + strings.Join(words, ", ") + optionList(e.options) + ";\n"
}

func optionStatement(o option) string { return "option " + o.text() + ";\n" }

// optionList prints options in brackets: one beside the brackets, several on lines of their own.
func optionList(list []option) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return " [" + list[0].text() + "]"
	}
	var b strings.Builder
	b.WriteString(" [\n")
	for i, o := range list {
		end := ",\n"
		if i == len(list)-1 {
			end = "\n"
		}
		b.WriteString(indented(o.text() + end))
	}
	b.WriteByte(']')
	return b.String()
}

func (o option) text() string {
	name := o.name
	if o.parenthesized {
		name = "(" + name + ")"
	}
	if o.value.kind == kindOption {
		return name + "." + o.value.sub.text()
	}
	return name + " = " + o.value.String()
}

// String prints a value in text format, messages and lists on several lines.
func (v value) String() string {
	switch v.kind {
	case kindString:
		return `"` + escape(v.text) + `"`
	case kindMap:
		return v.block("{\n", "}", len(v.pairs), func(i int) string { return v.pairs[i].key + ": " + v.pairs[i].value.String() })
	case kindList:
		return v.block("[\n", "]", len(v.items), func(i int) string { return v.items[i].String() })
	case kindOption:
		return v.sub.text()
	}
	return v.text
}

func (v value) block(begin, end string, n int, item func(int) string) string {
	var b strings.Builder
	b.WriteString(begin)
	for i := range n {
		comma := ",\n"
		if i == n-1 {
			comma = "\n"
		}
		b.WriteString(indented(item(i) + comma))
	}
	b.WriteString(end)
	return b.String()
}

// escape writes the characters of a string literal that cannot stand for themselves.
func escape(s string) string {
	if !strings.ContainsAny(s, "\a\b\f\n\r\t\v\\\"'") {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if i := strings.IndexRune("\a\b\f\n\r\t\v\\\"'", r); i >= 0 {
			b.WriteByte('\\')
			b.WriteByte(`abfnrtv\"'`[i])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// escapeBytes is escape for the default of a bytes field: characters that stand for single bytes are octal.
func escapeBytes(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 0x20 && !strings.ContainsRune("\a\b\f\n\r\t\v", r) || r >= 0x7F && r <= 0xFF {
			fmt.Fprintf(&b, "\\%03o", r)
		} else {
			b.WriteString(escape(string(r)))
		}
	}
	return b.String()
}
