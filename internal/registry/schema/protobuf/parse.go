package protobuf

import (
	"strconv"

	"leat.dev/internal/registry/schema/source"
)

// where a statement may stand.
type context uint8

const (
	inFile context = iota
	inMessage
	inEnum
	inService
	inMethod
	inExtend
)

// parse reads a .proto text. Errors are *source.Error.
func parse(text string) (f *file, err error) {
	if err := source.CheckSize(text); err != nil {
		return nil, err
	}
	p := parser{scanner: scanner{text: text}, file: &file{}, declared: map[any]map[string]int{}}
	defer func() {
		if r := recover(); r != nil {
			s, ok := r.(stop)
			if !ok {
				panic(r)
			}
			f, err = nil, s.err
		}
	}()
	for !p.ended() {
		p.statement(inFile, p.file)
	}
	return p.file, nil
}

type parser struct {
	scanner
	file       *file
	statements int
	depth      int
	declared   map[any]map[string]int // names of types by owner, with their offsets
}

// depthMax is how deep messages and option values may be nested: printing indents each level.
const depthMax = 40

// enter counts a level of nesting; the returned function leaves it.
func (p *parser) enter() func() {
	if p.depth++; p.depth > depthMax {
		p.stop(source.Errorf("schema is nested deeper than %d levels", depthMax))
	}
	return func() { p.depth-- }
}

func (p *parser) count() {
	if p.statements++; p.statements > source.NodesMax {
		p.stop(source.Errorf("schema holds more than %d statements", source.NodesMax))
	}
}

// statement reads one statement into its owner: a *file, *message, *enum, *service, *method or *extend.
func (p *parser) statement(in context, owner any) {
	p.count()
	first := p.statements == 1
	if p.take(';') {
		return
	}
	p.blanks()
	at := p.at
	switch label := p.word(); {
	case label == "package" && in == inFile:
		p.file.pkg = p.name()
		p.require(';')
	case label == "import" && in == inFile:
		p.imports()
	case label == "syntax" && in == inFile:
		p.syntax(at, first)
	case label == "edition" && in == inFile:
		p.fail("edition is not currently supported")
	case label == "option" && in != inExtend:
		p.addOption(owner)
	case label == "reserved" && (in == inMessage || in == inEnum):
		p.reserved(at, owner)
	case label == "message" && in <= inMessage:
		p.message(at, owner)
	case label == "enum" && in <= inMessage:
		p.enum(at, owner)
	case label == "service" && in == inFile:
		p.service(at)
	case label == "extend" && in <= inMessage:
		p.extend(owner)
	case label == "rpc" && in == inService:
		p.method(owner.(*service)) //nolint:forcetypeassert // inService has such an owner
	case label == "oneof" && in == inMessage:
		p.oneof(owner.(*message)) //nolint:forcetypeassert // inMessage has such an owner
	case label == "extensions" && in == inMessage:
		p.extensions(at, owner.(*message)) //nolint:forcetypeassert // inMessage has such an owner
	case in == inMessage || in == inExtend:
		p.member(at, label, owner)
	case in == inEnum:
		p.constant(label, owner.(*enum)) //nolint:forcetypeassert // inEnum has such an owner
	default:
		p.failAt(at, "unexpected label: %s", label)
	}
}

// block reads statements in braces.
func (p *parser) block(in context, owner any) {
	defer p.enter()()
	p.require('{')
	for !p.take('}') {
		p.statement(in, owner)
	}
}

func (p *parser) imports() {
	path, public := p.path(), false
	if path == "public" || path == "weak" {
		path, public = p.path(), path == "public"
	}
	if public {
		p.file.publicImports = append(p.file.publicImports, path)
	} else {
		p.file.imports = append(p.file.imports, path)
	}
	p.require(';')
}

// path reads an import path, which need not be quoted.
func (p *parser) path() string {
	if c := p.peek(); c == '"' || c == '\'' {
		return p.quoted()
	}
	return p.word()
}

func (p *parser) syntax(at int, first bool) {
	if p.file.syntax != "" {
		p.failAt(at, "too many syntax definitions")
	}
	p.require('=')
	if !first {
		p.failAt(at, "'syntax' element must be the first declaration in a file")
	}
	syntax := p.quoted()
	if syntax != "proto2" && syntax != "proto3" {
		p.failAt(at, "unexpected syntax: %s", syntax)
	}
	p.file.syntax = syntax
	p.require(';')
}

// declare refuses a second type of the same name beside the first.
//
// Only types of the file itself are checked; upstream takes a message with two inner types of one name.
func (p *parser) declare(name string, at int, owner any) {
	if _, nested := owner.(*message); nested {
		return
	}
	names := p.declared[owner]
	if names == nil {
		names = map[string]int{}
		p.declared[owner] = names
	}
	if first, ok := names[name]; ok {
		p.stop(source.Errorf("Could not parse Protobuf - %s (%s) is already defined at %s", name, p.where(at), p.where(first)))
	}
	names[name] = at
}

func (p *parser) message(at int, owner any) {
	m := &message{name: p.name()}
	p.block(inMessage, m)
	p.declare(m.name, at, owner)
	if outer, ok := owner.(*message); ok {
		outer.messages = append(outer.messages, m)
	} else {
		p.file.messages = append(p.file.messages, m)
	}
}

func (p *parser) enum(at int, owner any) {
	e := &enum{name: p.name()}
	p.block(inEnum, e)
	p.declare(e.name, at, owner)
	if outer, ok := owner.(*message); ok {
		outer.enums = append(outer.enums, e)
	} else {
		p.file.enums = append(p.file.enums, e)
	}
}

func (p *parser) constant(name string, e *enum) {
	p.require('=')
	c := constant{name: name, number: p.number()}
	c.options = p.options()
	p.require(';')
	e.constants = append(e.constants, c)
}

func (p *parser) service(at int) {
	s := &service{name: p.name()}
	p.block(inService, s)
	p.declare(s.name, at, "services")
	p.file.services = append(p.file.services, s)
}

func (p *parser) method(s *service) {
	m := &method{name: p.name()}
	m.streamsRequest, m.request = p.methodType()
	if p.word() != "returns" {
		p.fail("expected 'returns'")
	}
	m.streamsResponse, m.response = p.methodType()
	if p.peek() == '{' {
		p.block(inMethod, m)
	} else {
		p.require(';')
	}
	s.methods = append(s.methods, m)
}

func (p *parser) methodType() (streams bool, typ string) {
	p.require('(')
	typ = p.word()
	if typ == "stream" {
		streams, typ = true, p.word()
	}
	p.require(')')
	return streams, typ
}

func (p *parser) extend(owner any) {
	e := &extend{name: p.name()}
	p.block(inExtend, e)
	if m, ok := owner.(*message); ok {
		m.extends = append(m.extends, e)
	} else {
		p.file.extends = append(p.file.extends, e)
	}
}

// member reads a field or group of a message or extend.
func (p *parser) member(at int, label string, owner any) {
	f, g := p.fieldOrGroup(at, label)
	switch o := owner.(type) {
	case *message:
		if g != nil {
			o.groups = append(o.groups, g)
		} else {
			o.fields = append(o.fields, f)
		}
	case *extend:
		if g != nil {
			p.failAt(at, "expected field declaration, was group %s", g.name)
		}
		o.fields = append(o.fields, f)
	}
}

func (p *parser) fieldOrGroup(at int, label string) (*field, *group) {
	var typ string
	switch {
	case label == "required" && p.file.syntax == "proto3":
		p.failAt(at, "'required' label forbidden in proto3 field declarations")
	case label == "required", label == "optional", label == "repeated":
		typ = p.word()
	case p.file.syntax != "proto3" && (label != "map" || p.peek() != '<'):
		p.failAt(at, "unexpected label: %s", label)
	default:
		typ, label = label, ""
	}
	if typ == "group" {
		return nil, p.group(label)
	}
	f := &field{label: label}
	p.dataType(f, typ)
	if f.isMap() && label != "" {
		p.failAt(at, "'map' type cannot have label")
	}
	p.field(f)
	return f, nil
}

// dataType completes a type whose first word was read.
func (p *parser) dataType(f *field, word string) {
	f.typ = word
	if word != "map" || p.peek() != '<' {
		return
	}
	p.at++
	f.key = p.word()
	if p.next() != ',' {
		p.fail("expected ','")
	}
	f.value = p.word()
	if p.next() != '>' {
		p.fail("expected '>'")
	}
	f.typ = "map<" + f.key + ", " + f.value + ">"
}

func (p *parser) field(f *field) {
	f.name = p.name()
	p.require('=')
	f.number = p.number()
	for _, o := range p.options() {
		switch {
		case o.parenthesized:
			f.options = append(f.options, o)
		case o.name == "default":
			f.defaultValue = &o.value
		case o.name == "json_name" && o.value.kind == kindString:
			f.jsonName = &o.value.text
		default:
			f.options = append(f.options, o)
		}
	}
	p.require(';')
}

func (p *parser) oneof(m *message) {
	defer p.enter()()
	o := &oneof{name: p.name()}
	p.require('{')
	for !p.take('}') {
		p.count()
		switch word := p.word(); word {
		case "group":
			o.groups = append(o.groups, p.group(""))
		case "option":
			o.options = append(o.options, p.option('='))
			p.require(';')
		default:
			f := &field{}
			p.dataType(f, word)
			p.field(f)
			o.fields = append(o.fields, f)
		}
	}
	m.oneofs = append(m.oneofs, o)
}

func (p *parser) group(label string) *group {
	defer p.enter()()
	g := &group{label: label, name: p.word()}
	p.require('=')
	g.number = p.number()
	g.options = p.options()
	p.require('{')
	for !p.take('}') {
		p.count()
		p.blanks()
		at := p.at
		f, inner := p.fieldOrGroup(at, p.word())
		if inner != nil {
			p.failAt(at, "expected field declaration, was group %s", inner.name)
		}
		g.fields = append(g.fields, f)
	}
	return g
}

func (p *parser) reserved(at int, owner any) {
	var r reserved
	for {
		p.count()
		var v reservedValue
		if c := p.peek(); c == '"' || c == '\'' {
			v.name = p.quoted()
		} else {
			v.span = p.span(at, "expected ',', ';', or 'to'")
		}
		r.values = append(r.values, v)
		if c := p.next(); c == ';' {
			break
		} else if c != ',' {
			p.fail("expected ',' or ';'")
		}
	}
	switch o := owner.(type) {
	case *message:
		o.reserved = append(o.reserved, r)
	case *enum:
		o.reserved = append(o.reserved, r)
	}
}

func (p *parser) span(at int, expected string) span {
	from := p.number()
	s := span{from, from}
	if c := p.peek(); c == ',' || c == ';' || c == '[' {
		return s
	}
	if p.peek() != 't' || p.word() != "to" {
		p.failAt(at, "%s", expected)
	}
	word := p.word()
	if word == "max" {
		s.to = maxNumber
		return s
	}
	to, err := strconv.ParseInt(word, 10, 32)
	if err != nil {
		p.stop(source.Errorf("Could not parse Protobuf - For input string: %q", word))
	}
	s.to = int(to)
	return s
}

func (p *parser) extensions(at int, m *message) {
	var e extensions
	for {
		p.count()
		e.spans = append(e.spans, p.span(at, "expected ',', ';', '[' or 'to'"))
		if p.peek() == '[' {
			e.options = p.options()
			p.require(';')
			break
		}
		if c := p.next(); c == ';' {
			break
		} else if c != ',' {
			p.fail("expected ',' or ';'")
		}
	}
	m.extensions = append(m.extensions, e)
}
