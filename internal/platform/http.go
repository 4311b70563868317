package platform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"leat.dev/internal/broker"
)

// health is what /healthz and /readyz answer from.
type health struct {
	broker   atomic.Pointer[broker.Broker]
	scraping sync.Mutex // of clientMetrics
}

// web serves metrics and health. The zero value serves nothing.
type web struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{}
}

func listenHTTP(addr string) (*web, error) {
	if addr == "" {
		return &web{}, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("metrics and health: %w", err)
	}
	return &web{listener: l}, nil
}

func (w *web) address() string {
	if w.listener == nil {
		return ""
	}
	return w.listener.Addr().String()
}

func (w *web) serve(o Options, registry *prometheus.Registry, state *health) {
	if w.listener == nil {
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /metrics/clients", state.clientMetrics)
	mux.HandleFunc("GET /healthz", state.live)
	mux.HandleFunc("GET /readyz", state.ready)
	if o.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	w.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	w.done = make(chan struct{})
	go func() {
		defer close(w.done)
		if err := w.server.Serve(w.listener); !errors.Is(err, http.ErrServerClosed) {
			o.Logger.Error("metrics and health ended", "err", err)
		}
	}()
}

// close ends the server; a scrape in progress gets a moment to finish.
func (w *web) close() {
	switch {
	case w.server != nil:
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if w.server.Shutdown(ctx) != nil {
			_ = w.server.Close() // those who would not go are cut off
		}
		<-w.done
	case w.listener != nil:
		w.listener.Close()
	}
}

// clientMetrics answers with the metrics that clients pushed, one scrape at a time. They have a path of their own: how
// many there are is up to the clients.
func (h *health) clientMetrics(rw http.ResponseWriter, _ *http.Request) {
	b := h.broker.Load()
	if b == nil || !h.scraping.TryLock() {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer h.scraping.Unlock()
	rw.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_ = b.WriteClientMetrics(rw) // who asked is gone
}

// live answers that the process works. Partitions that are offline do not make it unhealthy: a restart would not help.
func (h *health) live(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(rw, "ok")
}

// ready answers whether clients are served.
func (h *health) ready(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	b := h.broker.Load()
	if b == nil || !b.Ready() {
		rw.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(rw, "not ready")
		return
	}
	if n := b.OfflinePartitions(); n > 0 {
		fmt.Fprintf(rw, "ready, %d partitions offline\n", n)
		return
	}
	fmt.Fprintln(rw, "ready")
}
