// Package partition holds the commands under "leat partition": who leads partitions, and on which brokers and in which
// log directories their replicas are.
package partition

import (
	"cmp"
	"context"
	"fmt"
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

func (o *outcome) fail(err error) {
	f := fault.ToObject(err)
	o.err, o.Failure = err, &f
}

// report writes the outcomes; failures stand where their partitions do. A single one is the command's error.
func report(env *command.Env, outcomes []outcome, none string) error {
	slices.SortFunc(outcomes, func(a, b outcome) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	failed := 0
	for i := range outcomes {
		if outcomes[i].err != nil {
			failed++
		}
	}
	if failed == 1 && len(outcomes) == 1 {
		return outcomes[0].err
	}
	err := env.Emit(outcomes, func() error {
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
	if err == nil && failed > 0 {
		return fault.ErrReported
	}
	return err
}

// choose connects and picks the wanted partitions of a topic.
func choose(ctx context.Context, env *command.Env, topic, partitions string) (*command.Client, []int32, error) {
	wanted, err := command.ParsePartitions(partitions)
	if err != nil {
		return nil, nil, err
	}
	client, err := env.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	details, err := client.Topics(ctx, topic)
	if err == nil {
		wanted, err = command.Partitions(details[topic], wanted)
	}
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	return client, wanted, nil
}

func ids(list []int32) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ","), "[]")
}
