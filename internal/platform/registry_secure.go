package platform

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/broker/auth"
	"leat.dev/internal/metadata/config"
	"leat.dev/internal/registry"
	"leat.dev/internal/registry/access"
)

// filesLooked is how often files that may be exchanged are looked at, at most.
const filesLooked = time.Second

// secure fills in who may connect and what they may do.
func (o *RegistryOptions) secure(to *registry.Options, role *registryRole, c clock.Clock, log *slog.Logger) error {
	if o.Cert != "" {
		files := &tlsFiles{cert: o.Cert, key: o.Key, ca: o.ClientCA, clock: c, log: log}
		if files.key == "" {
			files.key = files.cert
		}
		config, err := files.load()
		if err != nil {
			return err
		}
		files.config, files.stamp, files.looked = config, stamps(files.names()), c.Now()
		to.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: files.current, GetCertificate: files.certificate}
	} else if o.Key != "" || o.ClientCA != "" {
		return errKeyWithoutCert
	}
	forward, err := o.forwardClient()
	if err != nil {
		return err
	}
	to.Forward = forward
	return o.control(to, role, c, log)
}

// forwardClient reaches the other registries of the group, with this one's certificate if it has one.
func (o *RegistryOptions) forwardClient() (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil // the registries of a group reach each other directly
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if o.ForwardCA != "" {
		pem, err := readText("registry.tls.ca", o.ForwardCA)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("registry.tls.ca: %s holds no certificate in PEM", o.ForwardCA)
		}
	}
	if o.Cert != "" {
		key := o.Key
		if key == "" {
			key = o.Cert
		}
		t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(o.Cert, key)
			return &pair, err
		}
	}
	return &http.Client{Transport: t}, nil
}

// tlsFiles are a certificate, its key and the authorities of clients, read again when one of them changed.
type tlsFiles struct {
	cert, key, ca string
	clock         clock.Clock
	log           *slog.Logger

	mu     sync.Mutex
	config *tls.Config
	stamp  string
	looked time.Time
}

func (f *tlsFiles) names() []string { return []string{f.cert, f.key, f.ca} }

// stamps tells whether files changed: their sizes and times.
func stamps(names []string) string {
	out := ""
	for _, n := range names {
		if info, err := os.Stat(n); n != "" && err == nil {
			out += fmt.Sprint(info.Size(), info.ModTime().UnixNano(), ";")
		}
	}
	return out
}

func (f *tlsFiles) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("registry.tls.cert: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if f.ca != "" {
		pem, err := readText("registry.tls.client.ca", f.ca)
		if err != nil {
			return nil, err
		}
		c.ClientCAs = x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("registry.tls.client.ca: %s holds no certificate in PEM", f.ca)
		}
		// Who brings no certificate may still bring a password; the roles decide.
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return c, nil
}

func (f *tlsFiles) current(*tls.ClientHelloInfo) (*tls.Config, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.clock.Now().Sub(f.looked) < filesLooked {
		return f.config, nil
	}
	f.looked = f.clock.Now()
	if now := stamps(f.names()); now != f.stamp {
		config, err := f.load()
		if err != nil {
			f.log.Warn("schema registry keeps its old certificate", "error", err)
			return f.config, nil
		}
		f.config, f.stamp = config, now
		f.log.Info("schema registry has a new certificate", "file", f.cert)
	}
	return f.config, nil
}

// certificate is what the HTTP server wants to see before it asks for the configuration of a connection.
func (f *tlsFiles) certificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c, err := f.current(h)
	if err != nil {
		return nil, err
	}
	return &c.Certificates[0], nil
}

// control makes the guard of the API, and exchanges its rules when their file changes.
func (o *RegistryOptions) control(to *registry.Options, role *registryRole, c clock.Clock, log *slog.Logger) error {
	if o.Access == "" {
		if o.JWKS != "" || o.ClientCA != "" {
			return errors.New("registry.jwks and registry.tls.client.ca say who clients are: registry.access has to say what they may do")
		}
		return nil
	}
	rules, err := readRules(o.Access)
	if err != nil {
		return err
	}
	verify, err := o.verifier(role, c, log)
	if err != nil {
		return err
	}
	to.Access = access.New(rules, verify, o.Realm, log)
	stamp := stamps([]string{o.Access})
	var timer clock.Timer
	var mu sync.Mutex
	closed := false
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		if closed {
			return
		}
		defer timer.Reset(filesLooked)
		now := stamps([]string{o.Access})
		if now == stamp {
			return
		}
		stamp = now
		rules, err := readRules(o.Access)
		if err != nil {
			log.Warn("schema registry keeps its old users and roles", "error", err)
			return
		}
		to.Access.Set(rules)
		log.Info("schema registry has new users and roles", "file", o.Access)
	}
	mu.Lock()
	timer = c.AfterFunc(filesLooked, look)
	mu.Unlock()
	role.closers = append(role.closers, func() {
		mu.Lock()
		defer mu.Unlock()
		closed = true
		timer.Stop()
	})
	return nil
}

func readRules(name string) (*access.Rules, error) {
	text, err := readText("registry.access", name)
	if err != nil {
		return nil, err
	}
	rules, err := access.ParseRules(string(text))
	if err != nil {
		return nil, fmt.Errorf("registry.access: %s: %w", name, err)
	}
	return rules, nil
}

// verifier checks signed tokens as the broker's OAUTHBEARER does.
func (o *RegistryOptions) verifier(role *registryRole, c clock.Clock, log *slog.Logger) (access.Verifier, error) {
	if o.JWKS == "" {
		return nil, nil
	}
	set := map[string]string{"sasl.oauthbearer.jwks.endpoint.url": o.JWKS}
	for name, value := range map[string]string{
		"sasl.oauthbearer.expected.issuer": o.Issuer, "sasl.oauthbearer.expected.audience": o.Audience, "sasl.oauthbearer.sub.claim.name": o.Claim,
	} {
		if value != "" {
			set[name] = value
		}
	}
	static, _, err := config.Parse(withDefaults(set))
	if err != nil {
		return nil, err
	}
	l := static.Listener("registry", config.Dynamic{})
	keys, err := auth.NewJWKS(auth.JWKSOptions{
		URL: o.JWKS, FS: vfs.OS, Clock: c, Logger: log, Refresh: l.Millis("sasl.oauthbearer.jwks.endpoint.refresh.ms"),
		Backoff: l.Millis("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms"), BackoffMax: l.Millis("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms"),
	})
	if err != nil {
		return nil, fmt.Errorf("registry.jwks: %w", err)
	}
	role.closers = append(role.closers, keys.Close)
	v := auth.NewTokenValidator(l, keys, c)
	return func(ctx context.Context, token string) (string, error) {
		who, _, err := v.Validate(ctx, token)
		return who, err
	}, nil
}
