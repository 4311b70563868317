package partition

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

type electFlags struct {
	partitions string
	unclean    bool
}

func newElect(env *command.Env) *cobra.Command {
	var f electFlags
	cmd := &cobra.Command{
		Use:   "elect [TOPIC]",
		Short: "Make the preferred replicas the leaders",
		Long: "Make each partition's first replica its leader again, in a topic or in all. With --unclean, give partitions that\n" +
			"have no leader one that may not have all records: what only the others had is lost.",
		Example:           "  leat partition elect\n  leat partition elect orders --partitions 0,3-5",
		Args:              command.Args(0, 1, "the name of a topic"),
		ValidArgsFunction: env.CompleteTopics(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && f.partitions != "" {
				return fault.Usage("--partitions needs a topic")
			}
			topic := ""
			if len(args) > 0 {
				topic = args[0]
			}
			return elect(cmd.Context(), env, topic, f)
		},
	}
	cmd.Flags().StringVar(&f.partitions, "partitions", "", "only these partitions, such as 0,2,5-7")
	cmd.Flags().BoolVar(&f.unclean, "unclean", false, "elect leaders that may lack records, where there is none")
	return cmd
}

func elect(ctx context.Context, env *command.Env, topic string, f electFlags) error {
	req := kmsg.NewPtrElectLeadersRequest()
	req.TimeoutMillis = int32(env.Timeout.Milliseconds())
	if f.unclean {
		req.ElectionType = 1
	}
	var client *command.Client
	var err error
	if topic == "" {
		client, ctx, err = env.Reach(ctx)
	} else {
		t := kmsg.NewElectLeadersRequestTopic()
		t.Topic = topic
		client, ctx, t.Partitions, err = choose(ctx, env, topic, f.partitions)
		req.Topics = append(req.Topics, t)
	}
	if err != nil {
		return err
	}
	defer client.Close()
	resp, err := req.RequestWith(ctx, client)
	if err == nil {
		err = command.Failure(resp.ErrorCode)
	}
	if err != nil {
		return client.Explain("elect leaders", err)
	}
	out := []outcome{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			o := outcome{Topic: t.Topic, Partition: p.Partition, Done: "elected"}
			switch err := command.Failure(p.ErrorCode); {
			case errors.Is(err, kerr.ElectionNotNeeded):
				o.Done = "not needed"
			case err != nil:
				o.fail(client.ExplainWith(fmt.Sprintf("elect the leader of %s-%d", t.Topic, p.Partition), err, command.Text(p.ErrorMessage)))
			}
			out = append(out, o)
		}
	}
	return report(env, out, "no election was needed")
}
