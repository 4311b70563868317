package store

import (
	"strings"
)

// DefaultContext is the name of the context that subjects without a qualifier belong to.
const DefaultContext = "."

// globalContext is the name under which configs and modes for all contexts stand.
const globalContext = ".__GLOBAL"

// GlobalSubject is the subject of those configs and modes.
const GlobalSubject = ":" + globalContext + ":"

// Split takes a subject apart into its context and the name inside it: ":.c:s" is s in the context .c, "s" is s in the
// default one. What begins like a qualifier and is none is a plain subject.
func Split(subject string) (context, name string) {
	if !strings.HasPrefix(subject, ":.") && !strings.HasPrefix(subject, ":*:") {
		return DefaultContext, subject
	}
	rest := subject[1:]
	i := strings.IndexByte(rest, ':')
	if i < 0 {
		return rest, "" // ":.c" names the context
	}
	return rest[:i], rest[i+1:]
}

// Qualify is the full name of a subject in a context; those of the default context have none.
func Qualify(context, name string) string {
	if context == DefaultContext || context == "" {
		return name
	}
	return ":" + context + ":" + name
}

// normalSubject writes a subject the one way it is stored: without the qualifier of the default context.
func normalSubject(subject string) string { return Qualify(Split(subject)) }

// contextOf is the context of a subject.
func contextOf(subject string) string {
	c, _ := Split(subject)
	return c
}

// checkSubject refuses names that cannot be a subject.
func checkSubject(subject string) *Error {
	context, name := Split(subject)
	bad := context == globalContext || context == "*" || name == "__GLOBAL" || name == "__EMPTY" ||
		strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r == 0x7F })
	if bad {
		return refuse(CodeInvalidSubject, "The specified subject '%s' is not a valid.", subject)
	}
	return nil
}
