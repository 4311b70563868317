package commitlog

import (
	"context"
	"errors"
	"time"
)

var errStub = errors.New("commitlog: being written")

// Log is one partition on disk. All methods are safe for concurrent use.
type Log struct{}

type handle struct{}

// FileCache bounds the open files of all logs that share it.
type FileCache struct{}

// NewFileCache returns a cache that keeps at most limit files open beside
// those being read.
func NewFileCache(limit int) *FileCache { return &FileCache{} }

// CleanerBuffers is the memory of one cleaner thread.
type CleanerBuffers struct{}

// NewCleanerBuffers allocates a cleaner's memory: the map of keys and the I/O buffer.
func NewCleanerBuffers(dedupeBytes, ioBytes int, loadFactor float64) *CleanerBuffers {
	return &CleanerBuffers{}
}

// Release ends the use of the slices.
func (r *ReadInfo) Release() {}

// Open opens or creates the partition and recovers it if it was not closed in order.
func Open(o Options) (*Log, error) { return nil, errStub }

func (l *Log) SetConfig(Config)  {}
func (l *Log) Config() Config    { return Config{} }
func (l *Log) TopicID() [16]byte { return [16]byte{} }

// AppendLeader validates b, which must be whole batches, assigns offsets and appends. b may be changed in place.
func (l *Log) AppendLeader(b []byte, o AppendOptions) (AppendInfo, error) {
	return AppendInfo{}, errStub
}

// AppendFollower appends batches that carry their offsets already.
func (l *Log) AppendFollower(b []byte) (AppendInfo, error) { return AppendInfo{}, errStub }

// Flush makes everything appended so far durable and returns the offset up to which.
func (l *Log) Flush() (flushedTo int64, err error) { return 0, errStub }

// FlushDue says whether flush.messages or flush.ms ask for a flush (log.flush=os).
func (l *Log) FlushDue(now time.Time) bool { return false }

// Checkpoint flushes and makes the side files durable; it returns the recovery point to write down.
func (l *Log) Checkpoint() (recoveryPoint int64, err error) { return 0, errStub }

func (l *Log) StartOffset() int64            { return 0 }
func (l *Log) EndOffset() int64              { return 0 }
func (l *Log) FlushedOffset() int64          { return 0 }
func (l *Log) HighWatermark() int64          { return 0 }
func (l *Log) LastStableOffset() int64       { return 0 }
func (l *Log) SetHighWatermark(offset int64) {}

// Read returns a slice of the log that starts with the batch containing offset.
func (l *Log) Read(offset int64, maxBytes int, atLeastOne bool, iso Isolation) (ReadInfo, error) {
	return ReadInfo{}, errStub
}

// ReadBytes is Read into memory, of whole batches, at least one if there is any.
func (l *Log) ReadBytes(offset int64, maxBytes int, iso Isolation) ([]byte, error) {
	return nil, errStub
}

// OffsetForTimestamp finds the first record with a timestamp of at least ts.
func (l *Log) OffsetForTimestamp(ts int64, iso Isolation) (OffsetAndTime, bool, error) {
	return OffsetAndTime{}, false, errStub
}

// MaxTimestamp finds the first record with the largest timestamp.
func (l *Log) MaxTimestamp() (OffsetAndTime, bool, error) { return OffsetAndTime{}, false, errStub }

func (l *Log) LatestEpoch() int32 { return -1 }

// EpochForOffset returns the leader epoch of offset, -1 if unknown.
func (l *Log) EpochForOffset(offset int64) int32 { return -1 }

// EndOffsetForEpoch answers OffsetForLeaderEpoch: (-1,-1) if undefined.
func (l *Log) EndOffsetForEpoch(epoch int32) (int32, int64) { return -1, -1 }

// EpochStart returns the start offset of the latest epoch, -1 if there is none.
func (l *Log) EpochStart() int64                                  { return -1 }
func (l *Log) AssignEpoch(epoch int32, start int64) error         { return errStub }
func (l *Log) TruncateTo(offset int64) error                      { return errStub }
func (l *Log) TruncateFullyAndStartAt(offset int64) error         { return errStub }
func (l *Log) DeleteRecords(offset int64) (low int64, err error)  { return 0, errStub }
func (l *Log) ApplyRetention() (deletedSegments int, err error)   { return 0, errStub }
func (l *Log) CleanableInfo(now time.Time) (CleanableInfo, error) { return CleanableInfo{}, nil }
func (l *Log) Clean(ctx context.Context, b *CleanerBuffers) (CleanStats, error) {
	return CleanStats{}, errStub
}

// RollIfDue starts a new segment if the active one is past its age.
func (l *Log) RollIfDue() (rolled bool, err error) { return false, errStub }
func (l *Log) Producers() []ProducerInfo           { return nil }

// ExpireProducers forgets producers that were silent for longer than producer.id.expiration.ms.
func (l *Log) ExpireProducers(now time.Time) int { return 0 }
func (l *Log) Size() int64                       { return 0 }
func (l *Log) Segments() []SegmentInfo           { return nil }

// Close flushes, writes the producer snapshot and releases the files.
func (l *Log) Close() error { return nil }

// Offline returns the *StorageError that took the log offline, or nil.
func (l *Log) Offline() error { return nil }

// Reopen tries to bring an offline log back.
func (l *Log) Reopen() error { return errStub }
