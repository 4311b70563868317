// Package cluster holds the commands under "leat cluster": its brokers, the quorum that keeps its metadata, the
// directories its logs are in, and forgetting a broker that is gone.
package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

// New makes the command tree.
func New(env *command.Env) *cobra.Command {
	return command.Parent("cluster", "Show brokers, the metadata quorum and log directories", "",
		newDescribe(env), newQuorum(env), newLogDirs(env), newUnregister(env))
}

type described struct {
	ID         string   `json:"id"`
	Controller int32    `json:"controller"`
	Brokers    []broker `json:"brokers"`
}

type broker struct {
	ID     int32  `json:"id"`
	Host   string `json:"host"`
	Port   int32  `json:"port"`
	Rack   string `json:"rack,omitempty"`
	Fenced bool   `json:"fenced"`
}

func newDescribe(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use: "describe", Short: "Show the cluster's id and its brokers", Args: command.Args(0, 0, "no argument"), ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, _ []string) error { return describe(cmd.Context(), env) },
	}
}

func describe(ctx context.Context, env *command.Env) error {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	req := kmsg.NewPtrDescribeClusterRequest()
	req.IncludeFencedBrokers = true
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return client.Explain("describe the cluster", err)
	}
	if err := client.Refused("describe the cluster", resp.ErrorCode, resp.ErrorMessage); err != nil {
		return err
	}
	out := described{ID: resp.ClusterID, Controller: resp.ControllerID, Brokers: []broker{}}
	for _, b := range resp.Brokers {
		out.Brokers = append(out.Brokers, broker{b.NodeID, b.Host, b.Port, command.Text(b.Rack), b.IsFenced})
	}
	slices.SortFunc(out.Brokers, func(a, b broker) int { return cmp.Compare(a.ID, b.ID) })
	return env.Emit(out, func() error {
		if err := env.Printf("cluster %s, controller %d\n", out.ID, out.Controller); err != nil {
			return err
		}
		t := screen.NewTable("BROKER>", "ADDRESS", "RACK", "STATE")
		for _, b := range out.Brokers {
			state := "running"
			if b.Fenced {
				state = "fenced"
			}
			t.Row(b.ID, fmt.Sprintf("%s:%d", b.Host, b.Port), b.Rack, state)
		}
		return t.Write(env.Screen)
	})
}

func newUnregister(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "unregister BROKER",
		Short: "Forget a broker that is gone for good",
		Long: "Forget a broker that was shut down and will not come back: it leads nothing and gets no new partitions. Move its\n" +
			"partitions away first (\"leat partition move\"), which lists it among their replicas otherwise.",
		Example:           "  leat cluster unregister 3",
		Args:              command.Args(1, 1, "the id of a broker"),
		ValidArgsFunction: env.CompleteBrokers(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return unregister(cmd.Context(), env, args[0]) },
	}
}

func unregister(ctx context.Context, env *command.Env, text string) error {
	id, err := strconv.ParseInt(text, 10, 32)
	if err != nil || id < 0 {
		return fault.Usage("%q is not the id of a broker", text).WithHint(`"leat cluster describe" shows them`)
	}
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	req := kmsg.NewPtrUnregisterBrokerRequest()
	req.BrokerID = int32(id)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return client.Explain(fmt.Sprintf("unregister broker %d", id), err)
	}
	if err := client.Refused(fmt.Sprintf("unregister broker %d", id), resp.ErrorCode, resp.ErrorMessage); err != nil {
		return err
	}
	return env.Emit(map[string]int64{"unregistered": id}, func() error { return env.Printf("broker %d is no longer registered\n", id) })
}
