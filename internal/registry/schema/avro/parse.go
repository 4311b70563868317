package avro

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"leat.dev/internal/registry/schema/source"
	"leat.dev/internal/registry/schema/tree"
)

// Parse reads a schema after the schemas it refers to. Types may be named before they are defined, as Avro
// 1.12 allows. With checkDefaults a default that is no value of its field's type is refused.
//
// Errors are *source.Error.
func Parse(text string, dependencies []source.Dependency, checkDefaults bool) (*Schema, error) {
	p := &parser{named: map[string]*Type{}}
	for _, d := range dependencies {
		if _, err := p.document(d.Text); err != nil {
			return nil, err
		}
	}
	s := &Schema{referenced: make(map[string]*Type, len(p.named))}
	for name, t := range p.named {
		s.referenced[name] = t
	}
	p.checkDefaults = checkDefaults
	root, err := p.document(text)
	if err != nil {
		return nil, err
	}
	s.Root = root
	return s, nil
}

type parser struct {
	named         map[string]*Type
	open          []*reference // names used before their definition, in the order of use
	records       []*Type      // of the document at hand
	unions        []*Type
	checkDefaults bool
}

// A reference is a place that waits for a named type.
type reference struct {
	name, space string
	place       **Type
}

func (p *parser) document(text string) (*Type, error) {
	node, rest, err := tree.ParseCommented(text)
	var syntax *tree.SyntaxError
	switch {
	case errors.As(err, &syntax):
		class := "com.fasterxml.jackson.core.JsonParseException: "
		if syntax.AtEnd {
			class = "com.fasterxml.jackson.core.io.JsonEOFException: "
		}
		return nil, source.Errorf("%s%s", class, syntax)
	case err != nil:
		return nil, err
	case node == nil:
		return nil, source.Errorf("Cannot parse <null> schema")
	}
	p.open, p.records, p.unions = nil, nil, nil
	var root *Type
	if err := p.parse(node, "", &root); err != nil {
		return nil, err
	}
	if dangling := strings.TrimSpace(text[rest:]); dangling != "" {
		return nil, source.Errorf("dangling content after end of schema: %s", dangling)
	}
	return root, p.settle(&root)
}

// settle fills in the types that were named before they were defined, and then checks what needs all types.
func (p *parser) settle(root **Type) error {
	for _, r := range p.open {
		t := p.lookup(r.name, r.space)
		switch {
		case t != nil:
			*r.place = t
		case r.place == root:
			return source.Errorf("Unknown schema: org.apache.avro.compiler.UnresolvedSchema_%s", cmp.Or(r.name, "1"))
		default:
			return source.Errorf("Undefined schema: %s", qualified(r.name, r.space))
		}
	}
	for _, u := range p.unions {
		if err := checkUnion(u); err != nil {
			return err
		}
	}
	if !p.checkDefaults {
		return nil
	}
	for _, r := range p.records {
		for _, f := range r.Fields {
			if f.Default != nil && !validDefault(f.Type, f.Default, true) {
				return source.Errorf("Invalid default for field %s: %s not a %s", f.Name, javaText(f.Default), text(f.Type, nil))
			}
		}
	}
	return nil
}

func qualified(name, space string) string {
	if space != "" && !strings.Contains(name, ".") {
		return space + "." + name
	}
	return name
}

func (p *parser) lookup(name, space string) *Type {
	if t := p.named[qualified(name, space)]; t != nil {
		return t
	}
	return p.named[name]
}

func (p *parser) parse(n *tree.Node, space string, into **Type) error {
	switch n.Kind {
	case tree.String:
		p.find(n.Text, space, into)
		return nil
	case tree.Array:
		return p.union(n, space, into)
	case tree.Object:
		return p.object(n, space, into)
	}
	return source.Errorf("Schema not yet supported: %s", javaText(n))
}

func (p *parser) find(name, space string, into **Type) {
	if kind, ok := primitives[name]; ok {
		*into = &Type{Kind: kind}
	} else if t := p.lookup(name, space); t != nil {
		*into = t
	} else {
		p.open = append(p.open, &reference{name, space, into})
	}
}

func (p *parser) object(n *tree.Node, space string, into **Type) error {
	word, err := required(n, "type", "No type")
	if err != nil {
		return err
	}
	t := &Type{}
	switch word {
	case "record", "error":
		t.Kind, t.IsError = Record, word == "error"
		err = p.record(n, t, space)
	case "enum":
		t.Kind = Enum
		err = p.enum(n, t, space)
	case "fixed":
		t.Kind = Fixed
		err = p.fixed(n, t, space)
	case "array":
		t.Kind = Array
		err = p.items(n, "items", "Array has no items type", t, space)
	case "map":
		t.Kind = Map
		err = p.items(n, "values", "Map has no values type", t, space)
	default:
		kind, ok := primitives[word]
		if !ok {
			p.find(word, space, into)
			return nil
		}
		t.Kind = kind
	}
	if err != nil {
		return err
	}
	*into = t
	if t.Props, err = props(n, schemaReserved(t.Kind)); err != nil {
		return err
	}
	if t.Kind.named() {
		aliases, err := aliases(n)
		if err != nil {
			return err
		}
		for _, a := range aliases {
			t.Aliases = appendOnce(t.Aliases, newName(a, t.Name.Space))
		}
	}
	return nil
}

func appendOnce[T comparable](list []T, v T) []T {
	for _, have := range list {
		if have == v {
			return list
		}
	}
	return append(list, v)
}

// declare reads the name of a named type and makes it known, before its fields so that they may name it.
func (p *parser) declare(n *tree.Node, t *Type, space string) error {
	name, err := required(n, "name", "No name in schema")
	if err != nil {
		return err
	}
	if own := n.Get("namespace"); own.Is(tree.String) {
		space = own.Text
	}
	t.Name = newName(name, space)
	if len(t.Name.Space) > source.NameBytesMax {
		return source.Errorf("namespace of %d bytes is longer than the limit of %d", len(t.Name.Space), source.NameBytesMax)
	}
	if err := checkName(t.Name.Short); err != nil {
		return err
	}
	if t.Name.Space != "" {
		for part := range strings.SplitSeq(t.Name.Space, ".") {
			if err := checkName(part); err != nil {
				return source.Errorf("Namespace part \"%s\" is invalid: %s", part, err)
			}
		}
	}
	full := t.Name.Full()
	if len(full) > source.NameBytesMax {
		return source.Errorf("name of %d bytes is longer than the limit of %d", len(full), source.NameBytesMax)
	}
	if _, ok := primitives[full]; ok {
		return source.Errorf("Schemas may not be named after primitives: %s", full)
	}
	if p.named[full] != nil {
		return source.Errorf("Can't redefine: %s", full)
	}
	p.named[full] = t
	if doc := n.Get("doc"); doc.Is(tree.String) {
		t.Doc = &doc.Text
	}
	return nil
}

func (p *parser) record(n *tree.Node, t *Type, space string) error {
	if err := p.declare(n, t, space); err != nil {
		return err
	}
	p.records = append(p.records, t)
	fields := n.Get("fields")
	if !fields.Is(tree.Array) {
		return source.Errorf("Record has no fields: %s", javaText(n))
	}
	t.byName = make(map[string]*Field, len(fields.Items))
	for i, item := range fields.Items {
		f := &Field{Position: i}
		if err := p.field(item, f, t.Name.Space); err != nil {
			return err
		}
		if first := t.byName[f.Name]; first != nil {
			return source.Errorf("Duplicate field %s in record %s: %s and %s.", f.Name, t.Name.Full(), f.describe(), first.describe())
		}
		t.byName[f.Name] = f
		t.Fields = append(t.Fields, f)
	}
	return nil
}

func (f *Field) describe() string {
	kind := "UNRESOLVED"
	if f.Type != nil {
		kind = strings.ToUpper(f.Type.Kind.String())
	}
	return fmt.Sprintf("%s type:%s pos:%d", f.Name, kind, f.Position)
}

func (p *parser) field(n *tree.Node, f *Field, space string) error {
	var err error
	if f.Name, err = required(n, "name", "No field name"); err != nil {
		return err
	}
	if doc := n.Get("doc"); doc.Is(tree.String) {
		f.Doc = &doc.Text
	}
	typ := n.Get("type")
	if typ == nil {
		return source.Errorf("No field type: %s", javaText(n))
	}
	if err := p.parse(typ, space, &f.Type); err != nil {
		return err
	}
	if err := checkName(f.Name); err != nil {
		return err
	}
	if order := n.Get("order"); order != nil {
		switch strings.ToUpper(order.Text) {
		case "ASCENDING":
		case "DESCENDING":
			f.Descending = true
		case "IGNORE":
			f.Ignore = true
		default:
			return source.Errorf("No enum constant org.apache.avro.Schema.Field.Order.%s", strings.ToUpper(order.Text))
		}
	}
	f.Default = n.Get("default")
	if f.Default.Is(tree.String) && f.Type != nil && (f.Type.Kind == Float || f.Type.Kind == Double) {
		v, err := strconv.ParseFloat(f.Default.Text, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return source.Errorf("For input string: %q", f.Default.Text)
		}
		f.Default = &tree.Node{Kind: tree.Number, Text: tree.JavaDouble(v)}
	}
	if f.Props, err = props(n, fieldReserved); err != nil {
		return err
	}
	list, err := aliases(n)
	for _, a := range list {
		f.Aliases = appendOnce(f.Aliases, a)
	}
	return err
}

func (p *parser) enum(n *tree.Node, t *Type, space string) error {
	symbols := n.Get("symbols")
	if !symbols.Is(tree.Array) {
		if _, err := required(n, "name", "No name in schema"); err != nil {
			return err
		}
		return source.Errorf("Enum has no symbols: %s", javaText(n))
	}
	if err := p.declare(n, t, space); err != nil {
		return err
	}
	seen := make(map[string]bool, len(symbols.Items))
	for _, item := range symbols.Items {
		if !item.Is(tree.String) {
			return source.Errorf("Null name")
		}
		if err := checkName(item.Text); err != nil {
			return err
		}
		if seen[item.Text] {
			return source.Errorf("Duplicate enum symbol: %s", item.Text)
		}
		seen[item.Text] = true
		t.Symbols = append(t.Symbols, item.Text)
	}
	if d := n.Get("default"); d.Is(tree.String) {
		if !seen[d.Text] {
			return source.Errorf("The Enum Default: %s is not in the enum symbol set: [%s]", d.Text, strings.Join(t.Symbols, ", "))
		}
		t.Default = &d.Text
	}
	return nil
}

func (p *parser) fixed(n *tree.Node, t *Type, space string) error {
	size := n.Get("size")
	v, err := 0, error(nil)
	if size.Is(tree.Number) {
		v, err = parseInt32(size.Text)
	}
	if !size.Is(tree.Number) || err != nil {
		if _, err := required(n, "name", "No name in schema"); err != nil {
			return err
		}
		return source.Errorf("Invalid or no size: %s", javaText(n))
	}
	if v < 0 {
		return source.Errorf("Malformed data. Length is negative: %d", v)
	}
	t.Size = v
	return p.declare(n, t, space)
}

func parseInt32(text string) (int, error) {
	v, err := strconv.ParseInt(text, 10, 32)
	return int(v), err
}

func (p *parser) items(n *tree.Node, key, missing string, t *Type, space string) error {
	items := n.Get(key)
	if items == nil {
		return source.Errorf("%s: %s", missing, javaText(n))
	}
	return p.parse(items, space, &t.Items)
}

func (p *parser) union(n *tree.Node, space string, into **Type) error {
	t := &Type{Kind: Union, Types: make([]*Type, len(n.Items))}
	for i, item := range n.Items {
		if err := p.parse(item, space, &t.Types[i]); err != nil {
			return err
		}
	}
	for _, branch := range t.Types {
		if branch != nil && branch.Kind == Union {
			return source.Errorf("Nested union: %s", text(t, nil))
		}
	}
	p.unions = append(p.unions, t)
	*into = t
	return nil
}

func checkUnion(u *Type) error {
	seen := make(map[string]bool, len(u.Types))
	for _, branch := range u.Types {
		name := branch.branchName()
		if seen[name] {
			return source.Errorf("Duplicate in union:%s", name)
		}
		seen[name] = true
	}
	return nil
}

func required(n *tree.Node, key, missing string) (string, error) {
	if v := n.Get(key); v.Is(tree.String) {
		return v.Text, nil
	}
	return "", source.Errorf("%s: %s", missing, javaText(n))
}

// checkName keeps Avro 1.12's rule: a letter of any script or an underscore, then also digits.
func checkName(name string) error {
	if name == "" {
		return source.Errorf("Empty name")
	}
	for i, r := range name {
		switch {
		case r == '_' || r <= 0xFFFF && unicode.IsLetter(r): // Java looks at UTF-16 units, where others are no letters
		case i == 0:
			return source.Errorf("Illegal initial character: %s", name)
		case r > 0xFFFF || !unicode.IsDigit(r):
			return source.Errorf("Illegal character in: %s", name)
		}
	}
	return nil
}

var fieldReserved = []string{"default", "doc", "name", "order", "type", "aliases"}

func schemaReserved(k Kind) []string {
	reserved := []string{"doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"}
	if k == Enum {
		reserved = append(reserved, "default")
	}
	return reserved
}

// props are the members that are not Avro's own.
func props(n *tree.Node, reserved []string) ([]tree.Member, error) {
	var out []tree.Member
next:
	for _, m := range n.Members {
		for _, word := range reserved {
			if m.Key == word {
				continue next
			}
		}
		if m.Value.Kind == tree.Number && tree.IsInteger(m.Value.Text) {
			if _, err := strconv.ParseInt(m.Value.Text, 10, 64); err != nil {
				return nil, source.Errorf("Can't set a property to null: %s", m.Key)
			}
		}
		out = append(out, m)
	}
	return out, nil
}

func aliases(n *tree.Node) ([]string, error) {
	list := n.Get("aliases")
	if list == nil {
		return nil, nil
	}
	if list.Kind != tree.Array {
		return nil, source.Errorf("aliases not an array: %s", javaText(list))
	}
	out := make([]string, 0, len(list.Items))
	for _, item := range list.Items {
		if item.Kind != tree.String {
			return nil, source.Errorf("alias not a string: %s", javaText(item))
		}
		out = append(out, item.Text)
	}
	return out, nil
}
