package logdir

import (
	"time"
)

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
	CleanerIORate             float64       // log.cleaner.io.max.bytes.per.second, read and written, over all threads; 0: no limit
	MoveThreads               int           // num.replica.alter.log.dirs.threads, one for each directory
	MoveIORate                float64       // replica.alter.log.dirs.io.max.bytes.per.second, over all threads; 0: no limit
	ReopenBackoff             time.Duration // how often an offline partition is tried again, 1 s
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

// share are the settings of one of n directories, which each have cleaner threads of their own: they share memory and rate.
func (s Settings) share(n int) Settings {
	s = s.withDefaults()
	s.CleanerDedupeBytes /= int64(n)
	s.CleanerIORate /= float64(n)
	return s
}

// withDefaults fills in what is not set.
func (s Settings) withDefaults() Settings {
	d := DefaultSettings()
	for _, p := range []struct{ v, d *time.Duration }{
		{&s.RetentionCheckInterval, &d.RetentionCheckInterval},
		{&s.RecoveryPointInterval, &d.RecoveryPointInterval},
		{&s.LogStartInterval, &d.LogStartInterval},
		{&s.HighWatermarkInterval, &d.HighWatermarkInterval},
		{&s.ProducerIDExpiration, &d.ProducerIDExpiration},
		{&s.ProducerIDExpirationCheck, &d.ProducerIDExpirationCheck},
		{&s.CleanerBackoff, &d.CleanerBackoff},
		{&s.ReopenBackoff, &d.ReopenBackoff},
	} {
		if *p.v <= 0 {
			*p.v = *p.d
		}
	}
	s.RecoveryThreads = max(s.RecoveryThreads, 1)
	s.CleanerThreads = max(s.CleanerThreads, 1)
	if s.CleanerDedupeBytes <= 0 {
		s.CleanerDedupeBytes = d.CleanerDedupeBytes
	}
	if s.CleanerIOBytes <= 0 {
		s.CleanerIOBytes = d.CleanerIOBytes
	}
	if s.CleanerLoadFactor <= 0 || s.CleanerLoadFactor > 1 {
		s.CleanerLoadFactor = d.CleanerLoadFactor
	}
	return s
}
