// Package platform runs the roles of Leat in one process: it turns settings into a running broker on a data
// directory, serves metrics and health over HTTP, and stops everything in order.
//
// What lies in a data directory: log/ is the broker's log directory, in Apache Kafka's layout, unless log.dirs (or
// log.dir) names others.
//
// Run starts the HTTP server's goroutines and ends them before it returns; everything else that runs belongs to the
// broker.
package platform

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/loglevel"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/broker"
	"leat.dev/internal/broker/transport"
	"leat.dev/internal/metadata/config"
)

// DefaultHTTP is where metrics and health are served unless told otherwise.
const DefaultHTTP = "127.0.0.1:9644"

// DefaultListeners is what the broker listens on unless told otherwise: this machine only.
const DefaultListeners = "PLAINTEXT://127.0.0.1:9092"

// DefaultData is the data directory of a platform that was told none.
const DefaultData = "./leat-data"

// Options of a platform.
type Options struct {
	// Data is the data directory; it is made if it does not exist. Empty means DefaultData.
	Data string
	// HTTP is the address of metrics and health; empty means none. Port 0 takes a free one.
	HTTP string
	// Pprof serves Go's profiles under /debug/pprof/ as well. They tell of the program's inside: not for open networks.
	Pprof bool
	// Registry is the schema registry that runs beside the broker; with an empty Listen none does.
	Registry RegistryOptions
	// Settings are the broker's settings under Kafka's names, as LoadSettings merges them.
	Settings map[string]string
	// Logger defaults to none.
	Logger *slog.Logger
	// Levels, if set, is where loggers come from instead of Logger; their levels can be changed while the broker runs.
	Levels *loglevel.Table
	// Ready is called once when the broker serves.
	Ready func(Info)
	// Memory, if set, is a listener inside the process, beside those of the settings.
	Memory *transport.Memory
	// FS and Clock default to the machine's own.
	FS    vfs.FS
	Clock clock.Clock
	// ShutdownTimeout bounds how long requests in progress may hold up the end (10 s).
	ShutdownTimeout time.Duration
	// Started is when the process began, for the time in Info; the call of Run if zero.
	Started time.Time
}

// Info says what is running.
type Info struct {
	NodeID    int32
	ClusterID string
	// Listeners are the addresses that clients may use, in the order of the settings: "PLAINTEXT://127.0.0.1:9092".
	Listeners []string
	// HTTP is the address of metrics and health, empty if there is none.
	HTTP string
	// Registry is the URL of the schema registry, empty if there is none.
	Registry string
	// Took is the time from the start until the broker served.
	Took time.Duration
	// Partitions is how many partitions the broker leads.
	Partitions int
	// Data is the data directory as an absolute path.
	Data string
	// Open are listeners on the network that let anybody do everything.
	Open []string
}

func (o *Options) setDefaults() {
	if o.Data == "" {
		o.Data = DefaultData
	}
	if o.Levels != nil {
		o.Logger = o.Levels.Logger(loglevel.Root)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = vfs.OS
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.ShutdownTimeout == 0 {
		o.ShutdownTimeout = 10 * time.Second
	}
	if o.Started.IsZero() {
		o.Started = o.Clock.Now()
	}
}

// Run runs the broker until ctx ends, then stops it in order. It returns an error if the broker could not start, or
// could not stop cleanly.
func Run(ctx context.Context, o Options) error {
	o.setDefaults()
	tuneRuntime()
	static, warnings, err := config.Parse(withDefaults(o.Settings))
	if err != nil {
		return err
	}
	for _, w := range warnings {
		o.Logger.Warn("setting has no effect", "detail", w)
	}
	data, err := filepath.Abs(o.Data)
	if err != nil {
		return fmt.Errorf("data directory %s: %w", o.Data, err)
	}
	own := filepath.Join(data, "log")
	dirs, meta, err := broker.LogDirs(static, own)
	if err != nil {
		return fmt.Errorf("log.dirs: %w", err)
	}
	if err := leftOut(o.FS, own, meta, dirs); err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// The ports first: what is wrong with them shows at once, not after a recovery.
	web, err := listenHTTP(o.HTTP)
	if err != nil {
		return err
	}
	listeners, err := listen(static)
	if err != nil {
		web.close()
		return err
	}
	var schemas net.Listener
	schemasURL := ""
	if o.Registry.Listen != "" {
		if schemas, schemasURL, err = o.Registry.listen(); err != nil {
			for _, l := range listeners {
				l.Close()
			}
			web.close()
			return err
		}
		if o.Memory == nil {
			o.Memory = transport.NewMemory("registry")
		}
	}
	if o.Memory != nil {
		listeners = append(listeners, broker.Listener{Name: "MEMORY", Listener: o.Memory, Trusted: true, AdvertisedHost: "localhost", AdvertisedPort: 9092})
	}
	state := &health{}
	web.serve(o, registry, state)
	b, err := broker.Open(ctx, broker.Options{
		FS: o.FS, Clock: o.Clock, Logger: o.Logger, Levels: o.Levels, Path: own, Config: static,
		Listeners: listeners, Metrics: registry, Random: rand.Reader,
	})
	if err != nil {
		web.close()
		if schemas != nil {
			schemas.Close()
		}
		return err
	}
	state.broker.Store(b)
	var role *registryRole
	if schemas != nil {
		log := o.Logger
		if o.Levels != nil {
			log = o.Levels.Logger("registry")
		}
		role, err = openRegistry(ctx, o.Registry, schemas, schemasURL, memoryClient(o.Memory), o.Clock, log, registry)
		if err != nil {
			stopping, cancel := context.WithTimeout(context.Background(), o.ShutdownTimeout)
			defer cancel()
			err = errors.Join(err, b.Close(stopping))
			web.close()
			return err
		}
	}
	info := Info{
		NodeID: b.NodeID(), ClusterID: b.ClusterID(), HTTP: web.address(), Registry: schemasURL, Partitions: b.Partitions(),
		Took: o.Clock.Now().Sub(o.Started), Data: data, Open: open(listeners, static),
	}
	for _, l := range listeners {
		if l.Trusted {
			continue // inside the process
		}
		info.Listeners = append(info.Listeners, fmt.Sprintf("%s://%s", l.Name, net.JoinHostPort(l.AdvertisedHost, fmt.Sprint(l.AdvertisedPort))))
	}
	o.Logger.Info("ready", "node_id", info.NodeID, "cluster_id", info.ClusterID, "listeners", info.Listeners,
		"http", info.HTTP, "partitions", info.Partitions, "took", info.Took)
	if o.Ready != nil {
		o.Ready(info)
	}
	<-ctx.Done()
	o.Logger.Info("stopping")
	stopping, cancel := context.WithTimeout(context.Background(), o.ShutdownTimeout)
	defer cancel()
	err = role.close(stopping) // first: it leaves its group, which the broker has to hear
	err = errors.Join(err, b.Close(stopping))
	web.close()
	if err == nil {
		o.Logger.Info("stopped")
	}
	return err
}

// leftOut refuses log.dirs that would begin from nothing while there is data in the data directory.
func leftOut(fs vfs.FS, own, meta string, dirs []string) error {
	used := func(dir string) bool {
		ok, err := vfs.Exists(fs, filepath.Join(dir, "meta.properties"))
		return ok || err != nil // then the broker will say what is wrong
	}
	if meta == own || slices.Contains(dirs, own) || !used(own) || used(meta) {
		return nil
	}
	return fmt.Errorf("the data is in %s, which log.dirs leaves out: name it first, or choose another directory with --data to begin anew", own)
}

// withDefaults adds the settings whose defaults differ from Kafka's, because they suit one process on one machine.
func withDefaults(set map[string]string) map[string]string {
	out := map[string]string{
		"node.id":   "1",
		"listeners": DefaultListeners,
		// Kafka's own configuration file says so too: three seconds for members that may still come help a large
		// deployment, and make everyone else wait.
		"group.initial.rebalance.delay.ms": "0",
	}
	for k, v := range set {
		out[k] = v
	}
	if id, ok := out["broker.id"]; ok && set["node.id"] == "" {
		out["node.id"] = id
	}
	return out
}

// errNoListener is returned for listeners that name nothing to listen on.
var errNoListener = errors.New("listeners names no address to listen on")
