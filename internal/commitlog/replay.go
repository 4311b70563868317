package commitlog

import (
	"cmp"
	"errors"
	"slices"
	"sort"
	"time"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/batch"
)

// backfillBytes is how far before a snapshot the batches are read again. A
// snapshot holds only the newest batch of a producer; with those before it a
// producer may send its whole window again after a restart.
const backfillBytes = 256 << 10

// replay brings the producer state up to date with a batch that is in the log.
// If the batch is the marker of an aborted transaction, its entry for the
// transaction index is returned.
func (l *Log) replay(h *batch.Header, start int64, sc *scanner) (*abortedTxn, error) {
	if !h.HasProducer() {
		return nil, nil
	}
	if !h.Control() {
		if l.producers.apply(h) {
			l.producers.begin(h.ProducerID, h.BaseOffset)
		}
		return nil, nil
	}
	b, err := sc.body(start, h.Size())
	if err != nil {
		return nil, err
	}
	m, timestamp, ok, err := parseMarker(b)
	if err != nil {
		return nil, &badBatch{pos: start, reason: err.Error()}
	}
	if !ok {
		return nil, nil
	}
	return l.applyMarker(h, m, timestamp), nil
}

// applyMarker ends a transaction in the producer state. The result is set if
// an abort has to go to the transaction index. mu is held, or nobody reads yet.
func (l *Log) applyMarker(h *batch.Header, m batch.EndTxn, timestamp int64) *abortedTxn {
	marker := h.LastOffset()
	first := l.producers.applyMarker(h, m, timestamp)
	if first < 0 {
		return nil
	}
	stable := l.producers.lastStableAfter(h.ProducerID, marker)
	l.producers.complete(h.ProducerID, marker)
	if m.Commit {
		return nil
	}
	return &abortedTxn{producerID: h.ProducerID, first: first, last: marker, lastStable: stable}
}

// restoreProducers loads the newest usable snapshot up to offset and replays
// what lies between. segments are those below offset.
func (r *recovery) restoreProducers(offset int64, segments []*segment) error {
	l := r.log
	isBase := func(at int64) bool {
		return slices.ContainsFunc(l.segments, func(s *segment) bool { return s.base == at })
	}
	from := segments[0].base
	for i := len(r.snapshots) - 1; i >= 0; i-- {
		at := r.snapshots[i]
		if at > offset || at < segments[0].base {
			continue
		}
		if l.snapshotAt >= 0 { // an older one
			if !isBase(at) {
				if err := l.removeSnapshot(at); err != nil {
					return &StorageError{"remove snapshot", err}
				}
			}
			continue
		}
		data, err := vfs.ReadFile(l.o.FS, l.path(baseName(at)+snapshotSuffix))
		if err != nil {
			return &StorageError{"read snapshot", err}
		}
		entries, err := decodeSnapshot(data)
		if err != nil {
			l.logger.Warn("producer snapshot is damaged, an older one is used", "dir", l.Dir(), "offset", at, "error", err)
			if err := l.removeSnapshot(at); err != nil {
				return &StorageError{"remove snapshot", err}
			}
			continue
		}
		l.producers.load(entries, l.o.Clock.Now(), time.Duration(l.producerExpiry.Load()))
		from, l.snapshotAt = at, at
		if !isBase(at) {
			l.looseSnapshot = at
		}
	}
	if len(l.producers.byID) > 0 {
		if err := l.backfill(segments, from); err != nil {
			return r.walkError(segments, err)
		}
	}
	err := l.walk(segments, from, offset, func(h *batch.Header, start int64, sc *scanner) error {
		_, err := l.replay(h, start, sc)
		return err
	})
	return r.walkError(segments, err)
}

func (r *recovery) walkError(segments []*segment, err error) error {
	var bad *walkDamage
	switch {
	case err == nil:
		return nil
	case errors.As(err, &bad):
		return r.damage(bad.seg, bad.at)
	default:
		return &StorageError{"read segment", err}
	}
}

// backfill gives the producers of a snapshot at offset the batches before
// their last one, as far as those are near.
func (l *Log) backfill(segments []*segment, offset int64) error {
	near, err := l.offsetBefore(segments, offset, backfillBytes)
	if err != nil {
		return err
	}
	before := make(map[int64][]producerBatch)
	err = l.walk(segments, near, offset, func(h *batch.Header, _ int64, _ *scanner) error {
		p := l.producers.byID[h.ProducerID]
		if p == nil || h.Control() || h.BaseSequence < 0 || h.ProducerEpoch != p.epoch || p.n == 0 ||
			h.LastOffset() >= p.batches[p.n-1].lastOffset {
			return nil
		}
		list := append(before[h.ProducerID], producerBatch{
			lastSequence: h.LastSequence(), offsetDelta: h.LastOffsetDelta,
			lastOffset: h.LastOffset(), timestamp: h.MaxTimestamp,
		})
		before[h.ProducerID] = list[max(0, len(list)-producerBatches+1):]
		return nil
	})
	if err != nil {
		return err
	}
	for id, list := range before {
		p := l.producers.byID[id]
		newest := p.batches[p.n-1]
		p.n = 0
		for _, b := range list {
			p.add(b)
		}
		p.add(newest)
	}
	return nil
}

// offsetBefore returns an offset about n bytes before another one.
func (l *Log) offsetBefore(segments []*segment, offset, n int64) (int64, error) {
	i := len(segments) - 1
	for i > 0 && segments[i].base >= offset {
		i--
	}
	at, err := l.locate(segments[i], offset)
	if err != nil {
		return 0, err
	}
	pos := at.pos - n
	for pos < 0 && i > 0 {
		i--
		pos += segments[i].size
	}
	s := segments[i]
	if pos <= 0 {
		return s.base, nil
	}
	var b [offsetEntrySize]byte
	k, err := s.offsets.view().search(b[:], func(e []byte) bool { return int64(getOffsetEntry(e).pos) <= pos })
	if err != nil || k < 0 {
		return s.base, err
	}
	return s.base + int64(getOffsetEntry(b[:]).rel), nil
}

// walkDamage is a badBatch with the segment it is in.
type walkDamage struct {
	seg *segment
	at  *badBatch
}

func (w *walkDamage) Error() string { return w.seg.path(logSuffix) + ": " + w.at.Error() }

// walk goes through the headers of the batches that reach into [from, to). The
// segments are known sound there; if not, the error is a *walkDamage.
func (l *Log) walk(segments []*segment, from, to int64, each func(h *batch.Header, start int64, sc *scanner) error) error {
	i, found := slices.BinarySearchFunc(segments, from, func(s *segment, o int64) int { return cmp.Compare(s.base, o) })
	if !found && i > 0 {
		i--
	}
	for ; i < len(segments) && segments[i].base < to; i++ {
		if err := l.walkSegment(segments[i], from, to, each); err != nil {
			var bad *badBatch
			if errors.As(err, &bad) {
				return &walkDamage{segments[i], bad}
			}
			return err
		}
	}
	return nil
}

func (l *Log) walkSegment(s *segment, from, to int64, each func(h *batch.Header, start int64, sc *scanner) error) error {
	pos := int64(0)
	if from > s.base {
		p, err := l.locate(s, from)
		if err != nil {
			return err
		}
		pos = p.pos
	}
	f, err := s.log.acquire(false)
	if err != nil {
		return err
	}
	defer f.release()
	sc := newScanner(f.file, pos, s.size, false)
	defer sc.close()
	for {
		h, start, err := sc.next()
		if isEnd(err) || err == nil && h.BaseOffset >= to {
			return nil
		}
		if err != nil {
			return err
		}
		if h.LastOffset() < from {
			continue
		}
		if err := each(&h, start, sc); err != nil {
			return err
		}
	}
}

// removeSnapshot deletes the snapshot file at offset.
func (l *Log) removeSnapshot(at int64) error {
	err := l.o.FS.Remove(l.path(baseName(at) + snapshotSuffix))
	if err != nil && !isNotExist(err) {
		return err
	}
	return nil
}

// writeSnapshot writes the producer state at offset, the log's end. loose tells
// that no segment starts there; an earlier loose one is replaced. appendMu is held.
func (l *Log) writeSnapshot(offset int64, loose bool) error {
	if l.snapshotAt == offset {
		if !loose && l.looseSnapshot == offset {
			l.looseSnapshot = -1
		}
		return nil
	}
	if err := l.writeFile(baseName(offset)+snapshotSuffix, encodeSnapshot(l.producers.snapshot())); err != nil {
		return err
	}
	if old := l.looseSnapshot; old >= 0 && old != offset {
		if err := l.removeSnapshot(old); err != nil {
			return err
		}
	}
	l.snapshotAt, l.looseSnapshot = offset, -1
	if loose {
		l.looseSnapshot = offset
	}
	return nil
}

// writeFile replaces a file in the partition's directory, not durably.
func (l *Log) writeFile(name string, data []byte) error {
	f, err := l.o.FS.Create(l.path(name))
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// removeSnapshots deletes the snapshot files that lie in [from, to).
func (l *Log) removeSnapshots(from, to int64) error {
	files, err := l.o.FS.ReadDir(l.Dir())
	if err != nil {
		return err
	}
	i := sort.Search(len(files), func(i int) bool { return files[i].Name >= baseName(from) })
	for _, f := range files[i:] {
		at, suffix, ok := parseName(f.Name)
		if !ok || suffix != snapshotSuffix {
			continue
		}
		if at >= to {
			break
		}
		if err := l.removeSnapshot(at); err != nil {
			return err
		}
	}
	return nil
}
