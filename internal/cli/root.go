// Package cli is the command tree of the one program: it wires the commands of its sub-packages together, prints
// their errors and turns them into exit codes. Commands of clients reach a cluster only through the Kafka
// protocol and therefore work against any cluster; "up" and "broker" run one in this process, and "log" reads
// files. Goroutines are owned by the commands and end with them.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/acl"
	"leat.dev/internal/cli/bench"
	"leat.dev/internal/cli/clientmetrics"
	"leat.dev/internal/cli/cluster"
	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/config"
	"leat.dev/internal/cli/consume"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/features"
	"leat.dev/internal/cli/group"
	"leat.dev/internal/cli/logfile"
	"leat.dev/internal/cli/partition"
	"leat.dev/internal/cli/produce"
	"leat.dev/internal/cli/quota"
	"leat.dev/internal/cli/registry"
	"leat.dev/internal/cli/schema"
	"leat.dev/internal/cli/screen"
	"leat.dev/internal/cli/serve"
	"leat.dev/internal/cli/streams"
	"leat.dev/internal/cli/token"
	"leat.dev/internal/cli/topic"
	"leat.dev/internal/cli/txn"
	"leat.dev/internal/cli/user"
)

// Main runs the program as the process and returns its exit code.
func Main() int {
	// With SIGPIPE ignored, writing to a closed pipe is an error that ends the command in order: a group is
	// left, offsets are committed.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once, as people expect who press Ctrl-C twice.
	context.AfterFunc(ctx, stop)
	return Run(ctx, screen.Std(), os.Getenv, os.Args[1:])
}

// Run runs one command line on the given screen and returns the exit code.
func Run(ctx context.Context, s *screen.Screen, getenv func(string) string, args []string) int {
	env := &command.Env{Screen: s, Getenv: getenv, Version: version().Version}
	root := newRoot(env)
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	err := root.ExecuteContext(ctx)
	if err == nil || isClosedPipe(err) {
		return fault.ExitOK
	}
	if !errors.Is(err, fault.ErrReported) {
		report(env, err)
	}
	return fault.ExitCode(err)
}

func newRoot(env *command.Env) *cobra.Command {
	root := command.Parent("leat", "A durable log that speaks the Kafka protocol, in one program",
		"Leat is a durable log that speaks the Kafka protocol, in one program.\n\n"+
			"\"leat up\" starts it. The other commands work with it and with any other Kafka cluster.")
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return env.Check() }
	root.SetFlagErrorFunc(command.FlagError)
	// A parent without a subcommand only helps: one usage line is enough.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}\n  {{.UseLine}}{{end}}", "{{if not .HasAvailableSubCommands}}\n  {{.UseLine}}{{end}}", 1))
	root.CompletionOptions.HiddenDefaultCmd = false
	env.Flags(root.PersistentFlags())
	command.CompleteFlag(root, "output", "table", "json")
	command.CompleteFlagWith(root, "bootstrap-servers", command.NoCompletion)

	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run:"},
		&cobra.Group{ID: "data", Title: "Records:"},
		&cobra.Group{ID: "admin", Title: "Administration:"},
		&cobra.Group{ID: "tools", Title: "Tools:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("run", serve.NewUp(env), serve.NewBroker(env), registry.New(env), newDemo(env))
	add("data", produce.New(env), consume.New(env))
	add("admin", topic.New(env), schema.New(env), group.New(env), txn.New(env), config.New(env), clientmetrics.New(env), acl.New(env), user.New(env), token.New(env), quota.New(env), cluster.New(env), partition.New(env), features.New(env))
	add("tools", logfile.New(env), streams.New(env), bench.New(env), newVersion(env))
	root.SetHelpCommandGroupID("tools")
	root.SetCompletionCommandGroupID("tools")
	return root
}

func report(env *command.Env, err error) {
	if env.JSON() {
		enc := json.NewEncoder(env.Err)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(fault.ToObject(err)) // nowhere left to say that standard error is gone
		return
	}
	_, _ = io.WriteString(env.Err, fault.Text(err))
}

// isClosedPipe recognises that the reader of our output has gone, as in "leat consume t | head -1": a normal end.
func isClosedPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}
