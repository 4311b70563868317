package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/loglevel"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/broker/coordinator"
	"leat.dev/internal/broker/delivery"
	"leat.dev/internal/broker/replica"
	"leat.dev/internal/broker/session"
	"leat.dev/internal/broker/telemetry"
	"leat.dev/internal/broker/transport"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/commitlog/logdir"
	"leat.dev/internal/metadata"
	"leat.dev/internal/metadata/config"
)

// Listener is a socket that clients reach the broker by, and what the broker tells them of it.
type Listener struct {
	Name string // "PLAINTEXT"
	net.Listener
	// Protocol is PLAINTEXT unless set. Trusted clients are this process itself: they may do everything.
	Protocol       Protocol
	Trusted        bool
	AdvertisedHost string
	AdvertisedPort int
}

// Options of a broker. All fields are required unless said otherwise.
type Options struct {
	FS     vfs.FS
	Clock  clock.Clock
	Logger *slog.Logger
	// Levels, if set, is where loggers come from instead of Logger: then clients can change their levels at will. Else they
	// can only have less written than Logger does.
	Levels *loglevel.Table
	// Path is the log directory; it is made if it does not exist. The settings log.dirs and log.dir stand over it.
	Path string
	// Config is what the configuration file and the flags said.
	Config *config.Static
	// Listeners are open already; the broker accepts once it can serve.
	Listeners []Listener
	// Metrics may be nil.
	Metrics prometheus.Registerer
	// Random is where ids come from; it is read concurrently.
	Random io.Reader
}

// Broker holds what handlers work on. Its fields are set once, before the first request, and never change.
type Broker struct {
	log    *slog.Logger
	clock  clock.Clock
	cfg    *config.Static
	nodeID int32

	meta     *metadata.Node
	replicas *replica.Manager
	groups   *coordinator.Groups
	shares   *coordinator.Shares
	delivery *delivery.Manager
	transactions
	security   *security
	telemetry  *telemetry.Manager
	limits     connectionLimits
	loggers    *loglevel.Table
	requestLog *slog.Logger

	opts       Options
	dir        *logdir.Dirs
	logMetrics commitlog.Metrics
	server     *transport.Server
	sessions   *session.Cache
	metrics    *metrics
	apis       []api
	routes     [maxKey + 1]*route
	fetchMax   int // fetch.max.bytes
	ready      atomic.Bool
	lastEpoch  int64              // the broker epoch before a clean shutdown, -1 after any other
	stop       context.CancelFunc // ends background work of the log directory, and sweeping
	sweeping   sync.WaitGroup     // of expired delegation tokens, and assignDirectories
	unassigned chan struct{}      // see directoriesChanged
}

// NodeID is this broker's id.
func (b *Broker) NodeID() int32 { return b.nodeID }

// Ready tells whether the broker serves clients.
func (b *Broker) Ready() bool { return b.ready.Load() }

// ClusterID is the id of the cluster that the broker belongs to.
func (b *Broker) ClusterID() string { return b.dir.ClusterID() }

// OfflinePartitions counts the partitions that this broker should serve and cannot, because of storage errors.
func (b *Broker) OfflinePartitions() int { return b.replicas.Offline() }

// Open starts a broker on its log directory: it recovers the partitions, starts the metadata quorum, registers itself
// and then accepts connections. It serves when Open returns.
func Open(ctx context.Context, o Options) (b *Broker, err error) {
	if o.Levels == nil {
		o.Levels = loglevel.Of(o.Logger)
	}
	b = &Broker{
		loggers: o.Levels, log: o.Levels.Logger(logBroker), requestLog: o.Levels.Logger(logRequests), clock: o.Clock, cfg: o.Config, opts: o,
		nodeID:     int32(o.Config.Int("node.id")),
		fetchMax:   o.Config.Int("fetch.max.bytes"),
		unassigned: make(chan struct{}, 1),
		sessions:   session.NewCache(o.Config.Int("max.incremental.fetch.session.cache.slots"), o.Random),
	}
	b.makeLoggers()
	b.telemetry = b.newTelemetry()
	b.metrics = newMetrics(b)
	b.setAPIs(apis)
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"security", b.openSecurity}, {"storage", b.openStorage}, {"metadata", b.openMetadata}, {"registration", b.register}, {"partitions", b.takePartitions},
	} {
		began := b.clock.Now()
		if err := step.run(ctx); err != nil {
			b.abandon()
			return nil, err
		}
		b.log.Debug("start", "step", step.name, "took", b.clock.Now().Sub(began))
	}
	b.startServer()
	if o.Metrics != nil {
		if err := b.metrics.register(o.Metrics); err != nil {
			return nil, errors.Join(err, b.Close(ctx))
		}
	}
	b.ready.Store(true)
	return b, nil
}

// startServer accepts connections on all listeners.
func (b *Broker) startServer() {
	b.server = transport.NewServer(b.transportOptions())
	b.limits.start(b.server)
	b.security.ips.start(b.server)
	for _, l := range b.opts.Listeners {
		// Only a server that was stopped refuses, and nobody has the server yet.
		_ = b.server.ServeTLS(l.Name, l.Listener, b.security.listeners[l.Name].tlsConfig())
	}
}

// Close stops the broker in order: no new connections and requests; requests in progress finish, as far as ctx gives
// them time; then data is flushed and the directory is marked clean.
func (b *Broker) Close(ctx context.Context) error {
	b.ready.Store(false)
	if b.server != nil {
		// Parked requests of groups would hold up the drain; the coordinator tells them to look for another.
		done := make(chan error, 1)
		go func() { done <- b.server.Drain(ctx) }()
		b.closeTransactions()
		b.groups.Close()
		b.closeDelivery()
		b.closeShares()
		b.replicas.WakeAll()
		if err := <-done; err != nil {
			b.log.Warn("connections were cut off", "err", err)
		}
		b.server.Close()
	}
	return b.closeStorage()
}

// abandon gives up a broker that could not be started.
func (b *Broker) abandon() {
	for _, l := range b.opts.Listeners {
		l.Close()
	}
	if err := b.closeStorage(); err != nil {
		b.log.Warn("closing after a failed start", "err", err)
	}
}

func (b *Broker) closeStorage() error {
	if b.security != nil {
		b.security.close()
	}
	if b.stop != nil {
		b.stop()
	}
	b.sweeping.Wait()
	b.closeTransactions()
	if b.groups != nil {
		b.groups.Close()
	}
	b.closeDelivery()
	b.closeShares()
	if b.replicas != nil {
		b.replicas.Close()
	}
	if b.meta != nil {
		if err := b.meta.Close(); err != nil {
			b.log.Error("closing the metadata failed", "err", err)
		}
	}
	if b.dir == nil {
		return nil
	}
	if err := b.dir.Close(); err != nil {
		return fmt.Errorf("closing the log directories: %w", err)
	}
	return nil
}

// brokerResource is the name of this broker's config resource.
func (b *Broker) brokerResource() string { return strconv.Itoa(int(b.nodeID)) }

// Partitions is the number of partitions on this broker.
func (b *Broker) Partitions() int {
	n := 0
	for range b.replicas.Partitions() {
		n++
	}
	return n
}
