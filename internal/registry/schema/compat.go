package schema

import (
	"fmt"
	"slices"
	"strings"
)

// Level is a compatibility level, upper case as it is stored.
type Level string

// The seven levels. Transitive ones compare with every given version, the others with the newest.
const (
	None               Level = "NONE"
	Backward           Level = "BACKWARD"
	BackwardTransitive Level = "BACKWARD_TRANSITIVE"
	Forward            Level = "FORWARD"
	ForwardTransitive  Level = "FORWARD_TRANSITIVE"
	Full               Level = "FULL"
	FullTransitive     Level = "FULL_TRANSITIVE"
)

// ParseLevel reads a level in any case. The error's text is the message of code 42203.
func ParseLevel(text string) (Level, error) {
	switch l := Level(strings.ToUpper(text)); l {
	case None, Backward, BackwardTransitive, Forward, ForwardTransitive, Full, FullTransitive:
		return l, nil
	}
	return "", fmt.Errorf("Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive") //nolint:staticcheck // the text of the API
}

// Policy widens what counts as compatible for JSON Schema (`compatibilityPolicy`). Empty means Strict.
type Policy string

// The policies. Lenient lets content models be narrowed and optional properties be added to open ones.
const (
	Strict  Policy = "STRICT"
	Lenient Policy = "LENIENT"
)

// A Previous is a registered version that a candidate is compared with.
type Previous struct {
	Version int
	Schema  *Schema
}

// CheckOptions are the settings of the subject that a check runs under.
type CheckOptions struct {
	Level          Level
	Policy         Policy
	ValidateFields bool // only shown in the messages
}

// differentType is the only message for a schema of another type.
const differentType = "Incompatible because of different schema type"

// oldSchemaBytesMax is how much of the old schema a message shows.
const oldSchemaBytesMax = 10 * 1024

// Check compares a candidate with the registered versions of its subject, given newest first, and returns
// the messages of the answer with `verbose=true`: none when it is compatible.
//
// Plain levels look at the first of previous only, transitive ones at each until one fails. Whoever calls
// picks the versions: live ones, and only those of the candidate's compatibility group.
func Check(candidate *Schema, previous []Previous, opt CheckOptions) []string {
	if opt.Level == None || len(previous) == 0 {
		return nil
	}
	switch opt.Level {
	case Backward, Forward, Full:
		previous = previous[:1]
	}
	for _, old := range previous {
		messages := checkOne(candidate, old, opt)
		if len(messages) > 0 {
			return append(messages, fmt.Sprintf("{validateFields: '%t', compatibility: '%s'}", opt.ValidateFields, opt.Level))
		}
	}
	return nil
}

func checkOne(candidate *Schema, old Previous, opt CheckOptions) []string {
	if candidate.Type() != old.Schema.Type() {
		return []string{differentType}
	}
	var forward, backward []string
	full := opt.Level == Full || opt.Level == FullTransitive
	if full || opt.Level == Forward || opt.Level == ForwardTransitive {
		forward = old.Schema.body.readFaults(candidate.body, "old", "new", opt.Policy)
	}
	if full || opt.Level == Backward || opt.Level == BackwardTransitive {
		backward = candidate.body.readFaults(old.Schema.body, "new", "old", opt.Policy)
	}
	messages := slices.Concat(forward, backward)
	// Upstream leaves the old schema out where a full check fails only forwards.
	if len(messages) == 0 || full && len(backward) == 0 {
		return messages
	}
	return append(messages, fmt.Sprintf("{oldSchemaVersion: %d}", old.Version), shownSchema(old.Schema.Text()))
}

func shownSchema(text string) string {
	if len(text) <= oldSchemaBytesMax {
		return "{oldSchema: '" + text + "'}"
	}
	return "{oldSchema: <truncated> '" + strings.ToValidUTF8(text[:oldSchemaBytesMax], "") + "...'}"
}
