package engine

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of the apps of one id in a registry: one collector, so that a second app of the same id shares it.
// Labels are bounded by the program: nodes, stores, sub-topologies, topics it names and those it writes to, workers. What is
// counted for each record is counted in the tasks' meters (see Meter), which are emptied after each turn of a task.
//
// A scrape costs about a microsecond for each series, and one look at Pebble's own counters; it stops nobody.
type metrics struct {
	parts []prometheus.Collector

	state      *prometheus.GaugeVec // 1 for the state that holds
	workers    prometheus.Gauge
	workerTime *prometheus.CounterVec // by worker, activity
	commits    prometheus.Counter
	commitTime prometheus.Histogram
	aborts     prometheus.Counter
	crashes    prometheus.Counter
	hung       prometheus.Gauge
	punctuated prometheus.Counter
	pollTime   prometheus.Counter

	tasks           *prometheus.GaugeVec   // by state
	processed       *prometheus.CounterVec // by sub-topology
	lateness        *spreads               // by sub-topology
	enforced        prometheus.Counter
	buffered        prometheus.Gauge
	bufferedRecords prometheus.Gauge
	rebalances      prometheus.Counter
	handover        *spreads // by what was told

	dropped     *prometheus.CounterVec // by node, and so on
	nodeRecords *prometheus.CounterVec
	emitted     *prometheus.CounterVec
	endToEnd    *spreads
	nodeTime    *spreads

	consumed      *prometheus.CounterVec // by topic, and so on
	consumedBytes *prometheus.CounterVec
	produced      *prometheus.CounterVec
	producedBytes *prometheus.CounterVec

	storeOps      *prometheus.CounterVec // by store and operation
	storeTime     *spreads
	cacheHits     *prometheus.CounterVec // by store, and so on
	iterators     *prometheus.GaugeVec
	bufferEntries *prometheus.GaugeVec
	bufferBytes   *prometheus.GaugeVec
	cacheBytes    prometheus.Gauge
	objectBytes   prometheus.Gauge

	restored prometheus.Counter
	restore  *restoreMetrics
	pebble   pebbleDescs

	mu      sync.Mutex
	byNode  map[countOf]prometheus.Counter
	byTopic map[string]*topicSeries
	running map[*process]struct{}
}

type countOf struct {
	metric Metric
	node   string
}

// maker registers the parts of metrics.
type maker struct {
	m      *metrics
	labels prometheus.Labels
}

// add keeps a part.
func add[C prometheus.Collector](k maker, c C) C {
	k.m.parts = append(k.m.parts, c)
	return c
}

const metricsPrefix = "leat_streams_"

func (k maker) opts(name, help string) prometheus.Opts {
	return prometheus.Opts{Name: metricsPrefix + name, Help: help, ConstLabels: k.labels}
}

func (k maker) counter(name, help string) prometheus.Counter {
	return add(k, prometheus.NewCounter(prometheus.CounterOpts(k.opts(name, help))))
}

func (k maker) counters(name, help string, by ...string) *prometheus.CounterVec {
	return add(k, prometheus.NewCounterVec(prometheus.CounterOpts(k.opts(name, help)), by))
}

func (k maker) gauge(name, help string) prometheus.Gauge {
	return add(k, prometheus.NewGauge(prometheus.GaugeOpts(k.opts(name, help))))
}

func (k maker) gauges(name, help string, by ...string) *prometheus.GaugeVec {
	return add(k, prometheus.NewGaugeVec(prometheus.GaugeOpts(k.opts(name, help)), by))
}

func (k maker) spreads(name, help string, millis bool, by ...string) *spreads {
	return add(k, newSpreads(metricsPrefix, name, help, k.labels, millis, by...))
}

func (k maker) desc(name, help string, by ...string) *prometheus.Desc {
	return prometheus.NewDesc(metricsPrefix+name, help, by, k.labels)
}

// newMetrics registers the metrics of an app. A second app of the same id in one registry shares them.
func newMetrics(reg prometheus.Registerer, applicationID string) *metrics {
	m := &metrics{byNode: map[countOf]prometheus.Counter{}, byTopic: map[string]*topicSeries{}, running: map[*process]struct{}{}}
	k := maker{m, prometheus.Labels{"application": applicationID}}
	k.process()
	k.work()
	k.nodesAndTopics()
	k.stores()
	k.restores()
	if reg == nil {
		return m
	}
	err := reg.Register(m)
	if already, ok := err.(prometheus.AlreadyRegisteredError); ok { //nolint:errorlint // returned as it is
		if same, ok := already.ExistingCollector.(*metrics); ok {
			return same
		}
	}
	return m
}

func (k maker) process() {
	m := k.m
	m.state = k.gauges("state", "1 for the state the app is in.", "state")
	m.workers = k.gauge("workers", "Workers of this process.")
	m.workerTime = k.counters("worker_seconds_total", "What workers spend their time on: process, punctuate, commit, rest. The rest to a second is messages.", "worker", "activity")
	m.commits = k.counter("commits_total", "Commits of workers.")
	m.commitTime = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: metricsPrefix + "commit_seconds", Help: "Duration of commits: flushing, offsets or transaction, state.", ConstLabels: k.labels,
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
	})
	add(k, m.commitTime)
	m.hung = k.gauge("workers_hung", "Workers that are in one round for more than 30 s: a function of the program hangs.")
	m.aborts = k.counter("resets_total", "Times that a worker's tasks went back to what was committed last.")
	m.crashes = k.counter("worker_crashes_total", "Workers that failed.")
	m.punctuated = k.counter("punctuations_total", "Rounds in which punctuators on the wall clock ran.")
	m.pollTime = k.counter("poll_seconds_total", "Time that the process waited for records of its topics.")
	m.rebalances = k.counter("rebalances_total", "Assignments received from the group.")
	m.handover = k.spreads("rebalance_seconds", "Time it took to take tasks up (assigned), to commit and give them up (revoked), and to give up lost ones (lost).", false, "told")
	m.restored = k.counter("records_restored_total", "Records read from changelogs and global topics into stores.")
}

func (k maker) work() {
	m := k.m
	m.tasks = k.gauges("tasks", "Tasks of this process.", "state")
	m.processed = k.counters("records_processed_total", "Records taken from source topics.", "subtopology")
	m.lateness = k.spreads("record_lateness_seconds", "How far records are behind the stream time when they are taken.", true, "subtopology")
	m.enforced = k.counter("enforced_processing_total", "Records taken while an input was empty, because max.task.idle.ms was over.")
	m.buffered = k.gauge("buffered_bytes", "Bytes of records that were fetched and wait.")
	m.bufferedRecords = k.gauge("buffered_records", "Records that were fetched and wait.")
}

func (k maker) nodesAndTopics() {
	m := k.m
	m.dropped = k.counters("records_dropped_total", "Records dropped: null keys, late records, skipped errors.", "node")
	m.nodeRecords = k.counters("node_records_total", "Records that a node took: of sources and sinks, with NodeMetrics of all.", "node")
	m.nodeTime = k.spreads("node_seconds", "Time in a node and all below it, one of 64 records; with NodeMetrics.", false, "node")
	m.emitted = k.counters("node_emitted_records_total", "Results that were held back and sent: of suppress, and of windows that closed.", "node")
	m.endToEnd = k.spreads("record_end_to_end_seconds", "From a record's time until a source takes it (all records) or a sink writes it (one of 64).", true, "node")
	m.consumed = k.counters("topic_consumed_records_total", "Records fetched from topics.", "topic")
	m.consumedBytes = k.counters("topic_consumed_bytes_total", "Bytes of keys, values and headers fetched from topics.", "topic")
	m.produced = k.counters("topic_produced_records_total", "Records written to topics, changelogs too.", "topic")
	m.producedBytes = k.counters("topic_produced_bytes_total", "Bytes of keys and values written to topics.", "topic")
}

func (k maker) stores() {
	m := k.m
	m.storeOps = k.counters("store_operations_total", "Operations of stores: get, put, scan, flush, restore (batches).", "store", "operation")
	m.storeTime = k.spreads("store_operation_seconds", "Duration of operations of stores: one of 64 gets, puts and scans, every flush and restored batch.", false, "store", "operation")
	m.cacheHits = k.counters("store_cache_hits_total", "Gets that the caches answered. Over store_operations_total of get it is the hit ratio.", "store")
	m.iterators = k.gauges("store_open_iterators", "Scans that are open.", "store")
	m.bufferEntries = k.gauges("store_buffer_records", "Records held back by suppress or a join with grace.", "store")
	m.bufferBytes = k.gauges("store_buffer_bytes", "Their bytes, as Kafka counts them.", "store")
	m.cacheBytes = k.gauge("cache_bytes", "Bytes in the record caches, as Kafka counts them; bounded by CacheBytes.")
	m.objectBytes = k.gauge("object_bytes", "Bytes of decoded objects that are kept for reading.")
	m.pebble = pebbleDescs{
		memtables:    k.desc("pebble_memtable_bytes", "Bytes of memtables of the state on disk."),
		l0Files:      k.desc("pebble_l0_files", "Files in level 0."),
		l0Sublevels:  k.desc("pebble_l0_sublevels", "Sub-levels of level 0: reads look into each."),
		debt:         k.desc("pebble_compaction_debt_bytes", "Bytes to be compacted."),
		cacheHits:    k.desc("pebble_block_cache_hits_total", "Blocks found in the block cache."),
		cacheMisses:  k.desc("pebble_block_cache_misses_total", "Blocks read from files."),
		walBytes:     k.desc("pebble_wal_bytes_total", "Bytes written to the log of the state."),
		flushes:      k.desc("pebble_flushes_total", "Memtables written to files."),
		compactions:  k.desc("pebble_compactions_total", "Compactions."),
		compactBytes: k.desc("pebble_compacted_bytes_total", "Bytes written by compactions."),
		disk:         k.desc("state_disk_bytes", "Bytes that the state takes on disk."),
		stalls:       k.desc("pebble_write_stalls_total", "Times that writes waited for flushes or compactions."),
	}
}

// topicSeries are the metrics of a topic.
type topicSeries struct{ consumed, consumedBytes, produced, producedBytes prometheus.Counter }

func (m *metrics) topic(name string) *topicSeries {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.byTopic[name]
	if t == nil {
		t = &topicSeries{
			m.consumed.WithLabelValues(name), m.consumedBytes.WithLabelValues(name),
			m.produced.WithLabelValues(name), m.producedBytes.WithLabelValues(name),
		}
		m.byTopic[name] = t
	}
	return t
}

// workerSeries are what a worker spends its time on.
type workerSeries struct{ process, punctuate, commit, rest prometheus.Counter }

func (m *metrics) worker(n int) workerSeries {
	w := strconv.Itoa(n)
	return workerSeries{
		m.workerTime.WithLabelValues(w, "process"), m.workerTime.WithLabelValues(w, "punctuate"),
		m.workerTime.WithLabelValues(w, "commit"), m.workerTime.WithLabelValues(w, "rest"),
	}
}

func (m *metrics) task(id TaskID) *taskSeries {
	sub := strconv.Itoa(id.Subtopology)
	return &taskSeries{m.processed.WithLabelValues(sub), m.lateness.with(sub)}
}

// count adds to a counter by node.
func (m *metrics) count(metric Metric, node string, n int64) {
	m.mu.Lock()
	c := m.byNode[countOf{metric, node}]
	if c == nil {
		switch metric {
		case Dropped:
			c = m.dropped.WithLabelValues(node)
		default:
			c = m.processed.WithLabelValues(node)
		}
		m.byNode[countOf{metric, node}] = c
	}
	m.mu.Unlock()
	c.Add(float64(n))
}

// moved tells how long the process took to do what the group told.
func (m *metrics) moved(told string, d time.Duration) {
	var s Spread
	s.Add(d.Nanoseconds())
	m.handover.with(told).take(&s)
}

func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, p := range m.parts {
		p.Describe(out)
	}
	m.pebble.describe(out)
}

func (m *metrics) Collect(out chan<- prometheus.Metric) {
	for _, p := range m.parts {
		p.Collect(out)
	}
	m.mu.Lock()
	running := make([]*process, 0, len(m.running))
	for p := range m.running {
		running = append(running, p)
	}
	m.mu.Unlock()
	m.pebble.collect(running, out)
}

// watch shows a process's state until the returned function is called.
func (m *metrics) watch(p *process) func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running[p] = struct{}{}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.running, p)
	}
}
