// Package txn holds the commands under "leat txn": which transactional ids there are and what each is doing, ending a
// transaction in place of its producer, and finding those that hang: open in a partition, where they hold up every
// read_committed consumer, while no coordinator will ever end them.
package txn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

// New makes the command tree.
func New(env *command.Env) *cobra.Command {
	return command.Parent("txn", "List, describe and abort transactions", "",
		newList(env), newDescribe(env), newAbort(env), newFindHanging(env))
}

// states are those a transactional id can be in.
var states = []string{"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort"}

// openTxn is a transaction that is open in a partition, as the partition tells it.
type openTxn struct {
	Topic            string    `json:"topic"`
	Partition        int32     `json:"partition"`
	ProducerID       int64     `json:"producer_id"`
	ProducerEpoch    int16     `json:"producer_epoch"`
	CoordinatorEpoch int32     `json:"coordinator_epoch"`
	StartOffset      int64     `json:"start_offset"`
	LastWrite        time.Time `json:"last_write"`
}

// openIn lists the transactions open in the partitions, by topic, partition and first offset.
func openIn(ctx context.Context, client *command.Client, where kadm.TopicsSet) ([]openTxn, error) {
	topics, err := client.Admin.DescribeProducers(ctx, where)
	if err != nil {
		return nil, client.Explain("describe the producers", err)
	}
	var out []openTxn
	for _, t := range topics.Sorted() {
		for _, p := range t.Partitions.Sorted() {
			switch {
			case errors.Is(p.Err, kerr.UnknownTopicOrPartition):
				return nil, fault.Failed("topic %q has no partition %d", p.Topic, p.Partition)
			case p.Err != nil:
				return nil, client.ExplainWith(fmt.Sprintf("describe the producers of %s-%d", p.Topic, p.Partition), p.Err, p.ErrMessage)
			}
			for _, a := range p.ActiveProducers.Sorted() {
				if a.CurrentTxnStartOffset < 0 {
					continue
				}
				out = append(out, openTxn{
					Topic: p.Topic, Partition: p.Partition, ProducerID: a.ProducerID, ProducerEpoch: a.ProducerEpoch,
					CoordinatorEpoch: a.CoordinatorEpoch, StartOffset: a.CurrentTxnStartOffset, LastWrite: time.UnixMilli(a.LastTimestamp).UTC(),
				})
			}
		}
	}
	slices.SortFunc(out, func(a, b openTxn) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.StartOffset, b.StartOffset))
	})
	return out, nil
}

// unknownID is the error for a transactional id that nobody used, or not for long.
func unknownID(ctx context.Context, client *command.Client, id string) error {
	var known []string
	if all, err := client.Admin.ListTransactions(ctx, nil, nil); err == nil {
		known = all.TransactionalIDs()
	}
	return (&fault.Error{Primary: fmt.Sprintf("unknown transactional id %q", id), Cause: kerr.TransactionalIDNotFound}).
		WithHint("%s", fault.DidYouMean(id, known, `"leat txn list" shows the transactional ids`))
}

// completeIDs proposes transactional ids.
func completeIDs(env *command.Env) command.Completion {
	return env.CompleteNames(-1, func(ctx context.Context, c *command.Client, _ string) ([]string, error) {
		all, err := c.Admin.ListTransactions(ctx, nil, nil)
		if err != nil {
			return nil, err
		}
		return all.TransactionalIDs(), nil
	})
}
