package commitlog

import (
	"errors"

	"leat.dev/internal/wire/batch"
)

// OffsetForTimestamp finds the first record below the isolation's bound whose
// timestamp is at least ts.
func (l *Log) OffsetForTimestamp(ts int64, iso Isolation) (OffsetAndTime, bool, error) {
	for {
		if err := l.usable(); err != nil {
			return OffsetAndTime{}, false, err
		}
		found, ok, err := l.offsetForTimestamp(ts)
		switch {
		case errors.Is(err, errGone):
			continue
		case isContent(err):
			return OffsetAndTime{}, false, err
		case err != nil:
			return OffsetAndTime{}, false, l.fail("look up timestamp", err)
		}
		return found, ok && found.Offset < l.bound(iso), nil
	}
}

// bound is the offset a reader may read up to.
func (l *Log) bound(iso Isolation) int64 {
	switch iso {
	case ReadCommittedHW:
		return l.HighWatermark()
	case ReadStable:
		return l.LastStableOffset()
	default:
		return l.EndOffset()
	}
}

func (l *Log) offsetForTimestamp(ts int64) (OffsetAndTime, bool, error) {
	views, gen, err := l.timeViews()
	if err != nil {
		return OffsetAndTime{}, false, err
	}
	start := l.start.Load()
	for i := range views {
		if views[i].maxTS < ts {
			continue
		}
		// Timestamps need not ascend, so the first segment that has one large
		// enough may have it only below the log start.
		found, ok, err := l.searchTime(&views[i], ts, start)
		if err != nil {
			if l.stale(gen) {
				err = errGone
			}
			return OffsetAndTime{}, false, err
		}
		if ok {
			return found, true, nil
		}
	}
	return OffsetAndTime{}, false, nil
}

// timeView is what a search by time needs of a segment.
type timeView struct {
	seg            *segment
	offsets, times indexView
	limit          int64
	maxTS, maxLast int64
}

// timeViews takes the state of all segments.
func (l *Log) timeViews() ([]timeView, uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return nil, 0, err
	}
	views := make([]timeView, 0, len(l.segments))
	for _, s := range l.segments {
		if err := l.loadTimes(s); err != nil {
			return nil, 0, err
		}
		views = append(views, timeView{s, s.offsets.view(), s.times.view(), s.size, s.maxTS, s.maxTSLast})
	}
	return views, l.readGen, nil
}

// stale tells whether the log was truncated since gen, so that what a reader
// found may be wrong.
func (l *Log) stale(gen uint64) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.readGen != gen
}

// searchTime finds the first record of a segment at or above start with a
// timestamp of at least ts.
func (l *Log) searchTime(v *timeView, ts, start int64) (OffsetAndTime, bool, error) {
	var b [timeEntrySize]byte
	n, err := v.times.search(b[:], func(e []byte) bool { return getTimeEntry(e).ts < ts })
	if err != nil {
		return OffsetAndTime{}, false, err
	}
	// Everything up to that entry is older than ts.
	from := start
	if n >= 0 {
		from = max(from, v.seg.base+int64(getTimeEntry(b[:]).rel))
	}
	h, err := v.seg.log.acquire(false)
	if err != nil {
		return OffsetAndTime{}, false, err
	}
	defer h.release()
	at, err := locateIn(h.file, v.seg.base, v.offsets, v.limit, from)
	if err != nil {
		return OffsetAndTime{}, false, err
	}
	sc := newScanner(h.file, at.pos, v.limit, false)
	defer sc.close()
	for {
		head, pos, err := sc.next()
		if isEnd(err) {
			return OffsetAndTime{}, false, nil
		}
		if err != nil {
			return OffsetAndTime{}, false, err
		}
		if head.MaxTimestamp < ts || head.LastOffset() < start {
			continue
		}
		whole, err := sc.body(pos, head.Size())
		if err != nil {
			return OffsetAndTime{}, false, err
		}
		found, ok, err := firstAt(whole, ts, start)
		if err != nil {
			// A producer's doing, who compressed something else: the batch is as it was sent, the disk is not at fault.
			return OffsetAndTime{}, false, &contentError{v.seg.path(logSuffix), err}
		}
		if ok {
			return found, true, nil
		}
	}
}

// firstAt finds the first record of a batch at or above start with a timestamp
// of at least ts.
func firstAt(b batch.Batch, ts, start int64) (OffsetAndTime, bool, error) {
	d := newDecoder()
	defer d.close()
	epoch := b.Header().LeaderEpoch
	d.open(b)
	for d.records.Next() {
		if r := d.records.Record(); r.Timestamp >= ts && r.Offset >= start {
			return OffsetAndTime{r.Offset, r.Timestamp, epoch}, true, nil
		}
	}
	return OffsetAndTime{}, false, d.records.Err()
}

// MaxTimestamp finds the first record with the largest timestamp of the log;
// false if there is none.
func (l *Log) MaxTimestamp() (OffsetAndTime, bool, error) {
	for {
		if err := l.usable(); err != nil {
			return OffsetAndTime{}, false, err
		}
		found, ok, err := l.maxTimestamp()
		switch {
		case errors.Is(err, errGone):
			continue
		case isContent(err):
			return OffsetAndTime{}, false, err
		case err != nil:
			return OffsetAndTime{}, false, l.fail("look up largest timestamp", err)
		}
		return found, ok, nil
	}
}

func (l *Log) maxTimestamp() (OffsetAndTime, bool, error) {
	views, gen, err := l.timeViews()
	if err != nil {
		return OffsetAndTime{}, false, err
	}
	var best *timeView
	for i := range views {
		if v := &views[i]; v.maxTS >= 0 && (best == nil || v.maxTS > best.maxTS) {
			best = v
		}
	}
	if best == nil {
		return OffsetAndTime{}, false, nil
	}
	found, ok, err := l.searchTime(best, best.maxTS, l.start.Load())
	if err != nil && l.stale(gen) {
		err = errGone
	}
	return found, ok, err
}
