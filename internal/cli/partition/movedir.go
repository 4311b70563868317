package partition

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

type moveDirFlags struct {
	partitions string
	dir        string
	broker     int32
}

func newMoveDir(env *command.Env) *cobra.Command {
	f := moveDirFlags{broker: -1}
	cmd := &cobra.Command{
		Use:   "move-dir TOPIC --dir PATH",
		Short: "Move replicas to another log directory of their broker",
		Long: "Move the replicas of a topic's partitions to another of the directories that a broker has in log.dirs. The broker\n" +
			"copies in the background; \"leat cluster log-dirs --replicas\" shows how far it is.",
		Example:           "  leat partition move-dir orders --dir /disk2/kafka --broker 1",
		Args:              command.Args(1, 1, "the name of a topic"),
		ValidArgsFunction: env.CompleteTopics(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.dir == "" {
				return fault.Usage("say where to move to").WithHint(`for example --dir /disk2/kafka; "leat cluster log-dirs" shows the directories`)
			}
			return moveDir(cmd.Context(), env, args[0], f)
		},
	}
	cmd.Flags().StringVar(&f.partitions, "partitions", "", "only these partitions, such as 0,2,5-7")
	cmd.Flags().StringVar(&f.dir, "dir", "", "the directory, as the broker's log.dirs names it")
	cmd.Flags().Int32Var(&f.broker, "broker", -1, "the broker; needed if there are several")
	command.CompleteFlagWith(cmd, "broker", env.CompleteBrokers(-1))
	return cmd
}

func moveDir(ctx context.Context, env *command.Env, topic string, f moveDirFlags) error {
	client, ctx, wanted, err := choose(ctx, env, topic, f.partitions)
	if err != nil {
		return err
	}
	defer client.Close()
	if f.broker < 0 {
		brokers, err := client.Admin.ListBrokers(ctx)
		if err != nil {
			return client.Explain("list the brokers", err)
		}
		if len(brokers) != 1 {
			return fault.Usage("the cluster has %d brokers: say on which to move", len(brokers)).WithHint("for example --broker %d", brokers[0].NodeID)
		}
		f.broker = brokers[0].NodeID
	}
	req := kmsg.NewPtrAlterReplicaLogDirsRequest()
	req.Dirs = []kmsg.AlterReplicaLogDirsRequestDir{{Dir: f.dir, Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: topic, Partitions: wanted}}}}
	answer, err := client.Broker(int(f.broker)).RetriableRequest(ctx, req)
	if command.IsUnknownBroker(err) {
		return client.UnknownBroker(ctx, strconv.Itoa(int(f.broker)))
	}
	if err != nil {
		return client.Explain("move replicas", err)
	}
	out := []outcome{}
	for _, t := range answer.(*kmsg.AlterReplicaLogDirsResponse).Topics {
		for _, p := range t.Partitions {
			o := outcome{Topic: t.Topic, Partition: p.Partition, Done: "moving to " + f.dir}
			if p.ErrorCode == kerr.LogDirNotFound.Code {
				o.fail((&fault.Error{Primary: fmt.Sprintf("broker %d has no log directory %s", f.broker, f.dir), Cause: kerr.LogDirNotFound}).
					WithHint(`"leat cluster log-dirs" shows the directories`))
			} else if err := command.Failure(p.ErrorCode); err != nil {
				o.fail(client.Explain(fmt.Sprintf("move %s-%d", t.Topic, p.Partition), err))
			}
			out = append(out, o)
		}
	}
	return report(env, out, "")
}
