package topic

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

type deleteOptions struct {
	ifExists bool
	regex    bool
	yes      bool
}

func newDelete(env *command.Env) *cobra.Command {
	var o deleteOptions
	cmd := &cobra.Command{
		Use:   "delete NAME...",
		Short: "Delete topics with all their records",
		Example: `  leat topic delete quakes
  leat topic delete --regex 'test-.*'`,
		Args:              command.Args(1, -1, "the name of a topic"),
		ValidArgsFunction: env.CompleteTopics(-1),
		RunE:              func(cmd *cobra.Command, args []string) error { return remove(cmd.Context(), env, o, dedupe(args)) },
	}
	cmd.Flags().BoolVar(&o.ifExists, "if-exists", false, "succeed if the topic is not there")
	cmd.Flags().BoolVar(&o.regex, "regex", false, "the names are regular expressions that must match whole names")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "delete what --regex matches without asking")
	return cmd
}

func remove(ctx context.Context, env *command.Env, o deleteOptions, names []string) error {
	client, err := env.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	if o.regex {
		if names, err = match(ctx, client, names); err != nil {
			return err
		}
		if len(names) == 0 {
			if o.ifExists {
				return report(env, []outcome{})
			}
			return fault.Failed("no topic matches").WithHint(`"leat topic list" shows the topics`)
		}
		if err := confirm(env, o.yes, names); err != nil {
			return err
		}
	}
	ctx, cancel := env.Deadline(ctx)
	defer cancel()
	answers, err := client.Admin.DeleteTopics(ctx, names...)
	if err != nil && len(answers) == 0 {
		return client.Explain("delete "+quoteAll(names), err)
	}
	outcomes := make([]outcome, 0, len(names))
	for _, name := range names {
		a, ok := answers[name]
		if !ok {
			a = kadm.DeleteTopicResponse{Topic: name, Err: cmp.Or(err, errNoAnswer)}
		}
		out := outcome{Name: name, ID: idText(a.ID)}
		unknown := errors.Is(a.Err, kerr.UnknownTopicOrPartition)
		switch {
		case unknown && o.ifExists:
			out.done = fmt.Sprintf("topic %q is not there", name)
		case unknown:
			out.err = client.UnknownTopic(ctx, name)
		case a.Err != nil:
			out.err = client.ExplainWith(fmt.Sprintf("delete topic %q", name), a.Err, a.ErrMessage)
		default:
			out.done = fmt.Sprintf("deleted topic %q", name)
		}
		outcomes = append(outcomes, out)
	}
	return report(env, outcomes)
}

func match(ctx context.Context, client *command.Client, patterns []string) ([]string, error) {
	var res []*regexp.Regexp
	for _, p := range patterns {
		re, err := regexp.Compile("^(?:" + p + ")$")
		if err != nil {
			return nil, fault.Usage("%q is not a regular expression", p).WithDetail("%v", err)
		}
		res = append(res, re)
	}
	all, err := client.Topics(ctx)
	if err != nil {
		return nil, err
	}
	all.FilterInternal()
	var names []string
	for _, name := range all.Names() {
		for _, re := range res {
			if re.MatchString(name) {
				names = append(names, name)
				break
			}
		}
	}
	return names, nil
}

func confirm(env *command.Env, yes bool, names []string) error {
	if yes {
		return nil
	}
	if !env.InTerminal || !env.ErrTerminal {
		return fault.Usage("--regex matches %d topics: %s", len(names), strings.Join(names, ", ")).
			WithHint("add --yes to delete them without being asked")
	}
	fmt.Fprintf(env.Err, "delete %d topics: %s? [y/N] ", len(names), strings.Join(names, ", "))
	answer, _ := bufio.NewReader(env.In).ReadString('\n') // end of input means no
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return fault.Failed("nothing was deleted")
	}
	return nil
}
