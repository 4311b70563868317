package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/metadata/config"
)

// issuer signs tokens for tests.
type issuer struct {
	rsa     *rsa.PrivateKey
	ec      *ecdsa.PrivateKey
	ed      ed25519.PrivateKey
	jwks    []byte
	foreign *rsa.PrivateKey
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	var i issuer
	var err [4]error
	i.rsa, err[0] = rsa.GenerateKey(rand.Reader, 2048)
	i.foreign, err[1] = rsa.GenerateKey(rand.Reader, 2048)
	i.ec, err[2] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, i.ed, err[3] = ed25519.GenerateKey(rand.Reader)
	if e := errors.Join(err[:]...); e != nil {
		t.Fatal(e)
	}
	point, _ := i.ec.PublicKey.Bytes()
	keys := []map[string]string{
		{"kty": "RSA", "kid": "r", "use": "sig", "n": b64(i.rsa.N.Bytes()), "e": b64(big.NewInt(int64(i.rsa.E)).Bytes())},
		{"kty": "EC", "kid": "e", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])},
		{"kty": "OKP", "kid": "d", "crv": "Ed25519", "x": b64(i.ed.Public().(ed25519.PublicKey))},
		{"kty": "oct", "kid": "o", "k": "c2VjcmV0"},
		{"kty": "RSA", "kid": "enc", "use": "enc", "n": b64(i.foreign.N.Bytes()), "e": "AQAB"},
	}
	i.jwks, _ = json.Marshal(map[string]any{"keys": keys})
	return &i
}

func (i *issuer) sign(alg, kid string, key any, claims map[string]any) string {
	head := map[string]any{"alg": alg, "typ": "JWT"}
	if kid != "" {
		head["kid"] = kid
	}
	h, _ := json.Marshal(head)
	c, _ := json.Marshal(claims)
	signed := b64(h) + "." + b64(c)
	digest := sha256.Sum256([]byte(signed))
	var sig []byte
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if strings.HasPrefix(alg, "PS") {
			sig, _ = rsa.SignPSS(rand.Reader, k, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			sig, _ = rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, digest[:])
		}
	case *ecdsa.PrivateKey:
		r, s, _ := ecdsa.Sign(rand.Reader, k, digest[:])
		sig = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case ed25519.PrivateKey:
		sig = ed25519.Sign(k, []byte(signed))
	case []byte: // the classic attack: an HMAC with the public key
		m := hmac.New(sha256.New, k)
		m.Write([]byte(signed))
		sig = m.Sum(nil)
	}
	return signed + "." + b64(sig)
}

func validator(t testing.TB, jwks []byte, now time.Time) (Validator, *vfs.Mem) {
	t.Helper()
	fs := vfs.NewMem(1)
	if err := fs.MkdirAll("/keys"); err != nil {
		t.Fatal(err)
	}
	if err := vfs.WriteFileAtomic(fs, "/keys/jwks.json", jwks); err != nil {
		t.Fatal(err)
	}
	static, _, err := config.Parse(map[string]string{
		"sasl.oauthbearer.expected.audience": "leat,other", "sasl.oauthbearer.expected.issuer": "https://issuer",
	})
	if err != nil {
		t.Fatal(err)
	}
	c := clock.NewManual(now)
	keys, err := NewJWKS(JWKSOptions{URL: "file:///keys/jwks.json", FS: fs, Clock: c, Logger: slog.New(slog.DiscardHandler), Refresh: time.Hour, Backoff: time.Millisecond, BackoffMax: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(keys.Close)
	return NewTokenValidator(static.Listener("X", config.Dynamic{}), keys, c), fs
}

func TestSignedTokens(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	i := newIssuer(t)
	v, _ := validator(t, i.jwks, now)
	good := func(change ...func(map[string]any)) map[string]any {
		c := map[string]any{"sub": "alice", "iss": "https://issuer", "aud": "leat", "iat": now.Unix() - 10, "exp": now.Unix() + 100, "scope": "a b"}
		for _, f := range change {
			f(c)
		}
		return c
	}
	set := func(k string, x any) func(map[string]any) { return func(c map[string]any) { c[k] = x } }
	drop := func(k string) func(map[string]any) { return func(c map[string]any) { delete(c, k) } }
	unsigned := func(claims map[string]any, alg string) string {
		c, _ := json.Marshal(claims)
		return b64([]byte(`{"alg":"`+alg+`"}`)) + "." + b64(c) + "."
	}
	pub, _ := json.Marshal(map[string]string{})
	for name, tc := range map[string]struct {
		token string
		ok    bool
	}{
		"RS256":                {i.sign("RS256", "r", i.rsa, good()), true},
		"RS256 without a kid":  {i.sign("RS256", "", i.rsa, good()), true},
		"PS256":                {i.sign("PS256", "r", i.rsa, good()), true},
		"ES256":                {i.sign("ES256", "e", i.ec, good()), true},
		"EdDSA":                {i.sign("EdDSA", "d", i.ed, good()), true},
		"audience in a list":   {i.sign("RS256", "r", i.rsa, good(set("aud", []string{"x", "other"}))), true},
		"expired in the skew":  {i.sign("RS256", "r", i.rsa, good(set("exp", now.Unix()-20), set("iat", now.Unix()-200))), true},
		"scopes in a list":     {i.sign("RS256", "r", i.rsa, good(set("scope", []string{"a"}))), true},
		"alg none":             {unsigned(good(), "none"), false},
		"alg None":             {unsigned(good(), "None"), false},
		"alg empty":            {unsigned(good(), ""), false},
		"HS256 with the key":   {i.sign("HS256", "r", []byte(b64(i.rsa.N.Bytes())), good()), false},
		"HS256 with the JWKS":  {i.sign("HS256", "", append(pub, i.jwks...), good()), false},
		"another's key":        {i.sign("RS256", "r", i.foreign, good()), false},
		"a key for encryption": {i.sign("RS256", "enc", i.foreign, good()), false},
		"RS256 on an EC key":   {i.sign("RS256", "e", i.rsa, good()), false},
		"expired":              {i.sign("RS256", "r", i.rsa, good(set("exp", now.Unix()-31))), false},
		"no expiry":            {i.sign("RS256", "r", i.rsa, good(drop("exp"))), false},
		"expiry as text":       {i.sign("RS256", "r", i.rsa, good(set("exp", "9999999999"))), false},
		"no time of issue":     {i.sign("RS256", "r", i.rsa, good(drop("iat"))), false},
		"from the future":      {i.sign("RS256", "r", i.rsa, good(set("iat", now.Unix()+60))), false},
		"not yet valid":        {i.sign("RS256", "r", i.rsa, good(set("nbf", now.Unix()+60))), false},
		"wrong audience":       {i.sign("RS256", "r", i.rsa, good(set("aud", "else"))), false},
		"no audience":          {i.sign("RS256", "r", i.rsa, good(drop("aud"))), false},
		"wrong issuer":         {i.sign("RS256", "r", i.rsa, good(set("iss", "https://evil"))), false},
		"no subject":           {i.sign("RS256", "r", i.rsa, good(drop("sub"))), false},
		"empty subject":        {i.sign("RS256", "r", i.rsa, good(set("sub", " "))), false},
		"subject as number":    {i.sign("RS256", "r", i.rsa, good(set("sub", 7))), false},
		"scope as number":      {i.sign("RS256", "r", i.rsa, good(set("scope", 7))), false},
		"unknown key":          {i.sign("RS256", "zzz", i.rsa, good()), false},
		"garbage":              {"a.b.c", false},
		"huge":                 {strings.Repeat("a", tokenBytesMax+1), false},
	} {
		user, expires, err := v.Validate(t.Context(), tc.token)
		if ok := err == nil; ok != tc.ok || ok && (user != "alice" || expires.IsZero()) {
			t.Errorf("%s: %q %v %v", name, user, expires, err)
		}
	}
	tampered := strings.Split(i.sign("RS256", "r", i.rsa, good()), ".")
	other := strings.Split(i.sign("RS256", "r", i.rsa, good(set("sub", "root"))), ".")
	if _, _, err := v.Validate(t.Context(), tampered[0]+"."+other[1]+"."+tampered[2]); err == nil {
		t.Error("claims of another token pass")
	}
}

// A key that is not known is looked for once, not with every token that names one.
func TestKeysAreFetchedSparingly(t *testing.T) {
	i := newIssuer(t)
	fetches := 0
	c := clock.NewManual(time.Unix(1000, 0))
	keys, err := NewJWKS(JWKSOptions{URL: "file:///x", FS: vfs.NewMem(1), Clock: c, Logger: slog.New(slog.DiscardHandler), Refresh: time.Hour, Backoff: time.Second, BackoffMax: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	fail := true
	keys.fetch = func(context.Context) ([]byte, error) {
		fetches++
		if fail {
			return nil, errors.New("down")
		}
		return i.jwks, nil
	}
	for range 50 {
		if _, err := keys.Keys(t.Context(), false); err == nil {
			t.Fatal("keys out of nothing")
		}
	}
	if fetches != 1 {
		t.Errorf("%d fetches while it is down, want 1", fetches)
	}
	fail = false
	c.Advance(2 * time.Second)
	for range 50 {
		if _, err := keys.Keys(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	if fetches != 2 {
		t.Errorf("%d fetches, want 2", fetches)
	}
	c.Advance(11 * time.Second)
	if _, err := keys.Keys(t.Context(), true); err != nil || fetches != 3 {
		t.Error(err, fetches)
	}
}

func TestBearerExchange(t *testing.T) {
	v, err := NewUnsecuredValidator(map[string]string{"unsecuredValidatorRequiredScope": "x"}, clock.NewManual(time.Unix(1000, 0)))
	if err != nil {
		t.Fatal(err)
	}
	m := NewOAuth(v)
	token := func(claims string) string {
		return b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(claims)) + "."
	}
	good := token(`{"sub":"alice","exp":2000,"scope":["x","y"]}`)
	e := m.Begin()
	_, who, err := e.Step(t.Context(), []byte("n,,\x01auth=Bearer "+good+"\x01k=v\x01\x01"))
	if err != nil || who == nil || who.Principal != "User:alice" || who.Expires.Unix() != 2000 {
		t.Fatal(who, err)
	}
	if _, who, err := m.Begin().Step(t.Context(), []byte("n,a=alice,\x01auth=bearer "+good+"\x01\x01")); err != nil || who == nil {
		t.Error(who, err)
	}
	for _, refused := range []string{
		"n,a=bob,\x01auth=Bearer " + good + "\x01\x01",
		"n,,\x01auth=Bearer " + token(`{"sub":"alice","exp":2000}`) + "\x01\x01",
		"n,,\x01auth=Bearer " + token(`{"sub":"alice","exp":999,"scope":"x"}`) + "\x01\x01",
	} {
		e := m.Begin()
		out, who, err := e.Step(t.Context(), []byte(refused))
		if err != nil || who != nil || string(out) != invalidToken {
			t.Fatalf("%q: %s %v %v", refused, out, who, err)
		}
		if _, who, err := e.Step(t.Context(), []byte{1}); who != nil || !errors.Is(err, ErrDenied) {
			t.Errorf("%q: %v %v", refused, who, err)
		}
	}
	for _, bad := range []string{"", "n,,", "n,,\x01\x01", "p=x,,\x01auth=Bearer a\x01\x01", "n,,\x01auth=Basic a\x01\x01", "n,,\x01auth=Bearer a\x01auth=Bearer b\x01\x01", "n,,\x01auth=Bearer a\x01", "n,,\x01k1=v\x01auth=Bearer a\x01\x01"} {
		if _, who, err := m.Begin().Step(t.Context(), []byte(bad)); who != nil || !errors.Is(err, ErrDenied) {
			t.Errorf("%q: %v %v", bad, who, err)
		}
	}
}

func FuzzJWT(f *testing.F) {
	i := newIssuer(f)
	keys, err := parseJWKS(i.jwks)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(i.sign("RS256", "r", i.foreign, map[string]any{"sub": "a", "exp": 1e300}))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	v := validity{sub: "sub", scope: "scope", audience: []string{"x"}}
	f.Fuzz(func(t *testing.T, token string) {
		j, err := parseJWT(token)
		if err != nil {
			return
		}
		_, _, _ = v.check(j, time.Unix(1000, 0))
		if j.verify(keys) == nil {
			t.Fatal("a made-up token is signed")
		}
	})
}

func FuzzJWKS(f *testing.F) {
	f.Add(newIssuer(f).jwks)
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQ"},{"kty":"EC","crv":"P-256","x":"","y":""}]}`))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = parseJWKS(data) })
}

func FuzzBearer(f *testing.F) {
	f.Add("n,,\x01auth=Bearer abc\x01\x01")
	f.Fuzz(func(_ *testing.T, s string) { _, _, _ = parseBearer(s) })
}
