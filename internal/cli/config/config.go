// Package config holds the commands under "leat config": reading and changing the settings of topics, brokers,
// the whole cluster, groups, loggers and client metrics, by Kafka's own setting names.
package config

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

// kinds are the things that have settings. The cluster's are the defaults of all its brokers.
var kinds = map[string]kmsg.ConfigResourceType{
	"topic":          kmsg.ConfigResourceTypeTopic,
	"broker":         kmsg.ConfigResourceTypeBroker,
	"cluster":        kmsg.ConfigResourceTypeBroker,
	"logger":         kmsg.ConfigResourceTypeBrokerLogger,
	"group":          kmsg.ConfigResourceTypeGroupConfig,
	"client-metrics": kmsg.ConfigResourceTypeClientMetrics,
}

var kindNames = []string{"topic", "broker", "cluster", "group", "logger", "client-metrics"}

// New makes the command tree.
func New(env *command.Env) *cobra.Command {
	return command.Parent("config", "Show and change settings of topics, brokers and more",
		"Show and change settings. What has settings is named by its kind and name:\n\n"+
			"  topic NAME, broker ID, cluster (defaults of all brokers), group NAME, logger ID (a broker's), client-metrics NAME",
		newDescribe(env), newSet(env), newUnset(env))
}

// resource is one thing with settings.
type resource struct {
	kind string
	name string
}

func (r resource) String() string {
	if r.kind == "cluster" {
		return "the cluster"
	}
	return fmt.Sprintf("%s %q", r.kind, r.name)
}

// parseResource takes kind and name off the arguments and returns the rest.
func parseResource(args []string) (resource, []string, error) {
	r := resource{kind: args[0]}
	if _, ok := kinds[r.kind]; !ok {
		return r, nil, fault.Usage("%q does not have settings", r.kind).
			WithHint("%s", fault.DidYouMean(r.kind, kindNames, "the kinds are "+strings.Join(kindNames, ", ")))
	}
	if r.kind == "cluster" {
		return r, args[1:], nil
	}
	if len(args) < 2 {
		return r, nil, fault.Usage("name the %s", r.kind).WithHint(`for example "leat config describe %s NAME"`, r.kind)
	}
	r.name = args[1]
	if r.kind == "broker" || r.kind == "logger" {
		if _, err := strconv.ParseInt(r.name, 10, 32); err != nil {
			return r, nil, fault.Usage("%q is not the id of a broker", r.name)
		}
	}
	return r, args[2:], nil
}

// entries asks for the settings of a resource.
func entries(ctx context.Context, client *command.Client, r resource, docs bool) ([]kmsg.DescribeConfigsResponseResourceConfig, error) {
	what := "read the settings of " + r.String()
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.IncludeSynonyms, req.IncludeDocumentation = true, docs
	res := kmsg.NewDescribeConfigsRequestResource()
	res.ResourceType, res.ResourceName = kinds[r.kind], r.name
	req.Resources = append(req.Resources, res)
	for _, shard := range client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			if command.IsUnknownBroker(shard.Err) {
				return nil, client.UnknownBroker(ctx, r.name)
			}
			return nil, client.Explain(what, shard.Err)
		}
		resp, ok := shard.Resp.(*kmsg.DescribeConfigsResponse)
		if !ok || len(resp.Resources) == 0 {
			continue
		}
		got := resp.Resources[0]
		if err := command.Failure(got.ErrorCode); err != nil {
			return nil, explain(ctx, client, what, r, err, got.ErrorMessage)
		}
		return got.Configs, nil
	}
	return nil, fault.Failed("cannot %s", what).WithDetail("the cluster gave no answer")
}

func explain(ctx context.Context, client *command.Client, what string, r resource, err error, message *string) error {
	if r.kind == "topic" && (errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID)) {
		return client.UnknownTopic(ctx, r.name)
	}
	explained := client.ExplainWith(what, err, command.Text(message))
	if e, ok := errors.AsType[*fault.Error](explained); ok && r.kind != "topic" && errors.Is(err, kerr.InvalidConfig) {
		return e.WithHint(`"leat config describe %s --all" lists every setting with its value`, strings.TrimSpace(r.kind+" "+r.name))
	}
	return explained
}

// complete proposes kinds, then names, then what settings proposes.
func complete(env *command.Env, settings func(name string) string) command.Completion {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		switch {
		case len(args) == 0:
			return kindNames, cobra.ShellCompDirectiveNoFileComp
		case len(args) == 1 && args[0] == "topic":
			return env.CompleteTopics(-1)(cmd, nil, toComplete)
		case len(args) == 1 && args[0] == "group":
			return env.CompleteGroups(-1)(cmd, nil, toComplete)
		case len(args) == 1 && (args[0] == "broker" || args[0] == "logger"):
			return env.CompleteBrokers(-1)(cmd, nil, toComplete)
		case len(args) == 1 && args[0] != "cluster", settings == nil:
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		r, _, err := parseResource(args)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names := env.CompleteNames(-1, func(ctx context.Context, client *command.Client, _ string) ([]string, error) {
			known, err := entries(ctx, client, withNames(ctx, client, r), false)
			var out []string
			for _, c := range known {
				if !c.ReadOnly {
					out = append(out, settings(c.Name))
				}
			}
			return out, err
		})
		out, directive := names(cmd, args, toComplete)
		return out, directive | cobra.ShellCompDirectiveNoSpace
	}
}

// withNames is what to ask for the names of a resource's settings: the cluster has only what was set, a broker knows all.
func withNames(ctx context.Context, client *command.Client, r resource) resource {
	if r.kind == "cluster" {
		if brokers, err := client.Brokers(ctx); err == nil && len(brokers) > 0 {
			return resource{kind: "broker", name: brokers[0]}
		}
	}
	return r
}
