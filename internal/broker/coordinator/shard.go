package coordinator

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/coord/group"
)

const (
	// mailboxSize bounds the requests that wait for a shard; senders wait beyond it.
	mailboxSize = 256
	// maxInFlight bounds the appended batches that are not committed yet. Beyond
	// it a shard takes no requests.
	maxInFlight = 8
	// A failed shard is loaded again after a pause that doubles up to a minute.
	minReloadPause = 200 * time.Millisecond
	maxReloadPause = time.Minute
)

// status is what callers may know of a shard without its goroutine.
type status int32

const (
	statusLoading status = iota
	statusActive
	statusFailed
)

// shard runs one partition's state machine. Its goroutine owns everything below
// the line; the rest is for callers and for the log's callbacks.
type shard struct {
	g         *Groups
	partition int32
	epoch     int32
	log       PartitionLog
	previous  <-chan struct{} // closed when the shard of the epoch before is gone

	status  atomic.Int32
	mailbox chan *request
	signal  chan struct{} // holds one token while inbox is not empty
	stop    chan struct{}
	stopped sync.Once
	done    chan struct{}
	tried   chan struct{} // closed when the first load has ended, well or not

	mu    sync.Mutex
	inbox inbox

	// ---- owned by run
	core     *group.Shard
	counts   group.Counts // as last reported to the metrics
	nextID   group.RequestID
	waiting  map[group.RequestID]*request // not answered by the state machine yet
	open     *flight                      // gathers records; nil when there are none
	inFlight []*flight                    // appended, oldest first
	batches  batchBuilder
	wakeup   time.Time // when the state machine wants a Tick
	wake     clock.Timer
	wakeAt   time.Time // what wake is set to
}

// inbox holds what others tell the shard without waiting: commits, at most
// maxInFlight and one for the load, and rare events.
type inbox struct {
	commits []commit
	events  []group.Event
}

type commit struct {
	flight *flight
	err    error
}

// request is a call on its way through the shard.
type request struct {
	event func(group.RequestID) group.Event
	reply chan answer // holds one
	// due is when waiting for a commit ends; set once the state machine answered.
	due time.Time
}

type answer struct {
	response any
	err      *kerr.Error
}

// errNotCommitted ends the wait for a commit that takes too long. The records may
// still be committed.
var errNotCommitted = coordinatorCode(kerr.RequestTimedOut)

func newShard(g *Groups, partition, epoch int32, log PartitionLog) *shard {
	return &shard{
		g: g, partition: partition, epoch: epoch, log: log,
		mailbox: make(chan *request, mailboxSize),
		signal:  make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		tried:   make(chan struct{}),
		waiting: map[group.RequestID]*request{},
	}
}

// end makes the goroutine stop; it does not wait.
func (s *shard) end() { s.stopped.Do(func() { close(s.stop) }) }

// tell hands over an event that has no reply.
func (s *shard) tell(ev group.Event) {
	s.mu.Lock()
	s.inbox.events = append(s.inbox.events, ev)
	s.mu.Unlock()
	s.poke()
}

func (s *shard) poke() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// call waits for the answer to one request.
func (s *shard) call(ctx context.Context, event func(group.RequestID) group.Event) (any, *kerr.Error) {
	switch status(s.status.Load()) {
	case statusLoading:
		return nil, kerr.CoordinatorLoadInProgress
	case statusFailed:
		return nil, kerr.NotCoordinator
	}
	r := &request{event: event, reply: make(chan answer, 1)}
	select {
	case s.mailbox <- r:
	case <-s.done:
		return nil, kerr.NotCoordinator
	case <-ctx.Done():
		return nil, kerr.CoordinatorNotAvailable
	}
	select {
	case a := <-r.reply:
		return a.response, a.err
	case <-ctx.Done():
		return nil, kerr.CoordinatorNotAvailable
	case <-s.done:
	}
	// The shard is gone, but may have answered first.
	select {
	case a := <-r.reply:
		return a.response, a.err
	default:
		return nil, kerr.NotCoordinator
	}
}

// run is the shard's goroutine: load, serve, and after a failure start over.
func (s *shard) run() {
	defer close(s.done)
	tried := sync.OnceFunc(func() { close(s.tried) })
	defer tried()
	if s.previous != nil {
		<-s.previous
	}
	s.wake = s.g.o.Clock.NewTimer(time.Hour)
	s.wake.Stop()
	pause := minReloadPause
	for {
		err := s.load()
		if err == nil {
			s.status.Store(int32(statusActive))
			tried()
			var committed bool
			committed, err = s.serve()
			if committed {
				pause = minReloadPause
			}
		}
		s.status.Store(int32(statusFailed))
		tried()
		s.unload()
		if errors.Is(err, errStopped) {
			return
		}
		s.g.o.Logger.Warn("group coordinator shard failed; loading it again",
			"partition", s.partition, "epoch", s.epoch, "pause", pause, "err", err)
		if !s.sleep(pause) {
			return
		}
		pause = min(2*pause, maxReloadPause)
	}
}

var errStopped = errors.New("shard stopped")

// sleep reports false if the shard is to end.
func (s *shard) sleep(d time.Duration) bool {
	t := s.g.o.Clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
		return true
	case <-s.stop:
		return false
	}
}

// serve handles what comes until the shard is to stop or an append fails. It
// reports whether anything was committed meanwhile.
func (s *shard) serve() (committed bool, err error) {
	for {
		mailbox := s.mailbox
		if len(s.inFlight) >= maxInFlight {
			mailbox = nil
		}
		select {
		case <-s.stop:
			return committed, errStopped
		case r := <-mailbox:
			err = s.takeMany(r)
		case <-s.signal:
			var n int
			n, err = s.takeInbox()
			committed = committed || n > 0
		case <-s.wake.C():
			s.wakeAt = time.Time{}
			err = s.onWake()
		}
		if err == nil {
			err = s.flush(false)
		}
		if err != nil {
			return committed, err
		}
		s.arm()
		s.reportCounts()
	}
}

// takeMany steps the requests at hand, so that they share a batch: at most a
// mailbox full, lest commits and timers wait for ever.
func (s *shard) takeMany(r *request) error {
	for n := 1; ; n++ {
		s.nextID++
		s.waiting[s.nextID] = r
		if err := s.step(r.event(s.nextID)); err != nil {
			return err
		}
		if n == mailboxSize || len(s.inFlight) >= maxInFlight || len(s.mailbox) == 0 {
			return nil
		}
		r = <-s.mailbox // nobody else receives
	}
}

// takeInbox handles commits and events; it returns the number of commits.
func (s *shard) takeInbox() (int, error) {
	s.mu.Lock()
	in := s.inbox
	s.inbox = inbox{}
	s.mu.Unlock()
	n := 0
	for _, c := range in.commits {
		if s.find(c.flight) < 0 {
			continue // of a load before this one
		}
		if c.err != nil {
			return n, c.err
		}
		s.committed(c.flight)
		n++
	}
	for _, ev := range in.events {
		if err := s.step(ev); err != nil {
			return n, err
		}
	}
	return n, nil
}

// onWake fires the state machine's timers and ends waits that took too long.
func (s *shard) onWake() error {
	now := s.g.o.Clock.Now()
	for _, f := range s.inFlight {
		f.expire(now)
	}
	if s.open != nil {
		s.open.expire(now)
	}
	return s.step(group.Tick{})
}

// arm sets the timer to the next thing that is due.
func (s *shard) arm() {
	next := s.wakeup
	for _, f := range append(s.inFlight[:len(s.inFlight):len(s.inFlight)], s.open) {
		if f != nil && len(f.replies) > 0 {
			if due := f.replies[0].request.due; next.IsZero() || due.Before(next) {
				next = due
			}
			break
		}
	}
	if next.Equal(s.wakeAt) {
		return
	}
	s.wakeAt = next
	if next.IsZero() {
		s.wake.Stop()
		return
	}
	s.wake.Reset(max(0, next.Sub(s.g.o.Clock.Now())))
}

// unload fails everything that waits and forgets the state.
func (s *shard) unload() {
	for _, f := range s.inFlight {
		f.fail(kerr.NotCoordinator)
	}
	if s.open != nil {
		s.open.fail(kerr.NotCoordinator)
	}
	s.inFlight, s.open = nil, nil
	for id, r := range s.waiting {
		r.reply <- answer{err: kerr.NotCoordinator}
		delete(s.waiting, id)
	}
	for {
		select {
		case r := <-s.mailbox:
			r.reply <- answer{err: kerr.NotCoordinator}
			continue
		default:
		}
		break
	}
	s.core = nil
	s.wake.Stop()
	s.wakeAt = time.Time{}
	s.reportCounts()
}

// reportCounts tells the metrics what changed.
func (s *shard) reportCounts() {
	var now group.Counts
	if s.core != nil {
		now = s.core.Counts()
	}
	if now == s.counts {
		return
	}
	m := s.g.o.Metrics
	for st := range now.Groups {
		if d := now.Groups[st] - s.counts.Groups[st]; d != 0 && m.Groups != nil {
			m.Groups(group.State(st).String(), d)
		}
	}
	if d := now.Offsets - s.counts.Offsets; d != 0 && m.Offsets != nil {
		m.Offsets(d)
	}
	s.counts = now
}
