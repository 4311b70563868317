package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// apply puts records of a changelog into a store.
func (l *lane) apply(f kgo.FetchTopicPartition) {
	tp := TopicPartition{f.Topic, f.Partition}
	g := l.byLog[tp]
	if g == nil {
		return
	}
	log := g.logs[tp]
	if f.Err != nil {
		l.fetchFailed(g, tp, f.Err)
		return
	}
	if g.standby && !log.source {
		log.end.Store(max(log.end.Load(), f.HighWatermark))
	}
	batch, next := l.take(g, log, f.Records)
	for _, rec := range f.Records {
		rec.Recycle() // what is applied or held is copied
	}
	if err := l.restore(g, log, batch, next); err != nil {
		l.fail(g, err)
		return
	}
	l.settle(g)
}

// take gives those records that may be applied, and the offset behind them.
func (l *lane) take(g *restoring, log *restoreLog, records []*kgo.Record) (batch []In, next int64) {
	if n := len(records); cap(l.batch) < n {
		l.batch = make([]In, 0, n)
	}
	batch = l.batch[:0]
	next = log.next.Load()
	seen, until := max(next, log.heldEnd), log.until(g.standby)
	for i, rec := range records {
		if rec.Offset < seen {
			continue // fetched twice
		}
		if rec.Offset >= until {
			if !g.standby {
				next = until // what lies between was left out by compaction, or aborted
				break
			}
			log.hold(records[i:])
			l.client.PauseFetchPartitions(map[string][]int32{log.tp.Topic: {log.tp.Partition}})
			break
		}
		next = rec.Offset + 1
		if rec.Attrs.IsControl() {
			continue
		}
		batch = append(batch, inOf(rec))
		g.applied += batch[len(batch)-1].size()
	}
	return batch, next
}

func inOf(rec *kgo.Record) In {
	return In{
		Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset, LeaderEpoch: rec.LeaderEpoch,
		Time: rec.Timestamp.UnixMilli(), Key: rec.Key, Value: rec.Value, Headers: headersOf(rec.Headers),
	}
}

// restore applies a batch, and commits when it is time.
func (l *lane) restore(g *restoring, log *restoreLog, batch []In, next int64) error {
	if len(batch) > 0 {
		if err := g.task.task.Restore(log.store, batch); err != nil {
			return fmt.Errorf("store %s: %w", log.store, err)
		}
		l.r.p.app.met.restored.Add(float64(len(batch)))
		log.records.Add(int64(len(batch)))
	}
	log.next.Store(next)
	if len(batch) > 0 {
		l.r.told(RestoreApplied, g, log, int64(len(batch)))
	}
	limit := l.r.collects()
	if l.quiet {
		limit = standbyCommitBytes
	}
	if g.applied < limit {
		return nil
	}
	return l.keep(g)
}

// keep commits the state with the positions it has.
func (l *lane) keep(g *restoring) error {
	g.applied, g.kept = 0, l.r.p.app.clk.Now()
	positions := map[TopicPartition]int64{}
	for tp, log := range g.logs {
		positions[tp] = log.next.Load()
	}
	if err := g.task.task.Committed(positions); err != nil {
		return err
	}
	if !l.quiet && g.followed {
		return g.task.st.Collect(true)
	}
	return nil
}

// until is how far records may be applied.
func (log *restoreLog) until(standby bool) int64 {
	switch {
	case standby && log.source:
		return log.limit
	case standby:
		return 1<<63 - 1
	}
	return log.end.Load()
}

func (l *lane) fetchFailed(g *restoring, tp TopicPartition, err error) {
	switch {
	case errors.Is(err, kerr.OffsetOutOfRange): // retention overtook: find out anew
		l.unfollow(g)
		if err := g.task.release(false); err != nil {
			l.fail(g, err)
			return
		}
		l.begin(g)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), passes(err):
	default:
		l.fail(g, fmt.Errorf("reading %s-%d: %w", tp.Topic, tp.Partition, err))
	}
}

// suspend ends the work on a task whose state stays open, committed as far as it came.
func (l *lane) suspend(g *restoring) error {
	l.unfollow(g)
	if g.task.task == nil {
		return nil
	}
	err := l.keep(g)
	if err == nil {
		err = g.task.st.Collect(false)
	}
	if e := g.task.task.Close(false); err == nil {
		err = e
	}
	g.task.task = nil
	return err
}

// settle hands a task on that has everything; a standby goes to where standbys are.
func (l *lane) settle(g *restoring) {
	for _, log := range g.logs {
		if log.next.Load() < log.end.Load() {
			return
		}
	}
	if g.standby {
		if !l.quiet {
			l.toStandbys(g)
		}
		return
	}
	if len(g.logs) > 0 {
		l.unfollow(g)
		if !l.whole(g) {
			return
		}
	}
	l.ended(g)
	l.leave(g)
	l.r.well(g.task.id)
	l.r.p.manager.do(func() { l.r.p.manager.restored(g.task) })
}

// whole commits the state that a task has by now, and writes through from then on; false when that failed.
func (l *lane) whole(g *restoring) bool {
	err := l.keep(g)
	if err == nil {
		err = g.task.st.Collect(false)
	}
	if err != nil {
		l.fail(g, err)
	}
	return err == nil
}

// toStandbys gives a standby that caught up to the lane of standbys, which only has to go on.
func (l *lane) toStandbys(g *restoring) {
	l.part(g)
	if !l.whole(g) {
		return
	}
	l.ended(g)
	l.r.well(g.task.id)
	l.r.move(g, l.r.standbys, func(to *lane) {
		to.tasks[g] = true
		to.enqueue(g)
	})
}

// How much of a standby's changelogs is applied, and how long, before its state is committed.
const (
	standbyCommitBytes = 16 << 20
	standbyCommitEvery = 10 * time.Second
)
