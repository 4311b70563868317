package engine

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams/internal/state"
)

// A running task is a task of this process with all that belongs to it. It is passed on: from the manager to the
// restorer, by the manager to a worker, and back to the manager when it starts anew. Only who has it touches task and st.
type runningTask struct {
	id     TaskID
	ctx    context.Context
	inputs map[TopicPartition]*feed
	order  []TopicPartition

	// Manager's.
	standby bool // it is kept for another process; set before restorer.add, cleared before restorer.promote
	place   place
	worker  *worker
	gone    bool          // it is leaving this process
	stays   bool          // as a standby; set before gone is acted on
	closed  chan struct{} // closed when its state is free again
	pending []fetched     // what came while no worker had it

	// Its holder's.
	env        *taskEnv
	task       Task
	st         *state.Task
	ready      bool                         // initialized
	committed  map[TopicPartition]Committed // as committed last, or as it began
	sourceLogs map[string]bool              // source topics that serve as a store's changelog
}

type place uint8

const (
	inRestorer place = iota
	onWorker
	inTransit // on the way to the manager
)

// feed is one input partition of a task, between the manager, which fetches, and the worker.
type feed struct {
	tp   TopicPartition
	from Committed // where the task began; Offset is -1 when nothing was committed

	// The manager's.
	first int64 // the first offset there was, -1 before
	quiet bool  // the broker had no more when it was asked last

	waiting      atomic.Int64 // records in the worker's inbox
	waitingBytes atomic.Int64
	held         atomic.Int64 // records in the task
	heldBytes    atomic.Int64
	pausing      sync.Mutex // held while paused and the consumer change together
	paused       atomic.Bool
	behind       atomic.Bool  // the task waits to know whether there is more
	next         atomic.Int64 // to be fetched; -1: not known
	purgeable    atomic.Int64 // the offset committed last

	// Worker's.
	polled   int64 // the offset after what was fetched last, past control records
	epoch    int32
	caughtUp bool
}

// pause keeps the consumer from fetching the input, go on lets it.
func (f *feed) pause(c *kgo.Client) {
	f.turn(true, func(m map[string][]int32) { c.PauseFetchPartitions(m) })
}

func (f *feed) goOn(c *kgo.Client) { f.turn(false, c.ResumeFetchPartitions) }

func (f *feed) turn(pause bool, tell func(map[string][]int32)) {
	f.pausing.Lock()
	defer f.pausing.Unlock()
	if f.paused.Swap(pause) != pause {
		tell(map[string][]int32{f.tp.Topic: {f.tp.Partition}})
	}
}

// fetched is what the manager hands to a worker of one input.
type fetched struct {
	task     *runningTask
	feed     *feed
	batch    *Batch // nil when it is known that there is none
	bytes    int64
	next     int64 // the offset behind
	epoch    int32
	caughtUp bool
	known    bool // nothing was fetched: only caughtUp is news
}

// release closes the task and its state. With clean all it did is committed.
func (t *runningTask) release(clean bool) error {
	var err error
	if t.env != nil {
		t.env.app.met.gone(t.env)
	}
	if t.task != nil {
		err = t.task.Close(clean)
	}
	if t.st != nil {
		if e := t.st.Close(); err == nil {
			err = e
		}
	}
	t.task, t.st, t.ready = nil, nil, false
	return err
}
