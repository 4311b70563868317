package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

type consumeOptions struct {
	records    int64
	fetchBytes int32
	partition  int32
}

type consumeResult struct {
	Topic            string  `json:"topic"`
	Partitions       int     `json:"partitions"`
	Records          int64   `json:"records"`
	Bytes            int64   `json:"bytes"`
	Seconds          float64 `json:"seconds"`
	FirstRecord      float64 `json:"first_record_ms"`
	RecordsPerSecond float64 `json:"records_per_second"`
	BytesPerSecond   float64 `json:"bytes_per_second"`
}

func newConsume(env *command.Env) *cobra.Command {
	var o consumeOptions
	cmd := &cobra.Command{
		Use:   "consume TOPIC",
		Short: "Measure how fast records can be read",
		Long:  "Measure how fast the records of a topic can be read, from its start to what is there now.",
		Example: `  leat bench produce load --keep && leat bench consume load
  leat bench consume load --records 100000 -o json`,
		Args:              command.Args(1, 1, "the name of a topic"),
		ValidArgsFunction: env.CompleteTopics(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return benchConsume(cmd.Context(), env, o, args[0]) },
	}
	cmd.Flags().Int64VarP(&o.records, "records", "n", 0, "stop after this number of records")
	cmd.Flags().Int32Var(&o.fetchBytes, "fetch-bytes", 50<<20, "most bytes of one fetch")
	cmd.Flags().Int32Var(&o.partition, "partition-fetch-bytes", 1<<20, "most bytes of one partition in a fetch")
	return cmd
}

func benchConsume(ctx context.Context, env *command.Env, o consumeOptions, topic string) error {
	if o.records < 0 || o.fetchBytes < 1 || o.partition < 1 {
		return fault.Usage("--records, --fetch-bytes and --partition-fetch-bytes cannot be negative or zero")
	}
	admin, err := env.Connect(ctx)
	if err != nil {
		return err
	}
	defer admin.Close()
	details, err := admin.Topics(ctx, topic)
	if err != nil {
		return err
	}
	bounded, cancel := env.Deadline(ctx)
	defer cancel()
	starts, err := admin.Admin.ListStartOffsets(bounded, topic)
	if err != nil {
		return admin.Explain("read the topic's offsets", err)
	}
	ends, err := admin.Admin.ListCommittedOffsets(bounded, topic)
	if err != nil {
		return admin.Explain("read the topic's offsets", err)
	}
	left := map[int32]int64{} // the end of each partition that is not read yet
	var total int64
	at := map[int32]kgo.Offset{}
	for p := range details[topic].Partitions {
		s, _ := starts.Lookup(topic, p)
		e, ok := ends.Lookup(topic, p)
		if ok && e.Offset > s.Offset {
			left[p], at[p] = e.Offset, kgo.NewOffset().At(s.Offset)
			total += e.Offset - s.Offset
		}
	}
	if total == 0 {
		return fault.Failed("topic %q holds no records", topic).WithHint(`"leat bench produce %s --keep" writes some`, topic)
	}
	if o.records > 0 {
		total = min(total, o.records)
	}
	client, err := env.Connect(ctx,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: at}), kgo.KeepControlRecords(),
		kgo.FetchMaxBytes(o.fetchBytes), kgo.FetchMaxPartitionBytes(o.partition), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer client.Close()
	bar := env.Progress("consuming", total, false)
	result, err := drain(ctx, env, client, topic, left, total, bar)
	bar.Done()
	if err != nil {
		return err
	}
	result.Partitions = len(details[topic].Partitions)
	return env.Emit(result, func() error {
		took := time.Duration(result.Seconds * float64(time.Second))
		return env.Printf("read %s (%s) in %s: %s records/s, %s\nfirst record after %s\n",
			screen.Plural(result.Records, "record"), screen.Bytes(result.Bytes), screen.Duration(took),
			screen.Count(int64(result.RecordsPerSecond)), megabytes(result.Bytes, took),
			screen.Duration(time.Duration(result.FirstRecord*float64(time.Millisecond))))
	})
}

// stallPause is how long nothing may come before the end is taken as reached: compaction can leave a partition's
// last offsets without a record. The wait is not counted.
const stallPause = 2 * time.Second

func drain(ctx context.Context, env *command.Env, client *command.Client, topic string, left map[int32]int64, total int64, bar *screen.Progress) (*consumeResult, error) {
	r := &consumeResult{Topic: topic}
	start := time.Now()
	last := start
	for r.Records < total && len(left) > 0 {
		pollCtx, cancel := context.WithTimeout(ctx, stallPause)
		fetches := client.PollFetches(pollCtx)
		cancel()
		if ctx.Err() != nil {
			if r.Records == 0 {
				return nil, fault.Failed("interrupted")
			}
			break
		}
		var failure error
		fetches.EachError(func(_ string, p int32, err error) {
			if failure == nil && !errors.Is(err, context.DeadlineExceeded) {
				failure = client.Explain(fmt.Sprintf("read partition %d of topic %q", p, topic), err)
			}
		})
		if failure != nil {
			return nil, failure
		}
		n := fetches.NumRecords()
		if n == 0 {
			if err := client.Lost(); err != nil && time.Since(last) > env.Timeout {
				return nil, err
			} else if err == nil && r.Records > 0 {
				break
			}
			continue
		}
		if r.Records == 0 {
			r.FirstRecord = screen.Millis(time.Since(start))
		}
		last = time.Now()
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for _, rec := range p.Records {
				r.Bytes += int64(len(rec.Key) + len(rec.Value))
			}
			if len(p.Records) > 0 && p.Records[len(p.Records)-1].Offset+1 >= left[p.Partition] {
				delete(left, p.Partition)
			}
		})
		r.Records += int64(n)
		bar.Add(n)
	}
	took := last.Sub(start)
	r.Seconds = took.Seconds()
	r.RecordsPerSecond, r.BytesPerSecond = perSecond(r.Records, took), perSecond(r.Bytes, took)
	return r, nil
}
