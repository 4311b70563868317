package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// FlushCommit and FlushOS are the values of log.flush.
const (
	FlushCommit = "commit"
	FlushOS     = "os"
)

// honoured are the broker settings that change something, beside those that
// stand in for a topic's. They can be changed while the broker runs where
// Kafka's can: Live has what counts then.
var honoured = []Def{
	// Leat's own.
	{Name: "log.flush", Type: String, Default: FlushCommit, check: oneOf(FlushCommit, FlushOS),
		Doc: "When data reaches the disk. commit: before acks=all is answered and before consumers see it, one flush serving many requests. os: when flush.messages or flush.ms say so and otherwise when the operating system does, which is Kafka's way; a power cut may take acknowledged records of a lone broker."},

	// The process.
	{Name: "node.id", Type: Int, Default: "-1", check: atLeast(-1),
		Doc: "The number of this node in its cluster."},
	{Name: "broker.id", Type: Int, Default: "-1",
		Doc: "The older name of node.id."},
	{Name: "broker.rack", Type: String, Default: null,
		Doc: "Where this broker stands. Replicas are spread over racks, and consumers are sent to replicas in theirs."},
	{Name: "listeners", Type: List, Default: "PLAINTEXT://:9092", Mode: PerBroker,
		Doc: "The addresses this broker listens on: NAME://host:port, separated by commas. They cannot change while it runs."},
	{Name: "advertised.listeners", Type: List, Default: null,
		Doc: "The addresses clients are told to connect to, where they differ from listeners."},
	{Name: "listener.security.protocol.map", Type: String, Default: "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT", Mode: PerBroker,
		Doc: "Which security protocol each listener name speaks."},
	{Name: "inter.broker.listener.name", Type: String, Default: null,
		Doc: "The listener that brokers use among themselves."},
	{Name: "log.dir", Type: List, Default: "/tmp/kafka-logs",
		Doc: "The directory for data; log.dirs wins over it."},
	{Name: "log.dirs", Type: List, Default: null,
		Doc: "The directories for data, separated by commas. New partitions go where the fewest are."},
	{Name: "metadata.log.dir", Type: String, Default: null,
		Doc: "The directory for the metadata; the first of log.dirs unless set."},
	{Name: "num.replica.alter.log.dirs.threads", Type: Int, Default: null,
		Doc: "How many partitions are copied between log directories at a time; as many as there are directories unless set."},
	{Name: "replica.alter.log.dirs.io.max.bytes.per.second", Type: Long, Default: "9223372036854775807", Mode: ClusterWide, check: atLeast(0),
		Doc: "How much may be copied between log directories, in bytes per second over all of them."},

	// Connections.
	{Name: "connections.max.idle.ms", Type: Long, Default: "600000",
		Doc: "After how long without a request a connection is closed."},
	{Name: "max.connections", Type: Int, Default: "2147483647", Mode: ClusterWide, check: atLeast(0),
		Doc: "How many connections the broker accepts at a time."},
	{Name: "max.connections.per.ip", Type: Int, Default: "2147483647", Mode: ClusterWide, check: atLeast(0),
		Doc: "How many connections the broker accepts at a time from one address."},
	{Name: "max.connections.per.ip.overrides", Type: String, Default: "", Mode: ClusterWide, check: perIP,
		Doc: "Other limits than max.connections.per.ip for some addresses: host:number, separated by commas."},
	{Name: "max.connection.creation.rate", Type: Int, Default: "2147483647", Mode: ClusterWide, check: atLeast(0),
		Doc: "How many connections the broker accepts per second; what comes faster waits."},
	{Name: "quota.window.num", Type: Int, Default: "11", check: atLeast(1),
		Doc: "Over how many windows the rates of client quotas are measured."},
	{Name: "quota.window.size.seconds", Type: Int, Default: "1", check: atLeast(1),
		Doc: "The length of a window of client quotas, in seconds."},
	{Name: "controller.quota.window.num", Type: Int, Default: "11", check: atLeast(1),
		Doc: "Over how many windows changes of the metadata may be saved up under a quota."},
	{Name: "controller.quota.window.size.seconds", Type: Int, Default: "1", check: atLeast(1),
		Doc: "The length of a window of the quota on changes of the metadata, in seconds."},
	{Name: "socket.request.max.bytes", Type: Int, Default: "104857600", check: atLeast(1),
		Doc: "The largest request accepted; a larger one ends its connection."},
	{Name: "socket.send.buffer.bytes", Type: Int, Default: "102400",
		Doc: "The send buffer of a socket; -1 leaves it to the operating system."},
	{Name: "socket.receive.buffer.bytes", Type: Int, Default: "102400",
		Doc: "The receive buffer of a socket; -1 leaves it to the operating system."},
	{Name: "queued.max.request.bytes", Type: Long, Default: "-1",
		Doc: "How many bytes of requests may be in memory at a time, over all connections; -1 leaves it to the broker."},
	{Name: "telemetry.max.bytes", Type: Int, Default: "1048576", check: atLeast(1),
		Doc: "The largest push of metrics that a client may send, compressed."},
	{Name: "request.timeout.ms", Type: Int, Default: "30000",
		Doc: "How long one broker waits for another to answer."},

	// Topics.
	{Name: "auto.create.topics.enable", Type: Boolean, Default: "true",
		Doc: "Whether asking for the metadata of an unknown topic creates it, if the client agrees."},
	{Name: "delete.topic.enable", Type: Boolean, Default: "true",
		Doc: "Whether topics can be deleted."},
	{Name: "num.partitions", Type: Int, Default: "1", check: atLeast(1),
		Doc: "The number of partitions of a topic that is created without saying."},
	{Name: "default.replication.factor", Type: Int, Default: "1",
		Doc: "The replication factor of a topic that is created without saying."},
	{Name: "max.request.partition.size.limit", Type: Int, Default: "2000", check: atLeast(1),
		Doc: "How many partitions one answer to DescribeTopicPartitions may hold."},

	// The log.
	{Name: "log.retention.minutes", Type: Int, Default: null,
		Doc: "log.retention.ms in minutes, used if that is not set."},
	{Name: "log.retention.hours", Type: Int, Default: "168",
		Doc: "log.retention.ms in hours, used if neither that nor the minutes are set."},
	{Name: "log.roll.hours", Type: Int, Default: "168", check: atLeast(1),
		Doc: "log.roll.ms in hours, used if that is not set."},
	{Name: "log.roll.jitter.hours", Type: Int, Default: "0", check: atLeast(0),
		Doc: "log.roll.jitter.ms in hours, used if that is not set."},
	{Name: "log.flush.scheduler.interval.ms", Type: Long, Default: maxLong,
		Doc: "With log.flush=os: how often logs are looked through for one that is due to be flushed."},
	{Name: "log.flush.offset.checkpoint.interval.ms", Type: Int, Default: "60000", check: atLeast(0),
		Doc: "How often the recovery points are written down."},
	{Name: "log.flush.start.offset.checkpoint.interval.ms", Type: Int, Default: "60000", check: atLeast(0),
		Doc: "How often the log start offsets are written down."},
	{Name: "log.retention.check.interval.ms", Type: Long, Default: "300000", check: atLeast(1),
		Doc: "How often logs are looked through for segments past their retention."},
	{Name: "num.recovery.threads.per.data.dir", Type: Int, Default: "2", Mode: ClusterWide, check: atLeast(1),
		Doc: "How many partitions are recovered at a time at start-up. What is set while the broker runs changes nothing: it is known only after the start."},
	{Name: "replica.high.watermark.checkpoint.interval.ms", Type: Long, Default: "5000",
		Doc: "How often the high watermarks are written down."},
	{Name: "replica.lag.time.max.ms", Type: Long, Default: "30000",
		Doc: "How long a replica may be behind its leader and still count as in sync."},
	{Name: "producer.id.expiration.ms", Type: Int, Default: "86400000", Mode: ClusterWide, check: atLeast(1),
		Doc: "After how long of silence a partition forgets a producer, and with it the means to notice its duplicates."},
	{Name: "producer.id.expiration.check.interval.ms", Type: Int, Default: "600000", check: atLeast(1),
		Doc: "How often partitions look for producers to forget."},

	// Compaction.
	{Name: "log.cleaner.enable", Type: Boolean, Default: "true",
		Doc: "Whether compacted topics are compacted."},
	{Name: "log.cleaner.threads", Type: Int, Default: "1", Mode: ClusterWide, check: atLeast(0),
		Doc: "How many logs are compacted at a time."},
	{Name: "log.cleaner.dedupe.buffer.size", Type: Long, Default: "134217728", Mode: ClusterWide,
		Doc: "The memory for the map from keys to offsets, over all threads. A log with more keys is compacted in several passes."},
	{Name: "log.cleaner.io.buffer.size", Type: Int, Default: "524288", Mode: ClusterWide, check: atLeast(0),
		Doc: "The memory of each compacting thread for reading and writing."},
	{Name: "log.cleaner.io.buffer.load.factor", Type: Double, Default: "0.9", Mode: ClusterWide,
		Doc: "How full the map from keys to offsets may get."},
	{Name: "log.cleaner.backoff.ms", Type: Long, Default: "15000", Mode: ClusterWide, check: atLeast(0),
		Doc: "The wait before looking again for a log to compact when there was none."},
	{Name: "log.cleaner.io.max.bytes.per.second", Type: Double, Default: "1.7976931348623157E308", Mode: ClusterWide,
		Doc: "The most that compaction reads and writes per second, over all threads; 0 and less is no limit."},

	// Fetching.
	{Name: "fetch.max.bytes", Type: Int, Default: "57671680", check: atLeast(1024),
		Doc: "The most one answer to a fetch may hold, whatever the client allows."},
	{Name: "max.incremental.fetch.session.cache.slots", Type: Int, Default: "1000", check: atLeast(0),
		Doc: "How many incremental fetch sessions are remembered."},

	// Groups.
	{Name: "group.min.session.timeout.ms", Type: Int, Default: "6000",
		Doc: "The shortest session timeout a member of a classic group may ask for."},
	{Name: "group.max.session.timeout.ms", Type: Int, Default: "1800000",
		Doc: "The longest session timeout a member of a classic group may ask for."},
	{Name: "group.initial.rebalance.delay.ms", Type: Int, Default: "3000",
		Doc: "How long an empty classic group waits for more members before its first assignment."},
	{Name: "group.max.size", Type: Int, Default: "2147483647", check: atLeast(1),
		Doc: "How many members a classic group may have."},
	{Name: "group.coordinator.rebalance.protocols", Type: List, Default: "classic,consumer,streams", check: listOf("classic", "consumer", "share", "streams"),
		Doc: "The group protocols that are served; classic always is."},
	{Name: "group.consumer.session.timeout.ms", Type: Int, Default: "45000", check: atLeast(1),
		Doc: "How long a member of a consumer group may be silent before its partitions go to others."},
	{Name: "group.consumer.min.session.timeout.ms", Type: Int, Default: "45000", check: atLeast(1),
		Doc: "The shortest session timeout that a consumer group may be given."},
	{Name: "group.consumer.max.session.timeout.ms", Type: Int, Default: "60000", check: atLeast(1),
		Doc: "The longest session timeout that a consumer group may be given."},
	{Name: "group.consumer.heartbeat.interval.ms", Type: Int, Default: "5000", check: atLeast(1),
		Doc: "How often members of a consumer group are told to send a heartbeat."},
	{Name: "group.consumer.min.heartbeat.interval.ms", Type: Int, Default: "5000", check: atLeast(1),
		Doc: "The shortest heartbeat interval that a consumer group may be given."},
	{Name: "group.consumer.max.heartbeat.interval.ms", Type: Int, Default: "15000", check: atLeast(1),
		Doc: "The longest heartbeat interval that a consumer group may be given."},
	{Name: "group.consumer.max.size", Type: Int, Default: "2147483647", check: atLeast(1),
		Doc: "How many members a consumer group may have."},
	{Name: "group.consumer.assignors", Type: List, Default: "uniform,range", check: assignors,
		Doc: "The server-side assignors that members may ask for; the first serves those that ask for none."},
	{Name: "group.consumer.migration.policy", Type: String, Default: "bidirectional", check: oneOf("bidirectional", "upgrade", "downgrade", "disabled"),
		Doc: "Which groups with members may change their protocol: upgrade from classic to consumer, downgrade back, bidirectional both. disabled also keeps classic members out of consumer groups."},
	{Name: "group.consumer.assignment.interval.ms", Type: Int, Default: "1000", check: atLeast(0), Mode: ClusterWide,
		Doc: "The least time between two assignments of a consumer group, so that many members coming or going cause few."},
	{Name: "group.consumer.min.assignment.interval.ms", Type: Int, Default: "0", check: atLeast(0),
		Doc: "The shortest assignment interval that a consumer group may be given."},
	{Name: "group.consumer.max.assignment.interval.ms", Type: Int, Default: "15000", check: atLeast(0),
		Doc: "The longest assignment interval that a consumer group may be given."},
	{Name: "group.consumer.regex.refresh.interval.ms", Type: Int, Default: "600000", check: atLeast(10000),
		Doc: "How often the topics that regular expressions of a consumer group match are looked up again, besides when topics come."},
	{Name: "group.coordinator.append.linger.ms", Type: Int, Default: "-1", check: atLeast(-1),
		Doc: "How long the group coordinator gathers records before writing them; -1 leaves it to the coordinator."},
	{Name: "offset.metadata.max.bytes", Type: Int, Default: "4096",
		Doc: "The largest text a client may commit beside an offset."},
	{Name: "offsets.commit.timeout.ms", Type: Int, Default: "5000", check: atLeast(1),
		Doc: "How long a commit of offsets may wait for being written."},
	{Name: "offsets.load.buffer.size", Type: Int, Default: "5242880", check: atLeast(1),
		Doc: "How much of the offsets topic is read at a time when a group coordinator loads it."},
	{Name: "offsets.retention.minutes", Type: Int, Default: "10080", check: atLeast(1),
		Doc: "How long the offsets of a group without members are kept."},
	{Name: "offsets.retention.check.interval.ms", Type: Long, Default: "600000", check: atLeast(1),
		Doc: "How often the group coordinator looks for offsets past their retention."},
	{Name: "offsets.topic.num.partitions", Type: Int, Default: "50", check: atLeast(1),
		Doc: "The number of partitions of the offsets topic; it cannot be changed once the topic exists."},
	{Name: "offsets.topic.replication.factor", Type: Short, Default: "3", check: atLeast(1),
		Doc: "The replication factor of the offsets topic, or less if there are fewer brokers."},
	{Name: "offsets.topic.segment.bytes", Type: Int, Default: "104857600", check: atLeast(1),
		Doc: "The segment size of the offsets topic."},
	{Name: "offsets.topic.compression.codec", Type: Int, Default: "0", check: between(0, 4),
		Doc: "The codec of the offsets topic by its number in the protocol; 0 is none."},

	// Transactions.
	{Name: "transaction.max.timeout.ms", Type: Int, Default: "900000", check: atLeast(1),
		Doc: "The longest transaction timeout a producer may ask for."},
	{Name: "transactional.id.expiration.ms", Type: Int, Default: "604800000", check: atLeast(1),
		Doc: "After how long without a transaction a transactional id is forgotten."},
	{Name: "transaction.abort.timed.out.transaction.cleanup.interval.ms", Type: Int, Default: "10000", check: atLeast(1),
		Doc: "How often transactions that are open longer than their timeout are looked for, and aborted."},
	{Name: "transaction.remove.expired.transaction.cleanup.interval.ms", Type: Int, Default: "3600000", check: atLeast(1),
		Doc: "How often transactional ids that nobody used for long are looked for, and forgotten."},
	{Name: "transaction.partition.verification.enable", Type: Boolean, Default: "true", Mode: ClusterWide,
		Doc: "Whether a partition asks the coordinator before it takes the first batch of an older producer's transaction."},
	{Name: "transaction.two.phase.commit.enable", Type: Boolean, Default: "false",
		Doc: "Whether producers may take part in a two-phase commit. No client can ask for it at the versions served."},
	{Name: "transaction.state.log.num.partitions", Type: Int, Default: "50", check: atLeast(1),
		Doc: "The number of partitions of the transaction topic; it cannot be changed once the topic exists."},
	{Name: "transaction.state.log.replication.factor", Type: Short, Default: "3", check: atLeast(1),
		Doc: "The replication factor of the transaction topic, or less if there are fewer brokers."},
	{Name: "transaction.state.log.min.isr", Type: Int, Default: "2", check: atLeast(1),
		Doc: "The min.insync.replicas of the transaction topic."},
	{Name: "transaction.state.log.segment.bytes", Type: Int, Default: "104857600", check: atLeast(1),
		Doc: "The segment size of the transaction topic."},

	// Metadata.
	{Name: "metadata.log.max.record.bytes.between.snapshots", Type: Long, Default: "1048576", check: atLeast(1),
		Doc: "How much the metadata log grows before the metadata is written out whole and the log cut. Smaller than Kafka's 20 MiB: it bounds what a start has to read."},
}

// brokerDefs are the settings of a broker that count, by name.
var brokerDefs = index(slices.Concat(honoured, securityDefs, shareDefs, shareGroupDefs, streamsGroupDefs, fromTopics())...)

// fromTopics are the broker settings that stand in for a topic's.
func fromTopics() []Def {
	var out []Def
	for _, t := range topicDefs.defs {
		if len(t.synonyms) == 0 {
			continue
		}
		d := Def{
			Name: t.synonyms[0], Type: t.Type, Default: t.Default, Mode: ClusterWide, check: t.check,
			Doc: "For topics that do not set " + t.Name + ". " + t.Doc,
		}
		if len(t.synonyms) > 1 {
			d.Default = null // the coarser unit has the default
			d.synonyms = t.synonyms
		}
		out = append(out, d)
	}
	return out
}

// units are what one of a setting is in the unit of the topic setting it
// stands in for, where that is not 1.
var units = map[string]int64{
	"log.retention.minutes": minute,
	"log.retention.hours":   hour,
	"log.roll.hours":        hour,
	"log.roll.jitter.hours": hour,
}

// Broker returns the declaration of a broker setting, or nil. It may be one
// that is accepted but has no effect.
func Broker(name string) *Def {
	if d := brokerDefs.byName[name]; d != nil {
		return d
	}
	if d := ignoredDefs.byName[name]; d != nil {
		return d
	}
	return listenerSetting(name)
}

// perIP checks address:number pairs. Kafka also takes host names; here a limit
// must not depend on a name server.
func perIP(v value) string {
	for _, pair := range splitList(v.text) {
		at := strings.LastIndexByte(pair, ':')
		if at < 0 {
			return pair + " is not of the form address:number"
		}
		if _, err := netip.ParseAddr(strings.Trim(pair[:at], "[]")); err != nil {
			return pair[:at] + " is not an IP address"
		}
		if n, err := strconv.Atoi(pair[at+1:]); err != nil || n < 0 {
			return pair[at+1:] + " is not a number of connections"
		}
	}
	return ""
}

// assignors: those that Kafka has built in. Classes of one's own cannot run here.
func assignors(v value) string {
	if len(v.list) == 0 {
		return "Configuration 'group.consumer.assignors' must not be empty"
	}
	return listOf("uniform", "range")(v)
}
