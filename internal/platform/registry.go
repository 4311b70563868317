package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/broker/transport"
	"leat.dev/internal/registry"
	"leat.dev/internal/registry/topic"
)

// DefaultRegistry is where the schema registry serves its API unless told otherwise: this machine only.
const DefaultRegistry = "127.0.0.1:8081"

// RegistryOptions are those of the schema registry.
type RegistryOptions struct {
	// Listen is the address of the API, HOST:PORT; empty means that no registry runs.
	Listen string
	// Advertised is the URL that the other registries of the group reach this one at; by default made of Listen.
	Advertised string
	// Topic and Group are where schemas are kept and which registries share the work.
	Topic, Group string
	// Follower keeps this registry from becoming the leader.
	Follower bool
	// Sticky keeps a leader when a registry with a smaller URL joins.
	Sticky bool
	// Timeout bounds each wait of a write.
	Timeout time.Duration
	// Replicas of the topic if it has to be created.
	Replicas int
	// Access is a file of users, tokens and roles; Realm what they are asked for. Without a file everything is allowed.
	Access, Realm string
	// Cert and Key are PEM files: the API is served by TLS. Files that changed are used within a second.
	Cert, Key string
	// ClientCA is a PEM file of authorities: certificates of clients signed by them say who the client is.
	ClientCA string
	// ForwardCA is a PEM file of authorities that signed the certificates of the other registries.
	ForwardCA string
	// JWKS is the URL of the keys that signed the bearer tokens of clients; Issuer, Audience and Claim narrow them.
	JWKS, Issuer, Audience, Claim string
	// Version and Commit are shown by /v1/metadata/version.
	Version, Commit string
}

// registryPrefix begins the names of the registry's settings.
const registryPrefix = "registry."

// RegistrySettings are the names of the settings, for those who list them.
func RegistrySettings() []string {
	var out []string
	for name := range (&RegistryOptions{}).fields() {
		out = append(out, registryPrefix+name)
	}
	return out
}

func (o *RegistryOptions) fields() map[string]func(string) error {
	text := func(to *string) func(string) error { return func(v string) error { *to = v; return nil } }
	truth := func(to *bool) func(string) error {
		return func(v string) (err error) {
			if *to, err = strconv.ParseBool(v); err != nil {
				return fmt.Errorf("%q is neither true nor false", v)
			}
			return nil
		}
	}
	return map[string]func(string) error{
		"listen": text(&o.Listen), "advertised": text(&o.Advertised), "topic": text(&o.Topic), "group": text(&o.Group),
		"follower": truth(&o.Follower), "sticky": truth(&o.Sticky),
		"access": text(&o.Access), "realm": text(&o.Realm), "tls.cert": text(&o.Cert), "tls.key": text(&o.Key), "tls.client.ca": text(&o.ClientCA),
		"tls.ca": text(&o.ForwardCA), "jwks": text(&o.JWKS), "issuer": text(&o.Issuer), "audience": text(&o.Audience), "claim": text(&o.Claim),
		"timeout.ms": func(v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n <= 0 {
				return fmt.Errorf("%q is not a number of milliseconds", v)
			}
			o.Timeout = time.Duration(n) * time.Millisecond
			return nil
		},
		"replicas": func(v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n <= 0 || n > 100 {
				return fmt.Errorf("%q is not a number of replicas", v)
			}
			o.Replicas = n
			return nil
		},
	}
}

// take sets one setting; known is false if the registry has none of that name.
func (o *RegistryOptions) take(name, value string) (known bool, err error) {
	short, ok := strings.CutPrefix(name, registryPrefix)
	set := o.fields()[short]
	if !ok || set == nil {
		return false, nil
	}
	if err := set(value); err != nil {
		return true, fmt.Errorf("%s: %w", name, err)
	}
	return true, nil
}

// listen opens the registry's port, and works out its URL.
func (o *RegistryOptions) listen() (net.Listener, string, error) {
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, "", &RegistryError{fmt.Errorf("schema registry: %w", err)}
	}
	if o.Advertised != "" {
		u, err := url.Parse(o.Advertised)
		if err == nil && u.Host != "" {
			return l, strings.TrimSuffix(o.Advertised, "/"), nil
		}
		l.Close()
		return nil, "", &RegistryError{fmt.Errorf("schema registry: %q is not a URL such as http://host:8081", o.Advertised)}
	}
	scheme := "http"
	if o.Cert != "" {
		scheme = "https"
	}
	host, _, _ := net.SplitHostPort(o.Listen)
	return l, scheme + "://" + net.JoinHostPort(advertisedHost(host), strconv.Itoa(l.Addr().(*net.TCPAddr).Port)), nil
}

// RegistryError is a failure of the registry rather than of the broker beside it.
type RegistryError struct{ Err error }

// Error implements error.
func (e *RegistryError) Error() string { return e.Err.Error() }

// Unwrap gives access to the cause.
func (e *RegistryError) Unwrap() error { return e.Err }

// registryRole is a registry with what has to be closed around it.
type registryRole struct {
	*registry.Registry
	closers []func()
}

// openRegistry starts a registry on a listener, which is closed if that fails.
func openRegistry(ctx context.Context, o RegistryOptions, l net.Listener, base string, client []kgo.Opt, c clock.Clock, log *slog.Logger, metrics *prometheus.Registry) (_ *registryRole, err error) {
	role := &registryRole{}
	defer func() {
		if err != nil {
			_ = l.Close()
			role.closeFiles()
			err = &RegistryError{err}
		}
	}()
	options := registry.Options{
		Listener: l, URL: base, Eligible: !o.Follower, Metrics: metrics, Logger: log, Clock: c, Version: o.Version, Commit: o.Commit,
		Topic: topic.Options{Client: client, Topic: o.Topic, Group: o.Group, Sticky: o.Sticky, Timeout: o.Timeout, Replicas: o.Replicas},
	}
	if err := o.secure(&options, role, c, log); err != nil {
		return nil, err
	}
	if role.Registry, err = registry.Open(ctx, options); err != nil {
		return nil, err
	}
	return role, nil
}

func (r *registryRole) close(ctx context.Context) error {
	if r == nil || r.Registry == nil {
		return nil
	}
	defer r.closeFiles()
	return r.Registry.Close(ctx)
}

func (r *registryRole) closeFiles() {
	for _, f := range r.closers {
		f()
	}
}

// memoryClient are the options of a client inside the process.
func memoryClient(m *transport.Memory) []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers("localhost:9092"), kgo.Dialer(m.DialContext)}
}

// RegistryProcess is a registry that runs alone.
type RegistryProcess struct {
	RegistryOptions
	// Client are the options of the Kafka client.
	Client []kgo.Opt
	Logger *slog.Logger
	Clock  clock.Clock
	// Ready is called once when the registry serves.
	Ready func(RegistryInfo)
	// Started is when the process began; the call of Run if zero.
	Started         time.Time
	ShutdownTimeout time.Duration
}

// RegistryInfo says what is running.
type RegistryInfo struct {
	URL  string
	Took time.Duration
	// Open is set when whoever reaches the address may do everything.
	Open bool
}

// Run runs the registry until ctx ends.
func (p RegistryProcess) Run(ctx context.Context) error {
	if p.Clock == nil {
		p.Clock = clock.System
	}
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	if p.Started.IsZero() {
		p.Started = p.Clock.Now()
	}
	if p.ShutdownTimeout == 0 {
		p.ShutdownTimeout = 10 * time.Second
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	l, base, err := p.listen()
	if err != nil {
		return err
	}
	role, err := openRegistry(ctx, p.RegistryOptions, l, base, p.Client, p.Clock, p.Logger, metrics)
	if err != nil {
		return err
	}
	info := RegistryInfo{URL: base, Took: p.Clock.Now().Sub(p.Started), Open: p.openTo(l)}
	p.Logger.Info("schema registry is ready", "url", info.URL, "took", info.Took)
	if p.Ready != nil {
		p.Ready(info)
	}
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.Background(), p.ShutdownTimeout)
	defer cancel()
	return role.close(stopping)
}

// openTo reports whether strangers on the network may do everything.
func (o *RegistryOptions) openTo(l net.Listener) bool {
	addr, ok := l.Addr().(*net.TCPAddr)
	return ok && !addr.IP.IsLoopback() && o.Access == ""
}

// readText reads a file of settings.
func readText(what, name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return b, nil
}

var errKeyWithoutCert = errors.New("registry.tls.key without registry.tls.cert")
