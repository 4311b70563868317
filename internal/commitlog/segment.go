package commitlog

import (
	"path/filepath"
	"time"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/batch"
)

// segment is a run of batches in one .log file, with its indexes. Fields marked
// (mu) are published under Log.mu; the others belong to the writer.
type segment struct {
	base   int64
	dir    string
	suffix string // after the file suffix: "", .cleaned, .swap or .deleted

	log     lazyFile
	offsets sideIndex // (mu) for offsets.tail, saved and tailStart
	times   sideIndex // (mu)
	txns    lazyFile
	hasTxns bool // (mu) the .txnindex exists

	size int64 // (mu) bytes of whole batches
	next int64 // (mu) the offset after the last batch; base if empty

	maxTS     int64 // (mu) largest timestamp, -1 none
	maxTSLast int64 // (mu) last offset of the first batch that has it
	tsKnown   bool  // (mu) false until a closed segment's time index was read
	indexedTS int64 // timestamp of the newest time index entry, -1 none

	firstTS      int64 // largest timestamp of the first batch, unknownTS until read
	created      time.Time
	modTime      time.Time
	sinceIndex   int64 // bytes appended since the last index entry
	reserved     bool  // blocks beyond the end of .log were set aside for it
	unsynced     bool  // (mu) .log holds bytes that were not fsynced
	txnsUnsynced bool  // (mu)
}

// unknownTS marks a timestamp that was not read from the file yet.
const unknownTS = -1 << 62

func (l *Log) newSegment(base int64, suffix string) *segment {
	s := &segment{
		base: base, dir: l.Dir(), suffix: suffix, next: base,
		maxTS: -1, maxTSLast: base, indexedTS: -1, firstTS: unknownTS, created: l.o.Clock.Now(),
	}
	s.modTime = s.created
	lazy := func(kind string) lazyFile {
		return lazyFile{fs: l.o.FS, cache: l.o.Files, name: func() string { return s.path(kind) }}
	}
	s.log, s.txns = lazy(logSuffix), lazy(txnSuffix)
	s.offsets.file, s.offsets.entrySize = lazy(indexSuffix), offsetEntrySize
	s.times.file, s.times.entrySize = lazy(timeSuffix), timeEntrySize
	return s
}

// path is the current name of one of the segment's files.
func (s *segment) path(kind string) string {
	return filepath.Join(s.dir, baseName(s.base)+kind+s.suffix)
}

func (s *segment) lazyFiles() [4]*lazyFile {
	return [4]*lazyFile{&s.log, &s.offsets.file, &s.times.file, &s.txns}
}

// retire makes new readers look elsewhere; it comes before the files change
// their names. Readers that have the files open keep them.
func (s *segment) retire() {
	for _, f := range s.lazyFiles() {
		f.detach(true)
	}
}

// rename gives all files of a segment that nobody reads another suffix. The
// log goes last, so that what is found after a crash is a whole segment or
// one without its log.
func (s *segment) rename(fsys vfs.FS, suffix string) error {
	old := s.suffix
	for i := len(segmentSuffixes) - 1; i >= 0; i-- {
		kind := segmentSuffixes[i]
		from := filepath.Join(s.dir, baseName(s.base)+kind+old)
		to := filepath.Join(s.dir, baseName(s.base)+kind+suffix)
		if err := fsys.Rename(from, to); err != nil && !isNotExist(err) {
			return err
		}
	}
	s.suffix = suffix
	return nil
}

// remove deletes the segment's files under their current names.
func (s *segment) remove(fsys vfs.FS) error {
	for _, kind := range segmentSuffixes {
		if err := fsys.Remove(s.path(kind)); err != nil && !isNotExist(err) {
			return err
		}
	}
	return nil
}

// dirty tells whether a segment that is not appended to any more has something
// to sync. mu is held.
func (s *segment) dirty() bool {
	return s.unsynced || s.txnsUnsynced || s.offsets.unsynced.Load() || s.times.unsynced.Load()
}

func syncLazy(f *lazyFile) error {
	h, err := f.acquire(false)
	if err != nil {
		return err
	}
	defer h.release()
	return h.file.Sync()
}

// indexFull tells that one of the indexes has no room for another entry. The
// time index keeps its last place for the final entry.
func (s *segment) indexFull(indexBytes int32) bool {
	return s.offsets.count() >= int(indexBytes)/offsetEntrySize ||
		s.times.count() >= int(indexBytes)/timeEntrySize-1
}

// noteBatch updates indexes, size and timestamps for a batch of size bytes
// that starts at the segment's end. Log.mu is held, or nobody reads yet.
func (s *segment) noteBatch(h *batch.Header, interval int32) (save bool) {
	last := h.LastOffset()
	if h.MaxTimestamp > s.maxTS {
		s.maxTS, s.maxTSLast = h.MaxTimestamp, last
	}
	if s.firstTS == unknownTS && s.size == 0 {
		s.firstTS = h.MaxTimestamp
	}
	if s.sinceIndex > int64(interval) {
		var ob [offsetEntrySize]byte
		save = s.offsets.add(offsetEntry{int32(last - s.base), int32(s.size)}.put(&ob))
		save = s.addTime() || save
		s.sinceIndex = 0
	}
	s.sinceIndex += int64(h.Size())
	s.size += int64(h.Size())
	s.next = last + 1
	return save
}

// addTime appends the largest timestamp so far to the time index if it grew.
func (s *segment) addTime() (full bool) {
	if s.maxTS <= s.indexedTS || s.maxTS < 0 {
		return false
	}
	var tb [timeEntrySize]byte
	full = s.times.add(timeEntry{s.maxTS, int32(s.maxTSLast - s.base)}.put(&tb))
	s.indexedTS = s.maxTS
	return full
}

// saveIndexes writes both indexes to their files. appendMu is held.
func (s *segment) saveIndexes() error {
	if err := s.offsets.save(); err != nil {
		return err
	}
	return s.times.save()
}

// reserve sets blocks aside for a segment that is about to be written to; trim
// gives back what it did not need. appendMu is held.
func (s *segment) reserve(f vfs.File, c *Config) {
	s.reserved = c.Preallocate && vfs.Reserve(f, int64(c.SegmentBytes))
}

func (s *segment) trim() error {
	if !s.reserved {
		return nil
	}
	h, err := s.log.acquire(false)
	if err != nil {
		return err
	}
	defer h.release()
	s.reserved = false
	return h.file.Truncate(s.size)
}
