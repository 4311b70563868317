package engine

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/streams/internal/state"
	"leat.dev/streams/internal/topology"
)

// App runs a program as one process of its application. The process is one member of the group named by the application
// id; tasks are shared between processes by the group, and inside the process between workers.
//
// Goroutines, all of which end before Run returns: the manager, which alone polls the consumer and decides where tasks are;
// one for each worker, which alone touches its tasks; the restorer, which has tasks before workers do; the follower of
// global tables; the housekeeper, which purges repartition topics; the prober, which calls for assignments; and, at the
// group's leader, those that end transactions of processes that are gone. They talk by messages; nobody waits for a worker
// but the group's callbacks, when tasks leave, and queries. While a worker commits, a goroutine of its own waits for the
// cluster and the worker answers queries. franz-go calls back in goroutines of its own.
type App struct {
	prog *Program
	opt  Options
	log  *slog.Logger
	clk  clock.Clock
	met  *metrics

	cluster       *cluster
	outages       outages
	transactions2 bool // the cluster has transaction.version 2
	streamsGroups bool // the cluster has the streams protocol
	processID     string
	patterns      map[*topology.Node]*regexp.Regexp
	subOf         map[string]int // sub-topology by source topic, full name
	paused        atomic.Bool
	stopAll       atomic.Bool // tell the group that the application stops
	leaving       atomic.Int32

	mu         sync.Mutex
	state      State
	want       int         // workers
	hosts      groupInfo   // as told last
	taskCounts map[int]int // by sub-topology, as queries need them
	running    *process    // while Run works
	notices    sync.Mutex
}

// process is what exists between the beginning and the end of Run.
type process struct {
	app      *App
	ctx      context.Context
	fail     context.CancelCauseFunc
	db       *state.DB
	client   *kgo.Client // the consumer
	manager  *manager
	group    membership
	restorer *restorer
	prober   *prober
	globals  *globals
	copies   copies
	budget   budget
	up       bool         // everything above is there; under App.mu
	reading  sync.RWMutex // held by who reads global stores

	stopCause error // why this process stopped the application; under App.mu
	stopping  sync.WaitGroup
}

// New makes an app of a program. It connects to nothing.
func New(p *Program, o Options) *App {
	a := &App{prog: p, opt: o, log: o.Log, clk: o.Clock, state: Created, want: max(1, p.Settings.Workers), subOf: map[string]int{}, patterns: map[*topology.Node]*regexp.Regexp{}}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.log = a.log.With("application", p.ApplicationID)
	if a.clk == nil {
		a.clk = clock.System
	}
	if a.opt.Files == nil {
		a.opt.Files = vfs.OS
	}
	a.outages.now = a.now
	a.met = newMetrics(o.Metrics, p.ApplicationID)
	a.met.state.WithLabelValues(string(Created)).Set(1)
	a.SetLeaving(p.Settings.OnClose)
	for _, s := range p.Topology.Subtopologies {
		for _, n := range s.Sources() {
			for _, t := range n.Topics {
				a.subOf[a.fullName(t)] = s.ID
			}
			if n.Pattern != "" {
				a.patterns[n] = regexp.MustCompile("^(?:" + n.Pattern + ")$") // checked by the topology
			}
		}
	}
	return a
}

func (a *App) now() int64 { return a.clk.Now().UnixMilli() }

// fullName is the name of a topic in the cluster.
func (a *App) fullName(topic string) string {
	return a.prog.Topology.FullName(a.prog.ApplicationID, topic)
}

// taskOf is the task that reads a partition.
func (a *App) taskOf(tp TopicPartition) (TaskID, bool) {
	if sub, ok := a.subOf[tp.Topic]; ok {
		return TaskID{sub, tp.Partition}, true
	}
	for _, s := range a.prog.Topology.Subtopologies {
		for _, n := range s.Sources() {
			if re := a.patterns[n]; re != nil && re.MatchString(tp.Topic) {
				return TaskID{s.ID, tp.Partition}, true
			}
		}
	}
	return TaskID{}, false
}

// client makes a client of the cluster with what all have in common.
func (a *App) client(o ...kgo.Opt) (*kgo.Client, error) {
	s := &a.prog.Settings
	id := s.ClientID
	if id == "" {
		id = a.prog.ApplicationID
	}
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.OffsetCommit), 9) // topics by name
	versions.SetMaxKeyVersion(int16(kmsg.OffsetFetch), 9)
	versions.SetMaxKeyVersion(int16(kmsg.StreamsGroupHeartbeat), 0)
	if a.transactions2 {
		versions.SetMaxKeyVersion(int16(kmsg.TxnOffsetCommit), 5)
	} else {
		versions.SetMaxKeyVersion(int16(kmsg.TxnOffsetCommit), 4)
		versions.SetMaxKeyVersion(int16(kmsg.EndTxn), 4)
	}
	versions.SetMaxKeyVersion(int16(kmsg.AddPartitionsToTxn), 3) // later ones are for brokers
	all := []kgo.Opt{
		kgo.MaxVersions(versions), kgo.SeedBrokers(s.Brokers...), kgo.ClientID(id), kgo.SoftwareNameAndVersion("leat-streams", "1"),
		kgo.WithHooks(&a.outages), kgo.ProducerLinger(producerLinger), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.FetchMaxBytes(fetchMaxBytes), kgo.FetchMaxPartitionBytes(fetchPartitionBytes),
	}
	if s.Rack != "" {
		all = append(all, kgo.Rack(s.Rack))
	}
	all = append(all, a.opt.Client...)
	client, err := kgo.NewClient(append(all, o...)...)
	if err != nil {
		return nil, fmt.Errorf("client of %s: %w", strings.Join(s.Brokers, ","), err)
	}
	return client, nil
}

func (a *App) isolation() kgo.Opt {
	if a.prog.Settings.ExactlyOnce {
		return kgo.FetchIsolationLevel(kgo.ReadCommitted())
	}
	return kgo.FetchIsolationLevel(kgo.ReadUncommitted())
}

// ErrRunning is returned by a second Run.
var ErrRunning = errors.New("the app has been run already")

// Run works until ctx is done, which is a clean close, or until an error nobody handled.
func (a *App) Run(ctx context.Context) error {
	a.mu.Lock()
	if a.running != nil || a.state != Created {
		a.mu.Unlock()
		return ErrRunning
	}
	p := &process{
		app: a, copies: copies{at: map[TaskID]*copyPosition{}, ends: map[TopicPartition]knownEnd{}},
		budget: budget{max: a.prog.Settings.InputBufferBytes},
	}
	a.running = p
	a.mu.Unlock()

	a.become(Rebalancing)
	err := p.run(ctx)
	if err == nil {
		a.become(PendingShutdown)
		a.become(NotRunning)
		return nil
	}
	a.become(PendingError)
	a.become(Failed)
	return err
}

func (p *process) run(outer context.Context) (err error) {
	a := p.app
	// Closing is not cancelling: workers finish under a context that outlives ctx.
	ctx, fail := context.WithCancelCause(context.WithoutCancel(outer))
	defer p.stopping.Wait()
	defer fail(nil)
	p.ctx, p.fail = ctx, fail

	if p.db, err = a.openState(); err != nil {
		return err
	}
	defer func() {
		if closeErr := p.db.Close(); closeErr != nil { // what is missing is in the changelogs
			a.log.Warn("closing the state failed: what it lost is restored at the next start", "error", closeErr)
		}
	}()
	defer a.met.watch(p)()

	starting, stop := context.WithCancel(ctx)
	defer context.AfterFunc(outer, stop)()
	defer stop()
	closeCluster, err := a.connect(starting)
	if err != nil {
		return unlessClosed(outer, err)
	}
	defer closeCluster()
	if err = a.prepare(starting); err != nil {
		return unlessClosed(outer, err)
	}
	if p.globals, err = p.bootstrapGlobals(starting); err != nil {
		return unlessClosed(outer, err)
	}
	defer func() { err = errors.Join(err, p.globals.close()) }()
	if p.restorer, err = newRestorer(p); err != nil {
		return err
	}
	defer p.restorer.close()
	p.manager, p.prober = newManager(p), newProber()
	if p.group, err = newMembership(p); err != nil {
		return err
	}
	if p.client, err = p.consumer(); err != nil {
		return err
	}
	defer p.client.Close()
	p.group.start(p.client)
	a.mu.Lock()
	p.up = true
	workers := a.want
	a.mu.Unlock()
	p.manager.start(workers)
	defer func() {
		a.mu.Lock()
		p.up = false
		a.mu.Unlock()
		p.reading.Lock() // who reads has ended then
		defer p.reading.Unlock()
	}()
	house, endHouse := context.WithCancel(ctx)
	var housekeeping sync.WaitGroup
	housekeeping.Go(func() { p.housekeep(house) })
	housekeeping.Go(func() { p.prober.work(house, p) })
	defer func() { endHouse(); housekeeping.Wait() }()
	defer func() { // first: whoever waits for the manager is answered
		p.manager.close()
		err = cmp.Or(err, context.Cause(ctx))
	}()

	p.manager.run(outer)
	if cause := context.Cause(ctx); cause != nil {
		a.become(PendingError)
		return cause
	}
	a.become(PendingShutdown)
	return nil
}

// unlessClosed turns an error into none when the app was closed while it started.
func unlessClosed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // a start that is broken off is a clean close
	}
	return err
}

func (a *App) workers() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.want
}

// SetWorkers changes the number of workers, at least 1. Tasks move to where there is the least to do, without a rebalance of
// the group; the group hears of the new weight with the next one.
func (a *App) SetWorkers(n int) {
	a.mu.Lock()
	a.want = max(1, n)
	a.mu.Unlock()
	if p := a.current(); p != nil {
		p.manager.do(func() { p.manager.resize(max(1, n)) })
	}
}

// SetPaused stops or continues processing. While paused the process stays a member of its group, keeps its tasks and commits.
func (a *App) SetPaused(paused bool) {
	a.paused.Store(paused)
	if p := a.current(); p != nil {
		p.manager.do(p.manager.wakeAll)
	}
}

// State is what the app is doing.
func (a *App) State() State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

// become changes the state, if there is such a transition, and tells the listener.
func (a *App) become(now State) {
	a.notices.Lock() // the listener sees changes in order
	defer a.notices.Unlock()
	a.mu.Lock()
	old := a.state
	ok := slices.Contains(follows[old], now)
	if ok {
		a.state = now
	}
	a.mu.Unlock()
	if !ok {
		return
	}
	a.met.state.WithLabelValues(string(old)).Set(0)
	a.met.state.WithLabelValues(string(now)).Set(1)
	a.log.Info("state changed", "from", string(old), "to", string(now))
	if a.opt.OnState != nil {
		a.opt.OnState(old, now)
	}
}

// readProcessID keeps the id of the process beside its state: transactions it left open when it died are ended by its
// successor at once, not by their timeout.
func (a *App) readProcessID(name string) error {
	fsys := a.opt.Files
	if there, err := vfs.Exists(fsys, name); err != nil {
		return err
	} else if there {
		data, err := vfs.ReadFile(fsys, name)
		if id, decodeErr := hex.DecodeString(string(data)); err == nil && decodeErr == nil && len(id) == 16 {
			a.processID = string(data)
			return nil
		} else if err != nil {
			return err
		}
	}
	id, err := a.newProcessID()
	if err != nil {
		return err
	}
	a.processID = id
	return vfs.WriteFileAtomic(fsys, name, []byte(id))
}

func (a *App) newProcessID() (string, error) {
	if a.opt.Random == nil {
		return fingerprint(fmt.Sprintf("%p %d", a, a.clk.Now().UnixNano())), nil
	}
	id := make([]byte, 16)
	if _, err := a.opt.Random.Read(id); err != nil {
		return "", fmt.Errorf("making the id of the process: %w", err)
	}
	return hex.EncodeToString(id), nil
}

func (a *App) partitions(ctx context.Context, topic string) (int, error) {
	return a.cluster.partitions(ctx, topic)
}

func (a *App) produceFailed(f *ProduceFailure) (Decision, *Out) {
	if a.opt.OnProduceError == nil {
		return Fail, nil
	}
	return a.opt.OnProduceError(f)
}
