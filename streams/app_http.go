package streams

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of the server of queries. Requests have no body; what one instance answers another is bounded in the same way.
const (
	rowsDefault    = 100      // entries that a listing gives without ?limit
	rowsMax        = 10_000   // and at most; more are had by its cursor
	requestsMax    = 256      // requests at the same time; more are refused
	forwardsMax    = 64       // requests to other instances at the same time; more wait
	headerBytesMax = 32 << 10 // of a request line and its headers: keys are in there
	keyBytesMax    = 8 << 10  // of a key or a bound as it is written
	lineBytesMax   = 32 << 20 // of an entry that another instance sends
)

// Times of the server of queries.
const (
	requestTime = 30 * time.Second // of a whole request
	forwardTime = 5 * time.Second  // until another instance begins to answer
	moveWait    = 200 * time.Millisecond
	downTime    = time.Second // for which an instance that could not be reached is not asked again
	idleTime    = 60 * time.Second
)

// ServeOption adjusts ServeQueries.
type ServeOption struct{ apply func(*serveConfig) }

type serveConfig struct {
	endpoint string // told to other instances
	listen   string
	tls      *tls.Config
	around   []func(http.Handler) http.Handler
	client   *http.Client
}

// ServeListen listens at another address than the one that is told to the other instances: behind a port mapping, or on all
// interfaces (":8080").
func ServeListen(addr string) ServeOption {
	return ServeOption{func(s *serveConfig) { s.listen = addr }}
}

// ServeTLS serves HTTPS, and reaches the other instances by it. The config needs a certificate; one that asks for client
// certificates goes with a ServeClient that has one.
func ServeTLS(c *tls.Config) ServeOption { return ServeOption{func(s *serveConfig) { s.tls = c }} }

// ServeAround puts f around every request, of other instances too: authorization, logging, metrics. The header Authorization of a
// request is sent on with it when it is forwarded.
func ServeAround(f func(http.Handler) http.Handler) ServeOption {
	return ServeOption{func(s *serveConfig) { s.around = append(s.around, f) }}
}

// ServeClient reaches the other instances, with root certificates of your own or credentials. Default: a client that
// trusts what the system trusts.
func ServeClient(c *http.Client) ServeOption {
	return ServeOption{func(s *serveConfig) { s.client = c }}
}

// ServeQueries answers queries over HTTP while the app runs, for the whole application: what another instance has is
// fetched there. See [App.Query] for queries in the process.
//
//	GET /stores                  the stores: kinds, and the tasks that are here
//	GET /stores/{store}/{key}    an entry, or the windows, sessions or versions of a key
//	GET /stores/{store}          entries in order, as JSON lines
//	GET /hosts                   the instances with their tasks and stores
//	GET /positions               how far the tasks here have processed their input
//	GET /lags                    how far the stores here are behind their changelogs
//	GET /health/live, /health/ready
//
// The guide, docs/guide/streams.md, has the parameters and the codes of errors.
//
// addr is host:port. It is told to the other instances, which must reach it by that name, and it is what is listened at,
// unless ServeListen says otherwise; port 0 takes a free one. There is no encryption and no authorization without ServeTLS and
// ServeAround: give an address of a network where everybody may read the stores.
func ServeQueries(addr string, o ...ServeOption) AppOption {
	return appOption(func(c *config) {
		s := &serveConfig{endpoint: addr, listen: addr}
		for _, opt := range o {
			if opt.apply != nil {
				opt.apply(s)
			}
		}
		for _, a := range []string{s.endpoint, s.listen} {
			if _, _, err := net.SplitHostPort(a); err != nil {
				c.wrong("ServeQueries", "%q is not host:port", a)
			}
		}
		if host, _, err := net.SplitHostPort(addr); err == nil && (host == "" || net.ParseIP(host).IsUnspecified()) {
			c.wrong("ServeQueries", "%q names no host that the other instances can reach; give one, and ServeListen(%q)", addr, addr)
		}
		c.serve = s
	})
}

// queryServer answers for the whole application.
type queryServer struct {
	app      *App
	self     string // its address, as others know it
	scheme   string
	client   *http.Client
	requests chan struct{} // a place for each that is under way
	forwards chan struct{}
	down     sync.Map // instances that could not be reached, by address: string, *outage
}

// serve answers queries over HTTP, when ServeQueries asks for it, in a goroutine that ends with stop.
func (a *App) serve() (stop func(), err error) {
	c := a.config.serve
	if c == nil {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return nil, fmt.Errorf("streams: ServeQueries: %w", err)
	}
	s := newQueryServer(a, c, listener.Addr())
	a.engine.SetEndpoint(s.self)
	a.endpoint.Store(&s.self)
	handler := s.handler()
	for _, f := range slices.Backward(c.around) {
		handler = f(handler)
	}
	if c.tls != nil {
		listener = tls.NewListener(listener, c.tls)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: requestTime + 5*time.Second, IdleTimeout: idleTime,
		MaxHeaderBytes: headerBytesMax, ErrorLog: slog.NewLogLogger(a.config.log.Handler(), slog.LevelDebug),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.config.log.Error("serving queries failed", slog.Any("error", err))
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		<-done
		s.client.CloseIdleConnections()
	}, nil
}

func newQueryServer(a *App, c *serveConfig, at net.Addr) *queryServer {
	s := &queryServer{
		app: a, self: c.endpoint, scheme: "http", client: c.client,
		requests: make(chan struct{}, requestsMax), forwards: make(chan struct{}, forwardsMax),
	}
	if host, port, err := net.SplitHostPort(c.endpoint); err == nil && port == "0" {
		_, port, _ = net.SplitHostPort(at.String())
		s.self = net.JoinHostPort(host, port)
	}
	if c.tls != nil {
		s.scheme = "https"
	}
	if s.client == nil {
		s.client = &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: 16, IdleConnTimeout: idleTime,
			DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		}}
	}
	client := *s.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.client = &client
	return s
}

func (s *queryServer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stores", s.listStores)
	mux.HandleFunc("GET /hosts", s.listHosts)
	mux.HandleFunc("GET /positions", s.listPositions)
	mux.HandleFunc("GET /lags", s.listLags)
	mux.HandleFunc("GET /health/live", func(w http.ResponseWriter, _ *http.Request) { answer(w, map[string]string{"status": "up"}) })
	mux.HandleFunc("GET /health/ready", s.ready)
	mux.HandleFunc("GET /stores/{store}", s.rows)
	mux.HandleFunc("GET /stores/{store}/{key...}", s.rows)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, &httpError{status: http.StatusNotFound, Code: "no_page", Message: "there is no " + r.URL.Path})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.requests <- struct{}{}:
			defer func() { <-s.requests }()
		default:
			refuse(w, &httpError{status: http.StatusServiceUnavailable, Code: "busy", Message: fmt.Sprintf("%d requests are being answered", requestsMax)})
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			refuse(w, &httpError{status: http.StatusMethodNotAllowed, Code: "method", Message: "queries are asked by GET"})
			return
		}
		mux.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (s *queryServer) listStores(w http.ResponseWriter, _ *http.Request) {
	type store struct {
		Name     string   `json:"name"`
		Kind     string   `json:"kind"`
		Global   bool     `json:"global,omitempty"`
		Tasks    []string `json:"tasks"`
		Standbys []string `json:"standbys,omitempty"`
	}
	out := []store{}
	for _, t := range s.app.program.Topology.Stores() {
		one := store{Name: t.Name, Kind: t.Kind.String(), Global: t.Global, Tasks: []string{}}
		tasks, _, _ := s.app.engine.StoreTasks(t.Name) // not here: no tasks
		for _, task := range tasks {
			if task.Standby {
				one.Standbys = append(one.Standbys, task.ID.String())
			} else {
				one.Tasks = append(one.Tasks, task.ID.String())
			}
		}
		out = append(out, one)
	}
	answer(w, out)
}

func (s *queryServer) listHosts(w http.ResponseWriter, _ *http.Request) { answer(w, s.app.Hosts()) }

func (s *queryServer) listPositions(w http.ResponseWriter, r *http.Request) {
	positions, err := s.app.Positions(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, positions)
}

func (s *queryServer) listLags(w http.ResponseWriter, r *http.Request) {
	lags, err := s.app.Lags(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, lags)
}

// ready says whether the instance takes part: in Kafka Streams' words, RUNNING or REBALANCING.
func (s *queryServer) ready(w http.ResponseWriter, _ *http.Request) {
	state := s.app.State()
	if state != Running && state != Rebalancing || !s.app.engine.Up() {
		refuse(w, &httpError{status: http.StatusServiceUnavailable, Code: "not_ready", Message: "the app is " + strings.ToLower(string(state))})
		return
	}
	answer(w, map[string]State{"state": state})
}
