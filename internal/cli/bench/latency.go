package bench

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

// stampBytes is what a record of the latency benchmark begins with: when it was due, in nanoseconds since the
// start of the run.
const stampBytes = 8

type latencyResult struct {
	Topic      string    `json:"topic"`
	Partitions int       `json:"partitions"`
	RecordSize int       `json:"record_size"`
	Acks       string    `json:"acks"`
	Rate       float64   `json:"records_per_second"`
	Records    int64     `json:"records"`
	Seconds    float64   `json:"seconds"`
	Ack        latencies `json:"acknowledged"`
	EndToEnd   latencies `json:"end_to_end"`
}

func newLatency(env *command.Env) *cobra.Command {
	l := &load{recordSize: 100, partitions: 1, rate: 1000, duration: 10 * time.Second, clients: 1}
	var warmup time.Duration
	cmd := &cobra.Command{
		Use:   "latency [TOPIC]",
		Short: "Measure how long records are under way at a fixed rate",
		Long: "Write records at a fixed rate and read them again in the same process. Measured are the times from when a\n" +
			"record was due to its acknowledgement, and to its arrival at the consumer.",
		Example: `  leat bench latency
  leat bench latency --rate 10000 --duration 30s --acks 1 -o json`,
		Args:              command.Args(0, 1, "at most one topic"),
		ValidArgsFunction: env.CompleteTopics(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return benchLatency(cmd.Context(), env, l, warmup, args)
		},
	}
	l.flags(cmd.Flags())
	cmd.Flags().DurationVar(&warmup, "warmup", time.Second, "run this long before measuring")
	completeLoad(cmd)
	return cmd
}

func benchLatency(ctx context.Context, env *command.Env, l *load, warmup time.Duration, args []string) error {
	if err := l.check(stampBytes); err != nil {
		return err
	}
	if l.rate == 0 || l.duration == 0 || warmup < 0 {
		return fault.Usage("latency is measured at a rate, for a duration").WithHint("for example --rate 1000 --duration 10s")
	}
	opts, err := l.producer().Options()
	if err != nil {
		return err
	}
	admin, err := env.Connect(ctx)
	if err != nil {
		return err
	}
	defer admin.Close()
	t, err := l.topic(ctx, env, admin, args)
	if err != nil {
		return err
	}
	defer t.drop()
	consumer, err := tail(ctx, env, admin, t)
	if err != nil {
		return err
	}
	defer consumer.Close()
	producer, err := env.Connect(ctx, append(opts, kgo.DefaultProduceTopic(t.name))...)
	if err != nil {
		return err
	}
	defer producer.Close()

	r := &latencyRun{env: env, l: l, topic: t.name, warmup: warmup, start: time.Now(), failed: make(chan struct{})}
	r.bar = env.Progress("measuring", int64(l.rate*(warmup+l.duration).Seconds()), false)
	err = r.run(ctx, producer, consumer)
	r.bar.Done()
	if err != nil {
		return err
	}
	took := time.Since(r.start) - warmup
	result := latencyResult{
		Topic: t.name, Partitions: len(t.partitions), RecordSize: l.recordSize, Acks: l.acks,
		Rate: perSecond(r.ack.n, l.duration), Records: r.ack.n, Seconds: took.Seconds(), Ack: r.ack.latencies(), EndToEnd: r.end.latencies(),
	}
	return env.Emit(result, func() error {
		err := env.Printf("%s of %s at %s records/s\n%s\n\n", screen.Plural(r.ack.n, "record"), screen.Bytes(l.recordSize),
			screen.Count(int64(result.Rate+0.5)), l.text(len(t.partitions)))
		if err != nil {
			return err
		}
		table := screen.NewTable(append([]string{"LATENCY"}, latencyColumns...)...)
		table.Row(append([]any{"acknowledged"}, r.ack.cells()...)...)
		table.Row(append([]any{"end to end"}, r.end.cells()...)...)
		return table.Write(env.Screen)
	})
}

// tail makes a consumer that stands at the end of the topic.
func tail(ctx context.Context, env *command.Env, admin *command.Client, t *target) (*command.Client, error) {
	ctx, cancel := env.Deadline(ctx)
	defer cancel()
	ends, err := admin.Admin.ListEndOffsets(ctx, t.name)
	if err != nil {
		return nil, admin.Explain("read the topic's offsets", err)
	}
	at := map[int32]kgo.Offset{}
	for _, p := range t.partitions {
		e, ok := ends.Lookup(t.name, p)
		if !ok || e.Err != nil {
			return nil, admin.Explain(fmt.Sprintf("read the offsets of partition %d", p), e.Err)
		}
		at[p] = kgo.NewOffset().At(e.Offset)
	}
	return env.Connect(ctx, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.name: at}))
}

type latencyRun struct {
	env      *command.Env
	l        *load
	topic    string
	warmup   time.Duration
	start    time.Time
	bar      *screen.Progress
	ack, end histogram
	sent     atomic.Int64

	once    sync.Once
	failure error
	failed  chan struct{}
}

func (r *latencyRun) fail(err error) {
	r.once.Do(func() {
		r.failure = err
		close(r.failed)
	})
}

func (r *latencyRun) run(ctx context.Context, producer, consumer *command.Client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{}) // closed when all records have been sent and counted in sent
	consumed := make(chan error, 1)
	go func() { consumed <- r.consume(ctx, consumer, done) }()
	err := r.produce(ctx, producer)
	close(done)
	if err != nil {
		cancel()
	}
	return cmp.Or(err, <-consumed)
}

func (r *latencyRun) produce(ctx context.Context, producer *command.Client) error {
	p := newPayloads(r.l.recordSize, 0)
	pace := newPacer(r.start, r.l.rate)
	for {
		due, err := pace.next(ctx)
		if err != nil {
			return fault.Failed("interrupted")
		}
		since := due.Sub(r.start)
		if since >= r.warmup+r.l.duration {
			break
		}
		select {
		case <-r.failed:
			return r.failure
		default:
		}
		value := make([]byte, r.l.recordSize)
		copy(value, p.next())
		binary.BigEndian.PutUint64(value, uint64(since))
		producer.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			switch {
			case err != nil:
				r.fail(producer.Explain(fmt.Sprintf("write to topic %q", r.topic), err))
			case since >= r.warmup:
				r.ack.add(time.Since(due))
			}
		})
		r.sent.Add(1)
	}
	flushCtx, cancel := r.env.Deadline(ctx)
	defer cancel()
	if err := producer.Flush(flushCtx); err != nil {
		return fault.Failed("the last records were not acknowledged within %s", r.env.Timeout)
	}
	select {
	case <-r.failed:
		return r.failure
	default:
		return nil
	}
}

// consume reads until every record that was sent has arrived.
func (r *latencyRun) consume(ctx context.Context, consumer *command.Client, done <-chan struct{}) error {
	var arrived int64
	last := time.Now()
	for {
		select {
		case <-done:
			if arrived >= r.sent.Load() {
				return nil
			}
			if time.Since(last) > r.env.Timeout {
				return fault.Failed("%d of %d records did not arrive within %s", r.sent.Load()-arrived, r.sent.Load(), r.env.Timeout)
			}
		default:
		}
		const look = 100 * time.Millisecond
		pollCtx, cancel := context.WithTimeout(ctx, look)
		fetches := consumer.PollFetches(pollCtx)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		now := time.Now()
		var failure error
		fetches.EachError(func(_ string, p int32, err error) {
			if failure == nil && !errors.Is(err, context.DeadlineExceeded) {
				failure = consumer.Explain(fmt.Sprintf("read partition %d of topic %q", p, r.topic), err)
			}
		})
		if failure != nil {
			r.fail(failure)
			return failure
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			last = now
			arrived++
			if len(rec.Value) < stampBytes {
				return
			}
			since := time.Duration(binary.BigEndian.Uint64(rec.Value))
			if since >= r.warmup && since <= r.warmup+r.l.duration {
				r.end.add(now.Sub(r.start) - since)
			}
		})
		r.bar.Set(arrived)
	}
}
