package broker

import (
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/coordinator"
)

// metrics are the broker's counters. Everything the hot path touches is resolved when the broker starts; what only a
// scrape needs is worked out by collector.
type metrics struct {
	broker *Broker
	all    []prometheus.Collector

	apis          [maxKey + 1]apiMetrics
	errors        *prometheus.CounterVec
	errorCounters sync.Map // errorKey -> prometheus.Counter
	flush         prometheus.Histogram
	bytesProduced atomic.Int64
	bytesFetched  atomic.Int64
	batches       atomic.Int64

	groups  *prometheus.GaugeVec
	txns    txnCollectors
	shares  shareCollectors
	offsets prometheus.Gauge
	loads   prometheus.Histogram
	commits prometheus.Histogram
	logins  *prometheus.CounterVec
}

type apiMetrics struct {
	requests prometheus.Counter
	seconds  prometheus.Observer
	bad      prometheus.Counter
}

type errorKey struct {
	key  int16
	code int16
}

// latencyBuckets reach from a request answered from memory to a long poll.
var latencyBuckets = []float64{
	.0001, .00025, .0005, .001, .002, .003, .005, .0075, .01, .02, .03, .05, .1, .25, .5, 1, 2.5, 5, 10, 30,
}

func newMetrics(b *Broker) *metrics {
	m := &metrics{broker: b}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "leat_requests_total", Help: "Requests answered, by API.",
	}, []string{"api"})
	bad := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "leat_requests_malformed_total", Help: "Requests that could not be decoded, by API.",
	}, []string{"api"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "leat_request_seconds", Help: "Time from reading a request to having its response, by API.", Buckets: latencyBuckets,
	}, []string{"api"})
	m.errors = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "leat_request_errors_total", Help: "Kafka errors in responses, by API and error.",
	}, []string{"api", "error"})
	m.flush = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "leat_flush_seconds", Help: "Time to make the appended data of a partition durable.", Buckets: latencyBuckets,
	})
	m.groups = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "leat_groups", Help: "Groups, by kind and state.",
	}, []string{"kind", "state"})
	m.offsets = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "leat_group_offsets", Help: "Committed offsets of all groups.",
	})
	m.loads = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "leat_group_load_seconds", Help: "Time to load a partition of __consumer_offsets.", Buckets: latencyBuckets,
	})
	m.commits = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "leat_group_commit_seconds", Help: "Time until a batch of group records was committed.", Buckets: latencyBuckets,
	})
	m.logins = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "leat_authentications_total", Help: "SASL authentications that ended, by mechanism and result.",
	}, []string{"mechanism", "result"})
	for _, line := range apis {
		name := kmsg.NameForKey(int16(line.key))
		m.apis[line.key] = apiMetrics{
			requests: requests.WithLabelValues(name), seconds: seconds.WithLabelValues(name), bad: bad.WithLabelValues(name),
		}
	}
	m.txns = newTxnCollectors()
	m.all = []prometheus.Collector{requests, bad, seconds, m.errors, m.flush, m.groups, m.offsets, m.loads, m.commits, m.logins, &collector{b}}
	m.all = append(m.all, m.txns.all()...)
	m.shares = newShareCollectors()
	m.all = append(m.all, m.shares.all()...)
	return m
}

func (m *metrics) register(r prometheus.Registerer) error {
	for _, c := range m.all {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// login counts an authentication. The mechanism is one that is enabled.
func (m *metrics) login(mechanism string, ok bool) {
	result := "failed"
	if ok {
		result = "ok"
	}
	m.logins.WithLabelValues(mechanism, result).Inc()
}

func (m *metrics) malformed(key int16) { m.apis[key].bad.Inc() }

func (m *metrics) done(key int16, took time.Duration, _ int) {
	m.apis[key].requests.Inc()
	m.apis[key].seconds.Observe(took.Seconds())
}

func (m *metrics) produced(bytes int) {
	m.bytesProduced.Add(int64(bytes))
	m.batches.Add(1)
}

func (m *metrics) fetched(bytes int) { m.bytesFetched.Add(int64(bytes)) }

// failed counts an error in a response.
func (m *metrics) failed(key, code int16) {
	k := errorKey{key, code}
	c, ok := m.errorCounters.Load(k)
	if !ok {
		c, _ = m.errorCounters.LoadOrStore(k, m.errors.WithLabelValues(kmsg.NameForKey(key), errorName(code)))
	}
	c.(prometheus.Counter).Inc()
}

func errorName(code int16) string {
	if e := kerr.TypedErrorForCode(code); e != nil {
		return e.Message
	}
	return strconv.Itoa(int(code))
}

// answered counts a response of an API of the table, and the errors it carries.
func (m *metrics) answered(key int16, resp kmsg.Response, took time.Duration, bytes int) {
	m.done(key, took, bytes)
	m.countErrors(key, reflect.ValueOf(resp).Elem(), 0)
}

// errorsLookedAt bounds the elements of an array that countErrors looks at: a count that is too low is better than a
// slow answer to a question about ten thousand partitions.
const errorsLookedAt = 64

// countErrors finds the error codes of a response wherever they are.
func (m *metrics) countErrors(key int16, v reflect.Value, depth int) {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case f.Name == "ErrorCode" && f.Type.Kind() == reflect.Int16:
			if code := int16(v.Field(i).Int()); code != 0 {
				m.failed(key, code)
			}
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct && depth < 3:
			list := v.Field(i)
			for j := range min(list.Len(), errorsLookedAt) {
				m.countErrors(key, list.Index(j), depth+1)
			}
		}
	}
}

// groupMetrics are the coordinator's hooks.
func (m *metrics) groupMetrics() *coordinator.Metrics {
	return &coordinator.Metrics{
		Groups:    func(kind, state string, delta int) { m.groups.WithLabelValues(kind, state).Add(float64(delta)) },
		Offsets:   func(delta int) { m.offsets.Add(float64(delta)) },
		Loaded:    func(took time.Duration, _ int64) { m.loads.Observe(took.Seconds()) },
		Committed: func(took time.Duration, _ int) { m.commits.Observe(took.Seconds()) },
	}
}

// collector works out at scrape time what nobody has to count. Log figures are given per topic, not per partition, so
// that ten thousand partitions do not make a scrape of fifty thousand lines.
type collector struct{ broker *Broker }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("leat_"+name, help, labels, nil)
}

var (
	descConnections  = desc("connections", "Open client connections.")
	descAccepted     = desc("connections_accepted_total", "Connections accepted.")
	descRejected     = desc("connections_rejected_total", "Connections closed at once because of a limit.")
	descSlow         = desc("connections_slow_total", "Connections dropped because the client did not read.")
	descBroken       = desc("connections_malformed_total", "Connections closed because of a frame that made no sense.")
	descBytesIn      = desc("network_received_bytes_total", "Bytes of requests received.")
	descBytesOut     = desc("network_sent_bytes_total", "Bytes of responses sent.")
	descMemory       = desc("request_memory_bytes", "Bytes of request frames in memory.")
	descMemoryWaits  = desc("request_memory_waits_total", "Frames that had to wait for memory.")
	descProduced     = desc("produced_bytes_total", "Bytes of record batches appended for producers.")
	descBatches      = desc("produced_batches_total", "Record batches appended for producers.")
	descFetched      = desc("fetched_bytes_total", "Bytes of record batches sent to consumers.")
	descPartitions   = desc("partitions", "Partitions on this broker.")
	descOffline      = desc("partitions_offline", "Partitions that cannot be served because of storage errors.")
	descTopicParts   = desc("topic_partitions", "Partitions of a topic on this broker.", "topic")
	descTopicBytes   = desc("topic_log_bytes", "Bytes on disk of a topic.", "topic")
	descTopicEnd     = desc("topic_log_end_offset_sum", "Sum of the log end offsets of a topic's partitions.", "topic")
	descTopicStart   = desc("topic_log_start_offset_sum", "Sum of the log start offsets of a topic's partitions.", "topic")
	descTopicLag     = desc("topic_uncommitted_max", "Largest distance of high watermark and log end among a topic's partitions.", "topic")
	descSessions     = desc("fetch_sessions", "Incremental fetch sessions.")
	descSessionParts = desc("fetch_session_partitions", "Partitions in incremental fetch sessions.")
	descEvicted      = desc("fetch_sessions_evicted_total", "Fetch sessions that made room for others.")
	descSyncs        = desc("log_syncs_total", "Calls of fsync on log files.")
	descSyncSeconds  = desc("log_sync_seconds_total", "Time spent in fsync on log files.")
	descRolled       = desc("log_segments_rolled_total", "Segments started.")
	descDeleted      = desc("log_segments_deleted_total", "Segments deleted by retention.")
	descCleaned      = desc("log_cleaned_bytes_total", "Bytes read by compaction.")
	descKept         = desc("log_cleaned_kept_bytes_total", "Bytes written by compaction.")
	descTelemetry    = desc("client_telemetry_instances", "Clients that ask for subscriptions of their metrics.")
	descTelemetrySer = desc("client_telemetry_series", "Series of clients' metrics that are kept.")
	descTelemetryAll = desc("client_telemetry_pushes_total", "Pushes of clients' metrics, by what came of them.", "result")
	descTelemetryOut = desc("client_telemetry_series_dropped_total", "Values of clients' metrics beyond the bounds.")
	descDirOffline   = desc("log_dir_offline", "1 for a log directory that cannot be used, else 0.", "dir")
	descDirParts     = desc("log_dir_partitions", "Partitions in a log directory.", "dir")
	descDirBytes     = desc("log_dir_bytes", "Bytes of log segments in a log directory.", "dir")
	descDirMoves     = desc("log_dir_moves", "Partitions that are being copied into a log directory.", "dir")
	descStorage      = desc("log_storage_errors_total", "Storage errors.")
)

// Describe implements prometheus.Collector. The collector is unchecked: its names are constants of this file.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v int64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	b := c.broker
	st := b.server.Stats()
	gauge(descConnections, float64(st.Connections))
	counter(descAccepted, st.Accepted)
	counter(descRejected, st.Rejected)
	counter(descSlow, st.SlowConsumers)
	counter(descBroken, st.Malformed)
	counter(descBytesIn, st.BytesIn)
	counter(descBytesOut, st.BytesOut)
	gauge(descMemory, float64(st.RequestMemoryInUse))
	counter(descMemoryWaits, st.MemoryWaits)
	counter(descProduced, b.metrics.bytesProduced.Load())
	counter(descBatches, b.metrics.batches.Load())
	counter(descFetched, b.metrics.bytesFetched.Load())
	sessions, parts, evicted := b.sessions.Stats()
	gauge(descSessions, float64(sessions))
	gauge(descSessionParts, float64(parts))
	counter(descEvicted, evicted)
	for _, d := range b.dir.Describe() {
		offline, size := 0.0, int64(0)
		if d.Err != nil {
			offline = 1
		}
		for _, l := range d.Logs {
			size += l.Size()
		}
		gauge(descDirOffline, offline, d.Path)
		gauge(descDirParts, float64(len(d.Logs)), d.Path)
		gauge(descDirBytes, float64(size), d.Path)
		gauge(descDirMoves, float64(len(d.Futures)), d.Path)
	}
	lm := &b.logMetrics
	counter(descSyncs, lm.Syncs.Load())
	out <- prometheus.MustNewConstMetric(descSyncSeconds, prometheus.CounterValue, time.Duration(lm.SyncNanos.Load()).Seconds())
	counter(descRolled, lm.SegmentsRolled.Load())
	counter(descDeleted, lm.SegmentsDeleted.Load())
	counter(descCleaned, lm.CleanedBytes.Load())
	counter(descKept, lm.CleanedKeptBytes.Load())
	counter(descStorage, lm.StorageErrors.Load())
	tel := b.telemetry.Stats()
	gauge(descTelemetry, float64(tel.Instances))
	gauge(descTelemetrySer, float64(tel.Series))
	counter(descTelemetryOut, tel.SeriesDropped)
	for result, n := range map[string]int64{"ok": tel.Pushes, "throttled": tel.Throttled, "unknown_subscription": tel.UnknownSubscription, "refused": tel.Wrong} {
		out <- prometheus.MustNewConstMetric(descTelemetryAll, prometheus.CounterValue, float64(n), result)
	}
	c.collectTopics(gauge)
	c.collectShares(gauge)
	c.collectQuotas(out)
}

type topicFigures struct {
	partitions                int
	bytes, end, start, behind int64
}

func (c *collector) collectTopics(gauge func(*prometheus.Desc, float64, ...string)) {
	topics := map[string]*topicFigures{}
	partitions, offline := 0, 0
	for p := range c.broker.replicas.Partitions() {
		t := topics[p.Topic().Name]
		if t == nil {
			t = &topicFigures{}
			topics[p.Topic().Name] = t
		}
		partitions++
		t.partitions++
		log := p.Log()
		if p.Err() == kerr.KafkaStorageError {
			offline++
		}
		if log == nil {
			continue
		}
		end := log.EndOffset()
		t.bytes += log.Size()
		t.end += end
		t.start += log.StartOffset()
		t.behind = max(t.behind, end-log.HighWatermark())
	}
	gauge(descPartitions, float64(partitions))
	gauge(descOffline, float64(offline))
	for name, t := range topics {
		gauge(descTopicParts, float64(t.partitions), name)
		gauge(descTopicBytes, float64(t.bytes), name)
		gauge(descTopicEnd, float64(t.end), name)
		gauge(descTopicStart, float64(t.start), name)
		gauge(descTopicLag, float64(t.behind), name)
	}
}
