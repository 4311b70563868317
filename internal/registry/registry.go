// Package registry runs a schema registry: the state of package topic behind the HTTP API of package rest, with metrics,
// health, and who may do what.
//
// The rooms below it: schema (texts of Avro, JSON Schema and Protobuf, without I/O), store (what the records of the topic say,
// as a state machine), topic (the topic itself, and which registry of several writes), rest (the API), access (users, tokens,
// roles). A Registry runs the goroutines of its HTTP server and of package topic; Close ends them.
package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/registry/access"
	"leat.dev/internal/registry/rest"
	"leat.dev/internal/registry/topic"
)

// Options of a registry.
type Options struct {
	// Listener is where the API is served; the registry closes it.
	Listener net.Listener
	// TLS, if set, is what connections to Listener are secured with.
	TLS *tls.Config
	// URL is where clients and the other registries of the group reach this one: http://host:8081.
	URL string
	// Topic says where the schemas are kept. Its Identity is made of URL and Eligible.
	Topic topic.Options
	// Eligible is whether this registry may become the leader.
	Eligible bool
	// Access says who may do what; nil allows everything to everybody.
	Access *access.Control
	// Forward is the client for writes that another registry has to do; nil is one without certificates of its own.
	Forward *http.Client
	// Metrics, if set, gets the registry's own and is served at /metrics.
	Metrics *prometheus.Registry
	Logger  *slog.Logger
	Clock   clock.Clock
	// Version and Commit of the program, shown by /v1/metadata/version.
	Version, Commit string
}

// Times of the HTTP server.
const (
	headerTimeout  = 10 * time.Second
	bodyTimeout    = time.Minute
	answerTimeout  = 2 * time.Minute // a write may wait for a leader, and be forwarded to it
	idleTimeout    = 2 * time.Minute
	forwardTimeout = 30 * time.Second
	maxHeaderBytes = 64 << 10
)

// Registry is a running one.
type Registry struct {
	o       Options
	backend *topic.Backend
	server  *http.Server
	done    chan struct{}
}

// Open reads the topic, joins the group and serves. Listener is closed if that fails.
func Open(ctx context.Context, o Options) (*Registry, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	identity, err := topic.NewIdentity(o.URL, o.Eligible)
	if err != nil {
		_ = o.Listener.Close()
		return nil, fmt.Errorf("advertised address: %w", err)
	}
	o.Topic.Identity, o.Topic.Logger, o.Topic.Clock = identity, o.Logger, o.Clock
	backend, err := topic.Open(ctx, o.Topic)
	if err != nil {
		_ = o.Listener.Close()
		return nil, err
	}
	if o.Forward == nil {
		o.Forward = &http.Client{}
	}
	if o.Forward.Timeout == 0 {
		o.Forward.Timeout = forwardTimeout
	}
	r := &Registry{o: o, backend: backend, done: make(chan struct{})}
	r.server = &http.Server{
		Handler: r.handler(), TLSConfig: o.TLS,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	go r.serve()
	return r, nil
}

func (r *Registry) serve() {
	defer close(r.done)
	var err error
	if r.o.TLS != nil {
		err = r.server.ServeTLS(r.o.Listener, "", "")
	} else {
		err = r.server.Serve(r.o.Listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		r.o.Logger.Error("schema registry no longer serves", "error", err)
	}
}

// handler is the API with what stands around it.
func (r *Registry) handler() http.Handler {
	options := rest.Options{Backend: r.backend, Logger: r.o.Logger, Version: r.o.Version, Commit: r.o.Commit, Client: r.o.Forward}
	if r.o.Access != nil {
		options.Allow = r.o.Access.Allow
	}
	var api http.Handler = rest.New(options)
	if r.o.Access != nil {
		api = r.o.Access.Wrap(api)
	}
	mux := http.NewServeMux()
	if r.o.Metrics != nil {
		m := newMetrics(r.o.Metrics, r.backend, r.o.Clock)
		api = m.count(api)
		mux.Handle("GET /metrics", m.serve(r.o.Metrics))
	}
	mux.HandleFunc("GET /healthz", r.live)
	mux.HandleFunc("GET /readyz", r.ready)
	// Beside the mux, which would clean paths: a subject may hold anything, and one that is empty is an error of the API.
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if own(q) {
			mux.ServeHTTP(w, q)
		} else {
			api.ServeHTTP(w, q)
		}
	})
}

// own reports whether a request is for what is ours beside the API. Confluent's registry has no /metrics; who asks for it there
// in the way of its clients, with a media type of the API or with none, gets the 404 that they know.
func own(q *http.Request) bool {
	switch q.URL.Path {
	case "/healthz", "/readyz":
		return q.Method == http.MethodGet || q.Method == http.MethodHead
	case "/metrics":
		accept := q.Header.Get("Accept")
		return q.Method == http.MethodGet && (strings.Contains(accept, "text/") || strings.Contains(accept, "*/*") || strings.Contains(accept, "openmetrics"))
	}
	return false
}

// live answers that the process works.
func (r *Registry) live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
}

// ready answers whether reads and writes are served. Without a leader reads are: that is told, and no reason to send clients away.
func (r *Registry) ready(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if r.backend.Reading() != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "not ready: the topic cannot be read")
		return
	}
	switch leads, url := r.backend.Leader(); {
	case leads:
		fmt.Fprintln(w, "ready, leader")
	case url != "":
		fmt.Fprintln(w, "ready, the leader is "+url)
	default:
		fmt.Fprintln(w, "ready for reads, no leader")
	}
}

// URL is where the registry is reached.
func (r *Registry) URL() string { return r.o.URL }

// Leader tells whether this process leads, and where the leader is.
func (r *Registry) Leader() (leads bool, url string) { return r.backend.Leader() }

// Close leaves the group, so that another registry leads at once, and ends when requests in progress are answered, or when
// ctx ends.
func (r *Registry) Close(ctx context.Context) error {
	err := r.server.Shutdown(ctx)
	if err != nil {
		_ = r.server.Close() // those who would not go are cut off
	}
	<-r.done
	r.backend.Close()
	return err
}
