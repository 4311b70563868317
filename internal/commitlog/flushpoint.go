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
// Its second slot is written after every flush but not synced itself. After a
// killed process it is therefore exact, and after a power cut it is exact, old
// or damaged. The first slot is written only together with a sync, before
// something irreversible, and is what remains if the second is damaged. Neither
// ever claims too much. Recovery uses the flush point only to tell a torn end
// (bytes that were never promised to anyone) from damage to durable bytes, and
// a lost end from a gap that compaction left.
const (
	flushPointFile = "leat-flush-point"
	flushPointSlot = 20  // flushed i64, cap i64, CRC-32C u32 of both
	flushPointNext = 512 // position of the second slot: in a sector of its own
)

// flushPoint is the content of a slot. Cap bounds what the recovery point
// checkpoint may claim after a truncation, until that has been rewritten;
// math.MaxInt64 is none.
type flushPoint struct {
	flushed, cap int64
}

func (p flushPoint) encode(b *[flushPointSlot]byte) []byte {
	binary.BigEndian.PutUint64(b[:], uint64(p.flushed))
	binary.BigEndian.PutUint64(b[8:], uint64(p.cap))
	binary.BigEndian.PutUint32(b[16:], crc32.Checksum(b[:16], castagnoli))
	return b[:]
}

// decodeFlushPoint reads the file: the second slot, or the first if that is damaged.
func decodeFlushPoint(b []byte) (flushPoint, error) {
	if p, ok := decodeSlot(b, flushPointNext); ok {
		return p, nil
	}
	if p, ok := decodeSlot(b, 0); ok {
		return p, nil
	}
	return flushPoint{}, errors.New("flush point is damaged")
}

func decodeSlot(b []byte, at int) (p flushPoint, ok bool) {
	if len(b) < at+flushPointSlot {
		return p, false
	}
	slot := b[at : at+flushPointSlot]
	p = flushPoint{int64(binary.BigEndian.Uint64(slot)), int64(binary.BigEndian.Uint64(slot[8:]))}
	sound := crc32.Checksum(slot[:16], castagnoli) == binary.BigEndian.Uint32(slot[16:])
	return p, sound && p.flushed >= 0 && p.cap >= p.flushed
}

// readFlushPoint returns the offset below which every byte must be sound. A
// missing or damaged flush point claims nothing.
func (l *Log) readFlushPoint(files []vfs.DirEntry, recoveryPoint int64) (bound int64, err error) {
	l.flushCap = math.MaxInt64
	bound = recoveryPoint
	l.hadFlushPoint = slices.ContainsFunc(files, func(e vfs.DirEntry) bool { return e.Name == flushPointFile })
	l.flushPointSynced = false
	if !l.hadFlushPoint {
		return bound, nil
	}
	data, err := vfs.ReadFile(l.o.FS, l.path(flushPointFile))
	if err != nil {
		return 0, &StorageError{"read " + flushPointFile, err}
	}
	_, l.flushPointSynced = decodeSlot(data, 0)
	if p, err := decodeFlushPoint(data); err == nil {
		l.flushCap = p.cap
		bound = min(max(bound, p.flushed), p.cap)
	}
	return bound, nil
}

// createFlushPoint makes the file for a new log, before its first segment: a
// log with segments but without the file was not written by us.
func (l *Log) createFlushPoint() error {
	h, err := l.flushPoint.acquire(true)
	if err != nil {
		return err
	}
	h.release()
	l.hadFlushPoint = true
	return nil
}

// writeFlushPoint notes that everything below offset is durable. sync makes the
// note itself durable; the first one always is. flushMu is held.
func (l *Log) writeFlushPoint(offset int64, sync bool) error {
	h, err := l.flushPoint.acquire(true)
	if err != nil {
		return err
	}
	defer h.release()
	l.flushCap = max(l.flushCap, offset)
	var b [flushPointSlot]byte
	slot := flushPoint{offset, l.flushCap}.encode(&b)
	if _, err := h.file.WriteAt(slot, flushPointNext); err != nil {
		return err
	}
	if !sync && l.flushPointSynced {
		return nil
	}
	if _, err := h.file.WriteAt(slot, 0); err != nil {
		return err
	}
	if err := h.file.Sync(); err != nil {
		return err
	}
	l.flushPointSynced = true
	return l.o.FS.SyncDir(l.Dir())
}
