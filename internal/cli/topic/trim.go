package topic

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
	"leat.dev/internal/cli/when"
)

type trimOptions struct {
	partitions string
	toOffset   int64
	before     string
	all        bool
}

type trimmed struct {
	Topic       string `json:"topic"`
	Partition   int32  `json:"partition"`
	StartOffset int64  `json:"start_offset"`
}

func newTrim(env *command.Env) *cobra.Command {
	var o trimOptions
	cmd := &cobra.Command{
		Use:   "trim NAME",
		Short: "Delete a topic's oldest records",
		Long:  "Delete a topic's oldest records by moving the start of its partitions forward. This cannot be undone.",
		Example: `  leat topic trim quakes --before 7d
  leat topic trim quakes --partitions 0 --to-offset 1000`,
		Args:              command.Args(1, 1, "the name of a topic"),
		ValidArgsFunction: env.CompleteTopics(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return trim(cmd.Context(), env, o, args[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&o.partitions, "partitions", "", "only these partitions, such as 0,2,5-7")
	f.Int64Var(&o.toOffset, "to-offset", -1, "delete records below this offset")
	f.StringVar(&o.before, "before", "", "delete records older than this time, or than this span before now (7d)")
	f.BoolVar(&o.all, "all", false, "delete all records")
	return cmd
}

func trim(ctx context.Context, env *command.Env, o trimOptions, name string) error {
	wanted, err := command.ParsePartitions(o.partitions)
	if err != nil {
		return err
	}
	chosen := 0
	for _, given := range []bool{o.toOffset >= 0, o.before != "", o.all} {
		if given {
			chosen++
		}
	}
	if chosen != 1 {
		return fault.Usage("say up to where to delete").WithHint("give exactly one of --to-offset, --before and --all")
	}
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	details, err := client.Topics(ctx, name)
	if err != nil {
		return err
	}
	partitions, err := command.Partitions(details[name], wanted)
	if err != nil {
		return err
	}
	ends, err := client.Admin.ListEndOffsets(ctx, name)
	if err != nil {
		return client.Explain(fmt.Sprintf("read the offsets of topic %q", name), err)
	}
	if o.before != "" {
		at, err := when.Parse("--before", o.before, time.Now())
		if err != nil {
			return err
		}
		if ends, err = client.Admin.ListOffsetsAfterMilli(ctx, at.UnixMilli(), name); err != nil {
			return client.Explain(fmt.Sprintf("look up the time in topic %q", name), err)
		}
	}
	targets := kadm.Offsets{}
	for _, p := range partitions {
		end, ok := ends.Lookup(name, p)
		if !ok || end.Err != nil {
			return client.Explain(fmt.Sprintf("read the offsets of partition %d", p), cmp.Or(end.Err, errNoAnswer))
		}
		at := end.Offset
		if o.toOffset >= 0 {
			at = min(o.toOffset, end.Offset)
		}
		targets.AddOffset(name, p, at, -1)
	}
	answers, err := client.Admin.DeleteRecords(ctx, targets)
	if err != nil && len(answers) == 0 {
		return client.Explain(fmt.Sprintf("trim topic %q", name), err)
	}
	out := []trimmed{}
	for _, a := range answers.Sorted() {
		if a.Err != nil {
			return client.Explain(fmt.Sprintf("trim partition %d of topic %q", a.Partition, name), a.Err)
		}
		out = append(out, trimmed{Topic: a.Topic, Partition: a.Partition, StartOffset: a.LowWatermark})
	}
	return env.Emit(out, func() error {
		t := screen.NewTable("PARTITION>", "START>")
		for _, r := range out {
			t.Row(r.Partition, screen.Count(r.StartOffset))
		}
		return t.Write(env.Screen)
	})
}
