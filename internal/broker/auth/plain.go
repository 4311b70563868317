package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"unicode/utf8"

	"leat.dev/internal/metadata/config"
)

// plain is SASL PLAIN (RFC 4616) with the users of a JAAS configuration.
type plain struct {
	users map[string][sha256.Size]byte // hashes, so that comparing takes the same time whatever the lengths
}

// NewPlain takes users and passwords from the options of Kafka's PlainLoginModule: user_NAME="PASSWORD".
func NewPlain(options map[string]string) Mechanism {
	p := &plain{users: map[string][sha256.Size]byte{}}
	for k, password := range options {
		if user, ok := strings.CutPrefix(k, "user_"); ok && user != "" {
			p.users[user] = sha256.Sum256([]byte(password))
		}
	}
	return p
}

func (p *plain) Name() string    { return config.Plain }
func (p *plain) Begin() Exchange { return p }

// Step implements Exchange: there is one message, authzid NUL user NUL password.
func (p *plain) Step(_ context.Context, token []byte) ([]byte, *Identity, error) {
	parts := bytes.Split(token, []byte{0})
	switch {
	case len(parts) != 3:
		return nil, nil, malformed(config.Plain, "expected 3 parts")
	case !utf8.Valid(token):
		return nil, nil, malformed(config.Plain, "not UTF-8")
	case len(parts[1]) == 0 || len(parts[2]) == 0:
		return nil, nil, malformed(config.Plain, "no user or no password")
	}
	authz, user, password := string(parts[0]), string(parts[1]), parts[2]
	want, known := p.users[user]
	got := sha256.Sum256(password)
	same := subtle.ConstantTimeCompare(want[:], got[:])
	switch {
	case !known || same != 1:
		return nil, nil, deny(config.Plain, "wrong user or password")
	case authz != "" && authz != user:
		return nil, nil, deny(config.Plain, "the authorization id is another user")
	}
	return nil, &Identity{Principal: userPrefix + user, Mechanism: config.Plain}, nil
}
