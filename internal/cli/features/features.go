// Package features holds the commands under "leat features": what the cluster's protocols are switched to, and raising
// or lowering that (KIP-584, KIP-778).
package features

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/screen"
)

// kraftVersion cannot be lowered again, so it is raised only by name.
const kraftVersion = "kraft.version"

// New makes the command tree.
func New(env *command.Env) *cobra.Command {
	return command.Parent("features", "Show, raise and lower the levels of the cluster's features",
		"Features say which protocols and which records a cluster uses. After an upgrade of the program they stay as they\n"+
			"were until \"leat features upgrade\" raises them.",
		newList(env), newUpgrade(env), newDowngrade(env))
}

// feature is a feature as the cluster tells it.
type feature struct {
	Name  string `json:"name"`
	Level int16  `json:"level"`
	Min   int16  `json:"min_supported"`
	Max   int16  `json:"max_supported"`
}

func read(ctx context.Context, client *command.Client) ([]feature, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "leat", "0"
	resp, err := req.RequestWith(ctx, client)
	if err == nil {
		err = command.Failure(resp.ErrorCode)
	}
	if err != nil {
		return nil, client.Explain("read the features", err)
	}
	out := []feature{}
	for _, f := range resp.SupportedFeatures {
		out = append(out, feature{Name: f.Name, Min: f.MinVersion, Max: f.MaxVersion})
	}
	for _, f := range resp.FinalizedFeatures {
		i := slices.IndexFunc(out, func(have feature) bool { return have.Name == f.Name })
		if i < 0 {
			i = len(out)
			out = append(out, feature{Name: f.Name})
		}
		out[i].Level = f.MaxVersionLevel
	}
	slices.SortFunc(out, func(a, b feature) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func newList(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List features with their levels", Args: command.Args(0, 0, "no argument"), ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, ctx, err := env.Reach(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			all, err := read(ctx, client)
			if err != nil {
				return err
			}
			return env.Emit(all, func() error {
				t := screen.NewTable("FEATURE", "LEVEL>", "SUPPORTED>")
				for _, f := range all {
					t.Row(f.Name, f.Level, fmt.Sprintf("%d-%d", f.Min, f.Max))
				}
				return t.Write(env.Screen)
			})
		},
	}
}

// completeLevels proposes feature names, to be followed by a level.
func completeLevels(env *command.Env) command.Completion {
	names := env.CompleteNames(-1, func(ctx context.Context, c *command.Client, _ string) ([]string, error) {
		all, err := read(ctx, c)
		var out []string
		for _, f := range all {
			out = append(out, f.Name+"=")
		}
		return out, err
	})
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if strings.Contains(typed, "=") {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		list, directive := names(cmd, args, typed)
		return list, directive | cobra.ShellCompDirectiveNoSpace
	}
}
