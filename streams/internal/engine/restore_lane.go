package engine

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// lane is one goroutine of the restorer with its own connections. Questions to the cluster are asked beside it, in
// goroutines that end with the restorer, so that nobody who wants a task back waits for an answer.
type lane struct {
	r     *restorer
	quiet bool // of standbys: what it does may take its time
	load  int  // tasks it has or gets; under restorer.mu

	mu     sync.Mutex
	orders []func()
	wake   context.CancelFunc
	closed bool

	// The goroutine's.
	client *kgo.Client
	tasks  map[*restoring]bool
	fresh  []*restoring // to be opened
	queue  []*restoring // open, and not fetched yet
	active int          // fetched
	byLog  map[TopicPartition]*restoring
	ticked time.Time
	asking bool // how far inputs are committed
	batch  []In // for the next records
}

// restoring is one task in the restorer, and how far its stores are.
type restoring struct {
	task       *runningTask
	standbyNow atomic.Bool
	waiting    atomic.Bool // for the disk
	lane       *lane       // under restorer.mu

	// The lane's.
	standby  bool
	wiped    bool // stores that did not fit their changelogs
	asked    int  // answers to earlier questions are void
	followed bool
	told     bool // that it started
	logs     map[TopicPartition]*restoreLog
	list     atomic.Pointer[[]*restoreLog] // logs, for others
	applied  int64                         // bytes since the last commit of the state
	kept     time.Time                     // of that
}

// restoreLog is one changelog partition.
type restoreLog struct {
	tp    TopicPartition
	store string
	first int64        // where it began here
	next  atomic.Int64 // the next record to apply
	end   atomic.Int64 // until where: the end that a restore found, or the latest that is known of a standby's

	records atomic.Int64 // applied
	source  bool         // a source topic is the changelog: no further than what is committed of it
	limit   int64        // what is committed of it
	held    []In         // records behind the limit
	heldEnd int64        // the offset behind them
}

func (g *restoring) shown() []*restoreLog {
	if l := g.list.Load(); l != nil {
		return *l
	}
	return nil
}

func (g *restoring) missing() (n int64) {
	for _, log := range g.logs {
		n += max(0, log.end.Load()-log.next.Load())
	}
	return n
}

func newLane(r *restorer) *lane {
	return &lane{r: r, tasks: map[*restoring]bool{}, byLog: map[TopicPartition]*restoring{}}
}

// do sends the lane a function; false when it has ended.
func (l *lane) do(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.orders = append(l.orders, f)
	if l.wake != nil {
		l.wake()
	}
	return true
}

func (l *lane) work() {
	ctx := l.r.ctx
	for ctx.Err() == nil {
		l.mu.Lock()
		orders := l.orders
		l.orders = nil
		l.mu.Unlock()
		for _, f := range orders {
			f()
		}
		l.openFresh()
		if l.quiet {
			l.tick()
		}
		if len(orders) == 0 {
			l.poll(ctx)
		}
	}
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	for g := range l.tasks {
		_ = g.task.release(false) // the process ends; the state knows how far it came
	}
	if l.client != nil {
		l.client.Close()
	}
}

// laneTick is how often standbys are looked after that get no records.
const laneTick = time.Second

func (l *lane) poll(outer context.Context) {
	ctx, cancel := context.WithCancel(outer)
	if l.quiet && len(l.tasks) > 0 {
		cancel()
		ctx, cancel = context.WithTimeout(outer, laneTick)
	}
	defer cancel()
	l.mu.Lock()
	if len(l.orders) > 0 {
		l.mu.Unlock()
		return
	}
	l.wake = cancel
	l.mu.Unlock()
	if len(l.byLog) == 0 {
		<-ctx.Done()
	} else {
		// All that was fetched is taken at once: the next fetch is on its way while this one is applied.
		fetches := l.client.PollRecords(ctx, 0)
		fetches.EachPartition(l.apply)
	}
	l.mu.Lock()
	l.wake = nil
	l.mu.Unlock()
}

// Sizes of fetches. A restore takes much at a time and does not wait; standbys take little, so that tasks which run
// keep their bandwidth, and wait long.
const (
	restoreFetchBytes     = 6 << 20
	restorePartitionBytes = 3 << 20
	restoreFetchWait      = 100 * time.Millisecond
	standbyFetchBytes     = 8 << 20
	standbyPartitionBytes = 1 << 20
	standbyFetchWait      = 500 * time.Millisecond
)

func (l *lane) connect() error {
	if l.client != nil {
		return nil
	}
	a := l.r.p.app
	opts := []kgo.Opt{a.isolation(), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NoResetOffset()), recordPools()}
	if l.quiet {
		opts = append(opts, kgo.FetchMaxBytes(standbyFetchBytes), kgo.FetchMaxPartitionBytes(standbyPartitionBytes), kgo.FetchMaxWait(standbyFetchWait))
	} else {
		opts = append(opts, kgo.FetchMaxBytes(restoreFetchBytes), kgo.FetchMaxPartitionBytes(restorePartitionBytes), kgo.FetchMaxWait(restoreFetchWait))
	}
	client, err := a.client(opts...)
	l.client = client
	return err
}

// restoreAtOnce is how many tasks a lane fetches at a time. The others wait: those that are done sooner run sooner, and
// what is collected in memory is bounded. Tasks that miss little do not wait.
const (
	restoreAtOnce   = 2
	restoreFewSoon  = 100_000 // records
	restoreCollects = 48 << 20
)

// collects is how many bytes of a task are collected before they are committed: not so few that there are many small tables.
// With one or two lanes they are, with what the state adds to keys, less than the next power of two, to which its buffers grow.
func (r *restorer) collects() int64 {
	return max(8<<20, restoreCollects/int64(len(r.lanes)-1)/restoreAtOnce)
}

// enqueue lets a task be fetched when it is its turn: the one that misses least first.
func (l *lane) enqueue(g *restoring) {
	if l.quiet || g.missing() <= restoreFewSoon {
		l.follow(g)
		return
	}
	i, _ := slices.BinarySearchFunc(l.queue, g.missing(), func(o *restoring, n int64) int { return int(min(1, max(-1, o.missing()-n))) })
	l.queue = slices.Insert(l.queue, i, g)
	l.next()
}

func (l *lane) next() {
	for l.active < restoreAtOnce && len(l.queue) > 0 {
		g := l.queue[0]
		l.queue = l.queue[1:]
		l.follow(g)
	}
}

// follow begins to fetch the changelogs of a task.
func (l *lane) follow(g *restoring) {
	if len(g.logs) == 0 {
		return
	}
	if err := l.connect(); err != nil {
		l.fail(g, err)
		return
	}
	if !l.quiet {
		if err := g.task.st.Collect(true); err != nil {
			l.fail(g, err)
			return
		}
	}
	add := map[string]map[int32]kgo.Offset{}
	for tp, log := range g.logs {
		l.byLog[tp] = g
		if add[tp.Topic] == nil {
			add[tp.Topic] = map[int32]kgo.Offset{}
		}
		add[tp.Topic][tp.Partition] = kgo.NewOffset().At(max(log.next.Load(), log.heldEnd))
	}
	l.client.AddConsumePartitions(add)
	g.followed = true
	l.active++
}

// unfollow ends that.
func (l *lane) unfollow(g *restoring) {
	l.queue = slices.DeleteFunc(l.queue, func(o *restoring) bool { return o == g })
	if !g.followed {
		return
	}
	g.followed = false
	l.active--
	parts := map[string][]int32{}
	for tp := range g.logs {
		if l.byLog[tp] == g {
			delete(l.byLog, tp)
			parts[tp.Topic] = append(parts[tp.Topic], tp.Partition)
		}
	}
	if len(parts) > 0 {
		l.client.ResumeFetchPartitions(parts)
		l.client.RemoveConsumePartitions(parts)
	}
	l.next()
}

// part takes a task out of the lane.
func (l *lane) part(g *restoring) {
	delete(l.tasks, g)
	l.fresh = slices.DeleteFunc(l.fresh, func(o *restoring) bool { return o == g })
	g.asked++
	l.unfollow(g)
}

// leave takes a task out of the restorer.
func (l *lane) leave(g *restoring) {
	l.part(g)
	l.r.drop(g)
}
