package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"leat.dev/test/launch"
)

// security connects kcat (librdkafka) and Java's clients by TLS, client certificates and each SASL mechanism that needs
// no server of its own, and lets Kafka's tools manage users, ACLs and delegation tokens. The broker is one of its own,
// with a listener of each protocol.
func security(ctx context.Context, e *env) error {
	if e.broker == nil || e.broker.Kind() != launch.Leat {
		return skip("it sets up the listeners of our own broker only")
	}
	for program, from := range map[string]string{"openssl": "openssl", "keytool": "default-jre-headless", "kcat": "kcat"} {
		if err := have(program, from); err != nil {
			return err
		}
	}
	j, err := newJVM(ctx, e)
	if err != nil {
		return err
	}
	s := &secured{ctx: ctx, e: e, j: j, dir: filepath.Join(e.work, "keys")}
	if err := s.makeKeys(); err != nil {
		return err
	}
	if err := s.start(); err != nil {
		return err
	}
	defer func() { _ = s.broker.Kill() }()
	s.users()
	s.kcat()
	s.java()
	s.tokens()
	return nil
}

type secured struct {
	ctx    context.Context
	e      *env
	j      *jvm
	dir    string
	broker *launch.Broker
}

func (s *secured) file(name string) string { return filepath.Join(s.dir, name) }

// makeKeys makes an authority, certificates for the broker and for alice, and Java's stores of them.
func (s *secured) makeKeys() error {
	if err := os.RemoveAll(s.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return err
	}
	if err := os.WriteFile(s.file("names"), []byte("subjectAltName=DNS:localhost,IP:127.0.0.1"), 0o640); err != nil {
		return err
	}
	lines := []string{"openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 10"}
	for _, name := range []string{"server", "alice"} {
		lines = append(lines,
			fmt.Sprintf("openssl req -newkey rsa:2048 -nodes -keyout %s.key -out %s.csr -subj /O=Ex/CN=%s", name, name, name),
			fmt.Sprintf("openssl x509 -req -in %s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out %s.pem -days 9 -extfile names", name, name),
			fmt.Sprintf("openssl pkcs12 -export -in %s.pem -inkey %s.key -certfile ca.pem -out %s.p12 -passout pass:secret", name, name, name))
	}
	lines = append(lines,
		"keytool -importkeystore -srckeystore server.p12 -srcstorepass secret -destkeystore server.jks -deststorepass secret -deststoretype JKS -noprompt",
		"keytool -importcert -file ca.pem -alias ca -keystore trust.p12 -storetype PKCS12 -storepass secret -noprompt")
	for _, l := range lines {
		f := strings.Fields(l)
		if _, err := s.e.run(s.ctx, command{dir: s.dir}, f[0], f[1:]...); err != nil {
			return err
		}
	}
	return nil
}

func (s *secured) start() (err error) {
	props := map[string]string{
		"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:admin",
		"ssl.keystore.location": s.file("server.jks"), "ssl.keystore.password": "secret",
		"ssl.truststore.location": s.file("trust.p12"), "ssl.truststore.password": "secret", "ssl.client.auth": "requested",
		"ssl.principal.mapping.rules": "RULE:^CN=([^,]+),.*$/$1/L,DEFAULT",
		"sasl.enabled.mechanisms":     "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
		"delegation.token.secret.key": "token secret",
	}
	for _, l := range []string{"sasl_plaintext", "sasl_ssl"} {
		props["listener.name."+l+".plain.sasl.jaas.config"] = `org.apache.kafka.common.security.plain.PlainLoginModule required user_admin="a-secret" user_alice="b-secret";`
		props["listener.name."+l+".oauthbearer.sasl.jaas.config"] = `org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredValidatorAllowableClockSkewMs="3000";`
	}
	s.broker, err = launch.New(s.ctx, launch.Spec{Kind: launch.Leat, Dir: filepath.Join(s.e.work, "secured"), Props: props, Listeners: []string{"SSL", "SASL_PLAINTEXT", "SASL_SSL"}})
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(s.e.work, "secured", "data")); err != nil {
		return err
	}
	_, err = s.broker.Start(s.ctx)
	return err
}

// properties writes a file of client properties for Java and returns its name.
func (s *secured) properties(name string, lines ...string) (string, error) {
	lines = append(lines, "ssl.truststore.location="+s.file("trust.p12"), "ssl.truststore.password=secret")
	return s.file(name), os.WriteFile(s.file(name), []byte(strings.Join(lines, "\n")+"\n"), 0o640)
}

func (s *secured) login(module, options string) string {
	return "sasl.jaas.config=org.apache.kafka.common.security." + module + " required " + options + ";"
}

// tool runs one of Kafka's tools over SASL_SSL as somebody.
func (s *secured) tool(props, class string, args ...string) (string, error) {
	at := "localhost" + strings.TrimPrefix(s.broker.AddrOf("SASL_SSL"), "127.0.0.1")
	return s.j.tool(s.ctx, "", class, append([]string{"--bootstrap-server", at, "--command-config", props}, args...)...)
}

func (s *secured) admin() (string, error) {
	return s.properties("admin", "security.protocol=SASL_SSL", "sasl.mechanism=PLAIN", s.login("plain.PlainLoginModule", `username="admin" password="a-secret"`))
}

// users makes the topic, the users and the ACLs that the rest needs, with Kafka's tools.
func (s *secured) users() {
	step := func(name, class string, args ...string) {
		s.e.step(s.ctx, name, func() error {
			p, err := s.admin()
			if err != nil {
				return err
			}
			_, err = s.tool(p, class, args...)
			return err
		})
	}
	const topics, configs, acls = "org.apache.kafka.tools.TopicCommand", "kafka.admin.ConfigCommand", "org.apache.kafka.tools.AclCommand"
	step("a topic, by PLAIN over TLS", topics, "--create", "--topic", "secured", "--partitions", "1")
	step("a SCRAM user", configs, "--alter", "--entity-type", "users", "--entity-name", "bob", "--add-config", "SCRAM-SHA-512=[password=c-secret],SCRAM-SHA-256=[iterations=8192,password=c-secret]")
	for _, who := range []string{"alice", "bob"} {
		step("ACLs for "+who, acls, "--add", "--allow-principal", "User:"+who, "--operation", "Read", "--operation", "Write", "--topic", "sec", "--resource-pattern-type", "prefixed")
	}
}

// kcat writes and reads as each user, by each way in.
func (s *secured) kcat() {
	for name, c := range map[string]struct {
		listener string
		set      []string
		denied   bool
	}{
		"client certificate":         {"SSL", []string{"security.protocol=ssl", "ssl.certificate.location=" + s.file("alice.pem"), "ssl.key.location=" + s.file("alice.key")}, false},
		"TLS without a certificate":  {"SSL", []string{"security.protocol=ssl"}, true},
		"PLAIN":                      {"SASL_PLAINTEXT", []string{"security.protocol=sasl_plaintext", "sasl.mechanism=PLAIN", "sasl.username=alice", "sasl.password=b-secret"}, false},
		"PLAIN, wrong password":      {"SASL_SSL", []string{"security.protocol=sasl_ssl", "sasl.mechanism=PLAIN", "sasl.username=alice", "sasl.password=x"}, true},
		"SCRAM-SHA-256":              {"SASL_PLAINTEXT", []string{"security.protocol=sasl_plaintext", "sasl.mechanism=SCRAM-SHA-256", "sasl.username=bob", "sasl.password=c-secret"}, false},
		"SCRAM-SHA-512 over TLS":     {"SASL_SSL", []string{"security.protocol=sasl_ssl", "sasl.mechanism=SCRAM-SHA-512", "sasl.username=bob", "sasl.password=c-secret"}, false},
		"SCRAM, wrong password":      {"SASL_SSL", []string{"security.protocol=sasl_ssl", "sasl.mechanism=SCRAM-SHA-512", "sasl.username=bob", "sasl.password=x"}, true},
		"OAUTHBEARER over TLS":       {"SASL_SSL", []string{"security.protocol=sasl_ssl", "sasl.mechanism=OAUTHBEARER", "enable.sasl.oauthbearer.unsecure.jwt=true", "sasl.oauthbearer.config=principal=alice"}, false},
		"OAUTHBEARER, nobody's name": {"SASL_SSL", []string{"security.protocol=sasl_ssl", "sasl.mechanism=OAUTHBEARER", "enable.sasl.oauthbearer.unsecure.jwt=true", "sasl.oauthbearer.config=principal=eve"}, true},
	} {
		s.e.step(s.ctx, "kcat: "+name, func() error {
			args := []string{"-b", s.broker.AddrOf(c.listener), "-X", "ssl.ca.location=" + s.file("ca.pem"), "-X", "message.timeout.ms=4000"}
			for _, x := range c.set {
				args = append(args, "-X", x)
			}
			_, err := s.e.run(s.ctx, command{stdin: name + "\n", fails: c.denied}, "kcat", append(args, "-P", "-t", "secured", "-p", "0")...)
			if err != nil || c.denied {
				return err
			}
			out, err := s.e.run(s.ctx, command{}, "kcat", append(args, "-C", "-q", "-e", "-t", "secured", "-o", "beginning")...)
			if err != nil {
				return err
			}
			return expect(out, "(?m)^"+name+"$")
		})
	}
}

// java lists topics as each user: those who may not describe the topic do not see it.
func (s *secured) java() {
	scram := s.login("scram.ScramLoginModule", `username="bob" password="c-secret"`)
	for name, c := range map[string]struct {
		lines  []string
		denied bool
	}{
		"SCRAM-SHA-256":         {[]string{"security.protocol=SASL_SSL", "sasl.mechanism=SCRAM-SHA-256", scram}, false},
		"SCRAM-SHA-512":         {[]string{"security.protocol=SASL_SSL", "sasl.mechanism=SCRAM-SHA-512", scram}, false},
		"OAUTHBEARER":           {[]string{"security.protocol=SASL_SSL", "sasl.mechanism=OAUTHBEARER", s.login("oauthbearer.OAuthBearerLoginModule", `unsecuredLoginStringClaim_sub="alice"`)}, false},
		"SCRAM, wrong password": {[]string{"security.protocol=SASL_SSL", "sasl.mechanism=SCRAM-SHA-512", s.login("scram.ScramLoginModule", `username="bob" password="x"`)}, true},
	} {
		s.e.step(s.ctx, "java: "+name, func() error {
			p, err := s.properties("java", c.lines...)
			if err != nil {
				return err
			}
			out, err := s.tool(p, "org.apache.kafka.tools.TopicCommand", "--list")
			if c.denied {
				return expect(out, "SaslAuthenticationException")
			}
			if err != nil {
				return err
			}
			return expect(out, "(?m)^secured$")
		})
	}
	s.e.step(s.ctx, "java: client certificate", func() error {
		p, err := s.properties("mtls", "security.protocol=SSL", "ssl.keystore.location="+s.file("alice.p12"), "ssl.keystore.password=secret")
		if err != nil {
			return err
		}
		at := "localhost" + strings.TrimPrefix(s.broker.AddrOf("SSL"), "127.0.0.1")
		out, err := s.j.tool(s.ctx, "", "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", at, "--command-config", p, "--list")
		if err != nil {
			return err
		}
		return expect(out, "(?m)^secured$")
	})
}

// tokens: bob makes a token, a program logs in with it, bob ends it, and it does not work any more.
func (s *secured) tokens() {
	s.e.step(s.ctx, "java: delegation tokens", func() error {
		bob, err := s.properties("bob", "security.protocol=SASL_SSL", "sasl.mechanism=SCRAM-SHA-512", s.login("scram.ScramLoginModule", `username="bob" password="c-secret"`))
		if err != nil {
			return err
		}
		const tokens, topics = "org.apache.kafka.tools.DelegationTokenCommand", "org.apache.kafka.tools.TopicCommand"
		out, err := s.tool(bob, tokens, "--create", "--max-life-time-period", "-1")
		if err != nil {
			return err
		}
		var id, secret string
		for line := range strings.Lines(out) {
			if f := strings.Fields(line); len(f) > 3 && f[2] == "User:bob" {
				id, secret = f[0], f[1]
			}
		}
		program, err := s.properties("program", "security.protocol=SASL_SSL", "sasl.mechanism=SCRAM-SHA-256",
			s.login("scram.ScramLoginModule", fmt.Sprintf("username=%q password=%q tokenauth=\"true\"", id, secret)))
		if err != nil {
			return err
		}
		if out, err = s.tool(program, topics, "--list"); err != nil {
			return err
		}
		if err := expect(out, "(?m)^secured$"); err != nil {
			return err
		}
		if _, err = s.tool(bob, tokens, "--expire", "--expiry-time-period", "-1", "--hmac", secret); err != nil {
			return err
		}
		out, _ = s.tool(program, topics, "--list") // Kafka's tool may end with 0 all the same
		return expect(out, "SaslAuthenticationException")
	})
}
