// Package avro parses Avro schemas, prints them as Apache Avro for Java 1.12 and Confluent's registry do, and
// lists why a reader's schema cannot read what a writer's wrote.
//
// The rules are those of the Avro specification 1.12 (https://avro.apache.org/docs/1.12.0/specification/);
// texts of errors and differences are those of the recorded sessions of Confluent's registry 8.0.2. Logical
// types are properties here: they never decide whether a schema is valid or compatible.
//
// No I/O, no goroutines; a Schema is immutable after Parse.
package avro

import (
	"strings"

	"leat.dev/internal/registry/schema/tree"
)

// Kind is one of the fourteen types of Avro.
type Kind uint8

// The kinds, in the order of Java's Schema.Type.
const (
	Record Kind = iota
	Enum
	Array
	Map
	Union
	Fixed
	String
	Bytes
	Int
	Long
	Float
	Double
	Boolean
	Null
)

var kindNames = [...]string{
	"record", "enum", "array", "map", "union", "fixed", "string",
	"bytes", "int", "long", "float", "double", "boolean", "null",
}

// String is the name in schema texts, lower case.
func (k Kind) String() string { return kindNames[k] }

func (k Kind) named() bool { return k == Record || k == Enum || k == Fixed }

var primitives = func() map[string]Kind {
	m := map[string]Kind{}
	for k := String; k <= Null; k++ {
		m[kindNames[k]] = k
	}
	return m
}()

// A Type is one schema node. Named types that occur more than once are one Type.
type Type struct {
	Kind    Kind
	Name    Name // of a record, enum or fixed
	Doc     *string
	Aliases []Name // in written order, each once
	IsError bool   // a record spelled "error"
	Fields  []*Field
	Symbols []string
	Default *string // of an enum
	Size    int     // of a fixed, bytes
	Items   *Type   // of an array or map
	Types   []*Type // of a union
	Props   []tree.Member

	byName map[string]*Field
}

// A Field is one field of a record.
type Field struct {
	Name       string
	Position   int // from 0
	Type       *Type
	Doc        *string
	Default    *tree.Node // nil if there is none; a Null node is a default
	Descending bool
	Ignore     bool
	Aliases    []string
	Props      []tree.Member
}

// A Name is a full name in its two parts. Space is empty in the null namespace.
type Name struct{ Space, Short string }

func newName(name, space string) Name {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return Name{name[:i], name[i+1:]}
	}
	return Name{space, name}
}

// Full is the dotted name.
func (n Name) Full() string {
	if n.Space == "" {
		return n.Short
	}
	return n.Space + "." + n.Short
}

// relative is the shortest spelling inside a namespace: the short name there, unless it is a type's word.
func (n Name) relative(space string) string {
	if n.Space == "" || n.Space != space {
		return n.Full()
	}
	for _, word := range kindNames {
		if word == n.Short {
			return n.Full()
		}
	}
	return n.Short
}

func (t *Type) field(name string) *Field { return t.byName[name] }

// branchName is what must differ between the branches of a union.
func (t *Type) branchName() string {
	if t.Kind.named() {
		return t.Name.Full()
	}
	return t.Kind.String()
}

// A Schema is a parsed Avro schema.
type Schema struct {
	Root       *Type
	referenced map[string]*Type // types that came from references, by full name: printed as names
}

// Name is the full name of the root type, empty if it has none.
func (s *Schema) Name() string {
	if s.Root.Kind.named() {
		return s.Root.Name.Full()
	}
	return ""
}
