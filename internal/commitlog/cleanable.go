package commitlog

import (
	"time"
)

// CleanableInfo says how much of the log compaction has not seen and whether
// it is due.
func (l *Log) CleanableInfo(now time.Time) (CleanableInfo, error) {
	if err := l.usable(); err != nil {
		return CleanableInfo{}, err
	}
	info, err := l.cleanable(now)
	if err != nil {
		return info, l.fail("read segment", err)
	}
	return info, nil
}

func (l *Log) cleanable(now time.Time) (CleanableInfo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.config.Load()
	var info CleanableInfo
	if len(l.segments) == 0 {
		return info, nil
	}
	start := l.start.Load()
	if l.firstDirty < start || l.firstDirty > l.end.Load() {
		l.firstDirty = start
	}
	info.FirstDirtyOffset = l.firstDirty
	closed := l.segments[:len(l.segments)-1]
	limit := min(l.LastStableOffset(), l.active().base)
	earliest := int64(-1)
	for _, s := range closed[min(l.floor(l.firstDirty), len(closed)):] {
		if s.base >= limit {
			break
		}
		if c.MinCompactionLag > 0 {
			if err := l.loadTimes(s); err != nil {
				return info, err
			}
			if s.maxTS > now.UnixMilli()-c.MinCompactionLag.Milliseconds() {
				limit = min(limit, s.base)
				break
			}
		}
		if c.MaxCompactionLag < Forever && s.size > 0 {
			first, err := l.firstTimestamp(s)
			if err != nil {
				return info, err
			}
			if first >= 0 && (earliest < 0 || first < earliest) {
				earliest = first
			}
		}
	}
	// Only whole segments are compacted: the end is the base of the first
	// segment that reaches above the limit.
	info.EndOffset = l.firstDirty
	for i, s := range closed {
		end := l.segments[i+1].base
		switch {
		case s.base < l.firstDirty && end <= l.firstDirty:
			info.CleanBytes += s.size
		case end <= limit:
			info.DirtyBytes += s.size
			info.EndOffset = end
		}
	}
	if total := info.CleanBytes + info.DirtyBytes; total > 0 {
		info.Ratio = float64(info.DirtyBytes) / float64(total)
	}
	info.LagDue = info.DirtyBytes > 0 && earliest >= 0 && earliest < now.UnixMilli()-c.MaxCompactionLag.Milliseconds()
	info.Due = c.Compact && info.DirtyBytes > 0 && (info.LagDue || info.Ratio > c.MinCleanableDirtyRatio)
	return info, nil
}
