package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"
)

// tokenBytesMax bounds a JWT; those of real issuers have a few kilobytes.
const tokenBytesMax = 64 << 10

// keysTried bounds the signatures that one token can make us check.
const keysTried = 4

// jwtHeader is the protected header of a JWS.
type jwtHeader struct {
	Algorithm string   `json:"alg"`
	KeyID     string   `json:"kid"`
	Critical  []string `json:"crit"`
}

// jwt is a token that was taken apart; nothing of it is believed yet.
type jwt struct {
	header    jwtHeader
	claims    map[string]any
	signed    []byte
	signature []byte
}

func parseJWT(token string) (*jwt, error) {
	if len(token) > tokenBytesMax {
		return nil, errors.New("the token is too large")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("the token has not three parts")
	}
	t := &jwt{signed: []byte(token[:len(parts[0])+1+len(parts[1])])}
	head, err := base64.RawURLEncoding.Strict().DecodeString(parts[0])
	body, err2 := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	sig, err3 := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if errors.Join(err, err2, err3) != nil {
		return nil, errors.New("the token is not in base64url")
	}
	if err := json.Unmarshal(head, &t.header); err != nil {
		return nil, errors.New("the header is not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&t.claims); err != nil || t.claims == nil || d.More() {
		return nil, errors.New("the claims are not a JSON object")
	}
	if len(t.header.Critical) > 0 {
		return nil, errors.New("the token has critical extensions")
	}
	t.signature = sig
	return t, nil
}

// jwk is a public key of a set, with what it may be used for.
type jwk struct {
	id        string
	algorithm string // empty for any that suits the key
	key       crypto.PublicKey
}

// jwksKeysMax bounds a set.
const jwksKeysMax = 256

// parseJWKS reads a key set (RFC 7517). Keys of kinds that are not known, or not for signatures, are left out.
func parseJWKS(data []byte) ([]jwk, error) {
	var set struct {
		Keys []struct {
			Kty string `json:"kty"`
			Use string `json:"use"`
			Alg string `json:"alg"`
			Kid string `json:"kid"`
			N   string `json:"n"`
			E   string `json:"e"`
			Crv string `json:"crv"`
			X   string `json:"x"`
			Y   string `json:"y"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("not a JSON Web Key Set: %w", err)
	}
	if len(set.Keys) > jwksKeysMax {
		return nil, fmt.Errorf("a set of %d keys", len(set.Keys))
	}
	var out []jwk
	for i := range set.Keys {
		k := &set.Keys[i]
		if k.Use != "" && k.Use != "sig" {
			continue
		}
		out2 := jwk{id: k.Kid, algorithm: k.Alg}
		switch k.Kty {
		case "RSA":
			out2.key = rsaKey(k.N, k.E)
		case "EC":
			out2.key = ecKey(k.Crv, k.X, k.Y)
		case "OKP":
			if x, err := base64.RawURLEncoding.DecodeString(k.X); err == nil && k.Crv == "Ed25519" && len(x) == ed25519.PublicKeySize {
				out2.key = ed25519.PublicKey(x)
			}
		}
		if out2.key != nil {
			out = append(out, out2)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("there is no usable key in the set")
	}
	return out, nil
}

// rsaKey returns nil for keys that are broken, too small to be sound or so large that checking them costs too much.
func rsaKey(n, e string) crypto.PublicKey {
	nb, err := base64.RawURLEncoding.DecodeString(n)
	eb, err2 := base64.RawURLEncoding.DecodeString(e)
	if err != nil || err2 != nil || len(nb) > 1024 || len(eb) == 0 || len(eb) > 4 {
		return nil
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(nb), E: int(new(big.Int).SetBytes(eb).Int64())}
	if key.N.BitLen() < 2048 || key.E < 3 || key.E%2 == 0 {
		return nil
	}
	return key
}

func ecKey(curve, x, y string) crypto.PublicKey {
	var size int
	for _, c := range ecAlgorithms {
		if c.curve.Params().Name == curve {
			size = (c.curve.Params().BitSize + 7) / 8
			xb, err := base64.RawURLEncoding.DecodeString(x)
			yb, err2 := base64.RawURLEncoding.DecodeString(y)
			if err != nil || err2 != nil || len(xb) > size || len(yb) > size {
				return nil
			}
			point := make([]byte, 1+2*size)
			point[0] = 4
			copy(point[1+size-len(xb):], xb)
			copy(point[1+2*size-len(yb):], yb)
			key, err := ecdsa.ParseUncompressedPublicKey(c.curve, point)
			if err != nil {
				return nil
			}
			return key
		}
	}
	return nil
}

// verify checks the signature with the keys that may have made it. The algorithm has to be one of a fixed list and to
// suit the key: what the token claims never chooses how a key is used.
func (t *jwt) verify(keys []jwk) error {
	tried := 0
	for i := range keys {
		k := &keys[i]
		if t.header.KeyID != "" && k.id != "" && t.header.KeyID != k.id {
			continue
		}
		if k.algorithm != "" && k.algorithm != t.header.Algorithm || !suits(t.header.Algorithm, k.key) {
			continue
		}
		if tried++; tried > keysTried {
			break
		}
		if checkSignature(t.header.Algorithm, k.key, t.signed, t.signature) {
			return nil
		}
	}
	if tried == 0 {
		return errNoKey
	}
	return errors.New("the signature does not fit")
}

// errNoKey: perhaps the issuer has a new key.
var errNoKey = errors.New("no known key could have signed the token")

func (t *jwt) number(claim string) (float64, bool) {
	n, ok := t.claims[claim].(float64)
	return n, ok && !math.IsNaN(n) && !math.IsInf(n, 0)
}

func (t *jwt) text(claim string) (string, bool) {
	s, ok := t.claims[claim].(string)
	return s, ok
}

// list reads a claim that is a text or a list of texts. A single text is cut at separators, if there are any.
func (t *jwt) list(claim, separators string) (out []string, ok bool) {
	switch v := t.claims[claim].(type) {
	case string:
		if separators == "" {
			return []string{v}, true
		}
		return strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(separators, r) }), true
	case []any:
		for _, e := range v {
			s, isText := e.(string)
			if !isText {
				return nil, false
			}
			out = append(out, s)
		}
		return out, true
	}
	return nil, false
}

// epoch turns seconds since 1970 into a time; years beyond what a token can mean are cut.
func epoch(seconds float64) time.Time {
	const most = 1 << 38 // some 8,000 years
	return time.UnixMilli(int64(min(max(seconds, -most), most) * 1000))
}

// validity is what of a token is checked besides its signature.
type validity struct {
	audience   []string
	issuer     string
	skew       time.Duration
	sub, scope string // claims
	iat        bool   // has to be there
}

// check returns the user's name and when the token ends.
func (v *validity) check(t *jwt, now time.Time) (user string, expires time.Time, err error) {
	fail := func(why string) (string, time.Time, error) { return "", time.Time{}, errors.New(why) }
	exp, ok := t.number("exp")
	if !ok {
		return fail("no expiry (exp)")
	}
	expires = epoch(exp)
	if !now.Before(expires.Add(v.skew)) {
		return fail("the token has expired")
	}
	iat, ok := t.number("iat")
	switch {
	case !ok && v.iat, !ok && t.claims["iat"] != nil:
		return fail("no time of issue (iat)")
	case ok && now.Add(v.skew).Before(epoch(iat)):
		return fail("the token is from the future (iat)")
	case ok && iat > exp:
		return fail("the token expires before it is issued")
	}
	if nbf, ok := t.number("nbf"); ok && now.Add(v.skew).Before(epoch(nbf)) || !ok && t.claims["nbf"] != nil {
		return fail("the token is not valid yet (nbf)")
	}
	if user, ok = t.text(v.sub); !ok || strings.TrimSpace(user) == "" {
		return fail("no subject (" + v.sub + ")")
	}
	if len(v.audience) > 0 {
		have, _ := t.list("aud", "")
		if !slices.ContainsFunc(have, func(a string) bool { return slices.Contains(v.audience, a) }) {
			return fail("the token is for another audience (aud)")
		}
	}
	if v.issuer != "" {
		if iss, _ := t.text("iss"); iss != v.issuer {
			return fail("the token is from another issuer (iss)")
		}
	}
	if _, ok := t.list(v.scope, " "); !ok && t.claims[v.scope] != nil {
		return fail("the scopes cannot be read (" + v.scope + ")")
	}
	return user, expires.Add(v.skew), nil
}
