package commitlog

import (
	"errors"
	"math"
	"strings"

	"leat.dev/internal/base/vfs"
)

// swap puts a compacted segment, named .swap by now, in the place of the
// segments it was made from. Its files are held open by the caller, so readers
// do not depend on their names while those change; readers of the old segments
// keep the old files. Each step is durable before the next: a crash leaves the
// originals, or what finishSwaps needs. cleanMu is held.
func (l *Log) swap(old []*segment, s *segment) error {
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	if err := l.usable(); err != nil {
		s.retire()
		return errors.Join(err, s.remove(l.o.FS))
	}
	l.mu.Lock()
	from, to := 0, 0
	for i, x := range l.segments {
		if x == old[0] {
			from = i
		}
		if x == old[len(old)-1] {
			to = i + 1
		}
	}
	s.next = old[len(old)-1].next
	if to < len(l.segments) {
		s.next = l.segments[to].base
	}
	list := append([]*segment(nil), l.segments[:from]...)
	list = append(list, s)
	l.segments = append(list, l.segments[to:]...)
	l.forget()
	l.mu.Unlock()

	at := l.o.Clock.Now().Add(l.config.Load().FileDeleteDelay)
	for _, x := range old {
		x.retire()
		if err := x.rename(l.o.FS, deletedSuffix); err != nil {
			return err
		}
		l.deleted = append(l.deleted, deletedSegment{x, at})
	}
	l.waiting.Store(int64(len(l.deleted)))
	if err := l.o.FS.SyncDir(l.Dir()); err != nil {
		return err
	}
	if err := s.rename(l.o.FS, ""); err != nil {
		return err
	}
	return l.o.FS.SyncDir(l.Dir())
}

// finishSwaps completes or undoes what a crash interrupted: it removes files
// marked .deleted and .cleaned, and puts .swap files in the place of the
// segments they replace. A .swap at or above a .cleaned is not complete: the
// renames go from the highest segment to the lowest. It returns the listing
// as it is then.
func (l *Log) finishSwaps(files []vfs.DirEntry) ([]vfs.DirEntry, error) {
	lowestCleaned, any := int64(math.MaxInt64), false
	for _, f := range files {
		base, suffix, ok := parseName(f.Name)
		if !ok {
			continue
		}
		if strings.HasSuffix(suffix, cleanedSuffix) {
			lowestCleaned = min(lowestCleaned, base)
		}
		any = any || temporary(suffix)
	}
	if !any {
		return files, nil
	}
	fail := func(err error) ([]vfs.DirEntry, error) { return nil, &StorageError{"finish compaction", err} }
	var swaps []int64
	for _, f := range files {
		base, suffix, ok := parseName(f.Name)
		if !ok || !temporary(suffix) {
			continue
		}
		if strings.HasSuffix(suffix, swapSuffix) && base < lowestCleaned {
			if suffix == logSuffix+swapSuffix {
				swaps = append(swaps, base)
			}
			continue
		}
		if err := l.o.FS.Remove(l.path(f.Name)); err != nil {
			return fail(err)
		}
	}
	for _, base := range swaps {
		if err := l.finishSwap(base, files); err != nil {
			return fail(err)
		}
	}
	if err := l.o.FS.SyncDir(l.Dir()); err != nil {
		return fail(err)
	}
	files, err := l.o.FS.ReadDir(l.Dir())
	if err != nil {
		return fail(err)
	}
	return files, nil
}

func temporary(suffix string) bool {
	return strings.HasSuffix(suffix, cleanedSuffix) || strings.HasSuffix(suffix, swapSuffix) || strings.HasSuffix(suffix, deletedSuffix)
}

// finishSwap removes the originals that the compacted segment at base covers
// and gives it its name. Of an original, the .log is the last file to go, so
// side files without one belong to the compacted segment already.
func (l *Log) finishSwap(base int64, files []vfs.DirEntry) error {
	s := l.newSegment(base, swapSuffix)
	for _, f := range files {
		if f.Name == baseName(base)+logSuffix+swapSuffix {
			s.size = f.Size
		}
	}
	end, err := l.swapEnd(s)
	s.retire()
	if err != nil {
		return err
	}
	for _, f := range files {
		at, suffix, ok := parseName(f.Name)
		if !ok || suffix != logSuffix || at < base || at >= end {
			continue
		}
		original := l.newSegment(at, "")
		if err := original.remove(l.o.FS); err != nil {
			return err
		}
	}
	if err := l.o.FS.SyncDir(l.Dir()); err != nil {
		return err
	}
	return s.rename(l.o.FS, "")
}

// swapEnd is the offset after the last batch of a compacted segment. The
// compacted segment was synced before it got its name, so it is sound.
func (l *Log) swapEnd(s *segment) (int64, error) {
	h, err := s.log.acquire(false)
	if err != nil {
		return 0, err
	}
	defer h.release()
	sc := newScanner(h.file, 0, s.size, false)
	defer sc.close()
	end := s.base + 1
	for {
		b, _, err := sc.next()
		if isEnd(err) {
			return end, nil
		}
		var bad *badBatch
		if errors.As(err, &bad) {
			return 0, &CorruptError{File: s.path(logSuffix), Pos: bad.pos, Reason: bad.reason}
		}
		if err != nil {
			return 0, err
		}
		end = b.NextOffset()
	}
}
