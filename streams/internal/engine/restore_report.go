package engine

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// RestoreKind is what a RestoreEvent tells.
type RestoreKind uint8

// The kinds, in the words of Kafka Streams' StateRestoreListener and StandbyUpdateListener.
const (
	RestoreBegan     RestoreKind = iota // a store begins to be read from its changelog
	RestoreApplied                      // records of it were applied
	RestoreDone                         // it has everything; of a standby: all there was, it goes on being kept up to date
	RestoreSuspended                    // the task leaves before that, or the standby becomes active or leaves
)

// RestoreEvent is something that happened in the restore of a store.
type RestoreEvent struct {
	Kind     RestoreKind
	Task     TaskID
	Store    string
	Log      TopicPartition
	Standby  bool
	From, To int64 // offsets: where it began, and where the changelog ended then, as far as is known
	Next     int64 // the next record to apply
	Records  int64 // applied: of the batch, or in all
}

// told gives an event to the listener.
func (r *restorer) told(kind RestoreKind, g *restoring, log *restoreLog, records int64) {
	f := r.p.app.opt.OnRestore
	if f == nil {
		return
	}
	f(RestoreEvent{
		Kind: kind, Task: g.task.id, Store: log.store, Log: log.tp, Standby: g.standby,
		From: log.first, To: log.end.Load(), Next: log.next.Load(), Records: records,
	})
}

// started tells that a task begins to be restored, when something is missing.
func (l *lane) started(g *restoring) {
	if g.missing() > 0 {
		l.r.p.app.log.Info("restoring", "task", g.task.id.String(), "standby", g.standby, "records", g.missing())
	}
	g.told = true
	for _, log := range g.logs {
		l.r.told(RestoreBegan, g, log, 0)
	}
}

// ended tells that it has everything.
func (l *lane) ended(g *restoring) {
	if !g.told {
		return
	}
	if !g.standby {
		g.told = false
	}
	var n int64
	for _, log := range g.logs {
		n += log.records.Load()
		l.r.told(RestoreDone, g, log, log.records.Load())
	}
	if n > 0 {
		l.r.p.app.log.Info("restored", "task", g.task.id.String(), "standby", g.standby, "records", n)
	}
}

// stopped tells that the restore of a task is broken off, or that a standby is none any more.
func (l *lane) stopped(g *restoring) {
	if !g.told {
		return
	}
	g.told = false
	for _, log := range g.logs {
		l.r.told(RestoreSuspended, g, log, log.records.Load())
	}
}

// restoreMetrics are those of the restorer.
type restoreMetrics struct {
	remaining *prometheus.GaugeVec
	applied   *prometheus.GaugeVec
	lag       *prometheus.GaugeVec
	waiting   prometheus.Gauge
	troubles  *prometheus.CounterVec
}

func (k maker) restores() {
	k.m.restore = &restoreMetrics{
		remaining: k.gauges("restore_remaining_records", "Offsets that are missing of a store that is being restored.", "task", "store"),
		applied:   k.gauges("restore_applied_records", "Records applied to a store in the restore that runs, or to a standby.", "task", "store"),
		lag:       k.gauges("standby_lag_records", "Offsets that a standby's store is behind its changelog.", "task", "store"),
		waiting:   k.gauge("tasks_waiting_for_disk", "Tasks whose state the disk refused, and that wait."),
		troubles:  k.counters("state_failures_total", "Failures of the state of tasks by the disk's doing: corrupt, no_space, other.", "kind"),
	}
}

// How often metrics of restores are brought up to date, and how often the log tells of one that takes long.
const (
	reportEvery = time.Second
	reportLog   = 5 * time.Second
)

// report shows how far restores are.
func (r *restorer) report() {
	rate := restoreRate{at: r.p.app.clk.Now()}
	for pause(r.ctx, reportEvery) {
		r.measure(r.progress(), &rate)
	}
}

// restoreRate is what the last line in the log said.
type restoreRate struct {
	at      time.Time
	applied map[TopicPartition]int64
}

func (r *restorer) measure(list []storeProgress, rate *restoreRate) {
	m := r.p.app.met.restore
	m.remaining.Reset()
	m.applied.Reset()
	m.lag.Reset()
	var remaining, gained int64
	applied := map[TopicPartition]int64{}
	stores := 0
	for i := range list {
		p := &list[i]
		task := p.Task.String()
		m.applied.WithLabelValues(task, p.Store).Set(float64(p.Restored))
		if p.Standby {
			m.lag.WithLabelValues(task, p.Store).Set(float64(p.Lag()))
			continue
		}
		m.remaining.WithLabelValues(task, p.Store).Set(float64(p.Lag()))
		remaining += p.Lag()
		applied[p.Log] = p.Restored
		gained += max(0, p.Restored-rate.applied[p.Log])
		stores++
	}
	waiting := 0
	r.mu.Lock()
	for _, g := range r.tasks {
		if g.waiting.Load() {
			waiting++
		}
	}
	r.mu.Unlock()
	m.waiting.Set(float64(waiting))
	now := r.p.app.clk.Now()
	if remaining == 0 {
		rate.at, rate.applied = now, nil
		return
	}
	if took := now.Sub(rate.at); took >= reportLog {
		if perSecond := float64(gained) / took.Seconds(); perSecond > 0 {
			eta := time.Duration(float64(remaining) / perSecond * float64(time.Second))
			r.p.app.log.Info("restoring", "stores", stores, "remaining_records", remaining,
				"records_per_second", int64(perSecond), "eta", eta.Round(time.Second))
		} else {
			r.p.app.log.Info("restoring", "stores", stores, "remaining_records", remaining, "records_per_second", 0)
		}
		rate.at, rate.applied = now, applied
	}
}
