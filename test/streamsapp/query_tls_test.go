package streamsapp

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
	"leat.dev/test/launch"
)

// authority signs certificates for 127.0.0.1, the same ones at each run.
type authority struct {
	t    *testing.T
	key  ed25519.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, key: ed25519.NewKeyFromSeed([]byte((name + strings.Repeat(".", 32))[:32]))}
	tpl := certificate(name)
	tpl.IsCA, tpl.BasicConstraintsValid, tpl.KeyUsage = true, true, x509.KeyUsageCertSign
	a.cert = a.sign(tpl, tpl, a.key.Public())
	return a
}

func certificate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(name))), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func (a *authority) sign(tpl, parent *x509.Certificate, public any) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(nil, tpl, parent, public, a.key) // signatures of Ed25519 need no chance
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// issue makes a certificate with its key.
func (a *authority) issue(name string) tls.Certificate {
	a.t.Helper()
	key := ed25519.NewKeyFromSeed([]byte((name + strings.Repeat("-", 32))[:32]))
	return tls.Certificate{Certificate: [][]byte{a.sign(certificate(name), a.cert, key.Public()).Raw}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// client trusts an authority and shows certificates.
func (a *authority) client(own ...tls.Certificate) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool(), Certificates: own}}
	a.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestQueriesOverTLS has two instances that serve HTTPS to clients with certificates, forward to one another, and say what is
// wrong when they do not trust each other. What is around the server is asked first, for other instances too.
func TestQueriesOverTLS(t *testing.T) {
	c := start(t, "leat")
	c.create(2, "numbers")
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	server, member := ours.issue("server"), ours.issue("member")
	config := &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.pool()}
	secret := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer secret" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	// The first instance trusts the other's certificate, the second one another authority only. The first listens at another
	// address than it tells.
	addr, err := launch.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	_, number, _ := net.SplitHostPort(addr)
	serve := func(addr string, o ...streams.ServeOption) *running {
		o = append(o, streams.ServeTLS(config), streams.ServeAround(secret))
		r := c.run("secret", keepNumbers, streams.ServeQueries(addr, o...), streams.SessionTimeout(6*time.Second))
		r.await(streams.Running)
		return r
	}
	one := serve(addr, streams.ServeListen("0.0.0.0:"+number), streams.ServeClient(ours.client(member)))
	two := serve("127.0.0.1:0", streams.ServeClient(theirs.client(member)))
	for i := range 20 {
		rec := &kgo.Record{Topic: "numbers", Partition: int32(i % 2), Key: []byte{byte('a' + i)}, Value: []byte("1"), Timestamp: time.UnixMilli(int64(i))}
		if err := c.client.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	fetch := func(client *http.Client, at, token, path string) (int, string, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+at+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", token)
		resp, err := client.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), err
	}
	asker := ours.client(ours.issue("asker"))
	last := ""
	until(t, "all entries of both instances", func() bool {
		status, body, err := fetch(asker, addr, "Bearer secret", "/stores/plain")
		last = body
		return err == nil && status == http.StatusOK && strings.Count(body, `"key":`) == 20 && len(one.app.Hosts()) == 2 && len(one.app.Hosts()[0].Active) == 1
	})
	t.Log(last)

	if status, _, err := fetch(asker, addr, "", "/stores"); status != http.StatusUnauthorized || err != nil {
		t.Errorf("without a token: %d, %v", status, err)
	}
	if _, _, err := fetch(ours.client(), addr, "Bearer secret", "/stores"); err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("without a certificate: %v", err)
	}
	if _, _, err := fetch(theirs.client(member), addr, "Bearer secret", "/stores"); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("a client that does not trust the instance: %v", err)
	}
	if status, body, err := fetch(asker, two.app.Endpoint(), "Bearer secret", "/stores/plain"); status != http.StatusBadGateway || err != nil ||
		!strings.Contains(body, addr) || !strings.Contains(body, "unknown authority") {
		t.Errorf("an instance that does not trust the other: %d, %v: %s", status, err, body)
	}
	two.close()
	one.close()
}
