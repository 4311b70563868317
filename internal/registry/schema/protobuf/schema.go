package protobuf

import (
	"encoding/base64"
	"errors"
	"strings"

	"leat.dev/internal/registry/schema/source"
)

// Schema is a parsed .proto file with the files it was given.
type Schema struct {
	file   *file
	types  universe
	normal *file
}

// Parse reads a .proto file, or the base64 text of a serialized google.protobuf.FileDescriptorProto, with
// the files it imports. Each dependency's name is its import path.
//
// Errors are *source.Error.
func Parse(text string, dependencies []source.Dependency) (*Schema, error) {
	f, err := read(text)
	if err != nil {
		return nil, err
	}
	files := make([]*file, 0, len(dependencies))
	for _, d := range dependencies {
		df, err := read(d.Text)
		if err != nil {
			return nil, err
		}
		files = append(files, df)
	}
	s := &Schema{file: f}
	if s.types, err = newUniverse(f, files); err != nil {
		return nil, err
	}
	s.normal, err = normalize(f, s.types)
	return s, err
}

func read(text string) (*file, error) {
	f, err := parse(text)
	var syntax *source.Error
	if !errors.As(err, &syntax) {
		return f, err
	}
	if data, decodeErr := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); decodeErr == nil && len(data) > 0 {
		if described, ok := fromDescriptor(data); ok {
			return described, nil
		}
	}
	return nil, err
}

// Name is the full name of the first message, of the first enum in a file without messages, or empty.
func (s *Schema) Name() string {
	switch {
	case len(s.file.messages) > 0:
		return join(s.file.pkg, s.file.messages[0].name)
	case len(s.file.enums) > 0:
		return join(s.file.pkg, s.file.enums[0].name)
	}
	return ""
}

// Text is the canonical text.
func (s *Schema) Text() string { return s.file.text() }

// Normalized is the canonical text of the normalised file.
func (s *Schema) Normalized() string { return s.normal.text() }

// WithoutExtensions is the canonical text without extend blocks and without the options they define.
func (s *Schema) WithoutExtensions() string { return withoutExtensions(s.file).text() }

// Serialized is the base64 text of the file as a google.protobuf.FileDescriptorProto named "default".
func (s *Schema) Serialized() (string, error) {
	data, err := toDescriptor(s.file, s.types)
	return base64.StdEncoding.EncodeToString(data), err
}

func withoutExtensions(f *file) *file {
	out := *f
	out.options = plain(f.options)
	out.extends = nil
	out.messages, out.enums, out.services = nil, nil, nil
	for _, m := range f.messages {
		out.messages = append(out.messages, m.withoutExtensions())
	}
	for _, e := range f.enums {
		out.enums = append(out.enums, e.withoutExtensions())
	}
	for _, s := range f.services {
		c := &service{name: s.name, options: plain(s.options)}
		for _, m := range s.methods {
			mc := *m
			mc.options = plain(m.options)
			c.methods = append(c.methods, &mc)
		}
		out.services = append(out.services, c)
	}
	return &out
}

// plain keeps the options that the language itself defines.
func plain(list []option) []option {
	var out []option
	for _, o := range list {
		if !o.parenthesized {
			out = append(out, o)
		}
	}
	return out
}

func (m *message) withoutExtensions() *message {
	out := *m
	out.options, out.extends, out.extensions = plain(m.options), nil, nil
	out.fields, out.oneofs, out.groups, out.messages, out.enums = nil, nil, nil, nil, nil
	fields := func(list []*field) []*field {
		var copies []*field
		for _, f := range list {
			c := *f
			c.options = plain(f.options)
			copies = append(copies, &c)
		}
		return copies
	}
	groups := func(list []*group) []*group {
		var copies []*group
		for _, g := range list {
			copies = append(copies, &group{label: g.label, name: g.name, number: g.number, options: plain(g.options), fields: fields(g.fields)})
		}
		return copies
	}
	out.fields, out.groups = fields(m.fields), groups(m.groups)
	for _, o := range m.oneofs {
		out.oneofs = append(out.oneofs, &oneof{name: o.name, options: plain(o.options), fields: fields(o.fields), groups: groups(o.groups)})
	}
	for _, inner := range m.messages {
		out.messages = append(out.messages, inner.withoutExtensions())
	}
	for _, e := range m.enums {
		out.enums = append(out.enums, e.withoutExtensions())
	}
	return &out
}

func (e *enum) withoutExtensions() *enum {
	out := *e
	out.options, out.constants = plain(e.options), nil
	for _, c := range e.constants {
		c.options = plain(c.options)
		out.constants = append(out.constants, c)
	}
	return &out
}
