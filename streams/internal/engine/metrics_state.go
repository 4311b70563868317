package engine

import (
	"github.com/prometheus/client_golang/prometheus"

	"leat.dev/streams/internal/state"
)

// pebbleDescs are the metrics of the state on disk: a handful of those that say why it is slow or large.
type pebbleDescs struct {
	memtables, l0Files, l0Sublevels, debt, disk                                  *prometheus.Desc
	cacheHits, cacheMisses, walBytes, flushes, compactions, compactBytes, stalls *prometheus.Desc
}

func (d *pebbleDescs) describe(out chan<- *prometheus.Desc) {
	for _, one := range []*prometheus.Desc{d.memtables, d.l0Files, d.l0Sublevels, d.debt, d.disk, d.cacheHits, d.cacheMisses, d.walBytes, d.flushes, d.compactions, d.compactBytes, d.stalls} {
		out <- one
	}
}

func (d *pebbleDescs) collect(running []*process, out chan<- prometheus.Metric) {
	var sum state.DiskMetrics
	found := false
	for _, p := range running {
		if m, ok := p.db.DiskMetrics(); ok {
			sum.Add(&m)
			found = true
		}
	}
	if !found {
		return
	}
	gauge := func(d *prometheus.Desc, v int64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
	counter := func(d *prometheus.Desc, v int64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	gauge(d.memtables, sum.MemtableBytes)
	gauge(d.l0Files, sum.L0Files)
	gauge(d.l0Sublevels, sum.L0Sublevels)
	gauge(d.debt, sum.CompactionDebt)
	gauge(d.disk, sum.DiskBytes)
	counter(d.cacheHits, sum.BlockCacheHits)
	counter(d.cacheMisses, sum.BlockCacheMisses)
	counter(d.walBytes, sum.WALBytes)
	counter(d.flushes, sum.Flushes)
	counter(d.compactions, sum.Compactions)
	counter(d.compactBytes, sum.CompactedBytes)
	counter(d.stalls, sum.WriteStalls)
}
