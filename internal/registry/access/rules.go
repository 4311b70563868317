package access

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// Role is what somebody may do with a subject; a higher one includes the lower.
type Role uint8

// The roles: Read sees schemas and checks compatibility, Write registers and deletes, Admin changes configs, modes and contexts.
const (
	Read Role = iota + 1
	Write
	Admin
)

var roles = map[string]Role{"read": Read, "write": Write, "admin": Admin}

// Everybody in a role stands for all that have shown who they are.
const Everybody = "*"

const tokenHash = "sha256:"

// Limits of a file of rules.
const (
	rulesBytesMax = 1 << 20
	rulesMax      = 10_000
)

// Rules are users, tokens and roles.
type Rules struct {
	users  map[string][]byte   // bcrypt hashes by name
	tokens map[string][32]byte // SHA-256 by name
	grants []grant
}

type grant struct {
	who   string
	role  Role
	match func(subject string) bool
}

// ParseRules reads rules, one a line; # begins a comment.
//
//	user  ann  $2y$10$…               a password, hashed by bcrypt
//	token ci   sha256:9f86d08188…     a token, hashed by SHA-256
//	role  ann  admin *                who, role, subjects: a name, a prefix with * after it, or a regular expression in slashes
//	role  ci   write orders-* /^pay-(in|out)$/
//	role  *    read  *                everybody who has shown who they are
//	role  anonymous read public-*     those without credentials
func ParseRules(text string) (*Rules, error) {
	if len(text) > rulesBytesMax {
		return nil, fmt.Errorf("%d bytes of rules; at most %d are read", len(text), rulesBytesMax)
	}
	r := &Rules{users: map[string][]byte{}, tokens: map[string][32]byte{}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		if err := r.line(strings.Fields(line)); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return r, nil
}

func (r *Rules) line(f []string) error {
	if len(f) == 0 || strings.HasPrefix(f[0], "#") {
		return nil
	}
	if len(r.users)+len(r.tokens)+len(r.grants) >= rulesMax {
		return fmt.Errorf("more than %d rules", rulesMax)
	}
	switch {
	case f[0] == "user" && len(f) == 3:
		return r.user(f[1], f[2])
	case f[0] == "token" && len(f) == 3:
		return r.token(f[1], f[2])
	case f[0] == "role" && len(f) >= 4:
		return r.role(f[1], f[2], f[3:])
	}
	return fmt.Errorf("begins with %q and is none of: user NAME HASH, token NAME sha256:HEX, role NAME read|write|admin SUBJECT", f[0])
}

func (r *Rules) user(name, hash string) error {
	if strings.Contains(name, ":") {
		return fmt.Errorf("the user %s has a colon in its name, which Basic authentication cannot carry", name)
	}
	if _, err := bcrypt.Cost([]byte(hash)); err != nil {
		return fmt.Errorf("the password of user %s is not a hash of bcrypt: make one with leat registry hash %s", name, name)
	}
	if _, twice := r.users[name]; twice {
		return fmt.Errorf("user %s stands there twice", name)
	}
	r.users[name] = []byte(hash)
	return nil
}

func (r *Rules) token(name, hash string) error {
	digits, ok := strings.CutPrefix(hash, tokenHash)
	sum, err := hex.DecodeString(digits)
	if !ok || err != nil || len(sum) != 32 {
		return fmt.Errorf("the token of %s is not sha256: and 64 hex digits: make it with leat registry hash --token %s", name, name)
	}
	if _, twice := r.tokens[name]; twice {
		return fmt.Errorf("a token of %s stands there twice", name)
	}
	r.tokens[name] = [32]byte(sum)
	return nil
}

func (r *Rules) role(who, name string, subjects []string) error {
	role, ok := roles[name]
	if !ok {
		return fmt.Errorf("role %q is none of read, write, admin", name)
	}
	for _, s := range subjects {
		match, err := pattern(s)
		if err != nil {
			return err
		}
		r.grants = append(r.grants, grant{who, role, match})
	}
	return nil
}

func pattern(text string) (func(string) bool, error) {
	if len(text) > 1 && strings.HasPrefix(text, "/") && strings.HasSuffix(text, "/") {
		re, err := regexp.Compile(text[1 : len(text)-1])
		if err != nil {
			return nil, fmt.Errorf("%s is not a regular expression: %w", text, err)
		}
		return re.MatchString, nil
	}
	if prefix, ok := strings.CutSuffix(text, "*"); ok {
		return func(s string) bool { return strings.HasPrefix(s, prefix) }, nil
	}
	return func(s string) bool { return s == text }, nil
}

// names reports whether a role is given to exactly this name.
func (r *Rules) names(who string) bool {
	for _, g := range r.grants {
		if g.who == who {
			return true
		}
	}
	return false
}

func (r *Rules) allow(who, subject string, need Role) bool {
	for _, g := range r.grants {
		if (g.who == who || g.who == Everybody && who != Anonymous) && g.role >= need && g.match(subject) {
			return true
		}
	}
	return false
}
