package commitlog

import (
	"encoding/binary"
	"fmt"
	"io"
	"sort"
	"sync"
	"sync/atomic"
)

const (
	offsetEntrySize = 8  // relative offset i32, position i32
	timeEntrySize   = 12 // timestamp i64, relative offset i32

	// indexWindow is how many of the newest entries of an active segment stay
	// in memory; consumers near the end then find their place without I/O.
	indexWindow = 1024
	indexBlock  = 512 // entries read at once at the end of a search in a file
)

// sideIndex is an .index or .timeindex: entries of a fixed size, sorted, the
// newest also in memory. Changes belong to the writer and are published under
// Log.mu; readers search a view.
type sideIndex struct {
	file      lazyFile
	entrySize int
	saved     int         // entries in the file
	tailStart int         // the number of the first entry in tail; at most saved
	tail      []byte      // never overwritten in place: views share it
	unsynced  atomic.Bool // the file holds bytes that were not fsynced
	inFile    bool        // the file exists
}

func (x *sideIndex) count() int { return x.tailStart + len(x.tail)/x.entrySize }

// view is a sideIndex as it was at one moment.
type indexView struct {
	file      *lazyFile
	entrySize int
	tailStart int
	tail      []byte
}

func (x *sideIndex) view() indexView {
	return indexView{&x.file, x.entrySize, x.tailStart, x.tail[:len(x.tail):len(x.tail)]}
}

// add appends an encoded entry in memory. full tells that save is due.
func (x *sideIndex) add(entry []byte) (full bool) {
	x.tail = append(x.tail, entry...)
	return len(x.tail) >= indexWindow*x.entrySize
}

// save writes what the file lacks. It changes nothing that views see.
func (x *sideIndex) save() error {
	from := (x.saved - x.tailStart) * x.entrySize
	if from == len(x.tail) && x.inFile {
		return nil
	}
	h, err := x.file.acquire(true)
	if err != nil {
		return err
	}
	defer h.release()
	if from < len(x.tail) {
		if _, err := h.file.WriteAt(x.tail[from:], int64(x.saved*x.entrySize)); err != nil {
			return err
		}
	}
	x.saved = x.count()
	x.inFile = true
	x.unsynced.Store(true)
	return nil
}

// shrink drops all but the newest keep entries from memory. All must be saved.
func (x *sideIndex) shrink(keep int) {
	if n := x.count() - keep; n > x.tailStart && x.saved == x.count() {
		rest := x.tail[(n-x.tailStart)*x.entrySize:]
		x.tail = append(make([]byte, 0, len(rest)), rest...)
		x.tailStart = n
	}
}

// truncate keeps the first n entries, in the file too.
func (x *sideIndex) truncate(n int) error {
	if x.inFile {
		h, err := x.file.acquire(true)
		if err != nil {
			return err
		}
		defer h.release()
		if err := h.file.Truncate(int64(min(n, x.saved) * x.entrySize)); err != nil {
			return err
		}
		x.unsynced.Store(true)
	}
	if n < x.tailStart {
		x.tailStart, x.tail = n, nil
	} else if n < x.count() {
		// A new array: a view may still hold the entries that go.
		x.tail = append([]byte(nil), x.tail[:(n-x.tailStart)*x.entrySize]...)
	}
	x.saved = min(x.saved, n)
	return nil
}

// sync makes the file durable. It may run beside save.
func (x *sideIndex) sync() error {
	if !x.unsynced.Swap(false) {
		return nil
	}
	return syncLazy(&x.file)
}

var indexBlocks = sync.Pool{New: func() any { return new([indexBlock * timeEntrySize]byte) }}

// count is the number of entries in the view.
func (v indexView) count() int { return v.tailStart + len(v.tail)/v.entrySize }

// search copies the last entry for which keep is true into entry and returns
// its number, -1 if there is none. keep must be true for a prefix of the index.
func (v indexView) search(entry []byte, keep func(entry []byte) bool) (int, error) {
	if len(v.tail) > 0 && keep(v.tail[:v.entrySize]) {
		n := len(v.tail) / v.entrySize
		i := sort.Search(n, func(i int) bool { return !keep(v.tail[i*v.entrySize:][:v.entrySize]) }) - 1
		copy(entry, v.tail[i*v.entrySize:][:v.entrySize])
		return v.tailStart + i, nil
	}
	if v.tailStart == 0 {
		return -1, nil
	}
	h, err := v.file.acquire(false)
	if err != nil {
		return 0, err
	}
	defer h.release()
	block := indexBlocks.Get().(*[indexBlock * timeEntrySize]byte)
	defer indexBlocks.Put(block)

	lo, hi := 0, v.tailStart // the answer is in [lo-1, hi)
	for hi-lo > indexBlock {
		mid := lo + (hi-lo)/2
		b := block[:v.entrySize]
		if err := readFull(h.file, b, int64(mid*v.entrySize)); err != nil {
			return 0, err
		}
		if keep(b) {
			lo = mid
		} else {
			hi = mid
		}
	}
	b := block[:(hi-lo)*v.entrySize]
	if err := readFull(h.file, b, int64(lo*v.entrySize)); err != nil {
		return 0, err
	}
	i := sort.Search(hi-lo, func(i int) bool { return !keep(b[i*v.entrySize:][:v.entrySize]) }) - 1
	if i < 0 {
		return -1, nil
	}
	copy(entry, b[i*v.entrySize:][:v.entrySize])
	return lo + i, nil
}

// at copies entry i; false if there is none.
func (v indexView) at(i int, entry []byte) (bool, error) {
	switch {
	case i < 0 || i >= v.count():
		return false, nil
	case i >= v.tailStart:
		copy(entry, v.tail[(i-v.tailStart)*v.entrySize:][:v.entrySize])
		return true, nil
	}
	h, err := v.file.acquire(false)
	if err != nil {
		return false, err
	}
	defer h.release()
	return true, readFull(h.file, entry[:v.entrySize], int64(i*v.entrySize))
}

// readFull reads all of b; a short file is io.ErrUnexpectedEOF.
func readFull(r io.ReaderAt, b []byte, pos int64) error {
	n, err := r.ReadAt(b, pos)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

type offsetEntry struct{ rel, pos int32 }

func (e offsetEntry) put(b *[offsetEntrySize]byte) []byte {
	binary.BigEndian.PutUint32(b[:], uint32(e.rel))
	binary.BigEndian.PutUint32(b[4:], uint32(e.pos))
	return b[:]
}

func getOffsetEntry(b []byte) offsetEntry {
	return offsetEntry{int32(binary.BigEndian.Uint32(b)), int32(binary.BigEndian.Uint32(b[4:]))}
}

type timeEntry struct {
	ts  int64
	rel int32
}

func (e timeEntry) put(b *[timeEntrySize]byte) []byte {
	binary.BigEndian.PutUint64(b[:], uint64(e.ts))
	binary.BigEndian.PutUint32(b[8:], uint32(e.rel))
	return b[:]
}

func getTimeEntry(b []byte) timeEntry {
	return timeEntry{int64(binary.BigEndian.Uint64(b)), int32(binary.BigEndian.Uint32(b[8:]))}
}

// decodeOffsetIndex checks a whole .index file of a segment whose log has
// logSize bytes and returns how many of its entries are sound: both fields
// strictly increase and positions lie in the log. A preallocated tail of zeros
// ends it without an error.
func decodeOffsetIndex(data []byte, logSize int64) (n int, err error) {
	last := offsetEntry{-1, -1}
	for ; (n+1)*offsetEntrySize <= len(data); n++ {
		e := getOffsetEntry(data[n*offsetEntrySize:])
		if e == (offsetEntry{}) && len(data) > offsetEntrySize {
			return n, nil
		}
		if e.rel <= last.rel && n > 0 || e.pos <= last.pos || e.rel < 0 || int64(e.pos) >= logSize {
			return n, fmt.Errorf("offset index entry %d (%d, %d) after (%d, %d)", n, e.rel, e.pos, last.rel, last.pos)
		}
		last = e
	}
	if len(data)%offsetEntrySize != 0 {
		return n, fmt.Errorf("offset index of %d bytes", len(data))
	}
	return n, nil
}

// decodeTimeIndex is decodeOffsetIndex for .timeindex files. Offsets may repeat
// (the final entry of a segment), timestamps increase.
func decodeTimeIndex(data []byte) (n int, err error) {
	last := timeEntry{-1, -1}
	for ; (n+1)*timeEntrySize <= len(data); n++ {
		e := getTimeEntry(data[n*timeEntrySize:])
		if e == (timeEntry{}) && len(data) > timeEntrySize {
			return n, nil
		}
		if n > 0 && (e.ts <= last.ts || e.rel < last.rel) || e.rel < 0 {
			return n, fmt.Errorf("time index entry %d (%d, %d) after (%d, %d)", n, e.ts, e.rel, last.ts, last.rel)
		}
		last = e
	}
	if len(data)%timeEntrySize != 0 {
		return n, fmt.Errorf("time index of %d bytes", len(data))
	}
	return n, nil
}
