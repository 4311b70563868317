package config

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

// change is one setting to be set, returned to its default, or extended.
type change struct {
	Name  string  `json:"name"`
	Op    string  `json:"operation"`
	Value *string `json:"value,omitempty"`
}

var operations = map[string]kmsg.IncrementalAlterConfigOp{
	"set": kmsg.IncrementalAlterConfigOpSet, "unset": kmsg.IncrementalAlterConfigOpDelete,
	"append": kmsg.IncrementalAlterConfigOpAppend, "subtract": kmsg.IncrementalAlterConfigOpSubtract,
}

func newSet(env *command.Env) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "set KIND [NAME] SETTING=VALUE...",
		Short: "Change settings",
		Long:  "Change settings. SETTING+=VALUE and SETTING-=VALUE add to a list and take from it.",
		Example: `  leat config set topic quakes retention.ms=604800000
  leat config set topic quakes cleanup.policy+=compact
  leat config set cluster log.retention.ms=86400000`,
		Args:              command.Args(2, -1, "a kind, a name and settings"),
		ValidArgsFunction: complete(env, func(name string) string { return name + "=" }),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, rest, err := parseResource(args)
			if err != nil {
				return err
			}
			changes, err := parseChanges(rest)
			if err != nil {
				return err
			}
			return alter(cmd.Context(), env, r, changes, dryRun)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "let the cluster check, but change nothing")
	return cmd
}

func newUnset(env *command.Env) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:               "unset KIND [NAME] SETTING...",
		Short:             "Return settings to their defaults",
		Example:           `  leat config unset topic quakes retention.ms`,
		Args:              command.Args(2, -1, "a kind, a name and settings"),
		ValidArgsFunction: complete(env, func(name string) string { return name }),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, rest, err := parseResource(args)
			if err != nil {
				return err
			}
			var changes []change
			for _, name := range rest {
				if strings.Contains(name, "=") {
					return fault.Usage("%q is not the name of a setting", name).WithHint(`"leat config set" gives values`)
				}
				changes = append(changes, change{Name: name, Op: "unset"})
			}
			if len(changes) == 0 {
				return fault.Usage("no setting to return to its default").WithHint("usage: %s", cmd.UseLine())
			}
			return alter(cmd.Context(), env, r, changes, dryRun)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "let the cluster check, but change nothing")
	return cmd
}

func parseChanges(args []string) ([]change, error) {
	var out []change
	for _, a := range args {
		name, value, ok := strings.Cut(a, "=")
		op := "set"
		if n, found := strings.CutSuffix(name, "+"); found {
			name, op = n, "append"
		} else if n, found := strings.CutSuffix(name, "-"); found {
			name, op = n, "subtract"
		}
		if !ok || name == "" {
			return nil, fault.Usage("%q is not of the form SETTING=VALUE", a).WithHint("for example retention.ms=604800000")
		}
		out = append(out, change{Name: name, Op: op, Value: &value})
	}
	if len(out) == 0 {
		return nil, fault.Usage("no setting to change").WithHint("for example retention.ms=604800000")
	}
	return out, nil
}

func alter(ctx context.Context, env *command.Env, r resource, changes []change, dryRun bool) error {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.ValidateOnly = dryRun
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kinds[r.kind], r.name
	for _, c := range changes {
		entry := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		entry.Name, entry.Op, entry.Value = c.Name, operations[c.Op], c.Value
		res.Configs = append(res.Configs, entry)
	}
	req.Resources = append(req.Resources, res)
	what := "change the settings of " + r.String()
	for _, shard := range client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return client.Explain(what, shard.Err)
		}
		resp, ok := shard.Resp.(*kmsg.IncrementalAlterConfigsResponse)
		if !ok {
			continue
		}
		for _, got := range resp.Resources {
			if err := command.Failure(got.ErrorCode); err != nil {
				return withNear(ctx, client, r, changes, explain(ctx, client, what, r, err, got.ErrorMessage))
			}
		}
	}
	return env.Emit(changes, func() error {
		for _, c := range changes {
			verb := map[string]string{"set": "set", "unset": "unset", "append": "added to", "subtract": "took from"}[c.Op]
			if dryRun {
				verb = "could " + map[string]string{"set": "set", "unset": "unset", "append": "add to", "subtract": "take from"}[c.Op]
			}
			line := verb + " " + c.Name
			if c.Value != nil {
				line += "=" + *c.Value
			}
			if err := env.Printf("%s of %s\n", line, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// withNear adds the names that a misspelled setting is near to.
func withNear(ctx context.Context, client *command.Client, r resource, changes []change, err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	known, listErr := entries(ctx, client, withNames(ctx, client, r), false)
	if listErr != nil {
		return err
	}
	var names []string
	for _, c := range known {
		names = append(names, c.Name)
	}
	for _, c := range changes {
		if !slices.Contains(names, c.Name) {
			return e.WithHint("%s", fault.DidYouMean(c.Name, names, e.Hint))
		}
	}
	return err
}
