package streams

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"leat.dev/streams/internal/engine"
)

// App is one instance of a streams application: one process of it, or a part of one. Instances with the same application id
// share the work by partitions: start the same program again, on this machine or another one, and tasks move to it.
type App struct {
	id      string
	config  *config
	program *engine.Program
	engine  *engine.App
	blanks  *blanks

	endpoint atomic.Pointer[string]

	mu        sync.Mutex
	listeners []func(old, new State)
	closing   closing
}

// New checks and compiles the topology that build describes; it does not connect. All that is wrong with the topology and
// the options is in one error, each mistake with the operator it is about and what to do.
//
// The application id names the group, the internal topics (<id>-…-changelog, <id>-…-repartition), the transactions and the
// directory of the state.
func New(applicationID string, build func(*Builder), o ...AppOption) (*App, error) {
	c := newConfig(o)
	if !c.commitGiven && c.ExactlyOnce {
		c.CommitIntervalMs = 100
	}
	if c.ExactlyOnce && c.CommitIntervalMs >= transactionMs {
		c.wrong("CommitEvery", "%v is not shorter than the %v that a transaction may last", millisOf(c.CommitIntervalMs), millisOf(transactionMs))
	}
	c.brokerSide()
	own, p, err := compileBoth(applicationID, build, c)
	c.checkSpread()
	if err := errors.Join(errors.Join(c.mistakes...), err); err != nil {
		return nil, fmt.Errorf("streams application %s: %w", applicationID, err)
	}
	a := &App{id: applicationID, config: c, program: p, blanks: newBlanks(own)}
	a.engine = engine.New(p, engine.Options{
		Client: c.client, Log: c.log, Metrics: c.metrics, Random: rand.Reader,
		OnState: a.changed, OnCrash: c.crashPolicy(), OnProduceError: c.produceHandler(), OnRestore: c.restoreListener(),
	})
	return a, nil
}

// transactionMs is how long a transaction may last, transaction.timeout.ms as Kafka Streams sets it.
const transactionMs = 10_000

func millisOf(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// Run works until ctx is done or an error that the handlers leave. A done ctx is a clean close: what was processed is
// committed, stores are closed, the group is left, and Run returns nil. An App runs once.
//
// It returns early, with an error that names node, topic and fix, when a source topic is missing, topics that are joined
// differ in their partitions, or an internal topic is not as it must be.
func (a *App) Run(ctx context.Context) error {
	if len(a.config.Brokers) == 0 {
		return errors.New("streams: no brokers: give the option Brokers(\"host:port\")")
	}
	stop, err := a.serve()
	if err != nil {
		return err
	}
	defer stop()
	ctx, ended := a.closing.begin(ctx)
	defer ended()
	if err := a.engine.Run(ctx); err != nil {
		return fmt.Errorf("streams application %s: %w", a.id, err)
	}
	return nil
}

// Describe is the topology in the words of Kafka Streams' Topology.describe(), which tools draw.
func (a *App) Describe() string { return a.program.Topology.Describe() }

// Pause stops processing. The app stays a member of its group and keeps its tasks; records are fetched up to the limits
// of buffers. It may be called before Run.
func (a *App) Pause() { a.engine.SetPaused(true) }

// Resume ends a pause.
func (a *App) Resume() { a.engine.SetPaused(false) }

// SetWorkers changes the number of workers while the app runs, at least 1. Tasks are moved between them, each after a commit.
func (a *App) SetWorkers(n int) { a.engine.SetWorkers(n) }

// OnState calls f at every change of the state, in order; f should return soon. It must be set before Run.
func (a *App) OnState(f func(old, new State)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.listeners = append(a.listeners, f)
}

func (a *App) changed(old, now engine.State) {
	a.mu.Lock()
	listeners := a.listeners
	a.mu.Unlock()
	for _, f := range listeners {
		f(State(old), State(now))
	}
}

// State is what the app is doing.
func (a *App) State() State { return State(a.engine.State()) }

// State is what an app is doing, in the words of Kafka Streams.
type State string

// The states. An app is made CREATED; Run makes it REBALANCING until all its tasks run, then RUNNING; a clean close passes
// PENDING_SHUTDOWN and ends in NOT_RUNNING, an error PENDING_ERROR and ERROR.
const (
	Created         = State(engine.Created)
	Rebalancing     = State(engine.Rebalancing)
	Running         = State(engine.Running)
	PendingShutdown = State(engine.PendingShutdown)
	NotRunning      = State(engine.NotRunning)
	PendingError    = State(engine.PendingError)
	Failed          = State(engine.Failed)
)

// CrashPolicy is what follows when a worker fails: by an error that a handler decided to Fail on, or one of the state or
// the cluster that does not pass.
type CrashPolicy int

// The policies; Kafka Streams: REPLACE_THREAD, SHUTDOWN_CLIENT, SHUTDOWN_APPLICATION.
const (
	// ReplaceWorker takes the worker's tasks up again from what was committed last, with growing pauses up to 10 s while it
	// fails again. A record that always fails is tried for ever.
	ReplaceWorker CrashPolicy = iota
	// StopClient ends Run of this instance with the error; its tasks go to the other instances. It is the default.
	StopClient
	// StopApplication ends Run of all instances.
	StopApplication
)

// ErrStopped is wrapped by the error of instances that end because another one decided StopApplication.
var ErrStopped = engine.ErrStopped

func (c *config) crashPolicy() func(error) engine.CrashPolicy {
	if c.onCrash == nil {
		return nil
	}
	return func(err error) engine.CrashPolicy {
		p, failed := call1(c.onCrash, err)
		if failed != nil {
			c.log.Error("the handler of OnCrash failed", slog.Any("error", failed))
			return engine.StopClient
		}
		switch p {
		case ReplaceWorker:
			return engine.ReplaceWorker
		case StopApplication:
			return engine.StopApplication
		default:
			return engine.StopClient
		}
	}
}

// produceHandler asks the user's handler about records that the cluster did not take.
func (c *config) produceHandler() func(*engine.ProduceFailure) (engine.Decision, *engine.Out) {
	return func(p *engine.ProduceFailure) (engine.Decision, *engine.Out) {
		src := &p.Source
		f := Failure{
			Err: fmt.Errorf("writing to %s-%d: %w", p.Topic, p.Partition, p.Err), Node: p.Node, Task: p.Task.String(),
			Topic: src.Topic, Partition: src.Partition, Offset: src.Offset, Time: Time(src.Time), Headers: headersOf(src.Headers),
			Key: src.Key, Value: src.Value,
		}
		d := Fail
		if c.onProduce != nil {
			answer, err := call1(c.onProduce, f)
			if err != nil {
				c.log.Error("the handler of OnProduceError failed", slog.Any("error", err))
			} else {
				d = answer
			}
		}
		letter := c.letter(d, f)
		switch d.kind {
		case decideSkip:
			return engine.Skip, letter
		case decideRetry:
			return engine.Retry, letter
		default:
			return engine.Fail, letter
		}
	}
}
