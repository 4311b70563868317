package streamsapp

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	saslplain "github.com/twmb/franz-go/pkg/sasl/plain"

	"leat.dev/streams"
	"leat.dev/test/launch"
)

var rewrite = flag.Bool("rewrite", false, "write the expected texts anew")

// mistakes collects what applications say, for testdata/mistakes.txt.
type mistakes struct {
	t    *testing.T
	mu   sync.Mutex
	said map[string]string
	want map[string]string
	file string
}

func newMistakes(t *testing.T) *mistakes {
	m := &mistakes{t: t, said: map[string]string{}, want: map[string]string{}, file: filepath.Join("testdata", t.Name()+".txt")}
	raw, err := os.ReadFile(m.file)
	if err != nil && !*rewrite {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(string(raw), "\n\n") {
		if name, text, ok := strings.Cut(strings.TrimSpace(part), "\n"); ok {
			m.want[strings.TrimPrefix(name, "# ")] = text
		}
	}
	t.Cleanup(m.write)
	return m
}

// hold compares what was said with what is expected.
func (m *mistakes) hold(t *testing.T, name, text string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said[name] = text
	if !*rewrite && m.want[name] != text {
		t.Errorf("%s:\n%s\nwant\n%s", name, text, m.want[name])
	}
}

func (m *mistakes) write() {
	if !*rewrite {
		return
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m.said)) {
		parts = append(parts, "# "+name+"\n"+m.said[name])
	}
	if err := os.WriteFile(m.file, []byte(strings.Join(parts, "\n\n")+"\n"), 0o644); err != nil {
		m.t.Error(err)
	}
}

// varies is what differs between runs.
var varies = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "BROKER"},
	{regexp.MustCompile(`(process) \d+ on \S+`), "$1 N on HOST"},
	{regexp.MustCompile(`\([0-9a-f]{16}\)`), "(HASH)"},
	{regexp.MustCompile(`\b[0-9a-f]{32}-\d+\b`), "ID"},
	{regexp.MustCompile(`leat-streams-\S+|[0-9a-f-]{36}`), "ID"},
	{regexp.MustCompile(`/\S*/TestMistakes[^/ ]*/\d+`), "DIR"},
}

func normal(text string) string {
	for _, v := range varies {
		text = v.re.ReplaceAllString(text, v.with)
	}
	return strings.TrimSpace(text)
}

// warnings keeps what an app warns of.
type warnings struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *warnings) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(b)
}

func (w *warnings) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// about gives the warnings that contain a text, in order.
func (w *warnings) about(text string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for line := range strings.Lines(w.buf.String()) {
		if strings.Contains(line, text) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return strings.Join(out, "\n")
}

// await waits for a warning.
func (w *warnings) await(t *testing.T, text string) string {
	t.Helper()
	limit := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if said := w.about(text); said != "" {
			return said
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("no warning has %q", text)
		}
	}
}

func copyLines(b *streams.Builder) { lines.Stream(b).To(counts) }

func countTable(store string, o ...streams.Option) func(*streams.Builder) {
	return func(b *streams.Builder) {
		words := streams.NewTopic("counts", streams.String, streams.Int64)
		lines.Stream(b).GroupByKey().Count(store, o...).ToStream().To(words)
	}
}

// TestMistakes holds what an app says about mistakes that show when it runs to naming node, topic and what to do.
func TestMistakes(t *testing.T) {
	m := newMistakes(t)
	c := start(t, launch.Leat)
	ends := func(name, id string, build func(*streams.Builder), o ...streams.AppOption) {
		t.Run(name, func(t *testing.T) { m.hold(t, name, normal(fmt.Sprint(c.with(t).run(id, build, o...).end()))) })
	}
	ends("missing-topic", "m1", copyLines)
	c.create(2, "lines", "counts")
	numbers := streams.NewTopic("lines", streams.String, streams.Int64)
	c.send("lines", "k=not-a-number")
	ends("wrong-bytes", "m2", func(b *streams.Builder) {
		numbers.Stream(b).To(streams.NewTopic("counts", streams.String, streams.Int64))
	})
	c.create(3, "m3-words-changelog")
	ends("changelog-partitions", "m3", countTable("words"))
	state := t.TempDir()
	first := c.run("m4", copyLines, streams.StateDir(state))
	first.await(streams.Running)
	ends("state-in-use", "m4", copyLines, streams.StateDir(state))
	first.close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ends("state-no-directory", "m5", copyLines, streams.StateDir(file))
	ends("replication", "m6", countTable("words"), streams.ReplicationFactor(3))

	t.Run("topologies", func(t *testing.T) {
		c := c.with(t)
		one := c.run("m7", copyLines)
		one.await(streams.Running)
		m.hold(t, "topologies", normal(fmt.Sprint(c.run("m7", func(b *streams.Builder) {
			lines.Stream(b).Filter(func(string) bool { return true }).To(counts)
		}).end())))
		one.close()
	})
	t.Run("settings-and-leftovers", func(t *testing.T) {
		c := c.with(t)
		if _, err := c.admin.CreateTopics(t.Context(), 2, 1, map[string]*string{"cleanup.policy": kadm.StringPtr("delete")}, "m8-words-changelog", "m8-other-changelog"); err != nil {
			t.Fatal(err)
		}
		var w warnings
		r := c.run("m8", countTable("words"), streams.Logger(w.logger()))
		r.await(streams.Running)
		r.close()
		m.hold(t, "settings", normal(w.about("another setting")))
		m.hold(t, "leftovers", normal(w.about("belongs to nothing")))
	})
	t.Run("changelog-gone", func(t *testing.T) {
		c := c.with(t)
		c.create(1, "few")
		c.send("few", "a=1")
		few := func(b *streams.Builder) {
			words := streams.NewTopic("counts", streams.String, streams.Int64)
			streams.NewTopic("few", streams.String, streams.String).Stream(b).GroupByKey().Count("few").ToStream().To(words)
		}
		r := c.run("m9", few)
		c.read("m9-few-changelog", total(1))
		r.close()
		if _, err := c.admin.DeleteTopics(t.Context(), "m9-few-changelog"); err != nil {
			t.Fatal(err)
		}
		var w warnings
		r = c.run("m9", few, streams.Logger(w.logger()))
		r.await(streams.Running)
		r.close()
		m.hold(t, "changelog-gone", normal(w.about("changelog of a store is not there")))
	})
	t.Run("future", func(t *testing.T) {
		c := c.with(t)
		if _, err := c.admin.CreateTopics(t.Context(), 1, 1, map[string]*string{"message.timestamp.after.max.ms": kadm.StringPtr("9223372036854775807")}, "ahead"); err != nil {
			t.Fatal(err)
		}
		if err := c.client.ProduceSync(t.Context(), &kgo.Record{Topic: "ahead", Value: []byte("x"), Timestamp: time.Now().Add(400 * 24 * time.Hour)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		var w warnings
		r := c.run("m10", func(b *streams.Builder) {
			streams.NewTopic("ahead", streams.String, streams.String).Stream(b).ForEach(func(string, string) {})
		}, streams.Logger(w.logger()))
		said := w.await(t, "ahead of the clock")
		r.close()
		m.hold(t, "future", regexp.MustCompile(`ahead=\S+`).ReplaceAllString(normal(said), "ahead=N"))
	})
	t.Run("unreachable", func(t *testing.T) {
		addr, err := launch.FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		var w warnings
		app, err := streams.New("m11", copyLines, streams.Brokers(addr), streams.Logger(w.logger()),
			streams.ClientOptions(kgo.RetryTimeout(100*time.Millisecond), kgo.RequestRetries(0)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- app.Run(ctx) }()
		said := w.await(t, "cannot be reached")
		cancel()
		if err := <-done; err != nil {
			t.Errorf("a close while the cluster is not there: %v", err)
		}
		said, _, _ = strings.Cut(said, "\n")
		m.hold(t, "unreachable", regexp.MustCompile(`for=\S+`).ReplaceAllString(normal(said), "for=N"))
	})
	t.Run("transactions-too-short", func(t *testing.T) {
		_, err := streams.New("m12", copyLines, streams.ExactlyOnce(), streams.CommitEvery(10*time.Second))
		m.hold(t, "transactions-too-short", normal(fmt.Sprint(err)))
	})
	t.Run("topic-deleted", func(t *testing.T) {
		c := c.with(t)
		c.create(1, "soon-gone")
		r := c.run("m13", func(b *streams.Builder) {
			streams.NewTopic("soon-gone", streams.String, streams.String).Stream(b).To(counts)
		}, streams.ClientOptions(kgo.MetadataMaxAge(time.Second), kgo.MetadataMinAge(100*time.Millisecond)))
		r.await(streams.Running)
		if _, err := c.admin.DeleteTopics(t.Context(), "soon-gone"); err != nil {
			t.Fatal(err)
		}
		m.hold(t, "topic-deleted", normal(fmt.Sprint(r.end())))
	})
	t.Run("partitions-added", func(t *testing.T) {
		c := c.with(t)
		c.create(1, "growing")
		build := func(b *streams.Builder) {
			words := streams.NewTopic("counts", streams.String, streams.Int64)
			streams.NewTopic("growing", streams.String, streams.String).Stream(b).GroupByKey().Count("grown").ToStream().To(words)
		}
		r := c.run("m14", build, streams.ClientOptions(kgo.MetadataMaxAge(time.Second), kgo.MetadataMinAge(100*time.Millisecond)))
		r.await(streams.Running)
		if _, err := c.admin.UpdatePartitions(t.Context(), 3, "growing"); err != nil {
			t.Fatal(err)
		}
		m.hold(t, "partitions-added", normal(fmt.Sprint(r.end())))
		m.hold(t, "partitions-added-restart", normal(fmt.Sprint(c.run("m14", build).end())))
	})
}

// TestMistakesOfPermission holds what an app says that is not allowed what it needs.
func TestMistakesOfPermission(t *testing.T) {
	m := newMistakes(t)
	c := startWith(t, launch.Leat, launch.Spec{Listeners: []string{"SASL_PLAINTEXT"}, Props: map[string]string{
		"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users":           "User:ANONYMOUS", "sasl.enabled.mechanisms": "PLAIN",
		"listener.name.sasl_plaintext.plain.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret";`,
	}})
	c.create(1, "lines", "counts")
	c.send("lines", "a=1")
	as := streams.ClientOptions(kgo.SASL(saslplain.Auth{User: "alice", Pass: "secret"}.AsMechanism()))
	c.addr = c.broker.AddrOf("SASL_PLAINTEXT")
	endsAs := func(as streams.AppOption, name string, build func(*streams.Builder), o ...streams.AppOption) {
		t.Run(name, func(t *testing.T) {
			m.hold(t, name, normal(fmt.Sprint(c.with(t).run("p1", build, append(o, as)...).end())))
		})
	}
	ends := func(name string, build func(*streams.Builder), o ...streams.AppOption) { endsAs(as, name, build, o...) }
	allow := func(resource func(*kadm.ACLBuilder) *kadm.ACLBuilder, ops ...kadm.ACLOperation) {
		b := resource(kadm.NewACLs().Allow("User:alice").AllowHosts().Operations(ops...))
		if r, err := c.admin.CreateACLs(t.Context(), b); err != nil || r[0].Err != nil {
			t.Fatal(err, r)
		}
	}
	topic := func(names ...string) func(*kadm.ACLBuilder) *kadm.ACLBuilder {
		return func(b *kadm.ACLBuilder) *kadm.ACLBuilder { return b.Topics(names...) }
	}
	endsAs(streams.ClientOptions(kgo.SASL(saslplain.Auth{User: "alice", Pass: "wrong"}.AsMechanism())), "user", copyLines)
	ends("source-topic", copyLines)
	allow(topic("lines"), kadm.OpRead)
	ends("group", copyLines)
	allow(func(b *kadm.ACLBuilder) *kadm.ACLBuilder { return b.Groups("p1") }, kadm.OpRead)
	ends("sink-topic", copyLines)
	ends("internal-topic", countTable("words"))
	allow(topic("counts"), kadm.OpWrite)
	ends("transactional-id", copyLines, streams.ExactlyOnce())
}
