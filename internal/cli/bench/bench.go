// Package bench holds the commands under "leat bench": how fast a cluster takes and gives records, and how long a
// record is under way at a given rate. Latencies count from when a record was due, not from when the client got
// round to it, so a stall of the cluster shows in all records that it held up.
//
// Each producing client has one goroutine that ends with the run; the Kafka client's own end with Close.
package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/produce"
	"leat.dev/internal/cli/screen"
)

// New makes the command tree.
func New(env *command.Env) *cobra.Command {
	return command.Parent("bench", "Measure throughput and latency",
		"Measure throughput and latency. Without a topic a temporary one is made and deleted again.",
		newProduce(env), newConsume(env), newLatency(env))
}

// load is what producing benchmarks have in common.
type load struct {
	records     int64
	duration    time.Duration
	recordSize  int
	rate        float64
	clients     int
	keys        int
	partitions  int32
	replication int16
	settings    []string
	keep        bool
	compression string
	level       int
	acks        string
	idempotence bool
	linger      time.Duration
	batchBytes  int32
}

func (l *load) flags(f *pflag.FlagSet) {
	f.IntVar(&l.recordSize, "record-size", l.recordSize, "bytes of each value")
	f.Float64Var(&l.rate, "rate", l.rate, "records per second in all; 0 for as fast as possible")
	f.DurationVar(&l.duration, "duration", l.duration, "how long to run")
	f.Int32VarP(&l.partitions, "partitions", "p", l.partitions, "partitions of a topic that is created")
	f.Int16VarP(&l.replication, "replication-factor", "r", -1, "replicas of a topic that is created; -1 for the broker's default")
	f.StringArrayVarP(&l.settings, "config", "c", nil, "a setting of a topic that is created, name=value; repeatable")
	f.BoolVar(&l.keep, "keep", false, "keep a topic that was created")
	f.StringVarP(&l.compression, "compression", "z", "none", "none, gzip, snappy, lz4 or zstd")
	f.IntVar(&l.level, "compression-level", 0, "level of the codec; 0 for its default")
	f.StringVar(&l.acks, "acks", "all", "all, 1 or 0")
	f.BoolVar(&l.idempotence, "idempotence", true, "no duplicates when the client retries (needs --acks all)")
	f.DurationVar(&l.linger, "linger", l.linger, "wait this long for a batch to fill")
	f.Int32Var(&l.batchBytes, "batch-bytes", 1_000_000, "largest batch")
}

func completeLoad(cmd *cobra.Command) {
	command.CompleteFlag(cmd, "compression", "none", "gzip", "snappy", "lz4", "zstd")
	command.CompleteFlag(cmd, "acks", "all", "1", "0")
}

func (l *load) check(leastSize int) error {
	const largest = 256 << 20
	switch {
	case l.recordSize < leastSize || l.recordSize > largest:
		return fault.Usage("--record-size %d is not possible", l.recordSize).WithHint("give %d to %d bytes", leastSize, largest)
	case l.rate < 0:
		return fault.Usage("--rate %g is not a rate", l.rate)
	case l.records < 0 || l.duration < 0:
		return fault.Usage("--records and --duration cannot be negative")
	case l.partitions < 1:
		return fault.Usage("--partitions %d is not a number of partitions", l.partitions)
	case l.clients < 1:
		return fault.Usage("--clients %d is not a number of clients", l.clients)
	case l.keys < 0:
		return fault.Usage("--keys %d is negative", l.keys)
	}
	return nil
}

func (l *load) producer() produce.Settings {
	return produce.Settings{
		Compression: l.compression, Level: l.level, Acks: l.acks, Idempotence: l.idempotence,
		Linger: l.linger, BatchBytes: l.batchBytes,
	}
}

// text tells the conditions that a result was measured under.
func (l *load) text(partitions int) string {
	s := fmt.Sprintf("%s, acks %s, compression %s", screen.Plural(partitions, "partition"), l.acks, l.compression)
	if l.rate > 0 {
		s += fmt.Sprintf(", %s records/s wanted", screen.Count(int64(l.rate)))
	}
	return s
}

// target is the topic that a benchmark works on.
type target struct {
	name       string
	partitions []int32
	drop       func()
}

// topic finds or creates the topic. A topic without a name is deleted by drop.
func (l *load) topic(ctx context.Context, env *command.Env, client *command.Client, args []string) (*target, error) {
	t := &target{drop: func() {}}
	_, settings, err := command.ParseSettings("--config", l.settings)
	if err != nil {
		return nil, err
	}
	configs := map[string]*string{}
	for k, v := range settings {
		configs[k] = &v
	}
	temporary := len(args) == 0
	if temporary {
		t.name = fmt.Sprintf("leat-bench-%08x", rand.Uint32())
	} else {
		t.name = args[0]
	}
	if err := client.CreateTopic(ctx, t.name, l.partitions, l.replication, configs); err != nil {
		return nil, err
	}
	if temporary && !l.keep {
		t.drop = func() {
			ctx, cancel := env.Deadline(context.WithoutCancel(ctx))
			defer cancel()
			if _, err := client.Admin.DeleteTopic(ctx, t.name); err != nil {
				env.Notef("topic %q remains: %v", t.name, err)
			}
		}
	}
	details, err := client.Topics(ctx, t.name)
	if err != nil {
		t.drop()
		return nil, err
	}
	t.partitions, err = command.Partitions(details[t.name], nil)
	return t, err
}

// payloads makes values: capital letters at random, as Kafka's own tool does, so that compression has the same to
// work on. The values overlap in one block of memory.
type payloads struct {
	block []byte
	size  int
	rng   *rand.Rand
}

func newPayloads(size int, seed uint64) *payloads {
	const spread = 1 << 20
	rng := rand.New(rand.NewPCG(seed, 0))
	block := make([]byte, size+spread)
	for i := range block {
		block[i] = byte('A' + rng.IntN(26))
	}
	return &payloads{block: block, size: size, rng: rng}
}

func (p *payloads) next() []byte {
	at := p.rng.IntN(len(p.block) - p.size + 1)
	return p.block[at : at+p.size : at+p.size]
}

// perSecond is a rate.
func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// megabytes writes a rate of bytes as people compare them: 10^6 bytes per second.
func megabytes(n int64, d time.Duration) string {
	return fmt.Sprintf("%.1f MB/s", perSecond(n, d)/1e6)
}
