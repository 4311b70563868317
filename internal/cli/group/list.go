package group

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/screen"
)

type listed struct {
	Group        string `json:"group"`
	State        string `json:"state,omitempty"`
	Type         string `json:"type,omitempty"`
	ProtocolType string `json:"protocol_type"`
	Coordinator  int32  `json:"coordinator"`
}

// States and types that groups can have.
var (
	allStates = []string{"Stable", "Empty", "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling", "NotReady", "Dead"}
	allTypes  = []string{"classic", "consumer", "share", "streams"}
)

func newList(env *command.Env) *cobra.Command {
	var states, types []string
	cmd := &cobra.Command{
		Use:               "list",
		Short:             "List groups",
		Example:           "  leat group list --state Stable\n  leat group list --type share,streams",
		Args:              command.Args(0, 0, "no argument"),
		ValidArgsFunction: command.NoCompletion,
		RunE:              func(cmd *cobra.Command, _ []string) error { return list(cmd.Context(), env, states, types) },
	}
	cmd.Flags().StringSliceVar(&states, "state", nil, "only groups in these states, such as Stable,Empty")
	cmd.Flags().StringSliceVar(&types, "type", nil, "only groups of these types: classic, consumer, share, streams")
	command.CompleteFlag(cmd, "state", allStates...)
	command.CompleteFlag(cmd, "type", allTypes...)
	return cmd
}

func list(ctx context.Context, env *command.Env, states, types []string) error {
	states, err := command.Choices("--state", states, allStates...)
	if err != nil {
		return err
	}
	types, err = command.Choices("--type", types, allTypes...)
	if err != nil {
		return err
	}
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	req := kmsg.NewPtrListGroupsRequest()
	req.StatesFilter, req.TypesFilter = states, types
	groups := []listed{}
	for _, shard := range client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return client.Explain("list groups", shard.Err)
		}
		resp, ok := shard.Resp.(*kmsg.ListGroupsResponse)
		if !ok {
			continue
		}
		if err := client.Refused("list groups", resp.ErrorCode, nil); err != nil {
			return err
		}
		for _, g := range resp.Groups {
			groups = append(groups, listed{
				Group: g.Group, State: g.GroupState, Type: strings.ToLower(g.GroupType),
				ProtocolType: g.ProtocolType, Coordinator: shard.Meta.NodeID,
			})
		}
	}
	slices.SortFunc(groups, func(a, b listed) int { return strings.Compare(a.Group, b.Group) })
	return env.Emit(groups, func() error {
		t := screen.NewTable("GROUP", "STATE", "TYPE", "PROTOCOL", "COORDINATOR>")
		for _, g := range groups {
			t.Row(g.Group, g.State, g.Type, g.ProtocolType, g.Coordinator)
		}
		return t.Write(env.Screen)
	})
}
