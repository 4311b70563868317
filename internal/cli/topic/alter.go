package topic

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

type alterOptions struct {
	partitions int
	settings   []string
	unset      []string
	dryRun     bool
}

func newAlter(env *command.Env) *cobra.Command {
	var o alterOptions
	cmd := &cobra.Command{
		Use:   "alter NAME...",
		Short: "Add partitions and change settings",
		Long: "Add partitions and change settings. The number of partitions can only grow; records that are already there\n" +
			"stay where they are, so keys may move to other partitions from then on.",
		Example: `  leat topic alter quakes --partitions 8
  leat topic alter quakes --config retention.ms=604800000 --unset segment.bytes`,
		Args:              command.Args(1, -1, "the name of a topic"),
		ValidArgsFunction: env.CompleteTopics(-1),
		RunE:              func(cmd *cobra.Command, args []string) error { return alter(cmd.Context(), env, o, dedupe(args)) },
	}
	f := cmd.Flags()
	f.IntVarP(&o.partitions, "partitions", "p", 0, "grow to this number of partitions")
	f.StringArrayVarP(&o.settings, "config", "c", nil, "set a setting, name=value; repeatable")
	f.StringArrayVar(&o.unset, "unset", nil, "return a setting to its default; repeatable")
	f.BoolVar(&o.dryRun, "dry-run", false, "let the cluster check everything, but change nothing")
	return cmd
}

func alter(ctx context.Context, env *command.Env, o alterOptions, names []string) error {
	order, settings, err := command.ParseSettings("--config", o.settings)
	if err != nil {
		return err
	}
	if o.partitions < 0 {
		return fault.Usage("--partitions %d is not a number of partitions", o.partitions)
	}
	if o.partitions == 0 && len(order) == 0 && len(o.unset) == 0 {
		return fault.Usage("nothing to alter").WithHint("give --partitions, --config name=value or --unset name")
	}
	var changes []kadm.AlterConfig
	for _, name := range order {
		v := settings[name]
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &v})
	}
	for _, name := range o.unset {
		changes = append(changes, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: name})
	}
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	details, err := client.Topics(ctx, names...)
	if err != nil {
		return err
	}
	outcomes := make([]outcome, len(names))
	for i, name := range names {
		outcomes[i] = outcome{Name: name, ID: idText(details[name].ID), ReplicationFactor: int16(details[name].Partitions.NumReplicas())}
		outcomes[i].err = alterOne(ctx, client, o, changes, details[name])
		outcomes[i].Partitions = int32(max(o.partitions, len(details[name].Partitions)))
		verb := "altered"
		if o.dryRun {
			verb = "could alter"
		}
		outcomes[i].done = fmt.Sprintf("%s topic %q", verb, name)
		if o.partitions > 0 {
			outcomes[i].done += fmt.Sprintf(": %s", screen.Plural(o.partitions, "partition"))
		}
	}
	return report(env, outcomes)
}

func alterOne(ctx context.Context, client *command.Client, o alterOptions, changes []kadm.AlterConfig, d kadm.TopicDetail) error {
	what := fmt.Sprintf("alter topic %q", d.Topic)
	// Settings first: they are checked as a whole, while partitions cannot be taken back.
	if len(changes) > 0 {
		call := client.Admin.AlterTopicConfigs
		if o.dryRun {
			call = client.Admin.ValidateAlterTopicConfigs
		}
		answers, err := call(ctx, changes, d.Topic)
		if err != nil {
			return client.Explain(what, err)
		}
		for _, a := range answers {
			if a.Err != nil {
				return client.ExplainWith(what, a.Err, a.ErrMessage)
			}
		}
	}
	if o.partitions == 0 {
		return nil
	}
	if have := len(d.Partitions); o.partitions <= have {
		if o.partitions == have {
			return nil
		}
		return fault.Failed("cannot shrink topic %q from %d to %s", d.Topic, have, screen.Plural(o.partitions, "partition")).
			WithHint("partitions can only be added: create a new topic and copy the records instead")
	}
	call := client.Admin.UpdatePartitions
	if o.dryRun {
		call = client.Admin.ValidateUpdatePartitions
	}
	answers, err := call(ctx, o.partitions, d.Topic)
	if err != nil {
		return client.Explain(what, err)
	}
	for _, a := range answers {
		if a.Err != nil {
			return client.ExplainWith(what, a.Err, a.ErrMessage)
		}
	}
	return nil
}
