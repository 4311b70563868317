// Package access decides who talks to the registry's HTTP API and what they may do: users with passwords, tokens, certificates,
// and roles for subjects. It reads no files and starts no goroutines; whoever runs a registry gives it the text of the rules
// and gives it again when that changed.
package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"
)

// Anonymous is who brings no credentials. It gets in only where a role names it.
const Anonymous = "anonymous"

// DefaultRealm is what browsers and clients are shown when they are asked who they are.
const DefaultRealm = "schema-registry"

// Verifier checks a bearer token that is not one of the file's, such as a JWT, and says whose it is.
type Verifier func(ctx context.Context, token string) (principal string, err error)

// Control guards an API. Rules may be exchanged while it is used.
type Control struct {
	rules  atomic.Pointer[Rules]
	verify Verifier // nil for none
	realm  string
	log    *slog.Logger

	// Passwords are hashed to be slow. Those that were right once are remembered by a fast hash of everything that was
	// compared; a few at a time are computed, so that guessing does not take the machine.
	computing chan struct{}
	mu        sync.Mutex
	right     map[[32]byte]struct{}
}

// Limits of the password check.
const (
	passwordsAtOnce  = 2
	passwordsKnown   = 4096
	passwordBytesMax = 72 // what bcrypt looks at
)

// New makes a Control.
func New(rules *Rules, verify Verifier, realm string, log *slog.Logger) *Control {
	if realm == "" {
		realm = DefaultRealm
	}
	c := &Control{verify: verify, realm: realm, log: log, computing: make(chan struct{}, passwordsAtOnce), right: map[[32]byte]struct{}{}}
	c.rules.Store(rules)
	return c
}

// Set exchanges the rules.
func (c *Control) Set(rules *Rules) { c.rules.Store(rules) }

type principalKey struct{}

// Principal is who sent a request that passed [Control.Wrap].
func Principal(r *http.Request) string {
	name, _ := r.Context().Value(principalKey{}).(string)
	return name
}

// Wrap lets requests through to an API once it is known who sends them.
func (c *Control) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := c.who(r)
		if err != nil {
			c.log.Info("schema registry refused a request", "remote", r.RemoteAddr, "reason", err)
			w.Header().Set("WWW-Authenticate", `Basic realm="`+c.realm+`"`)
			w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error_code":401,"message":"Unauthorized"}`))
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), principalKey{}, who)))
	})
}

var (
	errNobody   = errors.New("no credentials")
	errWrong    = errors.New("wrong user or password")
	errToken    = errors.New("unknown token")
	errScheme   = errors.New("an Authorization header that is neither Basic nor Bearer")
	errTooMany  = errors.New("gone before the password could be checked")
	errTooLarge = errors.New("a password that is too long")
)

func (c *Control) who(r *http.Request) (string, error) {
	rules := c.rules.Load()
	header := r.Header.Get("Authorization")
	scheme, token, _ := strings.Cut(header, " ")
	switch {
	case header == "":
	case strings.EqualFold(scheme, "Basic"):
		user, password, ok := r.BasicAuth()
		if !ok {
			return "", errWrong
		}
		return user, c.password(r.Context(), rules, user, password)
	case strings.EqualFold(scheme, "Bearer"):
		return c.bearer(r.Context(), rules, strings.TrimSpace(token))
	default:
		return "", errScheme
	}
	// A certificate counts only if it was checked against the authorities of the listener.
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return r.TLS.PeerCertificates[0].Subject.CommonName, nil
	}
	if rules.names(Anonymous) {
		return Anonymous, nil
	}
	return "", errNobody
}

// nobodysHash is compared with where there is no such user, so that the time tells nothing.
var nobodysHash = []byte("$2a$10$7EqJtq98hPqEX7fNZaFWoOhi5ea9qzRG6dcmyL1hYQ8QpWNyS1Q2K")

func (c *Control) password(ctx context.Context, rules *Rules, user, password string) error {
	if len(password) > passwordBytesMax {
		return errTooLarge
	}
	hash, known := rules.users[user]
	if !known {
		hash = nobodysHash
	}
	seen := sha256.Sum256([]byte(user + "\x00" + string(hash) + "\x00" + password))
	c.mu.Lock()
	_, ok := c.right[seen]
	c.mu.Unlock()
	if ok {
		return nil
	}
	select {
	case c.computing <- struct{}{}:
		defer func() { <-c.computing }()
	case <-ctx.Done():
		return errTooMany
	}
	if err := bcrypt.CompareHashAndPassword(hash, []byte(password)); err != nil || !known {
		return errWrong
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.right) >= passwordsKnown {
		clear(c.right)
	}
	c.right[seen] = struct{}{}
	return nil
}

func (c *Control) bearer(ctx context.Context, rules *Rules, token string) (string, error) {
	sum := sha256.Sum256([]byte(token))
	for name, want := range rules.tokens {
		if subtle.ConstantTimeCompare(sum[:], want[:]) == 1 {
			return name, nil
		}
	}
	if c.verify == nil {
		return "", errToken
	}
	return c.verify(ctx, token)
}

// Allow reports whether the sender of a request may read or change a subject. Configs and modes are changed by
// administrators only; the top level is the subject "".
func (c *Control) Allow(r *http.Request, subject string, write bool) bool {
	need := Read
	if write {
		need = Write
		if administers(r.URL.Path) {
			need = Admin
		}
	}
	return c.rules.Load().allow(Principal(r), subject, need)
}

// administers reports whether a path is about settings rather than schemas: /config, /mode and whole contexts, the same
// behind a base path of a context.
func administers(path string) bool {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) > 2 && parts[0] == "contexts" {
		parts = parts[2:]
	}
	return parts[0] == "config" || parts[0] == "mode" || parts[0] == "contexts"
}

// HashPassword is a password as the rules hold it.
func HashPassword(password string) (string, error) {
	if len(password) > passwordBytesMax {
		return "", errTooLarge
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	return string(hash), err
}

// HashToken is a token as the rules hold it.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return tokenHash + hex.EncodeToString(sum[:])
}
