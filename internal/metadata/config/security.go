package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// StandardAuthorizer is the class name by which Kafka's own authorizer is chosen; here it chooses Leat's, which keeps
// the same rules.
const StandardAuthorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"

// What sasl.enabled.mechanisms may name.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
	OAuthBearer = "OAUTHBEARER"
	GSSAPI      = "GSSAPI"
)

var mechanisms = []string{GSSAPI, Plain, ScramSHA256, ScramSHA512, OAuthBearer}

// oauthValidators are the classes that check tokens in Kafka; what they do is built in.
var oauthValidators = []string{
	"", "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler",
	"org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerValidatorCallbackHandler",
	"org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler",
}

// securityDefs are the settings about who may connect and who may do what. Those of a listener can be changed while
// the broker runs, by their names with the listener's prefix.
var securityDefs = []Def{
	// Leat's own.
	{Name: "audit.log", Type: String, Default: "denied", check: oneOf("none", "denied", "all"),
		Doc: "Which decisions of the authorizer are written to the log: denied ones, all or none. Logins that fail and changes of ACLs, users and tokens are written unless it is none."},
	{Name: "max.connections.unauthenticated", Type: Int, Default: "1024", check: atLeast(1),
		Doc: "How many connections may be in a TLS handshake or in authentication at a time; one more makes the oldest of them give way."},
	{Name: "authentication.timeout.ms", Type: Int, Default: "15000", check: atLeast(100),
		Doc: "How long a client may take for its TLS handshake, and again for its SASL authentication."},

	// Who may do what.
	{Name: "authorizer.class.name", Type: String, Default: "", check: oneOf("", StandardAuthorizer),
		Doc: "Empty: everybody may do everything. " + StandardAuthorizer + ": what ACLs say, which are kept in the cluster's metadata."},
	{Name: "super.users", Type: String, Default: null, check: principals,
		Doc: "Principals that may do everything: User:alice;User:bob."},
	{Name: "allow.everyone.if.no.acl.found", Type: Boolean, Default: "false",
		Doc: "Whether a resource that no ACL covers is open to everybody."},

	// Delegation tokens.
	{Name: "delegation.token.secret.key", Type: Password, Default: null,
		Doc: "The key that the secrets of delegation tokens follow from; it must be the same on all brokers. Without it there are no delegation tokens."},
	{Name: "delegation.token.expiry.time.ms", Type: Long, Default: "86400000", check: atLeast(1),
		Doc: "How long a delegation token lives without being renewed."},
	{Name: "delegation.token.max.lifetime.ms", Type: Long, Default: "604800000", check: atLeast(1),
		Doc: "How long a delegation token lives at most."},
	{Name: "delegation.token.expiry.check.interval.ms", Type: Long, Default: "3600000", check: atLeast(1),
		Doc: "How often delegation tokens that have expired are removed."},

	// Logging in.
	{Name: "connection.failed.authentication.delay.ms", Type: Int, Default: "100", check: atLeast(0),
		Doc: "How long a client that failed to authenticate waits for its answer."},
	{Name: "connections.max.reauth.ms", Type: Long, Default: "0", listener: true,
		Doc: "After how long a SASL client has to authenticate again (KIP-368); 0 is never."},
	{Name: "sasl.enabled.mechanisms", Type: List, Default: "GSSAPI", Mode: PerBroker, listener: true, check: listOf(mechanisms...),
		Doc: "The SASL mechanisms that clients may use."},
	{Name: "sasl.jaas.config", Type: Password, Default: null, Mode: PerBroker, listener: true,
		Doc: "The login module of a mechanism with its options, set as listener.name.<listener>.<mechanism>.sasl.jaas.config."},
	{Name: "sasl.server.callback.handler.class", Type: Class, Default: null, listener: true, check: oneOf(oauthValidators...),
		Doc: "Kafka's validators of OAUTHBEARER tokens may be named; what they do is built in."},
	{Name: "sasl.server.max.receive.size", Type: Int, Default: "524288", check: atLeast(1),
		Doc: "The largest request accepted of a client that has not authenticated."},
	{Name: "sasl.kerberos.service.name", Type: String, Default: null, Mode: PerBroker, listener: true,
		Doc: "The service part of the broker's Kerberos principal."},
	{Name: "sasl.kerberos.principal.to.local.rules", Type: List, Default: "DEFAULT", Mode: PerBroker, listener: true,
		Doc: "Rules that make a user's name of a Kerberos principal; the first that fits counts."},
	{Name: "sasl.oauthbearer.jwks.endpoint.url", Type: String, Default: null, listener: true,
		Doc: "Where the keys that sign tokens are found: an https, http or file URL of a JWKS."},
	{Name: "sasl.oauthbearer.jwks.endpoint.refresh.ms", Type: Long, Default: "3600000", check: atLeast(1000), listener: true,
		Doc: "How long keys are used before they are fetched again."},
	{Name: "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Type: Long, Default: "100", check: atLeast(0), listener: true,
		Doc: "The wait before the keys are fetched again after a failure."},
	{Name: "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Type: Long, Default: "10000", check: atLeast(0), listener: true,
		Doc: "The longest wait before the keys are fetched again."},
	{Name: "sasl.oauthbearer.expected.audience", Type: List, Default: "", listener: true,
		Doc: "A token has to be for one of these audiences; empty accepts any."},
	{Name: "sasl.oauthbearer.expected.issuer", Type: String, Default: null, listener: true,
		Doc: "Who must have issued a token; none accepts any."},
	{Name: "sasl.oauthbearer.clock.skew.seconds", Type: Int, Default: "30", check: between(0, 3600), listener: true,
		Doc: "How far the clocks of the issuer and the broker may differ."},
	{Name: "sasl.oauthbearer.scope.claim.name", Type: String, Default: "scope", listener: true,
		Doc: "The claim that holds a token's scopes."},
	{Name: "sasl.oauthbearer.sub.claim.name", Type: String, Default: "sub", listener: true,
		Doc: "The claim that names the user."},

	// TLS.
	{Name: "ssl.client.auth", Type: String, Default: "none", Mode: PerBroker, listener: true, check: oneOf("required", "requested", "none"),
		Doc: "Whether clients must, may or need not show a certificate."},
	{Name: "ssl.principal.mapping.rules", Type: String, Default: "DEFAULT", listener: true,
		Doc: "Rules that make a user's name of a certificate's subject; the first that fits counts. DEFAULT takes the whole subject."},
	{Name: "ssl.enabled.protocols", Type: List, Default: "TLSv1.2,TLSv1.3", Mode: PerBroker, listener: true, check: listOf("TLSv1.2", "TLSv1.3"),
		Doc: "The versions of TLS that clients may use."},
	{Name: "ssl.protocol", Type: String, Default: "TLSv1.3", Mode: PerBroker, listener: true, check: oneOf("TLSv1.2", "TLSv1.3", "TLS"),
		Doc: "Accepted for compatibility: ssl.enabled.protocols counts."},
	{Name: "ssl.cipher.suites", Type: List, Default: "", Mode: PerBroker, listener: true,
		Doc: "The TLS 1.2 cipher suites that clients may use, by their standard names; empty for all that are sound. Those of TLS 1.3 are not a matter of choice."},
	{Name: "ssl.keystore.type", Type: String, Default: "JKS", Mode: PerBroker, listener: true, check: oneOf("JKS", "PKCS12", "PEM"),
		Doc: "The format of ssl.keystore.location. JKS and PKCS12 are told apart by the file itself."},
	{Name: "ssl.keystore.location", Type: String, Default: null, Mode: PerBroker, listener: true,
		Doc: "The file with the broker's key and certificates. It is read again when it changes."},
	{Name: "ssl.keystore.password", Type: Password, Default: null, Mode: PerBroker, listener: true,
		Doc: "The password of ssl.keystore.location."},
	{Name: "ssl.key.password", Type: Password, Default: null, Mode: PerBroker, listener: true,
		Doc: "The password of the key itself."},
	{Name: "ssl.keystore.key", Type: Password, Default: null, Mode: PerBroker, listener: true,
		Doc: "The broker's key in PEM, in place of a file."},
	{Name: "ssl.keystore.certificate.chain", Type: Password, Default: null, Mode: PerBroker, listener: true,
		Doc: "The broker's certificates in PEM, in place of a file."},
	{Name: "ssl.truststore.type", Type: String, Default: "JKS", Mode: PerBroker, listener: true, check: oneOf("JKS", "PKCS12", "PEM"),
		Doc: "The format of ssl.truststore.location. JKS and PKCS12 are told apart by the file itself."},
	{Name: "ssl.truststore.location", Type: String, Default: null, Mode: PerBroker, listener: true,
		Doc: "The file with the certificates that clients' certificates are checked against. It is read again when it changes."},
	{Name: "ssl.truststore.password", Type: Password, Default: null, Mode: PerBroker, listener: true,
		Doc: "The password of ssl.truststore.location."},
	{Name: "ssl.truststore.certificates", Type: Password, Default: null, Mode: PerBroker, listener: true,
		Doc: "The certificates that clients' certificates are checked against in PEM, in place of a file."},
}

const listenerPrefix = "listener.name."

// listenerLimits are settings of a listener that may be changed for all brokers.
var listenerLimits = []string{"max.connections", "max.connection.creation.rate", "num.network.threads"}

// listenerSetting is the declaration of a setting for one listener, or for one mechanism of it, nil if name is none.
func listenerSetting(name string) *Def {
	rest, ok := strings.CutPrefix(name, listenerPrefix)
	if !ok {
		return nil
	}
	if _, rest, ok = strings.Cut(rest, "."); !ok {
		return nil
	}
	ofMechanism := false
	for _, m := range mechanisms {
		if r, ok := strings.CutPrefix(rest, strings.ToLower(m)+"."); ok {
			rest, ofMechanism = r, true
		}
	}
	d := brokerDefs.byName[rest]
	if d == nil {
		d = ignoredDefs.byName[rest]
	}
	limit := slices.Contains(listenerLimits, rest)
	if d == nil || !d.listener && d.ignored == "" && !limit || ofMechanism && (limit || strings.HasPrefix(rest, "ssl.")) {
		return nil
	}
	own := *d
	own.Name, own.listener, own.Mode = name, false, PerBroker
	if limit {
		own.Mode = ClusterWide
	}
	own.Default = null
	return &own
}

// principals checks a list of principals separated by semicolons.
func principals(v value) string {
	for p := range strings.SplitSeq(v.text, ";") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		if typ, name, ok := strings.Cut(p, ":"); !ok || typ == "" || name == "" {
			return "expected a string in format principalType:principalName but got " + p
		}
	}
	return ""
}

// SuperUsers are the principals of super.users.
func (s *Static) SuperUsers() []string {
	var out []string
	for p := range strings.SplitSeq(s.String("super.users"), ";") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// Listener gives the settings of one listener: what was changed while running, else what was set with the listener's
// prefix, else what was set for all, else the default.
type Listener struct {
	static    *Static
	dynamic   Dynamic
	prefix    string // "listener.name.sasl_ssl."
	mechanism string // "plain.", or empty
}

// Listener returns the settings of the listener of that name.
func (s *Static) Listener(name string, dynamic Dynamic) Listener {
	return Listener{static: s, dynamic: dynamic, prefix: listenerPrefix + strings.ToLower(name) + "."}
}

// Mechanism returns the same settings with those for one mechanism ahead.
func (l Listener) Mechanism(name string) Listener {
	l.mechanism = strings.ToLower(name) + "."
	return l
}

func (l Listener) value(name string) value {
	d := Broker(name)
	if d == nil {
		panic("config: no broker setting is called " + name)
	}
	for _, full := range []string{l.prefix + l.mechanism + name, l.prefix + name} {
		if s, ok := l.dynamic.Lookup(full); ok {
			if v, err := d.parse(s); err == nil {
				return v
			}
		}
		if v, ok := l.static.set[full]; ok {
			return v
		}
	}
	if s, ok := l.dynamic.Lookup(name); ok && d.listener {
		if v, err := d.parse(s); err == nil {
			return v
		}
	}
	v, _ := l.static.value(name)
	return v
}

// String, List, Int and Millis return the value of a setting; it is empty or 0 if it has none.
func (l Listener) String(name string) string        { return l.value(name).text }
func (l Listener) Int(name string) int              { return int(l.value(name).num) }
func (l Listener) Millis(name string) time.Duration { return millis(l.value(name).num) }
func (l Listener) List(name string) []string        { return l.value(name).list }

// Own returns the value that was set for the listener itself, "" if none was.
func (l Listener) Own(name string) string {
	if v, ok := l.dynamic.Lookup(l.prefix + name); ok {
		return v
	}
	v, _ := l.static.Lookup(l.prefix + name)
	return v
}

// Changed tells whether the settings of the listener that can be changed while running differ.
func (l Listener) Changed(other Dynamic) bool {
	pick := func(d Dynamic) map[string]string {
		out := map[string]string{}
		for _, m := range []map[string]string{d.Cluster, d.Broker} {
			for k, v := range m {
				if base := Broker(k); strings.HasPrefix(k, l.prefix) || base != nil && base.listener {
					out[k] = v
				}
			}
		}
		return out
	}
	a, b := pick(l.dynamic), pick(other)
	if len(a) != len(b) {
		return true
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return true
		}
	}
	return false
}

// prefixed are the settings with a listener's prefix among those that were set, in order.
func prefixed(dynamic Dynamic, static *Static) []string {
	var out []string
	for _, names := range [][]string{sortedKeys(static.set), sortedKeys(dynamic.Broker), sortedKeys(dynamic.Cluster)} {
		for _, name := range names {
			if listenerSetting(name) != nil && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// unknownListenerSetting explains a name with a listener's prefix that means nothing.
func unknownListenerSetting(name string) error {
	return fmt.Errorf("%s is not a setting of a listener: those are %s<listener>.ssl.…, %s<listener>.sasl.… and %s<listener>.<mechanism>.sasl.jaas.config",
		name, listenerPrefix, listenerPrefix, listenerPrefix)
}
