package broker

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	kgoscram "github.com/twmb/franz-go/pkg/sasl/scram"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/broker/auth"
	"leat.dev/internal/metadata"
	"leat.dev/internal/metadata/config"
)

// authority signs certificates for tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t, cert, key}
}

func (a *authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

func (a *authority) issue(name string) (cert, key string) {
	a.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name, Organization: []string{"Ex"}}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tpl, a.cert, &k.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

func (a *authority) clientConfig(name string) *tls.Config {
	a.t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	c := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
	if name != "" {
		cert, key := a.issue(name)
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		if err != nil {
			a.t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

// secure is a broker with a listener of each protocol.
type secure struct {
	*Broker
	t     *testing.T
	ca    *authority
	addrs map[Protocol]string
	clock *heldClock
}

// heldClock is the system's until it is held at an instant; its timers go on.
type heldClock struct {
	clock.Clock
	at atomic.Pointer[time.Time]
}

func (c *heldClock) hold(at time.Time) { c.at.Store(&at) }

func (c *heldClock) Now() time.Time {
	if at := c.at.Load(); at != nil {
		return *at
	}
	return c.Clock.Now()
}

func startSecure(t *testing.T, settings ...string) *secure {
	t.Helper()
	return startSecureOn(t, vfs.NewMem(1), settings...)
}

func startSecureOn(t *testing.T, fsys vfs.FS, settings ...string) *secure {
	t.Helper()
	s := &secure{t: t, ca: newAuthority(t), addrs: map[Protocol]string{}, clock: &heldClock{Clock: clock.System}}
	cert, key := s.ca.issue("server")
	set := map[string]string{
		"node.id": "1", "offsets.topic.num.partitions": "2", "log.cleaner.enable": "false", "audit.log": "none",
		"authorizer.class.name": config.StandardAuthorizer, "super.users": "User:admin",
		"ssl.keystore.key": key, "ssl.keystore.certificate.chain": cert, "ssl.truststore.certificates": s.ca.pem(),
		"ssl.client.auth": "requested", "ssl.principal.mapping.rules": "RULE:^CN=(.*?),.*$/$1/",
		"sasl.enabled.mechanisms":     "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
		"delegation.token.secret.key": "token secret", "connection.failed.authentication.delay.ms": "1",
	}
	for _, l := range []string{"sasl_plaintext", "sasl_ssl"} {
		set["listener.name."+l+".plain.sasl.jaas.config"] = `PlainLoginModule required user_admin="a-secret" user_alice="b-secret";`
		set["listener.name."+l+".oauthbearer.sasl.jaas.config"] = `OAuthBearerLoginModule required unsecuredValidatorAllowableClockSkewMs="0";`
	}
	for i := 0; i+1 < len(settings); i += 2 {
		set[settings[i]] = settings[i+1]
	}
	static, _, err := config.Parse(set)
	if err != nil {
		t.Fatal(err)
	}
	var listeners []Listener
	for _, p := range []Protocol{Plaintext, SSL, SASLPlaintext, SASLSSL} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.addrs[p] = l.Addr().String()
		listeners = append(listeners, Listener{Name: p.String(), Protocol: p, Listener: l, AdvertisedHost: "127.0.0.1", AdvertisedPort: l.Addr().(*net.TCPAddr).Port})
	}
	s.Broker, err = Open(t.Context(), Options{FS: fsys, Clock: s.clock, Random: rand.Reader, Logger: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelError})), Path: "/log", Config: static, Listeners: listeners})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Broker.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// client is franz-go on a listener.
func (s *secure) client(p Protocol, cert string, m sasl.Mechanism) *kgo.Client {
	s.t.Helper()
	o := []kgo.Opt{kgo.SeedBrokers(s.addrs[p]), kgo.DisableClientMetrics(), kgo.RequestRetries(0), kgo.RetryTimeout(patience)}
	if p.TLS() {
		o = append(o, kgo.DialTLSConfig(s.ca.clientConfig(cert)))
	}
	if m != nil {
		o = append(o, kgo.SASL(m))
	}
	c, err := kgo.NewClient(o...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

// setUser gives a user a SCRAM password, as an admin would.
func (s *secure) setUser(user, password string) {
	s.t.Helper()
	req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	for _, m := range []struct {
		id   int8
		name string
	}{{metadata.ScramSHA256, config.ScramSHA256}, {metadata.ScramSHA512, config.ScramSHA512}} {
		u := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
		u.Name, u.Mechanism, u.Iterations, u.Salt = user, m.id, 4096, []byte("0123456789")
		var err error
		if u.SaltedPassword, err = auth.SaltPassword(m.name, password, u.Salt, 4096); err != nil {
			s.t.Fatal(err)
		}
		req.Upsertions = append(req.Upsertions, u)
	}
	resp, err := req.RequestWith(s.t.Context(), s.client(SASLPlaintext, "", plain.Auth{User: "admin", Pass: "a-secret"}.AsMechanism()))
	if err != nil || resp.Results[0].ErrorCode != 0 {
		s.t.Fatal(resp, err)
	}
}

// whoami finds out which principal a client has: it is the owner of the token that the client may make.
func (s *secure) whoami(c *kgo.Client) (string, error) {
	req := kmsg.NewPtrCreateDelegationTokenRequest()
	req.MaxLifetimeMillis = -1
	resp, err := req.RequestWith(s.t.Context(), c)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return "", err
	}
	return resp.PrincipalType + ":" + resp.PrincipalName, nil
}

func unsigned(user string) string {
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(`{"alg":"none"}`)) + "." + e(fmt.Appendf(nil, `{"sub":%q,"exp":%d}`, user, time.Now().Add(time.Hour).Unix())) + "."
}

// errAny: the client says it in its own way.
var errAny = errors.New("any")

func TestClientsAuthenticate(t *testing.T) {
	s := startSecure(t)
	s.setUser("bob", "c-secret")
	sc := kgoscram.Auth{User: "bob", Pass: "c-secret"}
	for _, tc := range []struct {
		name string
		p    Protocol
		cert string
		m    sasl.Mechanism
		want string
		err  error
	}{
		{"mTLS", SSL, "carol", nil, "User:carol", nil},
		{"TLS without a certificate", SSL, "", nil, "", kerr.DelegationTokenRequestNotAllowed},
		{"plaintext", Plaintext, "", nil, "", kerr.DelegationTokenRequestNotAllowed},
		{"PLAIN", SASLPlaintext, "", plain.Auth{User: "alice", Pass: "b-secret"}.AsMechanism(), "User:alice", nil},
		{"PLAIN over TLS", SASLSSL, "", plain.Auth{User: "alice", Pass: "b-secret"}.AsMechanism(), "User:alice", nil},
		{"PLAIN, wrong password", SASLSSL, "", plain.Auth{User: "alice", Pass: "a-secret"}.AsMechanism(), "", kerr.SaslAuthenticationFailed},
		{"SCRAM-256", SASLPlaintext, "", sc.AsSha256Mechanism(), "User:bob", nil},
		{"SCRAM-512", SASLSSL, "", sc.AsSha512Mechanism(), "User:bob", nil},
		{"SCRAM, wrong password", SASLSSL, "", kgoscram.Auth{User: "bob", Pass: "x"}.AsSha512Mechanism(), "", kerr.SaslAuthenticationFailed},
		{"SCRAM, unknown user", SASLSSL, "", kgoscram.Auth{User: "eve", Pass: "x"}.AsSha512Mechanism(), "", kerr.SaslAuthenticationFailed},
		{"OAUTHBEARER", SASLSSL, "", oauth.Auth{Token: unsigned("dave")}.AsMechanism(), "User:dave", nil},
		{"OAUTHBEARER, bad token", SASLSSL, "", oauth.Auth{Token: "abc"}.AsMechanism(), "", errAny},
		{"the certificate does not count with SASL", SASLSSL, "carol", plain.Auth{User: "alice", Pass: "b-secret"}.AsMechanism(), "User:alice", nil},
	} {
		who, err := s.whoami(s.client(tc.p, tc.cert, tc.m))
		if who != tc.want || tc.err != nil && tc.err != errAny && !errors.Is(err, tc.err) || tc.err == errAny && err == nil || tc.err == nil && err != nil {
			t.Errorf("%s: %q %v", tc.name, who, err)
		}
	}
}

// Tokens that an issuer signed, whose key lies in a file.
func TestSignedTokensOverTheWire(t *testing.T) {
	fsys := vfs.NewMem(1)
	if err := fsys.MkdirAll("/keys"); err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	e := base64.RawURLEncoding.EncodeToString
	jwks := fmt.Sprintf(`{"keys":[{"kty":"EC","kid":"k","crv":"P-256","x":%q,"y":%q}]}`, e(point[1:33]), e(point[33:]))
	if err := vfs.WriteFileAtomic(fsys, "/keys/jwks.json", []byte(jwks)); err != nil {
		t.Fatal(err)
	}
	sign := func(audience string, lives time.Duration) string {
		signed := e([]byte(`{"alg":"ES256","kid":"k"}`)) + "." + e(fmt.Appendf(nil, `{"sub":"dora","aud":%q,"iat":%d,"exp":%d}`, audience, time.Now().Unix(), time.Now().Add(lives).Unix()))
		sum := sha256.Sum256([]byte(signed))
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return signed + "." + e(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	}
	s := startSecureOn(t, fsys, "sasl.oauthbearer.jwks.endpoint.url", "file:///keys/jwks.json", "sasl.oauthbearer.expected.audience", "leat", "sasl.oauthbearer.clock.skew.seconds", "0")
	if who, err := s.whoami(s.client(SASLSSL, "", oauth.Auth{Token: sign("leat", time.Hour)}.AsMechanism())); who != "User:dora" {
		t.Error(who, err)
	}
	for name, token := range map[string]string{"unsigned": unsigned("dora"), "another audience": sign("else", time.Hour), "expired": sign("leat", -time.Second)} {
		if who, err := s.whoami(s.client(SASLSSL, "", oauth.Auth{Token: token}.AsMechanism())); err == nil {
			t.Errorf("%s: %s", name, who)
		}
	}
	// The session ends with the token.
	c := s.dialRaw(SASLPlaintext)
	c.handshakeSASL("OAUTHBEARER", 1)
	if resp := c.authenticateSASL("n,,\x01auth=Bearer "+sign("leat", time.Minute)+"\x01\x01", 1); resp.ErrorCode != 0 || resp.SessionLifetimeMillis < 1 || resp.SessionLifetimeMillis > 60_000 {
		t.Error(resp)
	}
}

func TestDelegationTokens(t *testing.T) {
	s := startSecure(t)
	alice := s.client(SASLSSL, "", plain.Auth{User: "alice", Pass: "b-secret"}.AsMechanism())
	admin := s.client(SASLSSL, "", plain.Auth{User: "admin", Pass: "a-secret"}.AsMechanism())
	create := kmsg.NewPtrCreateDelegationTokenRequest()
	create.MaxLifetimeMillis = 3600_000
	renewer := kmsg.NewCreateDelegationTokenRequestRenewer()
	renewer.PrincipalType, renewer.PrincipalName = "User", "admin"
	create.Renewers = append(create.Renewers, renewer)
	token, err := create.RequestWith(t.Context(), alice)
	if err != nil || token.ErrorCode != 0 || token.MaxTimestamp-token.IssueTimestamp != 3600_000 {
		t.Fatal(token, err)
	}
	login := kgoscram.Auth{User: token.TokenID, Pass: base64.StdEncoding.EncodeToString(token.HMAC), IsToken: true}
	byToken := s.client(SASLSSL, "", login.AsSha256Mechanism())
	if _, err := s.whoami(byToken); !errors.Is(err, kerr.DelegationTokenRequestNotAllowed) {
		t.Errorf("a token makes tokens: %v", err)
	}
	other := kmsg.NewPtrCreateDelegationTokenRequest()
	other.OwnerPrincipalType, other.OwnerPrincipalName = new("User"), new("carol")
	if resp, err := other.RequestWith(t.Context(), alice); err != nil || resp.ErrorCode != kerr.DelegationTokenAuthorizationFailed.Code {
		t.Error(resp, err)
	}
	if resp, err := other.RequestWith(t.Context(), admin); err != nil || resp.ErrorCode != 0 || resp.PrincipalName != "carol" || resp.TokenRequesterPrincipalName != "admin" {
		t.Error(resp, err)
	}
	describe := kmsg.NewPtrDescribeDelegationTokenRequest()
	if resp, err := describe.RequestWith(t.Context(), alice); err != nil || len(resp.TokenDetails) != 1 || !bytes.Equal(resp.TokenDetails[0].HMAC, token.HMAC) {
		t.Error(resp, err)
	}
	if resp, err := describe.RequestWith(t.Context(), admin); err != nil || len(resp.TokenDetails) != 2 {
		t.Error(resp, err)
	}
	renew := kmsg.NewPtrRenewDelegationTokenRequest()
	renew.HMAC, renew.RenewTimeMillis = token.HMAC, 1<<40
	if resp, err := renew.RequestWith(t.Context(), admin); err != nil || resp.ErrorCode != 0 || resp.ExpiryTimestamp != token.MaxTimestamp {
		t.Error(resp, err)
	}
	s.setUser("bob", "x")
	bob := s.client(SASLSSL, "", kgoscram.Auth{User: "bob", Pass: "x"}.AsSha256Mechanism())
	if resp, err := renew.RequestWith(t.Context(), bob); err != nil || resp.ErrorCode != kerr.DelegationTokenOwnerMismatch.Code {
		t.Error(resp, err)
	}
	unknown := kmsg.NewPtrExpireDelegationTokenRequest()
	unknown.HMAC = []byte("nothing")
	if resp, err := unknown.RequestWith(t.Context(), alice); err != nil || resp.ErrorCode != kerr.DelegationTokenNotFound.Code {
		t.Error(resp, err)
	}
	unknown.HMAC, unknown.ExpiryPeriodMillis = token.HMAC, -1
	if resp, err := unknown.RequestWith(t.Context(), alice); err != nil || resp.ErrorCode != 0 {
		t.Error(resp, err)
	}
	if _, err := s.whoami(s.client(SASLSSL, "", login.AsSha256Mechanism())); !errors.Is(err, kerr.SaslAuthenticationFailed) {
		t.Errorf("an ended token logs in: %v", err)
	}
}

// dialRaw speaks the raw protocol on a listener.
func (s *secure) dialRaw(p Protocol) *conn {
	s.t.Helper()
	nc, err := net.Dial("tcp", s.addrs[p])
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { nc.Close() })
	if p.TLS() {
		nc = tls.Client(nc, s.ca.clientConfig(""))
	}
	if err := nc.SetDeadline(time.Now().Add(connectionLife)); err != nil {
		s.t.Fatal(err)
	}
	return &conn{t: s.t, Conn: nc, id: "raw"}
}

func (c *conn) handshakeSASL(mechanism string, version int16) int16 {
	req := kmsg.NewPtrSASLHandshakeRequest()
	req.Mechanism = mechanism
	return ask[*kmsg.SASLHandshakeResponse](c, req, version).ErrorCode
}

func (c *conn) authenticateSASL(token string, version int16) *kmsg.SASLAuthenticateResponse {
	req := kmsg.NewPtrSASLAuthenticateRequest()
	req.SASLAuthBytes = []byte(token)
	return ask[*kmsg.SASLAuthenticateResponse](c, req, version)
}

func TestNothingBeforeAuthentication(t *testing.T) {
	s := startSecure(t)
	for _, req := range []kmsg.Request{kmsg.NewPtrMetadataRequest(), kmsg.NewPtrSASLAuthenticateRequest(), kmsg.NewPtrListGroupsRequest(), produceRequest("t", 0, 0, records("x"))} {
		c := s.dialRaw(SASLPlaintext)
		c.send(req, min(req.MaxVersion(), map[bool]int16{true: 2, false: 4}[req.Key() == 36]))
		c.closed()
	}
	c := s.dialRaw(SASLPlaintext)
	if resp := ask[*kmsg.ApiVersionsResponse](c, kmsg.NewPtrApiVersionsRequest(), 0); resp.ErrorCode != 0 {
		t.Error(resp)
	}
	if code := c.handshakeSASL("NTLM", 1); code != kerr.UnsupportedSaslMechanism.Code {
		t.Error(code)
	}
	c.closed()
	c = s.dialRaw(SASLPlaintext)
	c.handshakeSASL("PLAIN", 1)
	c.send(kmsg.NewPtrMetadataRequest(), 4)
	c.closed()
	c = s.dialRaw(SASLPlaintext)
	c.handshakeSASL("PLAIN", 1)
	if resp := c.authenticateSASL("\x00alice\x00wrong", 1); resp.ErrorCode != kerr.SaslAuthenticationFailed.Code || strings.Contains(*resp.ErrorMessage, "wrong") {
		t.Error(resp)
	}
	c.closed()
	c = s.dialRaw(Plaintext)
	if code := c.handshakeSASL("PLAIN", 1); code != kerr.IllegalSaslState.Code {
		t.Error(code)
	}
	if resp := c.authenticateSASL("x", 1); resp.ErrorCode != kerr.IllegalSaslState.Code {
		t.Error(resp)
	}
}

// Old clients send tokens without a request around them.
func TestBareTokens(t *testing.T) {
	s := startSecure(t)
	c := s.dialRaw(SASLPlaintext)
	c.handshakeSASL("PLAIN", 0)
	token := "\x00alice\x00b-secret"
	if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(token))), token...)); err != nil {
		t.Fatal(err)
	}
	var answer [4]byte
	if _, err := io.ReadFull(c, answer[:]); err != nil || answer != [4]byte{} {
		t.Fatal(answer, err)
	}
	if resp := ask[*kmsg.MetadataResponse](c, kmsg.NewPtrMetadataRequest(), 4); len(resp.Brokers) != 1 {
		t.Error(resp)
	}
	c = s.dialRaw(SASLPlaintext)
	c.handshakeSASL("PLAIN", 0)
	if _, err := c.Write([]byte{0, 0, 0, 2, 'n', 'o'}); err != nil {
		t.Fatal(err)
	}
	c.closed()
}

func TestReauthentication(t *testing.T) {
	s := startSecure(t, "connections.max.reauth.ms", "1200")
	began := time.Now()
	s.clock.hold(began) // sessions take as long as the test says, not as the machine does
	c := s.dialRaw(SASLPlaintext)
	c.handshakeSASL("PLAIN", 1)
	if resp := c.authenticateSASL("\x00alice\x00b-secret", 1); resp.ErrorCode != 0 || resp.SessionLifetimeMillis < 1000 || resp.SessionLifetimeMillis > 1200 {
		t.Fatal(resp)
	}
	c.handshakeSASL("PLAIN", 1)
	if resp := c.authenticateSASL("\x00alice\x00b-secret", 1); resp.ErrorCode != 0 {
		t.Fatal(resp)
	}
	if code := c.handshakeSASL("PLAIN", 1); code != kerr.IllegalSaslState.Code {
		t.Errorf("again within a second: %d", code)
	}
	ask[*kmsg.MetadataResponse](c, kmsg.NewPtrMetadataRequest(), 4)
	s.clock.hold(began.Add(1300 * time.Millisecond))
	c.send(kmsg.NewPtrMetadataRequest(), 4)
	c.closed()
	c = s.dialRaw(SASLPlaintext)
	c.handshakeSASL("PLAIN", 1)
	c.authenticateSASL("\x00alice\x00b-secret", 1)
	c.handshakeSASL("PLAIN", 1)
	if resp := c.authenticateSASL("\x00admin\x00a-secret", 1); resp.ErrorCode != kerr.SaslAuthenticationFailed.Code {
		t.Errorf("somebody else: %+v", resp)
	}
	c.closed()
}

// A listener's settings and key material change while it runs.
func TestListenerIsReconfigured(t *testing.T) {
	s := startSecure(t)
	admin := s.client(SASLPlaintext, "", plain.Auth{User: "admin", Pass: "a-secret"}.AsMechanism())
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, "1"
	value := `PlainLoginModule required user_zoe="z";`
	e := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	e.Name, e.Value = "listener.name.sasl_ssl.plain.sasl.jaas.config", &value
	r.Configs = append(r.Configs, e)
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(t.Context(), admin)
	if err != nil || resp.Resources[0].ErrorCode != 0 {
		t.Fatal(resp, err)
	}
	if who, err := s.whoami(s.client(SASLSSL, "", plain.Auth{User: "zoe", Pass: "z"}.AsMechanism())); who != "User:zoe" {
		t.Error(who, err)
	}
	if _, err := s.whoami(s.client(SASLSSL, "", plain.Auth{User: "alice", Pass: "b-secret"}.AsMechanism())); err == nil {
		t.Error("the old users are still there")
	}
	describe := kmsg.NewPtrDescribeConfigsRequest()
	d := kmsg.NewDescribeConfigsRequestResource()
	d.ResourceType, d.ResourceName = kmsg.ConfigResourceTypeBroker, "1"
	describe.Resources = append(describe.Resources, d)
	shown, err := describe.RequestWith(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, c := range shown.Resources[0].Configs {
		if c.Name == e.Name {
			found = c.IsSensitive && c.Value == nil
		}
		if c.Value != nil && (strings.Contains(*c.Value, "secret") && !strings.Contains(c.Name, "location") || strings.Contains(*c.Value, "PRIVATE KEY")) {
			t.Errorf("%s shows %q", c.Name, *c.Value)
		}
	}
	if !found {
		t.Error("the listener's setting is not described as a secret")
	}
	bad := "PlainLoginModule required"
	req.Resources[0].Configs[0].Value = &bad
	if resp, err := req.RequestWith(t.Context(), admin); err != nil || resp.Resources[0].ErrorCode != kerr.InvalidRequest.Code {
		t.Fatal(resp, err)
	}
	if who, err := s.whoami(s.client(SASLSSL, "", plain.Auth{User: "zoe", Pass: "z"}.AsMechanism())); who != "User:zoe" {
		t.Error("settings that cannot work took the place of good ones", err)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// Strangers who connect and say nothing, or little, or nonsense, neither fill memory nor keep clients out.
func TestHandshakeFlood(t *testing.T) {
	s := startSecure(t, "max.connections.unauthenticated", "64", "authentication.timeout.ms", "60000")
	before := heap()
	for i := range 600 {
		p := []Protocol{SSL, SASLPlaintext, SASLSSL}[i%3]
		nc, err := net.Dial("tcp", s.addrs[p])
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		switch i % 4 {
		case 1: // the beginning of a ClientHello
			_, _ = nc.Write([]byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3})
		case 2: // a frame that claims much and never comes
			_, _ = nc.Write([]byte{0, 7, 255, 255, 0, 17, 0, 1, 0, 0, 0, 1})
		case 3:
			_, _ = nc.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		}
	}
	// A client gets in all the same. While strangers are still being accepted it may be displaced like one of them, and
	// tries again as clients do.
	waitFor(t, func() bool {
		who, _ := s.whoami(s.client(SASLSSL, "", plain.Auth{User: "alice", Pass: "b-secret"}.AsMechanism()))
		return who == "User:alice"
	})
	waitFor(t, func() bool { return s.server.Stats().Unauthenticated <= 64 && s.server.Stats().Connections < 80 })
	grown := int64(heap()) - int64(before)
	t.Logf("600 connections of strangers: %d open, %d displaced, heap grew by %d KiB", s.server.Stats().Connections, s.server.Stats().Displaced, grown/1024)
	if grown > 24<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
}

func TestSlowHandshakesEnd(t *testing.T) {
	s := startSecure(t, "authentication.timeout.ms", "200")
	for _, p := range []Protocol{SSL, SASLPlaintext, SASLSSL} {
		nc, err := net.Dial("tcp", s.addrs[p])
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if err := nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := nc.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v: %v", p, err)
		}
	}
	waitFor(t, func() bool { return s.server.Stats().Connections == 0 })
}

func TestOversizedBeforeAuthentication(t *testing.T) {
	s := startSecure(t)
	for name, frame := range map[string][]byte{
		"frame": {0, 8, 0, 1, 0, 36, 0, 1, 0, 0, 0, 1},
		"huge":  {0x7f, 255, 255, 255, 0, 17, 0, 1, 0, 0, 0, 1},
		"minus": {255, 255, 255, 255, 0, 17, 0, 1, 0, 0, 0, 1},
	} {
		c := s.dialRaw(SASLPlaintext)
		if _, err := c.Write(frame); err != nil {
			t.Fatal(err)
		}
		c.t = t
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("%s: still open", name)
		}
	}
	c := s.dialRaw(SASLPlaintext)
	c.handshakeSASL("SCRAM-SHA-256", 0)
	if _, err := c.Write([]byte{0x7f, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	c.closed()
	if n := s.server.Stats().RequestMemoryInUse; n != 0 {
		t.Errorf("%d bytes still reserved", n)
	}
}
