package schema

import (
	"fmt"
	"strings"

	"leat.dev/internal/registry/schema/source"
)

// Lookup finds what a reference names: the stored text and that schema's own references. It gets the reference
// as written; context and version -1 are its to settle. Ok is false if there is no such version.
type Lookup func(Reference) (text string, own []Reference, ok bool, err error)

// Resolve gives the texts behind references in the order Parse wants them: what a schema needs stands before
// it, and each name occurs once. A schema that refers to itself in a circle is taken once.
//
// Errors are *InvalidError with the API's texts (`No schema reference found for subject "s" and version 1`,
// `Invalid reference: {..}`); an error of lookup is returned as it is.
func Resolve(references []Reference, lookup Lookup) ([]Dependency, error) {
	r := resolver{lookup: lookup, seen: map[string]bool{}}
	if err := r.all(references, 0); err != nil {
		return nil, err
	}
	return r.list, nil
}

type resolver struct {
	lookup Lookup
	seen   map[string]bool
	list   []Dependency
}

func (r *resolver) all(references []Reference, depth int) error {
	if depth > source.DependenciesMax {
		return source.Errorf("references are nested deeper than %d levels", source.DependenciesMax)
	}
	for _, ref := range references {
		if !ref.Complete() {
			return source.Errorf("Invalid reference: %s", ref)
		}
		if r.seen[ref.Name] {
			continue
		}
		if len(r.seen) >= source.DependenciesMax {
			return source.Errorf("schema refers to more than %d others", source.DependenciesMax)
		}
		r.seen[ref.Name] = true
		if ref.Version == 0 || ref.Version < -1 {
			return source.Errorf("io.confluent.kafka.schemaregistry.exceptions.InvalidVersionException: %d", ref.Version)
		}
		text, own, ok, err := r.lookup(ref)
		if err != nil {
			return err
		}
		if !ok {
			return source.Errorf("No schema reference found for subject \"%s\" and version %d", ref.Subject, ref.Version)
		}
		if err := r.all(own, depth+1); err != nil {
			return err
		}
		r.list = append(r.list, Dependency{Name: ref.Name, Text: text})
	}
	return nil
}

// InvalidMessage is the message of code 42201 for an error of Parse or Resolve: which schema was refused and
// why. Version is 0 and id -1 unless the request named them; references and metadata are shown as they came.
func InvalidMessage(subject string, version, id int, src Source, err error) string {
	invalid, ok := err.(*source.Error) //nolint:errorlint // Parse and Resolve never wrap it
	if !ok {
		return err.Error()
	}
	kind := src.Type
	if kind == "" {
		kind = Avro
	}
	refs := make([]string, len(src.References))
	for i, r := range src.References {
		refs[i] = r.String()
	}
	list := "[" + strings.Join(refs, ", ") + "]"
	withRefs := ""
	if !invalid.Parsed {
		withRefs = fmt.Sprintf(" with refs %s of type %s", list, kind)
	}
	return fmt.Sprintf("Invalid schema {subject=%s,version=%d,id=%d,schemaType=%s,references=%s,metadata=%s,ruleSet=%s,schema=%s,schemaTags=null,ts=null,deleted=null}%s, details: %s",
		subject, version, id, kind, list, src.Metadata, src.Rules, src.Text, withRefs, invalid.Details)
}
