package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

type produceResult struct {
	Topic            string    `json:"topic"`
	Partitions       int       `json:"partitions"`
	RecordSize       int       `json:"record_size"`
	Acks             string    `json:"acks"`
	Compression      string    `json:"compression"`
	Clients          int       `json:"clients"`
	Records          int64     `json:"records"`
	Bytes            int64     `json:"bytes"`
	Seconds          float64   `json:"seconds"`
	RecordsPerSecond float64   `json:"records_per_second"`
	BytesPerSecond   float64   `json:"bytes_per_second"`
	Latency          latencies `json:"latency"`
}

func newProduce(env *command.Env) *cobra.Command {
	l := &load{recordSize: 1000, partitions: 6, linger: 5 * time.Millisecond}
	cmd := &cobra.Command{
		Use:   "produce [TOPIC]",
		Short: "Measure how fast records can be written",
		Long: "Measure how fast records can be written, and how long each waits for its acknowledgement. At full speed\n" +
			"that wait is mostly the client's own queue; give --rate to see the cluster's.",
		Example: `  leat bench produce --records 1000000
  leat bench produce --rate 10000 --duration 30s --record-size 100 --acks all
  leat bench produce load --keep --compression zstd -o json`,
		Args:              command.Args(0, 1, "at most one topic"),
		ValidArgsFunction: env.CompleteTopics(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if l.records == 0 && l.duration == 0 {
				l.records = 1_000_000
				if l.rate > 0 {
					l.records, l.duration = 0, 10*time.Second
				}
			}
			return benchProduce(cmd.Context(), env, l, args)
		},
	}
	l.flags(cmd.Flags())
	cmd.Flags().Int64VarP(&l.records, "records", "n", 0, "how many records to write (1,000,000 if there is no --duration)")
	cmd.Flags().IntVar(&l.clients, "clients", 1, "producing clients")
	cmd.Flags().IntVar(&l.keys, "keys", 0, "number of different keys; 0 for records without key")
	completeLoad(cmd)
	return cmd
}

func benchProduce(ctx context.Context, env *command.Env, l *load, args []string) error {
	if err := l.check(0); err != nil {
		return err
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

	run := &produceRun{env: env, l: l, topic: t.name, opts: opts}
	total := l.records
	if total == 0 && l.rate > 0 {
		total = int64(l.rate * l.duration.Seconds())
	}
	if total == 0 {
		total = -1
	}
	run.bar = env.Progress("producing", total, false)
	took, err := run.all(ctx)
	run.bar.Done()
	if err != nil && !(errors.Is(err, context.Canceled) && run.acked.Load() > 0) {
		return err
	}
	records := run.acked.Load()
	bytes := records * int64(l.recordSize)
	result := produceResult{
		Topic: t.name, Partitions: len(t.partitions), RecordSize: l.recordSize, Acks: l.acks, Compression: l.compression, Clients: l.clients,
		Records: records, Bytes: bytes, Seconds: took.Seconds(),
		RecordsPerSecond: perSecond(records, took), BytesPerSecond: perSecond(bytes, took), Latency: run.hist.latencies(),
	}
	return env.Emit(result, func() error {
		err := env.Printf("wrote %s of %s in %s: %s records/s, %s\n%s\n\nlatency until acknowledged\n",
			screen.Plural(records, "record"), screen.Bytes(l.recordSize), screen.Duration(took),
			screen.Count(int64(result.RecordsPerSecond)), megabytes(bytes, took), l.text(len(t.partitions)))
		if err != nil {
			return err
		}
		table := screen.NewTable(latencyColumns...)
		table.Row(run.hist.cells()...)
		return table.Write(env.Screen)
	})
}

// produceRun is one run with one or more clients.
type produceRun struct {
	env   *command.Env
	l     *load
	topic string
	opts  []kgo.Opt
	bar   *screen.Progress
	hist  histogram
	acked atomic.Int64
}

func (r *produceRun) all(ctx context.Context) (time.Duration, error) {
	clients := make([]*command.Client, r.l.clients)
	for i := range clients {
		c, err := r.env.Connect(ctx, append([]kgo.Opt{kgo.DefaultProduceTopic(r.topic)}, r.opts...)...)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		clients[i] = c
	}
	start := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	for i, c := range clients {
		share := r.l.records / int64(len(clients))
		if i < int(r.l.records%int64(len(clients))) {
			share++
		}
		g.Go(func() error { return r.one(gctx, c, i, share, start) })
	}
	err := g.Wait()
	return time.Since(start), err
}

// one produces with one client: share records, or until the duration is over.
func (r *produceRun) one(ctx context.Context, c *command.Client, i int, share int64, start time.Time) error {
	p := newPayloads(r.l.recordSize, uint64(i))
	pace := newPacer(start, r.l.rate/float64(r.l.clients))
	hist := &histogram{}
	var once sync.Once
	var failure error
	failed := make(chan struct{})
	for n := int64(0); r.l.records == 0 || n < share; n++ {
		due, err := pace.next(ctx)
		if err != nil {
			break // interrupted: what was sent is still counted
		}
		if r.l.duration > 0 && due.Sub(start) >= r.l.duration {
			break
		}
		select {
		case <-failed:
			return failure
		default:
		}
		rec := &kgo.Record{Value: p.next()}
		if r.l.keys > 0 {
			rec.Key = binary.BigEndian.AppendUint64(nil, uint64(p.rng.IntN(r.l.keys)))
		}
		c.Produce(context.WithoutCancel(ctx), rec, func(_ *kgo.Record, err error) {
			if err != nil {
				once.Do(func() {
					failure = c.Explain(fmt.Sprintf("write to topic %q", r.topic), err)
					close(failed)
				})
				return
			}
			hist.add(time.Since(due))
			if done := r.acked.Add(1); done%1024 == 0 {
				r.bar.Set(done)
			}
		})
	}
	flushCtx, cancel := r.env.Deadline(context.WithoutCancel(ctx))
	defer cancel()
	if err := c.Flush(flushCtx); err != nil {
		return fault.Failed("the last records were not acknowledged within %s", r.env.Timeout)
	}
	r.hist.merge(hist)
	select {
	case <-failed:
		return failure
	default:
		return ctx.Err()
	}
}
