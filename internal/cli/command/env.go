// Package command is what all commands of the program share: the flags that exist everywhere, the connection to
// a cluster with errors that say what to do, checks of arguments, and completion of topic and group names.
// It starts no goroutine of its own; those of the Kafka client end with Client.Close.
package command

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

// DefaultBootstrap is where a broker is looked for when nothing else is said.
const DefaultBootstrap = "localhost:9092"

// defaultTimeout bounds requests and the search for a broker. Long work (consuming, benchmarks) is not bounded.
const defaultTimeout = 15 * time.Second

// Env is one run of the program: its streams, its environment variables and the flags that every command has.
type Env struct {
	*screen.Screen
	Getenv  func(string) string
	Version string

	Bootstrap []string
	Timeout   time.Duration
	Verbose   bool
	output    string
	security  securityFlags
}

// Flags declares the flags that every command has.
func (e *Env) Flags(f *pflag.FlagSet) {
	bootstrap := []string{DefaultBootstrap}
	if v := e.Getenv("LEAT_BOOTSTRAP_SERVERS"); v != "" {
		bootstrap = strings.Split(v, ",")
	}
	f.StringSliceVar(&e.Bootstrap, "bootstrap-servers", bootstrap, "brokers to connect to first, HOST:PORT,… (env LEAT_BOOTSTRAP_SERVERS)")
	f.StringVarP(&e.output, "output", "o", string(screen.FormatTable), "how to write results: table or json")
	f.DurationVar(&e.Timeout, "timeout", defaultTimeout, "how long to wait for the cluster's answers")
	e.security.flags(e, f)
	f.BoolVar(&e.Verbose, "verbose", false, "log the client's work to standard error")
}

// Check validates the shared flags; it runs before every command.
func (e *Env) Check() error {
	switch screen.Format(e.output) {
	case screen.FormatTable, screen.FormatJSON:
		e.Format = screen.Format(e.output)
	default:
		return fault.Usage("--output %q is not a format", e.output).WithHint("the formats are table and json")
	}
	if e.Timeout <= 0 {
		return fault.Usage("--timeout %s is not a positive duration", e.Timeout).WithHint("for example --timeout 30s")
	}
	for i, s := range e.Bootstrap {
		e.Bootstrap[i] = strings.TrimSpace(s)
		if e.Bootstrap[i] == "" {
			return fault.Usage("--bootstrap-servers holds an empty address").WithHint("for example --bootstrap-servers localhost:9092,localhost:9093")
		}
	}
	return nil
}

// Deadline bounds a context by --timeout.
func (e *Env) Deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, e.Timeout)
}

// Parent makes a command that only groups others. Without a subcommand it prints its help; with an unknown one
// it says which was probably meant.
func Parent(use, short, long string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use + " COMMAND", Short: short, Long: long,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return UnknownCommand(cmd, args[0])
		},
	}
	cmd.AddCommand(children...)
	return cmd
}

// UnknownCommand is the error for a subcommand that does not exist.
func UnknownCommand(parent *cobra.Command, name string) error {
	var names []string
	for _, c := range parent.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
			names = append(names, c.Aliases...)
		}
	}
	return fault.Usage("unknown command %q for %q", name, parent.CommandPath()).
		WithHint("%s", fault.DidYouMean(name, names, `"`+parent.CommandPath()+` --help" lists the commands`))
}

// Args checks the number of positional arguments. The names are those of the usage line; a max of -1 means any.
func Args(least, most int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fault.Usage("%q needs %s", cmd.CommandPath(), names).WithHint("usage: %s", cmd.UseLine())
		case most >= 0 && len(args) > most:
			return fault.Usage("%q does not take the argument %q", cmd.CommandPath(), args[most]).WithHint("usage: %s", cmd.UseLine())
		}
		return nil
	}
}

// FlagError turns the flag parser's complaints into usage errors with a hint.
func FlagError(cmd *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		hint := `"` + cmd.CommandPath() + ` --help" lists the flags`
		if near := fault.Near(unknown.GetSpecifiedName(), names); len(near) > 0 {
			hint = "did you mean --" + strings.Join(near, " or --") + "?"
		}
		return fault.Usage("unknown flag %s for %q", dashed(unknown.GetSpecifiedName()), cmd.CommandPath()).WithHint("%s", hint)
	}
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		detail := bad.Unwrap().Error()
		if i := strings.LastIndex(detail, "parsing \""); i >= 0 {
			if _, why, ok := strings.Cut(detail[i:], ": "); ok {
				detail = why
			}
		}
		switch {
		case detail == "invalid syntax":
			detail = "it is not a number"
		case detail == "value out of range":
			detail = "it is too large"
		case bad.GetFlag().Value.Type() == "duration":
			detail = "it is not a duration such as 500ms, 30s, 90m or 12h"
		}
		return fault.Usage("--%s %q is not valid", bad.GetFlag().Name, bad.GetValue()).WithDetail("%s", detail).
			WithHint("--%s: %s", bad.GetFlag().Name, bad.GetFlag().Usage)
	}
	return fault.Usage("%w", err).WithHint(`"%s --help" shows how the command is used`, cmd.CommandPath())
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
