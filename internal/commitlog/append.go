package commitlog

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/wire/batch"
)

// timestampRange says which timestamps are accepted.
func timestampRange(ts int64, before, after time.Duration, now int64) string {
	low, high := "any", "any"
	if before < Forever {
		low = fmt.Sprint(now - before.Milliseconds())
	}
	if after < Forever {
		high = fmt.Sprint(now + after.Milliseconds())
	}
	return fmt.Sprintf("Timestamp %d is out of range [%s, %s].", ts, low, high)
}

// AppendLeader validates the batches in b, assigns offsets and appends. A
// client sends exactly one. b may be changed in place. A refused batch is an
// *AppendError and leaves the log as it was; a *StorageError means the
// partition is offline.
func (l *Log) AppendLeader(b []byte, o AppendOptions) (AppendInfo, error) {
	if err := l.usable(); err != nil {
		return AppendInfo{}, err
	}
	c := l.config.Load()
	now := l.o.Clock.Now().UnixMilli()
	var one [1]batch.Batch
	list := one[:0]
	for first := true; first || len(b) > 0; first = false {
		parsed, rest, err := parse(b)
		if err != nil {
			return AppendInfo{}, err
		}
		if o.Origin == Client && len(rest) > 0 {
			return AppendInfo{}, refuse(kerr.InvalidRecord, "more than one batch for a partition")
		}
		checked, err := validate(parsed, c, o, now)
		if err != nil {
			return AppendInfo{}, err
		}
		list = append(list, checked)
		b = rest
	}

	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	info := AppendInfo{FirstOffset: l.end.Load(), LogAppendTime: -1, LogStartOffset: l.start.Load()}
	if c.LogAppendTime {
		info.LogAppendTime = now
	}
	for _, one := range list {
		if err := l.appendOne(one, c, o, &info); err != nil {
			return AppendInfo{}, err
		}
	}
	return info, nil
}

// appendOne checks a batch against the producer state, gives it its offsets
// and writes it. appendMu is held.
func (l *Log) appendOne(b batch.Batch, c *Config, o AppendOptions, info *AppendInfo) error {
	if err := l.usable(); err != nil {
		return err
	}
	h := b.Header()
	var marker batch.EndTxn
	var isMarker bool
	var markerTime int64
	switch {
	case !h.HasProducer():
	case h.Control():
		var err error
		if marker, markerTime, isMarker, err = parseMarker(b); err != nil {
			return refuse(kerr.InvalidRecord, "%v", err)
		}
		if isMarker {
			if err := l.producers.checkMarker(&h, marker, o.MarkerVersion); err != nil {
				return err
			}
		}
	case o.Origin == Client:
		dup, isDup, err := l.producers.check(&h, o)
		if err != nil {
			return err
		}
		if isDup {
			info.FirstOffset, info.LastOffset = dup.firstOffset(), dup.lastOffset
			info.LogAppendTime, info.Duplicate = dup.timestamp, true
			return nil
		}
	default:
		if err := l.producers.checkCoordinator(&h, o); err != nil {
			return err
		}
	}
	h.BaseOffset, h.LeaderEpoch = l.end.Load(), o.LeaderEpoch
	b.SetBaseOffset(h.BaseOffset)
	b.SetLeaderEpoch(h.LeaderEpoch)
	if err := l.write(b, &h, c, isMarker, marker, markerTime); err != nil {
		return err
	}
	info.LastOffset = h.LastOffset()
	info.Bytes += len(b)
	return nil
}

// AppendFollower appends batches that carry their offsets already, as a leader
// sent them.
func (l *Log) AppendFollower(b []byte) (AppendInfo, error) {
	if err := l.usable(); err != nil {
		return AppendInfo{}, err
	}
	c := l.config.Load()
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	info := AppendInfo{FirstOffset: -1, LastOffset: -1, LogAppendTime: -1, LogStartOffset: l.start.Load()}
	next := l.end.Load()
	for one, err := range batch.Split(b) { // check all before writing any
		if err != nil {
			return AppendInfo{}, refuse(kerr.CorruptMessage, "%v", err)
		}
		h := one.Header()
		switch {
		case !one.VerifyCRC():
			return AppendInfo{}, refuse(kerr.CorruptMessage, "batch at offset %d fails its checksum", h.BaseOffset)
		case h.BaseOffset < next || h.LastOffsetDelta < 0:
			return AppendInfo{}, refuse(kerr.OffsetOutOfRange, "batch at offset %d where at least %d is due", h.BaseOffset, next)
		}
		next = h.NextOffset()
	}
	for one, err := range batch.Split(b) {
		if err != nil {
			return AppendInfo{}, refuse(kerr.CorruptMessage, "%v", err)
		}
		h := one.Header()
		var marker batch.EndTxn
		var isMarker bool
		var markerTime int64
		if h.HasProducer() && h.Control() {
			var err error
			if marker, markerTime, isMarker, err = parseMarker(one); err != nil {
				return AppendInfo{}, refuse(kerr.CorruptMessage, "%v", err)
			}
		}
		if err := l.write(one, &h, c, isMarker, marker, markerTime); err != nil {
			return AppendInfo{}, err
		}
		if info.FirstOffset < 0 {
			info.FirstOffset = h.BaseOffset
		}
		info.LastOffset = h.LastOffset()
		info.Bytes += len(one)
	}
	return info, nil
}

// write appends one batch whose offsets are set, and brings everything up to
// date with it. appendMu is held.
func (l *Log) write(b batch.Batch, h *batch.Header, c *Config, isMarker bool, marker batch.EndTxn, markerTime int64) error {
	if err := l.usable(); err != nil {
		return err
	}
	if due, err := l.rollDue(h, c); err != nil {
		return l.fail("read segment", err)
	} else if due {
		if err := l.roll(max(h.BaseOffset, l.end.Load())); err != nil {
			return l.fail("roll", err)
		}
	}
	s := l.active()
	f, err := s.log.acquire(false)
	if err != nil {
		return l.fail("open segment", err)
	}
	if s.size == 0 && !s.reserved {
		s.reserve(f.file, c)
	}
	_, err = f.file.WriteAt(b, s.size)
	f.release()
	if err != nil {
		return l.fail("append", err)
	}

	data := h.HasProducer() && !h.Control()
	if isMarker {
		l.mu.Lock()
		abort := l.applyMarker(h, marker, markerTime)
		l.mu.Unlock()
		if abort != nil {
			if err := l.appendAbort(s, *abort); err != nil {
				return l.fail("write transaction index", err)
			}
		}
	}
	opened := data && l.producers.apply(h)

	l.mu.Lock()
	if opened {
		l.producers.begin(h.ProducerID, h.BaseOffset)
	}
	if h.LeaderEpoch >= 0 && h.LeaderEpoch != l.epochs.latest() {
		l.epochs.assign(h.LeaderEpoch, h.BaseOffset)
	}
	full := s.noteBatch(h, c.IndexInterval)
	s.unsynced = true
	l.end.Store(h.NextOffset())
	if isMarker || opened {
		l.publishUnstable()
	}
	l.mu.Unlock()
	l.o.Metrics.AppendedBatches.Add(1)
	l.o.Metrics.AppendedBytes.Add(int64(len(b)))
	if full {
		if err := l.spillIndexes(s); err != nil {
			return l.fail("write index", err)
		}
	}
	return nil
}

// spillIndexes moves the older half of the entries in memory to the files.
func (l *Log) spillIndexes(s *segment) error {
	if err := s.saveIndexes(); err != nil {
		return err
	}
	l.mu.Lock()
	s.offsets.shrink(indexWindow / 2)
	s.times.shrink(indexWindow / 2)
	l.mu.Unlock()
	return nil
}

// rollDue tells whether a batch must go to a new segment.
func (l *Log) rollDue(h *batch.Header, c *Config) (bool, error) {
	s := l.active()
	if !relativeFits(s.base, h.LastOffset()) {
		return true, nil
	}
	if s.size == 0 {
		return false, nil
	}
	if s.size > int64(c.SegmentBytes)-int64(h.Size()) || s.indexFull(c.IndexBytes) {
		return true, nil
	}
	first, err := l.firstTimestamp(s)
	if err != nil {
		return false, err
	}
	waited := time.Duration(0)
	if first >= 0 {
		waited = Millis(h.MaxTimestamp - first)
	} else {
		waited = l.o.Clock.Now().Sub(s.created)
	}
	return waited > segmentAge(c)-l.jitter(s, c), nil
}

// segmentAge is how long a segment is appended to at most.
func segmentAge(c *Config) time.Duration {
	if c.Compact {
		return min(c.SegmentAge, c.MaxCompactionLag)
	}
	return c.SegmentAge
}

// jitter spreads the rolls of partitions that were created together. It is
// drawn from the name, so that a restart does not change it.
func (l *Log) jitter(s *segment, c *Config) time.Duration {
	if c.SegmentJitter <= 0 {
		return 0
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s-%d-%d", l.o.Topic, l.o.Partition, s.base)
	return time.Duration(h.Sum64() % uint64(min(c.SegmentJitter, segmentAge(c))))
}

// firstTimestamp is the largest timestamp of the segment's first batch.
func (l *Log) firstTimestamp(s *segment) (int64, error) {
	if s.firstTS != unknownTS {
		return s.firstTS, nil
	}
	f, err := s.log.acquire(false)
	if err != nil {
		return 0, err
	}
	defer f.release()
	var b [batch.HeaderSize]byte
	if err := readFull(f.file, b[:], 0); err != nil {
		return 0, err
	}
	s.firstTS = batch.Batch(b[:]).Header().MaxTimestamp
	return s.firstTS, nil
}

// roll closes the active segment for appends and starts one at base. The old
// one is synced by the next Flush. appendMu is held.
func (l *Log) roll(base int64) error {
	old := l.active()
	l.mu.Lock()
	old.addTime()
	l.mu.Unlock()
	if err := old.saveIndexes(); err != nil {
		return err
	}
	if err := old.trim(); err != nil {
		return err
	}
	if err := l.writeSnapshot(base, false); err != nil {
		return err
	}
	s := l.newSegment(base, "")
	s.tsKnown = true
	if err := createLazy(&s.log); err != nil {
		return err
	}
	l.mu.Lock()
	old.offsets.shrink(0)
	old.times.shrink(0)
	old.modTime = l.o.Clock.Now()
	l.segments = append(l.segments[:len(l.segments):len(l.segments)], s)
	l.dirUnsynced = true
	l.mu.Unlock()
	l.o.Metrics.SegmentsRolled.Add(1)
	return nil
}

// RollIfDue starts a new segment if the active one has been open for its age
// by the wall clock, judged by its newest record: idle partitions of compacted
// topics come to be cleaned that way. Kafka rolls only when it appends.
func (l *Log) RollIfDue() (rolled bool, err error) {
	if err := l.usable(); err != nil {
		return false, err
	}
	c := l.config.Load()
	if !c.Compact || c.MaxCompactionLag == Forever {
		return false, nil
	}
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	s := l.active()
	if s.size == 0 {
		return false, nil
	}
	first, err := l.firstTimestamp(s)
	if err != nil {
		return false, l.fail("read segment", err)
	}
	if first < 0 || l.o.Clock.Now().Sub(time.UnixMilli(first)) <= c.MaxCompactionLag {
		return false, nil
	}
	if err := l.roll(l.end.Load()); err != nil {
		return false, l.fail("roll", err)
	}
	return true, nil
}
