// Package jsonschema reads JSON Schemas of drafts 4 to 2020-12, prints them as Confluent's registry does, and
// lists the differences between two of them.
//
// A document becomes the model that Confluent's registry compares: one schema for each family of keywords
// (string, number, object, array), several of them joined by allOf, "type":[a,b] as anyOf. What the model does
// not hold (format, contains, propertyNames, if/then/else, unevaluatedProperties, ...) is kept in the text and
// never decides about compatibility, which is what upstream's version 8.0.2 does.
//
// The rules are in docs of the specification pages (https://json-schema.org/specification) and, for content
// models, in https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/serdes-json.html.
// A `$ref` finds its target in the document or among the references: never on the network.
//
// No I/O, no goroutines; a Schema is immutable after Parse.
package jsonschema

import (
	"strings"

	"leat.dev/internal/registry/schema/tree"
)

// Schema is a parsed JSON Schema.
type Schema struct {
	root *tree.Node
	node *node
}

// Name is the title of the root, empty if it has none.
func (s *Schema) Name() string {
	if title := s.root.Get("title"); title.Is(tree.String) {
		return title.Text
	}
	return ""
}

// Text is the canonical text: the document without blanks, keys in their order, numbers with their scale.
func (s *Schema) Text() string { return compact(s.root) }

// Normalized is the canonical text with the keys of every object in order.
func (s *Schema) Normalized() string { return compact(s.root.Sorted()) }

func compact(n *tree.Node) string {
	var b strings.Builder
	n.Print(&b, tree.JavaDecimal)
	return b.String()
}

type kind uint8

const (
	kindEmpty kind = iota // {} and true
	kindFalse
	kindString
	kindNumber
	kindBoolean
	kindNull
	kindObject
	kindArray
	kindEnum
	kindConst
	kindCombined
	kindNot
	kindConditional
	kindReference
)

type criterion string

const (
	allOf criterion = "allOf"
	anyOf criterion = "anyOf"
	oneOf criterion = "oneOf"
)

// A node is one schema of the model.
type node struct {
	kind       kind
	identity   identity
	hasDefault bool
	bytes      bool // Connect's mark "connect.type":"bytes"

	minimum, maximum *string // lengths of a string, bounds of a number, items of an array, properties of an object

	pattern                            *string
	integer                            bool
	exclusiveMinimum, exclusiveMaximum *string
	multipleOf                         *string

	properties           map[string]*node
	keys                 []string // of properties, in written order
	required             map[string]bool
	requiredOrder        []string
	patterns             []patternProperty
	additional           *node // schema of additional properties or items
	closed               bool  // additional properties or items are not permitted
	propertyDependencies map[string][]string
	schemaDependencies   map[string]*node
	dependencyOrder      []string

	allItems *node
	items    []*node
	unique   bool

	values map[string]bool // of an enum, printed with sorted keys
	value  string          // of a const

	criterion criterion
	branches  []*node // of a combined schema; the one schema of a not
	target    *node   // of a reference
}

// An identity is shared by schemas that say the same: one JSON object gives several schemas, which part tells
// apart, and the digest is that of the object.
type identity struct {
	part   string
	digest digest
}

type patternProperty struct {
	match  func(name string) bool
	schema *node
}
