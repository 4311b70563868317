package broker

import (
	"slices"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/broker/delivery"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/fetch"
)

// sharedBatch is a record batch that was found in a read, and where.
type sharedBatch struct {
	delivery.Span
	file vfs.File
	pos  int64
	size int
}

// batchWalker finds the batches of a read by their headers alone. It reads ahead a little, so that small batches do not
// take a system call each.
type batchWalker struct {
	buf  []byte
	file vfs.File
	at   int64 // where buf begins
}

// walkAhead is how much is read at a time.
const walkAhead = 4 << 10

// header returns the header of the batch at pos, nil if there are not enough bytes before end.
func (w *batchWalker) header(file vfs.File, pos, end int64) ([]byte, error) {
	if end-pos < batch.HeaderSize {
		return nil, nil
	}
	if w.file != file || pos < w.at || pos+batch.HeaderSize > w.at+int64(len(w.buf)) {
		if w.buf == nil {
			w.buf = make([]byte, walkAhead)
		}
		w.buf = w.buf[:min(walkAhead, end-pos)]
		w.file, w.at = file, pos
		if n, err := file.ReadAt(w.buf, pos); n < len(w.buf) {
			w.file = nil
			return nil, err
		}
	}
	return w.buf[pos-w.at:][:batch.HeaderSize], nil
}

// walk lists the whole batches of a read, up to the first one that ends at or after enough. aborted are those that a
// reader of committed records has to leave out.
func (w *batchWalker) walk(read *commitlog.ReadInfo, enough int64) (all []sharedBatch, aborted []delivery.Span, err error) {
	filter := newAbortFilter(read.Aborted)
	for _, s := range read.Slices {
		end := s.Pos + int64(s.Len)
		for pos := s.Pos; ; {
			raw, err := w.header(s.File, pos, end)
			if raw == nil || err != nil {
				return all, aborted, err
			}
			h, err := batch.ParseHeader(raw)
			if err != nil {
				return all, aborted, err
			}
			if pos+int64(h.Size()) > end {
				return all, aborted, nil
			}
			one := sharedBatch{Span: delivery.Span{First: h.BaseOffset, Last: h.LastOffset()}, file: s.File, pos: pos, size: h.Size()}
			all = append(all, one)
			if filter.aborted(&h) {
				aborted = append(aborted, one.Span)
			}
			if one.Last >= enough {
				return all, aborted, nil
			}
			pos += int64(h.Size())
		}
	}
	return all, aborted, nil
}

// abortFilter finds the batches of aborted transactions, as a consumer does.
type abortFilter struct {
	list []commitlog.AbortedTxn // by first offset
	open map[int64]bool         // producers with an aborted transaction here
}

func newAbortFilter(list []commitlog.AbortedTxn) *abortFilter {
	if len(list) == 0 {
		return &abortFilter{}
	}
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b commitlog.AbortedTxn) int { return int(min(1, max(-1, a.FirstOffset-b.FirstOffset))) })
	return &abortFilter{list: sorted, open: map[int64]bool{}}
}

func (f *abortFilter) aborted(h *batch.Header) bool {
	for len(f.list) > 0 && f.list[0].FirstOffset <= h.LastOffset() {
		f.open[f.list[0].ProducerID] = true
		f.list = f.list[1:]
	}
	if h.Control() {
		// Of a producer with an aborted transaction the next marker is the one that aborts it.
		delete(f.open, h.ProducerID)
		return false
	}
	return h.Transactional() && f.open[h.ProducerID]
}

// spans are the offsets of batches.
func spans(all []sharedBatch) []delivery.Span {
	out := make([]delivery.Span, len(all))
	for i := range all {
		out[i] = all[i].Span
	}
	return out
}

// ranges are the pieces of files with the batches from the first that has acquired records to the last.
func ranges(all []sharedBatch, got []delivery.Acquired) (out []fetch.Range) {
	first, last := got[0].First, got[len(got)-1].Last
	for _, b := range all {
		if b.Last < first || b.First > last {
			continue
		}
		if n := len(out); n > 0 && out[n-1].File == b.file && out[n-1].Pos+int64(out[n-1].Len) == b.pos {
			out[n-1].Len += b.size
			continue
		}
		out = append(out, fetch.Range{File: b.file, Pos: b.pos, Len: b.size})
	}
	return out
}

// sizeOf is the number of bytes in ranges.
func sizeOf(list []fetch.Range) (n int) {
	for i := range list {
		n += list[i].Len
	}
	return n
}
