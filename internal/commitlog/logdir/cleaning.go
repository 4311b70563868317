package logdir

import (
	"context"
	"errors"
	"sync"
	"time"

	"leat.dev/internal/commitlog"
)

// cleaners are the cleaner threads and what they work by, which can change while they run.
type cleaners struct {
	pace pace

	mu       sync.Mutex
	parent   context.Context // nil while there are no threads
	stop     context.CancelFunc
	running  sync.WaitGroup
	settings Settings // those of the cleaner count
}

// startCleaners runs the cleaner threads.
func (d *Dir) startCleaners(ctx context.Context) {
	c := &d.cleaners
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parent = ctx
	d.runCleaners()
}

// runCleaners starts threads by the settings. Their memory is allocated when there is something to compact for the first
// time. cleaners.mu is held.
func (d *Dir) runCleaners() {
	c := &d.cleaners
	ctx, cancel := context.WithCancel(c.parent)
	c.stop = cancel
	s := c.settings
	for range s.CleanerThreads {
		timer := d.o.Clock.NewTimer(s.CleanerBackoff)
		c.running.Add(1)
		d.tasks.Go(func() {
			defer c.running.Done()
			defer timer.Stop()
			var buffers *commitlog.CleanerBuffers
			for {
				select {
				case <-ctx.Done():
					return
				case <-timer.C():
				}
				for d.cleanOne(ctx, &s, &buffers) {
				}
				timer.Reset(s.CleanerBackoff)
			}
		})
	}
}

// Reconfigure takes the settings that can change while the directory is in use: those of the cleaner, besides whether
// there is one, and ProducerIDExpiration. Other threads or other memory for them end the compactions in progress, which
// begin again; a new rate holds for those in progress.
func (d *Dir) Reconfigure(s Settings) {
	s = s.withDefaults()
	d.producerExpiry.Store(int64(s.ProducerIDExpiration))
	c := &d.cleaners
	c.pace.setRate(s.CleanerIORate)
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.settings
	c.settings = s
	if c.parent == nil || c.parent.Err() != nil || was.CleanerThreads == s.CleanerThreads && was.CleanerDedupeBytes == s.CleanerDedupeBytes &&
		was.CleanerIOBytes == s.CleanerIOBytes && was.CleanerLoadFactor == s.CleanerLoadFactor && was.CleanerBackoff == s.CleanerBackoff {
		return
	}
	c.stop()
	c.running.Wait()
	d.runCleaners()
}

// cleanOne compacts the partition that needs it most. false means there is none.
func (d *Dir) cleanOne(ctx context.Context, s *Settings, buffers **commitlog.CleanerBuffers) bool {
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
		*buffers = commitlog.NewCleanerBuffers(int(s.CleanerDedupeBytes)/s.CleanerThreads, s.CleanerIOBytes, s.CleanerLoadFactor)
		(*buffers).Throttle = d.cleaners.pace.pay
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
		skip := d.cleaning[tp] || d.moving[tp] || d.failed[tp] != nil
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
	if d.cleaning[best] || d.moving[best] {
		return best, nil // another thread was faster; there will be a next round
	}
	d.cleaning[best] = true
	return best, bestLog
}
