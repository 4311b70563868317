// Package source holds what the parsers of the three schema types have in common: the text of a referenced
// schema, the error for a text that is no schema, and the limits every parser keeps.
//
// It is the bottom of internal/registry/schema and imports none of its neighbours. It owns no goroutines.
package source

import "fmt"

// Limits of every schema text. They are far above any schema in use and keep a hostile text from eating the
// process: a text above them is refused with an Error, never cut.
const (
	// TextBytesMax is the longest schema text, 4 MiB. Confluent's registry is bounded by the record size of
	// its topic (1 MiB by default), so nothing it holds is longer.
	TextBytesMax = 4 << 20
	// DepthMax is how deep objects, arrays, messages and option values may be nested in one text.
	DepthMax = 500
	// NodesMax is how many elements (JSON values, or statements of a .proto file) one text may hold.
	NodesMax = 500_000
	// NameBytesMax is how long the full name of a type may be: names are kept with all their scopes.
	NameBytesMax = 1_024
	// DependenciesMax is how many schemas one schema may refer to, directly and through others.
	DependenciesMax = 1_000
)

// A Dependency is the text of one referenced schema under the name the referring schema calls it by: the full
// name of an Avro type, the `$ref` of a JSON Schema, the import path of a .proto file.
type Dependency struct {
	Name string
	Text string
}

// An Error says why a text is not a schema of its type. Details is the text that Confluent's registry puts
// after "details: " wherever the recorded sessions show it.
type Error struct {
	Details string
	// Parsed is true when the text has the syntax of its type and a later rule refused it. Confluent's
	// registry leaves out " with refs [..] of type T" in that case.
	Parsed bool
}

// Error implements error.
func (e *Error) Error() string { return e.Details }

// Errorf makes the error of a text that cannot be parsed.
func Errorf(format string, args ...any) *Error {
	return &Error{Details: fmt.Sprintf(format, args...)}
}

// Invalidf makes the error of a text that parses but breaks a rule of its type.
func Invalidf(format string, args ...any) *Error {
	return &Error{Details: fmt.Sprintf(format, args...), Parsed: true}
}

// CheckSize refuses a text longer than TextBytesMax.
func CheckSize(text string) error {
	if len(text) > TextBytesMax {
		return Errorf("schema text of %d bytes is longer than the limit of %d", len(text), TextBytesMax)
	}
	return nil
}

// Limits of a comparison. Unions and combined schemas are compared branch by branch with each other, so that a
// short text can ask for a long work; beyond a limit the two count as incompatible and the message says so.
const (
	// CompareMax is how many pairs of elements one comparison may look at.
	CompareMax = 1_000_000
	// CompareDepthMax is how deep it may follow named types and references into each other.
	CompareDepthMax = 10_000
	// MessagesBytesMax is how much text the differences of one comparison may have, 1 MiB; further ones are
	// left out.
	MessagesBytesMax = 1 << 20
)

// TooLarge is the message of a comparison that was given up at CompareMax.
var TooLarge = fmt.Sprintf("{errorType:'COMPARISON_TOO_LARGE', description:'The comparison needs more than %d steps or %d levels', additionalInfo:'make the schemas smaller, or set the compatibility level to NONE'}", CompareMax, CompareDepthMax)
