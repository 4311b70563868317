package group

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/position"
	"leat.dev/internal/cli/screen"
	"leat.dev/internal/cli/when"
)

type resetOptions struct {
	topics   []string
	to       string
	toTime   string
	by       string
	shift    int64
	shiftSet bool
	imported string
	exported string
	share    bool
	dryRun   bool
}

func newReset(env *command.Env) *cobra.Command {
	var o resetOptions
	cmd := &cobra.Command{
		Use:   "reset NAME",
		Short: "Move a group's committed offsets",
		Long: "Move a group's committed offsets: of all partitions it has offsets for, or of the topics given. The group\n" +
			"must have no members. Offsets that a partition does not hold become its first or last. In a share group it is\n" +
			"where the records start that are delivered to it; what it delivered behind that is delivered again.\n\n" +
			"Files have one line TOPIC,PARTITION,OFFSET per partition, as Kafka's own tool writes and reads them.",
		Example: `  leat group reset report --to earliest
  leat group reset report --to-time 2026-01-31T08:00:00Z --topic quakes --dry-run
  leat group reset report --shift -100 --topic quakes:0,1
  leat group reset report --to current --export offsets.csv
  leat group reset report --import offsets.csv
  leat group reset workers --share --to earliest --topic jobs`,
		Args:              command.Args(1, 1, "the name of a group"),
		ValidArgsFunction: env.CompleteGroups(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.shiftSet = cmd.Flags().Changed("shift")
			return reset(cmd.Context(), env, o, args[0])
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.topics, "topic", nil, "only this topic, or TOPIC:PARTITIONS such as quakes:0,2-3; repeatable")
	f.StringVar(&o.to, "to", "", "earliest, latest, current (as committed) or an offset")
	f.StringVar(&o.toTime, "to-time", "", "the first record from this time on")
	f.StringVar(&o.by, "by-duration", "", "the first record from this span before now on, such as 90m or 7d")
	f.Int64Var(&o.shift, "shift", 0, "this many records forward, or back if negative")
	f.StringVar(&o.imported, "import", "", "offsets from this file (- for standard input)")
	f.StringVar(&o.exported, "export", "", "write the new offsets to this file (- for standard output) instead of committing them")
	f.BoolVar(&o.share, "share", false, "of a share group, which comes to be if it does not exist yet")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would change, but change nothing")
	command.CompleteFlag(cmd, "to", "earliest", "latest", "current")
	command.CompleteFlagWith(cmd, "topic", env.CompleteTopics(-1))
	return cmd
}

func (o resetOptions) check() error {
	given := 0
	for _, g := range []bool{o.to != "", o.toTime != "", o.by != "", o.shiftSet, o.imported != ""} {
		if g {
			given++
		}
	}
	if given != 1 {
		return fault.Usage("say where to move the offsets").
			WithHint("give exactly one of --to, --to-time, --by-duration, --shift and --import")
	}
	switch o.to {
	case "", "earliest", "latest", "current":
	default:
		if n, err := strconv.ParseInt(o.to, 10, 64); err != nil || n < 0 {
			return fault.Usage("--to %q is not a place", o.to).WithHint("write earliest, latest, current or an offset; for times there is --to-time")
		}
	}
	return nil
}

func reset(ctx context.Context, env *command.Env, o resetOptions, name string) error {
	if err := o.check(); err != nil {
		return err
	}
	var at time.Time
	var err error
	switch {
	case o.toTime != "":
		if at, err = when.Parse("--to-time", o.toTime, time.Now()); err != nil {
			return err
		}
	case o.by != "":
		span, err := when.Span("--by-duration", o.by)
		if err != nil {
			return err
		}
		at = time.Now().Add(-span)
	}
	chosen, err := parseScope(o.topics)
	if err != nil {
		return err
	}
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()

	d, err := checkIdle(ctx, client, name, o, len(chosen) > 0)
	if err != nil {
		return err
	}
	offsets, _, err := d.offsets(ctx, client) // none of a group that does not exist
	if err != nil {
		return err
	}
	r := &resetter{client: client, o: o, at: at, group: name, committed: offsets}
	moves, err := r.moves(ctx, env, chosen)
	if err != nil {
		return err
	}
	if o.exported != "" {
		return export(env, o.exported, moves)
	}
	if !o.dryRun {
		if err := d.commit(ctx, client, moves); err != nil {
			return err
		}
	}
	return env.Emit(moves, func() error {
		t := screen.NewTable("TOPIC", "PARTITION>", "FROM>", "TO>", "CHANGE>")
		for _, m := range moves {
			change := ""
			if m.From != nil {
				change = fmt.Sprintf("%+d", m.To-*m.From)
			}
			t.Row(m.Topic, m.Partition, number(m.From), screen.Count(m.To), change)
		}
		if err := t.Write(env.Screen); err != nil {
			return err
		}
		position.Notes(env, moves)
		if o.dryRun {
			env.Notef("nothing was changed: without --dry-run these offsets are committed")
		}
		return nil
	})
}

// checkIdle refuses a group with members, because they would go on committing their own offsets. A group that
// does not exist yet may be given offsets for chosen topics.
func checkIdle(ctx context.Context, client *command.Client, name string, o resetOptions, chosen bool) (*described, error) {
	d, err := describe(ctx, client, name)
	if errors.Is(err, kerr.GroupIDNotFound) && (chosen || o.imported != "") {
		d = &described{name: name, kind: "classic"}
		if o.share {
			d.kind = kindShare
		}
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	if o.share && d.kind != kindShare {
		return nil, fault.Usage("group %q is no share group", name).WithDetail("it is a %s group", d.kind).WithHint("leave --share out to move its offsets")
	}
	if len(d.members) == 0 || o.dryRun || o.exported != "" {
		return d, nil
	}
	return nil, fault.Failed("group %q is in use", name).
		WithDetail("it is %s with %s; they would overwrite the offsets", strings.ToLower(d.state), screen.Plural(len(d.members), "member")).
		WithHint(`stop them first; "leat group describe %s --members" shows who they are`, name)
}

// parseScope reads the topics to change; no partitions means all of the topic.
func parseScope(topics []string) (map[string][]int32, error) {
	chosen := map[string][]int32{}
	for _, t := range topics {
		name, list, has := strings.Cut(t, ":")
		partitions, err := command.ParsePartitions(list)
		if err != nil {
			return nil, err
		}
		if name == "" || has && len(partitions) == 0 {
			return nil, fault.Usage("--topic %q is neither a topic nor TOPIC:PARTITIONS", t)
		}
		chosen[name] = append(chosen[name], partitions...)
	}
	return chosen, nil
}

func (d *described) commit(ctx context.Context, client *command.Client, moves []position.Move) error {
	if d.kind == kindShare {
		return commitShare(ctx, client, d.name, moves)
	}
	return position.Commit(ctx, client, d.name, fmt.Sprintf("commit offsets of group %q", d.name), moves)
}

func export(env *command.Env, file string, moves []position.Move) error {
	var b strings.Builder
	for _, m := range moves {
		fmt.Fprintf(&b, "%s,%d,%d\n", m.Topic, m.Partition, m.To)
	}
	if file == "-" {
		return env.Printf("%s", b.String())
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return fault.Failed("cannot write %s", file).WithDetail("%v", err)
	}
	env.Notef("wrote the offsets of %s to %s", screen.Plural(len(moves), "partition"), file)
	return nil
}

func sortMoves(moves []position.Move) {
	slices.SortFunc(moves, func(a, b position.Move) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return int(a.Partition - b.Partition)
	})
}
