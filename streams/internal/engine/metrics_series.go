package engine

import (
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// spreads is a family of histograms that are filled from Spreads. Its buckets are powers of four of its unit.
type spreads struct {
	desc     *prometheus.Desc
	unit     float64 // seconds
	from, to int     // exponents of two of the first and the last bucket
	mu       sync.Mutex
	byLabels map[string]*spreadSeries
}

// Of what is in milliseconds the buckets go from 1 ms to 12 days, of what is in nanoseconds from 256 ns to 17 s.
func newSpreads(namespace, name, help string, constant prometheus.Labels, millis bool, labels ...string) *spreads {
	s := &spreads{
		desc: prometheus.NewDesc(namespace+name, help, labels, constant),
		unit: 1e-9, from: 8, to: 34, byLabels: map[string]*spreadSeries{},
	}
	if millis {
		s.unit, s.from, s.to = 1e-3, 0, 30
	}
	return s
}

// spreadSeries is one histogram, added to by any goroutine.
type spreadSeries struct {
	labels []string
	n      [spreadBits]atomic.Int64
	sum    atomic.Int64
}

func (s *spreads) with(labels ...string) *spreadSeries {
	key := strings.Join(labels, "\x00")
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.byLabels[key]
	if one == nil {
		one = &spreadSeries{labels: labels}
		s.byLabels[key] = one
	}
	return one
}

// take adds what a Spread has, and empties it.
func (s *spreadSeries) take(from *Spread) {
	if !from.any {
		return
	}
	for i, n := range from.n {
		if n != 0 {
			s.n[i].Add(n)
		}
	}
	s.sum.Add(from.sum)
	*from = Spread{}
}

func (s *spreads) Describe(out chan<- *prometheus.Desc) { out <- s.desc }

func (s *spreads) Collect(out chan<- prometheus.Metric) {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.byLabels))
	s.mu.Unlock()
	for _, one := range all {
		buckets := make(map[float64]uint64, (s.to-s.from)/2+1)
		var count uint64
		for i := range one.n {
			count += uint64(one.n[i].Load()) //nolint:gosec // counts
			if i >= s.from && i <= s.to && (i-s.from)%2 == 0 {
				buckets[math.Ldexp(s.unit, i)] = count
			}
		}
		out <- prometheus.MustNewConstHistogram(s.desc, count, float64(one.sum.Load())*s.unit, buckets, one.labels...)
	}
}

// nodeSeries are the metrics of a node, of all tasks together.
type nodeSeries struct {
	records, emitted prometheus.Counter
	endToEnd         *spreadSeries
	seconds          *spreadSeries
}

// storeSeries are those of a store.
type storeSeries struct {
	operations               [operations]prometheus.Counter
	times                    [operations]*spreadSeries
	hits                     prometheus.Counter
	iterators, entries, size prometheus.Gauge
}

// taskSeries are those of the tasks of a sub-topology.
type taskSeries struct {
	processed prometheus.Counter
	lateness  *spreadSeries
}

func (m *metrics) node(name string) *nodeSeries {
	return &nodeSeries{
		records: m.nodeRecords.WithLabelValues(name), emitted: m.emitted.WithLabelValues(name),
		endToEnd: m.endToEnd.with(name), seconds: m.nodeTime.with(name),
	}
}

func (m *metrics) store(name string) *storeSeries {
	s := &storeSeries{
		hits: m.cacheHits.WithLabelValues(name), iterators: m.iterators.WithLabelValues(name),
		entries: m.bufferEntries.WithLabelValues(name), size: m.bufferBytes.WithLabelValues(name),
	}
	for op, operation := range operationNames {
		s.operations[op] = m.storeOps.WithLabelValues(name, operation)
		s.times[op] = m.storeTime.with(name, operation)
	}
	return s
}

// empty moves what a task's meter has to the app's metrics. Its caller has the task.
func (m *metrics) empty(t *taskEnv) {
	meter := &t.meter
	if meter.Refresh != nil {
		meter.Refresh(meter)
	}
	if t.series == nil {
		t.series = m.task(t.id)
	}
	t.series.processed.Add(float64(t.processed))
	t.processed = 0
	t.series.lateness.take(&meter.Lateness)
	m.enforced.Add(float64(meter.Enforced))
	meter.Enforced = 0
	t.told.set(m.cacheBytes, m.objectBytes, meter.CacheBytes, meter.ObjectSize)
	for _, n := range meter.nodes {
		n.tell(m)
	}
	for _, s := range meter.stores {
		s.tell(m)
	}
}

// gone takes what a task held out of the gauges.
func (m *metrics) gone(t *taskEnv) {
	t.told.set(m.cacheBytes, m.objectBytes, 0, 0)
	for _, s := range t.meter.stores {
		s.Iterators, s.Entries, s.Bytes = 0, 0, 0
		s.tell(m)
	}
}

// cachesTold are a task's parts of the gauges of caches.
type cachesTold struct{ records, objects int64 }

func (c *cachesTold) set(records, objects prometheus.Gauge, r, o int64) {
	if r != c.records {
		records.Add(float64(r - c.records))
		c.records = r
	}
	if o != c.objects {
		objects.Add(float64(o - c.objects))
		c.objects = o
	}
}

func (n *NodeMeter) tell(m *metrics) {
	if n.Records == n.toldRecords && n.Emitted == 0 && !n.EndToEnd.any {
		return
	}
	if n.out == nil {
		n.out = m.node(n.name)
	}
	n.out.records.Add(float64(n.Records - n.toldRecords))
	n.toldRecords = n.Records // the samples are counted by it
	n.out.emitted.Add(float64(n.Emitted))
	n.Emitted = 0
	n.out.endToEnd.take(&n.EndToEnd)
	n.out.seconds.take(&n.Seconds)
}

func (s *StoreMeter) tell(m *metrics) {
	if s.out == nil {
		s.out = m.store(s.name)
	}
	for op := range operations {
		if n := s.done[op] + int64(s.left[op]); n != s.told[op] {
			s.out.operations[op].Add(float64(n - s.told[op]))
			s.told[op] = n
			s.out.times[op].take(&s.times[op])
		}
	}
	if s.Hits != 0 {
		s.out.hits.Add(float64(s.Hits))
		s.Hits = 0
	}
	now := [3]int64{s.Iterators, s.Entries, s.Bytes}
	for i, g := range [3]prometheus.Gauge{s.out.iterators, s.out.entries, s.out.size} {
		if now[i] != s.gauges[i] {
			g.Add(float64(now[i] - s.gauges[i]))
		}
	}
	s.gauges = now
}
