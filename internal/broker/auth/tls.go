package auth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/metadata/config"
)

// lookEvery is how often, at most, a handshake looks whether the files of the key stores have changed.
const lookEvery = time.Second

// Source is where key material comes from.
type Source struct {
	FS     vfs.FS
	Clock  clock.Clock
	Logger *slog.Logger
}

// TLS is the TLS side of a listener. Its material is read again when its files or settings change; what cannot be
// read then is reported, and what was read before stays in use.
type TLS struct {
	src  Source
	name string // of the listener

	current atomic.Pointer[tls.Config]

	mu       sync.Mutex // of what follows; handshakes do not wait for it
	settings tlsSettings
	looked   time.Time
	seen     [2]fileStamp // the key store's and the trust store's
	failed   string       // the last failure that was reported
}

// tlsSettings is what of a listener's settings TLS depends on.
type tlsSettings struct {
	keyLocation, keyPassword, storePassword string
	keyText, chainText                      string
	trustLocation, trustPassword, trustText string
	clientAuth                              tls.ClientAuthType
	minVersion, maxVersion                  uint16
	suites                                  []uint16
}

type fileStamp struct {
	size int64
	at   time.Time
}

// NewTLS reads the key stores of a listener. clientAuth is the setting ssl.client.auth that counts for it.
func NewTLS(src Source, name string, l config.Listener, clientAuth string) (*TLS, error) {
	t := &TLS{src: src, name: name}
	if err := t.Reconfigure(l, clientAuth); err != nil {
		return nil, err
	}
	return t, nil
}

// Reconfigure takes other settings. If they do not work, it says so and the old ones stay.
func (t *TLS) Reconfigure(l config.Listener, clientAuth string) error {
	s, err := readTLSSettings(l, clientAuth)
	if err != nil {
		return fmt.Errorf("listener %s: %w", t.name, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	stamps := t.stamps(&s)
	c, err := t.load(&s)
	if err != nil {
		return fmt.Errorf("listener %s: %w", t.name, err)
	}
	t.settings, t.seen, t.looked, t.failed = s, stamps, t.src.Clock.Now(), ""
	t.current.Store(c)
	return nil
}

// Config is what connections are to be accepted with.
func (t *TLS) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			t.refresh()
			return t.current.Load(), nil
		},
	}
}

func readTLSSettings(l config.Listener, clientAuth string) (s tlsSettings, err error) {
	s = tlsSettings{
		keyLocation: l.String("ssl.keystore.location"), storePassword: l.String("ssl.keystore.password"),
		keyPassword: l.String("ssl.key.password"), keyText: l.String("ssl.keystore.key"),
		chainText:     l.String("ssl.keystore.certificate.chain"),
		trustLocation: l.String("ssl.truststore.location"), trustPassword: l.String("ssl.truststore.password"),
		trustText: l.String("ssl.truststore.certificates"),
	}
	switch clientAuth {
	case "required":
		s.clientAuth = tls.RequireAndVerifyClientCert
	case "requested":
		s.clientAuth = tls.VerifyClientCertIfGiven
	}
	if s.keyLocation == "" && s.keyText == "" {
		return s, errors.New("TLS needs a key: set ssl.keystore.location, or ssl.keystore.key and ssl.keystore.certificate.chain")
	}
	if s.clientAuth != tls.NoClientCert && s.trustLocation == "" && s.trustText == "" {
		// The machine's own authorities would let anybody in who has a certificate for some web site.
		return s, errors.New("ssl.client.auth needs ssl.truststore.location or ssl.truststore.certificates: the certificates that clients' are checked against")
	}
	versions := map[string]uint16{"TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13}
	for _, p := range l.List("ssl.enabled.protocols") {
		v := versions[p]
		if s.minVersion == 0 || v < s.minVersion {
			s.minVersion = v
		}
		s.maxVersion = max(s.maxVersion, v)
	}
	if s.minVersion == 0 {
		return s, errors.New("ssl.enabled.protocols names no version of TLS")
	}
	s.suites, err = cipherSuites(l.List("ssl.cipher.suites"))
	return s, err
}

// cipherSuites finds suites by name. Those of TLS 1.3 are always on; naming them is fine.
func cipherSuites(names []string) (ids []uint16, err error) {
	for _, name := range names {
		id := uint16(0)
		for _, s := range tls.CipherSuites() {
			if s.Name == name || name == "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" && s.ID == tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 {
				id = s.ID
			}
		}
		if id == 0 {
			return nil, fmt.Errorf("ssl.cipher.suites: %s is not known or not sound", name)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// load makes the configuration of connections.
func (t *TLS) load(s *tlsSettings) (*tls.Config, error) {
	cert, err := t.loadKey(s)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: s.clientAuth,
		MinVersion: s.minVersion, MaxVersion: s.maxVersion, CipherSuites: s.suites,
	}
	if s.clientAuth == tls.NoClientCert {
		return c, nil
	}
	if c.ClientCAs, err = t.loadTrust(s); err != nil {
		return nil, err
	}
	return c, nil
}

func (t *TLS) loadKey(s *tlsSettings) (tls.Certificate, error) {
	if s.keyLocation == "" {
		c, err := keyFromPEM([]byte(s.chainText), []byte(s.keyText), s.keyPassword)
		if err != nil {
			return c, fmt.Errorf("ssl.keystore.key and ssl.keystore.certificate.chain: %w", err)
		}
		return c, nil
	}
	data, err := t.read(s.keyLocation)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("ssl.keystore.location: %w", err)
	}
	c, err := keyStore(data, s.storePassword, s.keyPassword)
	if err != nil {
		return c, fmt.Errorf("ssl.keystore.location %s: %w", s.keyLocation, err)
	}
	return c, nil
}

func (t *TLS) loadTrust(s *tlsSettings) (*x509.CertPool, error) {
	if s.trustLocation == "" {
		pool, err := trustStore([]byte(s.trustText), "")
		if err != nil {
			return nil, fmt.Errorf("ssl.truststore.certificates: %w", err)
		}
		return pool, nil
	}
	data, err := t.read(s.trustLocation)
	if err != nil {
		return nil, fmt.Errorf("ssl.truststore.location: %w", err)
	}
	pool, err := trustStore(data, s.trustPassword)
	if err != nil {
		return nil, fmt.Errorf("ssl.truststore.location %s: %w", s.trustLocation, err)
	}
	return pool, nil
}

func (t *TLS) read(name string) ([]byte, error) {
	info, err := t.src.FS.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size > storeBytesMax {
		return nil, fmt.Errorf("%s has %d bytes, which is no key store", name, info.Size)
	}
	return vfs.ReadFile(t.src.FS, name)
}

func (t *TLS) stamps(s *tlsSettings) (out [2]fileStamp) {
	for i, name := range []string{s.keyLocation, s.trustLocation} {
		if name == "" {
			continue
		}
		if info, err := t.src.FS.Stat(name); err == nil {
			out[i] = fileStamp{info.Size, info.ModTime}
		}
	}
	return out
}

// refresh reads the stores again if their files have changed. A change that is being looked at by one handshake does
// not hold up others.
func (t *TLS) refresh() {
	if !t.mu.TryLock() {
		return
	}
	defer t.mu.Unlock()
	now := t.src.Clock.Now()
	if now.Sub(t.looked) < lookEvery {
		return
	}
	t.looked = now
	stamps := t.stamps(&t.settings)
	if stamps == t.seen && t.failed == "" {
		return
	}
	c, err := t.load(&t.settings)
	if err != nil {
		// Perhaps a file is just being written: it is tried again with the next look.
		if why := err.Error(); why != t.failed {
			t.failed = why
			t.src.Logger.Error("changed key material cannot be read, the old one stays in use", "listener", t.name, "err", err)
		}
		return
	}
	t.seen, t.failed = stamps, ""
	t.current.Store(c)
	t.src.Logger.Info("key material read again", "listener", t.name, "valid_until", c.Certificates[0].Leaf.NotAfter)
}
