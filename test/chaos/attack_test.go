package chaos

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"leat.dev/test/launch"
)

// Bounds that hold under every attack. The times are far above what is measured, for machines that are busy.
const (
	attackRSSMax     = 768 << 20
	attackLatencyMax = 30 * time.Second
)

// target is a broker with a listener of each protocol, and what attackers need to know of it.
type target struct {
	t      *testing.T
	broker *launch.Broker
	ca     *authority
	jwks   *jwks
	admin  *kgo.Client
	// Bombs by codec, compressed, and as batches of records.
	payloads, batches [5][]byte
}

// attack is one thing that attackers do until ctx ends. It returns what it did, for the report.
type attack struct {
	name string
	run  func(ctx context.Context, g *target) string
}

var attacks = []attack{
	{"none", func(ctx context.Context, _ *target) string { <-ctx.Done(); return "" }},
	{"slow TLS handshakes", slowHandshakes},
	{"half SASL exchanges", halfExchanges},
	{"frames that never end", stalledFrames},
	{"TLS handshake flood", handshakeFlood},
	{"connection flood", connectionFlood},
	{"claimed counts, nested frames", hostileFrames},
	{"bombs in produce", produceBombs},
	{"bombs in look-ups by time", lookupBombs},
	{"bombs in telemetry", telemetryBombs},
	{"SCRAM: guessing", scramGuessing},
	{"JWT: forged tokens", forgedTokens},
}

// TestAttacker shows what attackers can do to a broker with default limits: it stays up, its memory is bounded, and a client
// that does nothing wrong is served meanwhile. The figures are printed as a table.
func TestAttacker(t *testing.T) {
	length, _ := chaos(t)
	if kind() != launch.Leat {
		t.Skip("its settings are ours")
	}
	g := startTarget(t)
	rows := []string{"| Attack | What came of it | RSS at most | Broker's CPU | Honest produce p50 / p99 / max | New login at most |", "|---|---|---:|---:|---:|---:|"}
	for _, a := range attacks {
		if only := os.Getenv("LEAT_CHAOS_ATTACK"); only != "" && !strings.Contains(a.name, only) {
			continue
		}
		rows = append(rows, g.measure(a, min(length/3, 10*time.Second)))
	}
	t.Log("\n" + strings.Join(rows, "\n"))
}

func startTarget(t *testing.T) *target {
	g := &target{t: t, ca: newAuthority(t), jwks: newJWKS(t)}
	cert, key := g.ca.issue(t, "server")
	dir := t.TempDir()
	for name, text := range map[string]string{"server.pem": key + cert, "ca.pem": g.ca.pem()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	props := map[string]string{
		"group.initial.rebalance.delay.ms": "0", "offsets.topic.num.partitions": "4",
		"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:admin",
		"ssl.keystore.type": "PEM", "ssl.keystore.location": filepath.Join(dir, "server.pem"),
		"ssl.truststore.type": "PEM", "ssl.truststore.location": filepath.Join(dir, "ca.pem"), "ssl.client.auth": "none",
		"sasl.enabled.mechanisms":            "PLAIN,SCRAM-SHA-256,OAUTHBEARER",
		"sasl.oauthbearer.jwks.endpoint.url": g.jwks.url, "sasl.oauthbearer.expected.audience": "leat", "sasl.oauthbearer.expected.issuer": "issuer",
	}
	for _, l := range []string{"sasl_plaintext", "sasl_ssl"} {
		props["listener.name."+l+".plain.sasl.jaas.config"] = `PlainLoginModule required user_admin="a-secret" user_alice="b-secret" user_mallory="m-secret";`
	}
	var err error
	g.broker, err = launch.New(t.Context(), launch.Spec{Kind: launch.Leat, Dir: t.TempDir(), Props: props, Listeners: []string{"SSL", "SASL_PLAINTEXT", "SASL_SSL"}})
	if err != nil {
		t.Fatal(err)
	}
	restart(t, g.broker)
	t.Cleanup(func() { _ = g.broker.Kill() })
	g.admin = g.login("admin", "a-secret")
	g.prepare()
	g.makeBombs()
	return g
}

// login is a client over SASL_SSL.
func (g *target) login(user, password string, opts ...kgo.Opt) *kgo.Client {
	g.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(g.broker.AddrOf("SASL_SSL")), kgo.DialTLSConfig(g.ca.clientConfig()),
		kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()), kgo.RequestTimeoutOverhead(45 * time.Second),
	}, opts...)...)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(cl.Close)
	return cl
}

// prepare makes the topics, and lets alice write to hers and mallory to his.
func (g *target) prepare() {
	ctx, cancel := context.WithTimeout(g.t.Context(), 2*time.Minute)
	defer cancel()
	adm := kadm.NewClient(g.admin)
	gzip, compact := "gzip", "compact"
	for topic, configs := range map[string]map[string]*string{
		"honest": nil, "stored": nil, "forced": {"compression.type": &gzip}, "compacted": {"cleanup.policy": &compact},
	} {
		if _, err := adm.CreateTopic(ctx, 4, 1, configs, topic); err != nil {
			g.t.Fatal(err)
		}
	}
	for user, topics := range map[string][]string{"alice": {"honest"}, "mallory": {"stored", "forced", "compacted"}} {
		b := kadm.NewACLs().Topics(topics...).ResourcePatternType(kadm.ACLPatternLiteral).Allow("User:"+user).AllowHosts().Operations(kadm.OpRead, kadm.OpWrite)
		if _, err := adm.CreateACLs(ctx, b); err != nil {
			g.t.Fatal(err)
		}
	}
	// Everybody is asked for all metrics, as often as can be.
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeClientMetrics, "all"
	for name, value := range map[string]string{"metrics": "*", "interval.ms": "100"} {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Value = name, &value
		r.Configs = append(r.Configs, c)
	}
	req.Resources = append(req.Resources, r)
	if resp, err := req.RequestWith(ctx, g.admin); err != nil || resp.Resources[0].ErrorCode != 0 {
		g.t.Fatal(resp, err)
	}
}

// measure runs one attack beside an honest client, and returns a line of the table.
func (g *target) measure(a attack, length time.Duration) string {
	t := g.t
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	before, err := g.broker.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.broker.ResetPeak(); err != nil {
		t.Logf("the most memory is since the start: %v", err)
	}
	h := g.honest(ctx)
	began := time.Now()
	done := a.run(ctx, g)
	cancel()
	h.wait()
	took := time.Since(began)
	if !g.broker.Running() {
		t.Fatalf("%s: the broker ended\n%s", a.name, g.broker.LogTail(30))
	}
	after, err := g.broker.Usage()
	if err != nil {
		t.Fatal(err)
	}
	cpu := after.CPU - before.CPU
	p50, p99, most := h.latency()
	if after.Peak > attackRSSMax {
		t.Errorf("%s: %d MiB resident", a.name, after.Peak>>20)
	}
	if h.failed.Load() > 0 || most > attackLatencyMax {
		t.Errorf("%s: of the honest client's requests %d failed, the slowest took %v: %v", a.name, h.failed.Load(), most, h.err())
	}
	return fmt.Sprintf("| %s | %s | %d MiB | %.0f %% | %s / %s / %s | %s |", a.name, done, after.Peak>>20,
		100*cpu.Seconds()/took.Seconds(), short(p50), short(p99), short(most), short(h.slowestLogin()))
}

func short(d time.Duration) string {
	if d >= 10*time.Millisecond {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// honest writes a record a few dozen times a second on one connection, and logs in anew twice a second.
type honest struct {
	wg     sync.WaitGroup
	failed atomic.Int64

	mu     sync.Mutex
	times  []time.Duration
	logins []time.Duration
	last   error
}

func (g *target) honest(ctx context.Context) *honest {
	h := &honest{}
	cl := g.login("alice", "b-secret", kgo.DefaultProduceTopic("honest"), kgo.ProducerLinger(0), kgo.DisableIdempotentWrite(), kgo.RecordRetries(0))
	write := func() (time.Duration, error) {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		began := time.Now()
		err := cl.ProduceSync(bounded, kgo.StringRecord("an honest record")).FirstErr()
		return time.Since(began), err
	}
	if _, err := write(); err != nil { // connects
		g.t.Fatal(err)
	}
	h.wg.Go(func() {
		defer cl.Close()
		for pause(ctx, 15*time.Millisecond) {
			took, err := write()
			h.add(&h.times, took, err)
		}
	})
	h.wg.Go(func() {
		for pause(ctx, 500*time.Millisecond) {
			began := time.Now()
			err := g.tryLogin(ctx)
			h.add(&h.logins, time.Since(began), err)
		}
	})
	return h
}

// tryLogin logs in and asks for something, and tries again as clients do.
func (g *target) tryLogin(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(g.broker.AddrOf("SASL_SSL")), kgo.DialTLSConfig(g.ca.clientConfig()),
		kgo.SASL(plain.Auth{User: "alice", Pass: "b-secret"}.AsMechanism()))
	if err != nil {
		return err
	}
	defer cl.Close()
	_, err = kmsg.NewPtrMetadataRequest().RequestWith(bounded, cl)
	return err
}

func (h *honest) add(to *[]time.Duration, took time.Duration, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.last = err
		h.failed.Add(1)
		return
	}
	*to = append(*to, took)
}

func (h *honest) wait() { h.wg.Wait() }

func (h *honest) err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}
