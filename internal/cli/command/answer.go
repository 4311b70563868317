package command

import "github.com/twmb/franz-go/pkg/kerr"

// Failure is the error of a response's error code, nil for 0.
func Failure(code int16) error { return kerr.ErrorForCode(code) }

// Text is a text that a response may leave out.
func Text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
