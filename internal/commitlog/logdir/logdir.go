// Package logdir keeps the partitions of one log directory, in the layout of
// Apache Kafka's log.dirs: the lock, meta.properties, the checkpoint files and
// one directory per partition. It opens all partitions in parallel, isolates
// those that fail, runs retention, compaction, checkpoints and deletion in the
// background, and brings partitions back after storage errors.
package logdir

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
)

var errStub = errors.New("logdir: being written")

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Options say which directory to open and how.
type Options struct {
	FS        vfs.FS
	Clock     clock.Clock
	Logger    *slog.Logger
	Path      string
	NodeID    int32
	ClusterID string // empty: take the one in meta.properties, which must exist
	Settings  Settings

	// ConfigFor gives the settings of a partition found on disk.
	ConfigFor func(topic string, partition int32) commitlog.Config
	// OnStateChange, if set, is told when a partition goes offline (err is the
	// *commitlog.StorageError) and when it is back (nil). It is called from a
	// background goroutine, never with a lock held.
	OnStateChange func(tp TopicPartition, err error)

	Files   *commitlog.FileCache // nil: one of 1,000 files
	Metrics *commitlog.Metrics
}

// Settings are the broker's settings that concern a log directory.
type Settings struct {
	RecoveryThreads           int           // num.recovery.threads.per.data.dir, 2
	RetentionCheckInterval    time.Duration // log.retention.check.interval.ms, 5 min
	RecoveryPointInterval     time.Duration // log.flush.offset.checkpoint.interval.ms, 60 s
	LogStartInterval          time.Duration // log.flush.start.offset.checkpoint.interval.ms, 60 s
	HighWatermarkInterval     time.Duration // replica.high.watermark.checkpoint.interval.ms, 5 s
	FlushSchedulerInterval    time.Duration // log.flush.scheduler.interval.ms; 0: never (log.flush=commit)
	ProducerIDExpiration      time.Duration // producer.id.expiration.ms, 24 h
	ProducerIDExpirationCheck time.Duration // producer.id.expiration.check.interval.ms, 10 min
	CleanerEnabled            bool
	CleanerThreads            int           // log.cleaner.threads, 1
	CleanerDedupeBytes        int64         // log.cleaner.dedupe.buffer.size, 128 MiB over all threads
	CleanerIOBytes            int           // log.cleaner.io.buffer.size, 512 KiB
	CleanerLoadFactor         float64       // log.cleaner.io.buffer.load.factor, 0.9
	CleanerBackoff            time.Duration // log.cleaner.backoff.ms, 15 s
	ReopenBackoff             time.Duration // first wait before an offline partition is tried again, 1 s
	MinFreeBytes              int64         // free space needed before a full disk is tried again, 1 MiB
}

// DefaultSettings returns Kafka's defaults.
func DefaultSettings() Settings {
	return Settings{
		RecoveryThreads:           2,
		RetentionCheckInterval:    5 * time.Minute,
		RecoveryPointInterval:     time.Minute,
		LogStartInterval:          time.Minute,
		HighWatermarkInterval:     5 * time.Second,
		ProducerIDExpiration:      24 * time.Hour,
		ProducerIDExpirationCheck: 10 * time.Minute,
		CleanerEnabled:            true,
		CleanerThreads:            1,
		CleanerDedupeBytes:        128 << 20,
		CleanerIOBytes:            512 << 10,
		CleanerLoadFactor:         0.9,
		CleanerBackoff:            15 * time.Second,
		ReopenBackoff:             time.Second,
		MinFreeBytes:              1 << 20,
	}
}

// Dir is an open log directory.
type Dir struct{}

// Open locks the directory and opens every partition in it.
func Open(o Options) (*Dir, error) { return nil, errStub }

// DirectoryID is directory.id of meta.properties.
func (d *Dir) DirectoryID() [16]byte { return [16]byte{} }

// ClusterID is cluster.id of meta.properties.
func (d *Dir) ClusterID() string { return "" }
func (d *Dir) Path() string      { return "" }

// WasClean says whether the directory was closed in order the last time.
func (d *Dir) WasClean() bool { return false }

// Get returns an open partition or nil.
func (d *Dir) Get(tp TopicPartition) *commitlog.Log { return nil }

// Logs returns the open partitions.
func (d *Dir) Logs() map[TopicPartition]*commitlog.Log { return nil }

// Broken returns the partitions that could not be opened, with the reason.
func (d *Dir) Broken() map[TopicPartition]error { return nil }

// Create makes a partition, or returns the one that exists with the same id.
func (d *Dir) Create(topic string, id [16]byte, partition int32, cfg commitlog.Config) (*commitlog.Log, error) {
	return nil, errStub
}

// Delete renames the partition's directory to -delete and removes it later.
func (d *Dir) Delete(tp TopicPartition) error { return errStub }

// MarkStray renames the directory of a partition that the metadata does not
// assign here to -stray; it is kept.
func (d *Dir) MarkStray(tp TopicPartition) error { return errStub }

// Start runs the background work until ctx ends or Close.
func (d *Dir) Start(ctx context.Context) {}

// Close flushes all partitions, writes the checkpoints and the clean-shutdown file.
func (d *Dir) Close() error { return nil }

// SetBrokerEpoch is written to the clean-shutdown file by Close.
func (d *Dir) SetBrokerEpoch(epoch int64) {}
