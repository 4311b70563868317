// Package streamsapp runs streams applications as their users do, against a broker that is a child process: results, restarts,
// aborts, rebalances between instances, errors. Applications run in the test's process.
package streamsapp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
	"leat.dev/test/launch"
	"leat.dev/test/shell"
)

// patience is how long a test waits for what should take a moment; machines that run tests are busy.
const patience = 3 * time.Minute

// cluster is a broker with a client.
type cluster struct {
	t      testing.TB
	broker *launch.Broker
	client *kgo.Client
	admin  *kadm.Client
	said   *history // by the applications

	protocol streams.Protocol // of the applications
	addr     string           // of the listener that applications use; default: the first
}

// kinds are the brokers to test against: ours, and Apache Kafka where LEAT_KAFKA=1 asks for it.
func kinds() []string {
	if os.Getenv("LEAT_KAFKA") != "" {
		return []string{launch.Leat, launch.Kafka}
	}
	return []string{launch.Leat}
}

func onEach(t *testing.T, f func(t *testing.T, c *cluster)) {
	for _, kind := range kinds() {
		t.Run(kind, func(t *testing.T) { f(t, start(t, kind)) })
	}
}

func start(t testing.TB, kind string) *cluster {
	t.Helper()
	return startWith(t, kind, launch.Spec{})
}

// startWith starts a broker with more listeners and settings.
func startWith(t testing.TB, kind string, spec launch.Spec) *cluster {
	t.Helper()
	props := map[string]string{
		"log.retention.ms":                 "-1", // records of tests are from 1970, and Apache Kafka looks for old ones 30 s after its start
		"group.initial.rebalance.delay.ms": "0", "group.min.session.timeout.ms": "1000", "auto.create.topics.enable": "false", "log.flush": "os",
		"group.streams.initial.rebalance.delay.ms": "0", "group.streams.assignment.interval.ms": "0",
		"group.streams.min.heartbeat.interval.ms": "100", "group.streams.heartbeat.interval.ms": "500",
		"group.streams.min.session.timeout.ms": "1000", "group.streams.session.timeout.ms": "6000",
	}
	plain := len(spec.Props)+len(spec.Listeners) == 0
	maps.Copy(props, spec.Props)
	spec.Kind, spec.HeapMB, spec.Props = kind, 512, props
	if kind == launch.Kafka && plain {
		return connect(t, sharedKafka(t, spec))
	}
	spec.Dir = t.TempDir()
	b := run(t, spec)
	t.Cleanup(func() { _ = b.Kill() })
	return connect(t, b)
}

// run starts a broker.
func run(t testing.TB, spec launch.Spec) *launch.Broker {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b, err := launch.New(ctx, spec)
	if errors.Is(err, launch.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

// kafka is the one Kafka of all tests, which takes seconds to start.
var kafka *launch.Broker

// sharedKafka is a Kafka without topics and groups.
func sharedKafka(t testing.TB, spec launch.Spec) *launch.Broker {
	t.Helper()
	if kafka == nil || !kafka.Running() {
		dir, err := os.MkdirTemp("", "leat-kafka-") //nolint:usetesting // it outlives the test
		if err != nil {
			t.Fatal(err)
		}
		spec.Dir = dir
		b := run(t, spec)
		kafka = b
		shell.AtExit(func() { _, _ = b.Kill(), os.RemoveAll(dir) })
	}
	b := kafka
	t.Cleanup(func() { // after the cleanup of those that use it
		if err := empty(b); err != nil {
			t.Logf("Kafka is not as it was, the next test gets another: %v", err)
			_ = b.Kill()
		}
	})
	return b
}

// empty deletes all topics and groups.
func empty(b *launch.Broker) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return err
	}
	if names := topics.Names(); len(names) > 0 {
		if _, err := admin.DeleteTopics(ctx, names...); err != nil {
			return err
		}
	}
	groups, err := admin.ListGroups(ctx)
	if err != nil {
		return err
	}
	if len(groups) == 0 {
		return nil
	}
	ctx, giveUp := context.WithTimeout(ctx, 30*time.Second)
	defer giveUp()
	ticks := time.NewTicker(100 * time.Millisecond)
	defer ticks.Stop()
	for { // static members stay until their session times out
		deleted, err := admin.DeleteGroups(ctx, groups.Groups()...)
		if err == nil {
			err = deleted.Error()
		}
		if err == nil || errors.Is(err, kerr.GroupIDNotFound) {
			return nil
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return err
		}
	}
}

// connect gives a broker its clients.
func connect(t testing.TB, b *launch.Broker) *cluster {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.MetadataMinAge(20*time.Millisecond),
		kgo.AlwaysRetryEOF()) // a broker that is killed as a client connects
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &cluster{t: t, broker: b, client: client, admin: kadm.NewClient(client), said: &history{}}
}

// with is the cluster for a subtest.
func (c *cluster) with(t testing.TB) *cluster {
	other := *c
	other.t = t
	return &other
}

func (c *cluster) create(partitions int32, topics ...string) {
	c.t.Helper()
	if _, err := c.admin.CreateTopics(c.t.Context(), partitions, 1, nil, topics...); err != nil {
		c.t.Fatal(err)
	}
	// Kafka tells of them when its log of metadata was read.
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	for {
		there, err := c.admin.ListTopics(ctx)
		if err != nil {
			c.t.Fatal(err)
		}
		if !slices.ContainsFunc(topics, func(name string) bool { return !there.Has(name) || there[name].Err != nil }) {
			return
		}
		<-ticks.C
	}
}

// send writes records "key=value@time"; without a time it is 0.
func (c *cluster) send(topic string, records ...string) {
	c.t.Helper()
	var out []*kgo.Record
	for i, r := range records {
		key, value, _ := strings.Cut(r, "=")
		out = append(out, &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value), Timestamp: time.UnixMilli(int64(i))})
	}
	if err := c.client.ProduceSync(c.t.Context(), out...).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

// read gives all committed records of a topic until done says so, per partition in order.
func (c *cluster) read(topic string, done func([]*kgo.Record) bool) []*kgo.Record {
	c.t.Helper()
	reader, err := kgo.NewClient(kgo.SeedBrokers(c.broker.Addr()), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		c.t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	var all []*kgo.Record
	for !done(all) {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			c.t.Fatalf("waiting for topic %s: it has %d records, at last\n%s\n%s", topic, len(all), show(all), c.diagnose())
		}
		all = append(all, fetches.Records()...)
	}
	return all
}

func show(records []*kgo.Record) string {
	var b strings.Builder
	for _, r := range records[max(0, len(records)-50):] {
		fmt.Fprintf(&b, "%d:%d %s=%s\n", r.Partition, r.Offset, r.Key, r.Value)
	}
	return b.String()
}

// last gives the last value of each key.
func last(records []*kgo.Record) map[string]string {
	out := map[string]string{}
	for _, r := range records {
		out[string(r.Key)] = string(r.Value)
	}
	return out
}

// running is an app in the background.
type running struct {
	t      testing.TB
	app    *streams.App
	cancel context.CancelFunc
	done   chan struct{}
	err    error // readable when done is closed
	mu     sync.Mutex
	states []streams.State
	change chan struct{}
}

func (c *cluster) run(id string, build func(*streams.Builder), o ...streams.AppOption) *running {
	c.t.Helper()
	o = append([]streams.AppOption{streams.Brokers(cmp.Or(c.addr, c.broker.Addr())), streams.CommitEvery(50 * time.Millisecond), streams.Logger(c.logger()), streams.GroupProtocol(c.protocol)}, o...)
	app, err := streams.New(id, build, o...)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: c.t, app: app, cancel: cancel, done: make(chan struct{}), change: make(chan struct{}, 100)}
	app.OnState(func(_, now streams.State) {
		r.mu.Lock()
		r.states = append(r.states, now)
		r.mu.Unlock()
		select {
		case r.change <- struct{}{}:
		default:
		}
	})
	go func() { defer close(r.done); r.err = app.Run(ctx) }()
	c.t.Cleanup(func() { cancel(); <-r.done })
	return r
}

func (c *cluster) logger() *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.NewTextHandler(c.said, nil))
	}
	return slog.New(slog.NewTextHandler(io.MultiWriter(c.said, c.t.Output()), nil))
}

// await waits for a state.
func (r *running) await(want streams.State) {
	r.t.Helper()
	limit := time.After(patience)
	for r.app.State() != want {
		select {
		case <-r.change:
		case <-r.done:
			r.t.Fatalf("the app ended while it should become %s: %v", want, r.err)
		case <-limit:
			r.t.Fatalf("the app does not become %s, it is %s", want, r.app.State())
		}
	}
}

// close ends the app cleanly.
func (r *running) close() {
	r.t.Helper()
	r.cancel()
	if err := r.end(); err != nil {
		r.t.Fatal(err)
	}
}

// end waits for the end of Run.
func (r *running) end() error {
	r.t.Helper()
	select {
	case <-r.done:
		return r.err
	case <-time.After(patience):
		r.t.Fatal("the app does not end")
		return nil
	}
}

func keys(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return strings.Join(out, " ")
}
