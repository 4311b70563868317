package metadata

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/metadata/record"
)

const (
	electionTicks  = 10
	heartbeatTicks = 1
	messageBytes   = 1 << 20
	inflight       = 256
)

// core is the raft member and the state machine it feeds. It has no goroutine:
// the raft loop calls it, and a test may. After an error it is of no use any
// more; what is on disk is, and a new core starts from that.
type core struct {
	n       *Node
	raw     *raft.RawNode
	storage *storage

	state      *Image // after the last committed entry that was applied
	stateIndex uint64
	leaderID   int32 // whom raft says to lead, noNode if nobody

	// While this node leads: the entries it proposed, oldest first, with the
	// image after each, and the image after all of them.
	leading     bool
	term        uint64
	pending     []pendingEntry
	newest      *Image
	newestIndex uint64

	// out collects what is to be published for the Ready being handled.
	answers []answered

	snapshotRunning bool
	snapshotFrom    int64 // size of the log at which one is tried again after a failure
}

// pendingEntry is a proposed entry that is not committed yet.
type pendingEntry struct {
	index   uint64
	image   *Image
	answers []answered
}

// openCore starts from what is on disk. What an older core of this process
// had applied is not applied, and so not published, again.
func openCore(n *Node, old *core) (*core, error) {
	s, err := openStorage(n.o.FS, n.o.Dir, n.o.Log, n.o.Voters)
	if err != nil {
		return nil, err
	}
	c := &core{n: n, storage: s, stateIndex: s.state.base.index, leaderID: noNode}
	if old != nil && old.stateIndex >= c.stateIndex {
		c.state, c.stateIndex = old.state, old.stateIndex
		if c.stateIndex > s.lastIndex() {
			return nil, fmt.Errorf("the metadata log ends at entry %d but entry %d was applied: records are missing", s.lastIndex(), c.stateIndex)
		}
		s.state.commit = max(s.state.commit, c.stateIndex)
	} else if c.state, err = loadSnapshot(n.o.FS, n.o.Dir, s.state.base, n.o.ClusterID); err != nil {
		return nil, err
	}
	// A snapshot that was cut short by the end of the process, or not yet made the base.
	if err := removeSnapshots(n.o.FS, n.o.Dir, s.state.base); err != nil {
		return nil, fmt.Errorf("removing old metadata snapshots: %w", err)
	}
	c.raw, err = raft.NewRawNode(&raft.Config{
		ID:                        raftID(n.o.NodeID),
		ElectionTick:              electionTicks,
		HeartbeatTick:             heartbeatTicks,
		Storage:                   s,
		Applied:                   c.stateIndex,
		MaxSizePerMsg:             messageBytes,
		MaxInflightMsgs:           inflight,
		CheckQuorum:               true,
		PreVote:                   true,
		DisableProposalForwarding: true,
		MaxCommittedSizePerReady:  math.MaxUint64,
		Logger:                    raftLogger{n.o.Logger},
	})
	if err != nil {
		return nil, fmt.Errorf("starting raft: %w", err)
	}
	return c, nil
}

// start makes a lone voter the leader at once: nobody else could be.
func (c *core) start() error {
	if !slices.Equal(c.storage.state.voters, []int32{c.n.o.NodeID}) {
		return nil
	}
	if err := c.raw.Campaign(); err != nil {
		return fmt.Errorf("campaigning: %w", err)
	}
	return nil
}

// advance handles everything raft has ready and hands over what is to be
// published. It returns the first error of disk or state.
func (c *core) advance() error {
	if err := c.checkLeadership(); err != nil {
		return err
	}
	for c.raw.HasReady() {
		rd := c.raw.Ready()
		if err := c.handle(rd); err != nil {
			return err
		}
		c.raw.Advance(rd)
		if err := c.checkLeadership(); err != nil {
			return err
		}
	}
	return nil
}

func (c *core) handle(rd raft.Ready) error {
	before := c.state
	if rd.SoftState != nil {
		c.leaderID = nodeID(rd.SoftState.Lead)
	}
	if !raft.IsEmptySnap(rd.Snapshot) {
		if err := c.restore(rd.Snapshot); err != nil {
			return err
		}
	}
	if !raft.IsEmptyHardState(rd.HardState) {
		if err := c.storage.setHardState(rd.HardState); err != nil {
			return fmt.Errorf("writing the raft state: %w", err)
		}
	}
	now := c.n.o.Clock.Now().UnixMilli()
	if err := c.storage.append(rd.Entries, c.leaderID, now); err != nil {
		return err
	}
	if len(rd.Messages) > 0 && c.n.o.Transport != nil {
		c.n.o.Transport.Send(rd.Messages)
	}
	for _, e := range rd.CommittedEntries {
		if err := c.commit(e); err != nil {
			return err
		}
	}
	if c.state.ControllerID != c.leaderID {
		img := *c.state
		img.ControllerID = c.leaderID
		c.state = &img
	}
	if c.state != before || len(c.answers) > 0 {
		c.storage.committed(c.stateIndex)
		c.publish()
	}
	return nil
}

// publish hands the state and the answers that wait for it to the apply loop.
func (c *core) publish() {
	c.n.publish <- publication{image: c.state, answers: c.answers}
	c.answers = nil
}

// commit applies one committed entry.
func (c *core) commit(e *raftpb.Entry) error {
	if e.GetIndex() <= c.stateIndex {
		return nil
	}
	if len(c.pending) > 0 && c.pending[0].index == e.GetIndex() {
		p := c.pending[0]
		c.pending = c.pending[1:]
		c.state, c.stateIndex = p.image, p.index
		c.answers = append(c.answers, p.answers...)
		return nil
	}
	next, err := c.applyEntry(c.state, e)
	if err != nil {
		return err
	}
	c.state, c.stateIndex = next, e.GetIndex()
	return nil
}

// applyEntry is the image after the entry.
func (c *core) applyEntry(img *Image, e *raftpb.Entry) (*Image, error) {
	if e.GetType() != raftpb.EntryNormal {
		return nil, errConfChange
	}
	d := img.draft()
	d.img.ControllerID = c.leaderID
	d.img.Epoch = int32(e.GetTerm())
	if len(e.GetData()) == 0 {
		d.img.Offset++ // the leader change
		return d.finish(), nil
	}
	offset := img.Offset
	err := decodeRecords(e.GetData(), func(r record.Record, _ int64) error {
		offset++
		return d.apply(r, offset)
	})
	if err != nil {
		return nil, err
	}
	return d.finish(), nil
}

// checkLeadership follows raft's role. On becoming the leader, everything in
// the log is applied ahead of its commit, so that operations can run at once:
// what they see is what they will be appended to.
func (c *core) checkLeadership() error {
	st := c.raw.BasicStatus()
	leading := st.RaftState == raft.StateLeader
	if c.leading && (!leading || st.GetTerm() != c.term) {
		c.leading = false
		c.fail(ErrNotController)
	}
	if !leading || c.leading {
		return nil
	}
	c.leading, c.term, c.leaderID = true, st.GetTerm(), c.n.o.NodeID
	c.newest, c.newestIndex = c.state, c.stateIndex
	last := c.storage.lastIndex()
	for c.newestIndex < last {
		entries, err := c.storage.Entries(c.newestIndex+1, last+1, messageBytes)
		if err != nil {
			return err
		}
		for _, e := range entries {
			img, err := c.applyEntry(c.newest, e)
			if err != nil {
				return err
			}
			c.newest, c.newestIndex = img, e.GetIndex()
			c.pending = append(c.pending, pendingEntry{index: c.newestIndex, image: img})
		}
	}
	// Raft has put the entry that begins the term behind them.
	img, err := c.applyEntry(c.newest, &raftpb.Entry{Term: new(c.term), Index: new(last + 1)})
	if err != nil {
		return err
	}
	c.newest, c.newestIndex = img, last+1
	c.pending = append(c.pending, pendingEntry{index: c.newestIndex, image: img})
	c.n.o.Logger.Info("metadata leader", slog.Uint64("term", c.term), slog.Int64("offset", img.Offset))
	return c.bootstrap()
}

// bootstrap writes what a new cluster begins with.
func (c *core) bootstrap() error {
	if len(c.newest.Features) > 0 {
		return nil
	}
	first := append(bootstrapRecords(), minInSyncRecords(c.newest, c.n.o.Static.String(minInSync))...)
	return c.propose(first, nil)
}

// run runs an operation; its answer comes when its records are committed. An
// operation without records waits for what it may have seen.
func (c *core) run(op *operation) {
	if !c.leading {
		op.done <- outcome{err: ErrNotController}
		return
	}
	v := &view{Image: c.newest, node: c.n, nextOffset: c.newest.Offset + 1, now: c.n.o.Clock.Now()}
	answer, records, err := c.check(op, v)
	if err != nil {
		op.done <- outcome{err: err}
		return
	}
	a := []answered{{op, answer}}
	switch {
	case len(records) > 0:
		if err := c.propose(records, a); err != nil {
			op.done <- outcome{err: err}
		}
	case len(c.pending) > 0:
		p := &c.pending[len(c.pending)-1]
		p.answers = append(p.answers, a...)
	default:
		c.answers = append(c.answers, a...)
		c.publish()
	}
}

// check runs the operation's own part. A panic there is a bug that must not
// take more down than this operation.
func (c *core) check(op *operation, v *view) (answer any, records []record.Record, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.n.o.Logger.Error("metadata operation panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return op.run(v)
}

// propose appends an entry to the log of the leader.
func (c *core) propose(records []record.Record, answers []answered) error {
	img, err := c.newest.with(records, int32(c.term))
	if err != nil {
		return err
	}
	data, err := encodeRecords(records, c.n.o.Clock.Now().UnixMilli())
	if err != nil {
		return err
	}
	if err := c.raw.Propose(data); err != nil {
		if errors.Is(err, raft.ErrProposalDropped) {
			return ErrNotController
		}
		return err
	}
	c.newest = img
	c.newestIndex++
	c.pending = append(c.pending, pendingEntry{c.newestIndex, img, answers})
	return nil
}

// fail answers everything that waits with an error.
func (c *core) fail(err error) {
	for _, p := range c.pending {
		for _, a := range p.answers {
			a.op.done <- outcome{err: err}
		}
	}
	for _, a := range c.answers {
		a.op.done <- outcome{err: err}
	}
	c.pending, c.answers, c.newest = nil, nil, nil
}

// restore takes over a snapshot from the leader.
func (c *core) restore(snap *raftpb.Snapshot) error {
	base, err := c.storage.restore(snap)
	if err != nil {
		return fmt.Errorf("taking over a metadata snapshot: %w", err)
	}
	img, err := loadSnapshot(c.n.o.FS, c.n.o.Dir, base, c.n.o.ClusterID)
	if err != nil {
		return err
	}
	c.state, c.stateIndex = img, base.index
	return nil
}

// snapshotDone tells the raft loop that a snapshot is durable.
type snapshotDone struct {
	base logBase
	err  error
}

// maybeSnapshot writes the state out, beside the loop, once the log after the
// last snapshot has grown enough. The loop is told when it is done.
func (c *core) maybeSnapshot() {
	if c.snapshotRunning || c.storage.size < max(c.n.o.SnapshotBytes, c.snapshotFrom) || c.stateIndex <= c.storage.state.base.index {
		return
	}
	term, err := c.storage.Term(c.stateIndex)
	if err != nil {
		return
	}
	c.snapshotRunning = true
	img, base := c.state, logBase{index: c.stateIndex, term: term, offset: c.state.Offset + 1}
	n := c.n
	n.background.Go(func() {
		now := n.o.Clock.Now().UnixMilli()
		err := vfs.WriteFileAtomic(n.o.FS, snapshotPath(n.o.Dir, base.offset, base.term), img.encodeSnapshot(now))
		n.snapshots <- snapshotDone{base, err}
	})
}

// finishSnapshot drops what the snapshot covers from the log.
func (c *core) finishSnapshot(d snapshotDone) error {
	c.snapshotRunning = false
	if d.err == nil {
		c.snapshotFrom = 0
		return c.storage.compact(d.base)
	}
	// The log keeps what the snapshot would have; the next one is tried when it has grown again.
	c.snapshotFrom = c.storage.size + c.n.o.SnapshotBytes
	c.n.o.Logger.Warn("metadata snapshot failed", slog.Any("error", d.err))
	return nil
}
