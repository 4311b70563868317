package auth

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"leat.dev/internal/metadata/config"
)

// ScramCredential is what the server keeps of a password.
type ScramCredential struct {
	Salt, StoredKey, ServerKey []byte
	Iterations                 int
}

// ScramOptions say where a mechanism's credentials are.
type ScramOptions struct {
	// Credential returns a user's credential.
	Credential func(user string) (ScramCredential, bool)
	// Token returns what a delegation token's password is and whose it is; nil if there are no tokens.
	Token func(id string) (Token, bool)
	// Random makes nonces, and the key that made-up salts of unknown users follow from.
	Random io.Reader
	// FakeKey makes the salts of unknown users; at least 32 bytes, secret, the same for all mechanisms.
	FakeKey []byte
	// Usual says what credentials look like that users have: the answer about a user who does not exist must not differ
	// from those about most who do. Nil: as Kafka's tools make them.
	Usual func() ScramShape
}

// ScramShape is what a stranger sees of a credential.
type ScramShape struct {
	Iterations int
	SaltBytes  int
	// Text: the salt consists of digits and small letters, as Kafka's tools make it.
	Text bool
}

// ShapeOf is what a stranger sees of a credential.
func ShapeOf(salt []byte, iterations int) ScramShape {
	s := ScramShape{Iterations: iterations, SaltBytes: len(salt), Text: true}
	for _, c := range salt {
		s.Text = s.Text && strings.IndexByte(saltText, c) >= 0
	}
	return s
}

const saltText = "0123456789abcdefghijklmnopqrstuvwxyz"

// kafkaShape is what Kafka's tools make.
var kafkaShape = ScramShape{Iterations: 4096, SaltBytes: 26, Text: true}

// Token is a delegation token.
type Token struct {
	Owner    string // principal
	Password string // the secret in base64
	Expires  time.Time
}

// tokenIterations is how often a delegation token's password is hashed; the client has to do the same.
const tokenIterations = 4096

// nonceBytes is the entropy of the server's part of the nonce.
const nonceBytes = 24

type scram struct {
	name string
	hash func() hash.Hash
	ScramOptions
}

// NewScram returns SCRAM-SHA-256 or SCRAM-SHA-512 (RFC 5802, RFC 7677).
func NewScram(name string, o ScramOptions) (Mechanism, error) {
	s := &scram{name: name, ScramOptions: o}
	switch name {
	case config.ScramSHA256:
		s.hash = sha256.New
	case config.ScramSHA512:
		s.hash = sha512.New
	default:
		return nil, fmt.Errorf("%s is not a mechanism of SCRAM", name)
	}
	if len(o.FakeKey) < 32 {
		return nil, errors.New("SCRAM needs a secret for unknown users")
	}
	return s, nil
}

func (s *scram) Name() string    { return s.name }
func (s *scram) Begin() Exchange { return &scramExchange{scram: s} }

type scramExchange struct {
	*scram
	step        int
	known       bool
	credential  ScramCredential
	who         Identity
	gs2         string // the header, which the second message repeats
	nonce       string // client's and server's
	firstBare   string
	serverFirst string
}

// Step implements Exchange.
func (e *scramExchange) Step(_ context.Context, token []byte) ([]byte, *Identity, error) {
	e.step++
	if !utf8.Valid(token) {
		return nil, nil, malformed(e.name, "not UTF-8")
	}
	switch e.step {
	case 1:
		challenge, err := e.first(string(token))
		return challenge, nil, err
	case 2:
		return e.final(string(token))
	}
	return nil, nil, malformed(e.name, "the exchange is over")
}

// clientFirst is a parsed client-first-message.
type clientFirst struct {
	gs2, bare   string
	authz, user string
	nonce       string
	token       bool // the extension tokenauth=true
}

func parseClientFirst(s string) (f clientFirst, err error) {
	bad := func(why string) (clientFirst, error) { return clientFirst{}, errors.New(why) }
	flag, rest, ok := strings.Cut(s, ",")
	if !ok || flag != "n" && flag != "y" {
		return bad("channel binding is not supported")
	}
	authz, bare, ok := strings.Cut(rest, ",")
	if !ok {
		return bad("no GS2 header")
	}
	f.gs2, f.bare = s[:len(s)-len(bare)], bare
	if authz != "" {
		name, ok := strings.CutPrefix(authz, "a=")
		if !ok {
			return bad("bad authorization id")
		}
		if f.authz, ok = saslName(name); !ok {
			return bad("bad authorization id")
		}
	}
	fields := strings.Split(bare, ",")
	if strings.HasPrefix(bare, "m=") {
		return bad("mandatory extensions are not supported")
	}
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "n=") || !strings.HasPrefix(fields[1], "r=") {
		return bad("no user or no nonce")
	}
	if f.user, ok = saslName(fields[0][2:]); !ok {
		return bad("bad user name")
	}
	if f.nonce = fields[1][2:]; !printable(f.nonce) {
		return bad("bad nonce")
	}
	for _, x := range fields[2:] {
		name, value, ok := strings.Cut(x, "=")
		if !ok || name == "" {
			return bad("bad extension")
		}
		if name == "tokenauth" {
			f.token = strings.EqualFold(value, "true")
		}
	}
	return f, nil
}

// saslName undoes the escaping of , and = in names.
func saslName(s string) (string, bool) {
	if s == "" {
		return "", false
	}
	for i := 0; i < len(s); i++ {
		if s[i] == 0 || s[i] == '=' && !strings.HasPrefix(s[i:], "=2C") && !strings.HasPrefix(s[i:], "=3D") {
			return "", false
		}
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "=2C", ","), "=3D", "="), true
}

func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x21 || s[i] > 0x7e || s[i] == ',' {
			return false
		}
	}
	return s != ""
}

// first answers the client's first message. A user who does not exist gets a salt too, always the same one.
func (e *scramExchange) first(message string) ([]byte, error) {
	f, err := parseClientFirst(message)
	if err != nil {
		return nil, malformed(e.name, err.Error())
	}
	if f.authz != "" && f.authz != f.user {
		return nil, deny(e.name, "the authorization id is another user")
	}
	e.gs2, e.firstBare = f.gs2, f.bare
	e.look(&f)
	random := make([]byte, nonceBytes)
	if _, err := io.ReadFull(e.Random, random); err != nil {
		return nil, fmt.Errorf("making a nonce: %w", err)
	}
	e.nonce = f.nonce + base64.RawURLEncoding.EncodeToString(random)
	e.serverFirst = fmt.Sprintf("r=%s,s=%s,i=%d", e.nonce, base64.StdEncoding.EncodeToString(e.credential.Salt), e.credential.Iterations)
	return []byte(e.serverFirst), nil
}

// look finds the credential, or makes one up that no password fits.
func (e *scramExchange) look(f *clientFirst) {
	e.who = Identity{Principal: userPrefix + f.user, Mechanism: e.name}
	if f.token {
		if e.Token != nil {
			if t, ok := e.Token(f.user); ok {
				e.credential, e.known = e.ofPassword(t.Password, e.fakeSalt("token", f.user, kafkaShape)), true
				e.who = Identity{Principal: t.Owner, Mechanism: e.name, Expires: t.Expires, Token: true}
				return
			}
		}
	} else if e.credential, e.known = e.Credential(f.user); e.known {
		return
	}
	shape := kafkaShape
	if e.Usual != nil && !f.token {
		shape = e.Usual()
	}
	e.credential = ScramCredential{
		Salt: e.fakeSalt("user", f.user, shape), Iterations: shape.Iterations,
		StoredKey: make([]byte, e.hash().Size()), ServerKey: make([]byte, e.hash().Size()),
	}
}

// fakeSalt is a salt that only this server can tell from a random one.
func (e *scramExchange) fakeSalt(kind, name string, shape ScramShape) []byte {
	var out []byte
	for block := uint32(0); len(out) < shape.SaltBytes; block++ {
		m := hmac.New(sha256.New, e.FakeKey)
		for _, s := range []string{e.name, kind, name} {
			m.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
			m.Write([]byte(s))
		}
		m.Write(binary.BigEndian.AppendUint32(nil, block))
		out = m.Sum(out)
	}
	out = out[:shape.SaltBytes]
	for i := range out {
		if shape.Text {
			out[i] = saltText[int(out[i])%len(saltText)]
		}
	}
	return out
}

func (e *scramExchange) ofPassword(password string, salt []byte) ScramCredential {
	salted, err := pbkdf2.Key(e.hash, password, salt, tokenIterations, e.hash().Size())
	if err != nil {
		panic(err) // only for key lengths that no hash has
	}
	stored := e.hash()
	stored.Write(e.sign(salted, "Client Key"))
	return ScramCredential{Salt: salt, Iterations: tokenIterations, StoredKey: stored.Sum(nil), ServerKey: e.sign(salted, "Server Key")}
}

func (s *scram) sign(key []byte, text string) []byte {
	m := hmac.New(s.hash, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// final checks the client's proof and answers with the server's.
func (e *scramExchange) final(message string) ([]byte, *Identity, error) {
	i := strings.LastIndex(message, ",p=")
	if i < 0 {
		return nil, nil, malformed(e.name, "no proof")
	}
	without, proofText := message[:i], message[i+3:]
	fields := strings.Split(without, ",")
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "c=") || !strings.HasPrefix(fields[1], "r=") {
		return nil, nil, malformed(e.name, "no channel binding or no nonce")
	}
	proof, err := base64.StdEncoding.DecodeString(proofText)
	binding, err2 := base64.StdEncoding.DecodeString(fields[0][2:])
	if err != nil || err2 != nil || len(proof) != e.hash().Size() {
		return nil, nil, malformed(e.name, "bad base64")
	}
	// A nonce that only ends in ours will do, as in Kafka: librdkafka before 2.6.1 puts its own ahead once more. The
	// proof covers what was sent.
	if !bytes.Equal(binding, []byte(e.gs2)) || !strings.HasSuffix(fields[1], e.nonce) {
		return nil, nil, malformed(e.name, "the nonce or the channel binding differs")
	}
	auth := e.firstBare + "," + e.serverFirst + "," + without
	clientKey := e.sign(e.credential.StoredKey, auth)
	subtle.XORBytes(clientKey, clientKey, proof)
	stored := e.hash()
	stored.Write(clientKey)
	fits := subtle.ConstantTimeCompare(stored.Sum(nil), e.credential.StoredKey)
	signature := e.sign(e.credential.ServerKey, auth)
	if !e.known || fits != 1 {
		return nil, nil, deny(e.name, "wrong user or password")
	}
	who := e.who
	return []byte("v=" + base64.StdEncoding.EncodeToString(signature)), &who, nil
}

// SaltPassword is what a client sends to set a user's password: Hi of RFC 5802.
func SaltPassword(mechanism, password string, salt []byte, iterations int) ([]byte, error) {
	switch mechanism {
	case config.ScramSHA256:
		return pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	case config.ScramSHA512:
		return pbkdf2.Key(sha512.New, password, salt, iterations, sha512.Size)
	}
	return nil, fmt.Errorf("%s is not a mechanism of SCRAM", mechanism)
}
