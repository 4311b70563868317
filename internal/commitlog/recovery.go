package commitlog

import (
	"errors"
	"fmt"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/batch"
)

// recovery brings a log's state to what its files hold. It runs while nobody
// else uses the log.
//
// It goes through the segments once. Below scanFrom only headers are read, and
// only as far as the newest usable producer snapshot does not reach. From
// there on every byte is checked, indexes and epochs are rebuilt, and the first
// unsound batch decides: below bound it is damage, and the error is returned
// before anything on disk was changed; above it is a torn end and cut off.
type recovery struct {
	log           *Log
	clean         bool
	recoveryPoint int64
	bound         int64 // everything below was durable
	snapshots     []int64
	rebuildEpochs bool

	unchecked int   // segments from this one on are checked
	next      int64 // offset after the last sound batch
	torn      int64 // bytes that are cut off
	drop      []*segment
	cut       *segment            // is truncated to its size
	reindexed []*segment          // their indexes are written anew
	aborts    map[*segment][]byte // their transaction indexes too
	retaken   map[int64][]byte    // snapshots at the starts of segments, by offset
}

func (r *recovery) run() error {
	l := r.log
	r.unchecked = len(l.segments)
	if !r.clean {
		r.unchecked = l.floor(r.recoveryPoint)
	}
	// Segments whose indexes are missing or misshapen are read too.
	for i, s := range l.segments[:r.unchecked] {
		if s.size > 0 && (!s.offsets.inFile || !s.times.inFile) {
			if err := r.reindex(i); err != nil {
				return err
			}
		}
	}
	if err := r.checkAborts(); err != nil {
		return err
	}
	if r.clean {
		return r.runClean()
	}
	s := l.segments[r.unchecked]
	pos, offset, err := r.resumeAt(s)
	if err != nil {
		return err
	}
	r.next = offset
	if err := r.restoreProducers(offset, l.segments[:r.unchecked+1]); err != nil {
		return err
	}
	for i := r.unchecked; i < len(l.segments); i++ {
		if base := l.segments[i].base; i > r.unchecked && base > r.next && base > r.bound && l.hadFlushPoint {
			// The end of the segment before it did not reach the disk. The
			// gaps that our compaction leaves lie below the bound; about a log
			// that another program wrote we do not know, and keep it.
			l.logger.Warn("segments after a gap are cut off", "dir", l.Dir(), "offset", r.next, "next_segment", base)
			r.drop = l.segments[i:]
			l.segments = l.segments[:i]
			break
		}
		if err := r.check(l.segments[i], pos); err != nil {
			return err
		}
		if r.cut != nil {
			r.drop = l.segments[i+1:]
			l.segments = l.segments[:i+1]
			break
		}
		pos = 0
	}
	if err := r.finishEpochs(); err != nil {
		return err
	}
	return r.apply()
}

// runClean finds the end of a log that was closed in order.
func (r *recovery) runClean() error {
	l := r.log
	s := l.active()
	end, err := l.findEnd(s)
	var bad *badBatch
	switch {
	case errors.As(err, &bad):
		return r.damage(s, bad)
	case err != nil:
		return &StorageError{"read log end", err}
	}
	r.next = end
	if err := r.restoreProducers(end, l.segments); err != nil {
		return err
	}
	if err := r.finishEpochs(); err != nil {
		return err
	}
	return r.apply()
}

func (r *recovery) damage(s *segment, bad *badBatch) error {
	reason := bad.reason
	if bad.old {
		reason = "its batches have an old message format, which is not supported"
	}
	return &CorruptError{File: s.path(logSuffix), Pos: bad.pos, Reason: reason}
}

// findEnd sets size, next and timestamps of a closed log's last segment from
// its indexes and the batches after their last entries.
func (l *Log) findEnd(s *segment) (int64, error) {
	if err := l.loadTimes(s); err != nil {
		return 0, err
	}
	var b [offsetEntrySize]byte
	found, err := s.offsets.view().at(s.offsets.count()-1, b[:])
	if err != nil {
		return 0, err
	}
	pos, from := int64(0), s.base
	if e := getOffsetEntry(b[:]); found && e.pos >= 0 && int64(e.pos) < s.size {
		pos, from = int64(e.pos), s.base+int64(e.rel)
	}
	h, err := s.log.acquire(false)
	if err != nil {
		return 0, err
	}
	defer h.release()
	sc := newScanner(h.file, pos, s.size, false)
	defer sc.close()
	s.next = s.base
	for {
		b, start, err := sc.next()
		if isEnd(err) {
			break
		}
		if err != nil {
			return 0, err
		}
		if start == pos && pos > 0 && b.LastOffset() != from {
			return 0, &badBatch{pos: start, reason: fmt.Sprintf("batch ends at offset %d, the index says %d", b.LastOffset(), from)}
		}
		if b.MaxTimestamp > s.maxTS {
			s.maxTS, s.maxTSLast = b.MaxTimestamp, b.LastOffset()
		}
		s.next = b.NextOffset()
	}
	s.sinceIndex = s.size - pos
	return s.next, nil
}

// loadTimes reads the largest timestamp of a segment from its time index.
func (l *Log) loadTimes(s *segment) error {
	if s.tsKnown {
		return nil
	}
	var b [timeEntrySize]byte
	found, err := s.times.view().at(s.times.count()-1, b[:])
	if err != nil {
		return err
	}
	if e := getTimeEntry(b[:]); found {
		s.maxTS, s.maxTSLast, s.indexedTS = e.ts, s.base+int64(e.rel), e.ts
	}
	s.tsKnown = true
	return nil
}

// reindex checks a whole segment below the recovery point and rebuilds its
// indexes.
func (r *recovery) reindex(i int) error {
	l := r.log
	s := l.segments[i]
	l.logger.Warn("segment is read to rebuild its indexes", "file", s.path(logSuffix), "bytes", s.size)
	fileSize := resetForScan(s)
	bad, err := r.scan(s, fileSize, func(*batch.Header, int64, *scanner) error { return nil })
	if err != nil {
		return err
	}
	if bad != nil {
		return r.damage(s, bad)
	}
	if i+1 < len(l.segments) {
		s.next = l.segments[i+1].base
	}
	r.reindexed = append(r.reindexed, s)
	return nil
}

// resetForScan empties what a scan from the start will rebuild and returns the
// size of the file.
func resetForScan(s *segment) (fileSize int64) {
	fileSize = s.size
	s.size, s.next = 0, s.base
	s.offsets.saved, s.offsets.tailStart, s.offsets.tail = 0, 0, nil
	s.times.saved, s.times.tailStart, s.times.tail = 0, 0, nil
	s.maxTS, s.maxTSLast, s.indexedTS, s.tsKnown = -1, s.base, -1, true
	s.firstTS, s.sinceIndex = unknownTS, 0
	return fileSize
}

// scan checks the batches of s from its size up to fileSize, feeding its
// indexes. bad is the unsound batch that ended it early, if any.
func (r *recovery) scan(s *segment, fileSize int64, each func(h *batch.Header, start int64, sc *scanner) error) (bad *badBatch, err error) {
	l := r.log
	f, err := s.log.acquire(false)
	if err != nil {
		return nil, &StorageError{"open segment", err}
	}
	defer f.release()
	sc := newScanner(f.file, s.size, fileSize, true)
	defer sc.close()
	defer func() { l.o.Metrics.RecoveredBytes.Add(sc.read) }()
	least := max(s.next, s.base)
	for {
		h, start, err := sc.next()
		switch {
		case isEnd(err):
			return nil, nil
		case errors.As(err, &bad):
			return bad, nil
		case err != nil:
			return nil, &StorageError{"read segment", err}
		case h.BaseOffset < least:
			return &badBatch{pos: start, reason: fmt.Sprintf("batch at offset %d where at least %d is due", h.BaseOffset, least)}, nil
		case !relativeFits(s.base, h.LastOffset()):
			return &badBatch{pos: start, reason: fmt.Sprintf("offset %d does not fit into the segment", h.LastOffset())}, nil
		}
		if err := each(&h, start, sc); err != nil {
			var bad *badBatch
			if errors.As(err, &bad) {
				return bad, nil
			}
			return nil, &StorageError{"read segment", err}
		}
		s.noteBatch(&h, l.o.Config.IndexInterval)
		least = s.next
	}
}

// resumeAt finds where the check of the first unchecked segment starts: at the
// last batch whose index entry lies below the recovery point, if the indexes
// up to there are sound; they were synced before the recovery point was
// written. Otherwise at the segment's start.
func (r *recovery) resumeAt(s *segment) (pos, offset int64, err error) {
	l := r.log
	offsets, times, err := r.readIndexes(s)
	if err != nil {
		return 0, 0, err
	}
	fileSize := s.size
	firstTS := s.firstTS
	resetForScan(s)
	s.size = fileSize
	s.firstTS = firstTS

	n, _ := decodeOffsetIndex(offsets, fileSize)
	for n > 0 && s.base+int64(getOffsetEntry(offsets[(n-1)*offsetEntrySize:]).rel) >= r.recoveryPoint {
		n--
	}
	if n == 0 {
		return 0, s.base, nil
	}
	e := getOffsetEntry(offsets[(n-1)*offsetEntrySize:])
	f, err := s.log.acquire(false)
	if err != nil {
		return 0, 0, &StorageError{"open segment", err}
	}
	defer f.release()
	sc := newScanner(f.file, int64(e.pos), fileSize, false)
	defer sc.close()
	h, _, err := sc.next()
	var bad *badBatch
	switch {
	case errors.As(err, &bad) || err == nil && (h.LastOffset() != s.base+int64(e.rel) || h.BaseOffset < s.base):
		l.logger.Warn("offset index does not match its segment and is rebuilt", "file", s.path(indexSuffix))
		return 0, s.base, nil
	case err != nil:
		return 0, 0, &StorageError{"read segment", err}
	}
	k, _ := decodeTimeIndex(times)
	for k > 0 && getTimeEntry(times[(k-1)*timeEntrySize:]).rel > e.rel {
		k--
	}
	if k == 0 && h.MaxTimestamp >= 0 {
		return 0, s.base, nil // an index entry is never without its time
	}
	// The entry of the batch itself is made again by the scan.
	s.offsets.saved, s.offsets.tailStart = n-1, n-1
	s.times.saved, s.times.tailStart = k, k
	if k > 0 {
		t := getTimeEntry(times[(k-1)*timeEntrySize:])
		s.maxTS, s.maxTSLast, s.indexedTS = t.ts, s.base+int64(t.rel), t.ts
	}
	s.sinceIndex = int64(l.o.Config.IndexInterval) + 1
	return int64(e.pos), h.BaseOffset, nil
}

func (r *recovery) readIndexes(s *segment) (offsets, times []byte, err error) {
	if !s.offsets.inFile || !s.times.inFile {
		return nil, nil, nil
	}
	if offsets, err = vfs.ReadFile(r.log.o.FS, s.path(indexSuffix)); err == nil {
		times, err = vfs.ReadFile(r.log.o.FS, s.path(timeSuffix))
	}
	if err != nil {
		return nil, nil, &StorageError{"read index", err}
	}
	return offsets, times, nil
}

// check goes through a segment above the recovery point, from pos. An unsound
// batch makes it the last one.
func (r *recovery) check(s *segment, pos int64) error {
	l := r.log
	fileSize := s.size
	if pos == 0 {
		resetForScan(s)
	}
	if s != l.segments[r.unchecked] {
		if r.retaken == nil {
			r.retaken = make(map[int64][]byte)
		}
		r.retaken[s.base] = encodeSnapshot(l.producers.snapshot())
	}
	s.size, s.next, s.unsynced = pos, max(s.base, r.next), true
	aborted, err := r.keptAborts(s)
	if err != nil {
		return err
	}
	bad, err := r.scan(s, fileSize, func(h *batch.Header, start int64, sc *scanner) error {
		l.epochs.assign(h.LeaderEpoch, h.BaseOffset)
		abort, err := l.replay(h, start, sc)
		if abort != nil {
			aborted = abort.append(aborted)
		}
		return err
	})
	if err != nil {
		return err
	}
	if s.hasTxns || len(aborted) > 0 {
		if r.aborts == nil {
			r.aborts = make(map[*segment][]byte)
		}
		r.aborts[s] = aborted
	}
	r.reindexed = append(r.reindexed, s)
	r.next = s.next
	if bad == nil {
		return nil
	}
	if bad.old || s.next < r.bound {
		return r.damage(s, bad)
	}
	r.torn = fileSize - s.size
	r.cut = s
	l.logger.Warn("torn end of the log is cut off", "file", s.path(logSuffix),
		"offset", s.next, "pos", s.size, "bytes", r.torn, "reason", bad.reason)
	return nil
}

// keptAborts returns the entries of a transaction index for markers below
// where the scan starts.
func (r *recovery) keptAborts(s *segment) ([]byte, error) {
	if !s.hasTxns {
		return nil, nil
	}
	data, err := vfs.ReadFile(r.log.o.FS, s.path(txnSuffix))
	if err != nil {
		return nil, &StorageError{"read transaction index", err}
	}
	entries, _ := decodeAborted(data)
	var out []byte
	for _, a := range entries {
		if a.last >= r.next || a.last < s.base {
			break
		}
		out = a.append(out)
	}
	return out, nil
}

// finishEpochs rebuilds the epoch history from all batches if its file was lost.
func (r *recovery) finishEpochs() error {
	l := r.log
	if !r.rebuildEpochs {
		return nil
	}
	l.epochs.entries = nil
	return l.walk(l.segments, l.segments[0].base, r.next, func(h *batch.Header, _ int64, _ *scanner) error {
		l.epochs.assign(h.LeaderEpoch, h.BaseOffset)
		return nil
	})
}

// apply writes to disk what the recovery found.
func (r *recovery) apply() error {
	l := r.log
	if r.next < r.bound && r.next >= l.o.LogStartOffset {
		return &CorruptError{
			File: l.active().path(logSuffix), Pos: l.active().size,
			Reason: fmt.Sprintf("the log ends at offset %d, but was durable up to %d", r.next, r.bound),
		}
	}
	fail := func(err error) error { return &StorageError{"repair the log", err} }
	for _, s := range r.drop {
		r.torn += s.size
	}
	if err := l.removeFromEnd(r.drop); err != nil {
		return fail(err)
	}
	if r.cut != nil {
		l.o.Metrics.TruncatedBytes.Add(r.torn)
		f, err := r.cut.log.acquire(false)
		if err != nil {
			return fail(err)
		}
		err = f.file.Truncate(r.cut.size)
		f.release()
		if err != nil {
			return fail(err)
		}
	}
	for _, s := range r.reindexed {
		if err := r.writeIndexes(s, s == l.active()); err != nil {
			return fail(err)
		}
	}
	for s, data := range r.aborts {
		if err := l.writeAborts(s, data); err != nil {
			return fail(err)
		}
	}
	// A snapshot above what is known to be durable may tell of batches that a
	// crash replaced by others.
	for _, at := range r.snapshots {
		if at > min(r.next, r.bound) {
			if err := l.removeSnapshot(at); err != nil {
				return fail(err)
			}
		}
	}
	for at, data := range r.retaken {
		if err := l.writeFile(baseName(at)+snapshotSuffix, data); err != nil {
			return fail(err)
		}
		l.snapshotAt = max(l.snapshotAt, at)
	}
	l.active().next = r.next
	return nil
}

func (r *recovery) writeIndexes(s *segment, last bool) error {
	if !last {
		s.addTime()
	}
	for _, x := range []*sideIndex{&s.offsets, &s.times} {
		if x.inFile {
			// The file may end in entries that the scan did not confirm.
			h, err := x.file.acquire(false)
			if err != nil {
				return err
			}
			err = h.file.Truncate(int64(x.saved * x.entrySize))
			h.release()
			if err != nil {
				return err
			}
			x.unsynced.Store(true)
		}
		if s.size > 0 {
			if err := x.save(); err != nil {
				return err
			}
			x.shrink(indexWindow / 2)
		}
		if !last {
			if err := x.sync(); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkAborts looks at the transaction indexes below the recovery point. From
// one that is damaged on, the log is read again: only the batches can tell
// which transactions were aborted.
func (r *recovery) checkAborts() error {
	l := r.log
	for i, s := range l.segments[:r.unchecked] {
		if !s.hasTxns {
			continue
		}
		data, err := vfs.ReadFile(l.o.FS, s.path(txnSuffix))
		if err != nil {
			return &StorageError{"read transaction index", err}
		}
		if _, err := decodeAborted(data); err != nil {
			l.logger.Warn("log is read again from a damaged transaction index on", "file", s.path(txnSuffix), "error", err)
			r.clean, r.unchecked, r.recoveryPoint = false, i, s.base
			return nil
		}
	}
	return nil
}

// writeAborts replaces a transaction index, durably: an older content could
// name transactions that were cut off, and nothing would notice.
func (l *Log) writeAborts(s *segment, data []byte) error {
	h, err := s.txns.acquire(true)
	if err != nil {
		return err
	}
	defer h.release()
	if err := h.file.Truncate(0); err != nil {
		return err
	}
	if len(data) > 0 {
		if _, err := h.file.WriteAt(data, 0); err != nil {
			return err
		}
	}
	s.hasTxns, s.txnsUnsynced, l.dirUnsynced = len(data) > 0, false, true
	return h.file.Sync()
}
