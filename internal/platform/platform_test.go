package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/broker/transport"
)

// patience is how long a test waits for what should take a moment; machines that run tests are busy.
const patience = time.Minute

// running is a platform in this process, on real files.
type running struct {
	Info
	t    *testing.T
	stop context.CancelFunc
	done chan error
	once sync.Once
}

// start runs a platform on dir and waits until it is ready.
func start(t *testing.T, dir string, change func(*Options)) *running {
	t.Helper()
	o := Options{Data: dir, HTTP: "127.0.0.1:0", Settings: map[string]string{
		"listeners": "PLAINTEXT://127.0.0.1:0", "group.initial.rebalance.delay.ms": "0", "offsets.topic.num.partitions": "2",
	}}
	if change != nil {
		change(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, stop: cancel, done: make(chan error, 1)}
	ready := make(chan Info, 1)
	o.Ready = func(i Info) { ready <- i }
	go func() { r.done <- Run(ctx, o) }()
	select {
	case r.Info = <-ready:
	case err := <-r.done:
		cancel()
		t.Fatalf("did not start: %v", err)
	}
	t.Cleanup(func() { r.close() })
	return r
}

func (r *running) close() {
	r.t.Helper()
	r.once.Do(func() {
		r.stop()
		if err := <-r.done; err != nil {
			r.t.Errorf("stopping: %v", err)
		}
	})
}

func (r *running) address() string { return strings.TrimPrefix(r.Listeners[0], "PLAINTEXT://") }

func (r *running) client(opts ...kgo.Opt) *kgo.Client {
	r.t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(r.address()), kgo.AllowAutoTopicCreation(),
		kgo.UnknownTopicRetries(20), kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }))...)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *running) get(path string) (int, string) {
	r.t.Helper()
	resp, err := http.Get("http://" + r.HTTP + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func produceN(t *testing.T, c *kgo.Client, topic string, n int) {
	t.Helper()
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, "%d", i)})
	}
	if err := c.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func consumeN(t *testing.T, c *kgo.Client, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := 0
	for got < n {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", got, n, err)
		}
		got += fetches.NumRecords()
	}
	if got != n {
		t.Fatalf("%d records, want %d", got, n)
	}
}

// A client produces and consumes in a group, before and after a restart, and the group goes on where it was.
func TestEndToEnd(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, nil)
	if r.Partitions != 0 || r.NodeID != 1 || r.ClusterID == "" {
		t.Errorf("%+v", r.Info)
	}
	c := r.client()
	produceN(t, c, "events", 500)
	c.Close()
	g := r.client(kgo.ConsumerGroup("g"), kgo.ConsumeTopics("events"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	consumeN(t, g, 500)
	if err := g.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.Close()
	cluster := r.ClusterID
	r.close()

	r = start(t, dir, nil)
	if r.ClusterID != cluster || r.Partitions != 3 { // events and two of __consumer_offsets
		t.Errorf("after a restart: %+v", r.Info)
	}
	c = r.client()
	produceN(t, c, "events", 20)
	c.Close()
	g = r.client(kgo.ConsumerGroup("g"), kgo.ConsumeTopics("events"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer g.Close()
	consumeN(t, g, 20)
}

func TestHTTP(t *testing.T) {
	r := start(t, t.TempDir(), nil)
	c := r.client()
	defer c.Close()
	produceN(t, c, "t", 10)
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ready"} {
		if code, body := r.get(path); code != 200 || strings.TrimSpace(body) != want {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}
	code, body := r.get("/metrics")
	if code != 200 {
		t.Fatalf("metrics: %d", code)
	}
	for _, want := range []string{
		`leat_requests_total{api="Produce"}`, "leat_connections ", `leat_topic_log_end_offset_sum{topic="t"} 10`,
		"leat_flush_seconds_count", "process_resident_memory_bytes", `leat_partitions_offline 0`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if code, _ := r.get("/debug/pprof/"); code != 404 {
		t.Errorf("profiles are served unasked: %d", code)
	}
}

func TestTwoProcessesOneDirectory(t *testing.T) {
	dir := t.TempDir()
	start(t, dir, nil)
	err := Run(t.Context(), Options{Data: dir, Settings: map[string]string{"listeners": "PLAINTEXT://127.0.0.1:0"}})
	if !errors.Is(err, vfs.ErrLocked) || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("got %v", err)
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	err = Run(t.Context(), Options{Data: dir, Settings: map[string]string{"listeners": "PLAINTEXT://" + l.Addr().String()}})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("listener: %v", err)
	}
	err = Run(t.Context(), Options{Data: dir, HTTP: l.Addr().String(), Settings: map[string]string{"listeners": "PLAINTEXT://127.0.0.1:0"}})
	if err == nil || !strings.Contains(err.Error(), "metrics and health") {
		t.Errorf("http: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "log")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the log directory was made although nothing could start: %v", err)
	}
}

func TestListenerSettings(t *testing.T) {
	bad := map[string]map[string]string{
		"not NAME://host:port":     {"listeners": "PLAINTEXT://nowhere"},
		"no port between":          {"listeners": "PLAINTEXT://127.0.0.1:99999"},
		"stands twice":             {"listeners": "PLAINTEXT://127.0.0.1:0,PLAINTEXT://127.0.0.2:0"},
		"Krb5LoginModule":          {"listeners": "SASL_SSL://127.0.0.1:0"},
		"clients cannot connect":   {"listeners": "PLAINTEXT://127.0.0.1:0", "advertised.listeners": "PLAINTEXT://0.0.0.0:9092"},
		"which listeners does not": {"listeners": "PLAINTEXT://127.0.0.1:0", "advertised.listeners": "OTHER://h:9092"},
		"nosuch.setting":           {"nosuch.setting": "1"},
	}
	for want, settings := range bad {
		// A platform that runs although it should not is stopped by the context.
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := Run(ctx, Options{Data: t.TempDir(), Settings: settings}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", settings, err, want)
		}
	}
	r := start(t, t.TempDir(), func(o *Options) {
		o.Settings["listeners"] = "PLAINTEXT://127.0.0.1:0,INSIDE://127.0.0.1:0"
		o.Settings["advertised.listeners"] = "PLAINTEXT://public.example:9999"
		o.Settings["listener.security.protocol.map"] = "PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT"
	})
	if r.Listeners[0] != "PLAINTEXT://public.example:9999" || !strings.HasPrefix(r.Listeners[1], "INSIDE://127.0.0.1:") {
		t.Errorf("%q", r.Listeners)
	}
}

// Clients of the same process need no socket.
func TestMemoryListener(t *testing.T) {
	memory := transport.NewMemory("inside")
	start(t, t.TempDir(), func(o *Options) { o.Memory = memory })
	c, err := kgo.NewClient(kgo.SeedBrokers("localhost:9092"), kgo.Dialer(memory.DialContext), kgo.AllowAutoTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	produceN(t, c, "inside", 100)
}

// Stopping while producers are at work loses nothing that was acknowledged, and the directory is clean afterwards.
func TestStopUnderLoad(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, nil)
	var acked atomic.Int64
	var clients []*kgo.Client
	for range 3 {
		c := r.client(kgo.RecordRetries(0), kgo.DefaultProduceTopic("load"), kgo.ProducerBatchCompression(kgo.NoCompression()))
		clients = append(clients, c)
	}
	produceN(t, clients[0], "load", 1)
	acked.Add(1)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	enough := make(chan struct{})
	var once sync.Once
	for _, c := range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				c.Produce(ctx, &kgo.Record{Value: make([]byte, 1000)}, func(_ *kgo.Record, err error) {
					if err == nil && acked.Add(1) > 5000 {
						once.Do(func() { close(enough) })
					}
				})
			}
		})
	}
	<-enough
	began := time.Now()
	r.close()
	if took := time.Since(began); took > patience {
		t.Errorf("stopping took %v", took)
	}
	cancel()
	wg.Wait()
	for _, c := range clients {
		c.Close()
	}
	if _, err := os.Stat(filepath.Join(dir, "log", ".kafka_cleanshutdown")); err != nil {
		t.Error(err)
	}
	r = start(t, dir, nil)
	c := r.client(kgo.ConsumeTopics("load"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close()
	deadline, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	var got int64
	for want := acked.Load(); got < want; {
		f := c.PollFetches(deadline)
		if err := f.Err(); err != nil {
			t.Fatalf("read %d of %d acknowledged records: %v", got, want, err)
		}
		got += int64(f.NumRecords())
	}
}

func TestLoadSettings(t *testing.T) {
	dir := t.TempDir()
	yaml := filepath.Join(dir, "leat.yaml")
	if err := os.WriteFile(yaml, []byte("data: /d\nhttp: 127.0.0.1:1\nlog:\n  retention.ms: 5\n  segment:\n    bytes: 1048576\nlisteners:\n  - PLAINTEXT://a:1\n  - B://b:2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var o Options
	err := o.LoadSettings(Sources{File: yaml, Environ: []string{"LEAT_LOG_RETENTION_MS=6", "LEAT_OUTPUT=json", "HOME=/x", "LEAT_NUM_PARTITIONS=3"}, Set: []string{"num.partitions=4"}})
	if err != nil {
		t.Fatal(err)
	}
	if o.Data != "/d" || o.HTTP != "127.0.0.1:1" {
		t.Errorf("%+v", o)
	}
	for name, want := range map[string]string{
		"log.retention.ms": "6", "log.segment.bytes": "1048576", "listeners": "PLAINTEXT://a:1,B://b:2", "num.partitions": "4",
	} {
		if o.Settings[name] != want {
			t.Errorf("%s is %q, want %q", name, o.Settings[name], want)
		}
	}
	if len(o.Settings) != 4 {
		t.Errorf("%q", o.Settings)
	}
	properties := filepath.Join(dir, "server.properties")
	if err := os.WriteFile(properties, []byte("# Kafka's\nlog.retention.ms = 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o = Options{}
	if err := o.LoadSettings(Sources{File: properties}); err != nil || o.Settings["log.retention.ms"] != "7" {
		t.Errorf("%v %q", err, o.Settings)
	}
	for _, s := range []Sources{{File: filepath.Join(dir, "missing")}, {Set: []string{"nonsense"}}} {
		if err := new(Options).LoadSettings(s); err == nil {
			t.Errorf("%+v passes", s)
		}
	}
}

func TestLogDirsThatLeaveDataOut(t *testing.T) {
	mem := vfs.NewMem(1)
	check := func(want bool, meta string, dirs ...string) {
		t.Helper()
		if err := leftOut(mem, "/data/log", meta, dirs); (err != nil) != want {
			t.Errorf("%s: %v", dirs, err)
		}
	}
	check(false, "/a", "/a", "/b")
	for _, dir := range []string{"/data", "/data/log"} {
		if err := mem.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := vfs.WriteFileAtomic(mem, "/data/log/meta.properties", nil); err != nil {
		t.Fatal(err)
	}
	check(true, "/a", "/a", "/b")
	check(false, "/data/log", "/data/log", "/b")
	check(false, "/a", "/a", "/data/log")
	if err := mem.MkdirAll("/a"); err != nil {
		t.Fatal(err)
	}
	if err := vfs.WriteFileAtomic(mem, "/a/meta.properties", nil); err != nil {
		t.Fatal(err)
	}
	check(false, "/a", "/a", "/b")
}
