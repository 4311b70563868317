package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"hash"
	"strconv"
	"strings"
	"testing"
	"time"

	"leat.dev/internal/metadata"
	"leat.dev/internal/metadata/config"
)

var fakeKey = bytes.Repeat([]byte{7}, 32)

// scriptedNonce makes the server's nonce the one of an RFC's example.
type scriptedNonce struct{ text string }

func (s scriptedNonce) Read(b []byte) (int, error) { return copy(b, s.text), nil }

// vector is RFC 7677's example: SCRAM-SHA-256 of the user "user" with the password "pencil".
func TestScramVectorOfRFC7677(t *testing.T) {
	salt, _ := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	salted, err := pbkdf2.Key(sha256.New, "pencil", salt, 4096, 32)
	if err != nil {
		t.Fatal(err)
	}
	c := metadata.NewScramCredential("user", metadata.ScramSHA256, salt, salted, 4096)
	const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	e := &scramExchange{scram: &scram{name: config.ScramSHA256, hash: sha256.New}, step: 1, known: true, who: Identity{Principal: "User:user"},
		credential: ScramCredential{Salt: c.Salt, StoredKey: c.StoredKey, ServerKey: c.ServerKey, Iterations: 4096},
		gs2:        "n,,", firstBare: "n=user,r=rOprNGfwEbeRWgbNEkqO", nonce: nonce,
		serverFirst: "r=" + nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"}
	out, who, err := e.Step(t.Context(), []byte("c=biws,r="+nonce+",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="))
	if err != nil || who.Principal != "User:user" {
		t.Fatal(who, err)
	}
	if string(out) != "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Errorf("server's proof %s", out)
	}
}

// login plays a client.
func login(t *testing.T, m Mechanism, h func() hash.Hash, user, password, extensions string, tamper func(string) string) (*Identity, string, error) {
	t.Helper()
	sign := func(key []byte, text string) []byte {
		mac := hmac.New(h, key)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	e := m.Begin()
	bare := "n=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user) + ",r=clientnonce" + extensions
	first, who, err := e.Step(t.Context(), []byte("n,,"+bare))
	if err != nil {
		return nil, "", err
	}
	if who != nil {
		t.Fatal("in after one message")
	}
	var nonce, salt string
	iterations := 0
	for f := range strings.SplitSeq(string(first), ",") {
		switch f[:2] {
		case "r=":
			nonce = f[2:]
		case "s=":
			salt = f[2:]
		case "i=":
			for _, d := range f[2:] {
				iterations = iterations*10 + int(d-'0')
			}
		}
	}
	s, err := base64.StdEncoding.DecodeString(salt)
	if err != nil {
		t.Fatal(err)
	}
	salted, err := pbkdf2.Key(h, password, s, iterations, h().Size())
	if err != nil {
		t.Fatal(err)
	}
	key := sign(salted, "Client Key")
	stored := h()
	stored.Write(key)
	without := "c=biws,r=" + nonce
	signature := sign(stored.Sum(nil), bare+","+string(first)+","+without)
	for i := range key {
		key[i] ^= signature[i]
	}
	final := without + ",p=" + base64.StdEncoding.EncodeToString(key)
	if tamper != nil {
		final = tamper(final)
	}
	_, who, err = e.Step(t.Context(), []byte(final))
	return who, salt, err
}

func scramWith(t *testing.T, name string, users map[string]string, tokens map[string]Token) Mechanism {
	t.Helper()
	h, mechanism := sha256.New, metadata.ScramSHA256
	if name == config.ScramSHA512 {
		h, mechanism = sha512.New, metadata.ScramSHA512
	}
	m, err := NewScram(name, ScramOptions{Random: scriptedNonce{"abcdefghijklmnopqrstuvwxyz"}, FakeKey: fakeKey,
		Credential: func(user string) (ScramCredential, bool) {
			p, ok := users[user]
			if !ok {
				return ScramCredential{}, false
			}
			salt := []byte("salt of " + user)
			salted, err := pbkdf2.Key(h, p, salt, 4096, h().Size())
			if err != nil {
				t.Fatal(err)
			}
			c := metadata.NewScramCredential(user, mechanism, salt, salted, 4096)
			return ScramCredential{Salt: salt, StoredKey: c.StoredKey, ServerKey: c.ServerKey, Iterations: 4096}, true
		},
		Token: func(id string) (Token, bool) { tok, ok := tokens[id]; return tok, ok },
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestScramLogins(t *testing.T) {
	for _, name := range []string{config.ScramSHA256, config.ScramSHA512} {
		h := sha256.New
		if name == config.ScramSHA512 {
			h = sha512.New
		}
		m := scramWith(t, name, map[string]string{"bob": "secret", "a=b,c": "x"}, map[string]Token{"id1": {Owner: "User:carol", Password: "hmac", Expires: time.Unix(1<<40, 0)}})
		for _, tc := range []struct {
			user, password, extensions string
			want                       string
		}{
			{"bob", "secret", "", "User:bob"},
			{"a=b,c", "x", "", "User:a=b,c"},
			{"bob", "wrong", "", ""},
			{"bob", "", "", ""},
			{"nobody", "secret", "", ""},
			{"id1", "hmac", ",tokenauth=true", "User:carol"},
			{"id1", "hmac", "", ""},
			{"bob", "secret", ",tokenauth=true", ""},
			{"id1", "other", ",tokenauth=true", ""},
		} {
			who, _, err := login(t, m, h, tc.user, tc.password, tc.extensions, nil)
			switch {
			case tc.want == "" && (who != nil || !errors.Is(err, ErrDenied)):
				t.Errorf("%s %v: %v %v", name, tc, who, err)
			case tc.want != "" && (err != nil || who.Principal != tc.want || who.Token != (tc.extensions != "")):
				t.Errorf("%s %v: %v %v", name, tc, who, err)
			case err != nil && Message(err) != "Authentication failed during authentication due to invalid credentials with SASL mechanism "+name:
				t.Errorf("%s %v tells %q", name, tc, Message(err))
			}
		}
	}
}

// A user who does not exist is answered in the same shape, with a salt that stays the same.
func TestScramUnknownUserLooksKnown(t *testing.T) {
	m := scramWith(t, config.ScramSHA512, map[string]string{"bob": "secret"}, nil)
	_, one, err1 := login(t, m, sha512.New, "eve", "x", "", nil)
	_, two, err2 := login(t, m, sha512.New, "eve", "y", "", nil)
	_, other, _ := login(t, m, sha512.New, "mallory", "y", "", nil)
	_, _, wrong := login(t, m, sha512.New, "bob", "y", "", nil)
	if one != two || one == other || len(one) < 24 {
		t.Errorf("salts %q, %q, %q", one, two, other)
	}
	if err1.Error() != wrong.Error() || err2.Error() != wrong.Error() {
		t.Errorf("%v and %v differ from %v", err1, err2, wrong)
	}
}

func TestScramTampering(t *testing.T) {
	m := scramWith(t, config.ScramSHA256, map[string]string{"bob": "secret"}, nil)
	for name, f := range map[string]func(string) string{
		"nonce":           func(s string) string { return strings.Replace(s, "r=clientnonce", "r=clientnoncf", 1) },
		"cut nonce":       func(s string) string { return strings.Replace(s, "4eXo", "", 1)[:20] },
		"channel binding": func(s string) string { return strings.Replace(s, "c=biws", "c=eSws", 1) },
		"no proof":        func(s string) string { return s[:strings.Index(s, ",p=")] },
		"empty proof":     func(s string) string { return s[:strings.Index(s, ",p=")+3] },
		"extension":       func(s string) string { return strings.Replace(s, ",p=", ",x=y,p=", 1) },
		"empty":           func(string) string { return "" },
		"binary":          func(string) string { return "\xff\xfe" },
	} {
		if who, _, err := login(t, m, sha256.New, "bob", "secret", "", f); who != nil || !errors.Is(err, ErrDenied) {
			t.Errorf("%s: %v %v", name, who, err)
		}
	}
	for _, first := range []string{"", "n,,", "p=tls-unique,,n=bob,r=x", "n,a=eve,n=bob,r=x", "n,,n=bob", "n,,n=,r=x", "n,,m=1,n=bob,r=x", "n,,n=bob,r=", "n,,n=b=ob,r=x", "n,,n=bob,r=a b", "\xff"} {
		if _, who, err := m.Begin().Step(t.Context(), []byte(first)); who != nil || !errors.Is(err, ErrDenied) {
			t.Errorf("%q: %v %v", first, who, err)
		}
	}
}

func TestPlain(t *testing.T) {
	m := NewPlain(map[string]string{"username": "admin", "password": "x", "user_alice": "secret", "user_": "none"})
	for token, want := range map[string]string{
		"\x00alice\x00secret": "User:alice", "alice\x00alice\x00secret": "User:alice",
		"bob\x00alice\x00secret": "", "\x00alice\x00wrong": "", "\x00nobody\x00secret": "", "\x00alice\x00": "", "\x00\x00": "",
		"": "", "alice": "", "\x00alice\x00secret\x00": "", "\x00admin\x00x": "", "\xff\x00alice\x00secret": "", "\x00\x00none": "",
	} {
		_, who, err := m.Begin().Step(t.Context(), []byte(token))
		if want == "" {
			if who != nil || !errors.Is(err, ErrDenied) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: %v %v", token, who, err)
			}
		} else if err != nil || who.Principal != want {
			t.Errorf("%q: %v %v", token, who, err)
		}
	}
}

func FuzzScram(f *testing.F) {
	f.Add([]byte("n,,n=bob,r=abc"), []byte("c=biws,r=abc,p=AAAA"))
	f.Add([]byte("y,a=bob,n=bob,r=abc,tokenauth=true"), []byte("c=,r=,p="))
	salt := []byte("salt")
	m, err := NewScram(config.ScramSHA256, ScramOptions{Random: scriptedNonce{"abcdefghijklmnopqrstuvwxyz"}, FakeKey: fakeKey,
		Credential: func(user string) (ScramCredential, bool) {
			return ScramCredential{Salt: salt, StoredKey: make([]byte, 32), ServerKey: make([]byte, 32), Iterations: 4096}, user == "bob"
		}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, final []byte) {
		e := m.Begin()
		if _, who, err := e.Step(t.Context(), first); who != nil {
			t.Fatal("in after one message")
		} else if err == nil {
			if _, who, err := e.Step(t.Context(), final); who != nil || err == nil {
				t.Fatal("in with a made-up proof")
			}
		}
	})
}

// What a stranger is shown of a user who does not exist looks like what most users' credentials look like.
func TestUnknownUsersLookUsual(t *testing.T) {
	for _, shape := range []ScramShape{{Iterations: 8192, SaltBytes: 24}, {Iterations: 5000, SaltBytes: 40, Text: true}, {Iterations: 4096, SaltBytes: 26, Text: true}} {
		m, err := NewScram(config.ScramSHA256, ScramOptions{
			Random: bytes.NewReader(make([]byte, 1000)), FakeKey: make([]byte, 32), Usual: func() ScramShape { return shape },
			Credential: func(string) (ScramCredential, bool) { return ScramCredential{}, false },
		})
		if err != nil {
			t.Fatal(err)
		}
		challenge := func(user string) string {
			out, _, err := m.Begin().Step(t.Context(), []byte("n,,n="+user+",r=abc"))
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(out), ",")
			return rest
		}
		one := challenge("one")
		salt, iterations, _ := strings.Cut(strings.TrimPrefix(one, "s="), ",i=")
		raw, err := base64.StdEncoding.DecodeString(salt)
		n, err2 := strconv.Atoi(iterations)
		if got := ShapeOf(raw, n); err != nil || err2 != nil || got != shape {
			t.Errorf("%+v is shown as %+v", shape, got)
		}
		if challenge("one") != one || challenge("two") == one {
			t.Error("a user's salt changes, or is everybody's")
		}
	}
}
