package txn

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/screen"
	"leat.dev/internal/cli/when"
)

func newFindHanging(env *command.Env) *cobra.Command {
	var topics []string
	var idle string
	cmd := &cobra.Command{
		Use:   "find-hanging",
		Short: "Find transactions that are open in partitions and that nobody will end",
		Long: "Find transactions that are open in partitions and that nobody will end: no coordinator has the partition in a\n" +
			"transaction of that producer. They hold up read_committed consumers and compaction for good.\n" +
			"\"leat txn abort\" ends them.",
		Example:           "  leat txn find-hanging --topic orders\n  leat txn find-hanging --idle 1h",
		Args:              command.Args(0, 0, "no argument"),
		ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, _ []string) error {
			span, err := when.Span("--idle", idle)
			if err != nil {
				return err
			}
			return findHanging(cmd.Context(), env, topics, span)
		},
	}
	cmd.Flags().StringSliceVar(&topics, "topic", nil, "look in these topics only")
	cmd.Flags().StringVar(&idle, "idle", "15m", "look at transactions without a write for this long; the default is the longest timeout that Kafka allows")
	command.CompleteFlagWith(cmd, "topic", env.CompleteTopics(-1))
	return cmd
}

func findHanging(ctx context.Context, env *command.Env, names []string, idle time.Duration) error {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	topics, err := client.Topics(ctx, names...)
	if err != nil {
		return err
	}
	where := kadm.TopicsSet{}
	for _, t := range topics {
		where.Add(t.Topic, t.Partitions.Numbers()...)
	}
	open, err := openIn(ctx, client, where)
	if err != nil {
		return err
	}
	now := time.Now()
	open = slices.DeleteFunc(open, func(o openTxn) bool { return now.Sub(o.LastWrite) < idle })
	hanging := []openTxn{}
	if len(open) > 0 {
		if hanging, err = unowned(ctx, client, open); err != nil {
			return err
		}
	}
	return env.Emit(hanging, func() error {
		t := screen.NewTable("TOPIC", "PARTITION>", "START OFFSET>", "PRODUCER>", "EPOCH>", "IDLE>")
		for _, o := range hanging {
			t.Row(o.Topic, o.Partition, o.StartOffset, o.ProducerID, o.ProducerEpoch, ago(now, o.LastWrite))
		}
		return t.Write(env.Screen)
	})
}

// unowned keeps the transactions that no coordinator is going to end.
func unowned(ctx context.Context, client *command.Client, open []openTxn) ([]openTxn, error) {
	var ids []int64
	for _, o := range open {
		ids = append(ids, o.ProducerID)
	}
	slices.Sort(ids)
	listed, err := client.Admin.ListTransactions(ctx, slices.Compact(ids), nil)
	if err != nil {
		return nil, client.Explain("list transactions", err)
	}
	described := kadm.DescribedTransactions{}
	if len(listed) > 0 {
		described, err = client.Admin.DescribeTransactions(ctx, listed.TransactionalIDs()...)
		if err != nil {
			return nil, client.Explain("describe transactions", err)
		}
	}
	owned := func(o openTxn) bool {
		for _, d := range described {
			if d.ProducerID != o.ProducerID || d.Err != nil && !errors.Is(d.Err, kerr.TransactionalIDNotFound) {
				continue
			}
			for _, t := range d.Topics.Sorted() {
				if t.Topic == o.Topic && slices.Contains(t.Partitions, o.Partition) {
					return true
				}
			}
		}
		return false
	}
	return slices.DeleteFunc(open, owned), nil
}
