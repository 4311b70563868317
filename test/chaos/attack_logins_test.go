package chaos

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// scramGuessing: strangers guess passwords, of users who exist and who do not, and send what no client would.
func scramGuessing(ctx context.Context, g *target) string {
	var tried, in atomic.Int64
	var next atomic.Int64
	crowd(ctx, 100, func(ctx context.Context) {
		nc, err := g.dial("SASL_PLAINTEXT")
		if err != nil {
			pause(ctx, 100*time.Millisecond)
			return
		}
		defer nc.Close()
		i := next.Add(1)
		first := fmt.Sprintf("n,,n=user-%d,r=abcdefgh", i%50)
		switch i % 10 {
		case 7:
			first = "n,,n=" + strings.Repeat("x", 400<<10) + ",r=" + strings.Repeat("y", 100<<10)
		case 8:
			first = "n,,n=alice,r=abcdefgh," + strings.Repeat("x=y,", 50<<10) + "tokenauth=true"
		case 9:
			first = "p=tls-unique,,n=alice,r=abcdefgh"
		}
		challenge, err := startSASL(nc, "SCRAM-SHA-256", first)
		tried.Add(1)
		if err != nil {
			return
		}
		nonce, _, _ := strings.Cut(string(challenge), ",")
		if _, err := stepSASL(nc, "c=biws,"+nonce+",p="+base64.StdEncoding.EncodeToString(make([]byte, 32))); err == nil {
			in.Add(1)
		}
	})
	return fmt.Sprintf("%d logins tried, %d succeeded", tried.Load(), in.Load())
}

// forgedTokens: strangers come with tokens that somebody might take for good ones.
func forgedTokens(ctx context.Context, g *target) string {
	before := g.jwks.fetched.Load()
	var tried, next atomic.Int64
	var mu sync.Mutex
	in := map[string]bool{}
	kinds := g.jwks.forgeries()
	good := g.jwks.token(map[string]any{"alg": "RS256", "kid": "one"}, claims(time.Now()))
	entered := g.bears(good)
	crowd(ctx, 48, func(ctx context.Context) {
		i := next.Add(1)
		kind := kinds[i%int64(len(kinds))]
		tried.Add(1)
		if g.bears(kind.token(i)) {
			mu.Lock()
			in[kind.name] = true
			mu.Unlock()
		}
		pause(ctx, time.Millisecond)
	})
	if !entered {
		g.t.Error("a good token is refused")
	}
	for name := range in {
		g.t.Errorf("a token of the kind %q is taken", name)
	}
	fetched := g.jwks.fetched.Load() - before
	if fetched > 5 {
		g.t.Errorf("the issuer's keys were fetched %d times", fetched)
	}
	return fmt.Sprintf("%d tokens of %d kinds refused, the keys fetched %d times", tried.Load(), len(kinds), fetched)
}

// bears tells whether a token gets in.
func (g *target) bears(token string) bool {
	nc, err := g.dial("SASL_PLAINTEXT")
	if err != nil {
		return false
	}
	defer nc.Close()
	answer, err := startSASL(nc, "OAUTHBEARER", "n,,\x01auth=Bearer "+token+"\x01\x01")
	return err == nil && len(answer) == 0
}

func claims(now time.Time) map[string]any {
	return map[string]any{"sub": "admin", "iss": "issuer", "aud": "leat", "iat": now.Unix() - 10, "exp": now.Unix() + 3600}
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of plain values
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// token signs claims as the issuer does.
func (j *jwks) token(header, claims map[string]any) string {
	signed := encode(header) + "." + encode(claims)
	sum := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPKCS1v15(rand.Reader, j.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err) // only for keys that are too small
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
}

type forgery struct {
	name  string
	token func(i int64) string
}

func (j *jwks) forgeries() []forgery {
	now := time.Now()
	with := func(change func(map[string]any)) string {
		c := claims(now)
		change(c)
		return j.token(map[string]any{"alg": "RS256", "kid": "one"}, c)
	}
	public, err := x509.MarshalPKIXPublicKey(&j.key.PublicKey)
	if err != nil {
		panic(err) // RSA keys can be written
	}
	asSecret := func(secret []byte) string {
		signed := encode(map[string]any{"alg": "HS256", "kid": "one"}) + "." + encode(claims(now))
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(signed))
		return signed + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
	}
	nested := strings.Repeat(`{"a":`, 4000) + "1" + strings.Repeat("}", 4000)
	fixed := map[string]string{
		"alg none":                      encode(map[string]any{"alg": "none"}) + "." + encode(claims(now)) + ".",
		"alg nOnE":                      encode(map[string]any{"alg": "nOnE", "kid": "one"}) + "." + encode(claims(now)) + ".AA",
		"HS256 with the public key":     asSecret(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"HS256 with the key's DER":      asSecret(public),
		"HS256 with an empty secret":    asSecret(nil),
		"expired":                       with(func(c map[string]any) { c["exp"] = now.Unix() - 3600; c["iat"] = now.Unix() - 7200 }),
		"from the future":               with(func(c map[string]any) { c["iat"] = now.Unix() + 3600; c["exp"] = now.Unix() + 7200 }),
		"without expiry":                with(func(c map[string]any) { delete(c, "exp") }),
		"expiry of another type":        with(func(c map[string]any) { c["exp"] = "9999999999" }),
		"another audience":              with(func(c map[string]any) { c["aud"] = []any{"kafka", "other"} }),
		"another issuer":                with(func(c map[string]any) { c["iss"] = "issuer.example" }),
		"no subject":                    with(func(c map[string]any) { c["sub"] = " " }),
		"subject of another type":       with(func(c map[string]any) { c["sub"] = []any{"admin"} }),
		"signature of another token":    strings.Join(append(strings.Split(encode(map[string]any{"alg": "RS256", "kid": "one"})+"."+encode(claims(now)), "."), "AAAA"), "."),
		"key in the header":             encode(map[string]any{"alg": "RS256", "jwk": map[string]any{"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "jku": "http://127.0.0.1:1/"}) + "." + encode(claims(now)) + ".AAAA",
		"critical extension":            j.token(map[string]any{"alg": "RS256", "kid": "one", "crit": []any{"x"}, "x": 1}, claims(now)),
		"nested claims":                 encode(map[string]any{"alg": "RS256", "kid": "one"}) + "." + base64.RawURLEncoding.EncodeToString([]byte(nested)) + ".AAAA",
		"a token of 300 KB":             j.token(map[string]any{"alg": "RS256", "kid": "one"}, map[string]any{"sub": "admin", "pad": strings.Repeat("x", 225<<10)}),
		"claims twice, the second ours": encode(map[string]any{"alg": "RS256", "kid": "one"}) + "." + encode(claims(now)) + encode(claims(now)) + ".AAAA",
	}
	var out []forgery
	for name, token := range fixed {
		out = append(out, forgery{name, func(int64) string { return token }})
	}
	return append(out, forgery{"unknown key", func(i int64) string {
		return encode(map[string]any{"alg": "RS256", "kid": fmt.Sprint("unknown-", i)}) + "." + encode(claims(now)) + ".AAAA"
	}})
}
