package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// streamsProps let groups notice within seconds that a member is gone; Kafka's bounds allow no less than 45 s.
var streamsProps = map[string]string{
	"group.streams.min.session.timeout.ms":     "1000",
	"group.streams.session.timeout.ms":         "6000",
	"group.streams.min.heartbeat.interval.ms":  "100",
	"group.streams.heartbeat.interval.ms":      "500",
	"group.streams.initial.rebalance.delay.ms": "1000",
}

// javaStreams runs an application of Kafka Streams under exactly-once in two processes, by the classic protocol and by
// that of streams groups. In the middle one of them is killed, and the broker. What readers of committed data then see
// has to be what the input says, each output once and in its order.
func javaStreams(ctx context.Context, e *env) error {
	j, err := newJVM(ctx, e)
	if err != nil {
		return err
	}
	if err := have("javac", "default-jdk-headless"); err != nil {
		return err
	}
	if _, err := e.run(ctx, command{}, "javac", "-d", e.work, "-cp", j.lib+"/*", e.source("java", "StreamsJob.java")); err != nil {
		return err
	}
	for _, protocol := range []string{"classic", "streams"} {
		if err := runStreams(ctx, j, protocol); err != nil {
			return err
		}
	}
	return nil
}

// streamsRun is one application and what it has to make of its input.
type streamsRun struct {
	*jvm
	protocol string
	app      string
	state    string // the folder of state directories
	client   *kgo.Client
	random   *rand.Rand
	counts   map[string]int // words, windows

	mu   sync.Mutex
	want map[string][]string // topic and key -> values in order
	got  map[string][]string
	seen int
}

func runStreams(ctx context.Context, j *jvm, protocol string) error {
	app := "app-" + protocol
	state, err := os.MkdirTemp("", "leat-streams-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(state) }()
	r := &streamsRun{jvm: j, protocol: protocol, app: app, state: state, random: rand.New(rand.NewPCG(1, 7)),
		counts: map[string]int{}, want: map[string][]string{}, got: map[string][]string{}}
	r.client, err = kgo.NewClient(kgo.SeedBrokers(j.e.addr), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.ConsumeTopics(r.out()...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer r.client.Close()
	if err := r.prepare(ctx); err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go r.read(reading)

	var a, b *instance
	defer func() { a.kill(); b.kill() }()
	ok := r.step(ctx, "two processes start and work", func() error {
		if a, err = r.start("a"); err != nil {
			return err
		}
		if b, err = r.start("b"); err != nil {
			return err
		}
		return r.feed(ctx, 10)
	})
	ok = ok && r.step(ctx, "SIGKILL of one in the middle, and its return", func() error {
		if err := r.produce(ctx, 10); err != nil {
			return err
		}
		a.kill()
		if err := r.produce(ctx, 10); err != nil {
			return err
		}
		if a, err = r.start("a"); err != nil {
			return err
		}
		return r.feed(ctx, 10)
	})
	if ok && j.e.broker != nil {
		ok = r.step(ctx, "SIGKILL of the broker in the middle, and its return", func() error {
			if err := r.produce(ctx, 10); err != nil {
				return err
			}
			if err := j.e.broker.Kill(); err != nil {
				return err
			}
			if _, err := j.e.broker.Start(ctx); err != nil {
				return err
			}
			return r.feed(ctx, 10)
		})
	}
	if !ok {
		return fmt.Errorf("%s: %d of %d outputs\n%s\n%s", app, r.count(), r.expected(), a.tail(), b.tail())
	}
	r.step(ctx, "nothing is lost, nothing counted twice", r.compare)
	if protocol == "streams" {
		r.tools(ctx)
	}
	r.step(ctx, "both leave and end", func() error { return errors.Join(a.stop(), b.stop()) })
	if protocol == "streams" {
		r.toolsAfter(ctx)
	}
	return nil
}

func (r *streamsRun) step(ctx context.Context, name string, f func() error) bool {
	return r.e.step(ctx, r.protocol+": "+name, f)
}

func (r *streamsRun) out() []string {
	return []string{r.app + "-out-counts", r.app + "-out-windows", r.app + "-out-joined"}
}

const streamsUsers = 40

// prepare makes the topics and fills the table: who joins has to find everybody in it.
func (r *streamsRun) prepare(ctx context.Context) error {
	topics := r.out()
	for _, t := range []string{"words", "events", "users", "orders"} {
		topics = append(topics, r.app+"-in-"+t)
	}
	if _, err := kadm.NewClient(r.client).CreateTopics(ctx, 4, 1, nil, topics...); err != nil {
		return err
	}
	if r.protocol == "streams" {
		// Standby tasks are a setting of the group in this protocol.
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: r.app,
			Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "streams.num.standby.replicas", Value: kmsg.StringPtr("1")}}}}
		resp, err := req.RequestWith(ctx, r.client)
		if err == nil {
			err = kerr.ErrorForCode(resp.Resources[0].ErrorCode)
		}
		if err != nil {
			return err
		}
	}
	var records []*kgo.Record
	for i := range streamsUsers {
		rec := r.record("users", fmt.Sprint("user", i), fmt.Sprint("name", i))
		rec.Timestamp = rec.Timestamp.Add(-time.Hour) // before all orders
		records = append(records, rec)
	}
	return r.client.ProduceSync(ctx, records...).FirstErr()
}

var streamsBegin = time.Now().Truncate(time.Minute).Add(-time.Hour)

func (r *streamsRun) record(topic, key, value string) *kgo.Record {
	return &kgo.Record{Topic: r.app + "-in-" + topic, Key: []byte(key), Value: []byte(value), Timestamp: streamsBegin}
}

// produce writes parts of the input, and works out what has to come of them.
func (r *streamsRun) produce(ctx context.Context, parts int) error {
	for range parts {
		var records []*kgo.Record
		r.mu.Lock()
		for range 10 {
			var words []string
			for range 4 {
				w := fmt.Sprint("word", r.random.IntN(30))
				words = append(words, w)
				r.expect("counts", w)
			}
			records = append(records, r.record("words", fmt.Sprint(r.random.IntN(20)), strings.Join(words, " ")))
		}
		for range 30 {
			key := fmt.Sprint("key", r.random.IntN(10))
			at := streamsBegin.Add(time.Duration(r.random.IntN(60)) * time.Second)
			rec := r.record("events", key, "x")
			rec.Timestamp = at
			records = append(records, rec)
			r.expect("windows", fmt.Sprintf("%s@%d", key, at.Truncate(10*time.Second).UnixMilli()))
		}
		for range 20 {
			r.counts["orders"]++
			n := r.random.IntN(streamsUsers)
			item := fmt.Sprint("item", r.counts["orders"])
			records = append(records, r.record("orders", fmt.Sprint("user", n), item))
			key := r.app + "-out-joined " + item
			r.want[key] = append(r.want[key], fmt.Sprint("name", n))
		}
		r.mu.Unlock()
		if err := r.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
			return err
		}
		// A little at a time, so that what happens meanwhile happens in the middle of transactions.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// expect notes that a count goes up by one.
func (r *streamsRun) expect(topic, key string) {
	key = r.app + "-out-" + topic + " " + key
	r.counts[key]++
	r.want[key] = append(r.want[key], strconv.Itoa(r.counts[key]))
}

// feed produces and waits until all outputs so far are there.
func (r *streamsRun) feed(ctx context.Context, parts int) error {
	if err := r.produce(ctx, parts); err != nil {
		return err
	}
	deadline := time.After(100 * time.Second)
	for r.count() < r.expected() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return fmt.Errorf("after 100 s %d of %d outputs are there: %w", r.count(), r.expected(), r.compare())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func (r *streamsRun) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

func (r *streamsRun) expected() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, values := range r.want {
		n += len(values)
	}
	return n
}

// read collects what is committed.
func (r *streamsRun) read(ctx context.Context) {
	for ctx.Err() == nil {
		r.client.PollFetches(ctx).EachRecord(func(rec *kgo.Record) {
			r.mu.Lock()
			defer r.mu.Unlock()
			key := rec.Topic + " " + string(rec.Key)
			r.got[key] = append(r.got[key], string(rec.Value))
			r.seen++
		})
	}
}

// compare waits a little for outputs that should not be, and holds all of them against what the input says.
func (r *streamsRun) compare() error {
	<-time.After(time.Second)
	r.mu.Lock()
	defer r.mu.Unlock()
	var wrong []string
	for key, want := range r.want {
		if got := r.got[key]; !slices.Equal(got, want) {
			wrong = append(wrong, fmt.Sprintf("%s: %v instead of %v", key, got, want))
		}
	}
	for key, got := range r.got {
		if r.want[key] == nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v instead of nothing", key, got))
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return fmt.Errorf("%d keys are wrong, among them\n%s", len(wrong), strings.Join(wrong[:min(5, len(wrong))], "\n"))
	}
	fmt.Fprintf(r.e.w, "        %d outputs of %d keys\n", r.seen, len(r.want))
	return nil
}

// tools runs Kafka's console tools on the application while it works.
func (r *streamsRun) tools(ctx context.Context) {
	t := &tools{jvm: r.jvm, ctx: ctx}
	const groups, streams = "org.apache.kafka.tools.GroupsCommand", "org.apache.kafka.tools.streams.StreamsGroupCommand"
	group := []string{"--describe", "--group", r.app}
	t.check("kafka-groups: list", "", groups, t.at("--list"), `app-streams\s+Streams\s+streams`)
	t.check("kafka-streams-groups: list", "", streams, t.at("--list", "--state"), `app-streams\s+Stable`)
	t.check("kafka-streams-groups: state", "", streams, t.at(append(group, "--state")...), `app-streams\s+\S+ \(\d+\)\s+Stable\s+4`)
	t.check("kafka-streams-groups: members", "", streams, t.at(append(group, "--members", "--verbose")...), `ACTIVE: \d`, `STANDBY: \d`)
	t.check("kafka-streams-groups: offsets", "", streams, t.at(group...), `app-streams-in-words\s+\d`, `app-streams-by-word-repartition`)
}

// toolsAfter does what only a group without members allows.
func (r *streamsRun) toolsAfter(ctx context.Context) {
	t := &tools{jvm: r.jvm, ctx: ctx}
	const streams = "org.apache.kafka.tools.streams.StreamsGroupCommand"
	t.check("kafka-streams-groups: empty", "", streams, t.at("--list", "--state", "Empty"), `app-streams\s+Empty`)
	t.check("kafka-streams-groups: reset offsets", "", streams, t.at("--reset-offsets", "--group", r.app, "--input-topic", r.app+"-in-words", "--to-earliest", "--execute"), `app-streams-in-words\s+\d\s+0`)
	t.check("kafka-streams-groups: delete offsets", "", streams, t.at("--delete-offsets", "--group", r.app, "--input-topic", r.app+"-in-words"), "Successful")
	t.check("kafka-streams-groups: delete", "", streams, t.at("--delete", "--group", r.app, "--delete-all-internal-topics"), "successful")
	r.step(ctx, "its internal topics went with the group", func() error {
		topics, err := kadm.NewClient(r.client).ListTopics(ctx)
		if err != nil {
			return err
		}
		for _, name := range topics.Names() {
			if strings.HasPrefix(name, r.app+"-") && (strings.HasSuffix(name, "-changelog") || strings.HasSuffix(name, "-repartition")) {
				return fmt.Errorf("%w: %s is left", kerr.TopicAlreadyExists, name)
			}
		}
		return nil
	})
}

// instance is a running process of the application.
type instance struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// start runs a process. One that was killed comes back with its state.
func (r *streamsRun) start(id string) (*instance, error) {
	args := r.args("StreamsJob", r.e.addr, r.app, r.protocol, filepath.Join(r.state, id), id)
	for i, arg := range args {
		if arg == "-cp" {
			args[i+1] = r.e.work + ":" + args[i+1]
		}
	}
	if r.protocol == "classic" {
		args = append(args, "num.standby.replicas=1", "consumer.session.timeout.ms=6000", "consumer.heartbeat.interval.ms=500")
	}
	in := &instance{cmd: exec.Command("java", args...), log: filepath.Join(r.state, id+".log"), done: make(chan struct{})}
	f, err := os.OpenFile(in.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the child has its own descriptor
	in.cmd.Stdout, in.cmd.Stderr = f, f
	in.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := in.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = in.cmd.Wait()
		close(in.done)
	}()
	return in, nil
}

func (in *instance) kill() {
	if in != nil {
		_ = in.cmd.Process.Kill()
		<-in.done
	}
}

func (in *instance) stop() error {
	if err := in.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("%w\n%s", err, in.tail())
	}
	select {
	case <-in.done:
		return nil
	case <-time.After(30 * time.Second):
		return fmt.Errorf("still there 30 s after SIGTERM\n%s", in.tail())
	}
}

// tail is the end of what the process said.
func (in *instance) tail() string {
	if in == nil {
		return "not started"
	}
	f, err := os.Open(in.log)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	all, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(all)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
