package streams

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
	Application string `json:"application"`
	Kind        string `json:"kind"`
	State       string `json:"state"`
	Members     int    `json:"members"`
	Processes   int    `json:"processes"`
	Active      int    `json:"active_tasks"`
	Standby     int    `json:"standby_tasks"`
	Warmup      int    `json:"warmup_tasks"`
}

func newList(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List applications",
		Long: "List the applications whose instances are members of groups now: those of Leat's library (kind leat), of Kafka\n" +
			"Streams (kafka-streams), and of either in the broker's own protocol (streams-group, KIP-1071). A classic\n" +
			"group without members does not say what it was; where topics of an application are there, it is shown as idle.\n" +
			"Nor do members while their group rebalances; it is shown as rebalancing then.",
		Example:           "  leat streams list\n  leat streams list -o json",
		Args:              command.Args(0, 0, "no argument"),
		ValidArgsFunction: command.NoCompletion,
		RunE:              func(cmd *cobra.Command, _ []string) error { return list(cmd.Context(), env) },
	}
}

func list(ctx context.Context, env *command.Env) error {
	c, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	apps, err := all(ctx, c)
	if err != nil {
		return err
	}
	out := []listed{}
	for _, a := range apps {
		l := listed{Application: a.Application, Kind: a.Kind, State: a.State, Members: len(a.Members)}
		processes := map[string]bool{}
		for _, m := range a.Members {
			processes[m.Process] = true
			l.Active += len(m.Active)
			l.Standby += len(m.Standby)
			l.Warmup += len(m.Warmup)
		}
		l.Processes = len(processes)
		out = append(out, l)
	}
	return env.Emit(out, func() error {
		t := screen.NewTable("APPLICATION", "KIND", "STATE", "PROCESSES>", "MEMBERS>", "ACTIVE>", "STANDBY>", "WARMUP>")
		for _, l := range out {
			t.Row(l.Application, l.Kind, l.State, l.Processes, l.Members, l.Active, l.Standby, l.Warmup)
		}
		return t.Write(env.Screen)
	})
}

// all finds the applications of the cluster, by name.
func all(ctx context.Context, c *command.Client) ([]*application, error) {
	var names, newer []string
	for _, shard := range c.RequestSharded(ctx, kmsg.NewPtrListGroupsRequest()) {
		if shard.Err != nil {
			return nil, c.Explain("list groups", shard.Err)
		}
		resp, ok := shard.Resp.(*kmsg.ListGroupsResponse)
		if !ok {
			continue
		}
		if err := c.Refused("list groups", resp.ErrorCode, nil); err != nil {
			return nil, err
		}
		for _, g := range resp.Groups {
			switch kind := strings.ToLower(g.GroupType); {
			case kind == "streams":
				newer = append(newer, g.Group)
			case kind == "classic" || kind == "":
				names = append(names, g.Group)
			}
		}
	}
	topics, err := c.Admin.ListTopics(ctx)
	if err != nil {
		return nil, c.Explain("read the cluster's metadata", err)
	}
	var out []*application
	if len(names) > 0 {
		groups, err := c.Admin.DescribeGroups(ctx, names...)
		if err != nil && len(groups) == 0 {
			return nil, c.Explain("describe groups", err)
		}
		for name, g := range groups {
			if g.Err != nil {
				continue // hidden from this user, or gone since
			}
			a := classic(&g)
			if a == nil || (a.Kind == kindIdle || a.Kind == kindBusy) && !slices.ContainsFunc(topics.Names(), func(t string) bool { return isInternal(name, t) }) {
				continue
			}
			a.Application = name
			out = append(out, a)
		}
	}
	for _, name := range newer {
		a, err := findGroup(ctx, c, name)
		if err != nil {
			return nil, err
		}
		if a != nil {
			a.Application = name
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b *application) int { return strings.Compare(a.Application, b.Application) })
	return out, nil
}
