package command

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/cli/fault"
)

// Failure is the error of a response's error code, nil for 0.
func Failure(code int16) error { return kerr.ErrorForCode(code) }

// Text is a text that a response may leave out.
func Text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// EmitEach writes what became of each of several things, as Emit does. The errors are theirs in order, nil for those that
// went well: the only one of a single thing is returned as the command's error, and nothing is written; others are for the
// value and the table to show, and the command fails with fault.ErrReported.
func (e *Env) EmitEach(errs []error, v any, table func() error) error {
	failed := slices.ContainsFunc(errs, func(err error) bool { return err != nil })
	if failed && len(errs) == 1 {
		return errs[0]
	}
	err := e.Emit(v, table)
	if err == nil && failed {
		return fault.ErrReported
	}
	return err
}

// NoteError writes an error to standard error, as the program does with the one that ends it.
func (e *Env) NoteError(err error) { e.Notef("%s", strings.TrimSuffix(fault.Text(err), "\n")) }
