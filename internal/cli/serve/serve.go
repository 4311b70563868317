// Package serve holds "leat up" and "leat broker": they run the platform in this process until interrupted. The
// platform owns all goroutines; this package turns flags into its options and its errors into hints.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"leat.dev/internal/base/loglevel"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/registry"
	"leat.dev/internal/cli/screen"
	"leat.dev/internal/metadata/config"
	"leat.dev/internal/platform"
)

// started is close to when the process began: the time to be ready counts from here.
var started = time.Now()

type options struct {
	data      string
	listeners string
	http      string
	registry  string
	config    string
	settings  []string
	logLevel  string
	logFormat string
}

// NewUp makes "leat up", which runs every role.
func NewUp(env *command.Env) *cobra.Command {
	cmd := newRun(env, "up", "Run everything in this process", "Run every role of the platform in this process, on storage of its own: the broker, and a schema registry beside it.", true)
	cmd.Example = `  leat up
  leat up --registry off
  leat up --data /var/lib/leat --listeners PLAINTEXT://0.0.0.0:9092
  leat up --set log.retention.hours=24 --set log.flush=os`
	return cmd
}

// NewBroker makes "leat broker", which runs the broker alone.
func NewBroker(env *command.Env) *cobra.Command {
	cmd := newRun(env, "broker", "Run the broker alone", "Run the broker alone.", false)
	cmd.Example = "  leat broker --config broker.yaml"
	return cmd
}

func newRun(env *command.Env, use, short, long string, registry bool) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Long: long + "\n\nSettings have Kafka's names. They come from --set, from the environment (LEAT_LOG_RETENTION_MS is\n" +
			"log.retention.ms) and from a file, in this order. What is written is one line on standard error when clients\n" +
			"can connect, and warnings.",
		Args:              command.Args(0, 0, "no argument"),
		ValidArgsFunction: command.NoCompletion,
		RunE:              func(cmd *cobra.Command, _ []string) error { return run(cmd, env, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.data, "data", platform.DefaultData, "directory for everything that is kept (env LEAT_DATA)")
	f.StringVar(&o.listeners, "listeners", platform.DefaultListeners, "where clients connect, NAME://HOST:PORT,…; port 0 takes a free one")
	f.StringVar(&o.http, "http", platform.DefaultHTTP, `address of metrics and health; "" or "off" for none (env LEAT_HTTP)`)
	if registry {
		f.StringVar(&o.registry, "registry", platform.DefaultRegistry, `address of the schema registry; "" or "off" for none (env LEAT_REGISTRY_LISTEN)`)
	}
	f.StringVar(&o.config, "config", "", "file of settings: YAML, or Kafka's own if it ends in .properties (env LEAT_CONFIG)")
	f.StringArrayVar(&o.settings, "set", nil, "a setting, name=value; repeatable")
	f.StringVar(&o.logLevel, "log-level", "warn", "debug, info, warn or error (env LEAT_LOG_LEVEL)")
	f.StringVar(&o.logFormat, "log-format", "text", "text or json (env LEAT_LOG_FORMAT)")
	command.CompleteFlag(cmd, "log-level", "debug", "info", "warn", "error")
	command.CompleteFlag(cmd, "log-format", "text", "json")
	command.CompleteFlagWith(cmd, "set", completeSettings)
	return cmd
}

func completeSettings(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, e := range config.DescribeBroker(config.Dynamic{}, config.Defaults()) {
		if strings.HasPrefix(e.Name, typed) {
			out = append(out, e.Name+"=")
		}
	}
	for _, name := range platform.RegistrySettings() {
		if strings.HasPrefix(name, typed) {
			out = append(out, name+"=")
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// fromEnvironment fills a flag that was not given from its variable.
func fromEnvironment(cmd *cobra.Command, env *command.Env, flag, variable string, to *string) {
	if v := env.Getenv(variable); v != "" && !cmd.Flags().Changed(flag) {
		*to = v
	}
}

func run(cmd *cobra.Command, env *command.Env, o options) error {
	fromEnvironment(cmd, env, "config", "LEAT_CONFIG", &o.config)
	fromEnvironment(cmd, env, "log-level", "LEAT_LOG_LEVEL", &o.logLevel)
	fromEnvironment(cmd, env, "log-format", "LEAT_LOG_FORMAT", &o.logFormat)
	p := platform.Options{Data: platform.DefaultData, HTTP: platform.DefaultHTTP, Started: started}
	withRegistry := cmd.Flags().Lookup("registry") != nil
	if withRegistry {
		p.Registry.Listen, p.Registry.Version = platform.DefaultRegistry, env.Version
	}
	if err := p.LoadSettings(platform.Sources{File: o.config, Environ: os.Environ(), Set: o.settings}); err != nil {
		return settingsError(err, o.config)
	}
	changed := cmd.Flags().Changed
	if changed("data") {
		p.Data = o.data
	}
	if changed("http") {
		p.HTTP = o.http
	}
	if p.HTTP == "off" {
		p.HTTP = ""
	}
	if changed("registry") {
		p.Registry.Listen = o.registry
	}
	if p.Registry.Listen == "off" || !withRegistry {
		p.Registry.Listen = ""
	}
	if changed("listeners") {
		p.Settings["listeners"] = o.listeners
	}
	var err error
	if p.Levels, err = levels(env, o); err != nil {
		return err
	}
	if _, _, err := config.Parse(p.Settings); err != nil {
		return settingsError(err, o.config)
	}
	p.Ready = func(i platform.Info) { ready(env, i) }
	return explain(platform.Run(cmd.Context(), p), &p)
}

func levels(env *command.Env, o options) (*loglevel.Table, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return nil, fault.Usage("--log-level %q is not known", o.logLevel).WithHint("the levels are debug, info, warn and error")
	}
	options := &slog.HandlerOptions{Level: loglevel.Trace}
	switch o.logFormat {
	case "text":
		return loglevel.New(slog.NewTextHandler(env.Err, options), level), nil
	case "json":
		return loglevel.New(slog.NewJSONHandler(env.Err, options), level), nil
	}
	return nil, fault.Usage("--log-format %q is not known", o.logFormat).WithHint("the formats are text and json")
}

// ready writes the one line that says the broker serves.
func ready(env *command.Env, i platform.Info) {
	line := fmt.Sprintf("leat is ready in %s: %s", screen.Duration(i.Took), strings.Join(i.Listeners, ", "))
	if i.HTTP != "" {
		line += ", metrics on http://" + strings.TrimPrefix(i.HTTP, "http://") + "/metrics"
	}
	if i.Registry != "" {
		line += ", schema registry on " + i.Registry
	}
	env.Notef("%s, %s, data in %s", line, screen.Plural(i.Partitions, "partition"), i.Data)
	if len(i.Open) > 0 {
		env.Notef("no security is configured: whoever can reach %s can read, write and delete everything (see docs/guide/security.md)", strings.Join(i.Open, " or "))
	}
}

func settingsError(err error, file string) error {
	if errors.Is(err, fs.ErrNotExist) && file != "" {
		return fault.Usage("cannot read %s", file).WithDetail("no such file")
	}
	lines := strings.Split(err.Error(), "\n")
	e := fault.Usage("%s", lines[0])
	if len(lines) > 1 {
		e = e.WithDetail("%s", strings.Join(lines[1:], "\n"))
	}
	if head, hint, ok := strings.Cut(lines[0], ": did you mean "); ok && len(lines) == 1 {
		e.Primary = head
		return e.WithHint("did you mean %s", hint)
	}
	return e.WithHint("settings have the names of Kafka's broker settings; they come from --set, LEAT_… variables and --config")
}

// explain says what to do about a broker that could not start.
func explain(err error, p *platform.Options) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	if _, ok := errors.AsType[*platform.RegistryError](err); ok {
		return registry.Explain(err, []string{"this process"}, p.Registry.Listen, "--registry 127.0.0.1:PORT (0 takes a free port), or run none with --registry off")
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		addr := address(err)
		e := &fault.Error{Primary: "cannot listen on " + addr, Detail: "the address is in use: another program listens there, perhaps another broker", Cause: err}
		if addr == p.HTTP {
			return e.WithHint("choose another with --http ADDR, or --http off")
		}
		return e.WithHint("stop it, or choose another address with --listeners PLAINTEXT://127.0.0.1:PORT (0 takes a free port)")
	case errors.Is(err, syscall.EACCES) && address(err) != "":
		return (&fault.Error{Primary: "cannot listen on " + address(err), Detail: "permission denied", Cause: err}).
			WithHint("ports below 1024 need privileges: choose a higher one")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return (&fault.Error{Primary: "cannot listen on " + address(err), Detail: "this machine does not have the address", Cause: err}).
			WithHint("listen on 127.0.0.1 or 0.0.0.0, and name the address for clients with --set advertised.listeners=…")
	case errors.Is(err, vfs.ErrLocked):
		return (&fault.Error{Primary: "cannot use the data directory " + absolute(p.Data), Detail: "another broker is running on it", Cause: err}).
			WithHint("stop that one, or choose another directory with --data DIR")
	case errors.Is(err, fs.ErrPermission):
		return (&fault.Error{Primary: "cannot use the data directory " + absolute(p.Data), Detail: err.Error(), Cause: err}).
			WithHint("it must be readable and writable for this user")
	case errors.Is(err, syscall.ENOSPC):
		return (&fault.Error{Primary: "cannot use the data directory " + absolute(p.Data), Detail: "the disk is full", Cause: err}).
			WithHint("make room, or choose another directory with --data DIR")
	}
	return fault.Failed("%w", err)
}

func address(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil {
		return op.Addr.String()
	}
	return ""
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}
