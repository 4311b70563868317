package streams

import (
	"log/slog"
	"time"

	"leat.dev/streams/internal/engine"
)

// refresh tells the task's meter what is not counted but looked at.
func (t *task) refresh(m *engine.Meter) {
	if t.cache != nil {
		m.CacheBytes, m.ObjectSize = t.cache.records.used, t.cache.objects.used
	}
	if t.inputs != nil {
		m.Enforced, t.inputs.Enforced = t.inputs.Enforced, 0
	}
	for _, s := range t.storeOrder {
		if b, ok := s.(*bufferStore); ok {
			b.meter.Entries, b.meter.Bytes = int64(b.count()), b.size()
		}
	}
}

// metered counts and times what a node takes, for the option NodeMetrics.
func metered[K, V any](n *node, take sink[K, V]) sink[K, V] {
	if !n.task.config().nodeMetrics {
		return take
	}
	m := n.task.meter.Node(n.name)
	return func(r *Record[K, V]) error {
		if !m.Sampled() {
			return take(r)
		}
		began, ok := n.task.meter.Clock()
		err := take(r)
		if ok {
			now, _ := n.task.meter.Clock()
			m.Seconds.Add(now.Sub(began).Nanoseconds())
		}
		return err
	}
}

// futureMs is how far a record's time may be ahead of the clock before it is said.
const futureMs = 24 * 60 * 60 * 1000

// warnFuture says once that a record is far ahead of the clock: stream time follows it, and what comes after it with the
// right time is late for every window.
func (t *task) warnFuture(in *engine.In, at, now int64) {
	t.future = true
	t.config().log.Warn("a record is far ahead of the clock, and stream time with it: windows close, and records with the time of now are late. "+
		"Correct the clock of its producer, or give the source the option Timestamps",
		slog.String("task", t.id.String()), slog.String("topic", in.Topic), slog.Int64("partition", int64(in.Partition)),
		slog.Int64("offset", in.Offset), slog.Duration("ahead", millisOf(at-now).Round(time.Second)))
}
