package broker

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/broker/acl"
	"leat.dev/internal/broker/auth"
	"leat.dev/internal/broker/quota"
	"leat.dev/internal/metadata"
	"leat.dev/internal/metadata/config"
)

// Protocol is what a listener speaks below the Kafka protocol. The numbers are the protocol's.
type Protocol int16

// The security protocols.
const (
	Plaintext     Protocol = 0
	SSL           Protocol = 1
	SASLPlaintext Protocol = 2
	SASLSSL       Protocol = 3
)

var protocolNames = [...]string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}

func (p Protocol) String() string { return protocolNames[p] }

// TLS tells whether connections are encrypted, SASL whether clients log in.
func (p Protocol) TLS() bool  { return p == SSL || p == SASLSSL }
func (p Protocol) SASL() bool { return p == SASLPlaintext || p == SASLSSL }

// ParseProtocol finds a protocol by its name.
func ParseProtocol(name string) (Protocol, bool) {
	i := slices.Index(protocolNames[:], strings.ToUpper(name))
	return Protocol(i), i >= 0
}

// security is what the broker does about who its clients are and what they may do.
type security struct {
	listeners  map[string]*listenerSecurity
	authorizer acl.Authorizer // nil: everybody may do everything
	standard   *acl.Standard  // the authorizer, if it is ours
	audit      *audit
	fakeKey    []byte
	usual      [3]atomic.Pointer[usualShape] // by mechanism
	tokenKey   []byte                        // nil: there are no delegation tokens
	quotas     *quota.Keeper
	ips        ipRates
}

// listenerSecurity is a listener's part.
type listenerSecurity struct {
	name     string
	protocol Protocol
	trusted  bool // clients are this process itself
	tls      *auth.TLS
	sasl     atomic.Pointer[saslSettings] // nil without SASL
	rules    atomic.Pointer[auth.MappingRules]
	settings atomic.Pointer[config.Listener]
}

// saslSettings are the mechanisms of a listener, in the order of the setting.
type saslSettings struct {
	names      []string
	mechanisms map[string]auth.Mechanism
	reauth     map[string]time.Duration // how long a session lasts at most, 0 for ever
	closers    []func()
}

func (s *saslSettings) close() {
	for _, f := range s.closers {
		f()
	}
}

// openSecurity sets up the authorizer and the listeners. It needs no metadata yet; what mechanisms ask of it, they ask
// when clients come.
func (b *Broker) openSecurity(context.Context) error {
	s := &security{
		listeners: map[string]*listenerSecurity{}, audit: newAudit(b.loggers.Logger(logAudit), b.clock, b.cfg.String("audit.log")),
		quotas: quota.NewKeeper(b.quotaWindow("quota.window"), b.quotaWindow("controller.quota.window")),
	}
	b.security = s
	s.fakeKey = make([]byte, 32)
	b.random(s.fakeKey)
	if key := b.cfg.String("delegation.token.secret.key"); key != "" {
		s.tokenKey = []byte(key)
	}
	if b.cfg.String("authorizer.class.name") != "" {
		s.standard = acl.NewStandard(b.cfg.SuperUsers(), b.cfg.Bool("allow.everyone.if.no.acl.found"))
		s.authorizer = s.standard
	}
	for _, l := range b.opts.Listeners {
		ls := &listenerSecurity{name: l.Name, protocol: l.Protocol, trusted: l.Trusted}
		s.listeners[l.Name] = ls
		if err := b.configureListener(ls, b.cfg.Listener(l.Name, config.Dynamic{})); err != nil {
			return err
		}
	}
	return nil
}

// tryListener tells whether settings of a listener would work, and changes nothing.
func (b *Broker) tryListener(ls *listenerSecurity, l config.Listener) error {
	trial := &listenerSecurity{name: ls.name, protocol: ls.protocol, trusted: ls.trusted}
	err := b.configureListener(trial, l)
	if sasl := trial.sasl.Load(); sasl != nil {
		sasl.close()
	}
	return err
}

// configureListener takes a listener's settings. If they do not work, what was there before stays.
func (b *Broker) configureListener(ls *listenerSecurity, l config.Listener) error {
	rules, err := auth.ParseMappingRules(l.String("ssl.principal.mapping.rules"))
	if err != nil {
		return fmt.Errorf("listener %s: %w", ls.name, err)
	}
	var sasl *saslSettings
	if ls.protocol.SASL() {
		if sasl, err = b.newSASL(ls, l); err != nil {
			return fmt.Errorf("listener %s: %w", ls.name, err)
		}
	}
	if ls.protocol.TLS() {
		clientAuth := l.String("ssl.client.auth")
		if ls.protocol.SASL() {
			// As in Kafka: who the client is SASL says, unless the listener's own setting asks for a certificate too.
			clientAuth = l.Own("ssl.client.auth")
		}
		if ls.tls == nil {
			ls.tls, err = auth.NewTLS(auth.Source{FS: b.secretsFS(), Clock: b.clock, Logger: b.loggers.Logger(logSecurity)}, ls.name, l, clientAuth)
		} else {
			err = ls.tls.Reconfigure(l, clientAuth)
		}
		if err != nil {
			if sasl != nil {
				sasl.close()
			}
			return err
		}
	}
	ls.rules.Store(&rules)
	ls.settings.Store(&l)
	if old := ls.sasl.Swap(sasl); old != nil {
		old.close()
	}
	return nil
}

// secretsFS is where key material is read from.
func (b *Broker) secretsFS() vfs.FS { return b.opts.FS }

func (b *Broker) newSASL(ls *listenerSecurity, l config.Listener) (*saslSettings, error) {
	s := &saslSettings{names: l.List("sasl.enabled.mechanisms"), mechanisms: map[string]auth.Mechanism{}, reauth: map[string]time.Duration{}}
	if len(s.names) == 0 {
		return nil, fmt.Errorf("sasl.enabled.mechanisms is empty")
	}
	for _, name := range s.names {
		m, err := b.newMechanism(ls, name, l.Mechanism(name), s)
		if err != nil {
			s.close()
			if _, set := b.cfg.Lookup("sasl.enabled.mechanisms"); !set && len(s.names) == 1 {
				return nil, fmt.Errorf("SASL %s, which is what Kafka takes if sasl.enabled.mechanisms does not say: %w", name, err)
			}
			return nil, fmt.Errorf("SASL %s: %w", name, err)
		}
		s.mechanisms[name] = m
		s.reauth[name] = l.Mechanism(name).Millis("connections.max.reauth.ms")
	}
	return s, nil
}

func (b *Broker) newMechanism(ls *listenerSecurity, name string, l config.Listener, s *saslSettings) (auth.Mechanism, error) {
	setting := fmt.Sprintf("listener.name.%s.%s.sasl.jaas.config", strings.ToLower(ls.name), strings.ToLower(name))
	var login config.Login
	if text := l.String("sasl.jaas.config"); text != "" {
		var err error
		if login, err = config.ParseJAAS(text); err != nil {
			return nil, fmt.Errorf("%s: %w", setting, err)
		}
	}
	wants := func(module string) error {
		if login.Module != module {
			return fmt.Errorf("%s has to be set, with the module %s", setting, module)
		}
		return nil
	}
	switch name {
	case config.Plain:
		if err := wants("PlainLoginModule"); err != nil {
			return nil, err
		}
		return auth.NewPlain(login.Options), nil
	case config.ScramSHA256, config.ScramSHA512:
		return auth.NewScram(name, b.scramOptions(name))
	case config.OAuthBearer:
		return b.newOAuth(ls, l, login, s)
	case config.GSSAPI:
		if err := wants("Krb5LoginModule"); err != nil {
			return nil, err
		}
		return b.newGSSAPI(l, login)
	}
	return nil, fmt.Errorf("is not known")
}

// scramOptions let SCRAM look into the metadata.
func (b *Broker) scramOptions(name string) auth.ScramOptions {
	mechanism := metadata.ScramSHA256
	if name == config.ScramSHA512 {
		mechanism = metadata.ScramSHA512
	}
	o := auth.ScramOptions{
		Random: b.opts.Random, FakeKey: b.security.fakeKey,
		Usual: func() auth.ScramShape { return b.usualScram(mechanism) },
		Credential: func(user string) (auth.ScramCredential, bool) {
			c := b.meta.Image().ScramCredential(user, mechanism)
			if c == nil {
				return auth.ScramCredential{}, false
			}
			return auth.ScramCredential{Salt: c.Salt, StoredKey: c.StoredKey, ServerKey: c.ServerKey, Iterations: int(c.Iterations)}, true
		},
	}
	if b.security.tokenKey != nil {
		o.Token = func(id string) (auth.Token, bool) {
			t := b.meta.Image().DelegationToken(id)
			if t == nil {
				return auth.Token{}, false
			}
			expires := time.UnixMilli(min(t.ExpirationTimestamp, t.MaxTimestamp))
			if !b.clock.Now().Before(expires) {
				return auth.Token{}, false
			}
			return auth.Token{Owner: t.Owner, Password: base64.StdEncoding.EncodeToString(b.tokenSecret(id)), Expires: expires}, true
		}
	}
	return o
}

// usualScram is what most credentials of a mechanism look like. It is worked out when a user changed.
func (b *Broker) usualScram(mechanism int8) auth.ScramShape {
	img := b.meta.Image()
	known := b.security.usual[mechanism].Load()
	if known != nil && known.image == img {
		return known.shape
	}
	if known != nil && !img.ScramChanged(known.image) {
		b.security.usual[mechanism].Store(&usualShape{img, known.shape})
		return known.shape
	}
	// Kafka's own until there are users.
	best, count := auth.ShapeOf([]byte("0123456789abcdefghijklmnop"), 4096), map[auth.ScramShape]int{}
	for c := range img.ScramCredentials() {
		if c.Mechanism != mechanism {
			continue
		}
		s := auth.ShapeOf(c.Salt, int(c.Iterations))
		if count[s]++; count[s] > count[best] {
			best = s
		}
	}
	b.security.usual[mechanism].Store(&usualShape{img, best})
	return best
}

// usualShape is what usualScram found in an image.
type usualShape struct {
	image *metadata.Image
	shape auth.ScramShape
}

// tokenSecret is a delegation token's secret: it follows from its id, and is stored nowhere.
func (b *Broker) tokenSecret(id string) []byte {
	m := hmac.New(sha512.New, b.security.tokenKey)
	m.Write([]byte(id))
	return m.Sum(nil)
}

func (b *Broker) newOAuth(ls *listenerSecurity, l config.Listener, login config.Login, s *saslSettings) (auth.Mechanism, error) {
	if url := l.String("sasl.oauthbearer.jwks.endpoint.url"); url != "" {
		keys, err := auth.NewJWKS(auth.JWKSOptions{
			URL: url, FS: b.secretsFS(), Clock: b.clock, Logger: b.loggers.Logger(logSecurity),
			Refresh: l.Millis("sasl.oauthbearer.jwks.endpoint.refresh.ms"),
			Backoff: l.Millis("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms"), BackoffMax: l.Millis("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms"),
		})
		if err != nil {
			return nil, err
		}
		s.closers = append(s.closers, keys.Close)
		return auth.NewOAuth(auth.NewTokenValidator(l, keys, b.clock)), nil
	}
	// Tokens that nobody signed have to be asked for by name: it must not happen by leaving something out.
	asked := strings.Contains(l.String("sasl.server.callback.handler.class"), "Unsecured")
	for option := range login.Options {
		asked = asked || strings.HasPrefix(option, "unsecuredValidator")
	}
	if !asked {
		return nil, fmt.Errorf("sasl.oauthbearer.jwks.endpoint.url has to be set (or, for development only, an unsecuredValidator option in sasl.jaas.config)")
	}
	v, err := auth.NewUnsecuredValidator(login.Options, b.clock)
	if err != nil {
		return nil, err
	}
	b.log.Warn("unsigned tokens are accepted: anybody can be anybody; for development only", "listener", ls.name)
	return auth.NewOAuth(v), nil
}

func (b *Broker) newGSSAPI(l config.Listener, login config.Login) (auth.Mechanism, error) {
	name, principal := login.Options["keyTab"], login.Options["principal"]
	_, realm, ok := strings.Cut(principal, "@")
	if name == "" || !ok {
		return nil, fmt.Errorf("sasl.jaas.config needs keyTab and principal=\"service/host@REALM\"")
	}
	if service := l.String("sasl.kerberos.service.name"); service != "" && !strings.HasPrefix(principal, service+"/") && !strings.HasPrefix(principal, service+"@") {
		return nil, fmt.Errorf("sasl.kerberos.service.name is %s, but the principal is %s", service, principal)
	}
	rules, err := auth.ParseKerberosRules(l.List("sasl.kerberos.principal.to.local.rules"), realm)
	if err != nil {
		return nil, err
	}
	keytab, err := vfs.ReadFile(b.secretsFS(), name)
	if err != nil {
		return nil, fmt.Errorf("the keytab: %w", err)
	}
	return auth.NewGSSAPI(auth.GSSAPIOptions{Keytab: keytab, Principal: principal, Rules: rules, Clock: b.clock, Random: b.opts.Random})
}

// securityChanged follows the metadata: ACLs into the authorizer, quotas, and settings of listeners.
func (b *Broker) securityChanged(prev, next *metadata.Image) {
	s := b.security
	b.quotasChanged(prev, next)
	if s.standard != nil {
		var changes []acl.Change
		for old, now := range next.ChangedACLs(prev) {
			changes = append(changes, acl.Change{Old: old, New: now})
		}
		if len(changes) > 0 {
			s.standard.Update(changes)
		}
	}
	dynamic := b.dynamicSettings(next)
	for _, ls := range s.listeners {
		if !ls.settings.Load().Changed(dynamic) {
			continue
		}
		if err := b.configureListener(ls, b.cfg.Listener(ls.name, dynamic)); err != nil {
			b.log.Error("changed settings of a listener do not work, the old ones stay in use", "listener", ls.name, "err", err)
		} else {
			b.log.Info("settings of a listener changed", "listener", ls.name)
		}
	}
}

// tlsConfig is what the listener's connections are accepted with, nil without TLS.
func (ls *listenerSecurity) tlsConfig() *tls.Config {
	if ls.tls == nil {
		return nil
	}
	return ls.tls.Config()
}

func (s *security) close() {
	for _, ls := range s.listeners {
		if sasl := ls.sasl.Load(); sasl != nil {
			sasl.close()
		}
	}
}
