// Package registry holds "leat registry", which runs a schema registry beside any Kafka cluster. The platform owns all
// goroutines; this package turns flags into its options and its errors into hints.
package registry

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
	"leat.dev/internal/platform"
	"leat.dev/internal/registry/topic"
)

// started is close to when the process began: the time to be ready counts from here.
var started = time.Now()

type options struct {
	platform.RegistryOptions
	logLevel, logFormat string
}

// New makes the command.
func New(env *command.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "registry",
		Short: "Run a schema registry beside a Kafka cluster",
		Long: "Run a schema registry. It serves Confluent's HTTP API and keeps the schemas in a compacted topic of the cluster that\n" +
			"--bootstrap-servers names, which may be any Kafka cluster. Several registries with one topic and one group choose a\n" +
			"leader; the others forward writes to it. \"leat up\" runs one as well.",
		Example: `  leat registry --bootstrap-servers kafka-1:9092 --listen 127.0.0.1:8081
  leat registry --listen 0.0.0.0:8081 --advertised http://registry-1:8081 --access registry.access
  echo secret | leat registry hash ann`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return command.UnknownCommand(cmd, args[0])
			}
			return nil
		},
		ValidArgsFunction: command.NoCompletion,
		RunE:              func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), env, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", platform.DefaultRegistry, "address of the HTTP API; port 0 takes a free one")
	f.StringVar(&o.Advertised, "advertised", "", "URL that clients and other registries reach this one at (default made of --listen)")
	f.StringVar(&o.Topic, "topic", topic.DefaultTopic, "topic of the schemas; created if there is none")
	f.StringVar(&o.Group, "group", topic.DefaultGroup, "group of the registries that share the topic")
	f.IntVar(&o.Replicas, "replicas", topic.DefaultReplicas, "replicas of the topic if it has to be created, fewer with fewer brokers")
	f.BoolVar(&o.Follower, "follower", false, "never become the leader")
	f.BoolVar(&o.Sticky, "sticky", false, "keep a leader when a registry with a smaller URL joins; the same for all registries of a group")
	f.DurationVar(&o.Timeout, "store-timeout", topic.DefaultTimeout, "how long a write may wait for the topic")
	f.StringVar(&o.Access, "access", "", "file of users, tokens and roles; without one everybody may do everything")
	f.StringVar(&o.Realm, "realm", "", "what clients are asked to log in to (default schema-registry)")
	f.StringVar(&o.Cert, "listen-cert", "", "file in PEM with the certificate of the HTTP API, which is then served by TLS")
	f.StringVar(&o.Key, "listen-key", "", "file in PEM with the key of --listen-cert, if it is not in the same file")
	f.StringVar(&o.ClientCA, "client-ca", "", "file in PEM with the authority of clients' certificates, whose common names say who they are")
	f.StringVar(&o.ForwardCA, "forward-ca", "", "file in PEM with the authority of the other registries' certificates")
	f.StringVar(&o.JWKS, "jwks", "", "URL of the keys that sign clients' bearer tokens (https, http or file)")
	f.StringVar(&o.Issuer, "issuer", "", "issuer that bearer tokens must have")
	f.StringVar(&o.Audience, "audience", "", "audience that bearer tokens must have")
	f.StringVar(&o.Claim, "claim", "", "claim of bearer tokens that names the user (default sub)")
	f.StringVar(&o.logLevel, "log-level", "warn", "debug, info, warn or error")
	f.StringVar(&o.logFormat, "log-format", "text", "text or json")
	command.CompleteFlag(cmd, "log-level", "debug", "info", "warn", "error")
	command.CompleteFlag(cmd, "log-format", "text", "json")
	cmd.AddCommand(newHash(env))
	return cmd
}

func run(ctx context.Context, env *command.Env, o options) error {
	log, err := logger(env, o)
	if err != nil {
		return err
	}
	client, err := env.ClientOptions()
	if err != nil {
		return err
	}
	if o.Timeout <= 0 {
		return fault.Usage("--store-timeout %s is not a positive duration", o.Timeout)
	}
	o.Version = env.Version
	p := platform.RegistryProcess{RegistryOptions: o.RegistryOptions, Client: client, Logger: log, Started: started, Ready: func(i platform.RegistryInfo) {
		env.Notef("leat registry is ready in %s: %s, schemas in topic %s at %s", screen.Duration(i.Took), i.URL, o.Topic, strings.Join(env.Bootstrap, ","))
		if i.Open {
			env.Notef("no security is configured: whoever can reach %s can register and delete every schema (see docs/guide/registry.md)", i.URL)
		}
	}}
	return Explain(p.Run(ctx), env.Bootstrap, o.Listen, "--listen 127.0.0.1:PORT (0 takes a free port)")
}

func logger(env *command.Env, o options) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return nil, fault.Usage("--log-level %q is not known", o.logLevel).WithHint("the levels are debug, info, warn and error")
	}
	h := &slog.HandlerOptions{Level: level}
	switch o.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(env.Err, h)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(env.Err, h)), nil
	}
	return nil, fault.Usage("--log-format %q is not known", o.logFormat).WithHint("the formats are text and json")
}

// Explain says what to do about a registry that could not start; other names the flag that moves it elsewhere.
func Explain(err error, bootstrap []string, listen, other string) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	failure := &fault.Error{Primary: "the schema registry cannot start", Detail: strings.TrimPrefix(err.Error(), "schema registry: "), Cause: err}
	switch op, _ := errors.AsType[*net.OpError](err); {
	case errors.Is(err, syscall.EADDRINUSE):
		failure.Primary = "cannot listen on " + listen
		failure.Detail = "the address of the schema registry is in use: another program listens there, perhaps another registry"
		return failure.WithHint("stop it, or choose another address with %s", other)
	case op != nil && op.Op == "listen":
		return failure.WithHint("choose another address with %s", other)
	case errors.Is(err, topic.ErrNotCompacted):
		return failure.WithHint("the registry deletes nothing and changes no settings of an existing topic")
	case errors.Is(err, context.DeadlineExceeded), op != nil && op.Op == "dial":
		return failure.WithHint("is a broker running at %s? --bootstrap-servers says where one is", strings.Join(bootstrap, ", "))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return failure.WithHint("the file must exist and be readable for this user")
	}
	return failure
}
