package auth

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/metadata/config"
)

func TestKeyStores(t *testing.T) {
	for name, tc := range map[string]struct {
		data          []byte
		password, key string
	}{
		"jks":                {keyJKS, "secret", ""},
		"p12":                {keyP12, "secret", ""},
		"pem":                {[]byte(certPEM + keyPEM), "", ""},
		"pem, key first":     {[]byte(keyPEM + certPEM), "", ""},
		"pem, encrypted key": {[]byte(certPEM + encryptedKeyPEM), "", "secret"},
	} {
		c, err := keyStore(tc.data, tc.password, tc.key)
		if err != nil || c.PrivateKey == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		dn, err := DistinguishedName(c.Leaf)
		if err != nil || dn != storeSubject {
			t.Errorf("%s: %s, %v\nJava writes %s", name, dn, err, storeSubject)
		}
	}
	for name, tc := range map[string]struct {
		data          []byte
		password, key string
	}{
		"jks, wrong password":     {keyJKS, "other", ""},
		"jks, wrong key password": {keyJKS, "secret", "other"},
		"jks, cut":                {keyJKS[:200], "", "secret"},
		"p12, wrong password":     {keyP12, "other", ""},
		"p12, cut":                {keyP12[:200], "secret", ""},
		"pem, wrong password":     {[]byte(certPEM + encryptedKeyPEM), "", "other"},
		"pem without a key":       {[]byte(certPEM), "", ""},
		"pem without certificate": {[]byte(keyPEM), "", ""},
		"nothing":                 {nil, "", ""},
		"a trust store":           {trustJKS, "secret", ""},
		"too large":               {make([]byte, storeBytesMax+1), "", ""},
	} {
		if _, err := keyStore(tc.data, tc.password, tc.key); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTrustStores(t *testing.T) {
	for name, tc := range map[string]struct {
		data     []byte
		password string
		ok       bool
	}{
		"jks": {trustJKS, "secret", true}, "jks without a password": {trustJKS, "", true}, "p12": {trustP12, "secret", true}, "pem": {[]byte(certPEM), "", true},
		"jks, wrong password": {trustJKS, "x", false}, "p12, wrong password": {trustP12, "x", false}, "key only": {[]byte(keyPEM), "", false}, "empty": {nil, "", false},
	} {
		if _, err := trustStore(tc.data, tc.password); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMappingRules(t *testing.T) {
	for _, tc := range []struct{ rules, dn, want string }{
		{"DEFAULT", "CN=a,OU=b", "CN=a,OU=b"},
		{"RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/", "CN=svc,OU=ServiceUsers,O=x", "svc"},
		{"RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/", "CN=svc,OU=Other", ""},
		{"RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/, RULE:^CN=(.*?), OU=(.*?), O=(.*?)$/$1@$2/L, RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/U, DEFAULT", "CN=duke,O=Java", "DUKE"},
		{"RULE:^CN=(\\w+),.*$/$1/L,DEFAULT", "CN=Alice,O=x", "alice"},
		{"RULE:^CN=(\\w+),.*$/$1/L,DEFAULT", "O=x", "O=x"},
		{"RULE:CN=(\\w+)/$1x$2/", "CN=a", "ax$2"},
		{"RULE:CN=(\\w+)\\/(\\w+)/$2\\/$1/", "CN=a/b", "b/a"},
		{"RULE:CN=a/x/", "CN=ab", ""}, // the rule has to fit all of it
	} {
		m, err := ParseMappingRules(tc.rules)
		if err != nil {
			t.Errorf("%s: %v", tc.rules, err)
			continue
		}
		if got, ok := m.Apply(tc.dn); got != tc.want || ok != (tc.want != "") {
			t.Errorf("%s of %s: %q %v, want %q", tc.rules, tc.dn, got, ok, tc.want)
		}
	}
	for _, bad := range []string{"RULE:a", "RULE:a/b", "RULE:(/b/", "nonsense", "DEFAULT DEFAULT", "RULE:a/b/X"} {
		if _, err := ParseMappingRules(bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}

// handshake connects to a listener with the TLS material.
func handshake(t *testing.T, server *TLS, client *tls.Config) (server1, client1 error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error, 1)
	go func() { done <- tls.Server(a, server.Config()).Handshake() }()
	c := tls.Client(b, client)
	client1 = c.Handshake()
	if client1 == nil {
		go c.Read(make([]byte, 1)) // what the server still has to say
	} else {
		b.Close()
	}
	return <-done, client1
}

func TestMaterialIsReadAgain(t *testing.T) {
	fs, c := vfs.NewMem(1), clock.NewManual(time.Now())
	if err := fs.MkdirAll("/s"); err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) {
		if err := vfs.WriteFileAtomic(fs, name, data); err != nil {
			t.Fatal(err)
		}
	}
	write("/s/key", keyJKS)
	write("/s/trust", []byte(certPEM))
	static, _, err := config.Parse(map[string]string{
		"listener.name.x.ssl.keystore.location": "/s/key", "ssl.keystore.password": "secret",
		"ssl.truststore.location": "/s/trust", "ssl.truststore.type": "PEM",
	})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, err := NewTLS(Source{fs, c, slog.New(slog.NewTextHandler(&log, nil))}, "X", static.Listener("X", config.Dynamic{}), "required")
	if err != nil {
		t.Fatal(err)
	}
	own, err := keyStore(keyP12, "secret", "")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(own.Leaf)
	client := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{own}}
	if err, err2 := handshake(t, s, client); err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	if err, _ := handshake(t, s, &tls.Config{InsecureSkipVerify: true}); err == nil {
		t.Error("no certificate was needed")
	}
	if err, _ := handshake(t, s, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{own}, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	before := s.current.Load()
	write("/s/key", []byte("damaged"))
	c.Advance(2 * time.Second)
	if err, err2 := handshake(t, s, client); err != nil || err2 != nil || s.current.Load() != before {
		t.Error("a damaged store took the place of a good one", err, err2)
	}
	if !strings.Contains(log.String(), "cannot be read") || strings.Contains(log.String(), "secret") {
		t.Error(log.String())
	}
	write("/s/key", []byte(certPEM+keyPEM))
	c.Advance(2 * time.Second)
	if err, err2 := handshake(t, s, client); err != nil || err2 != nil || s.current.Load() == before {
		t.Error("the new store was not read", err, err2)
	}
}

func TestTLSSettingsThatCannotWork(t *testing.T) {
	src := Source{vfs.NewMem(1), clock.System, slog.New(slog.DiscardHandler)}
	for name, tc := range map[string]struct {
		set  map[string]string
		auth string
	}{
		"no key":              {map[string]string{}, "none"},
		"no such file":        {map[string]string{"ssl.keystore.location": "/none"}, "none"},
		"client auth without": {map[string]string{"ssl.keystore.key": keyPEM, "ssl.keystore.certificate.chain": certPEM}, "required"},
		"unknown suite":       {map[string]string{"ssl.keystore.key": keyPEM, "ssl.keystore.certificate.chain": certPEM, "ssl.cipher.suites": "TLS_RSA_WITH_RC4_128_SHA"}, "none"},
	} {
		static, _, err := config.Parse(tc.set)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewTLS(src, "X", static.Listener("X", config.Dynamic{}), tc.auth); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func FuzzKeyStore(f *testing.F) {
	f.Add(keyJKS)
	f.Add(trustJKS)
	f.Add([]byte(certPEM + encryptedKeyPEM))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if isJKS(data) || isPEM(data) { // PKCS#12 with made-up iterations only burns time
			_, _ = keyStore(data, "", "secret")
			_, _ = trustStore(data, "")
		}
	})
}
