package config

import (
	"leat.dev/internal/commitlog"
)

// Dynamic is the settings kept in the metadata: for all brokers and for one.
type Dynamic struct {
	Cluster map[string]string // of the broker resource ""
	Broker  map[string]string // of the broker resource with its id
}

// Lookup returns what was set for the broker, else for all.
func (d Dynamic) Lookup(name string) (string, bool) {
	if v, ok := d.Broker[name]; ok {
		return v, true
	}
	v, ok := d.Cluster[name]
	return v, ok
}

// brokerNumber is an integer broker setting with what was changed while running.
// A changed value that does not parse counts as not changed; the controller lets
// none in.
func brokerNumber(name string, dynamic Dynamic, static *Static) int64 {
	if s, ok := dynamic.Lookup(name); ok {
		if v, err := Broker(name).parse(s); err == nil {
			return v.num
		}
	}
	return static.Int64(name)
}

// resolver finds the value that counts for a topic: the topic's own, else the
// broker's, else the default. Of the broker settings that stand in, the first
// that is set anywhere counts; what is changed while running outranks the file.
type resolver struct {
	topic   map[string]string
	dynamic Dynamic
	static  *Static
}

func (r resolver) value(name string) value {
	d := Topic(name)
	if s, ok := r.topic[name]; ok {
		if v, err := d.parse(s); err == nil {
			return v
		}
	}
	for _, synonym := range d.synonyms {
		s, ok := r.dynamic.Lookup(synonym)
		if !ok {
			s, ok = r.static.Lookup(synonym)
		}
		if !ok {
			continue
		}
		if v, err := Broker(synonym).parse(s); err == nil {
			if unit := units[synonym]; unit != 0 && v.num > 0 {
				v.num = min(v.num, (1<<63-1)/unit) * unit
				v.text = itoa(v.num)
			}
			return v
		}
	}
	return d.standard
}

func (r resolver) num(name string) int64 { return r.value(name).num }

var codecs = map[string]commitlog.Compression{
	"producer":     commitlog.CompressionProducer,
	"uncompressed": commitlog.CompressionNone,
	"gzip":         commitlog.CompressionGzip,
	"snappy":       commitlog.CompressionSnappy,
	"lz4":          commitlog.CompressionLZ4,
	"zstd":         commitlog.CompressionZstd,
}

// Resolve works out what a topic's logs are to be configured with: the topic's
// own settings, else the broker's dynamic ones, else the cluster's, else the
// static ones, else the defaults.
func Resolve(topic map[string]string, dynamic Dynamic, static *Static) commitlog.Config {
	r := resolver{topic, dynamic, static}
	c := commitlog.Config{
		SegmentBytes:  int32(r.num("segment.bytes")),
		SegmentAge:    commitlog.Millis(r.num("segment.ms")),
		SegmentJitter: commitlog.Millis(r.num("segment.jitter.ms")),
		IndexBytes:    int32(r.num("segment.index.bytes")),
		IndexInterval: int32(r.num("index.interval.bytes")),
		Preallocate:   r.value("preallocate").text == "true",

		RetentionAge:    commitlog.Millis(r.num("retention.ms")),
		RetentionBytes:  r.num("retention.bytes"),
		FileDeleteDelay: commitlog.Millis(r.num("file.delete.delay.ms")),

		MinCompactionLag:       commitlog.Millis(r.num("min.compaction.lag.ms")),
		MaxCompactionLag:       commitlog.Millis(r.num("max.compaction.lag.ms")),
		MinCleanableDirtyRatio: r.value("min.cleanable.dirty.ratio").float,
		DeleteRetention:        commitlog.Millis(r.num("delete.retention.ms")),

		MaxMessageBytes:    int32(r.num("max.message.bytes")),
		LogAppendTime:      r.value("message.timestamp.type").text == "LogAppendTime",
		TimestampBeforeMax: commitlog.Millis(r.num("message.timestamp.before.max.ms")),
		TimestampAfterMax:  commitlog.Millis(r.num("message.timestamp.after.max.ms")),

		Compression: codecs[r.value("compression.type").text],
		GzipLevel:   int(r.num("compression.gzip.level")),
		LZ4Level:    int(r.num("compression.lz4.level")),
		ZstdLevel:   int(r.num("compression.zstd.level")),

		FlushMessages: r.num("flush.messages"),
		FlushInterval: commitlog.Millis(r.num("flush.ms")),
	}
	if v, ok := topic["internal.segment.bytes"]; ok {
		if v, err := Topic("internal.segment.bytes").parse(v); err == nil {
			c.SegmentBytes = int32(v.num)
		}
	}
	for _, policy := range r.value("cleanup.policy").list {
		c.Delete = c.Delete || policy == "delete"
		c.Compact = c.Compact || policy == "compact"
	}
	return c
}

// MinInsyncReplicas is what counts for the topic; the number of its replicas
// bounds it.
func MinInsyncReplicas(topic map[string]string, dynamic Dynamic, static *Static) int {
	return int(resolver{topic, dynamic, static}.num("min.insync.replicas"))
}
