package commitlog

import (
	"cmp"
	"errors"
	"slices"
)

// ErrDiverged is returned for a copy of a log that cannot become it any more: the log was cut off, or recovered, since the
// copy was begun. A new copy has to be made.
var ErrDiverged = errors.New("the log is not the one any more that its copy was begun with")

// copyChunk bounds what one CopyFrom reads into memory, besides a batch that is larger.
const copyChunk = 1 << 20

// CopyStart is the offset that a copy of the log has to be opened with as its LogStartOffset: where the first batch begins
// that may be read.
func (l *Log) CopyStart() (int64, error) {
	info, err := l.Read(l.StartOffset(), 1, true, ReadLogEnd)
	defer info.Release()
	return info.StartOffset, err
}

// CopyFrom appends to this log, which nobody else uses, some of what src holds after its end, about 1 MiB, and returns how
// many bytes. Less means that the end of src was reached.
func (l *Log) CopyFrom(src *Log) (n int, err error) {
	src.mu.RLock()
	gen := src.readGen
	src.mu.RUnlock()
	if l.copied == nil {
		l.copied = &gen
	} else if *l.copied != gen {
		return 0, ErrDiverged
	}
	l.SetConfig(src.Config())
	// What is below the start of src is not missed, whether it was copied before or not.
	at := max(l.EndOffset(), src.StartOffset())
	b, err := src.ReadBytes(at, copyChunk, ReadLogEnd)
	for errors.Is(err, ErrOffsetOutOfRange) && src.StartOffset() > at {
		at = src.StartOffset()
		b, err = src.ReadBytes(at, copyChunk, ReadLogEnd)
	}
	if errors.Is(err, ErrOffsetOutOfRange) {
		return 0, ErrDiverged
	}
	if err != nil || len(b) == 0 {
		return 0, err
	}
	info, err := l.AppendFollower(b)
	return info.Bytes, err
}

// TakeOver makes the files of c, a copy of this log in another directory that CopyFrom brought close to its end, the files
// of this log; it then lies in the directory to. Whoever uses the log notices nothing of it: appends wait, and readers keep
// what they hold. c is of no use afterwards, whatever comes out.
//
// What the copy lacks is copied with appends kept out, and all of it is made durable. Then ready and move are called, both
// without anybody writing, move also without anybody reading: it is to rename c's directory to its place. They must not
// use either log. An error of move takes the log offline; Reopen brings it back where it was. After all other errors the
// log is as before.
func (l *Log) TakeOver(c *Log, to string, ready, move func() error) error {
	defer l.interruptClean()()
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	for c.EndOffset() < l.end.Load() {
		n, err := c.CopyFrom(l)
		if err != nil {
			return err
		}
		if n == 0 {
			// Compaction has left nothing at the end.
			if err := c.skipTo(l.end.Load()); err != nil {
				return err
			}
		}
	}
	if c.EndOffset() != l.end.Load() || c.copied != nil && *c.copied != l.readGen { // writers of readGen hold appendMu
		return ErrDiverged
	}
	if err := l.completeCopy(c); err != nil {
		return err
	}
	if err := ready(); err != nil {
		return err
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	l.forget()
	for _, s := range slices.Concat(l.segments, c.segments) {
		for _, f := range s.lazyFiles() {
			f.detach(slices.Contains(l.segments, s))
		}
	}
	l.flushPoint.detach(false)
	c.flushPoint.detach(false)
	if err := move(); err != nil {
		return l.fail("move to another directory", err)
	}
	for _, s := range c.segments {
		s.dir = to
	}
	l.dir.Store(&to)
	c.mu.Lock() // somebody may ask for its size
	l.segments, c.segments = c.segments, nil
	c.mu.Unlock()
	l.snapshotAt, l.looseSnapshot = c.snapshotAt, c.looseSnapshot
	l.flushCap, l.capAge, l.hadFlushPoint, l.flushPointSynced = c.flushCap, c.capAge, true, c.flushPointSynced
	l.epochs.saved, l.epochs.dirty = c.epochs.saved, true
	l.dirUnsynced, l.newDir = false, false
	l.lastCheckpoint = c.lastCheckpoint
	l.deleted = nil // they went with the directory
	l.waiting.Store(0)
	end, a := l.end.Load(), l.active()
	l.flushed.Store(end)
	l.recoveryPoint.Store(c.recoveryPoint.Load())
	l.flushedPos = logPos{end, a, a.size}
	l.lastFlush = l.o.Clock.Now()
	l.setHighWatermark(l.hw.Load())
	c.closed.Store(true)
	return nil
}

// skipTo lets the log go on at an offset above its end.
func (l *Log) skipTo(offset int64) error {
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if err := l.roll(offset); err != nil {
		return l.fail("roll", err)
	}
	l.mu.Lock()
	l.end.Store(offset)
	l.mu.Unlock()
	return nil
}

// EndClean waits until no compaction runs; one that does ends early.
func (l *Log) EndClean() { l.interruptClean()() }

// completeCopy gives a copy what does not follow from its batches, and makes it durable.
func (l *Log) completeCopy(c *Log) error {
	// Both tell of producers and epochs whose batches are gone.
	l.mu.RLock()
	producers, epochs := l.producers, slices.Clone(l.epochs.entries)
	l.mu.RUnlock()
	c.appendMu.Lock()
	c.mu.Lock()
	c.producers = producers
	c.epochs.entries, c.epochs.dirty = epochs, true
	if c.snapshotAt == c.end.Load() {
		c.snapshotAt = -1 // to be written again
	}
	c.lastCheckpoint = -1
	c.mu.Unlock()
	c.appendMu.Unlock()
	_, err := c.Flush()
	if err != nil {
		return err
	}
	_, err = c.Checkpoint()
	return cmp.Or(err, c.Offline())
}
