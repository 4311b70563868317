// Command bench measures our broker and Apache Kafka in the same run, with the same client and settings.
//
//	go run ./test/bench [-quick] [-systems leat-commit,kafka] [-only throughput,latency] [-markdown FILE]
//	go run ./test/bench -only streams [-quick] [-long] [-systems leat-os] [-markdown FILE]
//
// Each measurement runs on each system in turn, so that a slow minute of the machine meets all of them. The
// client is franz-go; one row uses Kafka's own Java perf client. Brokers are child processes and their cost is
// read from /proc, which is what makes results comparable on a machine where the client takes most of the CPU:
// MB per CPU-second of the broker says more than MB per second.
//
// The printed ratios are above 1 where ours is better.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"leat.dev/test/launch"
)

// settings are the sizes of a run.
type settings struct {
	quick          bool
	produceBytes   int64   // per throughput row
	produceSeconds float64 // at most
	consumeBytes   int64   // per throughput row, reading again from the start as often as needed
	latencyRates   []int
	latencySeconds int
	partitions     []int
	starts         int
	dir            string
}

func sizes(quick bool) settings {
	if quick {
		return settings{
			quick: true, produceBytes: 192 << 20, produceSeconds: 5, consumeBytes: 512 << 20,
			latencyRates: []int{1000}, latencySeconds: 5, partitions: []int{1000}, starts: 2,
		}
	}
	return settings{
		produceBytes: 1 << 30, produceSeconds: 12, consumeBytes: 3 << 30,
		latencyRates: []int{100, 1000, 10000}, latencySeconds: 15, partitions: []int{1000, 10000}, starts: 5,
	}
}

// A measurement fills rows of the table for one system.
type measurement struct {
	name  string
	which func(quick bool) bool // whether it is made for every flush setting, or only for each broker's default
	run   func(context.Context, *bench, system) error
}

func each(bool) bool         { return true }
func eachInFull(q bool) bool { return !q }
func onlyDefaults(bool) bool { return false }

var measurements = []measurement{
	{"startup", onlyDefaults, startup},
	{"throughput", each, throughput},
	{"latency", each, latency},
	{"java", eachInFull, javaPerf},
	{"tls", eachInFull, overTLS},
	{"transactions", each, transactions},
	{"committed", eachInFull, readCommitted},
	{"rebalance", onlyDefaults, rebalances},
	{"partitions", onlyDefaults, manyPartitions},
}

// bench is one run.
type bench struct {
	settings
	table *table
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, argv []string) error {
	flags := flag.NewFlagSet(argv[0], flag.ExitOnError)
	quick := flags.Bool("quick", false, "a couple of minutes (streams: five), for CI: shows that it works, figures are rough")
	only := flags.String("only", "", "measurements, of: floor,startup,throughput,latency,java,tls,transactions,committed,rebalance,partitions; or streams alone: applications of package streams beside Kafka Streams")
	which := flags.String("systems", "", "systems, of: leat-commit,leat-os,kafka,kafka-flush")
	dir := flags.String("dir", "", "where brokers keep their data; the disk under it is measured too")
	floor := flags.String("floor", "", "serve one connection of the floor's measurement: receive or send (used by this program)")
	markdown := flags.String("markdown", "", "write the table to this file as well")
	app := flags.String("streams-app", "", "be the streams application of this job (used by this program)")
	var streaming streamsSettings
	flags.BoolVar(&streaming.long, "long", false, "streams: 10 million records in place of 2 million")
	flags.Int64Var(&streaming.records, "records", 0, "streams: so many records")
	flags.StringVar(&streaming.workloads, "workloads", "", "streams: of filter,count,hop,hop-slices,join,table,restore")
	flags.StringVar(&streaming.sides, "side", "", "streams: leat or java alone")
	flags.StringVar(&streaming.guarantee, "guarantee", "", "streams: alo or eos alone")
	flags.StringVar(&streaming.caches, "caches", "", "streams: on or off alone")
	flags.StringVar(&streaming.broker, "broker", "", "streams: a broker that runs already, and may have the inputs of an earlier run with as many records")
	flags.StringVar(&streaming.profiles, "profiles", "", "streams: folder for profiles of our side")
	if err := flags.Parse(argv[1:]); err != nil {
		return err
	}
	if *floor != "" {
		return serveFloor(*floor, *dir)
	}
	if *app != "" {
		return runChild(*app)
	}
	b := &bench{settings: sizes(*quick), table: newTable()}
	b.dir = *dir
	chosen, err := available(ctx, pick(*which))
	if err != nil {
		return err
	}
	if *only == "streams" {
		return compareStreams(ctx, b, streaming, chosen[0], *markdown, argv)
	}
	if *only == "" || slices.Contains(strings.Split(*only, ","), "floor") {
		fmt.Println("-- floor")
		if err := floorRows(ctx, b); err != nil {
			return fmt.Errorf("floor: %w", err)
		}
	}
	for _, m := range measurements {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), m.name) {
			continue
		}
		for _, s := range chosen {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if !m.which(b.quick) && s.name != "leat-commit" && s.name != "kafka" {
				continue
			}
			fmt.Printf("-- %s: %s\n", m.name, s.name)
			if err := m.run(ctx, b, s); err != nil {
				var skip skipped
				if !errors.As(err, &skip) {
					return fmt.Errorf("%s on %s: %w", m.name, s.name, err)
				}
				fmt.Printf("SKIP %s on %s: %v\n", m.name, s.name, err)
			}
		}
	}
	fmt.Println()
	if err := b.table.text(os.Stdout); err != nil || *markdown == "" {
		return err
	}
	f, err := os.Create(*markdown)
	if err != nil {
		return err
	}
	b.table.markdown(f, "go run ./test/bench "+strings.Join(argv[1:], " "))
	return f.Close()
}

// compareStreams is a table of its own, on one broker.
func compareStreams(ctx context.Context, b *bench, set streamsSettings, s system, markdown string, argv []string) error {
	fmt.Printf("-- streams: broker %s\n", s.name)
	t, err := streamsRows(ctx, b, set, s)
	if t == nil {
		return err
	}
	fmt.Println()
	if e := t.text(os.Stdout); e != nil || markdown == "" {
		return errors.Join(err, e)
	}
	f, e := os.Create(markdown)
	if e != nil {
		return errors.Join(err, e)
	}
	t.markdown(f, "go run ./test/bench "+strings.Join(argv[1:], " "))
	return errors.Join(err, f.Close())
}

type skipped struct{ reason string }

func (s skipped) Error() string { return s.reason }

// A system is a broker with settings.
type system struct {
	name  string
	title string
	kind  string
	props map[string]string
	// listeners are more listeners of the broker, by protocol.
	listeners []string
}

var systems = []system{
	{name: "leat-commit", title: "Leat, fsync before the answer (default)", kind: launch.Leat, props: map[string]string{"log.flush": "commit"}},
	{name: "leat-os", title: "Leat, log.flush=os", kind: launch.Leat, props: map[string]string{"log.flush": "os"}},
	{name: "kafka", title: "Kafka, default (no fsync)", kind: launch.Kafka},
	{name: "kafka-flush", title: "Kafka, flush.messages=1", kind: launch.Kafka, props: map[string]string{"log.flush.interval.messages": "1"}},
}

func pick(names string) []system {
	if names == "" {
		return systems
	}
	var out []system
	for _, s := range systems {
		if slices.Contains(strings.Split(names, ","), s.name) {
			out = append(out, s)
		}
	}
	return out
}

// available drops systems that cannot run here and says why.
func available(ctx context.Context, wanted []system) ([]system, error) {
	var out []system
	for _, s := range wanted {
		dir, err := os.MkdirTemp("", "leat-bench-")
		if err != nil {
			return nil, err
		}
		_, err = launch.New(ctx, launch.Spec{Kind: s.kind, Dir: dir})
		_ = os.RemoveAll(dir)
		if errors.Is(err, launch.ErrUnavailable) {
			fmt.Printf("SKIP %s: %v\n", s.name, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, errors.New("no system can run here")
	}
	return out, nil
}
