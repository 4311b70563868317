package logdir

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
)

// A move copies a partition into a -future directory in another log directory while it is used, and lets its log go on
// there once the copy is complete (commitlog.Log.TakeOver). At every moment one of these is so:
//
//	the old directory is there                                  it counts, and a copy is thrown away
//	the old one is marked -delete, the copy is marked complete  the copy counts, and gets its name at the next start
//	the copy has got its name                                   it counts
//
// A copy is marked complete before the old directory loses its name, when nobody can append any more.

// movedFile marks a copy that is complete.
const movedFile = "leat-moved"

// errStranded says that a directory lost its name and the copy did not get it: the next start completes the move.
var errStranded = errors.New("the disk failed in the middle of renaming, and a restart is needed")

// flushCopied is how much of a copy may wait for an fsync.
const flushCopied = 64 << 20

// mover runs the moves of all directories.
type mover struct {
	ds    *Dirs
	pace  pace
	slots chan struct{} // one for each copy that may run at once

	mu      sync.Mutex
	ctx     context.Context // nil until start
	stop    context.CancelFunc
	moves   map[TopicPartition]*move
	closed  bool
	running sync.WaitGroup
}

// move is one partition on its way.
type move struct {
	tp     TopicPartition
	to     *Dir
	cancel context.CancelFunc // nil while it has not begun
	done   chan struct{}
	copy   *commitlog.Log // guarded by mover.mu; nil while there is none
}

func (m *mover) init(ds *Dirs) {
	m.ds, m.moves = ds, map[TopicPartition]*move{}
	threads := ds.o.Settings.MoveThreads
	if threads <= 0 {
		threads = ds.data
	}
	m.slots = make(chan struct{}, threads)
	m.pace.clock = ds.o.Clock
	m.pace.setRate(ds.o.Settings.MoveIORate)
}

// add begins a move; the partition has none.
func (m *mover) add(tp TopicPartition, to *Dir) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.moves[tp] != nil {
		return
	}
	x := &move{tp: tp, to: to, done: make(chan struct{})}
	m.moves[tp] = x
	if from := m.ds.where(tp); from != nil {
		from.setMoving(tp, true)
	}
	if m.ctx != nil {
		m.run(x)
	}
}

// start begins the moves that were added before, and lets those that come begin at once.
func (m *mover) start(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx != nil || m.closed {
		return
	}
	m.ctx, m.stop = context.WithCancel(ctx)
	for _, x := range m.moves {
		m.run(x)
	}
	ctx = m.ctx
	m.running.Go(func() {
		for m.wait(ctx, m.ds.meta.s.ReopenBackoff) == nil {
			m.ds.reopen(ctx)
		}
	})
}

// run starts the goroutine of a move. mu is held.
func (m *mover) run(x *move) {
	var ctx context.Context
	ctx, x.cancel = context.WithCancel(m.ctx)
	m.running.Go(func() {
		defer x.cancel()
		m.copyUntilDone(ctx, x)
		m.mu.Lock()
		if m.moves[x.tp] == x {
			delete(m.moves, x.tp)
		}
		m.mu.Unlock()
		if from := m.ds.where(x.tp); from != nil {
			from.setMoving(x.tp, false)
		}
		close(x.done)
	})
}

// cancel ends the move of a partition, if there is one, and waits for that.
func (m *mover) cancel(tp TopicPartition) {
	m.mu.Lock()
	x := m.moves[tp]
	delete(m.moves, tp)
	begun := x != nil && x.cancel != nil
	m.mu.Unlock()
	switch {
	case begun:
		x.cancel()
		<-x.done
	case x != nil:
		if from := m.ds.where(tp); from != nil {
			from.setMoving(tp, false)
		}
	}
}

// close ends all moves. Their copies stay, to be begun again at the next start.
func (m *mover) close() {
	m.mu.Lock()
	m.closed = true
	if m.stop != nil {
		m.stop()
	}
	m.mu.Unlock()
	m.running.Wait()
}

// target is where a partition is on its way to, nil if nowhere.
func (m *mover) target(tp TopicPartition) *Dir {
	m.mu.Lock()
	defer m.mu.Unlock()
	if x := m.moves[tp]; x != nil {
		return x.to
	}
	return nil
}

// to counts the partitions on their way into a directory.
func (m *mover) to(d *Dir) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.moves {
		if x.to == d {
			n++
		}
	}
	return n
}

// copies are the copies that are being made in a directory.
func (m *mover) copies(d *Dir) map[TopicPartition]*commitlog.Log {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[TopicPartition]*commitlog.Log{}
	for tp, x := range m.moves {
		if x.to == d && x.copy != nil {
			out[tp] = x.copy
		}
	}
	return out
}

func (d *Dir) setMoving(tp TopicPartition, moving bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if moving {
		d.moving[tp] = true
	} else {
		delete(d.moving, tp)
	}
}

// copyUntilDone copies a partition as often as it takes.
func (m *mover) copyUntilDone(ctx context.Context, x *move) {
	for reported := false; ; reported = true {
		err := m.inTurn(ctx, func() error { return m.copyOnce(ctx, x) })
		if err == nil {
			m.ds.o.Logger.Info("partition moved", "topic", x.tp.Topic, "partition", x.tp.Partition, "dir", x.to.o.Path)
			if f := m.ds.o.OnMoved; f != nil {
				f()
			}
			return
		}
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errStranded) || errors.Is(err, ErrNoLog) && m.ds.where(x.tp) == nil {
			m.ds.o.Logger.Error("move of a partition ends", "topic", x.tp.Topic, "partition", x.tp.Partition, "dir", x.to.o.Path, "error", err)
			return
		}
		if !reported {
			m.ds.o.Logger.Warn("moving a partition failed and is tried again", "topic", x.tp.Topic, "partition", x.tp.Partition, "dir", x.to.o.Path, "error", err)
		}
		if m.wait(ctx, x.to.s.ReopenBackoff) != nil {
			return
		}
	}
}

func (m *mover) inTurn(ctx context.Context, do func() error) error {
	select {
	case m.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-m.slots }()
	return do()
}

func (m *mover) wait(ctx context.Context, d time.Duration) error {
	t := m.ds.o.Clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// copyOnce makes a copy and lets the log go on in it.
func (m *mover) copyOnce(ctx context.Context, x *move) error {
	from := m.ds.where(x.tp)
	if from == nil {
		return ErrNoLog
	}
	if from == x.to {
		return nil
	}
	if err := x.to.Err(); err != nil {
		return err
	}
	l := from.Get(x.tp)
	if l == nil {
		return ErrNoLog
	}
	if err := m.endCleaning(ctx, from, x.tp, l); err != nil {
		return err
	}
	name, c, err := m.begin(x, l)
	if err != nil {
		return err
	}
	err = m.fill(ctx, l, c)
	if err == nil {
		err = m.change(x, from, l, c, name)
	}
	m.mu.Lock()
	x.copy = nil
	m.mu.Unlock()
	if err == nil {
		return nil
	}
	c.Discard()
	if errors.Is(err, errStranded) {
		return err
	}
	if m.ctx.Err() != nil {
		return err // the broker stops: the name says at the next start that there was a move
	}
	if derr := x.to.doom(name); derr != nil && !isNotExist(derr) {
		return errors.Join(err, derr)
	}
	return err
}

// endCleaning waits until the partition is not compacted: what a compaction takes out between two reads could leave the
// copy with records of a transaction but without its end.
func (m *mover) endCleaning(ctx context.Context, from *Dir, tp TopicPartition, l *commitlog.Log) error {
	from.setMoving(tp, true)
	for {
		from.mu.RLock()
		busy := from.cleaning[tp]
		from.mu.RUnlock()
		if !busy {
			return nil
		}
		l.EndClean()
		if err := m.wait(ctx, paceStep); err != nil {
			return err
		}
	}
}

// begin opens an empty copy. One that an earlier try left goes.
func (m *mover) begin(x *move, l *commitlog.Log) (name string, c *commitlog.Log, err error) {
	if name, err = x.to.markedName(x.tp, futureSuffix); err != nil {
		return "", nil, err
	}
	start, err := l.CopyStart()
	if err != nil {
		return "", nil, err
	}
	o := x.to.logOptions(x.tp, l.Config())
	o.Dir, o.TopicID, o.LogStartOffset = x.to.path(name), l.TopicID(), start
	if c, err = commitlog.Open(o); err != nil {
		return "", nil, err
	}
	m.mu.Lock()
	x.copy = c
	m.mu.Unlock()
	return name, c, nil
}

// fill copies until little is missing.
func (m *mover) fill(ctx context.Context, l, c *commitlog.Log) error {
	for unflushed := 0; ; {
		n, err := c.CopyFrom(l)
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = m.pace.pay(n, ctx.Err)
		}
		if err != nil {
			return err
		}
		unflushed += n
		end := c.EndOffset() >= l.EndOffset() || n == 0
		if unflushed < flushCopied && !end {
			continue
		}
		if _, err := c.Flush(); err != nil {
			return err
		}
		if end {
			return nil
		}
		unflushed = 0
	}
}

// change lets the log go on in its copy.
func (m *mover) change(x *move, from *Dir, l, c *commitlog.Log, name string) error {
	to, fs := x.to, m.ds.o.FS
	to.mu.Lock()
	to.arriving[x.tp] = l
	to.mu.Unlock()
	defer func() {
		to.mu.Lock()
		delete(to.arriving, x.tp)
		to.mu.Unlock()
	}()
	if err := to.writeLogStarts(); err != nil {
		return err
	}
	old, err := from.markedName(x.tp, deleteSuffix)
	if err != nil {
		return err
	}
	dir := to.path(x.tp.String())
	marker := filepath.Join(to.path(name), movedFile)
	ready := func() error { return vfs.WriteFileAtomic(fs, marker, []byte(from.o.Path+"\n")) }
	synced := false
	rename := func() error {
		if err := fs.Rename(from.path(x.tp.String()), from.path(old)); err != nil {
			return err
		}
		err := fs.SyncDir(from.o.Path)
		if err == nil {
			err = fs.Rename(to.path(name), dir)
		}
		if err == nil {
			// After a crash the old name, with the mark, is as good.
			synced = fs.SyncDir(to.o.Path) == nil
			return nil
		}
		if back := errors.Join(fs.Rename(from.path(old), from.path(x.tp.String())), fs.SyncDir(from.o.Path)); back != nil {
			return fmt.Errorf("%w: %w; %w", errStranded, err, back)
		}
		return err
	}
	if err := l.TakeOver(c, dir, ready, rename); err != nil {
		if !errors.Is(err, errStranded) {
			_ = fs.Remove(marker) // it must not outlive the copy's being complete
		}
		return err
	}
	to.mu.Lock()
	to.logs[x.tp] = l
	to.mu.Unlock()
	from.mu.Lock()
	delete(from.logs, x.tp)
	delete(from.offline, x.tp)
	delete(from.failed, x.tp)
	delete(from.moving, x.tp)
	from.doomed = append(from.doomed, doomedDir{from.path(old), m.ds.o.Clock.Now().Add(l.Config().FileDeleteDelay)})
	from.mu.Unlock()
	if synced {
		_ = fs.Remove(filepath.Join(dir, movedFile)) // it means nothing there
	}
	to.reporting("write checkpoints", to.Checkpoint)(nil)
	return nil
}
