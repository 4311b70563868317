package schema

import (
	"fmt"
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
