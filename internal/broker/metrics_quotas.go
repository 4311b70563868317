package broker

import (
	"github.com/prometheus/client_golang/prometheus"

	"leat.dev/internal/broker/quota"
)

// The figures of quotas are listed in docs/guide/quotas.md.
var (
	descThrottled      = desc("throttled_total", "Requests after which the client had to wait, by the quota that caused it.", "quota")
	descThrottledTime  = desc("throttled_seconds_total", "Time that clients were told to wait, by the quota that caused it.", "quota")
	descQuotaEntities  = desc("quota_entities", "Users and client ids whose recent use is remembered, by quota.", "quota")
	descMuted          = desc("connections_muted_total", "Times that a connection was muted because of a quota.")
	descConnsThrottled = desc("connections_throttled_total", "Connections that came too fast: delayed by the rate of the broker or a listener, or closed by that of their address.", "limit")
)

func (c *collector) collectQuotas(out chan<- prometheus.Metric) {
	emit := func(d *prometheus.Desc, typ prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, typ, v, labels...)
	}
	for kind := range quota.Kind(quota.Kinds) {
		times, total := c.broker.security.quotas.Throttled(kind)
		emit(descThrottled, prometheus.CounterValue, float64(times), kind.String())
		emit(descThrottledTime, prometheus.CounterValue, total.Seconds(), kind.String())
		emit(descQuotaEntities, prometheus.GaugeValue, float64(c.broker.security.quotas.Entities(kind)), kind.String())
	}
	st := c.broker.server.Stats()
	emit(descMuted, prometheus.CounterValue, float64(st.Muted))
	emit(descConnsThrottled, prometheus.CounterValue, float64(st.Delayed), "rate")
	emit(descConnsThrottled, prometheus.CounterValue, float64(st.TurnedAway), "ip")
}
