package config

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

type setting struct {
	Name      string    `json:"name"`
	Value     *string   `json:"value"`
	Source    string    `json:"source"`
	Default   bool      `json:"default"`
	Sensitive bool      `json:"sensitive,omitempty"`
	ReadOnly  bool      `json:"read_only,omitempty"`
	Doc       string    `json:"documentation,omitempty"`
	Synonyms  []synonym `json:"synonyms,omitempty"`
}

type synonym struct {
	Name   string  `json:"name"`
	Value  *string `json:"value"`
	Source string  `json:"source"`
}

type describeOptions struct {
	all     bool
	docs    bool
	pattern string
}

func newDescribe(env *command.Env) *cobra.Command {
	var o describeOptions
	cmd := &cobra.Command{
		Use:   "describe KIND [NAME]",
		Short: "Show settings",
		Long:  "Show the settings that differ from the defaults, with where each value comes from; --all shows every setting.",
		Example: `  leat config describe topic quakes --all
  leat config describe broker 1 --match 'log\.retention.*'
  leat config describe topic quakes --match retention --docs`,
		Args:              command.Args(1, 2, "a kind, and a name"),
		ValidArgsFunction: complete(env, nil),
		RunE:              func(cmd *cobra.Command, args []string) error { return describe(cmd.Context(), env, o, args) },
	}
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "show settings that have their default too")
	cmd.Flags().BoolVar(&o.docs, "docs", false, "show what each setting means")
	cmd.Flags().StringVar(&o.pattern, "match", "", "only settings whose name matches this regular expression (implies --all)")
	return cmd
}

func describe(ctx context.Context, env *command.Env, o describeOptions, args []string) error {
	r, rest, err := parseResource(args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fault.Usage("%q is one argument too many", rest[0])
	}
	var pattern *regexp.Regexp
	if o.pattern != "" {
		if pattern, err = regexp.Compile(o.pattern); err != nil {
			return fault.Usage("--match %q is not a regular expression", o.pattern).WithDetail("%v", err)
		}
	}
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	known, err := entries(ctx, client, r, o.docs)
	if err != nil {
		return err
	}
	settings := []setting{}
	for _, c := range known {
		s := toSetting(c)
		if pattern != nil && !pattern.MatchString(s.Name) || pattern == nil && !o.all && s.Default {
			continue
		}
		settings = append(settings, s)
	}
	slices.SortFunc(settings, func(a, b setting) int { return strings.Compare(a.Name, b.Name) })
	return env.Emit(settings, func() error { return write(env, settings, o.docs) })
}

func toSetting(c kmsg.DescribeConfigsResponseResourceConfig) setting {
	s := setting{
		Name: c.Name, Value: c.Value, Source: sourceText(c.Source), Sensitive: c.IsSensitive, ReadOnly: c.ReadOnly,
		Default: c.Source == kmsg.ConfigSourceDefaultConfig, Doc: command.Text(c.Documentation),
	}
	for _, y := range c.ConfigSynonyms {
		s.Synonyms = append(s.Synonyms, synonym{Name: y.Name, Value: y.Value, Source: sourceText(y.Source)})
	}
	return s
}

func sourceText(s kmsg.ConfigSource) string {
	switch s {
	case kmsg.ConfigSourceDynamicTopicConfig:
		return "topic"
	case kmsg.ConfigSourceDynamicBrokerConfig:
		return "broker"
	case kmsg.ConfigSourceDynamicDefaultBrokerConfig:
		return "cluster"
	case kmsg.ConfigSourceStaticBrokerConfig:
		return "file"
	case kmsg.ConfigSourceDefaultConfig:
		return "default"
	case kmsg.ConfigSourceDynamicBrokerLoggerConfig:
		return "logger"
	case kmsg.ConfigSourceClientMetricsConfig:
		return "client-metrics"
	case kmsg.ConfigSourceGroupConfig:
		return "group"
	}
	return strings.ToLower(s.String())
}

func write(env *command.Env, settings []setting, docs bool) error {
	if docs {
		for i, s := range settings {
			if i > 0 {
				if err := env.Printf("\n"); err != nil {
					return err
				}
			}
			doc := strings.TrimSpace(s.Doc)
			if doc == "" {
				doc = "(no description)"
			}
			if err := env.Printf("%s=%s  (%s)\n    %s\n", s.Name, valueText(s), s.Source, strings.ReplaceAll(doc, "\n", "\n    ")); err != nil {
				return err
			}
		}
		return nil
	}
	t := screen.NewTable("NAME", "VALUE", "SOURCE")
	for _, s := range settings {
		t.Row(s.Name, valueText(s), s.Source)
	}
	return t.Write(env.Screen)
}

func valueText(s setting) string {
	switch {
	case s.Sensitive:
		return "(hidden)"
	case s.Value == nil:
		return ""
	}
	return *s.Value
}
