package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"leat.dev/internal/registry/schema/avro"
	"leat.dev/internal/registry/schema/jsonschema"
	"leat.dev/internal/registry/schema/protobuf"
	"leat.dev/internal/registry/schema/source"
	"leat.dev/internal/registry/schema/tree"
)

// A Schema is a parsed schema with its canonical text.
type Schema struct {
	src  Source // Text is the canonical text, References and so on as they will be stored
	body body
}

// body is what each type's own room gives.
type body interface {
	name() string
	text(normalize bool) (string, error)
	format(name string) (string, error)
	equal(o body) bool
	// readFaults lists why a reader with this schema cannot read what writer wrote; newName and oldName are
	// the words for the two.
	readFaults(writer body, reader, written string, policy Policy) []string
}

// Errors of Parse that are not about a text's content. Their texts are the API's.
var (
	ErrEmpty       = errors.New("Empty schema")        //nolint:staticcheck // the text of the API
	ErrUnknownType = errors.New("Invalid schema type") //nolint:staticcheck // the text of the API
)

// Parse reads a schema and gives it with its canonical (or, if asked, normalised) text and references.
//
// Errors are an *InvalidError for a text that is no schema of its type, ErrEmpty (`Empty schema`) for a text
// of blanks alone, and one that wraps ErrUnknownType (`Invalid schema type XML`); all answer 42201, through
// InvalidMessage.
func Parse(src Source, opt Options) (*Schema, error) {
	if src.Type == "" {
		src.Type = Avro
	}
	if !slices.Contains(Types(), src.Type) {
		return nil, fmt.Errorf("%w %s", ErrUnknownType, src.Type)
	}
	if strings.TrimSpace(src.Text) == "" {
		return nil, ErrEmpty
	}
	if len(src.Dependencies) > source.DependenciesMax {
		return nil, source.Errorf("schema refers to %d others, more than the limit of %d", len(src.Dependencies), source.DependenciesMax)
	}
	b, err := parseBody(src, opt)
	if err != nil {
		return nil, err
	}
	if opt.Normalize {
		src.References = normalReferences(src.References)
	}
	if src.Text, err = b.text(opt.Normalize); err != nil {
		return nil, err
	}
	if opt.Normalize { // what is stored is read back from its text, and compared by what that says
		if b, err = parseBody(src, Options{}); err != nil {
			return nil, reread(err)
		}
	}
	return &Schema{src: src, body: b}, nil
}

// reread marks the error of a normalised text: the text that came had the right syntax.
func reread(err error) error {
	var invalid *source.Error
	if errors.As(err, &invalid) {
		return &source.Error{Details: invalid.Details, Parsed: true}
	}
	return err
}

func parseBody(src Source, opt Options) (body, error) {
	switch src.Type {
	case Avro:
		s, err := avro.Parse(src.Text, src.Dependencies, opt.New && opt.Normalize)
		return avroBody{s}, err
	case JSON:
		s, err := jsonschema.Parse(src.Text, src.Dependencies, opt.ValidateFields)
		return jsonBody{s}, err
	case Protobuf:
		s, err := protobuf.Parse(src.Text, src.Dependencies)
		return protobufBody{s}, err
	}
	return nil, fmt.Errorf("%w %s", ErrUnknownType, src.Type)
}

func normalReferences(list []Reference) []Reference {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Reference) int {
		if c := tree.CompareJava(a.Name, b.Name); c != 0 {
			return c
		}
		if c := tree.CompareJava(a.Subject, b.Subject); c != 0 {
			return c
		}
		return a.Version - b.Version
	})
	return slices.Compact(list)
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
func (s *Schema) Name() string { return s.body.name() }

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

// Equivalent reports whether o says the same as s though its text differs: the same structure, property
// `confluent:version` aside, or the same once o's references are written out. A subject that holds an
// equivalent live version gives that one instead of a new one.
func (s *Schema) Equivalent(o *Schema) bool {
	if s.src.Type != o.src.Type || !sameContract(s.src, o.src) || !s.body.equal(o.body) {
		return false
	}
	return slices.Equal(s.src.References, o.src.References) || len(s.src.References) == 0
}

// Format gives the text for the query `format`: `resolved` for Avro (references inlined), `serialized` (base64
// of a FileDescriptorProto named "default") and `ignore_extensions` for Protobuf. Unknown formats, also ""
// and any format of a JSON Schema, give the canonical text. The error says why a Protobuf schema has no
// descriptor.
func (s *Schema) Format(format string) (string, error) {
	if format == "" {
		return s.src.Text, nil
	}
	text, err := s.body.format(format)
	if text == "" && err == nil {
		text = s.src.Text
	}
	return text, err
}

// described gives the texts of differences, up to source.MessagesBytesMax.
func described[D interface {
	Describe(reader, writer string) string
}](list []D, reader, written string) []string {
	var out []string
	size := 0
	for _, d := range list {
		if size > source.MessagesBytesMax {
			break
		}
		text := d.Describe(reader, written)
		size += len(text)
		out = append(out, text)
	}
	return out
}

type avroBody struct{ s *avro.Schema }

func (b avroBody) name() string { return b.s.Name() }

func (b avroBody) text(normalize bool) (string, error) {
	if normalize {
		return b.s.Normalized(), nil
	}
	return b.s.Text(), nil
}

func (b avroBody) format(name string) (string, error) {
	if strings.EqualFold(name, "resolved") {
		return b.s.Resolved(), nil
	}
	return "", nil
}

func (b avroBody) equal(o body) bool {
	other, ok := o.(avroBody)
	return ok && b.s.Equal(other.s)
}

func (b avroBody) readFaults(writer body, reader, written string, _ Policy) []string {
	other, _ := writer.(avroBody)
	list := avro.Compare(b.s, other.s)
	return described(list, reader, written)
}

type jsonBody struct{ s *jsonschema.Schema }

func (b jsonBody) name() string { return b.s.Name() }

func (b jsonBody) text(normalize bool) (string, error) {
	if normalize {
		return b.s.Normalized(), nil
	}
	return b.s.Text(), nil
}

func (b jsonBody) format(string) (string, error) { return "", nil }

// equal is by text: upstream tells two documents apart by the order of their keys.
func (b jsonBody) equal(o body) bool {
	other, ok := o.(jsonBody)
	return ok && b.s.Text() == other.s.Text()
}

func (b jsonBody) readFaults(writer body, reader, written string, policy Policy) []string {
	other, _ := writer.(jsonBody)
	list := jsonschema.Compare(b.s, other.s, policy == Lenient)
	return described(list, reader, written)
}

type protobufBody struct{ s *protobuf.Schema }

func (b protobufBody) name() string { return b.s.Name() }

func (b protobufBody) text(normalize bool) (string, error) {
	if normalize {
		return b.s.Normalized(), nil
	}
	return b.s.Text(), nil
}

func (b protobufBody) format(name string) (string, error) {
	switch strings.ToLower(name) {
	case "serialized":
		return b.s.Serialized()
	case "ignore_extensions":
		return b.s.WithoutExtensions(), nil
	}
	return "", nil
}

func (b protobufBody) equal(o body) bool {
	other, ok := o.(protobufBody)
	return ok && b.s.Text() == other.s.Text()
}

func (b protobufBody) readFaults(writer body, reader, written string, _ Policy) []string {
	other, _ := writer.(protobufBody)
	list := protobuf.Compare(b.s, other.s)
	return described(list, reader, written)
}
