package streams

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams/internal/topology"
)

func appOption(set func(*config)) AppOption { return AppOption{set} }

func (c *config) wrong(option, format string, args ...any) {
	c.mistakes = append(c.mistakes, &Mistake{"option " + option, fmt.Sprintf(format, args...), "correct its argument"})
}

// Brokers are addresses, host:port, at which the cluster is found. Required by Run.
func Brokers(addrs ...string) AppOption {
	return appOption(func(c *config) {
		c.Brokers = append(c.Brokers, addrs...)
		if slices.Contains(addrs, "") {
			c.wrong("Brokers", "an address is empty; is the variable set that it comes from?")
		}
	})
}

// ClientID is how the app's clients call themselves to brokers. Default: the application id.
func ClientID(id string) AppOption { return appOption(func(c *config) { c.ClientID = id }) }

// InstanceID makes the instance a static member of its group (KIP-345, group.instance.id): when it is away for less than the
// session timeout and comes back under the same id, its tasks wait for it. Ids must differ between instances. Default: none.
func InstanceID(id string) AppOption { return appOption(func(c *config) { c.GroupInstanceID = id }) }

// SessionTimeout is how long the group waits for an instance that has gone silent before it gives its tasks away,
// session.timeout.ms. The broker bounds it by group.min.session.timeout.ms (6 s) and the max. Default 45 s.
func SessionTimeout(d time.Duration) AppOption {
	return appOption(func(c *config) {
		c.SessionTimeoutMs = d.Milliseconds()
		if d < 3*time.Millisecond {
			c.wrong("SessionTimeout", "%v is too short", d)
		}
	})
}

// ClientOptions are added to those of every franz-go client that the app makes: TLS, SASL, a dialer, a logger.
func ClientOptions(o ...kgo.Opt) AppOption {
	return appOption(func(c *config) { c.client = append(c.client, o...) })
}

// ExactlyOnce makes results, changelogs and input offsets appear together or not at all, by transactions (processing.guarantee
// exactly_once_v2, KIP-447). Commits then come every 100 ms unless CommitEvery says otherwise. Readers of results must read
// committed records only. Default: at least once.
func ExactlyOnce() AppOption { return appOption(func(c *config) { c.ExactlyOnce = true }) }

// Workers is how many tasks are processed at the same time, num.stream.threads. Default 1.
func Workers(n int) AppOption {
	return appOption(func(c *config) {
		c.Workers = n
		if n < 1 {
			c.wrong("Workers", "%d workers, at least 1 is necessary", n)
		}
	})
}

// Standbys is how many copies of each task's state other instances keep up to date, num.standby.replicas. When an instance
// dies, its tasks go to who has such a copy and run at once. Default 0: a task that moves restores its state from the
// changelogs first. There are no more copies than there are other instances.
func Standbys(n int) AppOption {
	return appOption(func(c *config) {
		c.Standbys = n
		if n < 0 {
			c.wrong("Standbys", "%d copies", n)
		}
	})
}

// CommitEvery is how often work is committed, commit.interval.ms. Caches are flushed with each commit: a table shows at
// most one update of a key downstream in that time. Default 30 s, with ExactlyOnce 100 ms, which must be less than the 10 s
// that a transaction may last.
func CommitEvery(d time.Duration) AppOption {
	return appOption(func(c *config) {
		c.CommitIntervalMs, c.commitGiven = d.Milliseconds(), true
		if d < 0 {
			c.wrong("CommitEvery", "%v is negative", d)
		}
	})
}

// CacheBytes is the size of the record caches of all stores together, statestore.cache.max.bytes. 0 turns them off.
// Default 10 MiB.
func CacheBytes(n int64) AppOption {
	return appOption(func(c *config) {
		c.CacheBytes, c.noCache = n, n == 0
		if n < 0 {
			c.wrong("CacheBytes", "%d bytes", n)
		}
	})
}

// StateDir keeps stores on disk below path/<application id>, so that a restart restores only what is missing. One process
// uses a directory at a time. Default: in memory, restored from the changelogs at each start.
func StateDir(path string) AppOption { return appOption(func(c *config) { c.StateDir = path }) }

// MaxTaskIdle is how long a task waits for an input that has nothing, while others have records, so that records of
// several inputs are taken in the order of their times, max.task.idle.ms. The default, 0, waits only while the broker has records
// of the input that did not arrive yet; a negative duration never waits.
func MaxTaskIdle(d time.Duration) AppOption {
	return appOption(func(c *config) { c.MaxTaskIdleMs = max(-1, d.Milliseconds()) })
}

// BufferRecords is how many records of one input wait to be processed when more of it is asked for,
// buffered.records.per.partition. What is fetched comes on top, 256 KiB or one record batch; where inputs are unequal, up to 6 MiB of
// one wait before fetching of it pauses, counting 128 bytes for each record beside its own. Default 1000.
func BufferRecords(n int) AppOption {
	return appOption(func(c *config) {
		c.BufferedPerInput = n
		if n < 1 {
			c.wrong("BufferRecords", "%d records, at least 1 is necessary", n)
		}
	})
}

// ReplicationFactor is that of internal topics. Default: the broker's own (-1).
func ReplicationFactor(n int) AppOption {
	return appOption(func(c *config) {
		c.ReplicationFactor = int16(min(n, 1<<15-1)) //nolint:gosec // bounded
		if n < -1 || n == 0 {
			c.wrong("ReplicationFactor", "%d replicas", n)
		}
	})
}

// PurgeEvery is how often records that were processed are deleted from repartition topics, repartition.purge.interval.ms.
// Default 30 s.
func PurgeEvery(d time.Duration) AppOption {
	return appOption(func(c *config) {
		c.RepartitionPurgeMs = d.Milliseconds()
		if d < time.Millisecond {
			c.wrong("PurgeEvery", "%v is too short", d)
		}
	})
}

// TopicConfig sets configs of all internal topics, by Kafka's names (topic.*). A store's own ChangelogConfig goes over it.
func TopicConfig(kv map[string]string) AppOption {
	return appOption(func(c *config) { c.TopicConfig = kv })
}

// Logger takes what the app logs. Nothing is logged per record but what handlers skip. Default: nothing is logged.
func Logger(l *slog.Logger) AppOption {
	return appOption(func(c *config) {
		c.log = l
		if l == nil {
			c.log = slog.New(slog.DiscardHandler)
		}
	})
}

// Metrics registers the app's metrics, which begin with leat_streams_ and carry the label application. Default: not shown.
func Metrics(r prometheus.Registerer) AppOption { return appOption(func(c *config) { c.metrics = r }) }

// NodeMetrics counts the records that every step of the topology takes, and times one of 64 (Kafka Streams: the recording level
// DEBUG). It costs some nanoseconds for each record and step. Default: sources, sinks and stores only.
func NodeMetrics() AppOption { return appOption(func(c *config) { c.nodeMetrics = true }) }

// Optimize turns on topology.optimization: source topics serve as changelogs of their tables, repartitions under one
// key-changing step are merged, a stream joined with itself needs one store.
func Optimize() AppOption { return appOption(func(c *config) { c.optimize = true }) }

// GeneratedNames allows Kafka's numbered names for stores and repartition topics, so that a program moved from Kafka
// Streams finds its topics. A change of the program may rename them, and lose what they hold.
func GeneratedNames() AppOption { return appOption(func(c *config) { c.generatedNames = true }) }

// DeadLetters names a topic that gets the source record of every error, whatever the handler decides (KIP-1034). Until a result
// is written its source record is kept in memory. With exactly-once a dead letter of an error that stops the task is taken back.
func DeadLetters(topic string) AppOption {
	return appOption(func(c *config) {
		c.deadLetters = topic
		if err := topology.CheckName(topic); err != nil {
			c.wrong("DeadLetters", "%v", err)
		}
	})
}

// OnProcessingError decides on errors and panics of the program's functions. Default: Fail.
func OnProcessingError(f func(Failure) Decision) AppOption {
	return appOption(func(c *config) { c.onProcessing = f })
}

// OnDecodeError decides on records that a serde cannot read. Errors that wrap [ErrUnavailable] never come here. Default: Fail.
func OnDecodeError(f func(Failure) Decision) AppOption {
	return appOption(func(c *config) { c.onDecode = f })
}

// OnProduceError decides on results that cannot be written: by a serde, or because the cluster does not take them. For the
// latter, too, Failure is about the source record; its error names the topic, and the task has gone on by then. A record
// may be as large as its topic's max.message.bytes says, before compression. Retry takes tasks up again from the last commit,
// where the error is one that passes. Changes of stores cannot be skipped: there is no source record. Default: Fail.
func OnProduceError(f func(Failure) Decision) AppOption {
	return appOption(func(c *config) { c.onProduce = f })
}

// OnCrash decides what follows when a worker fails. Default: StopClient.
func OnCrash(f func(error) CrashPolicy) AppOption {
	return appOption(func(c *config) { c.onCrash = f })
}

// Around wraps every call of a processor, for tracing or policy: f calls next, which processes the record at that node
// and all nodes behind it, and returns its error or one of its own.
func Around(f func(c Ctx, node string, next func() error) error) AppOption {
	return appOption(func(c *config) { c.around = f })
}
