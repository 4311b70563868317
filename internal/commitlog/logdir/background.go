package logdir

import (
	"context"
	"errors"
	"syscall"
	"time"

	"leat.dev/internal/commitlog"
)

const (
	// firstDelay is how long after the start the periodic tasks begin, as in Kafka.
	firstDelay = 30 * time.Second
	// sweepInterval is how often files and directories whose delay has passed
	// are looked for.
	sweepInterval = 5 * time.Second
	// flushInterval bounds how late flush.ms and rolled segments are noticed.
	flushInterval = time.Second
)

// Start runs the background work until ctx ends or Close.
func (d *Dir) Start(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	d.mu.Lock()
	if d.closed || d.stop != nil {
		d.mu.Unlock()
		cancel()
		return
	}
	d.stop = cancel
	d.mu.Unlock()

	d.every(ctx, d.s.RecoveryPointInterval, d.s.RecoveryPointInterval, d.reporting("write recovery points", d.checkpoint))
	d.every(ctx, d.s.LogStartInterval, d.s.LogStartInterval, d.reporting("write log start offsets", d.writeLogStarts))
	d.every(ctx, d.s.HighWatermarkInterval, d.s.HighWatermarkInterval, d.reporting("write high watermarks", d.writeHighWatermarks))
	d.every(ctx, min(firstDelay, d.s.RetentionCheckInterval), d.s.RetentionCheckInterval, d.retain)
	d.every(ctx, d.s.ProducerIDExpirationCheck, d.s.ProducerIDExpirationCheck, d.expireProducers)
	d.every(ctx, sweepInterval, sweepInterval, d.sweep)
	d.every(ctx, d.s.ReopenBackoff, d.s.ReopenBackoff, d.reopen)
	if d.s.FlushSchedulerInterval > 0 {
		interval := min(d.s.FlushSchedulerInterval, flushInterval)
		d.every(ctx, interval, interval, d.flush)
	}
	if d.s.CleanerEnabled {
		d.startCleaners(ctx)
	}
}

// every runs a task on a goroutine of its own, first after delay, then always
// interval after it ended.
func (d *Dir) every(ctx context.Context, delay, interval time.Duration, task func(context.Context)) {
	timer := d.o.Clock.NewTimer(delay)
	d.tasks.Go(func() {
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-timer.C():
			}
			task(ctx)
			timer.Reset(interval)
		}
	})
}

func (d *Dir) reporting(what string, task func() error) func(context.Context) {
	return func(context.Context) {
		if err := task(); err != nil {
			d.log.Warn("background task failed and is tried again", "task", what, "dir", d.o.Path, "error", err)
		}
	}
}

// checkpoint brings all partitions' side files up to date and writes their
// recovery points down.
func (d *Dir) checkpoint() error {
	for _, l := range d.Logs() {
		if _, err := l.Checkpoint(); err != nil && l.Offline() == nil && !errors.Is(err, commitlog.ErrClosed) {
			return err
		}
	}
	return d.writeRecoveryPoints()
}

// Checkpoint writes all checkpoint files now.
func (d *Dir) Checkpoint() error {
	return errors.Join(d.checkpoint(), d.writeLogStarts(), d.writeHighWatermarks(), d.writeCleanerOffsets())
}

// collect gathers an offset of all partitions. Those that are broken keep what
// the file said before: they will be opened again some day.
func (d *Dir) collect(of func(*commitlog.Log) (int64, bool), before func(checkpoints) map[TopicPartition]int64) map[TopicPartition]int64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	out := make(map[TopicPartition]int64, len(d.logs))
	for tp, l := range d.logs {
		if offset, ok := of(l); ok {
			out[tp] = offset
		}
	}
	for tp, err := range d.broken {
		var open *openError
		if errors.As(err, &open) {
			if offset, ok := before(open.c)[tp]; ok {
				out[tp] = offset
			}
		}
	}
	return out
}

func (d *Dir) writeRecoveryPoints() error {
	return d.writeCheckpoint(recoveryPointFile, func() map[TopicPartition]int64 {
		return d.collect(func(l *commitlog.Log) (int64, bool) { return l.RecoveryPoint(), true },
			func(c checkpoints) map[TopicPartition]int64 { return c.recoveryPoint })
	})
}

// SaveLogStarts makes the log starts durable now. DeleteRecords is answered
// after it: what was deleted and acknowledged does not come back after a crash.
func (d *Dir) SaveLogStarts() error { return d.writeLogStarts() }

func (d *Dir) writeLogStarts() error {
	return d.writeCheckpoint(logStartFile, func() map[TopicPartition]int64 {
		out := d.collect(func(l *commitlog.Log) (int64, bool) { return l.StartOffset(), l.StartInsideSegment() },
			func(c checkpoints) map[TopicPartition]int64 { return c.logStart })
		d.mu.RLock()
		defer d.mu.RUnlock()
		for tp, l := range d.arriving {
			out[tp] = l.StartOffset() // where it is in its segments here is not known yet
		}
		return out
	})
}

func (d *Dir) writeHighWatermarks() error {
	return d.writeCheckpoint(highWatermarkFile, func() map[TopicPartition]int64 {
		return d.collect(func(l *commitlog.Log) (int64, bool) { return l.HighWatermark(), true },
			func(c checkpoints) map[TopicPartition]int64 { return c.highWatermark })
	})
}

func (d *Dir) writeCleanerOffsets() error {
	return d.writeCheckpoint(cleanerFile, func() map[TopicPartition]int64 {
		return d.collect(func(l *commitlog.Log) (int64, bool) { return l.FirstDirty(), l.Config().Compact },
			func(c checkpoints) map[TopicPartition]int64 { return c.cleaner })
	})
}

// retain applies retention to all partitions.
func (d *Dir) retain(ctx context.Context) {
	for tp, l := range d.Logs() {
		if ctx.Err() != nil {
			return
		}
		if _, err := l.RollIfDue(); err != nil {
			continue // it is offline now, and reopen reports that
		}
		if n, err := l.ApplyRetention(); err == nil && n > 0 {
			d.log.Info("segments deleted", "topic", tp.Topic, "partition", tp.Partition, "segments", n, "log_start_offset", l.StartOffset())
		}
	}
}

func (d *Dir) expireProducers(context.Context) {
	now := d.o.Clock.Now()
	for _, l := range d.Logs() {
		l.SetProducerIDExpiration(time.Duration(d.producerExpiry.Load()))
		l.ExpireProducers(now)
	}
}

// sweep removes what was deleted long enough ago.
func (d *Dir) sweep(ctx context.Context) {
	now := d.o.Clock.Now()
	for _, l := range d.Logs() {
		if l.HasDeleted() {
			_ = l.SweepDeleted(now) // an error takes it offline, and reopen reports that
		}
	}
	d.mu.Lock()
	var due, keep []doomedDir
	for _, x := range d.doomed {
		if now.Before(x.at) {
			keep = append(keep, x)
		} else {
			due = append(due, x)
		}
	}
	d.doomed = keep
	d.mu.Unlock()
	for i, x := range due {
		if ctx.Err() != nil {
			return
		}
		if err := d.o.FS.RemoveAll(x.path); err != nil {
			d.log.Warn("deleted partition's directory could not be removed and is tried again", "dir", x.path, "error", err)
			d.mu.Lock()
			d.doomed = append(d.doomed, due[i])
			d.mu.Unlock()
		}
	}
}

func (d *Dir) flush(ctx context.Context) {
	now := d.o.Clock.Now()
	for _, l := range d.Logs() {
		if ctx.Err() != nil {
			return
		}
		if l.FlushDue(now) {
			_, _ = l.Flush() // an error takes it offline, and reopen reports that
		} else {
			_ = l.FlushRolled()
		}
	}
}

// reopen reports partitions that went offline and tries to bring them back
// once the disk takes writes again.
func (d *Dir) reopen(ctx context.Context) {
	var back, gone []TopicPartition
	var reasons []error
	probed, usable := false, false
	ready := func(cause error) bool {
		if !probed {
			probed, usable = true, d.probe(cause)
			if usable {
				d.failure.Store(nil)
			} else {
				d.failure.Store(&cause)
			}
		}
		return usable
	}
	defer func() {
		if !probed {
			d.failure.Store(nil) // nothing here fails any more
		}
	}()
	for tp, l := range d.Logs() {
		err := l.Offline()
		if ctx.Err() != nil || err == nil {
			continue
		}
		d.mu.Lock()
		known := d.offline[tp]
		d.offline[tp] = true
		d.mu.Unlock()
		if !known {
			gone, reasons = append(gone, tp), append(reasons, err)
			continue
		}
		if ready(err) && l.Reopen() == nil {
			d.mu.Lock()
			delete(d.offline, tp)
			d.mu.Unlock()
			back = append(back, tp)
		}
	}
	for tp, err := range d.Broken() {
		var storage *commitlog.StorageError
		if ctx.Err() == nil && errors.As(err, &storage) && ready(err) && d.retryOpen(tp, err) {
			back = append(back, tp)
		}
	}
	if notify := d.o.OnStateChange; notify != nil {
		for i, tp := range gone {
			notify(tp, reasons[i])
		}
		for _, tp := range back {
			notify(tp, nil)
		}
	}
}

// retryOpen opens a partition that failed to open.
func (d *Dir) retryOpen(tp TopicPartition, err error) bool {
	var open *openError
	if !errors.As(err, &open) {
		return false
	}
	d.openLog(tp, open.c)
	if d.Get(tp) == nil {
		return false
	}
	d.mu.Lock()
	delete(d.broken, tp)
	d.mu.Unlock()
	return true
}

const probeFile = ".leat-probe"

// probe tells whether the directory can be written. After a full disk there
// must also be some space, so that partitions do not fail again at once.
func (d *Dir) probe(cause error) bool {
	if errors.Is(cause, syscall.ENOSPC) || errors.Is(cause, syscall.EDQUOT) {
		if _, free, err := d.o.FS.Usage(d.o.Path); err != nil || free < d.s.MinFreeBytes {
			return false
		}
	}
	name := d.path(probeFile)
	f, err := d.o.FS.Create(name)
	if err != nil {
		return false
	}
	_, err = f.WriteAt(make([]byte, 4096), 0)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if rerr := d.o.FS.Remove(name); err == nil {
		err = rerr
	}
	return err == nil
}
