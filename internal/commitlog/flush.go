package commitlog

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"time"

	"leat.dev/internal/base/vfs"
)

// Flush makes everything appended before the call durable and returns the
// offset up to which. Appends go on meanwhile; concurrent flushes wait for each
// other, so a caller that finds FlushedOffset high enough need not call.
func (l *Log) Flush() (flushedTo int64, err error) {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	return l.flush(false)
}

// FlushRolled makes the segments durable that are not appended to any more. It
// is for log.flush=os, where nothing else moves the recovery point.
func (l *Log) FlushRolled() error {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	_, err := l.flush(true)
	return err
}

// FlushDue says whether flush.messages or flush.ms ask for a flush.
func (l *Log) FlushDue(now time.Time) bool {
	c := l.config.Load()
	unflushed := l.end.Load() - l.flushed.Load()
	if unflushed <= 0 {
		return false
	}
	if unflushed >= c.FlushMessages {
		return true
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return c.FlushInterval < Forever && now.Sub(l.lastFlush) >= c.FlushInterval
}

// flush syncs the dirty segments. flushMu is held.
func (l *Log) flush(rolledOnly bool) (int64, error) {
	l.mu.Lock()
	if err := l.usable(); err != nil {
		l.mu.Unlock()
		return 0, err
	}
	a := l.active()
	target := logPos{l.end.Load(), a, a.size}
	if rolledOnly {
		target = logPos{offset: a.base}
	}
	var few [4]*segment // usually one is dirty
	dirty := few[:0]
	for i := len(l.segments) - 1; i >= 0; i-- {
		s := l.segments[i]
		if s == a {
			if !rolledOnly && (s.unsynced || s.txnsUnsynced) {
				dirty = append(dirty, s)
			}
		} else if s.dirty() {
			dirty = append(dirty, s)
		} else if s.next <= l.flushed.Load() {
			break // all before it are clean as well
		}
	}
	syncDir := l.dirUnsynced
	l.dirUnsynced = false
	flushed := l.flushed.Load()
	l.mu.Unlock()
	if target.offset <= flushed && len(dirty) == 0 && !syncDir {
		return flushed, nil
	}

	began := l.o.Clock.Now()
	for i := len(dirty) - 1; i >= 0; i-- {
		if err := l.syncSegment(dirty[i], dirty[i] != a); err != nil {
			return 0, l.fail("sync", err)
		}
	}
	if syncDir {
		if err := l.syncNames(); err != nil {
			return 0, l.fail("sync directory", err)
		}
	}
	now := l.o.Clock.Now()
	if m := l.o.Metrics; len(dirty) > 0 {
		took := now.Sub(began)
		m.Syncs.Add(1)
		m.SyncNanos.Add(int64(took))
		if m.ObserveSync != nil {
			m.ObserveSync(took)
		}
	}

	l.mu.Lock()
	if target.offset > l.flushed.Load() {
		l.flushed.Store(target.offset)
		l.flushedPos = target
	}
	l.lastFlush = now
	flushed = l.flushed.Load()
	l.mu.Unlock()
	if err := l.writeFlushPoint(flushed, false); err != nil {
		return 0, l.fail("write flush point", err)
	}
	return flushed, nil
}

// syncNames makes the names in the partition's directory durable; the first
// time also what creating the partition left for later.
func (l *Log) syncNames() error {
	if l.newDir {
		if err := l.syncFile(partitionMetadataFile); err != nil {
			return err
		}
		if err := l.o.FS.SyncDir(filepath.Dir(l.Dir())); err != nil {
			return err
		}
		l.newDir = false
	}
	return l.o.FS.SyncDir(l.Dir())
}

// syncFile syncs a file in the partition's directory, if it is there.
func (l *Log) syncFile(name string) error {
	f, err := l.o.FS.Open(l.path(name))
	if isNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// syncSegment syncs a segment without holding a lock that appends need. What
// is written while the sync runs may stay marked clean only if it comes after
// the mark was taken away, so that is done first.
func (l *Log) syncSegment(s *segment, closed bool) error {
	l.mu.Lock()
	log, txns := s.unsynced, s.txnsUnsynced
	s.unsynced, s.txnsUnsynced = false, false
	l.mu.Unlock()
	if log {
		if err := syncLazy(&s.log); err != nil && !errors.Is(err, errGone) {
			return err
		}
	}
	if txns {
		if err := syncLazy(&s.txns); err != nil && !errors.Is(err, errGone) {
			return err
		}
	}
	if !closed {
		return nil
	}
	for _, x := range []*sideIndex{&s.offsets, &s.times} {
		if err := x.sync(); err != nil && !errors.Is(err, errGone) {
			return err
		}
	}
	return nil
}

// Checkpoint brings the side files of the log up to date, so that recovery has
// to read only what lies above the returned recovery point: the indexes, the
// leader epochs and the producer state. It does not flush the log itself.
func (l *Log) Checkpoint() (recoveryPoint int64, err error) {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	if err := l.usable(); err != nil {
		return 0, err
	}
	// The side files of the segments below the recovery point must be durable,
	// even if the log was flushed before the last of them was closed.
	flushed, err := l.flush(true)
	if err != nil {
		return 0, err
	}
	end := l.end.Load()
	if end == l.lastCheckpoint {
		// The side files reach the end already.
		l.recoveryPoint.Store(flushed)
		return flushed, l.idleCheckpoint()
	}
	l.appendMu.Lock()
	a := l.active()
	err = a.saveIndexes()
	l.mu.Lock()
	epochs := l.takeEpochs()
	end = l.end.Load()
	l.mu.Unlock()
	if err == nil {
		err = l.writeSnapshot(end, end != a.base)
	}
	l.appendMu.Unlock()
	if err == nil {
		err = a.offsets.sync()
	}
	if err == nil {
		err = a.times.sync()
	}
	if err == nil {
		err = l.saveEpochs(epochs)
	}
	if err == nil {
		err = l.o.FS.SyncDir(l.Dir())
	}
	if err == nil && l.flushCap != math.MaxInt64 && l.capAge > 0 {
		// The recovery point written after the last Checkpoint replaced the
		// one from before the truncation.
		l.flushCap = math.MaxInt64
		err = l.writeFlushPoint(flushed, true)
	}
	l.capAge++
	if err != nil {
		return 0, l.fail("checkpoint", err)
	}
	l.lastCheckpoint = end
	l.recoveryPoint.Store(flushed)
	return flushed, nil
}

// idleCheckpoint is for a log that got nothing since the last one: it gives
// back memory. A writer that comes just now reads the indexes without mu, so
// it has to be kept out.
func (l *Log) idleCheckpoint() error {
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	l.mu.Lock()
	a := l.active()
	a.offsets.shrink(0)
	a.times.shrink(0)
	epochs := l.takeEpochs()
	l.mu.Unlock()
	if err := l.saveEpochs(epochs); err != nil {
		return l.fail("write leader epochs", err)
	}
	return nil
}

// takeEpochs returns what the epoch file should hold, nil if it holds that
// already. An epoch without records is left out: whoever becomes leader assigns
// it again, and a restart need not write a file for every partition. mu is held.
func (l *Log) takeEpochs() []epochEntry {
	if !l.epochs.dirty {
		return nil
	}
	entries := l.epochs.entries
	for n := len(entries); n > 0 && entries[n-1].start >= l.end.Load(); n-- {
		entries = entries[:n-1]
	}
	if slices.Equal(entries, l.epochs.saved) {
		return nil
	}
	l.epochs.dirty = len(entries) < len(l.epochs.entries)
	l.epochs.saved = slices.Clone(entries)
	if l.epochs.saved == nil {
		l.epochs.saved = []epochEntry{}
	}
	return l.epochs.saved
}

func (l *Log) saveEpochs(entries []epochEntry) error {
	if entries == nil {
		return nil
	}
	return vfs.WriteFileAtomic(l.o.FS, l.path(epochFile), (&epochCache{entries: entries}).encode())
}

// RecoveryPoint is the offset that recovery may start from: below it the log
// was flushed and, at the time of the last Checkpoint, its side files too.
func (l *Log) RecoveryPoint() int64 { return min(l.recoveryPoint.Load(), l.flushed.Load()) }
