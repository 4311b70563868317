package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

type logDir struct {
	Broker     int32         `json:"broker"`
	Dir        string        `json:"dir"`
	TotalBytes int64         `json:"total_bytes"`
	FreeBytes  int64         `json:"free_bytes"`
	Failure    *fault.Object `json:"failure,omitempty"`
	Replicas   []replica     `json:"replicas"`
}

type replica struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Bytes     int64  `json:"bytes"`
	Lag       int64  `json:"lag"`
	// Future: the replica is on its way into this directory.
	Future bool `json:"future"`
}

func newLogDirs(env *command.Env) *cobra.Command {
	var topics []string
	var replicas bool
	cmd := &cobra.Command{
		Use:               "log-dirs",
		Short:             "Show the directories that logs are in, and what they hold",
		Example:           "  leat cluster log-dirs\n  leat cluster log-dirs --topic orders --replicas",
		Args:              command.Args(0, 0, "no argument"),
		ValidArgsFunction: command.NoCompletion,
		RunE:              func(cmd *cobra.Command, _ []string) error { return showLogDirs(cmd.Context(), env, topics, replicas) },
	}
	cmd.Flags().StringSliceVar(&topics, "topic", nil, "only replicas of these topics")
	cmd.Flags().BoolVar(&replicas, "replicas", false, "list each replica")
	command.CompleteFlagWith(cmd, "topic", env.CompleteTopics(-1))
	return cmd
}

func readLogDirs(ctx context.Context, client *command.Client, topics []string) ([]logDir, error) {
	req := kmsg.NewPtrDescribeLogDirsRequest()
	if len(topics) > 0 {
		details, err := client.Topics(ctx, topics...)
		if err != nil {
			return nil, err
		}
		for _, name := range topics {
			t := kmsg.NewDescribeLogDirsRequestTopic()
			t.Topic, t.Partitions = name, details[name].Partitions.Numbers()
			req.Topics = append(req.Topics, t)
		}
	}
	out := []logDir{}
	for _, shard := range client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, client.Explain("describe the log directories", shard.Err)
		}
		resp := shard.Resp.(*kmsg.DescribeLogDirsResponse)
		if err := client.Refused(fmt.Sprintf("describe the log directories of broker %d", shard.Meta.NodeID), resp.ErrorCode, nil); err != nil {
			return nil, err
		}
		for _, d := range resp.Dirs {
			dir := logDir{Broker: shard.Meta.NodeID, Dir: d.Dir, TotalBytes: d.TotalBytes, FreeBytes: d.UsableBytes, Replicas: []replica{}}
			if err := command.Failure(d.ErrorCode); err != nil {
				o := fault.ToObject(client.Explain("use the directory", err))
				dir.Failure = &o
			}
			for _, t := range d.Topics {
				for _, p := range t.Partitions {
					dir.Replicas = append(dir.Replicas, replica{t.Topic, p.Partition, p.Size, p.OffsetLag, p.IsFuture})
				}
			}
			slices.SortFunc(dir.Replicas, func(a, b replica) int {
				return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
			})
			out = append(out, dir)
		}
	}
	slices.SortFunc(out, func(a, b logDir) int { return cmp.Or(cmp.Compare(a.Broker, b.Broker), strings.Compare(a.Dir, b.Dir)) })
	return out, nil
}

func showLogDirs(ctx context.Context, env *command.Env, topics []string, replicas bool) error {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	dirs, err := readLogDirs(ctx, client, topics)
	if err != nil {
		return err
	}
	return env.Emit(dirs, func() error {
		if replicas {
			return writeReplicas(env, dirs)
		}
		t := screen.NewTable("BROKER>", "DIRECTORY", "REPLICAS>", "SIZE>", "FREE>", "STATE")
		for _, d := range dirs {
			size, state := int64(0), "in use"
			for _, r := range d.Replicas {
				size += r.Bytes
			}
			if d.Failure != nil {
				state = d.Failure.Detail
			}
			free := ""
			if d.FreeBytes >= 0 {
				free = screen.Bytes(d.FreeBytes)
			}
			t.Row(d.Broker, d.Dir, len(d.Replicas), screen.Bytes(size), free, state)
		}
		return t.Write(env.Screen)
	})
}

func writeReplicas(env *command.Env, dirs []logDir) error {
	t := screen.NewTable("TOPIC", "PARTITION>", "BROKER>", "SIZE>", "LAG>", "DIRECTORY")
	for _, d := range dirs {
		for _, r := range d.Replicas {
			where := d.Dir
			if r.Future {
				where += " (moving here)"
			}
			t.Row(r.Topic, r.Partition, d.Broker, screen.Bytes(r.Bytes), r.Lag, where)
		}
	}
	return t.Write(env.Screen)
}
