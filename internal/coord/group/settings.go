package group

import "time"

// Settings are the broker settings a shard obeys, under Kafka's names.
type Settings struct {
	MinSessionTimeout     time.Duration // group.min.session.timeout.ms
	MaxSessionTimeout     time.Duration // group.max.session.timeout.ms
	InitialRebalanceDelay time.Duration // group.initial.rebalance.delay.ms
	MaxSize               int           // group.max.size

	OffsetMetadataMaxBytes int           // offset.metadata.max.bytes
	OffsetsRetention       time.Duration // offsets.retention.minutes
	RetentionCheckInterval time.Duration // offsets.retention.check.interval.ms

	Consumer ConsumerSettings
	Streams  StreamsSettings
	Share    ShareSettings

	// MaxRecordBytes bounds the key and value bytes that one event may write
	// atomically; what would exceed it is refused before the state changes,
	// since the log would refuse the batch (max.message.bytes).
	MaxRecordBytes int
}

// ConsumerSettings are those of consumer groups (group.consumer.*).
type ConsumerSettings struct {
	GroupConfig                   // where a group has no settings of its own
	MaxSize              int      // max.size
	Assignors            []string // assignors: uniform, range; the first serves who asks for none
	Migration            MigrationPolicy
	RegexRefreshInterval time.Duration // regex.refresh.interval.ms
	// ForGroup returns a group's own settings in place of GroupConfig; nil means no
	// group has any.
	ForGroup func(group string) GroupConfig
}

// ShareSettings are those of share groups (group.share.*).
type ShareSettings struct {
	GroupConfig     // where a group has no settings of its own
	MaxSize     int // max.size
	// InitializeRetry is how long an answer of the share coordinator is waited for
	// before it is asked again.
	InitializeRetry time.Duration
	// ForGroup returns a group's own settings in place of GroupConfig; nil means no
	// group has any.
	ForGroup func(group string) GroupConfig
}

func (s *Shard) shareConfig(group string) GroupConfig {
	if s.settings.Share.ForGroup == nil {
		return s.settings.Share.GroupConfig
	}
	return s.settings.Share.ForGroup(group)
}

// GroupConfig are the settings that a group may have of its own (consumer.*,
// share.*).
type GroupConfig struct {
	SessionTimeout     time.Duration // session.timeout.ms
	HeartbeatInterval  time.Duration // heartbeat.interval.ms
	AssignmentInterval time.Duration // assignment.interval.ms: between two targets
}

func (s *Shard) groupConfig(group string) GroupConfig {
	if s.settings.Consumer.ForGroup == nil {
		return s.settings.Consumer.GroupConfig
	}
	return s.settings.Consumer.ForGroup(group)
}

// StreamsSettings are those of streams groups (group.streams.*).
type StreamsSettings struct {
	StreamsConfig     // where a group has no settings of its own
	MaxSize       int // max.size
	// ForGroup returns a group's own settings in place of StreamsConfig; nil means no
	// group has any.
	ForGroup func(group string) StreamsConfig
}

// StreamsConfig are the settings that a streams group may have of its own (streams.*).
type StreamsConfig struct {
	SessionTimeout     time.Duration // session.timeout.ms
	HeartbeatInterval  time.Duration // heartbeat.interval.ms
	AssignmentInterval time.Duration // assignment.interval.ms: between two targets
	InitialDelay       time.Duration // initial.rebalance.delay.ms: from the first member to the first target
	StandbyReplicas    int           // num.standby.replicas: of each task with state
}

func (s *Shard) streamsConfig(group string) StreamsConfig {
	if s.settings.Streams.ForGroup == nil {
		return s.settings.Streams.StreamsConfig
	}
	return s.settings.Streams.ForGroup(group)
}

// DefaultSettings returns Kafka's defaults.
func DefaultSettings() Settings {
	return Settings{
		MinSessionTimeout:      6 * time.Second,
		MaxSessionTimeout:      30 * time.Minute,
		InitialRebalanceDelay:  3 * time.Second,
		MaxSize:                1<<31 - 1,
		OffsetMetadataMaxBytes: 4096,
		OffsetsRetention:       7 * 24 * time.Hour,
		RetentionCheckInterval: 10 * time.Minute,
		MaxRecordBytes:         1<<20 - 4096,
		Consumer: ConsumerSettings{
			GroupConfig: GroupConfig{
				SessionTimeout:     45 * time.Second,
				HeartbeatInterval:  5 * time.Second,
				AssignmentInterval: time.Second,
			},
			MaxSize:              1<<31 - 1,
			Assignors:            []string{"uniform", "range"},
			Migration:            MigrationBidirectional,
			RegexRefreshInterval: 10 * time.Minute,
		},
		Streams: StreamsSettings{
			StreamsConfig: StreamsConfig{
				SessionTimeout:     45 * time.Second,
				HeartbeatInterval:  5 * time.Second,
				AssignmentInterval: time.Second,
				InitialDelay:       3 * time.Second,
			},
			MaxSize: 1<<31 - 1,
		},
		Share: ShareSettings{
			GroupConfig: GroupConfig{
				SessionTimeout:     45 * time.Second,
				HeartbeatInterval:  5 * time.Second,
				AssignmentInterval: time.Second,
			},
			MaxSize:         200,
			InitializeRetry: 30 * time.Second,
		},
	}
}

// newMemberJoinTimeout bounds how long a new member waits in its first
// rebalance. It has no heartbeat yet and a client that gave up cannot be told
// from one that waits, so without a bound retries would pile up as dead members.
const newMemberJoinTimeout = 5 * time.Minute
