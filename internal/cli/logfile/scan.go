package logfile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

// crcFrom is where the bytes covered by a batch's CRC begin: at its attributes.
const crcFrom = 21

// recordsBytesMax bounds what one batch may decompress to.
const recordsBytesMax = 1 << 30

// batchAt is one batch of a segment with its place in the file.
type batchAt struct {
	pos int64
	h   batch.Header
	b   batch.Batch
}

// damage says what is wrong from a position of a file on.
type damage struct {
	pos    int64
	offset int64 // of the records concerned, -1 if unknown
	what   string
	// skippable tells that the batch's length seems right, so what follows can still be read.
	skippable bool
	next      int64
}

func (d *damage) Error() string { return fmt.Sprintf("at byte %d: %s", d.pos, d.what) }

// scanner reads the batches of a .log file one after the other. The bytes of a batch are valid until the next.
type scanner struct {
	r    *bufio.Reader
	size int64
	pos  int64
	buf  []byte
}

func newScanner(r io.Reader, size int64) *scanner {
	return &scanner{r: bufio.NewReaderSize(r, 1<<20), size: size}
}

// next returns io.EOF at the end, *damage if what follows is no sound batch, or an error of reading. After
// skippable damage the next call goes on behind it.
func (s *scanner) next() (batchAt, error) {
	left := s.size - s.pos
	if left == 0 {
		return batchAt{}, io.EOF
	}
	bad := func(format string, args ...any) error {
		return &damage{pos: s.pos, offset: -1, what: fmt.Sprintf(format, args...)}
	}
	if left < batch.HeaderSize {
		return batchAt{}, bad("%d bytes are too few for a batch", left)
	}
	head, err := s.r.Peek(batch.HeaderSize)
	if err != nil {
		return batchAt{}, fmt.Errorf("reading: %w", err)
	}
	h, err := batch.ParseHeader(head)
	if err != nil {
		if allZero(head) {
			return batchAt{}, bad("zeros where a batch should begin")
		}
		return batchAt{}, bad("not a batch: %v", err)
	}
	if int64(h.Size()) > left {
		return batchAt{}, bad("a batch of %d bytes is cut off after %d", h.Size(), left)
	}
	if cap(s.buf) < h.Size() {
		s.buf = make([]byte, h.Size())
	}
	s.buf = s.buf[:h.Size()]
	if _, err := io.ReadFull(s.r, s.buf); err != nil {
		return batchAt{}, fmt.Errorf("reading: %w", err)
	}
	out := batchAt{pos: s.pos, h: h, b: batch.Batch(s.buf)}
	s.pos += int64(h.Size())
	if got := crc32.Checksum(s.buf[crcFrom:], castagnoli); got != h.CRC {
		return out, &damage{
			pos: out.pos, offset: h.BaseOffset, skippable: true, next: s.pos,
			what: fmt.Sprintf("CRC is %08x, the batch's bytes give %08x (offsets %d to %d)", h.CRC, got, h.BaseOffset, h.LastOffset()),
		}
	}
	return out, nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// checkRecords decodes all records of a batch and checks their offsets and number. It returns how many there are.
func checkRecords(at batchAt, d *compress.Decompressor) (int64, error) {
	n := int64(0)
	last := at.h.BaseOffset - 1
	for r, err := range at.b.Records(d, recordsBytesMax) {
		if err != nil {
			return n, fmt.Errorf("record %d cannot be decoded: %w", n, err)
		}
		if r.Offset <= last || r.Offset > at.h.LastOffset() {
			return n, fmt.Errorf("record %d has offset %d, after %d and in a batch that ends at %d", n, r.Offset, last, at.h.LastOffset())
		}
		last = r.Offset
		n++
		if at.h.Control() && len(r.Key) < 4 {
			return n, errors.New("a control record without a type")
		}
	}
	if n != int64(at.h.Count) {
		return n, fmt.Errorf("%d records instead of %d", n, at.h.Count)
	}
	return n, nil
}

// controlText names a control record.
func controlText(r batch.Record) string {
	if len(r.Key) < 4 {
		return "control"
	}
	switch t := binary.BigEndian.Uint16(r.Key[2:]); t {
	case 0:
		return "abort"
	case 1:
		return "commit"
	case 2:
		return "leader change"
	case 3:
		return "snapshot header"
	case 4:
		return "snapshot footer"
	case 5:
		return "kraft version"
	case 6:
		return "kraft voters"
	default:
		return fmt.Sprintf("control %d", t)
	}
}
