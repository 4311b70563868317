package commitlog

import (
	"math"
	"time"
)

// Forever is the duration that stands for "no limit" in a Config.
const Forever = time.Duration(math.MaxInt64)

// Millis converts a setting in milliseconds; what does not fit is Forever.
func Millis(ms int64) time.Duration {
	if ms > math.MaxInt64/int64(time.Millisecond) {
		return Forever
	}
	if ms < math.MinInt64/int64(time.Millisecond) {
		return -Forever
	}
	return time.Duration(ms) * time.Millisecond
}

// Compression is a topic's compression.type.
type Compression int8

// CompressionProducer stores batches as the producer compressed them. Every
// other value is the protocol's number of the codec batches are stored with.
const (
	CompressionProducer Compression = iota - 1
	CompressionNone
	CompressionGzip
	CompressionSnappy
	CompressionLZ4
	CompressionZstd
)

// Config is what a log needs of its topic's settings; the names of Kafka's
// settings stand in the comments. Limits of Forever mean "none".
type Config struct {
	SegmentBytes  int32         // segment.bytes
	SegmentAge    time.Duration // segment.ms
	SegmentJitter time.Duration // segment.jitter.ms
	IndexBytes    int32         // segment.index.bytes
	IndexInterval int32         // index.interval.bytes
	Preallocate   bool          // preallocate

	Delete          bool          // cleanup.policy has delete
	Compact         bool          // cleanup.policy has compact
	RetentionAge    time.Duration // retention.ms; negative: unlimited
	RetentionBytes  int64         // retention.bytes; negative: unlimited
	FileDeleteDelay time.Duration // file.delete.delay.ms

	MinCompactionLag       time.Duration // min.compaction.lag.ms
	MaxCompactionLag       time.Duration // max.compaction.lag.ms
	MinCleanableDirtyRatio float64       // min.cleanable.dirty.ratio
	DeleteRetention        time.Duration // delete.retention.ms

	MaxMessageBytes    int32         // max.message.bytes
	LogAppendTime      bool          // message.timestamp.type
	TimestampBeforeMax time.Duration // message.timestamp.before.max.ms
	TimestampAfterMax  time.Duration // message.timestamp.after.max.ms

	Compression Compression // compression.type
	GzipLevel   int         // compression.gzip.level, -1: the library's default
	LZ4Level    int         // compression.lz4.level
	ZstdLevel   int         // compression.zstd.level

	FlushMessages int64         // flush.messages, with log.flush=os
	FlushInterval time.Duration // flush.ms, with log.flush=os
}

// DefaultConfig returns Kafka's defaults.
func DefaultConfig() Config {
	return Config{
		SegmentBytes:           1 << 30,
		SegmentAge:             7 * 24 * time.Hour,
		IndexBytes:             10 << 20,
		IndexInterval:          4096,
		Delete:                 true,
		RetentionAge:           7 * 24 * time.Hour,
		RetentionBytes:         -1,
		FileDeleteDelay:        time.Minute,
		MaxCompactionLag:       Forever,
		MinCleanableDirtyRatio: 0.5,
		DeleteRetention:        24 * time.Hour,
		MaxMessageBytes:        1048588,
		TimestampBeforeMax:     Forever,
		TimestampAfterMax:      time.Hour,
		Compression:            CompressionProducer,
		GzipLevel:              -1,
		LZ4Level:               9,
		ZstdLevel:              3,
		FlushMessages:          math.MaxInt64,
		FlushInterval:          Forever,
	}
}
