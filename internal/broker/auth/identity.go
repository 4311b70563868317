package auth

import (
	"context"
	"errors"
	"time"
)

// Anonymous is the principal of a client that did not authenticate.
const Anonymous = "User:ANONYMOUS"

// userPrefix begins the principals of users.
const userPrefix = "User:"

// Identity is who a client is.
type Identity struct {
	// Principal is the type and the name, "User:alice".
	Principal string
	// Mechanism is the SASL mechanism, empty for none.
	Mechanism string
	// Expires is when the credential ends; zero is never.
	Expires time.Time
	// Token says that a delegation token stood in for the user's own credential.
	Token bool
}

// Exchange is one authentication by a mechanism. It is used by one goroutine and ends with an identity or an error.
type Exchange interface {
	// Step takes the client's next token. It returns the server's, which may be empty, and the identity once the
	// client has proved it. The error of a failed authentication is ErrDenied or wraps it.
	Step(ctx context.Context, token []byte) (challenge []byte, who *Identity, err error)
}

// Mechanism makes exchanges.
type Mechanism interface {
	Name() string
	Begin() Exchange
}

// ErrDenied is a failed authentication. What it wraps is for the log, not for the client.
var ErrDenied = errors.New("authentication failed")

// denied is ErrDenied with the reason for the log and a message that the client may see.
type denied struct {
	public string
	reason string
}

func (d *denied) Error() string        { return "authentication failed: " + d.reason }
func (d *denied) Is(target error) bool { return target == ErrDenied }

// deny refuses with the same message for every reason that has to do with the credential.
func deny(mechanism, reason string) error {
	return &denied{"Authentication failed during authentication due to invalid credentials with SASL mechanism " + mechanism, reason}
}

// malformed refuses a token that is not of the mechanism's form.
func malformed(mechanism, reason string) error {
	return &denied{"Authentication failed: invalid " + mechanism + " message", reason}
}

// Message is what the client is told of an error.
func Message(err error) string {
	var d *denied
	if errors.As(err, &d) {
		return d.public
	}
	return "Authentication failed"
}
