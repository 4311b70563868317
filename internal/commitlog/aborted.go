package commitlog

// abortedIn lists the aborted transactions that a read_committed consumer must
// know to skip their records in the bytes read: those that end at or after the
// offset and begin before the end of the bytes. Transaction indexes are sorted
// by marker, so the search goes on until an entry proves that every
// transaction that began before the end has been decided.
func (l *Log) abortedIn(info *ReadInfo, v readView, offset int64) error {
	info.Aborted = []AbortedTxn{}
	if info.Bytes == 0 {
		return nil
	}
	upper, err := l.upperBound(info, v)
	if err != nil {
		return err
	}
	l.mu.RLock()
	var list []*segment
	for _, s := range l.segments[l.floor(v.seg.base):] {
		if s.hasTxns {
			list = append(list, s)
		}
	}
	l.mu.RUnlock()
	for _, s := range list {
		entries, err := l.readAborts(s)
		if err != nil {
			return err
		}
		for _, a := range entries {
			if a.last >= offset && a.first < upper {
				info.Aborted = append(info.Aborted, AbortedTxn{a.producerID, a.first})
			}
			if a.lastStable >= upper {
				return nil
			}
		}
	}
	return nil
}

// upperBound is an offset at or after the end of the bytes read: of the next
// index entry, or of what follows the segment.
func (l *Log) upperBound(info *ReadInfo, v readView) (int64, error) {
	end := info.Slices[0].Pos + int64(info.Bytes)
	var b [offsetEntrySize]byte
	n, err := v.index.search(b[:], func(e []byte) bool { return int64(getOffsetEntry(e).pos) < end })
	if err != nil {
		return 0, err
	}
	if ok, err := v.index.at(n+1, b[:]); err != nil || ok {
		return v.seg.base + int64(getOffsetEntry(b[:]).rel), err
	}
	return v.segEnd, nil
}

// readAborts reads a segment's transaction index.
func (l *Log) readAborts(s *segment) ([]abortedTxn, error) {
	h, err := s.txns.acquire(false)
	if err != nil {
		return nil, err
	}
	defer h.release()
	size, err := h.file.Size()
	if err != nil {
		return nil, err
	}
	// A writer may be in the middle of an entry.
	data := make([]byte, size/abortedSize*abortedSize)
	if err := readFull(h.file, data, 0); err != nil {
		return nil, err
	}
	return decodeAborted(data)
}

// appendAbort adds an entry to the active segment's transaction index. It
// comes before the marker becomes visible. appendMu is held.
func (l *Log) appendAbort(s *segment, a abortedTxn) error {
	h, err := s.txns.acquire(true)
	if err != nil {
		return err
	}
	defer h.release()
	size, err := h.file.Size()
	if err != nil {
		return err
	}
	if _, err := h.file.WriteAt(a.append(nil), size/abortedSize*abortedSize); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !s.hasTxns {
		s.hasTxns, l.dirUnsynced = true, true
	}
	s.txnsUnsynced = true
	return nil
}
