package registry

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leat.dev/test/launch"
)

// signed makes a JWT (RFC 7519) with ES256.
func signed(t *testing.T, key *ecdsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	part := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(data)
	}
	text := part(map[string]string{"alg": "ES256", "kid": "one", "typ": "JWT"}) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// Signed tokens say who a client is, if their keys, issuer, audience and times are right.
func TestSignedTokens(t *testing.T) {
	b := broker(t, launch.Leat)
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes() // 4, then both coordinates
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	keys, err := json.Marshal(map[string]any{"keys": []any{map[string]string{"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "alg": "ES256", "x": b64(point[1:33]), "y": b64(point[33:])}}})
	if err != nil {
		t.Fatal(err)
	}
	jwks, access := filepath.Join(dir, "jwks.json"), filepath.Join(dir, "access")
	for name, text := range map[string][]byte{jwks: keys, access: []byte("role robot write *\n")} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := nodes(t, b.Addr(), "_tokens", 1)[0]
	n.args = []string{"--access", access, "--jwks", "file://" + jwks, "--issuer", "test", "--audience", "registry"}
	n.start()
	now := time.Now().Unix()
	claims := func(change map[string]any) map[string]any {
		c := map[string]any{"sub": "robot", "iss": "test", "aud": "registry", "iat": now, "exp": now + 600}
		for k, v := range change {
			c[k] = v
		}
		return c
	}
	register := func(token string) (string, error) {
		return leat(t, `"string"`, []string{"LEAT_REGISTRY_TOKEN=" + token}, "schema", "register", "s", "-", "--registry", n.url())
	}
	if out, err := register(signed(t, key, claims(nil))); err != nil {
		t.Errorf("a good token: %s", out)
	}
	for what, token := range map[string]string{
		"another's key":        signed(t, other, claims(nil)),
		"an expired one":       signed(t, key, claims(map[string]any{"exp": now - 600, "iat": now - 900})),
		"for somebody else":    signed(t, key, claims(map[string]any{"aud": "bank"})),
		"by somebody else":     signed(t, key, claims(map[string]any{"iss": "bank"})),
		"one that is no token": "a.b.c",
	} {
		if out, err := register(token); err == nil || !strings.Contains(out, "does not accept these credentials") {
			t.Errorf("%s: %s", what, out)
		}
	}
	if out, err := register(signed(t, key, claims(map[string]any{"sub": "stranger"}))); err == nil || !strings.Contains(out, "does not allow this") {
		t.Errorf("a user without role: %s", out)
	}
}
