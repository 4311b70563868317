package broker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"leat.dev/internal/broker/coordinator"
)

// txnCollectors are the figures of the transaction coordinator.
type txnCollectors struct {
	states  *prometheus.GaugeVec
	loads   prometheus.Histogram
	commits prometheus.Histogram
}

func newTxnCollectors() txnCollectors {
	return txnCollectors{
		states: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "leat_transactional_ids", Help: "Transactional ids, by the state of their last transaction.",
		}, []string{"state"}),
		loads: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "leat_transaction_load_seconds", Help: "Time to load a partition of __transaction_state.", Buckets: latencyBuckets,
		}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "leat_transaction_commit_seconds", Help: "Time until a batch of transaction records was committed.", Buckets: latencyBuckets,
		}),
	}
}

func (c *txnCollectors) all() []prometheus.Collector {
	return []prometheus.Collector{c.states, c.loads, c.commits}
}

// txnMetrics are the transaction coordinator's hooks.
func (m *metrics) txnMetrics() *coordinator.TxnMetrics {
	return &coordinator.TxnMetrics{
		Transactions: func(state string, delta int) { m.txns.states.WithLabelValues(state).Add(float64(delta)) },
		Loaded:       func(took time.Duration, _ int64) { m.txns.loads.Observe(took.Seconds()) },
		Committed:    func(took time.Duration, _ int) { m.txns.commits.Observe(took.Seconds()) },
	}
}
