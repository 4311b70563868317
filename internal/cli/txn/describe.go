package txn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/screen"
)

type described struct {
	TransactionalID string             `json:"transactional_id"`
	State           string             `json:"state"`
	ProducerID      int64              `json:"producer_id"`
	ProducerEpoch   int16              `json:"producer_epoch"`
	Coordinator     int32              `json:"coordinator"`
	TimeoutMillis   int32              `json:"timeout_ms"`
	Started         *time.Time         `json:"started,omitempty"`
	Partitions      map[string][]int32 `json:"partitions"`
}

func newDescribe(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:               "describe ID...",
		Short:             "Show transactional ids with their producers and partitions",
		Example:           "  leat txn describe orders-1",
		Args:              command.Args(1, -1, "a transactional id"),
		ValidArgsFunction: completeIDs(env),
		RunE:              func(cmd *cobra.Command, args []string) error { return describe(cmd.Context(), env, args) },
	}
}

func describe(ctx context.Context, env *command.Env, ids []string) error {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	out := []described{}
	for _, id := range ids {
		d, err := describeOne(ctx, client, id)
		if err != nil {
			return err
		}
		out = append(out, newDescribed(d))
	}
	return env.Emit(out, func() error {
		for i, d := range out {
			if i > 0 {
				if err := env.Screen.Printf("\n"); err != nil {
					return err
				}
			}
			if err := d.write(env.Screen); err != nil {
				return err
			}
		}
		return nil
	})
}

func describeOne(ctx context.Context, client *command.Client, id string) (kadm.DescribedTransaction, error) {
	all, err := client.Admin.DescribeTransactions(ctx, id)
	d, ok := all[id]
	switch {
	case ok && errors.Is(d.Err, kerr.TransactionalIDNotFound):
		return d, unknownID(ctx, client, id)
	case ok && d.Err != nil:
		return d, client.Explain(fmt.Sprintf("describe transactional id %q", id), d.Err)
	case !ok:
		return d, client.Explain(fmt.Sprintf("describe transactional id %q", id), err)
	}
	return d, nil
}

func newDescribed(d kadm.DescribedTransaction) described {
	out := described{
		TransactionalID: d.TxnID, State: d.State, ProducerID: d.ProducerID, ProducerEpoch: d.ProducerEpoch,
		Coordinator: d.Coordinator, TimeoutMillis: d.TimeoutMillis, Partitions: map[string][]int32{},
	}
	if d.StartTimestamp >= 0 && d.State != "Empty" {
		t := time.UnixMilli(d.StartTimestamp).UTC()
		out.Started = &t
	}
	for _, t := range d.Topics.Sorted() {
		out.Partitions[t.Topic] = t.Partitions
	}
	return out
}

func (d *described) write(s *screen.Screen) error {
	head := fmt.Sprintf("%s: %s, producer %d epoch %d, timeout %s, coordinator %d", d.TransactionalID, strings.ToLower(d.State),
		d.ProducerID, d.ProducerEpoch, time.Duration(d.TimeoutMillis)*time.Millisecond, d.Coordinator)
	if d.Started != nil {
		head += ", last transaction began " + d.Started.Format(time.RFC3339)
	}
	if err := s.Printf("%s\n", head); err != nil || len(d.Partitions) == 0 {
		return err
	}
	if err := s.Printf("\n"); err != nil {
		return err
	}
	t := screen.NewTable("TOPIC", "PARTITION>")
	for _, p := range kadm.TopicsList(topicsList(d.Partitions)).IntoSet().Sorted() {
		for _, n := range p.Partitions {
			t.Row(p.Topic, n)
		}
	}
	return t.Write(s)
}

func topicsList(partitions map[string][]int32) []kadm.TopicPartitions {
	var out []kadm.TopicPartitions
	for topic, list := range partitions {
		out = append(out, kadm.TopicPartitions{Topic: topic, Partitions: list})
	}
	return out
}
