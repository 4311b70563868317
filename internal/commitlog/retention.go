package commitlog

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// DeleteRecords moves the log start to offset, -1 meaning the high watermark,
// and returns the new log start. Segments that lie below it go with the next
// ApplyRetention.
func (l *Log) DeleteRecords(offset int64) (low int64, err error) {
	if err := l.usable(); err != nil {
		return 0, err
	}
	if !l.config.Load().Delete {
		return 0, kerr.PolicyViolation
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	hw := l.hw.Load()
	if offset == -1 {
		offset = hw
	}
	if offset < 0 || offset > hw {
		return 0, ErrOffsetOutOfRange
	}
	l.advanceStart(offset)
	return l.start.Load(), nil
}

// AdvanceStart moves the log start up to offset, as a follower does when its
// leader's has moved.
func (l *Log) AdvanceStart(offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advanceStart(min(offset, l.end.Load()))
}

// advanceStart raises the log start. mu is held.
func (l *Log) advanceStart(offset int64) {
	if offset <= l.start.Load() {
		return
	}
	l.start.Store(offset)
	l.epochs.truncateStart(offset)
	if l.hw.Load() < offset {
		l.setHighWatermark(offset)
	}
}

// ApplyRetention deletes the oldest segments that lie below the log start, or,
// with cleanup.policy delete, are beyond retention.bytes or retention.ms. Only
// what is below the high watermark goes.
func (l *Log) ApplyRetention() (deletedSegments int, err error) {
	if !l.cleanMu.TryLock() {
		return 0, nil // a compaction runs; there will be a next time
	}
	defer l.cleanMu.Unlock()
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	if err := l.usable(); err != nil {
		return 0, err
	}
	c := l.config.Load()
	now := l.o.Clock.Now()
	n, err := l.expiredSegments(c, now)
	if err == nil && n == len(l.segments) {
		err = l.roll(l.end.Load())
	}
	if err == nil && n > 0 {
		err = l.dropFirst(n, now)
	}
	if err != nil {
		return 0, l.fail("apply retention", err)
	}
	return n, l.sweep(now)
}

// expiredSegments counts the segments to delete from the front.
func (l *Log) expiredSegments(c *Config, now time.Time) (n int, err error) {
	hw, start := l.hw.Load(), l.start.Load()
	excess := int64(-1)
	if c.Delete && c.RetentionBytes >= 0 {
		excess = l.size() - c.RetentionBytes
	}
	for i, s := range l.segments {
		end, last := l.end.Load(), i == len(l.segments)-1
		if !last {
			end = l.segments[i+1].base
		}
		if hw < end || last && s.size == 0 {
			return n, nil
		}
		belowStart := !last && end <= start
		tooMuch := excess >= 0 && excess-s.size >= 0
		tooOld := false
		if !belowStart && !tooMuch && c.Delete && c.RetentionAge >= 0 && c.RetentionAge < Forever {
			newest, err := l.newestTime(s)
			if err != nil {
				return 0, err
			}
			tooOld = now.Sub(newest) > c.RetentionAge
		}
		if !belowStart && !tooMuch && !tooOld {
			return n, nil
		}
		excess -= s.size
		n++
	}
	return n, nil
}

// newestTime is the largest timestamp of a segment, or when its file was last
// changed if its records have none.
func (l *Log) newestTime(s *segment) (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.loadTimes(s); err != nil {
		return time.Time{}, err
	}
	if s.maxTS >= 0 {
		return time.UnixMilli(s.maxTS), nil
	}
	return s.modTime, nil
}

// dropFirst takes the first n segments out of the log and renames their files,
// to be removed after file.delete.delay.ms. appendMu is held.
func (l *Log) dropFirst(n int, now time.Time) error {
	l.mu.Lock()
	gone := l.segments[:n]
	l.segments = append([]*segment(nil), l.segments[n:]...)
	first := l.segments[0].base
	l.advanceStart(first)
	l.firstDirty = max(l.firstDirty, first)
	l.dirUnsynced = true
	l.mu.Unlock()
	// The producers whose records go are known from the snapshot at the new
	// start, which is made durable first.
	if err := l.syncFile(baseName(first) + snapshotSuffix); err != nil {
		return err
	}
	if err := l.o.FS.SyncDir(l.Dir()); err != nil {
		return err
	}
	if err := l.discard(gone, now); err != nil {
		return err
	}
	return l.removeSnapshots(0, first)
}

// discard renames the files of segments that left the log, oldest first and
// each durably before the next: whatever a crash leaves behind joins what stays.
func (l *Log) discard(gone []*segment, now time.Time) error {
	for i, s := range gone {
		s.retire()
		if err := s.rename(l.o.FS, deletedSuffix); err != nil {
			return err
		}
		if i+1 < len(gone) {
			if err := l.o.FS.SyncDir(l.Dir()); err != nil {
				return err
			}
		}
		l.deleted = append(l.deleted, deletedSegment{s, now.Add(l.config.Load().FileDeleteDelay)})
		l.waiting.Store(int64(len(l.deleted)))
		l.o.Metrics.SegmentsDeleted.Add(1)
	}
	return nil
}

// SweepDeleted removes files whose file.delete.delay.ms has passed.
func (l *Log) SweepDeleted(now time.Time) error {
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	return l.sweep(now)
}

func (l *Log) sweep(now time.Time) error {
	keep := l.deleted[:0]
	for _, d := range l.deleted {
		if now.Before(d.at) {
			keep = append(keep, d)
			continue
		}
		if err := d.seg.remove(l.o.FS); err != nil {
			return l.fail("remove deleted segment", err)
		}
	}
	clear(l.deleted[len(keep):])
	l.deleted = keep
	l.waiting.Store(int64(len(keep)))
	return nil
}
