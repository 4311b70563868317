package store

import "fmt"

// Error is what an operation refuses with: a code of the registry's API, whose first three digits are the HTTP status, and
// its text.
type Error struct {
	Code    int
	Message string
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Status is the HTTP status of the error.
func (e *Error) Status() int {
	status := e.Code
	for status >= 1000 {
		status /= 10
	}
	return status
}

func refuse(code int, format string, args ...any) *Error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// The codes of the API.
const (
	CodeSubjectNotFound       = 40401
	CodeVersionNotFound       = 40402
	CodeSchemaNotFound        = 40403
	CodeSubjectSoftDeleted    = 40404
	CodeSubjectNotSoftDeleted = 40405
	CodeVersionSoftDeleted    = 40406
	CodeVersionNotSoftDeleted = 40407
	CodeNoSubjectConfig       = 40408
	CodeNoSubjectMode         = 40409
	CodeIncompatible          = 40901
	CodeInvalidSchema         = 42201
	CodeInvalidVersion        = 42202
	CodeInvalidLevel          = 42203
	CodeInvalidMode           = 42204
	CodeNotPermitted          = 42205
	CodeReferenceExists       = 42206
	CodeInvalidSubject        = 42208
	CodeSchemaTooLarge        = 42209
	CodeInvalidRuleSet        = 42210
	CodeContextNotEmpty       = 42211
	CodeStore                 = 50001
	CodeTimeout               = 50002
	CodeForwarding            = 50003
	CodeNoLeader              = 50004
)

func subjectNotFound(subject string) *Error {
	return refuse(CodeSubjectNotFound, "Subject '%s' not found.", subject)
}

func versionNotFound(version int) *Error {
	return refuse(CodeVersionNotFound, "Version %d not found.", version)
}
