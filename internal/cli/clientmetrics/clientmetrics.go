// Package clientmetrics holds the commands under "leat client-metrics": which clients push which of their metrics to
// the cluster, and how often (KIP-714). A subscription is a config resource of its own kind, so "leat config" works
// with it too.
package clientmetrics

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

// New makes the command tree.
func New(env *command.Env) *cobra.Command {
	return command.Parent("client-metrics", "Manage which metrics clients push to the cluster",
		"Manage which metrics clients push to the cluster (KIP-714).\n\n"+
			"Leat serves what clients pushed to Prometheus, under /metrics/clients of its HTTP address.",
		newList(env), newSet(env), newDelete(env))
}

type subscription struct {
	Name     string   `json:"name"`
	Interval int64    `json:"interval_ms"`
	Metrics  []string `json:"metrics"`
	Match    []string `json:"match"`
}

func newList(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the subscriptions", Args: command.Args(0, 0, "no argument"), ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, ctx, err := env.Reach(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			list, err := subscriptions(ctx, client)
			if err != nil {
				return err
			}
			return env.Emit(list, func() error {
				t := screen.NewTable("NAME", "INTERVAL>", "METRICS", "CLIENTS")
				for _, s := range list {
					clients := strings.Join(s.Match, ",")
					if clients == "" {
						clients = "(all)"
					}
					t.Row(s.Name, (time.Duration(s.Interval) * time.Millisecond).String(), strings.Join(s.Metrics, ","), clients)
				}
				return t.Write(env.Screen)
			})
		},
	}
}

func subscriptions(ctx context.Context, client *command.Client) ([]subscription, error) {
	const what = "list the subscriptions of client metrics"
	all, err := kmsg.NewPtrListConfigResourcesRequest().RequestWith(ctx, client.Client)
	if err == nil {
		err = command.Failure(all.ErrorCode)
	}
	if err != nil {
		return nil, client.Explain(what, err)
	}
	req := kmsg.NewPtrDescribeConfigsRequest()
	for _, n := range all.ConfigResources {
		if n.Type != 0 && n.Type != int8(kmsg.ConfigResourceTypeClientMetrics) {
			continue
		}
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeClientMetrics, n.Name
		req.Resources = append(req.Resources, r)
	}
	list := []subscription{}
	if len(req.Resources) == 0 {
		return list, nil
	}
	resp, err := req.RequestWith(ctx, client.Client)
	if err != nil {
		return nil, client.Explain(what, err)
	}
	for _, r := range resp.Resources {
		if err := client.Refused(what, r.ErrorCode, nil); err != nil {
			return nil, err
		}
		s := subscription{Name: r.ResourceName, Metrics: []string{}, Match: []string{}}
		for _, c := range r.Configs {
			switch {
			case c.Value == nil || *c.Value == "":
			case c.Name == "interval.ms":
				s.Interval, _ = strconv.ParseInt(*c.Value, 10, 64)
			case c.Name == "metrics":
				s.Metrics = strings.Split(*c.Value, ",")
			case c.Name == "match":
				s.Match = strings.Split(*c.Value, ",")
			}
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b subscription) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func newSet(env *command.Env) *cobra.Command {
	var metrics, match []string
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Create or change a subscription",
		Long: "Create or change a subscription. What is not given stays as it is, or takes its default: no metrics, five minutes,\n" +
			"all clients.\n\n" +
			"--match takes SELECTOR=REGEX, more than once for several that all have to match. Selectors: client_id,\n" +
			"client_instance_id, client_software_name, client_software_version, client_source_address, client_source_port.",
		Example: "  leat client-metrics set producers --metrics org.apache.kafka.producer. --interval 30s\n" +
			"  leat client-metrics set one --metrics '*' --match client_id=app-7 --match 'client_software_name=.*java'",
		Args: command.Args(1, 1, "the name of a subscription"), ValidArgsFunction: complete(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			changes := map[string]*string{}
			given := func(name, setting, value string) {
				if cmd.Flags().Changed(name) {
					changes[setting] = &value
				}
			}
			given("metrics", "metrics", strings.Join(metrics, ","))
			given("match", "match", strings.Join(match, ","))
			given("interval", "interval.ms", strconv.FormatInt(interval.Milliseconds(), 10))
			if len(changes) == 0 {
				return fault.Usage("nothing to set").WithHint("give --metrics, --interval or --match")
			}
			return alter(cmd.Context(), env, args[0], changes, "set")
		},
	}
	cmd.Flags().StringSliceVar(&metrics, "metrics", nil, `prefixes of names of metrics, separated by commas; "*" for all`)
	cmd.Flags().StringSliceVar(&match, "match", nil, "which clients, SELECTOR=REGEX; repeatable")
	cmd.Flags().DurationVar(&interval, "interval", 0, "how often clients push, 100ms to 1h")
	return cmd
}

func newDelete(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a subscription",
		Example: "  leat client-metrics delete producers",
		Args:    command.Args(1, 1, "the name of a subscription"), ValidArgsFunction: complete(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			return alter(cmd.Context(), env, args[0], map[string]*string{"metrics": nil, "match": nil, "interval.ms": nil}, "deleted")
		},
	}
}

// alter sets settings of a subscription; nil returns one to its default. A subscription without settings is none.
func alter(ctx context.Context, env *command.Env, name string, changes map[string]*string, done string) error {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	what := "change the subscription " + strconv.Quote(name)
	if done == "deleted" {
		what = "delete the subscription " + strconv.Quote(name)
		known, err := subscriptions(ctx, client)
		if err != nil {
			return err
		}
		if !slices.Contains(names(known), name) {
			return fault.Failed("there is no subscription %q", name).WithHint("%s", fault.DidYouMean(name, names(known), `"leat client-metrics list" shows them`))
		}
	}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeClientMetrics, name
	for _, setting := range []string{"interval.ms", "match", "metrics"} {
		value, ok := changes[setting]
		if !ok {
			continue
		}
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Value = setting, value
		if value == nil {
			c.Op = kmsg.IncrementalAlterConfigOpDelete
		}
		r.Configs = append(r.Configs, c)
	}
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(ctx, client.Client)
	if err != nil {
		return client.Explain(what, err)
	}
	for _, got := range resp.Resources {
		if err := client.Refused(what, got.ErrorCode, got.ErrorMessage); err != nil {
			if e, ok := errors.AsType[*fault.Error](err); ok && errors.Is(err, kerr.InvalidConfig) {
				return e.WithHint(`"leat client-metrics set --help" tells what may be set`)
			}
			return err
		}
	}
	return env.Emit(map[string]string{"name": name, "done": done}, func() error { return env.Printf("%s subscription %q\n", done, name) })
}

// complete proposes the names of subscriptions.
func complete(env *command.Env) command.Completion {
	return env.CompleteNames(1, func(ctx context.Context, client *command.Client, _ string) ([]string, error) {
		list, err := subscriptions(ctx, client)
		return names(list), err
	})
}

func names(list []subscription) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = s.Name
	}
	return out
}
