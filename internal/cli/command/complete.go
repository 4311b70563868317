package command

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completeTimeout is how long a shell waits for names: a person has pressed Tab and is watching.
const completeTimeout = 1500 * time.Millisecond

// Completion proposes values for an argument or a flag.
type Completion = func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective)

// CompleteTopics proposes topic names for the first most arguments (-1 for all).
func (e *Env) CompleteTopics(most int) Completion {
	return e.CompleteNames(most, func(ctx context.Context, c *Client, typed string) ([]string, error) {
		topics, err := c.Admin.ListTopicsWithInternal(ctx)
		if err != nil {
			return nil, err
		}
		var names []string
		for name, t := range topics {
			// Internal topics only once their prefix is typed.
			if !t.IsInternal || strings.HasPrefix(typed, "_") {
				names = append(names, name)
			}
		}
		return names, nil
	})
}

// CompleteGroups proposes names of consumer groups for the first most arguments (-1 for all).
func (e *Env) CompleteGroups(most int) Completion {
	return e.CompleteNames(most, func(ctx context.Context, c *Client, _ string) ([]string, error) {
		groups, err := c.Admin.ListGroups(ctx)
		if err != nil {
			return nil, err
		}
		return groups.Groups(), nil
	})
}

// CompleteBrokers proposes ids of brokers for the first most arguments (-1 for all).
func (e *Env) CompleteBrokers(most int) Completion {
	return e.CompleteNames(most, func(ctx context.Context, c *Client, _ string) ([]string, error) { return c.Brokers(ctx) })
}

// CompleteNames proposes what list finds for the first most arguments (-1 for all): those that begin with what is typed and
// are no arguments yet, in order.
func (e *Env) CompleteNames(most int, list func(context.Context, *Client, string) ([]string, error)) Completion {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
		defer cancel()
		c, err := e.Connect(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer c.Close()
		names, err := list(ctx, c, toComplete)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		slices.Sort(names)
		return slices.DeleteFunc(names, func(n string) bool {
			return !strings.HasPrefix(n, toComplete) || slices.Contains(args, n)
		}), cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteFlag registers proposals for a flag's value.
func CompleteFlag(cmd *cobra.Command, flag string, values ...string) {
	CompleteFlagWith(cmd, flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return values, cobra.ShellCompDirectiveNoFileComp
	})
}

// CompleteFlagWith registers dynamic proposals for a flag's value. It panics if the command has no such flag,
// which the first run of any test finds.
func CompleteFlagWith(cmd *cobra.Command, flag string, c Completion) {
	if err := cmd.RegisterFlagCompletionFunc(flag, c); err != nil {
		panic(err)
	}
}

// NoCompletion proposes nothing, not even file names.
func NoCompletion(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}
