package schema

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

var (
	levels = []string{"NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"}
	modes  = []string{"READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT", "FORWARD"}
)

// setting is a config or a mode: one value for the top level or for a subject.
type setting struct {
	name, path     string
	field, written string // of the answers: when it is read, when it is set
	values         []string
	missing        int // code for a subject without one
	what           string
}

type shownSetting struct {
	Subject string `json:"subject,omitempty"`
	Value   string `json:"value"`
	Default bool   `json:"default"` // it is not set here, but taken from above
}

func newConfig(r *remote) *cobra.Command {
	s := setting{"config", "/config", "compatibilityLevel", "compatibility", levels, noConfig, "compatibility level"}
	return s.command(r, "Show or set the compatibility level",
		"Show or set the compatibility level of a subject, or without one of all subjects that have none of their own. The levels are\n"+strings.Join(levels, ", ")+".",
		"  leat schema config\n  leat schema config orders-value --set full_transitive\n  leat schema config orders-value --unset", false)
}

func newMode(r *remote) *cobra.Command {
	s := setting{"mode", "/mode", "mode", "mode", modes, noMode, "mode"}
	return s.command(r, "Show or set what may be written",
		"Show or set the mode of a subject, or without one of all subjects that have none of their own. The modes are\n"+strings.Join(modes, ", ")+".",
		"  leat schema mode\n  leat schema mode orders-value --set readonly\n  leat schema mode --set import --force", true)
}

func (s setting) command(r *remote, short, long, example string, forced bool) *cobra.Command {
	var value string
	var unset, force bool
	cmd := &cobra.Command{
		Use: s.name + " [SUBJECT]", Short: short, Long: long, Example: example,
		Args: command.Args(0, 1, "at most one subject"), ValidArgsFunction: r.completeSubjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			subject := ""
			if len(args) == 1 {
				subject = args[0]
			}
			switch {
			case value != "" && unset:
				return fault.Usage("--set and --unset exclude each other")
			case value != "":
				return s.set(cmd.Context(), r, subject, value, force)
			case unset:
				return s.unset(cmd.Context(), r, subject)
			}
			return s.show(cmd.Context(), r, subject)
		},
	}
	cmd.Flags().StringVar(&value, "set", "", "the "+s.what+" to set")
	cmd.Flags().BoolVar(&unset, "unset", false, "take the "+s.what+" away, so that the one above holds")
	if forced {
		cmd.Flags().BoolVar(&force, "force", false, "set it although there are subjects already")
	}
	command.CompleteFlag(cmd, "set", s.values...)
	return cmd
}

func (s setting) of(subject string) (path, shown string) {
	if subject == "" {
		return s.path, "all subjects"
	}
	return s.path + "/" + url.PathEscape(subject), subject
}

func (s setting) show(ctx context.Context, r *remote, subject string) error {
	path, shown := s.of(subject)
	var got map[string]any
	err := r.call(ctx, http.MethodGet, path, nil, nil, &got)
	above := false
	if said, ok := errors.AsType[*refusal](err); ok && said.Code == s.missing {
		above = true
		err = r.call(ctx, http.MethodGet, path, url.Values{"defaultToGlobal": {"true"}}, nil, &got)
	}
	if err != nil {
		return r.explain(ctx, "show the "+s.what+" of "+shown, subject, err)
	}
	value, _ := got[s.field].(string)
	return r.env.Emit(shownSetting{subject, value, above}, func() error {
		if above {
			return r.env.Printf("%s of %s: %s (not set for it, taken from above)\n", s.what, shown, value)
		}
		return r.env.Printf("%s of %s: %s\n", s.what, shown, value)
	})
}

func (s setting) set(ctx context.Context, r *remote, subject, value string, force bool) error {
	chosen, err := command.Choices("--set", []string{value}, s.values...)
	if err != nil {
		return err
	}
	value = chosen[0]
	path, shown := s.of(subject)
	query := url.Values{}
	if force {
		query.Set("force", "true")
	}
	if err := r.call(ctx, http.MethodPut, path, query, map[string]string{s.written: value}, nil); err != nil {
		return r.explain(ctx, "set the "+s.what+" of "+shown, subject, err)
	}
	return r.env.Emit(shownSetting{subject, value, false}, func() error {
		return r.env.Printf("%s of %s is now %s\n", s.what, shown, value)
	})
}

func (s setting) unset(ctx context.Context, r *remote, subject string) error {
	path, shown := s.of(subject)
	if err := r.call(ctx, http.MethodDelete, path, nil, nil, nil); err != nil {
		return r.explain(ctx, "take the "+s.what+" of "+shown+" away", subject, err)
	}
	return r.env.Emit(shownSetting{Subject: subject, Default: true}, func() error {
		return r.env.Printf("%s of %s is no longer set\n", s.what, shown)
	})
}
