package txn

import "time"

// Settings are the broker settings a shard obeys, under Kafka's names.
type Settings struct {
	MaxTimeout           time.Duration // transaction.max.timeout.ms
	Expiration           time.Duration // transactional.id.expiration.ms
	AbortCheckInterval   time.Duration // transaction.abort.timed.out.transaction.cleanup.interval.ms
	ExpiredCheckInterval time.Duration // transaction.remove.expired.transaction.cleanup.interval.ms

	// Version is the finalised level of transaction.version.
	Version int16

	// MarkerRetry is the pause before markers are sent again to partitions that
	// could not take them; it grows while they cannot.
	MarkerRetry time.Duration
	// MaxRecordBytes bounds the key and value bytes of one record; a transaction
	// does not take partitions beyond it (max.message.bytes).
	MaxRecordBytes int
}

// DefaultSettings returns Kafka's defaults.
func DefaultSettings() Settings {
	return Settings{
		MaxTimeout:           15 * time.Minute,
		Expiration:           7 * 24 * time.Hour,
		AbortCheckInterval:   10 * time.Second,
		ExpiredCheckInterval: time.Hour,
		Version:              2,
		MarkerRetry:          100 * time.Millisecond,
		MaxRecordBytes:       1<<20 - 4096,
	}
}
