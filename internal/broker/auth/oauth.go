package auth

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/metadata/config"
)

// Validator checks a bearer token. Its errors are for the log.
type Validator interface {
	Validate(ctx context.Context, token string) (user string, expires time.Time, err error)
}

type oauth struct{ validator Validator }

// NewOAuth returns OAUTHBEARER (RFC 7628).
func NewOAuth(v Validator) Mechanism { return oauth{v} }

func (o oauth) Name() string    { return config.OAuthBearer }
func (o oauth) Begin() Exchange { return &oauthExchange{validator: o.validator} }

type oauthExchange struct {
	validator Validator
	failed    error
}

// invalidToken is the challenge that says that a token was refused; the client answers it with one byte.
const invalidToken = `{"status":"invalid_token"}`

// Step implements Exchange. A refused token is told by a challenge, and only the answer to it ends the exchange, so
// that clients learn why.
func (e *oauthExchange) Step(ctx context.Context, token []byte) ([]byte, *Identity, error) {
	if e.failed != nil {
		return nil, nil, e.failed
	}
	bearer, authz, err := parseBearer(string(token))
	if err != nil {
		return nil, nil, malformed(config.OAuthBearer, err.Error())
	}
	user, expires, invalid := e.validator.Validate(ctx, bearer)
	switch {
	case invalid != nil: // the client is told so in one more message before the login fails
		e.failed = deny(config.OAuthBearer, invalid.Error())
	case authz != "" && authz != user:
		e.failed = deny(config.OAuthBearer, "the authorization id is another user")
	}
	if e.failed != nil {
		return []byte(invalidToken), nil, nil //nolint:nilerr // the client's last message turns it into the failure
	}
	return nil, &Identity{Principal: userPrefix + user, Mechanism: config.OAuthBearer, Expires: expires}, nil
}

var (
	extensionName  = regexp.MustCompile(`^[A-Za-z]+$`)
	extensionValue = regexp.MustCompile(`^[\x21-\x7E \t\r\n]+$`)
	bearerToken    = regexp.MustCompile(`^(?i:bearer) +([-_~+/.A-Za-z0-9]+=*)$`)
)

// parseBearer reads a client's message: n,[a=name],^A and key=value pairs that each end in ^A, one more at the end.
func parseBearer(s string) (token, authz string, err error) {
	head, rest, ok := strings.Cut(s, ",\x01")
	if !ok {
		return "", "", errors.New("no GS2 header")
	}
	flag, name, ok := strings.Cut(head, ",")
	if !ok || flag != "n" && flag != "y" {
		return "", "", errors.New("channel binding is not supported")
	}
	if name != "" {
		escaped, ok := strings.CutPrefix(name, "a=")
		if authz, ok = saslNameIf(escaped, ok); !ok {
			return "", "", errors.New("bad authorization id")
		}
	}
	rest, ok = strings.CutSuffix(rest, "\x01\x01")
	if !ok {
		return "", "", errors.New("the message does not end")
	}
	for pair := range strings.SplitSeq(rest, "\x01") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || !extensionName.MatchString(key) || !extensionValue.MatchString(value) {
			return "", "", errors.New("bad extension")
		}
		if key != "auth" {
			continue
		}
		m := bearerToken.FindStringSubmatch(value)
		if m == nil || token != "" {
			return "", "", errors.New("not one bearer token")
		}
		token = m[1]
	}
	if token == "" {
		return "", "", errors.New("no bearer token")
	}
	return token, authz, nil
}

func saslNameIf(escaped string, ok bool) (string, bool) {
	if !ok {
		return "", false
	}
	return saslName(escaped)
}

// signedTokens accepts JWTs that were signed by a key of a set.
type signedTokens struct {
	keys     *JWKS
	clock    clock.Clock
	validity validity
}

// NewTokenValidator returns the validator of signed tokens for a listener's settings.
func NewTokenValidator(l config.Listener, keys *JWKS, c clock.Clock) Validator {
	return &signedTokens{keys: keys, clock: c, validity: validity{
		audience: l.List("sasl.oauthbearer.expected.audience"), issuer: l.String("sasl.oauthbearer.expected.issuer"),
		skew: time.Duration(l.Int("sasl.oauthbearer.clock.skew.seconds")) * time.Second,
		sub:  l.String("sasl.oauthbearer.sub.claim.name"), scope: l.String("sasl.oauthbearer.scope.claim.name"),
		iat: true,
	}}
}

func (s *signedTokens) Validate(ctx context.Context, token string) (string, time.Time, error) {
	t, err := parseJWT(token)
	if err != nil {
		return "", time.Time{}, err
	}
	// What is wrong whoever signed it needs no key to be fetched.
	user, expires, err := s.validity.check(t, s.clock.Now())
	if err != nil {
		return "", time.Time{}, err
	}
	keys, err := s.keys.Keys(ctx, false)
	if err != nil {
		return "", time.Time{}, err
	}
	err = t.verify(keys)
	if errors.Is(err, errNoKey) {
		if keys, err = s.keys.Keys(ctx, true); err == nil {
			err = t.verify(keys)
		}
	}
	if err != nil {
		return "", time.Time{}, err
	}
	return user, expires, nil
}

// unsecuredTokens accepts tokens that nobody signed (alg none): whoever knows a name can use it. For development.
type unsecuredTokens struct {
	clock    clock.Clock
	validity validity
	scope    []string
}

// NewUnsecuredValidator takes the unsecuredValidator options of Kafka's OAuthBearerLoginModule.
func NewUnsecuredValidator(options map[string]string, c clock.Clock) (Validator, error) {
	v := &unsecuredTokens{clock: c, validity: validity{sub: "sub", scope: "scope"}}
	if s := options["unsecuredValidatorPrincipalClaimName"]; s != "" {
		v.validity.sub = s
	}
	if s := options["unsecuredValidatorScopeClaimName"]; s != "" {
		v.validity.scope = s
	}
	v.scope = strings.Fields(options["unsecuredValidatorRequiredScope"])
	if s := options["unsecuredValidatorAllowableClockSkewMs"]; s != "" {
		ms, err := strconv.ParseInt(s, 10, 32)
		if err != nil || ms < 0 {
			return nil, errors.New("unsecuredValidatorAllowableClockSkewMs is not a number of milliseconds")
		}
		v.validity.skew = time.Duration(ms) * time.Millisecond
	}
	return v, nil
}

func (u *unsecuredTokens) Validate(_ context.Context, token string) (string, time.Time, error) {
	t, err := parseJWT(token)
	if err != nil {
		return "", time.Time{}, err
	}
	if t.header.Algorithm != "none" || len(t.signature) > 0 {
		return "", time.Time{}, errors.New("the token is signed, which this validator cannot check")
	}
	user, expires, err := u.validity.check(t, u.clock.Now())
	if err != nil {
		return "", time.Time{}, err
	}
	have, _ := t.list(u.validity.scope, " ")
	for _, want := range u.scope {
		found := false
		for _, s := range have {
			found = found || s == want
		}
		if !found {
			return "", time.Time{}, errors.New("the token lacks a required scope")
		}
	}
	return user, expires, nil
}
