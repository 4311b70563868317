package broker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"leat.dev/internal/broker/coordinator"
	"leat.dev/internal/broker/delivery"
)

// shareCollectors are the figures of share groups: of their coordinator, and of what is delivered to them here.
type shareCollectors struct {
	partitions prometheus.Gauge
	loads      prometheus.Histogram
	commits    prometheus.Histogram

	acquired prometheus.Counter
	expired  prometheus.Counter
	persist  prometheus.Histogram
	acks     *prometheus.CounterVec
	ackTypes [delivery.Renew + 1]prometheus.Counter
}

func newShareCollectors() shareCollectors {
	c := shareCollectors{
		partitions: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "leat_share_coordinator_partitions", Help: "Share-partitions whose state this broker's share coordinator keeps.",
		}),
		loads: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "leat_share_coordinator_load_seconds", Help: "Time to load a partition of __share_group_state.", Buckets: latencyBuckets,
		}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "leat_share_coordinator_commit_seconds", Help: "Time until a batch of share state records was committed.", Buckets: latencyBuckets,
		}),
		acquired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "leat_share_acquired_records_total", Help: "Records delivered to share groups, counted each time.",
		}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "leat_share_lock_timeouts_total", Help: "Records of share groups whose lock ran out before they were acknowledged.",
		}),
		persist: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "leat_share_persist_seconds", Help: "Time to write down or read the state of a share-partition.", Buckets: latencyBuckets,
		}),
		acks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leat_share_acknowledged_records_total", Help: "Acknowledgements of share groups' records asked for, by type.",
		}, []string{"type"}),
	}
	for t, name := range [...]string{"gap", "accept", "release", "reject", "renew"} {
		c.ackTypes[t] = c.acks.WithLabelValues(name)
	}
	return c
}

func (c *shareCollectors) all() []prometheus.Collector {
	return []prometheus.Collector{c.partitions, c.loads, c.commits, c.acquired, c.expired, c.persist, c.acks}
}

// shareCoordinatorMetrics are the share coordinator's hooks.
func (m *metrics) shareCoordinatorMetrics() *coordinator.ShareMetrics {
	return &coordinator.ShareMetrics{
		Partitions: func(delta int) { m.shares.partitions.Add(float64(delta)) },
		Loaded:     func(took time.Duration, _ int64) { m.shares.loads.Observe(took.Seconds()) },
		Committed:  func(took time.Duration, _ int) { m.shares.commits.Observe(took.Seconds()) },
	}
}

// deliveryMetrics are the hooks of the delivery to share groups.
func (m *metrics) deliveryMetrics() *delivery.Metrics {
	return &delivery.Metrics{
		Acquired: func(n int64) { m.shares.acquired.Add(float64(n)) },
		Expired:  func(n int64) { m.shares.expired.Add(float64(n)) },
		Persist:  func(took time.Duration) { m.shares.persist.Observe(took.Seconds()) },
	}
}

// acknowledged counts acknowledgements that have been checked.
func (m *metrics) acknowledged(list []delivery.Ack) {
	for i := range list {
		a := &list[i]
		if len(a.Types) == 1 {
			m.shares.ackTypes[a.Types[0]].Add(float64(a.Last - a.First + 1))
			continue
		}
		for _, t := range a.Types {
			m.shares.ackTypes[t].Inc()
		}
	}
}

var (
	descShareSessions   = desc("share_sessions", "Share sessions of members of share groups.")
	descSharePartitions = desc("share_partitions", "Share-partitions that are being delivered.")
	descShareInFlight   = desc("share_in_flight_records", "Offsets between the start and the end of all share-partitions that are being delivered.")
)

// collectShares tells how much the delivery to share groups holds at the moment.
func (c *collector) collectShares(gauge func(*prometheus.Desc, float64, ...string)) {
	s := c.broker.delivery.Stats()
	gauge(descShareSessions, float64(s.Sessions))
	gauge(descSharePartitions, float64(s.Partitions))
	gauge(descShareInFlight, float64(s.InFlight))
}
