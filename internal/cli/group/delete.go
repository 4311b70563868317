package group

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

type deleted struct {
	Group   string        `json:"group"`
	Missing bool          `json:"missing,omitempty"`
	Topics  []string      `json:"topics,omitempty"`
	Failure *fault.Object `json:"failure,omitempty"`
}

func newDelete(env *command.Env) *cobra.Command {
	var topics []string
	var ifExists bool
	cmd := &cobra.Command{
		Use:   "delete NAME...",
		Short: "Delete groups, or their offsets of some topics",
		Long:  "Delete groups with all their committed offsets. A group must have no members. With --topic only the offsets\nof these topics are deleted and the group stays.",
		Example: `  leat group delete report
  leat group delete report --topic quakes`,
		Args:              command.Args(1, -1, "the name of a group"),
		ValidArgsFunction: env.CompleteGroups(-1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return remove(cmd.Context(), env, args, topics, ifExists)
		},
	}
	cmd.Flags().StringSliceVar(&topics, "topic", nil, "delete only the offsets of these topics")
	cmd.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if the group is not there")
	command.CompleteFlagWith(cmd, "topic", env.CompleteTopics(-1))
	return cmd
}

func remove(ctx context.Context, env *command.Env, names, topics []string, ifExists bool) error {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	out := []deleted{}
	errs := make([]error, len(names))
	for i, name := range names {
		d := deleted{Group: name, Topics: topics}
		err := removeOne(ctx, client, name, topics)
		if errors.Is(err, errMissing) && ifExists {
			d.Missing, err = true, nil
		}
		if errors.Is(err, errMissing) && len(topics) == 0 {
			err = client.UnknownGroup(ctx, name)
		}
		if errs[i] = err; err != nil {
			d.Failure = new(fault.ToObject(err))
		}
		out = append(out, d)
	}
	return env.EmitEach(errs, out, func() error {
		for i, d := range out {
			switch {
			case d.Failure != nil:
				env.NoteError(errs[i])
			case d.Missing:
				err = env.Printf("group %q is not there\n", d.Group)
			case len(topics) > 0:
				err = env.Printf("deleted the offsets of group %q for %s\n", d.Group, strings.Join(topics, ", "))
			default:
				err = env.Printf("deleted group %q\n", d.Group)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// errMissing tells that there is nothing to delete.
var errMissing = errors.New("not there")

func removeOne(ctx context.Context, client *command.Client, name string, topics []string) error {
	what := fmt.Sprintf("delete group %q", name)
	if len(topics) == 0 {
		answers, err := client.Admin.DeleteGroups(ctx, name)
		if err != nil && len(answers) == 0 {
			return client.Explain(what, err)
		}
		switch err := answers[name].Err; {
		case errors.Is(err, kerr.GroupIDNotFound):
			return errMissing
		default:
			return client.Explain(what, err)
		}
	}
	if share, err := describeShare(ctx, client, name); err != nil {
		return err
	} else if share != nil {
		return removeShareTopics(ctx, client, name, topics)
	}
	what = fmt.Sprintf("delete offsets of group %q", name)
	offsets, err := committed(ctx, client, name)
	if err != nil {
		return err
	}
	set := kadm.TopicsSet{}
	for _, topic := range topics {
		if len(offsets[topic]) == 0 {
			return noOffsets(name, topic)
		}
		for p := range offsets[topic] {
			set.Add(topic, p)
		}
	}
	answers, err := client.Admin.DeleteOffsets(ctx, name, set)
	if err != nil {
		return client.Explain(what, err)
	}
	for _, partitions := range answers {
		for _, err := range partitions {
			if err != nil {
				return client.Explain(what, err)
			}
		}
	}
	return nil
}

func noOffsets(name, topic string) error {
	return &fault.Error{
		Primary: fmt.Sprintf("group %q has no offsets of topic %q", name, topic), Cause: errMissing,
		Hint: fmt.Sprintf("\"leat group describe %s\" shows them", name),
	}
}
