// Package partition holds the commands under "leat partition": who leads partitions, and on which brokers and in which
// log directories their replicas are.
package partition

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

// New makes the command tree.
func New(env *command.Env) *cobra.Command {
	return command.Parent("partition", "Elect leaders, move replicas to other brokers or directories", "",
		newElect(env), newMove(env), newMoves(env), newCancel(env), newMoveDir(env))
}

// outcome is what became of one partition.
type outcome struct {
	Topic     string        `json:"topic"`
	Partition int32         `json:"partition"`
	Done      string        `json:"done,omitempty"`
	Failure   *fault.Object `json:"failure,omitempty"`
	err       error
}

func (o *outcome) fail(err error) { o.Done, o.err, o.Failure = "", err, new(fault.ToObject(err)) }

// report writes the outcomes; failures stand where their partitions do. A single one is the command's error.
func report(env *command.Env, outcomes []outcome, none string) error {
	slices.SortFunc(outcomes, func(a, b outcome) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	errs := make([]error, len(outcomes))
	for i := range outcomes {
		errs[i] = outcomes[i].err
	}
	return env.EmitEach(errs, outcomes, func() error {
		if len(outcomes) == 0 {
			env.Notef("%s", none)
			return nil
		}
		t := screen.NewTable("TOPIC", "PARTITION>", "RESULT")
		for _, o := range outcomes {
			result := o.Done
			if o.Failure != nil {
				result = "error: " + o.Failure.Error
				if o.Failure.Detail != "" {
					result += ": " + o.Failure.Detail
				}
			}
			t.Row(o.Topic, o.Partition, result)
		}
		return t.Write(env.Screen)
	})
}

// choose reaches the cluster and picks the wanted partitions of a topic.
func choose(ctx context.Context, env *command.Env, topic, partitions string) (*command.Client, context.Context, []int32, error) {
	wanted, err := command.ParsePartitions(partitions)
	if err != nil {
		return nil, nil, nil, err
	}
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	details, err := client.Topics(ctx, topic)
	if err == nil {
		wanted, err = command.Partitions(details[topic], wanted)
	}
	if err != nil {
		client.Close()
		return nil, nil, nil, err
	}
	return client, ctx, wanted, nil
}
