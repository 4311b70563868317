package avro

import (
	"slices"
	"strconv"
	"strings"

	"leat.dev/internal/registry/schema/tree"
)

// Text is the canonical text: types that came from references stay names.
func (s *Schema) Text() string { return text(s.Root, s.referenced) }

// Resolved is the canonical text with the types of references written out where they are first used.
func (s *Schema) Resolved() string { return text(s.Root, nil) }

// Normalized is the text of `normalize=true`: properties by name, aliases by name, defaults as values of
// their types, and what cannot be such a value left out.
func (s *Schema) Normalized() string {
	p := printer{known: map[string]bool{}, normal: true}
	for name := range s.referenced {
		p.known[name] = true
	}
	p.write(s.Root, "")
	return p.b.String()
}

func text(t *Type, referenced map[string]*Type) string {
	p := printer{known: make(map[string]bool, len(referenced))}
	for name := range referenced {
		p.known[name] = true
	}
	p.write(t, "")
	return p.b.String()
}

type printer struct {
	b      strings.Builder
	known  map[string]bool // full names written before
	normal bool
}

// key writes `,"name":`; the comma is left out at the beginning of an object.
func (p *printer) key(name string) {
	if s := p.b.String(); s[len(s)-1] != '{' {
		p.b.WriteByte(',')
	}
	tree.Quote(&p.b, name)
	p.b.WriteByte(':')
}

func (p *printer) member(name, value string) {
	p.key(name)
	tree.Quote(&p.b, value)
}

func (p *printer) write(t *Type, space string) {
	switch {
	case t == nil: // not resolved yet: only error texts print such a type
		p.b.WriteString("null")
		return
	case t.Kind == Union:
		p.b.WriteByte('[')
		for i, branch := range t.Types {
			if i > 0 {
				p.b.WriteByte(',')
			}
			p.write(branch, space)
		}
		p.b.WriteByte(']')
		return
	case t.Kind.named():
		if p.known[t.Name.Full()] {
			tree.Quote(&p.b, t.Name.relative(space))
			return
		}
		p.known[t.Name.Full()] = true
	case len(t.Props) == 0 && t.Items == nil:
		tree.Quote(&p.b, t.Kind.String())
		return
	}
	p.b.WriteByte('{')
	if t.IsError && !p.normal {
		p.member("type", "error")
	} else {
		p.member("type", t.Kind.String())
	}
	if t.Kind.named() {
		p.member("name", t.Name.Short)
		if t.Name.Space != space {
			p.member("namespace", t.Name.Space)
		}
		if t.Doc != nil && (!p.normal || *t.Doc != "") {
			p.member("doc", *t.Doc)
		}
	}
	p.content(t, space)
	p.props(t.Props)
	names := make([]string, len(t.Aliases))
	for i, a := range t.Aliases {
		names[i] = a.relative(t.Name.Space)
	}
	p.aliases(names)
	p.b.WriteByte('}')
}

func (p *printer) content(t *Type, space string) {
	switch t.Kind {
	case Record:
		p.key("fields")
		p.b.WriteByte('[')
		for i, f := range t.Fields {
			if i > 0 {
				p.b.WriteByte(',')
			}
			p.field(f, t.Name.Space)
		}
		p.b.WriteByte(']')
	case Enum:
		p.key("symbols")
		p.b.WriteByte('[')
		for i, s := range t.Symbols {
			if i > 0 {
				p.b.WriteByte(',')
			}
			tree.Quote(&p.b, s)
		}
		p.b.WriteByte(']')
		if t.Default != nil {
			p.member("default", *t.Default)
		}
	case Fixed:
		p.key("size")
		p.b.WriteString(strconv.Itoa(t.Size))
	case Array:
		p.key("items")
		p.write(t.Items, space)
	case Map:
		p.key("values")
		p.write(t.Items, space)
	}
}

func (p *printer) field(f *Field, space string) {
	p.b.WriteByte('{')
	p.member("name", f.Name)
	p.key("type")
	p.write(f.Type, space)
	if f.Doc != nil {
		p.member("doc", *f.Doc)
	}
	value := f.Default
	if value != nil && p.normal {
		value = typedDefault(f.Type, value)
	}
	if value != nil {
		p.key("default")
		value.Print(&p.b, javaNumber)
	}
	if f.Descending {
		p.member("order", "descending")
	}
	if f.Ignore {
		p.member("order", "ignore")
	}
	p.aliases(f.Aliases)
	p.props(f.Props)
	p.b.WriteByte('}')
}

func (p *printer) aliases(names []string) {
	if len(names) == 0 {
		return
	}
	if p.normal {
		names = slices.Clone(names)
		slices.SortFunc(names, tree.CompareJava)
	}
	p.key("aliases")
	p.b.WriteByte('[')
	for i, a := range names {
		if i > 0 {
			p.b.WriteByte(',')
		}
		tree.Quote(&p.b, a)
	}
	p.b.WriteByte(']')
}

func (p *printer) props(members []tree.Member) {
	if p.normal {
		members = tree.NewObject(members...).Sorted().Members
	}
	for _, m := range members {
		p.key(m.Key)
		m.Value.Print(&p.b, javaNumber)
	}
}

// javaText is how Jackson prints a document it has read.
func javaText(n *tree.Node) string {
	var b strings.Builder
	n.Print(&b, javaNumber)
	return b.String()
}

// javaNumber is the text of a number that Jackson has read into an int, long, BigInteger or double.
func javaNumber(text string) string {
	if strings.ContainsAny(text, "NI") { // a float's NaN or infinity, which JSON has only as a text
		return `"` + text + `"`
	}
	if tree.IsInteger(text) {
		if text == "-0" {
			return "0"
		}
		return text
	}
	v, _ := strconv.ParseFloat(text, 64)
	s := tree.JavaDouble(v)
	if s == "Infinity" || s == "-Infinity" {
		return `"` + s + `"`
	}
	return s
}
