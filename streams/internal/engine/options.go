package engine

import (
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
)

// Options are what the shell of an app needs beside its program. Brokers and the like are in Program.Settings.
type Options struct {
	Client   []kgo.Opt             // for every client: TLS, SASL, a dialer
	Log      *slog.Logger          // default: none
	Metrics  prometheus.Registerer // default: metrics are kept and shown to nobody
	Clock    clock.Clock           // default: the system's
	Files    vfs.FS                // for the process id beside the state; default: the system's
	Random   io.Reader             // makes the process id
	Endpoint string                // host:port where this process answers queries; "": it does not

	OnState        func(old, now State)                     // called in order, by one goroutine at a time
	OnCrash        func(err error) CrashPolicy              // default: StopClient
	OnRestore      func(e RestoreEvent)                     // called by the restorer's goroutines; it holds up what it is told of
	OnProduceError func(f *ProduceFailure) (Decision, *Out) // with a dead letter, or nil; default: Fail
}

// CrashPolicy is what follows when a worker fails.
type CrashPolicy uint8

// The policies; Kafka Streams: REPLACE_THREAD, SHUTDOWN_CLIENT, SHUTDOWN_APPLICATION.
const (
	ReplaceWorker   CrashPolicy = iota // its tasks go on from what was committed last
	StopClient                         // this process stops
	StopApplication                    // all processes of the application stop
)

// State is what an app is doing, by Kafka Streams' words.
type State string

// The states.
const (
	Created         State = "CREATED"
	Rebalancing     State = "REBALANCING"
	Running         State = "RUNNING"
	PendingShutdown State = "PENDING_SHUTDOWN"
	NotRunning      State = "NOT_RUNNING"
	PendingError    State = "PENDING_ERROR"
	Failed          State = "ERROR"
)

// follows are the transitions that exist.
var follows = map[State][]State{
	Created:         {Rebalancing, PendingShutdown, PendingError},
	Rebalancing:     {Running, PendingShutdown, PendingError},
	Running:         {Rebalancing, PendingShutdown, PendingError},
	PendingShutdown: {NotRunning},
	PendingError:    {Failed},
}
