package commitlog

import (
	"errors"
	"math"

	"leat.dev/internal/base/vfs"
)

// TruncateTo removes every record at or above offset, as a follower does whose
// log diverged from its leader's. Bytes that readers hold stay readable.
func (l *Log) TruncateTo(offset int64) error {
	return l.exclusive(func() error {
		if offset >= l.end.Load() {
			return nil
		}
		if offset < l.segments[0].base {
			return l.startOver(offset)
		}
		return l.truncate(offset)
	})
}

// TruncateFullyAndStartAt removes everything; the next record gets offset.
func (l *Log) TruncateFullyAndStartAt(offset int64) error {
	return l.exclusive(func() error { return l.startOver(offset) })
}

// exclusive runs do while nobody writes, flushes or compacts.
func (l *Log) exclusive(do func() error) error {
	defer l.interruptClean()()
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if err := do(); err != nil {
		return l.fail("truncate", err)
	}
	return nil
}

// capFlushPoint makes durable that nothing at or above offset is promised any
// more, before it is removed; see flushPoint.
func (l *Log) capFlushPoint(offset int64) error {
	l.flushCap, l.capAge = offset, 0
	return l.writeFlushPoint(min(l.flushed.Load(), offset), true)
}

func (l *Log) truncate(offset int64) error {
	if err := l.capFlushPoint(offset); err != nil {
		return err
	}
	i := l.floor(offset)
	s := l.segments[i]
	at, err := l.locate(s, offset)
	if err != nil {
		return err
	}

	l.mu.Lock()
	l.forget()
	gone := l.segments[i+1:]
	l.segments = l.segments[: i+1 : i+1]
	s.size, s.next, s.unsynced = at.pos, offset, true
	l.cutOffsets(offset)
	l.mu.Unlock()

	if err := l.removeFromEnd(gone); err != nil {
		return err
	}
	if err := l.cutFile(s); err != nil {
		return err
	}
	if err := l.cutIndexes(s); err != nil {
		return err
	}
	if err := l.cutAborts(s, offset); err != nil {
		return err
	}
	if err := l.reloadProducers(offset); err != nil {
		return err
	}
	l.mu.Lock()
	l.dirUnsynced = true
	l.publishUnstable()
	l.mu.Unlock()
	return nil
}

// removeFromEnd deletes the log's last segments, the newest first and each
// durably before the next, so that a crash never leaves a hole.
func (l *Log) removeFromEnd(gone []*segment) error {
	for i := len(gone) - 1; i >= 0; i-- {
		gone[i].retire()
		if err := gone[i].remove(l.o.FS); err != nil {
			return err
		}
		if err := l.o.FS.SyncDir(l.Dir()); err != nil {
			return err
		}
	}
	return nil
}

// cutOffsets lowers everything that points above the new end. mu is held.
func (l *Log) cutOffsets(offset int64) {
	l.end.Store(offset)
	l.flushed.Store(min(l.flushed.Load(), offset))
	l.recoveryPoint.Store(min(l.recoveryPoint.Load(), offset))
	l.hw.Store(min(l.hw.Load(), offset))
	l.start.Store(min(l.start.Load(), offset))
	l.epochs.truncateEnd(offset)
	l.firstDirty = min(l.firstDirty, offset)
	l.flushedPos = logPos{}
	l.lastCheckpoint = -1
}

// cutFile shortens a segment's file to the segment's size, durably: after a
// crash the old bytes must not come back among the new ones. If someone may
// still be sending bytes that go, what stays is copied to a new file.
func (l *Log) cutFile(s *segment) error {
	name := s.path(logSuffix)
	if !s.log.slicesPast(s.size) {
		h, err := s.log.acquire(false)
		if err != nil {
			return err
		}
		defer h.release()
		if err := h.file.Truncate(s.size); err != nil {
			return err
		}
		return h.file.Sync()
	}
	h, err := s.log.acquire(false)
	if err != nil {
		return err
	}
	defer h.release()
	tmp := name + cleanedSuffix // removed by recovery if we crash
	dst, err := l.o.FS.Create(tmp)
	if err != nil {
		return err
	}
	buf := make([]byte, scanBuffer)
	for pos := int64(0); pos < s.size && err == nil; {
		b := buf[:min(int64(len(buf)), s.size-pos)]
		if err = readFull(h.file, b, pos); err == nil {
			_, err = dst.WriteAt(b, pos)
		}
		pos += int64(len(b))
	}
	if err == nil {
		err = dst.Sync()
	}
	if cerr := dst.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = l.o.FS.Rename(tmp, name)
	}
	s.log.detach(false)
	if err == nil {
		err = l.o.FS.SyncDir(l.Dir())
	}
	return err
}

// cutIndexes drops the entries for batches that are gone and finds the largest
// timestamp of those that stay.
func (l *Log) cutIndexes(s *segment) error {
	var ob [offsetEntrySize]byte
	n, err := s.offsets.view().search(ob[:], func(e []byte) bool { return int64(getOffsetEntry(e).pos) < s.size })
	if err != nil {
		return err
	}
	last := int32(-1)
	if n >= 0 {
		last = getOffsetEntry(ob[:]).rel
	}
	var tb [timeEntrySize]byte
	k, err := s.times.view().search(tb[:], func(e []byte) bool { return getTimeEntry(e).rel <= last })
	if err != nil {
		return err
	}
	maxTS, maxLast := int64(-1), s.base
	if k >= 0 {
		t := getTimeEntry(tb[:])
		maxTS, maxLast = t.ts, s.base+int64(t.rel)
	}
	l.mu.Lock()
	err = s.offsets.truncate(n + 1)
	if err == nil {
		err = s.times.truncate(k + 1)
	}
	s.maxTS, s.maxTSLast, s.indexedTS, s.tsKnown = maxTS, maxLast, maxTS, true
	l.mu.Unlock()
	if err != nil {
		return err
	}

	from := int64(0)
	if n >= 0 {
		from = int64(getOffsetEntry(ob[:]).pos)
	}
	h, err := s.log.acquire(false)
	if err != nil {
		return err
	}
	defer h.release()
	sc := newScanner(h.file, from, s.size, false)
	defer sc.close()
	for {
		b, _, err := sc.next()
		if isEnd(err) {
			break
		}
		if err != nil {
			return err
		}
		if b.MaxTimestamp > s.maxTS {
			l.mu.Lock()
			s.maxTS, s.maxTSLast = b.MaxTimestamp, b.LastOffset()
			l.mu.Unlock()
		}
	}
	s.sinceIndex = s.size - from
	if s.size == 0 {
		s.firstTS = unknownTS
	}
	return nil
}

func (l *Log) cutAborts(s *segment, offset int64) error {
	if !s.hasTxns {
		return nil
	}
	entries, err := l.readAborts(s)
	if err != nil {
		return err
	}
	var keep []byte
	for _, a := range entries {
		if a.last < offset {
			keep = a.append(keep)
		}
	}
	return l.writeAborts(s, keep)
}

// reloadProducers builds the producer state anew for a log that now ends at offset.
func (l *Log) reloadProducers(offset int64) error {
	if err := l.removeSnapshots(offset+1, math.MaxInt64); err != nil {
		return err
	}
	files, err := l.o.FS.ReadDir(l.Dir())
	if err != nil {
		return err
	}
	r := &recovery{log: l, snapshots: snapshotsIn(files)}
	l.snapshotAt, l.looseSnapshot = -1, -1
	l.mu.Lock()
	defer l.mu.Unlock()
	l.producers = producerTable{}
	if err := r.restoreProducers(offset, l.segments); err != nil {
		return err
	}
	l.producers.replicated(l.hw.Load())
	return nil
}

func snapshotsIn(files []vfs.DirEntry) (out []int64) {
	for _, f := range files {
		if at, suffix, ok := parseName(f.Name); ok && suffix == snapshotSuffix {
			out = append(out, at)
		}
	}
	return out
}

// startOver empties the log.
func (l *Log) startOver(offset int64) error {
	if err := l.capFlushPoint(0); err != nil {
		return err
	}
	s := l.newSegment(offset, "")
	s.tsKnown = true
	l.mu.Lock()
	l.forget()
	old := l.segments
	l.segments = []*segment{s}
	l.cutOffsets(offset)
	for _, v := range []interface{ Store(int64) }{&l.start, &l.end, &l.flushed, &l.hw, &l.recoveryPoint} {
		v.Store(offset)
	}
	l.epochs.entries, l.epochs.dirty = nil, true
	l.producers = producerTable{}
	l.publishUnstable()
	l.firstDirty, l.dirUnsynced = offset, true
	l.mu.Unlock()
	if err := l.removeFromEnd(old); err != nil {
		return err
	}
	l.snapshotAt, l.looseSnapshot = -1, -1
	if err := l.removeSnapshots(0, math.MaxInt64); err != nil {
		return err
	}
	if err := createLazy(&s.log); err != nil {
		return err
	}
	if err := l.o.FS.SyncDir(l.Dir()); err != nil {
		return err
	}
	l.mu.Lock()
	epochs := l.takeEpochs()
	l.mu.Unlock()
	return l.saveEpochs(epochs)
}

// Reopen tries to bring an offline log back: it recovers from disk what the
// last flush covered and what is sound after that, writes the latter once more
// (after a failed fsync the system may have dropped it although it can still be
// read), and makes all of it durable. If that fails the log stays offline.
func (l *Log) Reopen() error {
	defer l.interruptClean()()
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	l.mu.Lock()
	if l.closed.Load() {
		l.mu.Unlock()
		return ErrClosed
	}
	if l.offline.Load() == nil {
		l.mu.Unlock()
		return nil
	}
	err := l.reload()
	if err == nil {
		err = l.rewriteTail()
	}
	l.mu.Unlock()
	if err == nil {
		cause := l.offline.Swap(nil)
		if _, err = l.flush(false); err == nil {
			l.logger.Info("partition is back after a storage error", "dir", l.Dir(), "end_offset", l.end.Load(), "cause", cause)
			return nil
		}
	}
	var already *StorageError
	if !errors.As(err, &already) {
		already = &StorageError{"reopen", err}
	}
	l.offline.Store(already)
	return already
}

func (l *Log) reload() error {
	l.forget()
	for _, s := range l.segments {
		s.retire()
	}
	l.flushPoint.detach(false)
	files, err := l.o.FS.ReadDir(l.Dir())
	if err != nil {
		return err
	}
	flushed, dirty := l.flushed.Load(), l.firstDirty
	epochs := l.epochs.entries
	l.o.LogStartOffset, l.o.HighWatermark = l.start.Load(), l.hw.Load()
	if err := l.load(files, false, flushed); err != nil {
		return err
	}
	l.firstDirty = dirty
	for _, e := range epochs { // those that no batch carries yet
		if e.epoch > l.epochs.latest() && e.start >= l.end.Load() {
			l.epochs.assign(e.epoch, l.end.Load())
		}
	}
	return nil
}

// rewriteTail writes the bytes after the flushed offset again.
func (l *Log) rewriteTail() error {
	from := l.flushed.Load()
	for _, s := range l.segments[l.floor(from):] {
		at, err := l.locate(s, from)
		if err != nil {
			return err
		}
		h, err := s.log.acquire(false)
		if err != nil {
			return err
		}
		err = rewrite(h, at.pos, s.size)
		h.release()
		if err != nil {
			return err
		}
		s.unsynced = true
	}
	l.dirUnsynced = true
	return nil
}

func rewrite(h *handle, pos, end int64) error {
	buf := make([]byte, scanBuffer)
	for pos < end {
		b := buf[:min(int64(len(buf)), end-pos)]
		if err := readFull(h.file, b, pos); err != nil {
			return err
		}
		if _, err := h.file.WriteAt(b, pos); err != nil {
			return err
		}
		pos += int64(len(b))
	}
	return nil
}

// Close flushes, completes the side files and releases everything. An offline
// log is only released.
func (l *Log) Close() error {
	defer l.interruptClean()()
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	if l.closed.Load() {
		return nil
	}
	var err error
	if l.Offline() == nil {
		err = l.finish()
	} else {
		err = l.Offline()
	}
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed.Store(true)
	l.releaseFiles()
	return err
}

// finish does what makes a clean start possible. flushMu is held.
func (l *Log) finish() error {
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	if _, err := l.flush(false); err != nil {
		return err
	}
	a := l.active()
	l.mu.Lock()
	epochs := l.takeEpochs()
	if l.end.Load() == l.lastCheckpoint && epochs == nil {
		l.mu.Unlock()
		l.recoveryPoint.Store(l.flushed.Load())
		return nil // nothing was written since the side files were
	}
	a.addTime()
	l.mu.Unlock()
	err := a.trim()
	if err == nil && a.size > 0 {
		err = a.saveIndexes()
	}
	if err == nil && (l.end.Load() > l.segments[0].base || l.looseSnapshot >= 0) {
		err = l.writeSnapshot(l.end.Load(), l.end.Load() != a.base)
	}
	if err == nil {
		err = l.saveEpochs(epochs)
	}
	if err == nil {
		err = a.offsets.sync()
	}
	if err == nil {
		err = a.times.sync()
	}
	if err == nil {
		err = l.o.FS.SyncDir(l.Dir())
	}
	if err != nil {
		return l.fail("close", err)
	}
	l.recoveryPoint.Store(l.flushed.Load())
	return nil
}
