package partition

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

func newMove(env *command.Env) *cobra.Command {
	var partitions string
	var brokers []int32
	cmd := &cobra.Command{
		Use:   "move TOPIC --brokers ID,...",
		Short: "Move replicas to other brokers",
		Long: "Put the replicas of a topic's partitions on these brokers, the first of which becomes the preferred leader. The\n" +
			"cluster copies in the background; \"leat partition moves\" shows what is left to do.",
		Example:           "  leat partition move orders --brokers 1,2,3 --partitions 0-2",
		Args:              command.Args(1, 1, "the name of a topic"),
		ValidArgsFunction: env.CompleteTopics(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(brokers) == 0 {
				return fault.Usage("say where to move to").WithHint("for example --brokers 1,2,3; \"leat cluster describe\" shows the brokers")
			}
			return assign(cmd.Context(), env, args[0], partitions, brokers)
		},
	}
	cmd.Flags().StringVar(&partitions, "partitions", "", "only these partitions, such as 0,2,5-7")
	cmd.Flags().Int32SliceVar(&brokers, "brokers", nil, "the ids of the brokers, the preferred leader first")
	cmd.Flags().Lookup("brokers").DefValue = ""
	command.CompleteFlagWith(cmd, "brokers", env.CompleteBrokers(-1))
	return cmd
}

func newCancel(env *command.Env) *cobra.Command {
	var partitions string
	cmd := &cobra.Command{
		Use: "cancel TOPIC", Short: "Take moves to other brokers back",
		Example: "  leat partition cancel orders --partitions 0-2",
		Args:    command.Args(1, 1, "the name of a topic"), ValidArgsFunction: env.CompleteTopics(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return assign(cmd.Context(), env, args[0], partitions, nil)
		},
	}
	cmd.Flags().StringVar(&partitions, "partitions", "", "only these partitions, such as 0,2,5-7")
	return cmd
}

// assign moves partitions, or with no brokers takes their moves back.
func assign(ctx context.Context, env *command.Env, topic, partitions string, brokers []int32) error {
	client, ctx, wanted, err := choose(ctx, env, topic, partitions)
	if err != nil {
		return err
	}
	defer client.Close()
	if brokers == nil {
		// Only moves that are under way can be taken back.
		under, err := listMoves(ctx, client, topic)
		if err != nil {
			return err
		}
		wanted = slices.DeleteFunc(wanted, func(p int32) bool {
			return !slices.ContainsFunc(under, func(m underway) bool { return m.Partition == p })
		})
		if len(wanted) == 0 {
			return report(env, []outcome{}, fmt.Sprintf("no partition of %q is being moved", topic))
		}
	}
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.TimeoutMillis = int32(env.Timeout.Milliseconds())
	t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	t.Topic = topic
	for _, p := range wanted {
		a := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
		a.Partition, a.Replicas = p, brokers
		t.Partitions = append(t.Partitions, a)
	}
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return client.Explain("move partitions", err)
	}
	if err := client.Refused("move partitions", resp.ErrorCode, resp.ErrorMessage); err != nil {
		return err
	}
	out := []outcome{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			o := outcome{Topic: t.Topic, Partition: p.Partition, Done: "moving to " + screen.Numbers(brokers)}
			if brokers == nil {
				o.Done = "move taken back"
			}
			if err := command.Failure(p.ErrorCode); err != nil {
				o.fail(client.ExplainWith(fmt.Sprintf("move %s-%d", t.Topic, p.Partition), err, command.Text(p.ErrorMessage)))
			}
			out = append(out, o)
		}
	}
	return report(env, out, "")
}

// underway is a partition on its way to other brokers.
type underway struct {
	Topic     string  `json:"topic"`
	Partition int32   `json:"partition"`
	Replicas  []int32 `json:"replicas"`
	Adding    []int32 `json:"adding"`
	Removing  []int32 `json:"removing"`
}

func newMoves(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use: "moves [TOPIC]", Short: "List partitions that are being moved to other brokers", Args: command.Args(0, 1, "the name of a topic"), ValidArgsFunction: env.CompleteTopics(1),
		RunE: func(cmd *cobra.Command, args []string) error { return moves(cmd.Context(), env, args) },
	}
}

func listMoves(ctx context.Context, client *command.Client, topics ...string) ([]underway, error) {
	var set kadm.TopicsSet
	if len(topics) > 0 {
		details, err := client.Topics(ctx, topics...)
		if err != nil {
			return nil, err
		}
		set = details.TopicsSet()
	}
	all, err := client.Admin.ListPartitionReassignments(ctx, set)
	if err != nil {
		return nil, client.Explain("list the moves", err)
	}
	out := []underway{}
	for _, m := range all.Sorted() {
		out = append(out, underway{m.Topic, m.Partition, m.Replicas, m.AddingReplicas, m.RemovingReplicas})
	}
	slices.SortFunc(out, func(a, b underway) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return out, nil
}

func moves(ctx context.Context, env *command.Env, topics []string) error {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	all, err := listMoves(ctx, client, topics...)
	if err != nil {
		return err
	}
	return env.Emit(all, func() error {
		t := screen.NewTable("TOPIC", "PARTITION>", "REPLICAS", "ADDING", "REMOVING")
		for _, m := range all {
			t.Row(m.Topic, m.Partition, screen.Numbers(m.Replicas), screen.Numbers(m.Adding), screen.Numbers(m.Removing))
		}
		return t.Write(env.Screen)
	})
}
