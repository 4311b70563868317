package commitlog

import (
	"errors"

	"leat.dev/internal/wire/batch"
)

// readHint remembers where a batch starts, for the reader that comes back for
// what follows the bytes it got.
type readHint struct {
	seg    *segment
	offset int64
	pos    int64
}

// readView is what a read needs of the log's state, taken at one moment.
type readView struct {
	seg     *segment
	index   indexView
	limit   int64 // bytes in the segment
	segEnd  int64 // offset after the segment
	endPos  int64 // where the bound is in the segment, -1 unknown
	bound   int64
	gen     uint64
	hasTxns bool
}

// Release ends the use of the slices.
func (r *ReadInfo) Release() {
	if r.pin != nil {
		r.pin.releaseSlice()
		r.pin = nil
	}
}

// Read returns a slice of the log that starts with the batch containing
// offset, at most maxBytes long; with atLeastOne the first batch is returned
// whole even if it is larger. It ends with the segment or the isolation's
// bound. Bounds and the log start are filled in also on ErrOffsetOutOfRange.
func (l *Log) Read(offset int64, maxBytes int, atLeastOne bool, iso Isolation) (ReadInfo, error) {
	info := ReadInfo{StartOffset: offset}
	at := offset
	for {
		err := l.readAt(&info, offset, &at, maxBytes, atLeastOne, iso)
		switch {
		case err == nil:
			l.o.Metrics.ReadBytes.Add(int64(info.Bytes))
			return info, nil
		case errors.Is(err, errGone):
			if err := l.usable(); err != nil {
				return info, err
			}
		case errors.Is(err, ErrOffsetOutOfRange), errors.Is(err, ErrClosed):
			return info, err
		default:
			return info, l.fail("read", err)
		}
	}
}

// readAt is one try. at moves to the next segment when one holds nothing at or
// after it, as compaction may leave it.
func (l *Log) readAt(info *ReadInfo, offset int64, at *int64, maxBytes int, atLeastOne bool, iso Isolation) error {
	for {
		v, more, err := l.readView(info, offset, *at, iso)
		if err != nil {
			return err
		}
		if !more {
			if iso == ReadStable {
				info.Aborted = []AbortedTxn{}
			}
			return nil
		}
		h, err := v.seg.log.acquire(false)
		if err != nil {
			return err
		}
		found, err := l.readFrom(info, h, v, *at, maxBytes, atLeastOne)
		if err == nil && found && info.Bytes > 0 {
			err = l.pin(info, h, v)
		}
		if err != nil || info.Bytes == 0 {
			h.release()
		}
		if err == nil && found && iso == ReadStable {
			if err = l.abortedIn(info, v, offset); err != nil {
				info.Release()
			}
		}
		if err != nil && l.stale(v.gen) {
			err = errGone // a truncation came in between
		}
		if err != nil || found {
			return err
		}
		*at = v.segEnd
	}
}

// readView takes the state. more is false if there is nothing to read.
func (l *Log) readView(info *ReadInfo, offset, at int64, iso Isolation) (v readView, more bool, err error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if err := l.usable(); err != nil {
		return v, false, err
	}
	start, end := l.start.Load(), l.end.Load()
	info.HighWatermark, info.LastStable, info.LogStart = l.hw.Load(), l.LastStableOffset(), start
	switch iso {
	case ReadCommittedHW:
		v.bound = info.HighWatermark
	case ReadStable:
		v.bound = info.LastStable
	default:
		v.bound = end
	}
	if offset < start || offset > end {
		return v, false, ErrOffsetOutOfRange
	}
	if at >= v.bound {
		return v, false, nil
	}
	i := l.floor(at)
	s := l.segments[i]
	v.seg, v.index, v.limit, v.hasTxns = s, s.offsets.view(), s.size, s.hasTxns
	v.gen, v.segEnd, v.endPos = l.readGen, end, -1
	if i+1 < len(l.segments) {
		v.segEnd = l.segments[i+1].base
	}
	switch {
	case v.bound >= v.segEnd:
		v.endPos = v.limit
	case l.hwPos.offset == v.bound && l.hwPos.seg == s:
		v.endPos = l.hwPos.pos
	}
	return v, true, nil
}

// readFrom finds the bytes to return. found is false if the segment has no
// batch that ends at or after the offset.
func (l *Log) readFrom(info *ReadInfo, h *handle, v readView, at int64, maxBytes int, atLeastOne bool) (found bool, err error) {
	if v.endPos < 0 {
		if v.endPos = l.hint(v.seg, v.bound); v.endPos < 0 {
			p, err := locateIn(h.file, v.seg.base, v.index, v.limit, v.bound)
			if err != nil {
				return false, err
			}
			v.endPos = p.pos
		}
	}
	first := place{pos: l.hint(v.seg, at), base: at}
	if first.pos < 0 || v.endPos-first.pos > int64(maxBytes) {
		// The size of the first batch matters, or the place is not known.
		if first.pos >= 0 {
			first, err = walkTo(h.file, first.pos, v.limit, at, -1)
		} else {
			first, err = locateIn(h.file, v.seg.base, v.index, v.limit, at)
		}
		if err != nil {
			return false, err
		}
		if first.size == 0 {
			return false, nil
		}
	}
	avail := v.endPos - first.pos
	if avail <= 0 {
		// Only for a bound inside of a batch, which is then not visible.
		return true, nil
	}
	n, next := avail, v.bound
	if avail > int64(maxBytes) {
		if n, next, err = l.cutRead(h, v, first, int64(maxBytes), atLeastOne); err != nil {
			return false, err
		}
		if n == 0 {
			info.FirstBatchTruncated = true
			return true, nil
		}
	} else if v.bound > v.segEnd {
		next = v.segEnd
	}
	info.StartOffset, info.Bytes = first.base, int(n)
	info.Slices = []Slice{{File: h.file, Pos: first.pos, Len: int(n)}}
	if next >= 0 {
		l.remember(v, next, first.pos+n)
	}
	return true, nil
}

// cutRead shortens a read to whole batches as far as the index tells where
// they start. next is the offset at the end, -1 if unknown.
func (l *Log) cutRead(h *handle, v readView, first place, maxBytes int64, atLeastOne bool) (n, next int64, err error) {
	if first.size > maxBytes {
		if !atLeastOne {
			return 0, 0, nil
		}
		return first.size, first.end, nil
	}
	var b [offsetEntrySize]byte
	i, err := v.index.search(b[:], func(e []byte) bool { return int64(getOffsetEntry(e).pos) <= first.pos+maxBytes })
	if err != nil {
		return 0, 0, err
	}
	if end := int64(getOffsetEntry(b[:]).pos); i >= 0 && end >= first.pos+first.size && end < v.limit {
		next, err = baseOffsetAt(h.file, end)
		return end - first.pos, next, err
	}
	return maxBytes, -1, nil // the last batch is cut; clients expect that
}

// pin hands the handle to the reader, unless the log was truncated meanwhile.
func (l *Log) pin(info *ReadInfo, h *handle, v readView) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.readGen != v.gen {
		info.Slices, info.Bytes = nil, 0
		return errGone
	}
	h.pinSlice(info.Slices[0].Pos + int64(info.Bytes))
	info.pin = h
	return nil
}

// hint returns where the batch at offset starts, -1 if that is not remembered.
func (l *Log) hint(s *segment, offset int64) int64 {
	l.hintMu.Lock()
	defer l.hintMu.Unlock()
	for i := range l.hints {
		if h := &l.hints[i]; h.seg == s && h.offset == offset {
			return h.pos
		}
	}
	return -1
}

func (l *Log) remember(v readView, offset, pos int64) {
	l.hintMu.Lock()
	defer l.hintMu.Unlock()
	if l.hintGen != v.gen {
		return
	}
	for i := range l.hints {
		if h := &l.hints[i]; h.seg == v.seg && h.offset == offset {
			return
		}
	}
	l.hints[l.hintNext] = readHint{v.seg, offset, pos}
	l.hintNext = (l.hintNext + 1) % len(l.hints)
}

// forget invalidates what readers know of places. mu is held.
func (l *Log) forget() {
	l.readGen++
	l.hintMu.Lock()
	l.hintGen = l.readGen
	l.hints = [4]readHint{}
	l.hintMu.Unlock()
	l.hwPos = logPos{}
}

// ReadBytes reads whole batches into memory, at least one if there is any.
func (l *Log) ReadBytes(offset int64, maxBytes int, iso Isolation) ([]byte, error) {
	info, err := l.Read(offset, maxBytes, true, iso)
	defer info.Release()
	if err != nil || info.Bytes == 0 {
		return nil, err
	}
	b := make([]byte, 0, info.Bytes)
	for _, s := range info.Slices {
		n := len(b)
		b = b[:n+s.Len]
		if err := readFull(s.File, b[n:], s.Pos); err != nil {
			return nil, l.fail("read", err)
		}
	}
	whole := 0
	for one, err := range batch.Split(b) {
		if err != nil {
			break // the last one may be cut
		}
		whole += len(one)
	}
	return b[:whole], nil
}
