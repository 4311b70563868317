package logdir

import (
	"context"
	"errors"
	"time"

	"leat.dev/internal/commitlog"
)

// startCleaners runs the cleaner threads. Their memory is allocated when there
// is something to compact for the first time.
func (d *Dir) startCleaners(ctx context.Context) {
	for range d.s.CleanerThreads {
		timer := d.o.Clock.NewTimer(d.s.CleanerBackoff)
		d.tasks.Go(func() {
			defer timer.Stop()
			var buffers *commitlog.CleanerBuffers
			for {
				select {
				case <-ctx.Done():
					return
				case <-timer.C():
				}
				for d.cleanOne(ctx, &buffers) {
				}
				timer.Reset(d.s.CleanerBackoff)
			}
		})
	}
}

// cleanOne compacts the partition that needs it most. false means there is none.
func (d *Dir) cleanOne(ctx context.Context, buffers **commitlog.CleanerBuffers) bool {
	if ctx.Err() != nil {
		return false
	}
	tp, l := d.dirtiest(d.o.Clock.Now())
	if l == nil {
		return false
	}
	defer func() {
		d.mu.Lock()
		delete(d.cleaning, tp)
		d.mu.Unlock()
	}()
	if *buffers == nil {
		*buffers = commitlog.NewCleanerBuffers(int(d.s.CleanerDedupeBytes)/d.s.CleanerThreads, d.s.CleanerIOBytes, d.s.CleanerLoadFactor)
	}
	stats, err := l.Clean(ctx, *buffers)
	switch {
	case err == nil:
		d.log.Info("partition compacted", "topic", tp.Topic, "partition", tp.Partition,
			"records_before", stats.ReadRecords, "records_after", stats.KeptRecords,
			"bytes_before", stats.ReadBytes, "bytes_after", stats.KeptBytes, "duration", stats.Duration)
		d.reporting("write cleaner offsets", d.writeCleanerOffsets)(ctx)
		return true
	case ctx.Err() != nil, errors.Is(err, commitlog.ErrClosed), l.Offline() != nil:
		return false
	default:
		// What the records say is at fault, not the disk: trying again would
		// fail again.
		d.log.Error("partition cannot be compacted and is left as it is", "topic", tp.Topic, "partition", tp.Partition, "error", err)
		d.mu.Lock()
		d.failed[tp] = err
		d.mu.Unlock()
		return true
	}
}

// Uncleanable returns the partitions that compaction gave up on, with the reason.
func (d *Dir) Uncleanable() map[TopicPartition]error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	out := make(map[TopicPartition]error, len(d.failed))
	for tp, err := range d.failed {
		out[tp] = err
	}
	return out
}

// dirtiest picks the partition to compact next and claims it: one with a
// record past max.compaction.lag.ms, else the one with the highest dirty ratio
// that is due.
func (d *Dir) dirtiest(now time.Time) (TopicPartition, *commitlog.Log) {
	var best TopicPartition
	var bestLog *commitlog.Log
	var bestInfo commitlog.CleanableInfo
	for tp, l := range d.Logs() {
		if !l.Config().Compact || l.Offline() != nil {
			continue
		}
		d.mu.RLock()
		skip := d.cleaning[tp] || d.failed[tp] != nil
		d.mu.RUnlock()
		if skip {
			continue
		}
		info, err := l.CleanableInfo(now)
		if err != nil || !info.Due {
			continue
		}
		better := bestLog == nil || info.LagDue && !bestInfo.LagDue ||
			info.LagDue == bestInfo.LagDue && (info.Ratio > bestInfo.Ratio || info.Ratio == bestInfo.Ratio && tp.compare(best) < 0)
		if better {
			best, bestLog, bestInfo = tp, l, info
		}
	}
	if bestLog == nil {
		return best, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cleaning[best] {
		return best, nil // another thread was faster; there will be a next round
	}
	d.cleaning[best] = true
	return best, bestLog
}
