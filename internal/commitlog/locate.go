package commitlog

import (
	"encoding/binary"
	"errors"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/batch"
)

// place is a batch found in a segment. If there is none, pos is where the
// search ended and size is 0.
type place struct {
	pos       int64
	size      int64
	base, end int64 // first offset, and the one after the last
}

// locate finds the first batch of s that ends at or after offset. appendMu is
// held, or nobody else uses the log.
func (l *Log) locate(s *segment, offset int64) (place, error) {
	h, err := s.log.acquire(false)
	if err != nil {
		return place{}, err
	}
	defer h.release()
	return locateIn(h.file, s.base, s.offsets.view(), s.size, offset)
}

// locateIn is locate on a view of a segment taken under mu.
func locateIn(f vfs.File, base int64, view indexView, limit, offset int64) (place, error) {
	if offset <= base {
		return walkTo(f, 0, limit, offset, -1)
	}
	var b [offsetEntrySize]byte
	n, err := view.search(b[:], func(e []byte) bool { return base+int64(getOffsetEntry(e).rel) <= offset })
	if err != nil {
		return place{}, err
	}
	if n < 0 {
		return walkTo(f, 0, limit, offset, -1)
	}
	e := getOffsetEntry(b[:])
	if e.pos >= 0 && int64(e.pos) < limit {
		p, err := walkTo(f, int64(e.pos), limit, offset, base+int64(e.rel))
		if !errors.As(err, new(*badBatch)) {
			return p, err
		}
	}
	// An index that does not match its log: the headers lead there too.
	return walkTo(f, 0, limit, offset, -1)
}

// walkTo goes from header to header, from the batch at pos, to the first that
// ends at or after offset. The batch at pos must end at last, unless that is -1.
func walkTo(f vfs.File, pos, limit, offset, last int64) (place, error) {
	buf := walkBuffers.Get().(*[walkBuffer]byte)
	defer walkBuffers.Put(buf)
	var have []byte // of the file, from byte at
	var at int64
	for pos < limit {
		if pos < at || pos+batch.HeaderSize > at+int64(len(have)) {
			have, at = buf[:min(walkBuffer, limit-pos)], pos
			if err := readFull(f, have, pos); err != nil {
				return place{}, err
			}
		}
		h, err := batch.ParseHeader(have[pos-at:])
		if err != nil {
			return place{}, &badBatch{pos: pos, reason: err.Error()}
		}
		if last >= 0 && h.LastOffset() != last {
			return place{}, &badBatch{pos: pos, reason: "not the batch that the index names"}
		}
		last = -1
		if h.LastOffset() >= offset {
			return place{pos, int64(h.Size()), h.BaseOffset, h.NextOffset()}, nil
		}
		pos += int64(h.Size())
	}
	return place{pos: limit}, nil
}

// baseOffsetAt reads the base offset of the batch at pos.
func baseOffsetAt(f vfs.File, pos int64) (int64, error) {
	var b [8]byte
	err := readFull(f, b[:], pos)
	return int64(binary.BigEndian.Uint64(b[:])), err
}
