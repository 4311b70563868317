// Package fault holds the errors that a person at the command line sees: what failed, why, and what to do
// about it. Every command returns these (or errors that Explain turns into these), and one place prints them.
// The package starts no goroutine and knows nothing about commands.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Exit codes of the program. They are part of its interface: scripts test them.
const (
	ExitOK     = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// Error is a failure told in three parts. Primary names what failed in one line, Detail says why as exactly as
// is known, and Hint says what the person can do next. Detail and Hint may be empty.
type Error struct {
	Primary string
	Detail  string
	Hint    string
	// Usage marks a mistake in the command itself (exit code 2) as opposed to a failure while doing it (1).
	Usage bool
	// Cause is the underlying error, for errors.Is and errors.As.
	Cause error
}

// Error returns the primary line, and the detail after a colon if there is one.
func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Primary
	}
	return e.Primary + ": " + e.Detail
}

// Unwrap gives access to the cause.
func (e *Error) Unwrap() error { return e.Cause }

// WithHint returns a copy of the error that carries the hint.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithDetail returns a copy of the error that carries the detail.
func (e *Error) WithDetail(format string, args ...any) *Error {
	c := *e
	c.Detail = fmt.Sprintf(format, args...)
	return &c
}

// Failed reports that something could not be done.
func Failed(format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Primary: err.Error(), Cause: errors.Unwrap(err)}
}

// Usage reports a command that was given wrongly.
func Usage(format string, args ...any) *Error {
	e := Failed(format, args...)
	e.Usage = true
	return e
}

// ErrReported is returned by a command that has already shown its failures in its output, for example one line
// of many in a table: nothing more is printed, and the exit code is ExitFailed.
var ErrReported = errors.New("failed as reported")

// ExitCode gives the exit code that an error stands for.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Usage {
		return ExitUsage
	}
	return ExitFailed
}

// Text renders the error for a terminal, ending in a newline.
//
//	error: unknown topic "quaks"
//	  detail: the cluster at localhost:9092 holds no topic of that name
//	  hint: did you mean "quakes"?
func Text(err error) string {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Primary: err.Error()}
	}
	var b strings.Builder
	b.WriteString("error: " + indent(e.Primary) + "\n")
	if e.Detail != "" {
		b.WriteString("  detail: " + indent(e.Detail) + "\n")
	}
	if e.Hint != "" {
		b.WriteString("  hint: " + indent(e.Hint) + "\n")
	}
	return b.String()
}

func indent(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n    ") }

// Object is the error as it is written when JSON output was asked for.
type Object struct {
	Error  string `json:"error"`
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`
}

// ToObject turns any error into its JSON form.
func ToObject(err error) Object {
	if e, ok := errors.AsType[*Error](err); ok {
		return Object{Error: e.Primary, Detail: e.Detail, Hint: e.Hint}
	}
	return Object{Error: err.Error()}
}
