package commitlog

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
)

// defaultOpenFiles bounds the cache of a log that was given none.
const defaultOpenFiles = 64

// Open opens or creates the partition. If it was not closed in order, what the
// recovery point does not cover is checked: a torn end is cut off, and damage
// to bytes that had been made durable is a *CorruptError, which leaves the
// files as they are.
func Open(o Options) (*Log, error) {
	if o.FS == nil {
		o.FS = vfs.OS
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Files == nil {
		o.Files = NewFileCache(defaultOpenFiles)
	}
	if o.Metrics == nil {
		o.Metrics = new(Metrics)
	}
	if o.ProducerIDExpiration == 0 {
		o.ProducerIDExpiration = 24 * time.Hour
	}
	l := &Log{o: o, logger: o.Logger}
	l.config.Store(&o.Config)
	l.dir.Store(&o.Dir)
	l.producerExpiry.Store(int64(o.ProducerIDExpiration))
	l.flushPoint = lazyFile{fs: o.FS, cache: o.Files, name: func() string { return l.path(flushPointFile) }}
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return nil, &StorageError{"create directory", err}
	}
	files, err := o.FS.ReadDir(o.Dir)
	if err != nil {
		return nil, &StorageError{"list directory", err}
	}
	if err := l.openMetadata(files); err != nil {
		return nil, err
	}
	if err := l.load(files, o.Clean, o.RecoveryPoint); err != nil {
		l.releaseFiles()
		return nil, err
	}
	return l, nil
}

// openMetadata reads partition.metadata, or writes it for a new partition. It
// becomes durable with the first flush, so as long as nothing was flushed a
// damaged one is what a crash may leave, and counts as missing.
func (l *Log) openMetadata(files []vfs.DirEntry) error {
	l.topicID = l.o.TopicID
	if slices.ContainsFunc(files, func(e vfs.DirEntry) bool { return e.Name == partitionMetadataFile && e.Size > 0 }) {
		id, err := ReadTopicID(l.o.FS, l.Dir())
		bound, ferr := l.readFlushPoint(files, l.o.RecoveryPoint)
		switch {
		case ferr != nil:
			return ferr
		case err == nil && l.topicID != ([16]byte{}) && l.topicID != id:
			return fmt.Errorf("%s belongs to topic id %x, not %x", l.Dir(), id, l.topicID)
		case err == nil:
			l.topicID = id
			return nil
		case !errors.Is(err, ErrCorrupt) || bound > 0:
			return err
		}
	}
	if l.topicID == ([16]byte{}) {
		return nil
	}
	if err := l.writeFile(partitionMetadataFile, encodePartitionMetadata(l.topicID)); err != nil {
		return &StorageError{"write " + partitionMetadataFile, err}
	}
	l.newDir = true
	return nil
}

// ReadTopicID reads the topic id of a partition's directory.
func ReadTopicID(fsys vfs.FS, dir string) (id [16]byte, err error) {
	data, err := vfs.ReadFile(fsys, filepath.Join(dir, partitionMetadataFile))
	if err != nil {
		return id, &StorageError{"read " + partitionMetadataFile, err}
	}
	id, err = decodePartitionMetadata(data)
	if err != nil {
		return id, &CorruptError{File: filepath.Join(dir, partitionMetadataFile), Reason: err.Error()}
	}
	return id, nil
}

// load builds the state from the files. Nobody else uses the log, or all locks
// are held.
func (l *Log) load(files []vfs.DirEntry, clean bool, recoveryPoint int64) error {
	l.segments = nil
	l.producers = producerTable{}
	l.epochs = epochCache{}
	l.snapshotAt, l.looseSnapshot = -1, -1
	l.hwPos, l.hints, l.dirUnsynced = logPos{}, [4]readHint{}, false
	l.firstUnstable.Store(-1)

	files, err := l.finishSwaps(files)
	if err != nil {
		return err
	}
	snapshots, err := l.listSegments(files)
	if err != nil {
		return err
	}
	bound, err := l.readFlushPoint(files, recoveryPoint)
	if err != nil {
		return err
	}
	epochsLost, err := l.loadEpochs(files)
	if err != nil {
		return err
	}
	start := l.o.LogStartOffset
	if len(l.segments) == 0 {
		return l.startEmpty(start, snapshots, bound)
	}
	r := &recovery{log: l, clean: clean, recoveryPoint: min(recoveryPoint, bound), bound: bound, snapshots: snapshots, rebuildEpochs: epochsLost}
	if err := r.run(); err != nil {
		return err
	}

	end := l.active().next
	first := l.segments[0].base
	if end < start {
		// Everything below the log start was deleted on purpose, and a crash
		// took what came after it.
		l.end.Store(end)
		return l.restartAt(start)
	}
	start = max(start, first)
	l.epochs.truncateEnd(end)
	l.epochs.truncateStart(start)
	l.start.Store(start)
	l.end.Store(end)
	flushed := min(max(bound, first), end)
	if clean {
		flushed = end
	}
	l.flushed.Store(flushed)
	l.recoveryPoint.Store(min(recoveryPoint, flushed))
	l.setHighWatermark(l.o.HighWatermark)
	l.firstDirty = first
	l.lastFlush = l.o.Clock.Now()
	l.lastCheckpoint = end // the side files are complete
	if !clean {
		l.lastCheckpoint = -1
		// The names that a process made and then died may not be durable.
		l.dirUnsynced, l.newDir = true, true
	}
	return nil
}

// startEmpty is for a directory without segments.
func (l *Log) startEmpty(start int64, snapshots []int64, bound int64) error {
	if bound > start {
		return &CorruptError{File: l.Dir(), Reason: fmt.Sprintf("no segments, but the log was durable up to offset %d", bound)}
	}
	for _, at := range snapshots {
		if err := l.removeSnapshot(at); err != nil {
			return &StorageError{"remove snapshot", err}
		}
	}
	return l.restartAt(start)
}

// restartAt empties the log and lets it go on at offset start. It is used
// while loading: there are no readers.
func (l *Log) restartAt(start int64) error {
	for _, s := range l.segments {
		s.retire()
		if err := s.remove(l.o.FS); err != nil {
			return &StorageError{"remove segment", err}
		}
	}
	if err := l.createFlushPoint(); err != nil {
		return &StorageError{"create " + flushPointFile, err}
	}
	s := l.newSegment(start, "")
	s.tsKnown = true
	if err := createLazy(&s.log); err != nil {
		return &StorageError{"create segment", err}
	}
	l.dirUnsynced = true
	l.segments = []*segment{s}
	l.producers = producerTable{}
	l.epochs.truncateEnd(start)
	l.epochs.truncateStart(start)
	for _, v := range []interface{ Store(int64) }{&l.start, &l.end, &l.flushed, &l.recoveryPoint} {
		v.Store(start)
	}
	l.setHighWatermark(start)
	l.firstDirty = start
	l.lastFlush = l.o.Clock.Now()
	return nil
}

func createLazy(f *lazyFile) error {
	h, err := f.acquire(true)
	if err != nil {
		return err
	}
	h.release()
	return nil
}

// listSegments turns the listing into segments, removes side files without a
// log, and returns the offsets of the snapshots, ascending.
func (l *Log) listSegments(files []vfs.DirEntry) (snapshots []int64, err error) {
	byBase := make(map[int64]*segment)
	for _, f := range files {
		base, suffix, ok := parseName(f.Name)
		if !ok || suffix != logSuffix {
			continue
		}
		s := l.newSegment(base, "")
		s.size, s.modTime = f.Size, f.ModTime
		byBase[base] = s
		l.segments = append(l.segments, s) // names sort by offset
	}
	for _, f := range files {
		base, suffix, ok := parseName(f.Name)
		if !ok {
			continue
		}
		s := byBase[base]
		switch suffix {
		case snapshotSuffix:
			snapshots = append(snapshots, base)
			continue
		case indexSuffix, timeSuffix, txnSuffix:
		default:
			continue
		}
		if s == nil {
			if err := l.o.FS.Remove(l.path(f.Name)); err != nil {
				return nil, &StorageError{"remove orphan index", err}
			}
			continue
		}
		switch suffix {
		case indexSuffix:
			s.offsets.inFile, s.offsets.saved = true, int(f.Size/offsetEntrySize)
		case timeSuffix:
			s.times.inFile, s.times.saved = true, int(f.Size/timeEntrySize)
		case txnSuffix:
			s.hasTxns = f.Size > 0
		}
	}
	for i, s := range l.segments {
		s.offsets.tailStart, s.times.tailStart = s.offsets.saved, s.times.saved
		if i+1 < len(l.segments) {
			s.next = l.segments[i+1].base
		}
	}
	return snapshots, nil
}

// loadEpochs reads the epoch checkpoint. lost tells that it is unreadable and
// must be rebuilt from the batches.
func (l *Log) loadEpochs(files []vfs.DirEntry) (lost bool, err error) {
	if !slices.ContainsFunc(files, func(e vfs.DirEntry) bool { return e.Name == epochFile }) {
		return len(l.segments) > 0, nil
	}
	data, err := vfs.ReadFile(l.o.FS, l.path(epochFile))
	if err != nil {
		return false, &StorageError{"read " + epochFile, err}
	}
	entries, err := decodeEpochs(data)
	if err != nil {
		l.logger.Warn("leader epochs are read from the batches, because their file is damaged", "dir", l.Dir(), "error", err)
		return true, nil
	}
	l.epochs.entries, l.epochs.saved = entries, slices.Clone(entries)
	return false, nil
}

// releaseFiles closes what is open without writing anything.
func (l *Log) releaseFiles() {
	for _, s := range l.segments {
		s.retire()
	}
	l.flushPoint.detach(true)
}

// isEnd tells whether a scan ended at the end of the data.
func isEnd(err error) bool { return errors.Is(err, io.EOF) }
