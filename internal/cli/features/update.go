package features

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

// Ways of changing a level, as the protocol numbers them.
const (
	byUpgrade         int8 = 1
	bySafeDowngrade   int8 = 2
	byUnsafeDowngrade int8 = 3
)

type change struct {
	Name string `json:"name"`
	From int16  `json:"from"`
	To   int16  `json:"to"`
}

func newUpgrade(env *command.Env) *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:   "upgrade [NAME=LEVEL...]",
		Short: "Raise features, all of them if none is named",
		Long: "Raise features to a level. Without names, each goes to the highest level that the cluster supports, except\n" +
			"for kraft.version, which cannot be lowered again and is raised only by name.",
		Example:           "  leat features upgrade\n  leat features upgrade transaction.version=2",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeLevels(env),
		RunE:              func(cmd *cobra.Command, args []string) error { return update(cmd.Context(), env, args, byUpgrade, dry) },
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "let the cluster check, but change nothing")
	return cmd
}

func newDowngrade(env *command.Env) *cobra.Command {
	var dry, unsafe bool
	cmd := &cobra.Command{
		Use:               "downgrade NAME=LEVEL...",
		Short:             "Lower features; level 0 switches one off",
		Example:           "  leat features downgrade group.version=0",
		Args:              command.Args(1, -1, "a feature and its level, such as group.version=0"),
		ValidArgsFunction: completeLevels(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			how := bySafeDowngrade
			if unsafe {
				how = byUnsafeDowngrade
			}
			return update(cmd.Context(), env, args, how, dry)
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "let the cluster check, but change nothing")
	cmd.Flags().BoolVar(&unsafe, "unsafe", false, "even if that loses metadata")
	return cmd
}

func parseLevels(args []string) ([]change, error) {
	var out []change
	for _, a := range args {
		name, text, ok := strings.Cut(a, "=")
		level, err := strconv.ParseInt(text, 10, 16)
		if !ok || name == "" || err != nil || level < 0 {
			return nil, fault.Usage("%q is not of the form NAME=LEVEL", a).WithHint("for example group.version=1")
		}
		out = append(out, change{Name: name, To: int16(level)})
	}
	return out, nil
}

func update(ctx context.Context, env *command.Env, args []string, how int8, dry bool) error {
	changes, err := parseLevels(args)
	if err != nil {
		return err
	}
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	all, err := read(ctx, client)
	if err != nil {
		return err
	}
	changes, err = settle(changes, all)
	if err != nil {
		return err
	}
	if len(changes) > 0 {
		if err := send(ctx, env, client, changes, how, dry); err != nil {
			return err
		}
	}
	return env.Emit(changes, func() error {
		if len(changes) == 0 {
			env.Notef("every feature is at its highest level already")
		}
		for _, c := range changes {
			done := fmt.Sprintf("%s is at %d now, it was at %d", c.Name, c.To, c.From)
			if dry {
				done = fmt.Sprintf("%s can go from %d to %d; nothing was changed", c.Name, c.From, c.To)
			}
			if err := env.Printf("%s\n", done); err != nil {
				return err
			}
		}
		return nil
	})
}

// settle adds what the levels are now. Without changes it makes those that raise everything.
func settle(changes []change, all []feature) ([]change, error) {
	if len(changes) == 0 {
		changes = []change{}
		for _, f := range all {
			if f.Level < f.Max && f.Name != kraftVersion {
				changes = append(changes, change{f.Name, f.Level, f.Max})
			}
		}
		return changes, nil
	}
	var names []string
	for _, f := range all {
		names = append(names, f.Name)
	}
	for i := range changes {
		c := &changes[i]
		known := false
		for _, f := range all {
			if f.Name == c.Name {
				known, c.From = true, f.Level
			}
		}
		if !known {
			return nil, fault.Failed("the cluster has no feature %q", c.Name).
				WithHint("%s", fault.DidYouMean(c.Name, names, `"leat features list" shows the features`))
		}
	}
	return changes, nil
}

func send(ctx context.Context, env *command.Env, client *command.Client, changes []change, how int8, dry bool) error {
	req := kmsg.NewPtrUpdateFeaturesRequest()
	req.TimeoutMillis, req.ValidateOnly = int32(env.Timeout.Milliseconds()), dry
	for _, c := range changes {
		u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
		u.Feature, u.MaxVersionLevel, u.UpgradeType, u.AllowDowngrade = c.Name, c.To, how, how != byUpgrade
		req.FeatureUpdates = append(req.FeatureUpdates, u)
	}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return client.Explain("change the features", err)
	}
	if err := client.Refused("change the features", resp.ErrorCode, resp.ErrorMessage); err != nil {
		return err
	}
	for _, r := range resp.Results {
		if err := client.Refused("change the feature "+r.Feature, r.ErrorCode, r.ErrorMessage); err != nil {
			return err
		}
	}
	return nil
}
