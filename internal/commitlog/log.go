package commitlog

import (
	"cmp"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Log is one partition on disk. All methods are safe for concurrent use.
type Log struct {
	o       Options
	logger  *slog.Logger
	topicID [16]byte
	config  atomic.Pointer[Config]
	dir     atomic.Pointer[string] // of the log; changes with appendMu, flushMu and mu held
	// producerExpiry is producer.id.expiration.ms in nanoseconds.
	producerExpiry atomic.Int64

	cleanMu  sync.Mutex // see the package comment for the order of the locks
	flushMu  sync.Mutex
	appendMu sync.Mutex
	mu       sync.RWMutex

	// segments, sorted by base and never empty while the log is open. The
	// slice is replaced, not changed, except for appending under mu.
	segments []*segment // (mu)

	start, end, flushed, hw atomic.Int64 // written under mu
	recoveryPoint           atomic.Int64 // see RecoveryPoint; written under flushMu
	firstUnstable           atomic.Int64 // -1: no transaction holds back anything
	hwPos                   logPos       // (mu) where hw is, if known
	readGen                 uint64       // (mu) changes with every truncation
	flushedPos              logPos       // (mu) where flushed is, if known

	hintMu   sync.Mutex // innermost
	hints    [4]readHint
	hintNext int
	hintGen  uint64

	producers producerTable // appendMu; the transactions in it also mu
	epochs    epochCache    // (mu)

	snapshotAt       int64 // offset of the newest snapshot file, -1 none (appendMu)
	looseSnapshot    int64 // one that is not at a segment's base, -1 (appendMu)
	flushPoint       lazyFile
	flushCap         int64     // see flushPoint.cap (flushMu)
	hadFlushPoint    bool      // when the log was opened
	flushPointSynced bool      // by this process (flushMu)
	dirUnsynced      bool      // (mu) names in the directory were not fsynced
	lastFlush        time.Time // (mu)
	firstDirty       int64     // start of the part that compaction has not seen (mu)
	lastCheckpoint   int64     // end offset at the last Checkpoint (flushMu)
	newDir           bool      // partition.metadata and the directory's name were not synced (flushMu)
	capAge           int       // Checkpoints since the last truncation (flushMu)
	deleted          []deletedSegment
	waiting          atomic.Int64 // len(deleted)
	interrupt        atomic.Int32 // above 0: a compaction should end early

	copied *uint64 // readGen of the log that this one is a copy of, once there is something copied

	offline atomic.Pointer[StorageError]
	closed  atomic.Bool
}

// logPos is an offset with its place in a segment.
type logPos struct {
	offset int64
	seg    *segment
	pos    int64
}

type deletedSegment struct {
	seg *segment
	at  time.Time // when to remove it
}

// active is the segment that is appended to. mu or appendMu is held.
func (l *Log) active() *segment { return l.segments[len(l.segments)-1] }

// floor is the segment that covers offset: the last with a base of at most
// offset, or the first one. mu or appendMu is held.
func (l *Log) floor(offset int64) int {
	i, found := slices.BinarySearchFunc(l.segments, offset, func(s *segment, o int64) int { return cmp.Compare(s.base, o) })
	if !found {
		i--
	}
	return max(i, 0)
}

// SetConfig changes the settings for what is done from now on.
func (l *Log) SetConfig(c Config) { l.config.Store(&c) }

// Config returns the settings in force.
func (l *Log) Config() Config { return *l.config.Load() }

// TopicID is the id in partition.metadata.
func (l *Log) TopicID() [16]byte { return l.topicID }

// Dir is the partition's directory. TakeOver changes it.
func (l *Log) Dir() string { return *l.dir.Load() }

// StartOffset is the offset of the first record that may be read.
func (l *Log) StartOffset() int64 { return l.start.Load() }

// EndOffset is the offset the next record will get.
func (l *Log) EndOffset() int64 { return l.end.Load() }

// FlushedOffset is the offset below which everything is on stable storage.
func (l *Log) FlushedOffset() int64 { return l.flushed.Load() }

// HighWatermark is the offset below which consumers may read.
func (l *Log) HighWatermark() int64 { return l.hw.Load() }

// LastStableOffset is the offset below which every transaction is decided; it
// is never above the high watermark.
func (l *Log) LastStableOffset() int64 {
	hw := l.hw.Load()
	if first := l.firstUnstable.Load(); first >= 0 && first < hw {
		return max(first, l.start.Load())
	}
	return hw
}

// SetHighWatermark moves the high watermark, clamped into the log.
func (l *Log) SetHighWatermark(offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setHighWatermark(offset)
}

func (l *Log) setHighWatermark(offset int64) {
	offset = min(max(offset, l.start.Load()), l.end.Load())
	l.hw.Store(offset)
	switch {
	case len(l.segments) == 0: // offline and not readable again yet
	case offset == l.end.Load():
		a := l.active()
		l.hwPos = logPos{offset, a, a.size}
	case offset == l.flushedPos.offset:
		l.hwPos = l.flushedPos
	}
	l.producers.replicated(offset)
	l.publishUnstable()
}

// publishUnstable makes the transactions' state visible. mu is held.
func (l *Log) publishUnstable() { l.firstUnstable.Store(l.producers.firstUnstable()) }

// Offline returns the *StorageError that took the log offline, or nil.
func (l *Log) Offline() error {
	if e := l.offline.Load(); e != nil {
		return e
	}
	return nil
}

// usable is the check at the start of every operation.
func (l *Log) usable() error {
	if l.closed.Load() {
		return ErrClosed
	}
	return l.Offline()
}

// fail takes the log offline after an I/O error; the first error stays.
func (l *Log) fail(op string, err error) error {
	var already *StorageError
	if errors.As(err, &already) {
		return already
	}
	e := &StorageError{Op: op, Err: err}
	if l.closed.Load() {
		return e
	}
	if l.offline.CompareAndSwap(nil, e) {
		if m := l.o.Metrics; m != nil {
			m.StorageErrors.Add(1)
		}
		l.logger.Error("partition goes offline after a storage error", "dir", l.Dir(), "op", op, "error", err)
	}
	return e
}

// LatestEpoch is the newest leader epoch in the log, -1 if there is none.
func (l *Log) LatestEpoch() int32 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.epochs.latest()
}

// EpochForOffset returns the leader epoch of offset, -1 if unknown.
func (l *Log) EpochForOffset(offset int64) int32 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.epochs.at(offset)
}

// EndOffsetForEpoch answers OffsetForLeaderEpoch: the largest epoch known that
// is not above the asked one and where it ends, (-1, -1) if that is undefined.
func (l *Log) EndOffsetForEpoch(epoch int32) (int32, int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.epochs.endOffset(epoch, l.end.Load())
}

// EpochStart is where the latest epoch starts, -1 if there is none.
func (l *Log) EpochStart() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if n := len(l.epochs.entries); n > 0 {
		return l.epochs.entries[n-1].start
	}
	return -1
}

// AssignEpoch notes a new leader epoch that starts at offset start. It is
// written down with the next Checkpoint: until then only batches can carry it,
// and recovery reads it from those.
func (l *Log) AssignEpoch(epoch int32, start int64) error {
	if err := l.usable(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epochs.assign(epoch, start)
	return nil
}

// SetFirstDirty sets from where on compaction has not seen the log, as it was
// checkpointed; what lies outside of the log is ignored.
func (l *Log) SetFirstDirty(offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if offset >= l.start.Load() && offset <= l.end.Load() {
		l.firstDirty = offset
	}
}

// FirstDirty is the offset from where on compaction has not seen the log.
func (l *Log) FirstDirty() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.firstDirty
}

// StartInsideSegment tells whether the log start lies inside of the first segment,
// so that only a checkpoint can remember it.
func (l *Log) StartInsideSegment() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.segments) > 0 && l.start.Load() > l.segments[0].base
}

// HasDeleted tells whether files wait for file.delete.delay.ms to pass.
func (l *Log) HasDeleted() bool { return l.waiting.Load() > 0 }

// Discard releases the log without writing anything, because its directory is
// about to be deleted. Slices that readers hold stay valid.
func (l *Log) Discard() {
	defer l.interruptClean()()
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed.Swap(true) {
		l.releaseFiles()
	}
}

// interruptClean takes cleanMu, ending a compaction that holds it.
func (l *Log) interruptClean() (unlock func()) {
	l.interrupt.Add(1)
	l.cleanMu.Lock()
	l.interrupt.Add(-1)
	return l.cleanMu.Unlock
}

// Size is the number of bytes in all segments' logs.
func (l *Log) Size() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.size()
}

func (l *Log) size() (n int64) {
	for _, s := range l.segments {
		n += s.size
	}
	return n
}

// Segments lists the segments, oldest first.
func (l *Log) Segments() []SegmentInfo {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := make([]SegmentInfo, len(l.segments))
	for i, s := range l.segments {
		out[i] = SegmentInfo{BaseOffset: s.base, NextOffset: s.next, Size: s.size, MaxTimestamp: -1}
		if s.tsKnown {
			out[i].MaxTimestamp = s.maxTS
		}
		out[i].Active = i == len(l.segments)-1
	}
	return out
}

// Producers lists the known producers, sorted by id.
func (l *Log) Producers() []ProducerInfo {
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	var out []ProducerInfo
	for _, s := range l.producers.snapshot() {
		out = append(out, ProducerInfo{
			ProducerID: s.id, Epoch: s.epoch, LastSequence: s.lastSequence, LastTimestamp: s.timestamp,
			CoordinatorEpoch: s.coordinatorEpoch, TxnStartOffset: s.txnFirst,
		})
	}
	return out
}

// SetProducerIDExpiration changes after how long of silence ExpireProducers forgets a producer.
func (l *Log) SetProducerIDExpiration(d time.Duration) { l.producerExpiry.Store(int64(d)) }

// ExpireProducers forgets the producers that were silent for longer than
// producer.id.expiration.ms and returns how many.
func (l *Log) ExpireProducers(now time.Time) int {
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	return l.producers.expire(now, time.Duration(l.producerExpiry.Load()))
}

func (l *Log) path(name string) string { return filepath.Join(l.Dir(), name) }

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// maxDecoded bounds what decoding a stored batch may yield: far above what
// any producer sends, far below what a crafted batch could claim.
const maxDecoded = 256 << 20

// relativeFits tells whether offset can stand in a segment from base.
func relativeFits(base, offset int64) bool { return offset-base <= math.MaxInt32 }
