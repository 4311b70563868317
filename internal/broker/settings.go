package broker

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"leat.dev/internal/broker/quota"
	"leat.dev/internal/broker/replica"
	"leat.dev/internal/broker/transport"
	"leat.dev/internal/commitlog/logdir"
	"leat.dev/internal/coord/group"
	"leat.dev/internal/metadata"
	"leat.dev/internal/metadata/config"
)

// dynamicSettings are the broker settings kept in the metadata.
func (b *Broker) dynamicSettings(img *metadata.Image) config.Dynamic {
	if img == nil {
		return config.Dynamic{}
	}
	return config.Dynamic{
		Cluster: img.Configs(metadata.BrokerResource, ""),
		Broker:  img.Configs(metadata.BrokerResource, b.brokerResource()),
	}
}

// topicSettings works out what a topic's partitions need to know. Without an image the broker's own settings apply.
func (b *Broker) topicSettings(img *metadata.Image, topic string) replica.Settings {
	var own map[string]string
	if img != nil {
		own = img.Configs(metadata.TopicResource, topic)
	}
	dynamic := b.dynamicSettings(img)
	return replica.Settings{
		Log:       config.Resolve(own, dynamic, b.cfg),
		MinInSync: config.MinInsyncReplicas(own, dynamic, b.cfg),
	}
}

// groupSettings are those of the group coordinator. Most are static, as in Kafka.
func (b *Broker) groupSettings() group.Settings {
	s := group.DefaultSettings()
	c := b.cfg
	s.MinSessionTimeout = c.Millis("group.min.session.timeout.ms")
	s.MaxSessionTimeout = c.Millis("group.max.session.timeout.ms")
	s.InitialRebalanceDelay = c.Millis("group.initial.rebalance.delay.ms")
	s.MaxSize = c.Int("group.max.size")
	s.OffsetMetadataMaxBytes = c.Int("offset.metadata.max.bytes")
	s.OffsetsRetention = time.Duration(c.Int("offsets.retention.minutes")) * time.Minute
	s.RetentionCheckInterval = c.Millis("offsets.retention.check.interval.ms")
	s.Consumer.MaxSize = c.Int("group.consumer.max.size")
	s.Consumer.Assignors = c.List("group.consumer.assignors")
	s.Consumer.Migration = group.MigrationPolicy(c.String("group.consumer.migration.policy"))
	s.Consumer.RegexRefreshInterval = c.Millis("group.consumer.regex.refresh.interval.ms")
	s.Consumer.GroupConfig = b.groupConfig("")
	s.Consumer.ForGroup = b.groupConfig
	b.shareGroupSettings(&s.Share)
	s.Streams.MaxSize = c.Int("group.streams.max.size")
	s.Streams.StreamsConfig = b.streamsConfig("")
	s.Streams.ForGroup = b.streamsConfig
	return s
}

// groupConfig are the settings that a consumer group may have of its own.
func (b *Broker) groupConfig(id string) group.GroupConfig { return b.groupConfigOf("consumer", id) }

// groupConfigOf are those of a group of a kind. They are read from the metadata each time.
func (b *Broker) groupConfigOf(kind, id string) group.GroupConfig {
	img := b.meta.Image()
	own, dynamic := img.Configs(metadata.GroupResource, id), b.dynamicSettings(img)
	ms := func(name string) time.Duration {
		return time.Duration(config.ClampedGroupValue(kind+"."+name, own, dynamic, b.cfg)) * time.Millisecond
	}
	return group.GroupConfig{
		SessionTimeout:     ms("session.timeout.ms"),
		HeartbeatInterval:  ms("heartbeat.interval.ms"),
		AssignmentInterval: ms("assignment.interval.ms"),
	}
}

// streamsConfig are the settings that a streams group may have of its own.
func (b *Broker) streamsConfig(id string) group.StreamsConfig {
	img := b.meta.Image()
	own, dynamic := img.Configs(metadata.GroupResource, id), b.dynamicSettings(img)
	number := func(name string) int64 { return config.ClampedGroupValue("streams."+name, own, dynamic, b.cfg) }
	ms := func(name string) time.Duration { return time.Duration(number(name)) * time.Millisecond }
	return group.StreamsConfig{
		SessionTimeout:     ms("session.timeout.ms"),
		HeartbeatInterval:  ms("heartbeat.interval.ms"),
		AssignmentInterval: ms("assignment.interval.ms"),
		InitialDelay:       ms("initial.rebalance.delay.ms"),
		StandbyReplicas:    int(number("num.standby.replicas")),
	}
}

// logSettings are those of the log directory.
func logSettings(c config.Live) logdir.Settings {
	s := logdir.DefaultSettings()
	s.RecoveryThreads = c.Int("num.recovery.threads.per.data.dir")
	s.RetentionCheckInterval = c.Millis("log.retention.check.interval.ms")
	s.RecoveryPointInterval = c.Millis("log.flush.offset.checkpoint.interval.ms")
	s.LogStartInterval = c.Millis("log.flush.start.offset.checkpoint.interval.ms")
	s.HighWatermarkInterval = c.Millis("replica.high.watermark.checkpoint.interval.ms")
	s.ProducerIDExpiration = c.Millis("producer.id.expiration.ms")
	s.ProducerIDExpirationCheck = c.Millis("producer.id.expiration.check.interval.ms")
	s.CleanerEnabled = c.Bool("log.cleaner.enable")
	s.CleanerThreads = c.Int("log.cleaner.threads")
	s.CleanerDedupeBytes = c.Int64("log.cleaner.dedupe.buffer.size")
	s.CleanerIOBytes = c.Int("log.cleaner.io.buffer.size")
	s.CleanerLoadFactor = c.Float("log.cleaner.io.buffer.load.factor")
	s.CleanerBackoff = c.Millis("log.cleaner.backoff.ms")
	if rate := c.Float("log.cleaner.io.max.bytes.per.second"); rate < math.MaxFloat64 {
		s.CleanerIORate = rate
	}
	if rate := c.Int64("replica.alter.log.dirs.io.max.bytes.per.second"); rate < math.MaxInt64 {
		s.MoveIORate = float64(max(rate, 1)) // 0 is no limit there
	}
	s.MoveThreads = c.Int("num.replica.alter.log.dirs.threads")
	if c.String("log.flush") == "os" {
		s.FlushSchedulerInterval = c.Millis("log.flush.scheduler.interval.ms")
	}
	return s
}

// transportOptions are those of the sockets.
func (b *Broker) transportOptions() transport.Options {
	c := b.cfg
	o := transport.Options{
		Clock: b.clock, Logger: b.loggers.Logger(logTransport), Handler: b,
		MaxRequestBytes:    c.Int("socket.request.max.bytes"),
		IdleTimeout:        c.Millis("connections.max.idle.ms"),
		Limits:             b.connectionLimits(b.live(nil)),
		QuotaWindow:        b.quotaWindow("quota.window"),
		MaxUnauthenticated: c.Int("max.connections.unauthenticated"),
		AuthTimeout:        c.Millis("authentication.timeout.ms"),
		MaxRestrictedBytes: c.Int("sasl.server.max.receive.size"),
	}
	// -1 means no bound in Kafka; here requests always have one.
	if n := c.Int64("queued.max.request.bytes"); n > 0 {
		o.RequestMemory = n
	}
	// Kafka's default of 100 KiB for both would only take away from what Linux does by itself.
	if v, ok := c.Lookup("socket.send.buffer.bytes"); ok {
		o.SendBuffer, _ = strconv.Atoi(v)
	}
	if v, ok := c.Lookup("socket.receive.buffer.bytes"); ok {
		o.ReceiveBuffer, _ = strconv.Atoi(v)
	}
	return o
}

// quotaWindow reads the settings of a window of quotas: prefix is "quota.window" or "controller.quota.window".
func (b *Broker) quotaWindow(prefix string) quota.Window {
	return quota.Window{Samples: b.cfg.Int(prefix + ".num"), Size: time.Duration(b.cfg.Int(prefix+".size.seconds")) * time.Second}
}

// unlimited makes 0, which means no limit to the transport, of Kafka's largest number.
func unlimited(n int64) int {
	if n >= 1<<31-1 {
		return 0
	}
	return int(n)
}

// perIP reads "address:limit" pairs. Names instead of addresses are left out: they were refused with the settings.
func perIP(list []string) map[netip.Addr]int {
	if len(list) == 0 {
		return nil
	}
	out := map[netip.Addr]int{}
	for _, item := range list {
		i := strings.LastIndexByte(item, ':')
		if i < 0 {
			continue
		}
		addr, err := netip.ParseAddr(strings.Trim(strings.TrimSpace(item[:i]), "[]"))
		n, err2 := strconv.Atoi(strings.TrimSpace(item[i+1:]))
		if err == nil && err2 == nil {
			out[addr.Unmap()] = n
		}
	}
	return out
}
