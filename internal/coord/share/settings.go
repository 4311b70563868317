package share

import "time"

// Settings are what a shard obeys, under Kafka's names where it has them.
type Settings struct {
	// UpdatesPerSnapshot is how many updates follow a snapshot before the next
	// (share.coordinator.snapshot.update.records.per.snapshot).
	UpdatesPerSnapshot int
	// ColdInterval is the age of a snapshot from which on an idle share-partition gets
	// another (share.coordinator.cold.partition.snapshot.interval.ms).
	ColdInterval time.Duration
	// PruneInterval is how often it is looked for what can be cut off the log
	// (share.coordinator.state.topic.prune.interval.ms).
	PruneInterval time.Duration
	// MaxRecordBytes bounds the key and value of one record (max.message.bytes): a
	// write that would make a larger snapshot is refused.
	MaxRecordBytes int
}

// DefaultSettings returns Kafka's defaults.
func DefaultSettings() Settings {
	return Settings{
		UpdatesPerSnapshot: 500,
		ColdInterval:       5 * time.Minute,
		PruneInterval:      5 * time.Minute,
		MaxRecordBytes:     1<<20 - 4096,
	}
}
