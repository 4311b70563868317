package coordinator

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/coord"
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
type shard[E any] struct {
	c         *coordinators[E]
	partition int32
	epoch     int32
	log       PartitionLog
	previous  <-chan struct{} // closed when the shard of the epoch before is gone

	status  atomic.Int32
	mailbox chan *request[E]
	signal  chan struct{} // holds one token while inbox is not empty
	stop    chan struct{}
	stopped sync.Once
	done    chan struct{}
	tried   chan struct{} // closed when the first load has ended, well or not

	mu    sync.Mutex
	inbox inbox[E]
	ended bool // posted requests are refused

	// ---- owned by run
	loads    int        // counts the loads
	core     machine[E] // nil while not loaded
	report   func(machine[E])
	nextID   coord.RequestID
	waiting  map[coord.RequestID]*request[E] // not answered by the state machine yet
	open     *flight[E]                      // gathers records; nil when there are none
	inFlight []*flight[E]                    // appended, oldest first
	batches  batchBuilder
	wakeup   time.Time // when the state machine wants a Tick
	wake     clock.Timer
	wakeAt   time.Time // what wake is set to
}

// inbox holds what others tell the shard without waiting: commits, at most
// maxInFlight and one for the load, and rare events.
type inbox[E any] struct {
	commits  []commit[E]
	events   []posted[E]
	requests []*request[E]
}

// posted is an event from outside. load says of which load the state machine must
// be to see it; 0 means any.
type posted[E any] struct {
	event E
	load  int
}

type commit[E any] struct {
	flight *flight[E]
	err    error
}

// request is a call on its way through the shard.
type request[E any] struct {
	event func(coord.RequestID) E
	done  func(answer) // called once; does not block
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

func newShard[E any](c *coordinators[E], partition, epoch int32, log PartitionLog) *shard[E] {
	return &shard[E]{
		c: c, partition: partition, epoch: epoch, log: log,
		mailbox: make(chan *request[E], mailboxSize),
		signal:  make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		tried:   make(chan struct{}),
		waiting: map[coord.RequestID]*request[E]{},
		report:  c.o.newReport(),
	}
}

// end makes the goroutine stop; it does not wait.
func (s *shard[E]) end() { s.stopped.Do(func() { close(s.stop) }) }

// tell hands over an event that has no reply.
func (s *shard[E]) tell(ev E) { s.tellLoad(ev, 0) }

// tellLoad is tell for an event that only the state machine of one load wants.
func (s *shard[E]) tellLoad(ev E, load int) {
	s.mu.Lock()
	s.inbox.events = append(s.inbox.events, posted[E]{ev, load})
	s.mu.Unlock()
	s.poke()
}

// post hands over a request without waiting; done gets the answer, perhaps before
// post returns. What is posted is not bounded here but by who posts: one request
// for each transaction that ends.
func (s *shard[E]) post(event func(coord.RequestID) E, done func(answer)) {
	if err := s.unready(); err != nil {
		done(answer{err: err})
		return
	}
	s.mu.Lock()
	ended := s.ended
	if !ended {
		s.inbox.requests = append(s.inbox.requests, &request[E]{event: event, done: done})
	}
	s.mu.Unlock()
	if ended {
		done(answer{err: kerr.NotCoordinator})
		return
	}
	s.poke()
}

// unready tells why requests cannot be taken at the moment.
func (s *shard[E]) unready() *kerr.Error {
	switch status(s.status.Load()) {
	case statusLoading:
		return kerr.CoordinatorLoadInProgress
	case statusFailed:
		return kerr.NotCoordinator
	}
	return nil
}

func (s *shard[E]) poke() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// call waits for the answer to one request.
func (s *shard[E]) call(ctx context.Context, event func(coord.RequestID) E) (any, *kerr.Error) {
	if err := s.unready(); err != nil {
		return nil, err
	}
	reply := make(chan answer, 1)
	r := &request[E]{event: event, done: func(a answer) { reply <- a }}
	select {
	case s.mailbox <- r:
	case <-s.done:
		return nil, kerr.NotCoordinator
	case <-ctx.Done():
		return nil, kerr.CoordinatorNotAvailable
	}
	select {
	case a := <-reply:
		return a.response, a.err
	case <-ctx.Done():
		return nil, kerr.CoordinatorNotAvailable
	case <-s.done:
	}
	// The shard is gone, but may have answered first.
	select {
	case a := <-reply:
		return a.response, a.err
	default:
		return nil, kerr.NotCoordinator
	}
}

// run is the shard's goroutine: load, serve, and after a failure start over.
func (s *shard[E]) run() {
	defer close(s.done)
	defer s.retire()
	tried := sync.OnceFunc(func() { close(s.tried) })
	defer tried()
	if s.previous != nil {
		<-s.previous
	}
	s.wake = s.c.o.Clock.NewTimer(time.Hour)
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
		s.c.o.Logger.Warn("coordinator shard failed; loading it again",
			"kind", s.c.o.kind, "partition", s.partition, "epoch", s.epoch, "pause", pause, "err", err)
		if !sleep(s.c.o.Clock, pause, s.stop) {
			return
		}
		pause = min(2*pause, maxReloadPause)
	}
}

var errStopped = errors.New("shard stopped")

// sleep reports false if stop is closed meanwhile.
func sleep(c clock.Clock, d time.Duration, stop <-chan struct{}) bool {
	t := c.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
		return true
	case <-stop:
		return false
	}
}

// serve handles what comes until the shard is to stop or an append fails. It
// reports whether anything was committed meanwhile.
func (s *shard[E]) serve() (committed bool, err error) {
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
		s.report(s.core)
	}
}

// takeMany steps the requests at hand, so that they share a batch: at most a
// mailbox full, lest commits and timers wait for ever.
func (s *shard[E]) takeMany(r *request[E]) error {
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
func (s *shard[E]) takeInbox() (int, error) {
	s.mu.Lock()
	in := s.inbox
	s.inbox = inbox[E]{}
	s.mu.Unlock()
	n := 0
	for _, c := range in.commits {
		if s.find(c.flight) < 0 {
			continue // of a load before this one
		}
		if c.err != nil {
			s.refuse(in.requests)
			return n, c.err
		}
		s.committed(c.flight)
		n++
	}
	for _, p := range in.events {
		if p.load != 0 && p.load != s.loads {
			continue
		}
		if err := s.step(p.event); err != nil {
			s.refuse(in.requests)
			return n, err
		}
	}
	for i, r := range in.requests {
		s.nextID++
		s.waiting[s.nextID] = r
		if err := s.step(r.event(s.nextID)); err != nil {
			s.refuse(in.requests[i+1:])
			return n, err
		}
	}
	return n, nil
}

// onWake fires the state machine's timers and ends waits that took too long.
func (s *shard[E]) onWake() error {
	now := s.c.o.Clock.Now()
	for _, f := range s.inFlight {
		f.expire(now)
	}
	if s.open != nil {
		s.open.expire(now)
	}
	return s.step(s.c.o.tick)
}

// arm sets the timer to the next thing that is due.
func (s *shard[E]) arm() {
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
	s.wake.Reset(max(0, next.Sub(s.c.o.Clock.Now())))
}

// refuse answers posted requests that a failed shard will not see.
func (s *shard[E]) refuse(requests []*request[E]) {
	for _, r := range requests {
		r.done(answer{err: kerr.NotCoordinator})
	}
}

// retire ends the taking of posted requests for good.
func (s *shard[E]) retire() {
	s.mu.Lock()
	s.ended = true
	requests := s.inbox.requests
	s.inbox.requests = nil
	s.mu.Unlock()
	s.refuse(requests)
}

// unload fails everything that waits and forgets the state.
func (s *shard[E]) unload() {
	for _, f := range s.inFlight {
		f.fail(kerr.NotCoordinator)
	}
	if s.open != nil {
		s.open.fail(kerr.NotCoordinator)
	}
	s.inFlight, s.open = nil, nil
	for id, r := range s.waiting {
		r.done(answer{err: kerr.NotCoordinator})
		delete(s.waiting, id)
	}
	for {
		select {
		case r := <-s.mailbox:
			r.done(answer{err: kerr.NotCoordinator})
			continue
		default:
		}
		break
	}
	s.core = nil
	s.wake.Stop()
	s.wakeAt = time.Time{}
	s.report(s.core)
}
