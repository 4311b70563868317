package command

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"leat.dev/internal/cli/fault"
	"leat.dev/internal/metadata/config"
)

// securityFlags say how the commands connect and who they are to the cluster. The password may come from the
// environment, so that it stands in no list of processes.
type securityFlags struct {
	file      string
	tls       bool
	ca        string
	cert, key string
	mechanism string
	user      string
	password  string
	token     string
}

func (s *securityFlags) flags(e *Env, f *pflag.FlagSet) {
	f.StringVar(&s.file, "client-config", e.Getenv("LEAT_CLIENT_CONFIG"), "file with Kafka client properties: security.protocol, sasl.jaas.config, ssl.… (env LEAT_CLIENT_CONFIG)")
	f.BoolVar(&s.tls, "tls", false, "connect by TLS, checking the broker with this machine's authorities")
	f.StringVar(&s.ca, "tls-ca", "", "file in PEM with the authority that signed the broker's certificate; implies --tls")
	f.StringVar(&s.cert, "tls-cert", "", "file in PEM with your certificate; implies --tls")
	f.StringVar(&s.key, "tls-key", "", "file in PEM with the key of --tls-cert, if it is not in the same file")
	f.StringVar(&s.mechanism, "sasl-mechanism", "", "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER (default SCRAM-SHA-512 with --user)")
	f.StringVar(&s.user, "user", e.Getenv("LEAT_USER"), "who you are to the cluster (env LEAT_USER)")
	f.StringVar(&s.password, "password", e.Getenv("LEAT_PASSWORD"), "your password, or the token of OAUTHBEARER (env LEAT_PASSWORD, which no list of processes shows)")
	f.Lookup("password").DefValue = ""
}

// options are those of the client for the flags and the file.
func (s *securityFlags) options(dials *dialLog) ([]kgo.Opt, error) {
	c := *s
	if c.file != "" {
		if err := c.readFile(); err != nil {
			return nil, err
		}
	}
	var opts []kgo.Opt
	dials.tls = nil
	if c.tls || c.ca != "" || c.cert != "" {
		config, err := c.tlsConfig()
		if err != nil {
			return nil, err
		}
		dials.tls = config
	}
	opts = append(opts, kgo.Dialer(dials.dial))
	m, err := c.sasl()
	if err != nil {
		return nil, err
	}
	if m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	return opts, nil
}

func (s *securityFlags) tlsConfig() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.ca != "" {
		data, err := os.ReadFile(s.ca)
		if err != nil {
			return nil, fault.Usage("cannot read --tls-ca %s", s.ca).WithDetail("%v", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(data) {
			return nil, fault.Usage("--tls-ca %s holds no certificate in PEM", s.ca).WithHint("convert a store with: openssl pkcs12 -in store.p12 -nokeys -out ca.pem")
		}
	}
	if s.cert == "" {
		return c, nil
	}
	key := s.key
	if key == "" {
		key = s.cert
	}
	pair, err := tls.LoadX509KeyPair(s.cert, key)
	if err != nil {
		return nil, fault.Usage("cannot use --tls-cert %s", s.cert).WithDetail("%v", err).WithHint("both files have to be in PEM, the key without a password")
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

func (s *securityFlags) sasl() (sasl.Mechanism, error) {
	mechanism := strings.ToUpper(s.mechanism)
	if mechanism == "" {
		if s.user == "" {
			return nil, nil
		}
		mechanism = config.ScramSHA512
	}
	if mechanism != config.OAuthBearer && (s.user == "" || s.password == "") {
		return nil, fault.Usage("%s needs --user and --password", mechanism).WithHint("the environment variables LEAT_USER and LEAT_PASSWORD do as well")
	}
	login := scram.Auth{User: s.user, Pass: s.password, IsToken: s.token == "true"}
	switch mechanism {
	case config.Plain:
		return plain.Auth{User: s.user, Pass: s.password}.AsMechanism(), nil
	case config.ScramSHA256:
		return login.AsSha256Mechanism(), nil
	case config.ScramSHA512:
		return login.AsSha512Mechanism(), nil
	case config.OAuthBearer:
		if s.password == "" {
			return nil, fault.Usage("OAUTHBEARER needs the token in --password or LEAT_PASSWORD")
		}
		return oauth.Auth{Token: s.password}.AsMechanism(), nil
	}
	return nil, fault.Usage("--sasl-mechanism %q is not known", s.mechanism).WithHint("the mechanisms are PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER")
}

// Login is a user with a password.
type Login struct{ User, Password string }

// HTTP makes a client for a server other than the cluster, with the TLS flags, and says who one is to it: --user and
// --password where they were given, else the environment's LEAT_REGISTRY_USER and LEAT_REGISTRY_PASSWORD. What the environment
// holds for the cluster is not shown to other servers.
func (e *Env) HTTP(base string) (*http.Client, *Login, error) {
	s := e.security
	t := http.DefaultTransport.(*http.Transport).Clone()
	if s.ca != "" || s.cert != "" {
		c, err := s.tlsConfig()
		if err != nil {
			return nil, nil, err
		}
		t.TLSClientConfig = c
	}
	login := &Login{e.Getenv("LEAT_REGISTRY_USER"), e.Getenv("LEAT_REGISTRY_PASSWORD")}
	if s.user != e.Getenv("LEAT_USER") {
		login.User = s.user
	}
	if s.password != e.Getenv("LEAT_PASSWORD") {
		login.Password = s.password
	}
	if login.User == "" {
		login = nil
	}
	// Credentials go where they were meant to go, not where a redirect points.
	return &http.Client{Transport: t, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		return fmt.Errorf("%s points elsewhere, to %s", base, r.URL.Redacted())
	}}, login, nil
}

// readFile fills in what flags leave open from a file of Kafka's client properties.
func (s *securityFlags) readFile() error {
	data, err := os.ReadFile(s.file)
	if err != nil {
		return fault.Usage("cannot read --client-config %s", s.file).WithDetail("%v", err)
	}
	p, err := config.ParseProperties(data)
	if err != nil {
		return fault.Usage("--client-config %s is not a file of properties", s.file).WithDetail("%v", err)
	}
	protocol := strings.ToUpper(p["security.protocol"])
	s.tls = s.tls || strings.HasSuffix(protocol, "SSL")
	take := func(to *string, names ...string) {
		for _, n := range names {
			if *to == "" {
				*to = p[n]
			}
		}
	}
	if location := p["ssl.truststore.location"]; location != "" && s.ca == "" {
		if !strings.EqualFold(p["ssl.truststore.type"], "PEM") {
			return fault.Usage("ssl.truststore.location %s: this command reads PEM only", location).WithHint("convert it with: openssl pkcs12 -in %s -nokeys -out ca.pem, and use --tls-ca ca.pem", location)
		}
		s.ca = location
	}
	if location := p["ssl.keystore.location"]; location != "" && s.cert == "" {
		if !strings.EqualFold(p["ssl.keystore.type"], "PEM") {
			return fault.Usage("ssl.keystore.location %s: this command reads PEM only", location).WithHint("convert it with: openssl pkcs12 -in %s -nodes -out me.pem, and use --tls-cert me.pem", location)
		}
		s.cert = location
	}
	take(&s.ca, "ssl.ca.location")
	take(&s.cert, "ssl.certificate.location")
	take(&s.key, "ssl.key.location")
	if !strings.HasPrefix(protocol, "SASL") && s.mechanism == "" && protocol != "" {
		return nil
	}
	take(&s.mechanism, "sasl.mechanism", "sasl.mechanisms")
	take(&s.user, "sasl.username")
	take(&s.password, "sasl.password")
	if text := p["sasl.jaas.config"]; text != "" {
		options, err := config.JAASOptions(text)
		if err != nil {
			return fault.Usage("sasl.jaas.config in %s cannot be read", s.file).WithDetail("%v", err)
		}
		for name, to := range map[string]*string{"username": &s.user, "password": &s.password, "tokenauth": &s.token} {
			if *to == "" {
				*to = options[name]
			}
		}
	}
	return nil
}

// isTLS tells whether a connection failed in the TLS handshake.
func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	return strings.Contains(err.Error(), "tls: ")
}

// dialTLS connects and does the handshake.
func dialTLS(ctx context.Context, network, addr string, c *tls.Config) (net.Conn, error) {
	d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: c}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return d.DialContext(ctx, network, addr)
}
