package metadata

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/metadata/config"
	"leat.dev/internal/metadata/record"
)

// LogTopic is the name of the metadata log's topic; it has the one partition 0.
const LogTopic = "__cluster_metadata"

// Errors of operations, beside those of their context.
var (
	// ErrClosed: the node was closed.
	ErrClosed = errors.New("metadata node is closed")
	// ErrNotController: another node leads, or none does. If the operation was
	// under way when leadership was lost, it may still come true.
	ErrNotController = errors.New("this node is not the active controller")
	// ErrStorage: the metadata log cannot be written. The node tries again by
	// itself until it can.
	ErrStorage = errors.New("the metadata log cannot be written")
)

// Transport carries raft's messages to peers. Send must not block; messages
// may be lost, doubled or reordered.
type Transport interface {
	Send(messages []*raftpb.Message)
}

// Options say how to open a Node.
type Options struct {
	FS     vfs.FS
	Clock  clock.Clock
	Logger *slog.Logger
	// Dir holds the raft state and the snapshots: the directory of Log.
	Dir string
	// Log is the partition __cluster_metadata-0, opened with LogConfig. The
	// node is its only user and does not close it.
	Log Log

	NodeID    int32
	ClusterID string
	// Voters are the node ids of the quorum; nil means this node alone.
	Voters []int32
	// Transport reaches the other voters; it may be nil if there are none.
	Transport Transport

	Static *config.Static
	// Random is where topic ids and placements come from.
	Random io.Reader
	// SnapshotBytes is how much the log grows before a snapshot; 0: what the
	// setting metadata.log.max.record.bytes.between.snapshots says.
	SnapshotBytes int64
	// Tick is raft's clock; 0: 100 ms. An election takes 10 of them.
	Tick time.Duration
}

// LogConfig is what the metadata log is to be opened with: it is cut by
// snapshots alone, in segments small enough for that to free space.
func LogConfig() commitlog.Config {
	c := commitlog.DefaultConfig()
	c.SegmentBytes = 8 << 20
	c.SegmentAge = commitlog.Forever
	c.RetentionAge = -1
	c.RetentionBytes = -1
	return c
}

// Bounds of the queues between callers, the raft loop and the apply loop. Full
// ones make the sender wait, except for peers' messages, which are dropped.
const (
	opsQueue      = 256
	messagesQueue = 1024
	publishQueue  = 64
)

// Node is one member of the metadata quorum.
type Node struct {
	o     Options
	image atomic.Pointer[Image]

	ops         chan *operation
	messages    chan *raftpb.Message
	publish     chan publication
	snapshots   chan snapshotDone
	inspections chan inspection
	ready       chan struct{} // closed when a leader is known and its term has begun here
	stop        chan struct{}
	stopOnce    sync.Once
	loopDone    chan struct{}  // closed when the raft loop has ended
	applyDone   chan struct{}  // closed when the apply loop has ended
	failure     error          // why the loop ended before Open did; set before loopDone
	background  sync.WaitGroup // snapshots being written

	producerIDs   chan struct{} // a lock that can be waited for with a context
	nextID, endID int64         // of the block of producer ids in use
}

// operation is one controller operation on its way through the raft loop.
type operation struct {
	// run checks the request against the newest state and returns the answer
	// and the records that make it true. Only the raft loop calls it.
	run  func(v *view) (answer any, records []record.Record, err error)
	done chan outcome // holds one
}

type outcome struct {
	answer any
	err    error
}

// view is what an operation sees.
type view struct {
	*Image     // with everything proposed before, committed or not
	node       *Node
	nextOffset int64 // of the first record the operation returns
	now        time.Time
	take       func(partitions int) bool // see WithMutations; nil allows all
}

// publication is a new image and the operations that it answers.
type publication struct {
	image     *Image // nil: the current one
	answers   []answered
	subscribe func(prev, next *Image)
}

type answered struct {
	op     *operation
	answer any
}

// Open starts a node. With itself as the only voter it is the leader when Open
// returns; with others it has at least read what is on its disk.
func Open(ctx context.Context, o Options) (*Node, error) {
	if o.SnapshotBytes == 0 {
		o.SnapshotBytes = o.Static.Int64("metadata.log.max.record.bytes.between.snapshots")
	}
	if o.Tick == 0 {
		o.Tick = 100 * time.Millisecond
	}
	if len(o.Voters) == 0 {
		o.Voters = []int32{o.NodeID}
	}
	if o.Random == nil {
		return nil, errors.New("a metadata node needs a source of random bytes")
	}
	if len(o.Voters) > 1 && o.Transport == nil {
		return nil, errors.New("a metadata quorum of several voters needs a transport")
	}
	n := &Node{
		o:           o,
		ops:         make(chan *operation, opsQueue),
		messages:    make(chan *raftpb.Message, messagesQueue),
		publish:     make(chan publication, publishQueue),
		snapshots:   make(chan snapshotDone, 1),
		inspections: make(chan inspection),
		ready:       make(chan struct{}),
		stop:        make(chan struct{}),
		loopDone:    make(chan struct{}),
		applyDone:   make(chan struct{}),

		producerIDs: make(chan struct{}, 1),
	}
	c, err := openCore(n, nil)
	if err != nil {
		return nil, err
	}
	n.image.Store(c.state)
	go n.runApply()
	go n.runLoop(c)
	if len(o.Voters) > 1 {
		return n, nil
	}
	select {
	case <-n.ready:
		// What is on disk is committed and published once this is answered.
		_, err := submit(ctx, n, func(*view) (struct{}, []record.Record, error) { return struct{}{}, nil, nil })
		if err != nil {
			return nil, errors.Join(err, n.Close())
		}
		return n, nil
	case <-n.loopDone:
		return nil, errors.Join(n.failure, n.Close())
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), n.Close())
	}
}

// Close stops the node and waits for its goroutines. Operations under way get
// ErrClosed; some of them may have come true.
func (n *Node) Close() error {
	n.stopOnce.Do(func() { close(n.stop) })
	<-n.loopDone
	<-n.applyDone
	n.background.Wait()
	return nil
}

// Image is the newest committed state.
func (n *Node) Image() *Image { return n.image.Load() }

// Subscribe calls f after every change, in order, before the operation that
// caused it is answered. f must not wait for an operation of the node, nor
// call Subscribe. The first call happens within Subscribe and leads from an
// empty image to the one of now.
func (n *Node) Subscribe(f func(prev, next *Image)) {
	done := make(chan struct{})
	first := func(prev, next *Image) {
		f(prev, next)
		if done != nil {
			close(done)
			done = nil
		}
	}
	wait := done
	select {
	case n.publish <- publication{subscribe: first}:
	case <-n.loopDone:
		return
	}
	select {
	case <-wait:
	case <-n.applyDone:
	}
}

// Step takes a message from a peer. It is dropped when too many wait.
func (n *Node) Step(m *raftpb.Message) {
	select {
	case n.messages <- m:
	default:
	}
}

// runApply publishes images, tells the subscribers and answers operations, in
// the order of the log.
func (n *Node) runApply() {
	defer close(n.applyDone)
	var subscribers []func(prev, next *Image)
	handle := func(p publication) {
		prev := n.image.Load()
		if p.subscribe != nil {
			p.subscribe(newImage(n.o.ClusterID), prev)
			subscribers = append(subscribers, p.subscribe)
		}
		if p.image != nil && p.image != prev {
			n.image.Store(p.image)
			for _, f := range subscribers {
				f(prev, p.image)
			}
		}
		for _, a := range p.answers {
			a.op.done <- outcome{answer: a.answer}
		}
	}
	for {
		select {
		case p := <-n.publish:
			handle(p)
			continue
		default:
		}
		select {
		case p := <-n.publish:
			handle(p)
		case <-n.loopDone:
			for len(n.publish) > 0 {
				handle(<-n.publish)
			}
			return
		}
	}
}

// submit runs an operation on the leader and waits until what it did is
// committed and published.
func submit[R any](ctx context.Context, n *Node, run func(v *view) (R, []record.Record, error)) (answer R, err error) {
	op := &operation{done: make(chan outcome, 1)}
	op.run = func(v *view) (any, []record.Record, error) {
		a, records, err := run(v)
		return a, records, err
	}
	select {
	case n.ops <- op:
	case <-ctx.Done():
		return answer, context.Cause(ctx)
	case <-n.loopDone:
		return answer, ErrClosed
	}
	select {
	case out := <-op.done:
		if out.err != nil {
			return answer, out.err
		}
		return out.answer.(R), nil
	case <-ctx.Done():
		return answer, context.Cause(ctx)
	case <-n.applyDone:
	}
	select {
	case out := <-op.done: // answered while the node was closing
		if out.err == nil {
			return out.answer.(R), nil
		}
		return answer, out.err
	default:
		return answer, ErrClosed
	}
}
