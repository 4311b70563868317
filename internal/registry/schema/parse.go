package schema

import "errors"

// A Schema is a parsed schema with its canonical text.
type Schema struct {
	src  Source // Text is the canonical text, References and so on as they will be stored
	body body
}

// body is what each type's own room gives.
type body interface {
	// Name is the full name of the top type, or its nearest thing; empty if it has none.
	Name() string
}

// Parse reads a schema and gives it with its canonical (or, if asked, normalised) text and references.
//
// Errors are an *InvalidError for a text that is no schema of its type, and a plain error whose text is the
// API's for an unknown type (`Invalid schema type XML`) and an empty text (`Empty schema`); both kinds answer
// 42201, through InvalidMessage.
func Parse(src Source, opt Options) (*Schema, error) {
	return nil, errors.New("declarations only")
}

// Type is the schema's type, never empty.
func (s *Schema) Type() Type { return s.src.Type }

// Text is the canonical text: what is stored, returned and hashed.
func (s *Schema) Text() string { return s.src.Text }

// References are the references as they will be stored; normalising sorts them and drops doubles.
func (s *Schema) References() []Reference { return s.src.References }

// Dependencies are the texts the schema was parsed with.
func (s *Schema) Dependencies() []Dependency { return s.src.Dependencies }

// Metadata is the metadata given to Parse or With; nil if there is none.
func (s *Schema) Metadata() *Metadata { return s.src.Metadata }

// Rules is the rule set given to Parse or With; nil if there is none.
func (s *Schema) Rules() *RuleSet { return s.src.Rules }

// Name is the full name of the Avro type, of the first Protobuf message, or the title of the JSON Schema;
// empty if there is none.
func (s *Schema) Name() string { return s.body.Name() }

// With gives the same schema with other metadata and rules. References may be replaced by ones that name the
// same texts (a version -1 made real); nil keeps them.
func (s *Schema) With(metadata *Metadata, rules *RuleSet, references []Reference) *Schema {
	c := *s
	c.src.Metadata, c.src.Rules = metadata, rules
	if references != nil {
		c.src.References = references
	}
	return &c
}

// Hash is the MD5 that makes two schemas the same one within a context: over the canonical text, references,
// metadata and rule set, but not the type. The layout is that of Confluent's registry.
func (s *Schema) Hash() [16]byte { return [16]byte{} }

// GUID is Hash as a lower-case UUID text.
func (s *Schema) GUID() string { return "" }

// Equivalent reports whether o says the same as s though its text differs: the same structure, property
// `confluent:version` aside, or the same text once references are inlined. A subject that holds an
// equivalent live version gives that one instead of a new one.
func (s *Schema) Equivalent(o *Schema) bool { return false }

// Format gives the text for the query `format`: `resolved` for Avro (references inlined), `serialized` (base64
// of a FileDescriptorProto named "default") and `ignore_extensions` for Protobuf. Unknown formats, also ""
// and any format of a JSON Schema, give the canonical text.
func (s *Schema) Format(format string) (string, error) { return s.src.Text, nil }

// InvalidMessage is the message of code 42201 for an error of Parse or Resolve: which schema was refused and
// why. Version is 0 and id -1 unless the request named them; references and metadata are shown as they came.
func InvalidMessage(subject string, version, id int, src Source, err error) string {
	return err.Error()
}

// Resolve gives the texts behind references in the order Parse wants them: depth first, each name once.
// Lookup returns the stored text of one reference and that schema's own references; ok is false if there is
// no such version. It is called with the reference as written: context and `latest` are the caller's to settle.
// Errors are *InvalidError with the API's texts (`No schema reference found for subject "s" and version 1`,
// `Invalid reference: {..}`); an error of lookup is returned as it is.
func Resolve(references []Reference, lookup func(Reference) (text string, own []Reference, ok bool, err error)) ([]Dependency, error) {
	return nil, errors.New("declarations only")
}

// Check compares a candidate with the registered versions of its subject, given newest first, and returns
// the messages of the answer with `verbose=true`: none when it is compatible.
//
// Plain levels look at the first of previous only, transitive ones at each until one fails. Whoever calls
// picks the versions: live ones, and only those of the candidate's compatibility group.
func Check(candidate *Schema, previous []Previous, opt CheckOptions) []string { return nil }
