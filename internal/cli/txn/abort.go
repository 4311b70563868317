package txn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

type abortFlags struct {
	topic       string
	partition   int32
	startOffset int64
}

type aborted struct {
	TransactionalID string   `json:"transactional_id,omitempty"`
	Transaction     *openTxn `json:"transaction,omitempty"`
	Aborted         bool     `json:"aborted"`
}

func newAbort(env *command.Env) *cobra.Command {
	f := abortFlags{partition: -1, startOffset: -1}
	cmd := &cobra.Command{
		Use:   "abort [ID]",
		Short: "Abort the transaction of an id, or one that hangs in a partition",
		Long: "With a transactional id, abort what it has open and fence its producer, as starting a second producer of the same\n" +
			"id does.\n\n" +
			"With --topic, --partition and --start-offset, as \"leat txn find-hanging\" shows them, end the transaction in that\n" +
			"partition alone. That is for transactions that no coordinator knows; of others it tears out a part.",
		Example: `  leat txn abort orders-1
  leat txn abort --topic orders --partition 3 --start-offset 18207`,
		Args:              command.Args(0, 1, "one transactional id, or --topic, --partition and --start-offset"),
		ValidArgsFunction: completeIDs(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 1 && f.topic == "" && f.partition < 0 && f.startOffset < 0:
				return abortID(cmd.Context(), env, args[0])
			case len(args) == 0 && f.topic != "" && f.partition >= 0 && f.startOffset >= 0:
				return abortIn(cmd.Context(), env, f)
			}
			return fault.Usage("name a transactional id, or --topic, --partition and --start-offset").
				WithHint(`"leat txn list" shows the ids, "leat txn find-hanging" the transactions that hang`)
		},
	}
	cmd.Flags().StringVar(&f.topic, "topic", "", "the topic of a transaction that hangs")
	cmd.Flags().Int32Var(&f.partition, "partition", -1, "its partition")
	cmd.Flags().Int64Var(&f.startOffset, "start-offset", -1, "its first offset there")
	command.CompleteFlagWith(cmd, "topic", env.CompleteTopics(-1))
	return cmd
}

// retryPause is the time between two tries while the coordinator is busy ending the transaction.
const retryPause = 50 * time.Millisecond

// abortID fences the producer of an id. The coordinator aborts what is open, and answers once that is over.
func abortID(ctx context.Context, env *command.Env, id string) error {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	d, err := describeOne(ctx, client, id) // asking would make the id if it were not there
	if err != nil {
		return err
	}
	out := aborted{TransactionalID: id, Aborted: d.State == "Ongoing"}
	pause := time.NewTicker(retryPause)
	defer pause.Stop()
	for {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis = &id, max(d.TimeoutMillis, 1)
		resp, err := req.RequestWith(ctx, client)
		if err == nil {
			err = command.Failure(resp.ErrorCode)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, kerr.ConcurrentTransactions) {
			return client.Explain(fmt.Sprintf("abort the transaction of %q", id), err)
		}
		select {
		case <-ctx.Done():
			return client.Explain(fmt.Sprintf("wait for the end of the transaction of %q", id), ctx.Err())
		case <-pause.C:
		}
	}
	return env.Emit(out, func() error {
		if !out.Aborted {
			env.Notef("transactional id %q had no transaction open; its producer is fenced", id)
			return nil
		}
		env.Notef("aborted the transaction of %q; its producer is fenced", id)
		return nil
	})
}

// abortIn writes the abort marker to one partition.
func abortIn(ctx context.Context, env *command.Env, f abortFlags) error {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	details, err := client.Topics(ctx, f.topic)
	if err != nil {
		return err
	}
	if _, err := command.Partitions(details[f.topic], []int32{f.partition}); err != nil {
		return err
	}
	where := kadm.TopicsSet{}
	where.Add(f.topic, f.partition)
	open, err := openIn(ctx, client, where)
	if err != nil {
		return err
	}
	var found *openTxn
	for i := range open {
		if open[i].StartOffset == f.startOffset {
			found = &open[i]
		}
	}
	if found == nil {
		return fault.Failed("no transaction that began at offset %d is open in %s-%d", f.startOffset, f.topic, f.partition).
			WithHint(`"leat txn find-hanging --topic %s" shows those that are`, f.topic)
	}
	answers, err := client.Admin.WriteTxnMarkers(ctx, kadm.TxnMarkers{
		ProducerID: found.ProducerID, ProducerEpoch: found.ProducerEpoch,
		CoordinatorEpoch: max(found.CoordinatorEpoch, 0), Topics: where,
	})
	if err == nil {
		for _, a := range answers.SortedPartitions() {
			err = errors.Join(err, a.Err)
		}
	}
	if err != nil {
		return client.Explain(fmt.Sprintf("abort the transaction in %s-%d", f.topic, f.partition), err)
	}
	return env.Emit(aborted{Transaction: found, Aborted: true}, func() error {
		env.Notef("aborted the transaction of producer %d in %s-%d from offset %d on", found.ProducerID, f.topic, f.partition, found.StartOffset)
		return nil
	})
}
