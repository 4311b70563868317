package broker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"leat.dev/internal/broker/coordinator"
)

// shareCollectors are the figures of share groups: of their coordinator, and of what is delivered to them here.
type shareCollectors struct {
	partitions prometheus.Gauge
	loads      prometheus.Histogram
	commits    prometheus.Histogram
}

func newShareCollectors() shareCollectors {
	return shareCollectors{
		partitions: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "leat_share_coordinator_partitions", Help: "Share-partitions whose state this broker's share coordinator keeps.",
		}),
		loads: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "leat_share_coordinator_load_seconds", Help: "Time to load a partition of __share_group_state.", Buckets: latencyBuckets,
		}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "leat_share_coordinator_commit_seconds", Help: "Time until a batch of share state records was committed.", Buckets: latencyBuckets,
		}),
	}
}

func (c *shareCollectors) all() []prometheus.Collector {
	return []prometheus.Collector{c.partitions, c.loads, c.commits}
}

// shareCoordinatorMetrics are the share coordinator's hooks.
func (m *metrics) shareCoordinatorMetrics() *coordinator.ShareMetrics {
	return &coordinator.ShareMetrics{
		Partitions: func(delta int) { m.shares.partitions.Add(float64(delta)) },
		Loaded:     func(took time.Duration, _ int64) { m.shares.loads.Observe(took.Seconds()) },
		Committed:  func(took time.Duration, _ int) { m.shares.commits.Observe(took.Seconds()) },
	}
}
