package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"leat.dev/test/launch"
)

const realm = "LEAT.TEST"

// kerberos runs MIT's KDC with a realm of its own, and lets kcat and Java's clients come in by its tickets.
func kerberos(ctx context.Context, e *env) error {
	if e.broker == nil {
		return skip("it sets up the listeners of a broker on this machine only")
	}
	for program, from := range map[string]string{
		"krb5kdc": "krb5-kdc", "kadmin.local": "krb5-admin-server", "kinit": "krb5-user", "kcat": "kcat",
	} {
		if err := have(program, from); err != nil {
			return err
		}
	}
	j, err := newJVM(ctx, e)
	if err != nil {
		return err
	}
	k := &realmOf{ctx: ctx, e: e, dir: filepath.Join(e.work, "realm")}
	if err := k.make(); err != nil {
		return err
	}
	stop, err := k.serve()
	if err != nil {
		return err
	}
	defer stop()
	broker, err := k.startBroker()
	if err != nil {
		return err
	}
	defer func() { _ = broker.Kill() }()
	addr := "localhost" + strings.TrimPrefix(broker.AddrOf("SASL_PLAINTEXT"), "127.0.0.1") // tickets are for names
	k.kcat(addr)
	k.java(j, addr)
	return nil
}

// realmOf is a KDC's folder: its database, the clients' configuration, keys.
type realmOf struct {
	ctx  context.Context // of the job; it lives no longer
	e    *env
	dir  string
	port int
}

func (k *realmOf) file(name string) string { return filepath.Join(k.dir, name) }

func (k *realmOf) env() []string {
	return []string{"KRB5_CONFIG=" + k.file("krb5.conf"), "KRB5_KDC_PROFILE=" + k.file("kdc.conf"), "KRB5CCNAME=FILE:" + k.file("tickets")}
}

// make writes the configuration and the database, with the broker's principal, alice, and a key for carol that is not hers.
func (k *realmOf) make() error {
	if err := os.RemoveAll(k.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(k.dir, 0o750); err != nil {
		return err
	}
	var err error
	if k.port, err = launch.FreePort(); err != nil {
		return err
	}
	port := strconv.Itoa(k.port)
	for name, text := range map[string]string{
		// One TCP port, and names as they are given: nothing here asks a name server.
		"krb5.conf": "[libdefaults]\ndefault_realm = " + realm + "\ndns_lookup_kdc = false\ndns_lookup_realm = false\n" +
			"dns_canonicalize_hostname = false\nrdns = false\nudp_preference_limit = 1\n[realms]\n" + realm + " = {\n kdc = 127.0.0.1:" + port + "\n}\n",
		"kdc.conf": "[kdcdefaults]\nkdc_listen = \"\"\nkdc_tcp_listen = 127.0.0.1:" + port + "\n[realms]\n" + realm + " = {\n database_name = " +
			k.file("principal") + "\n key_stash_file = " + k.file("stash") + "\n acl_file = " + k.file("acl") + "\n}\n[logging]\nkdc = FILE:" + k.file("kdc.log") + "\n",
	} {
		if err := os.WriteFile(k.file(name), []byte(text), 0o640); err != nil {
			return err
		}
	}
	commands := []string{"kdb5_util create -s -r " + realm + " -P master"}
	for _, who := range []string{"kafka/localhost", "alice", "carol"} {
		owner, _, _ := strings.Cut(who, "/")
		file := k.file(owner + ".keytab")
		commands = append(commands, "kadmin.local -r "+realm+" addprinc -randkey "+who, "kadmin.local -r "+realm+" ktadd -k "+file+" "+who)
	}
	commands = append(commands, "kadmin.local -r "+realm+" cpw -randkey carol") // her key is another one now
	for _, c := range commands {
		f := strings.Fields(c)
		if _, err := k.e.run(k.ctx, command{dir: k.dir, env: k.env()}, f[0], f[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// serve runs the KDC until stop is called, and returns when it answers.
func (k *realmOf) serve() (stop func(), err error) {
	cmd := exec.Command("krb5kdc", "-n", "-r", realm)
	cmd.Env = append(os.Environ(), k.env()...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for range 1200 { // a minute
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(k.port)))
		if err == nil {
			return stop, conn.Close()
		}
		select {
		case <-k.ctx.Done():
			stop()
			return nil, k.ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	stop()
	return nil, errors.New("the KDC does not come up")
}

func (k *realmOf) startBroker() (*launch.Broker, error) {
	broker, err := launch.New(k.ctx, launch.Spec{Kind: k.e.broker.Kind(), Dir: filepath.Join(k.dir, "broker"), HeapMB: 512, Host: "localhost", Listeners: []string{"SASL_PLAINTEXT"}, Props: map[string]string{
		// Only alice may do anything there, so what works shows who came in.
		"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:alice;User:ANONYMOUS",
		"sasl.enabled.mechanisms": "GSSAPI", "sasl.kerberos.service.name": "kafka", "num.partitions": "1",
		"listener.name.sasl_plaintext.gssapi.sasl.jaas.config": fmt.Sprintf(
			`com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true keyTab=%q principal="kafka/localhost@%s";`, k.file("kafka.keytab"), realm),
	}, Env: append(k.env(), "JAVA_TOOL_OPTIONS=-Djava.security.krb5.conf="+k.file("krb5.conf"))})
	if err != nil {
		return nil, err
	}
	_, err = broker.Start(k.ctx)
	return broker, err
}

func (k *realmOf) kcat(addr string) {
	args := func(who, patience string) []string {
		return []string{
			"-b", addr, "-X", "security.protocol=sasl_plaintext", "-X", "sasl.mechanism=GSSAPI", "-X", "sasl.kerberos.service.name=kafka",
			"-X", "sasl.kerberos.principal=" + who, "-X", "sasl.kerberos.keytab=" + k.file(who+".keytab"), "-X", "message.timeout.ms=" + patience,
		}
	}
	k.e.step(k.ctx, "kcat: a ticket", func() error {
		_, err := k.e.run(k.ctx, command{stdin: "by ticket\n", env: k.env()}, "kcat", append(args("alice", "45000"), "-P", "-t", "kerberos", "-p", "0")...)
		if err != nil {
			return err
		}
		out, err := k.e.run(k.ctx, command{env: k.env()}, "kcat", append(args("alice", "45000"), "-C", "-q", "-e", "-t", "kerberos", "-o", "beginning")...)
		if err != nil {
			return err
		}
		return expect(out, "(?m)^by ticket$")
	})
	k.e.step(k.ctx, "kcat: a key that is not one's own", func() error {
		if err := os.RemoveAll(k.file("tickets")); err != nil {
			return err
		}
		_, err := k.e.run(k.ctx, command{stdin: "x\n", env: k.env(), fails: true}, "kcat", append(args("carol", "6000"), "-P", "-t", "kerberos", "-p", "0")...)
		return err
	})
}

func (k *realmOf) java(j *jvm, addr string) {
	list := func(who string) (string, error) {
		props := k.file(who + ".properties")
		text := "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=GSSAPI\nsasl.kerberos.service.name=kafka\n" +
			fmt.Sprintf("sasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true keyTab=%q principal=\"%s@%s\";\n", k.file(who+".keytab"), who, realm)
		if err := os.WriteFile(props, []byte(text), 0o640); err != nil {
			return "", err
		}
		args := j.args("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", addr, "--command-config", props, "--list")
		return k.e.run(k.ctx, command{limit: 90 * time.Second}, "java", append([]string{"-Djava.security.krb5.conf=" + k.file("krb5.conf")}, args...)...)
	}
	k.e.step(k.ctx, "java: a ticket", func() error {
		out, err := list("alice")
		if err != nil {
			return err
		}
		return expect(out, "(?m)^kerberos$")
	})
	k.e.step(k.ctx, "java: a key that is not one's own", func() error {
		out, _ := list("carol") // Kafka's tools end with 0 or 1
		return expect(out, "LoginException|Pre-authentication information was invalid|Checksum failed")
	})
}
