package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/position"
	"leat.dev/internal/cli/screen"
)

type resetOptions struct {
	inputs, internals []string
	earliest, latest  bool
	offset, shift     int64
	hasOffset, shifts bool
	datetime, by      string
	file              string
	stateDir          string
	dryRun, force     bool
}

// resetDone is what a reset did, or would do.
type resetDone struct {
	Application string          `json:"application"`
	Offsets     []position.Move `json:"offsets"`
	Deleted     []string        `json:"deleted_topics"`
	Missing     []string        `json:"missing_topics,omitempty"`
	Removed     int             `json:"removed_members,omitempty"`
	State       string          `json:"removed_state,omitempty"` // a directory
	DryRun      bool            `json:"dry_run,omitempty"`
}

func newReset(env *command.Env) *cobra.Command {
	var o resetOptions
	cmd := &cobra.Command{
		Use:   "reset APPLICATION",
		Short: "Let an application begin anew",
		Long: "Let an application begin anew, as Kafka's kafka-streams-application-reset does: the committed offsets of its\n" +
			"input topics move, to the earliest ones if nothing else is said, and its internal topics are deleted:\n" +
			"changelogs, repartition topics, those of foreign-key joins. Other offsets of its group stay.\n\n" +
			"All instances must be stopped. Their local state must be gone before they start again: --state-dir removes\n" +
			"the one on this machine. Results that were written stay in their topics.",
		Example: `  leat streams reset orders --input-topics orders,customers --dry-run
  leat streams reset orders --input-topics orders --to-datetime 2026-01-31T08:00:00Z
  leat streams reset orders --input-topics orders --by-duration P7D
  leat streams reset orders --internal-topics orders-totals-changelog --state-dir /var/lib/orders`,
		Args:              command.Args(1, 1, "the id of an application"),
		ValidArgsFunction: env.CompleteGroups(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.hasOffset, o.shifts = cmd.Flags().Changed("to-offset"), cmd.Flags().Changed("shift-by")
			return reset(cmd.Context(), env, &o, args[0])
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.inputs, "input-topics", nil, "topics whose offsets move; without them none do")
	f.StringSliceVar(&o.internals, "internal-topics", nil, "delete only these internal topics")
	f.BoolVar(&o.earliest, "to-earliest", false, "to the first records that are there (the default)")
	f.BoolVar(&o.latest, "to-latest", false, "behind the last records")
	f.Int64Var(&o.offset, "to-offset", 0, "to this offset in each partition")
	f.StringVar(&o.datetime, "to-datetime", "", "to the first records from this time on, such as 2026-01-31T08:00:00.000")
	f.StringVar(&o.by, "by-duration", "", "to the first records from this span before now on, such as P1DT6H or 90m")
	f.Int64Var(&o.shift, "shift-by", 0, "this many records forward, or back if negative")
	f.StringVar(&o.file, "from-file", "", "to the offsets in this file (- for standard input), lines TOPIC,PARTITION,OFFSET")
	f.StringVar(&o.stateDir, "state-dir", "", "remove the application's state below this directory of this machine, too")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would change, but change nothing")
	f.BoolVar(&o.force, "force", false, "remove members that are still in the group")
	command.CompleteFlagWith(cmd, "input-topics", env.CompleteTopics(-1))
	command.CompleteFlagWith(cmd, "internal-topics", env.CompleteTopics(-1))
	return cmd
}

// check finds what cannot be meant.
func (o *resetOptions) check() error {
	given := []string{}
	for _, f := range []struct {
		name string
		on   bool
	}{
		{"--to-earliest", o.earliest}, {"--to-latest", o.latest}, {"--to-offset", o.hasOffset}, {"--to-datetime", o.datetime != ""},
		{"--by-duration", o.by != ""}, {"--shift-by", o.shifts}, {"--from-file", o.file != ""},
	} {
		if f.on {
			given = append(given, f.name)
		}
	}
	switch {
	case len(given) > 1:
		return fault.Usage("%s and %s do not go together", given[0], given[1]).WithHint("say one place to move the offsets to")
	case len(given) == 1 && len(o.inputs) == 0:
		return fault.Usage("%s moves the offsets of input topics, and none is named", given[0]).WithHint("name them with --input-topics")
	case o.hasOffset && o.offset < 0:
		return fault.Usage("--to-offset %d is negative", o.offset)
	}
	return nil
}

func reset(ctx context.Context, env *command.Env, o *resetOptions, name string) error {
	if err := o.check(); err != nil {
		return err
	}
	at, err := o.time(time.Now())
	if err != nil {
		return err
	}
	wanted, err := o.wanted(env)
	if err != nil {
		return err
	}
	c, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	done := &resetDone{Application: name, DryRun: o.dryRun, Offsets: []position.Move{}, Deleted: []string{}}
	if done.Removed, err = empty(ctx, c, o, name); err != nil {
		return err
	}
	all, err := c.Admin.ListTopicsWithInternal(ctx)
	if err != nil {
		return c.Explain("read the cluster's metadata", err)
	}
	if done.Deleted, err = o.deletes(name, all.Names()); err != nil {
		return err
	}
	var inputs []string
	for _, t := range o.inputs {
		if all.Has(t) && all[t].Err == nil {
			inputs = append(inputs, t)
		} else {
			done.Missing = append(done.Missing, t)
		}
	}
	if len(inputs) > 0 {
		r := &resetter{client: c, o: o, group: name, at: at, wanted: wanted}
		if done.Offsets, err = r.move(ctx, inputs, all); err != nil {
			return err
		}
	}
	if !o.dryRun && len(done.Deleted) > 0 {
		if err := deleteTopics(ctx, c, done.Deleted); err != nil {
			return err
		}
	}
	if o.stateDir != "" {
		if done.State, err = o.removeState(name); err != nil {
			return err
		}
	}
	return env.Emit(done, func() error { return done.write(env) })
}

// empty refuses a group with members, or removes them.
func empty(ctx context.Context, c *command.Client, o *resetOptions, name string) (removed int, err error) {
	a, err := find(ctx, c, name)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return 0, nil // its offsets are gone, or it never committed any; its topics may be there
	}
	if err != nil {
		return 0, err
	}
	if len(a.Members) == 0 {
		return 0, nil
	}
	if !o.force {
		return 0, fault.Failed("application %q is still active", name).
			WithDetail("its group has %s: %s", screen.Plural(len(a.Members), "member"), names(a)).
			WithHint("stop all its instances first; --force removes members that are gone without having said so")
	}
	if a.Kind == kindGroup {
		return 0, fault.Failed("members of a streams group cannot be removed").WithDetail("the protocol (KIP-1071) has no request for it").
			WithHint("stop the instances; those that were killed are removed after their session timeout")
	}
	if o.dryRun {
		return len(a.Members), nil
	}
	if err := leave(ctx, c, a); err != nil {
		return 0, err
	}
	return len(a.Members), nil
}

func names(a *application) string {
	var out []string
	for i, m := range a.Members {
		if i == 5 {
			out = append(out, "…")
			break
		}
		out = append(out, fmt.Sprintf("%s at %s", cmp.Or(m.Instance, m.Member), m.Host))
	}
	return strings.Join(out, ", ")
}

// deletes are the internal topics that go.
func (o *resetOptions) deletes(name string, all []string) ([]string, error) {
	inferred := []string{}
	for _, t := range all {
		if isInternal(name, t) && !slices.Contains(o.inputs, t) {
			inferred = append(inferred, t)
		}
	}
	slices.Sort(inferred)
	if len(o.internals) == 0 {
		return inferred, nil
	}
	for _, t := range o.internals {
		if !slices.Contains(inferred, t) {
			return nil, fault.Usage("topic %q is no internal topic of application %q", t, name).
				WithHint("%s", fault.DidYouMean(t, inferred, "--dry-run without --internal-topics shows those there are"))
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(o.internals))), nil
}

func deleteTopics(ctx context.Context, c *command.Client, topics []string) error {
	answers, err := c.Admin.DeleteTopics(ctx, topics...)
	if err != nil {
		return c.Explain("delete internal topics", err)
	}
	for _, t := range topics {
		if err := answers[t].Err; err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return c.ExplainWith(fmt.Sprintf("delete topic %q", t), err, answers[t].ErrMessage)
		}
	}
	return nil
}

// removeState removes what instances on this machine keep: path/APPLICATION, as the option StateDir and Kafka Streams'
// state.dir name it. It looks whether that is what is there.
func (o *resetOptions) removeState(name string) (string, error) {
	dir := filepath.Join(o.stateDir, name)
	if filepath.Dir(dir) != filepath.Clean(o.stateDir) {
		return "", fault.Usage("the application id %q does not name a directory below --state-dir", name)
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fault.Failed("cannot read the state in %s", dir).WithDetail("%v", err)
	}
	if len(entries) > 0 && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return isState(e.Name()) }) {
		return "", fault.Failed("%s does not look like the state of an application", dir).
			WithDetail("it has neither a process id nor directories of tasks").WithHint("--state-dir is the directory above that of the application")
	}
	if o.dryRun {
		return dir, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", fault.Failed("cannot remove the state in %s", dir).WithDetail("%v", err)
	}
	return dir, nil
}

func isState(name string) bool {
	switch name {
	case "process-id", "state", "global", "kafka-streams-process-metadata", ".lock":
		return true
	}
	sub, partition, ok := strings.Cut(name, "_")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return ok && digits(sub) && digits(partition)
}

func (d *resetDone) write(env *command.Env) error {
	would := ""
	if d.DryRun {
		would = "would be "
	}
	if d.Removed > 0 {
		if err := env.Printf("%s %sremoved from the group\n", screen.Plural(d.Removed, "member"), would); err != nil {
			return err
		}
	}
	if len(d.Offsets) > 0 {
		t := screen.NewTable("TOPIC", "PARTITION>", "FROM>", "TO>")
		for _, m := range d.Offsets {
			t.Row(m.Topic, m.Partition, screen.Optional(m.From, screen.Count[int64]), screen.Count(m.To))
		}
		if err := t.Write(env.Screen); err != nil {
			return err
		}
	}
	for _, t := range d.Deleted {
		if err := env.Printf("topic %s %sdeleted\n", t, would); err != nil {
			return err
		}
	}
	if d.State != "" {
		if err := env.Printf("state in %s %sremoved\n", d.State, would); err != nil {
			return err
		}
	}
	for _, t := range d.Missing {
		env.Notef("input topic %q is not there and was passed over", t)
	}
	position.Notes(env, d.Offsets)
	switch {
	case d.DryRun:
		env.Notef("nothing was changed: this is what happens without --dry-run")
	case len(d.Offsets)+len(d.Deleted)+len(d.State) == 0:
		env.Notef("there was nothing to do; --input-topics names the topics whose offsets are to move")
	case d.State == "":
		env.Notef("remove the local state of all instances before they start again: --state-dir does it on this machine")
	}
	return nil
}
