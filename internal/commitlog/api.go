package commitlog

import (
	"log/slog"
	"sync/atomic"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
)

// Options say which partition to open and with what.
type Options struct {
	FS     vfs.FS
	Clock  clock.Clock
	Logger *slog.Logger
	Dir    string // the partition's directory; created if missing

	Topic     string
	Partition int32
	TopicID   [16]byte // zero: take it from partition.metadata
	Config    Config

	// RecoveryPoint is the offset below which everything was made durable.
	// LogStartOffset is the checkpointed log start; 0 means the first segment's.
	RecoveryPoint  int64
	LogStartOffset int64
	// Clean says that the log was closed in order, so no scan is needed.
	Clean bool
	// HighWatermark is the checkpointed one; it is clamped into the log.
	HighWatermark int64

	ProducerIDExpiration time.Duration // 0: 24 h
	Files                *FileCache    // nil: a cache of the log's own
	Metrics              *Metrics      // nil: not counted
}

// Metrics counts the work of all logs that share it.
type Metrics struct {
	AppendedBatches  atomic.Int64
	AppendedBytes    atomic.Int64
	ReadBytes        atomic.Int64
	Syncs            atomic.Int64
	SyncNanos        atomic.Int64
	SegmentsRolled   atomic.Int64
	SegmentsDeleted  atomic.Int64
	RecoveredBytes   atomic.Int64 // read by recovery scans
	TruncatedBytes   atomic.Int64 // torn tails cut off
	CleanedBytes     atomic.Int64 // read by compaction
	CleanedKeptBytes atomic.Int64 // written by compaction
	StorageErrors    atomic.Int64
	// ObserveSync, if set before use, gets the duration of every fsync.
	ObserveSync func(time.Duration)
}

// Origin says who writes.
type Origin int8

const (
	// Client is a producer: every check applies.
	Client Origin = iota
	// Coordinator is a broker's own coordinator: it may write control batches
	// and is not held to sequences.
	Coordinator
	// Raft is the metadata log's owner, which assigns its own leader epochs.
	Raft
)

// AppendOptions go with a batch appended by a leader.
type AppendOptions struct {
	LeaderEpoch    int32
	Origin         Origin
	RequestVersion int16 // of Produce; 0 for other origins

	// Verify says that a transactional batch which begins a transaction in this
	// partition needs the Guard that StartVerification returned.
	Verify bool
	Guard  uint64
	// MarkerVersion is the transaction protocol version that a marker was sent
	// under: from 2 on its epoch must be above that of the data it ends.
	MarkerVersion int16
}

// AppendInfo says where a batch went.
type AppendInfo struct {
	FirstOffset, LastOffset int64
	LogAppendTime           int64 // milliseconds, -1 unless the topic uses it
	LogStartOffset          int64
	Duplicate               bool // written earlier; the offsets are the original ones
	Bytes                   int
}

// Isolation bounds what a read may see.
type Isolation int8

const (
	ReadLogEnd      Isolation = iota // up to the log end, for replicas
	ReadCommittedHW                  // up to the high watermark, read_uncommitted
	ReadStable                       // up to the last stable offset, read_committed
)

// Slice is a piece of a file.
type Slice struct {
	File vfs.File
	Pos  int64
	Len  int
}

// AbortedTxn tells a read_committed consumer what to skip.
type AbortedTxn struct {
	ProducerID  int64
	FirstOffset int64
}

// ReadInfo is the answer to a read. Its slices stay valid until Release, which
// must be called exactly once, also when there are none.
type ReadInfo struct {
	Slices []Slice
	// StartOffset is the base offset of the first batch in Slices, which may
	// lie below the offset asked for; the offset asked for if there is none.
	StartOffset int64
	// FirstBatchTruncated says that there is data but its first batch is
	// larger than allowed, so nothing is returned.
	FirstBatchTruncated bool
	Bytes               int
	// Aborted is set for ReadStable only, and then never nil.
	Aborted []AbortedTxn

	HighWatermark, LastStable, LogStart int64

	pin *handle
}

// OffsetAndTime is an offset found by time.
type OffsetAndTime struct {
	Offset, Timestamp int64
	LeaderEpoch       int32
}

// ProducerInfo is what DescribeProducers tells about a producer.
type ProducerInfo struct {
	ProducerID       int64
	Epoch            int16
	LastSequence     int32 // -1 unknown
	LastTimestamp    int64
	CoordinatorEpoch int32
	TxnStartOffset   int64 // -1 none open
}

// SegmentInfo describes a segment.
type SegmentInfo struct {
	BaseOffset   int64
	NextOffset   int64
	Size         int64
	MaxTimestamp int64 // -1 unknown or none
	Active       bool
}

// CleanableInfo says how much compaction would have to do.
type CleanableInfo struct {
	FirstDirtyOffset int64
	EndOffset        int64 // compaction would read up to here
	CleanBytes       int64
	DirtyBytes       int64
	Ratio            float64
	// Due is set when a record waits longer than max.compaction.lag.ms or the
	// dirty ratio is reached.
	Due    bool
	LagDue bool
}

// CleanStats says what one compaction did.
type CleanStats struct {
	ReadBytes, KeptBytes     int64
	ReadRecords, KeptRecords int64
	SegmentsBefore           int
	SegmentsAfter            int
	FirstDirtyOffset         int64 // the new one, to be checkpointed
	Duration                 time.Duration
}
