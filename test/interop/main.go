// Command interop runs foreign Kafka clients, each fetched from its own registry, against a broker.
//
//	go run ./test/interop -broker leat|kafka|HOST:PORT -client all|kcat,java,...
//
// Each client is a job of its own with a fresh broker, and ends as PASS, FAIL or SKIP with the reason. The same
// jobs run against Apache Kafka, which is how a job is checked before it judges us. Nothing here imports the
// broker's inside, and nothing is kept but caches: jars and virtual environments under ~/.cache/leat, the rest
// under test/interop/work.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"leat.dev/test/launch"
)

// jobs in the order they run: the quick ones first.
var jobs = []job{
	{name: "kcat", from: "Debian", limit: 3 * time.Minute, run: kcat},
	{name: "confluent-kafka", from: "PyPI", limit: 5 * time.Minute, run: confluentKafka},
	{name: "kafka-python", from: "PyPI", limit: 5 * time.Minute, run: kafkaPython},
	{name: "aiokafka", from: "PyPI", limit: 5 * time.Minute, run: aioKafka},
	{name: "kafkajs", from: "npm", limit: 4 * time.Minute, run: kafkaJS},
	{name: "confluent-js", from: "npm", limit: 12 * time.Minute, run: confluentJS},
	{name: "sarama", from: "Go proxy", limit: 5 * time.Minute, run: sarama},
	{name: "schemas-python", from: "PyPI", limit: 8 * time.Minute, run: schemasPython},
	{name: "schemas-go", from: "Go proxy", limit: 8 * time.Minute, run: schemasGo},
	{name: "java", from: "Maven Central", limit: 6 * time.Minute, run: javaClients},
	{name: "java-share", from: "Maven Central", limit: 7 * time.Minute, run: shareClients},
	{name: "security", from: "Debian, Maven Central", limit: 6 * time.Minute, run: security},
	{name: "kerberos", from: "Debian, Maven Central", limit: 4 * time.Minute, run: kerberos},
	{name: "java-streams", from: "Maven Central", limit: 8 * time.Minute, run: javaStreams, props: streamsProps},
	{name: "java-tools", from: "Maven Central", limit: 8 * time.Minute, run: javaTools},
	{name: "coordinators", from: "Maven Central", limit: 20 * time.Minute, run: coordinatorScripts},
	{name: "answers", from: "Maven Central", limit: 25 * time.Minute, run: recordedAnswers},
	{name: "streams-oracle", from: "Maven Central", limit: 8 * time.Minute, run: streamsOracle},
	{name: "kgo", from: "Go proxy", limit: 12 * time.Minute, run: kgoSuite, props: kgoProps, listeners: []string{"SASL_PLAINTEXT"}},
}

func main() {
	broker := flag.String("broker", launch.Leat, "leat, kafka, or the address of a running broker")
	clients := flag.String("client", "all", "all, or some of: "+strings.Join(names(), ","))
	within := flag.Duration("within", 0, "time for all of them; those that do not fit are skipped, 0: no limit")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *within > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, *within, errNoTime)
		defer cancel()
		ctx = limited
	}
	failed, err := runAll(ctx, os.Stdout, *broker, *clients)
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(2)
	}
	if failed {
		os.Exit(1)
	}
}

// errNoTime is why a job is skipped that did not fit into the time for all.
var errNoTime = errors.New("the time for all jobs was over")

func names() []string {
	var out []string
	for _, j := range jobs {
		out = append(out, j.name)
	}
	return out
}

func runAll(ctx context.Context, w io.Writer, broker, clients string) (failed bool, err error) {
	want := strings.Split(clients, ",")
	for _, c := range want {
		if c != "all" && !slices.Contains(names(), c) {
			return false, fmt.Errorf("no client %q: %s", c, strings.Join(names(), ", "))
		}
	}
	root, err := launch.Root()
	if err != nil {
		return false, err
	}
	var lines []string
	for _, j := range jobs {
		if clients != "all" && !slices.Contains(want, j.name) {
			continue
		}
		fmt.Fprintf(w, "--- %s (%s) against %s\n", j.name, j.from, broker)
		begin := time.Now()
		err := runJob(ctx, w, root, broker, j)
		if err != nil && errors.Is(context.Cause(ctx), errNoTime) {
			err = skipError{errNoTime.Error()}
		}
		took := time.Since(begin).Round(100 * time.Millisecond)
		var skip skipError
		switch {
		case err == nil:
			lines = append(lines, fmt.Sprintf("PASS %s (%v)", j.name, took))
		case errors.As(err, &skip):
			lines = append(lines, fmt.Sprintf("SKIP %s: %s", j.name, skip.reason))
		default:
			failed = true
			lines = append(lines, fmt.Sprintf("FAIL %s (%v): %s", j.name, took, firstLine(err)))
			fmt.Fprintln(w, err)
		}
		fmt.Fprintln(w, lines[len(lines)-1])
	}
	fmt.Fprintf(w, "\ninterop against %s:\n%s\n", broker, strings.Join(lines, "\n"))
	return failed, nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// runJob gives the job a fresh broker, unless an address was named, and takes it away again.
func runJob(ctx context.Context, w io.Writer, root, broker string, j job) error {
	ctx, cancel := context.WithTimeout(ctx, j.limit)
	defer cancel()
	e := &env{job: j.name, addr: broker, root: root, work: filepath.Join(root, "test", "interop", "work", j.name), w: w}
	if err := os.MkdirAll(e.work, 0o750); err != nil {
		return err
	}
	if strings.Contains(broker, ":") {
		return e.finish(j.run(ctx, e))
	}
	dir, err := os.MkdirTemp("", "leat-interop-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	props := map[string]string{
		"num.partitions":                   "4",
		"group.initial.rebalance.delay.ms": "0",
	}
	maps.Copy(props, j.props)
	e.broker, err = launch.New(ctx, launch.Spec{Kind: broker, Dir: dir, HeapMB: 768, Props: props, Listeners: j.listeners})
	if errors.Is(err, launch.ErrUnavailable) {
		return skipError{err.Error()}
	}
	if err != nil {
		return err
	}
	if _, err := e.broker.Start(ctx); err != nil {
		return err
	}
	e.addr = e.broker.Addr()
	err = e.finish(j.run(ctx, e))
	if !e.broker.Running() {
		return fmt.Errorf("the broker ended during the job (%w):\n%s", cmp.Or(err, errors.New("the job saw nothing of it")), e.broker.LogTail(30))
	}
	var skip skipError
	if err != nil && !errors.As(err, &skip) {
		err = fmt.Errorf("%w\nthe broker's last lines:\n%s", err, e.broker.LogTail(15))
	}
	stopCtx, cancelStop := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancelStop()
	if _, stopErr := e.broker.Stop(stopCtx); stopErr != nil && err == nil {
		err = fmt.Errorf("after the job: %w", stopErr)
	}
	return err
}
