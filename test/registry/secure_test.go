package registry

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"leat.dev/test/launch"
)

// authority signs certificates for a test and writes them as PEM files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	next int64
}

func newAuthority(t *testing.T, dir, name string) *authority {
	a := &authority{t: t, dir: dir, next: 1}
	a.cert, a.key = a.issue(name, nil, nil)
	return a
}

// issue makes NAME.pem with certificate and key, signed by the authority or by itself.
func (a *authority) issue(name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.next++
	c := &x509.Certificate{
		SerialNumber: big.NewInt(a.next), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: parent == nil, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if parent == nil {
		parent, parentKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), parentKey)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	out := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	if err := os.WriteFile(a.file(name), out, 0o600); err != nil {
		a.t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return parsed, key
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name+".pem") }

// leat runs a command and returns what it wrote.
func leat(t *testing.T, in string, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(os.Getenv("LEAT"), args...)
	cmd.Stdin = strings.NewReader(in)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "LEAT") }), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Over TLS, with users, tokens and certificates: who may do what, through the leader and through a follower, also after the
// files were exchanged.
func TestSecurity(t *testing.T) {
	b := broker(t, launch.Leat)
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca")
	ca.issue("node", ca.cert, ca.key)
	ca.issue("machine", ca.cert, ca.key)
	access := filepath.Join(dir, "access")
	user, err := leat(t, "secret\n", nil, "registry", "hash", "ann")
	if err != nil {
		t.Fatal(user)
	}
	token, err := leat(t, "robot\n", nil, "registry", "hash", "--token", "ci")
	if err != nil {
		t.Fatal(token)
	}
	rules := user + token + "role ann admin *\nrole ci write ci-*\nrole machine read *\nrole node admin *\n"
	if err := os.WriteFile(access, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	n := nodes(t, b.Addr(), "_secure", 2)
	for _, each := range n {
		each.args = []string{"--advertised", "https://" + each.addr, "--listen-cert", ca.file("node"), "--client-ca", ca.file("ca"), "--forward-ca", ca.file("ca"), "--access", access, "--log-level", "info"}
		each.start()
	}
	follower := n[1]
	base := "https://" + follower.addr
	list := func(env []string, args ...string) (string, error) {
		return leat(t, "", env, append([]string{"schema", "list", "--registry", base, "--tls-ca", ca.file("ca")}, args...)...)
	}
	if out, err := list(nil); err == nil || !strings.Contains(out, "does not accept these credentials") {
		t.Errorf("without credentials: %s", out)
	}
	if out, err := leat(t, "", nil, "schema", "list", "--registry", base); err == nil || !strings.Contains(out, "--tls-ca names the authority") {
		t.Errorf("without the authority: %s", out)
	}
	register := func(subject string, args ...string) (string, error) {
		return leat(t, `"string"`, nil, append([]string{"schema", "register", subject, "-", "--registry", base, "--tls-ca", ca.file("ca")}, args...)...)
	}
	eventually(t, "ann registers through the follower", func() bool {
		out, err := register("anns", "--user", "ann", "--password", "secret")
		return err == nil && strings.Contains(out, "anns version 1 has id 1")
	})
	if out, err := register("ci-value", "--token", "robot"); err != nil {
		t.Errorf("a token's own subject: %s", out)
	}
	for what, args := range map[string][]string{
		"another's subject": {"--token", "robot"}, "a reader": {"--tls-cert", ca.file("machine")},
	} {
		if out, err := register("anns2", args...); err == nil || !strings.Contains(out, "your role at the registry does not allow this") {
			t.Errorf("%s: %s", what, out)
		}
	}
	if out, err := register("anns2", "--user", "ann", "--password", "Secret"); err == nil || !strings.Contains(out, "does not accept these credentials") {
		t.Errorf("a wrong password: %s", out)
	}
	if out, err := list([]string{"LEAT_REGISTRY_TOKEN=robot"}); err != nil || strings.Contains(out, "anns") || !strings.Contains(out, "ci-value") {
		t.Errorf("what a token sees: %s", out)
	}
	if out, err := list(nil, "--tls-cert", ca.file("machine")); err != nil || !strings.Contains(out, "anns") {
		t.Errorf("what a certificate sees: %s", out)
	}
	if out, err := leat(t, "", nil, "schema", "config", "ci-value", "--set", "none", "--registry", base, "--tls-ca", ca.file("ca"), "--token", "robot"); err == nil || !strings.Contains(out, "does not allow") {
		t.Errorf("a writer changes a config: %s", out)
	}

	if err := os.WriteFile(access, []byte(rules+"role ci read anns\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "new roles hold", func() bool {
		out, err := list(nil, "--token", "robot")
		return err == nil && strings.Contains(out, "anns")
	})
	before := served(t, follower.addr)
	ca.issue("node", ca.cert, ca.key)
	eventually(t, "the new certificate is served", func() bool { return !bytes.Equal(served(t, follower.addr), before) })
	for _, each := range n {
		each.end(syscall.SIGTERM)
		for _, secret := range []string{"secret", "robot", "c2VjcmV0"} {
			if strings.Contains(each.lines.String(), secret) {
				t.Errorf("the log tells %q", secret)
			}
		}
	}
}

// served is the certificate that a listener shows.
func served(t *testing.T, addr string) []byte {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // it is looked at, not trusted
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Raw
}

// Health and metrics need no credentials; what is behind them does.
func TestHealth(t *testing.T) {
	b := broker(t, launch.Leat)
	n := &node{t: t, addr: b.RegistryAddr()}
	n.register("one")
	for path, want := range map[string]string{
		"/healthz": "ok", "/readyz": "ready, leader",
		"/metrics": `leat_registry_requests_total{method="POST",path="/subjects/{}/versions",status="200"} `,
	} {
		var out bytes.Buffer
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/plain")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = out.ReadFrom(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s\n%s", path, resp.Status, &out)
		}
	}
}
