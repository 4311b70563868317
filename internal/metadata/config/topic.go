package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const (
	maxLong = "9223372036854775807"
	hour    = 3_600_000
	minute  = 60_000
)

// topicDefs are the settings of a topic, by name.
var topicDefs = index(
	Def{Name: "cleanup.policy", Type: List, Default: "delete", check: listOf("compact", "delete"), synonyms: []string{"log.cleanup.policy"},
		Doc: "What happens to old data: delete drops whole segments past their retention, compact keeps the newest record of every key. Both may be given; an empty list keeps everything."},
	Def{Name: "compression.gzip.level", Type: Int, Default: "-1", check: gzipLevel, synonyms: []string{"compression.gzip.level"},
		Doc: "The gzip level used when the broker compresses, 1 to 9, or -1 for the library's choice."},
	Def{Name: "compression.lz4.level", Type: Int, Default: "9", check: between(1, 17), synonyms: []string{"compression.lz4.level"},
		Doc: "The lz4 level used when the broker compresses, 1 to 17."},
	Def{Name: "compression.type", Type: String, Default: "producer", check: oneOf("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"), synonyms: []string{"compression.type"},
		Doc: "The codec batches are stored with. producer keeps what the producer chose and costs the broker nothing; anything else makes it recompress batches of other codecs."},
	Def{Name: "compression.zstd.level", Type: Int, Default: "3", check: between(-131072, 22), synonyms: []string{"compression.zstd.level"},
		Doc: "The zstd level used when the broker compresses, -131072 to 22."},
	Def{Name: "delete.retention.ms", Type: Long, Default: "86400000", check: atLeast(0), synonyms: []string{"log.cleaner.delete.retention.ms"},
		Doc: "How long compaction keeps tombstones and transaction markers, so that a reader starting at the beginning within this time still learns of the deletion."},
	Def{Name: "file.delete.delay.ms", Type: Long, Default: "60000", check: atLeast(0), synonyms: []string{"log.segment.delete.delay.ms"},
		Doc: "The wait between taking a segment out of the log and deleting its files."},
	Def{Name: "flush.messages", Type: Long, Default: maxLong, check: atLeast(1), synonyms: []string{"log.flush.interval.messages"},
		Doc: "With log.flush=os: after how many records a log is flushed to disk. With log.flush=commit every acknowledged record has been flushed and this has no effect."},
	Def{Name: "flush.ms", Type: Long, Default: maxLong, check: atLeast(0), synonyms: []string{"log.flush.interval.ms", "log.flush.scheduler.interval.ms"},
		Doc: "With log.flush=os: after how long a log is flushed to disk. With log.flush=commit every acknowledged record has been flushed and this has no effect."},
	Def{Name: "follower.replication.throttled.replicas", Type: List, Default: "", check: throttled("follower.replication.throttled.replicas"),
		Doc: "Replicas whose catching up is slowed down on the follower's side: partition:broker pairs, or * for all."},
	Def{Name: "index.interval.bytes", Type: Int, Default: "4096", check: atLeast(0), synonyms: []string{"log.index.interval.bytes"},
		Doc: "How many bytes of log lie between two index entries."},
	Def{Name: "leader.replication.throttled.replicas", Type: List, Default: "", check: throttled("leader.replication.throttled.replicas"),
		Doc: "Replicas whose catching up is slowed down on the leader's side: partition:broker pairs, or * for all."},
	Def{Name: "local.retention.bytes", Type: Long, Default: "-2", check: atLeast(-2), synonyms: []string{"log.local.retention.bytes"},
		Doc: "The part of retention.bytes kept on local disk when older segments are stored remotely; -2 means all of it. Without remote storage it has no effect."},
	Def{Name: "local.retention.ms", Type: Long, Default: "-2", check: atLeast(-2), synonyms: []string{"log.local.retention.ms"},
		Doc: "The part of retention.ms kept on local disk when older segments are stored remotely; -2 means all of it. Without remote storage it has no effect."},
	Def{Name: "max.compaction.lag.ms", Type: Long, Default: maxLong, check: atLeast(1), synonyms: []string{"log.cleaner.max.compaction.lag.ms"},
		Doc: "The longest a record of a compacted topic may wait before compaction may take it."},
	Def{Name: "max.message.bytes", Type: Int, Default: "1048588", check: atLeast(0), synonyms: []string{"message.max.bytes"},
		Doc: "The largest record batch accepted, after compression and with its header."},
	Def{Name: "message.timestamp.after.max.ms", Type: Long, Default: "3600000", check: atLeast(0), synonyms: []string{"log.message.timestamp.after.max.ms"},
		Doc: "How far a record's timestamp may lie ahead of the broker's clock. Not checked with LogAppendTime."},
	Def{Name: "message.timestamp.before.max.ms", Type: Long, Default: maxLong, check: atLeast(0), synonyms: []string{"log.message.timestamp.before.max.ms"},
		Doc: "How far a record's timestamp may lie behind the broker's clock. Not checked with LogAppendTime."},
	Def{Name: "message.timestamp.type", Type: String, Default: "CreateTime", check: oneOf("CreateTime", "LogAppendTime"), synonyms: []string{"log.message.timestamp.type"},
		Doc: "Whether a record carries the producer's time or the time it was appended."},
	Def{Name: "min.cleanable.dirty.ratio", Type: Double, Default: "0.5", check: ratio, synonyms: []string{"log.cleaner.min.cleanable.ratio"},
		Doc: "The share of a compacted log that must be new before it is compacted again."},
	Def{Name: "min.compaction.lag.ms", Type: Long, Default: "0", check: atLeast(0), synonyms: []string{"log.cleaner.min.compaction.lag.ms"},
		Doc: "How long a record of a compacted topic is safe from compaction."},
	Def{Name: "min.insync.replicas", Type: Int, Default: "1", check: atLeast(1), synonyms: []string{"min.insync.replicas"},
		Doc: "How many replicas must be in sync for a write with acks=all to be accepted; the replication factor bounds it."},
	Def{Name: "preallocate", Type: Boolean, Default: "false", synonyms: []string{"log.preallocate"},
		Doc: "Whether the disk blocks of a whole segment are reserved when it is started, where the file system can do that."},
	Def{Name: "remote.log.copy.disable", Type: Boolean, Default: "false",
		Doc: "Whether copying to remote storage is stopped. Without remote storage it has no effect."},
	Def{Name: "remote.log.delete.on.disable", Type: Boolean, Default: "false",
		Doc: "Whether remote data goes away when remote storage is switched off. Without remote storage it has no effect."},
	Def{Name: "remote.storage.enable", Type: Boolean, Default: "false",
		Doc: "Whether older segments are stored remotely, which this version does not do: true is refused."},
	Def{Name: "retention.bytes", Type: Long, Default: "-1", synonyms: []string{"log.retention.bytes"},
		Doc: "The size a partition may reach before its oldest segments are deleted; -1 is no limit. For the delete policy."},
	Def{Name: "retention.ms", Type: Long, Default: "604800000", check: atLeast(-1), synonyms: []string{"log.retention.ms", "log.retention.minutes", "log.retention.hours"},
		Doc: "How long records are kept before their segment is deleted; -1 is no limit. For the delete policy."},
	Def{Name: "segment.bytes", Type: Int, Default: "1073741824", check: atLeast(1 << 20), synonyms: []string{"log.segment.bytes"},
		Doc: "The size of a segment file. Retention and compaction work on whole segments that are no longer written to."},
	Def{Name: "segment.index.bytes", Type: Int, Default: "10485760", check: atLeast(4), synonyms: []string{"log.index.size.max.bytes"},
		Doc: "The size of an index file; a full index begins a new segment."},
	Def{Name: "segment.jitter.ms", Type: Long, Default: "0", check: atLeast(0), synonyms: []string{"log.roll.jitter.ms", "log.roll.jitter.hours"},
		Doc: "Up to how much earlier than segment.ms a segment is closed, at random, so that not all are at once."},
	Def{Name: "segment.ms", Type: Long, Default: "604800000", check: atLeast(1), synonyms: []string{"log.roll.ms", "log.roll.hours"},
		Doc: "After how long a segment is closed even if it is not full, so that retention and compaction get to it."},
	Def{Name: "unclean.leader.election.enable", Type: Boolean, Default: "false", synonyms: []string{"unclean.leader.election.enable"},
		Doc: "Whether a replica that is not in sync may become the leader when no other is left, at the price of losing records."},
)

// hiddenTopicDefs are for tests: they can be set, and are shown only then.
var hiddenTopicDefs = index(
	Def{Name: "internal.segment.bytes", Type: Int, Default: null, check: atLeast(1),
		Doc: "A segment size below what segment.bytes allows, for tests."},
)

var throttledReplicas = regexp.MustCompile(`^[0-9]+:[0-9]+$`)

func throttled(name string) func(value) string {
	return func(v value) string {
		if slices.Equal(v.list, []string{"*"}) {
			return ""
		}
		for _, e := range v.list {
			if !throttledReplicas.MatchString(e) {
				return name + " must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."
			}
		}
		return ""
	}
}

// Topic returns the declaration of a topic setting, or nil.
func Topic(name string) *Def {
	if d := topicDefs.byName[name]; d != nil {
		return d
	}
	return hiddenTopicDefs.byName[name]
}

// CheckTopic says what is wrong with the settings of a topic, in the words
// Kafka's clients know, or returns nil.
func CheckTopic(overrides map[string]string, dynamic Dynamic, static *Static) error {
	for _, name := range sortedKeys(overrides) {
		d := Topic(name)
		if d == nil {
			return fmt.Errorf("Unknown topic config name: %s", name) //nolint:staticcheck // Kafka's own sentence
		}
		if _, err := d.parse(overrides[name]); err != nil {
			return err
		}
	}
	r := resolver{overrides, dynamic, static}
	if low, high := r.num("min.compaction.lag.ms"), r.num("max.compaction.lag.ms"); low > high {
		return fmt.Errorf("conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)", low, high)
	}
	if r.value("remote.storage.enable").truth {
		return fmt.Errorf("Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.") //nolint:staticcheck // Kafka's own sentence
	}
	return nil
}

// table is a set of declarations.
type table struct {
	defs   []Def // sorted by name
	byName map[string]*Def
}

func index(defs ...Def) table {
	slices.SortFunc(defs, func(a, b Def) int { return strings.Compare(a.Name, b.Name) })
	t := table{defs: defs, byName: make(map[string]*Def, len(defs))}
	for i := range defs {
		d := &defs[i]
		t.byName[d.Name] = d
		if d.Default != null {
			var err error
			if d.standard, err = d.parse(d.Default); err != nil {
				panic("config: " + err.Error()) // a declaration that refuses its own default
			}
		}
	}
	return t
}
