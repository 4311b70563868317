package topic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

type createOptions struct {
	partitions  int32
	replication int16
	settings    []string
	ifNotExists bool
	dryRun      bool
}

func newCreate(env *command.Env) *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use:   "create NAME...",
		Short: "Create topics",
		Example: `  leat topic create quakes --partitions 4
  leat topic create counts --config cleanup.policy=compact --config segment.ms=3600000`,
		Args:              command.Args(1, -1, "the name of a topic"),
		ValidArgsFunction: command.NoCompletion,
		RunE:              func(cmd *cobra.Command, args []string) error { return create(cmd.Context(), env, o, args) },
	}
	f := cmd.Flags()
	f.Int32VarP(&o.partitions, "partitions", "p", -1, "number of partitions; -1 for the broker's default (num.partitions)")
	f.Int16VarP(&o.replication, "replication-factor", "r", -1, "replicas of each partition; -1 for the broker's default")
	f.StringArrayVarP(&o.settings, "config", "c", nil, "a setting of the topic, name=value; repeatable")
	f.BoolVar(&o.ifNotExists, "if-not-exists", false, "succeed if the topic is already there")
	f.BoolVar(&o.dryRun, "dry-run", false, "let the cluster check everything, but create nothing")
	return cmd
}

func create(ctx context.Context, env *command.Env, o createOptions, names []string) error {
	_, settings, err := command.ParseSettings("--config", o.settings)
	if err != nil {
		return err
	}
	if o.partitions == 0 || o.partitions < -1 {
		return fault.Usage("--partitions %d is not a number of partitions", o.partitions).WithHint("give at least 1, or leave it out for the broker's default")
	}
	if o.replication == 0 || o.replication < -1 {
		return fault.Usage("--replication-factor %d is not a number of replicas", o.replication).WithHint("give at least 1, or leave it out for the broker's default")
	}
	configs := map[string]*string{}
	for k, v := range settings {
		configs[k] = &v
	}
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()

	call := client.Admin.CreateTopics
	verb := "created"
	if o.dryRun {
		call, verb = client.Admin.ValidateCreateTopics, "could create"
	}
	names = dedupe(names)
	answers, err := call(ctx, o.partitions, o.replication, configs, names...)
	if err != nil && len(answers) == 0 {
		return client.Explain("create "+quoteAll(names), err)
	}
	outcomes := make([]outcome, 0, len(names))
	for _, name := range names {
		a, ok := answers[name]
		if !ok {
			a = kadm.CreateTopicResponse{Topic: name, Err: cmp.Or(err, errNoAnswer)}
		}
		out := outcome{Name: name, ID: idText(a.ID), Partitions: max(a.NumPartitions, 0), ReplicationFactor: max(a.ReplicationFactor, 0)}
		switch {
		case o.ifNotExists && errors.Is(a.Err, kerr.TopicAlreadyExists):
			out.done = fmt.Sprintf("topic %q is already there", name)
		case a.Err != nil:
			out.err = client.ExplainWith(fmt.Sprintf("create topic %q", name), a.Err, a.ErrMessage)
		default:
			out.done = fmt.Sprintf("%s topic %q", verb, name)
			if a.NumPartitions > 0 {
				out.done += fmt.Sprintf(" with %s, replication factor %d", screen.Plural(a.NumPartitions, "partition"), a.ReplicationFactor)
			}
		}
		outcomes = append(outcomes, out)
	}
	return report(env, outcomes)
}

func dedupe(names []string) []string {
	var out []string
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func quoteAll(names []string) string {
	if len(names) == 1 {
		return fmt.Sprintf("topic %q", names[0])
	}
	return fmt.Sprintf("%d topics", len(names))
}
