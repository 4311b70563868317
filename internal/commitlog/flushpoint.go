package commitlog

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"slices"

	"leat.dev/internal/base/vfs"
)

// The flush point is a small file of ours: how far the log was made durable.
// It is written after every flush but not synced itself. After a killed
// process it is therefore exact and after a power cut it is exact or old; it
// never claims too much. Recovery uses it only to tell a torn end (bytes that
// were never promised to anyone) from damage to durable bytes.
const (
	flushPointFile = "leat-flush-point"
	flushPointSize = 20 // flushed i64, cap i64, CRC-32C u32 of both
)

// flushPoint is the file's content. Cap bounds what the recovery point
// checkpoint may claim after a truncation, until that has been rewritten;
// math.MaxInt64 is none.
type flushPoint struct {
	flushed, cap int64
}

func (p flushPoint) encode(b *[flushPointSize]byte) []byte {
	binary.BigEndian.PutUint64(b[:], uint64(p.flushed))
	binary.BigEndian.PutUint64(b[8:], uint64(p.cap))
	binary.BigEndian.PutUint32(b[16:], crc32.Checksum(b[:16], castagnoli))
	return b[:]
}

func decodeFlushPoint(b []byte) (flushPoint, error) {
	if len(b) != flushPointSize || crc32.Checksum(b[:16], castagnoli) != binary.BigEndian.Uint32(b[16:]) {
		return flushPoint{}, errors.New("flush point is damaged")
	}
	p := flushPoint{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))}
	if p.flushed < 0 || p.cap < p.flushed {
		return flushPoint{}, errors.New("flush point makes no sense")
	}
	return p, nil
}

// readFlushPoint returns the offset below which every byte must be sound. A
// missing or damaged flush point claims nothing.
func (l *Log) readFlushPoint(files []vfs.DirEntry, recoveryPoint int64) (bound int64, err error) {
	l.flushCap = math.MaxInt64
	bound = recoveryPoint
	if !slices.ContainsFunc(files, func(e vfs.DirEntry) bool { return e.Name == flushPointFile }) {
		return bound, nil
	}
	data, err := vfs.ReadFile(l.o.FS, l.path(flushPointFile))
	if err != nil {
		return 0, &StorageError{"read " + flushPointFile, err}
	}
	if p, err := decodeFlushPoint(data); err == nil {
		l.flushCap = p.cap
		bound = min(max(bound, p.flushed), p.cap)
	}
	return bound, nil
}

// writeFlushPoint notes that everything below offset is durable. flushMu is held.
func (l *Log) writeFlushPoint(offset int64, sync bool) error {
	h, err := l.flushPoint.acquire(true)
	if err != nil {
		return err
	}
	defer h.release()
	l.flushCap = max(l.flushCap, offset)
	var b [flushPointSize]byte
	if _, err := h.file.WriteAt(flushPoint{offset, l.flushCap}.encode(&b), 0); err != nil {
		return err
	}
	if !sync {
		return nil
	}
	if err := h.file.Sync(); err != nil {
		return err
	}
	return l.o.FS.SyncDir(l.o.Dir)
}
