// Package schema is the part of the registry without I/O: it parses the three schema types, prints their
// canonical and normalised texts, gives a schema its identity, and says whether one version can read what
// another wrote.
//
// The rules and every text are those of Confluent's registry 8.0.2, because serializers compare texts and
// identities made elsewhere: `"int"` and `{"type":"int"}` must be one schema here if they are one there. The
// type's own rooms are avro, jsonschema and protobuf below; this package holds what they share.
//
// Nothing here reads a file, a clock or the network. A remote `$ref` that is not among the references is an
// error, never a request. A Schema is immutable and safe for concurrent use. No goroutines are started.
package schema

import "leat.dev/internal/registry/schema/source"

// Type is the language of a schema, as it stands in `schemaType`.
type Type string

// The three types. A request without a type means Avro.
const (
	Avro     Type = "AVRO"
	JSON     Type = "JSON"
	Protobuf Type = "PROTOBUF"
)

// Types lists the types in the order of `GET /schemas/types`.
func Types() []Type { return []Type{JSON, Protobuf, Avro} }

// A Dependency is the text of a referenced schema under the name it is referred to by. See Resolve.
type Dependency = source.Dependency

// An InvalidError says why a text is no schema; see source.Error. InvalidMessage wraps it for an answer with
// code 42201.
type InvalidError = source.Error

// Source is a schema as it came in a request or lies in the store.
type Source struct {
	Type       Type // empty means Avro
	Text       string
	References []Reference
	// Dependencies are the texts behind References and, before each, those behind its own references:
	// the order of Resolve.
	Dependencies []Dependency
	Metadata     *Metadata // nil is not the same as empty: an empty one counts in the hash
	Rules        *RuleSet
}

// Options say how strictly a text is taken.
type Options struct {
	// New is true for a schema that is being registered or checked, false for one that comes from the store
	// or is looked up: stored schemas are read with the rules they were accepted by.
	New bool
	// Normalize gives the normalised text and references (`normalize=true`).
	Normalize bool
	// ValidateFields refuses field names that begin with `$$` (the config field `validateFields`).
	ValidateFields bool
}
