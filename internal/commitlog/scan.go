package commitlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/batch"
)

// badBatch says that no whole, sound batch starts at pos.
type badBatch struct {
	pos    int64
	reason string
	old    bool // magic 0 or 1: sound perhaps, but not read here
}

func (e *badBatch) Error() string { return fmt.Sprintf("byte %d: %s", e.pos, e.reason) }

const (
	scanBuffer = 256 << 10 // for scans that read everything
	walkBuffer = 8 << 10   // for walks from header to header
)

var (
	scanBuffers = sync.Pool{New: func() any { return new([scanBuffer]byte) }}
	walkBuffers = sync.Pool{New: func() any { return new([walkBuffer]byte) }}
)

// scanner goes through the batches of a .log file. With verify it reads every
// byte and checks the checksums; without, it reads headers only.
type scanner struct {
	f      vfs.File
	pos    int64 // of the next batch
	end    int64 // bytes that exist
	verify bool
	buf    []byte
	have   []byte // part of buf that is filled, from byte at of the file
	at     int64
	read   int64 // bytes read in all
	give   func()
}

// newScanner scans [pos, end). close must be called.
func newScanner(f vfs.File, pos, end int64, verify bool) *scanner {
	s := &scanner{f: f, pos: pos, end: end, verify: verify}
	if verify {
		b := scanBuffers.Get().(*[scanBuffer]byte)
		s.buf, s.give = b[:], func() { scanBuffers.Put(b) }
	} else {
		b := walkBuffers.Get().(*[walkBuffer]byte)
		s.buf, s.give = b[:], func() { walkBuffers.Put(b) }
	}
	return s
}

func (s *scanner) close() { s.give() }

// fill makes n bytes from pos available, n being at most len(buf).
func (s *scanner) fill(pos int64, n int) ([]byte, error) {
	if off := pos - s.at; off >= 0 && off+int64(n) <= int64(len(s.have)) {
		return s.have[off : off+int64(n)], nil
	}
	want := min(int64(len(s.buf)), s.end-pos)
	if err := readFull(s.f, s.buf[:want], pos); err != nil {
		return nil, err
	}
	s.have, s.at = s.buf[:want], pos
	s.read += want
	return s.have[:n], nil
}

// next reads the batch at pos and moves behind it. At the end it returns
// io.EOF, and a *badBatch where no sound batch starts; other errors are the
// disk's. start is the batch's position.
func (s *scanner) next() (h batch.Header, start int64, err error) {
	start = s.pos
	left := s.end - start
	if left == 0 {
		return h, start, io.EOF
	}
	b, err := s.fill(start, int(min(left, batch.HeaderSize)))
	if err != nil {
		return h, start, err
	}
	h, err = batch.ParseHeader(b)
	switch {
	case err != nil:
		return h, start, &badBatch{start, err.Error(), errors.Is(err, batch.ErrMagic) && s.oldMessage(start, left)}
	case int64(h.Size()) > left:
		return h, start, &badBatch{pos: start, reason: fmt.Sprintf("batch of %d bytes where %d are left", h.Size(), left)}
	case h.BaseOffset < 0 || h.LastOffsetDelta < 0 || h.Count < 0:
		return h, start, &badBatch{pos: start, reason: fmt.Sprintf("batch at offset %d with last offset delta %d and %d records", h.BaseOffset, h.LastOffsetDelta, h.Count)}
	}
	if s.verify {
		if err := s.checkCRC(&h, start); err != nil {
			return h, start, err
		}
	}
	s.pos = start + int64(h.Size())
	return h, start, nil
}

// oldMessage tells whether a message of format 0 or 1 starts at pos: only if
// its checksum holds, because zeros at a torn end look like magic 0.
func (s *scanner) oldMessage(pos, left int64) bool {
	const head, least = 16, 26 // offset, length, CRC; then magic and the rest
	b, err := s.fill(pos, int(min(left, least)))
	if err != nil || left < least {
		return false
	}
	size := batch.LogOverhead + int64(int32(binary.BigEndian.Uint32(b[8:])))
	crc := binary.BigEndian.Uint32(b[12:])
	if size < least || size > left || size > maxDecoded {
		return false
	}
	whole, err := s.body(pos, int(size))
	return err == nil && crc32.ChecksumIEEE(whole[head:]) == crc
}

// crcFrom is where the part of a batch starts that its CRC covers.
const crcFrom = 21

func (s *scanner) checkCRC(h *batch.Header, start int64) error {
	crc := uint32(0)
	end := start + int64(h.Size())
	for pos := start + crcFrom; pos < end; {
		n := min(end-pos, int64(len(s.buf)))
		if off := pos - s.at; off >= 0 && off < int64(len(s.have)) {
			n = min(n, int64(len(s.have))-off) // use up what is there
		}
		b, err := s.fill(pos, int(n))
		if err != nil {
			return err
		}
		crc = crc32.Update(crc, castagnoli, b)
		pos += n
	}
	if crc != h.CRC {
		return &badBatch{pos: start, reason: fmt.Sprintf("checksum %08x, stored is %08x", crc, h.CRC)}
	}
	return nil
}

// body returns the whole batch of size bytes at start, in memory of its own.
func (s *scanner) body(start int64, size int) (batch.Batch, error) {
	b := make([]byte, size)
	return b, readFull(s.f, b, start)
}

// parseMarker decodes the transaction marker in a control batch; ok is false
// for other control batches.
func parseMarker(b batch.Batch) (m batch.EndTxn, timestamp int64, ok bool, err error) {
	if h := b.Header(); h.Count == 0 {
		return m, 0, false, nil // compaction left only the header
	}
	for r, err := range b.Records(nil, maxDecoded) {
		if err != nil {
			return m, 0, false, err
		}
		m, ok, err = batch.ParseEndTxn(r)
		return m, r.Timestamp, ok, err
	}
	return m, 0, false, nil
}
