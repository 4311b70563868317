package api

import (
	"fmt"
	"strconv"
	"strings"
)

// A shape is a request's layout with all that does not matter for its size
// left out. It is written as fields in their order:
//
//	1 2 4 8 u   that many bytes; u is sixteen
//	s           string, nullable or not
//	b           bytes
//	*4 *s       array of plain values
//	[4 s]       array of structures
//	~*4 ~[4 s]  array that may be null; a null where none may be is malformed, as in Kafka
//	?{4 s}      structure that may be null
//	#1{4 s}     structure in tagged field 1 of the structure it stands in
//
// Any of them may end in @3 (from version 3 on) or @3-7. Structures end in
// tagged fields in flexible versions, which are not written. Tagged fields
// that hold no structure need not be written either.
type layout struct {
	fields []fieldLayout
	tags   []taggedLayout
	// minBytes is the least that a value takes on the wire.
	minBytes int
	// structure: flexible versions end it in tagged fields.
	structure bool
}

type fieldLayout struct {
	kind byte // '1': size bytes; 's', 'b'; '[': array of elem; '?': nullable elem
	size int
	elem *layout
	null bool // an array that may be null
}

type taggedLayout struct {
	number uint32
	elem   *layout
}

// compile reads a shape for one version.
func compile(shape string, version int16, flexible bool) (*layout, error) {
	p := shapeParser{rest: shape, version: version, flexible: flexible}
	l := p.structure(0)
	if p.err != nil {
		return nil, fmt.Errorf("shape %q: %w", shape, p.err)
	}
	return l, nil
}

type shapeParser struct {
	rest     string
	version  int16
	flexible bool
	err      error
}

func (p *shapeParser) fail(what string) {
	if p.err == nil {
		p.err = fmt.Errorf("%s at %q", what, p.rest)
	}
	p.rest = ""
}

func (p *shapeParser) next() byte {
	if p.rest == "" {
		p.fail("unexpected end")
		return 0
	}
	c := p.rest[0]
	p.rest = p.rest[1:]
	return c
}

// structure reads fields up to end, 0 for the end of the shape.
func (p *shapeParser) structure(end byte) *layout {
	l := &layout{structure: true}
	if p.flexible {
		l.minBytes = 1
	}
	for p.err == nil {
		p.rest = strings.TrimLeft(p.rest, " ")
		if p.rest == "" && end == 0 {
			break
		}
		c := p.next()
		if c == end {
			break
		}
		if c == '#' {
			p.tagged(l)
			continue
		}
		f, least := p.field(c)
		if p.present() {
			l.fields = append(l.fields, f)
			l.minBytes += least
		}
	}
	return l
}

// field reads a field that begins with c, and tells its least size.
func (p *shapeParser) field(c byte) (f fieldLayout, minBytes int) {
	short, long := 2, 4
	if p.flexible {
		short, long = 1, 1
	}
	switch c {
	case '1', '2', '4', '8':
		n := int(c - '0')
		return fieldLayout{kind: '1', size: n}, n
	case 'u':
		return fieldLayout{kind: '1', size: 16}, 16
	case 's':
		return fieldLayout{kind: 's'}, short
	case 'b':
		return fieldLayout{kind: 'b'}, long
	case '*':
		elem, least := p.field(p.next())
		return fieldLayout{kind: '[', elem: &layout{fields: []fieldLayout{elem}, minBytes: least}}, long
	case '[':
		return fieldLayout{kind: '[', elem: p.structure(']')}, long
	case '~':
		f, minBytes = p.field(p.next())
		f.null = true
		return f, minBytes
	case '?':
		p.open()
		return fieldLayout{kind: '?', elem: p.structure('}')}, 1
	}
	p.fail(fmt.Sprintf("unknown field %q", c))
	return fieldLayout{}, 0
}

func (p *shapeParser) open() {
	if p.next() != '{' {
		p.fail("expected {")
	}
}

func (p *shapeParser) tagged(l *layout) {
	number := p.number()
	p.open()
	elem := p.structure('}')
	if p.present() {
		l.tags = append(l.tags, taggedLayout{number: uint32(number), elem: elem})
	}
}

func (p *shapeParser) number() int16 {
	n := 0
	for n < len(p.rest) && p.rest[n] >= '0' && p.rest[n] <= '9' {
		n++
	}
	v, err := strconv.ParseInt(p.rest[:n], 10, 16)
	if err != nil {
		p.fail("expected a number")
		return 0
	}
	p.rest = p.rest[n:]
	return int16(v)
}

// present reads the range of versions after a field, if there is one, and
// tells whether the field is in the version that is compiled.
func (p *shapeParser) present() bool {
	if !strings.HasPrefix(p.rest, "@") {
		return true
	}
	p.rest = p.rest[1:]
	since := p.number()
	if !strings.HasPrefix(p.rest, "-") {
		return p.version >= since
	}
	p.rest = p.rest[1:]
	until := p.number()
	return p.version >= since && p.version <= until
}
