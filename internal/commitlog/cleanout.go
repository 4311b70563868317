package commitlog

import (
	"errors"
	"math"

	"leat.dev/internal/wire/batch"
)

// output is the segment that a group of segments is rewritten into. Its files
// are named .cleaned until it is complete.
type output struct {
	*cleaner
	seg    *segment
	files  []*handle // held open from the first byte to the last rename
	aborts []byte    // its transaction index
	upper  int64     // the end of the last segment that is compacted
}

func (o *output) rewrite(group []*segment, txns *cleanedTxns) error {
	if _, err := o.create(&o.seg.log); err != nil {
		return err
	}
	o.b.out = o.b.out[:0]
	last := o.closed[len(o.closed)-1]
	o.upper = last.next
	for _, s := range group {
		err := o.batches(s, 0, func(b batch.Batch, h *batch.Header) error {
			o.stats.ReadBytes += int64(len(b))
			o.stats.ReadRecords += int64(h.Count)
			return o.batch(b, h, txns)
		})
		if err != nil {
			return err
		}
		o.seg.modTime = s.modTime
	}
	return o.write()
}

// create makes one of the segment's files, empty, and keeps it open.
func (o *output) create(f *lazyFile) (*handle, error) {
	h, err := f.acquire(true)
	if err != nil {
		return nil, err
	}
	o.files = append(o.files, h)
	return h, h.file.Truncate(0)
}

// batch decides about a batch: drop it, keep it as it is, keep some of its
// records, or keep its bare header because a producer's state or the end of
// the log hangs on it.
func (o *output) batch(b batch.Batch, h *batch.Header, txns *cleanedTxns) error {
	var discard, emptyTxn bool
	if h.Control() {
		may, err := txns.control(b, h)
		if err != nil {
			return &contentError{o.seg.path(logSuffix), err}
		}
		emptyTxn = may
		discard = may && h.HasDeleteHorizon() && h.DeleteHorizon() <= o.now
		if h.Count == 0 {
			discard = true
		}
	} else {
		discard = txns.data(h)
	}
	needed := o.holdsProducer(h) || h.NextOffset() == o.upper
	switch {
	case discard && !needed:
		return nil
	case discard || h.Count == 0:
		if !needed {
			return nil
		}
		return o.empty(h)
	case h.Control():
		if emptyTxn && !h.HasDeleteHorizon() {
			return o.rebuild(b, h, true, func(*batch.Record) bool { return true })
		}
		return o.put(b, h)
	}
	return o.filter(b, h, needed)
}

// holdsProducer tells whether the batch is the one that keeps the state of an
// active producer.
func (o *output) holdsProducer(h *batch.Header) bool {
	last, active := o.last[h.ProducerID]
	if !h.HasProducer() || !active {
		return false
	}
	return h.LastOffset() == last.data || last.data < 0 && h.LastOffset() == last.marker
}

// filter keeps the records that compaction retains.
func (o *output) filter(b batch.Batch, h *batch.Header, needed bool) error {
	it := &o.b.d.records
	it.Reset(b, &o.b.d.decompressor, maxDecoded)
	kept, tombstones := int32(0), false
	for it.Next() {
		if r := it.Record(); o.retain(r, h) {
			kept++
			tombstones = tombstones || r.Value == nil
		}
	}
	if err := it.Err(); err != nil {
		return &contentError{o.seg.path(logSuffix), err}
	}
	o.stats.KeptRecords += int64(kept)
	setHorizon := tombstones && !h.HasDeleteHorizon()
	switch {
	case kept == 0 && needed:
		return o.empty(h)
	case kept == 0:
		return nil
	case kept == h.Count && !setHorizon:
		return o.put(b, h)
	}
	return o.rebuild(b, h, setHorizon, func(r *batch.Record) bool { return o.retain(r, h) })
}

// rebuild writes the batch with some of its records; offsets, sequences and
// codec stay.
func (o *output) rebuild(b batch.Batch, h *batch.Header, setHorizon bool, keep func(*batch.Record) bool) error {
	opts := batch.OptionsFrom(*h)
	opts.Level = codecLevel(o.c, opts.Codec)
	if setHorizon {
		horizon := o.horizon()
		opts.DeleteHorizon = &horizon
	}
	d := &o.b.d
	d.builder.Reset(opts)
	d.records.Reset(b, &d.decompressor, maxDecoded)
	for d.records.Next() {
		if r := d.records.Record(); keep(r) {
			d.builder.AppendAt(r.Offset, r.Timestamp, r.Key, r.Value, r.Headers)
		}
	}
	if err := d.records.Err(); err != nil {
		return &contentError{o.seg.path(logSuffix), err}
	}
	return o.putBuilt()
}

// empty writes the bare header of a batch.
func (o *output) empty(h *batch.Header) error {
	opts := batch.OptionsFrom(*h)
	opts.DeleteHorizon = nil
	o.b.d.builder.Reset(opts)
	return o.putBuilt()
}

func (o *output) putBuilt() error {
	b, err := o.b.d.builder.Finish()
	if err != nil {
		return &contentError{o.seg.path(logSuffix), err}
	}
	h := b.Header()
	return o.put(b, &h)
}

// put appends a batch to the segment.
func (o *output) put(b batch.Batch, h *batch.Header) error {
	if o.seg.size+int64(len(b)) > math.MaxInt32 {
		return &contentError{o.seg.path(logSuffix), errors.New("segment would become too large")}
	}
	if len(o.b.out)+len(b) > cap(o.b.out) {
		if err := o.write(); err != nil {
			return err
		}
	}
	o.b.out = append(o.b.out, b...)
	o.seg.noteBatch(h, o.c.IndexInterval)
	o.stats.KeptBytes += int64(len(b))
	return nil
}

// write flushes the buffer.
func (o *output) write() error {
	if len(o.b.out) == 0 {
		return nil
	}
	n := len(o.b.out)
	_, err := o.files[0].file.WriteAt(o.b.out, o.seg.size-int64(n))
	if o.b.out = o.b.out[:0]; err != nil {
		return err
	}
	return o.pay(n)
}

// finish completes the segment's files and makes them durable.
func (o *output) finish() error {
	s := o.seg
	s.tsKnown = true
	s.addTime()
	for _, x := range []*sideIndex{&s.offsets, &s.times} {
		if _, err := o.create(&x.file); err != nil {
			return err
		}
		if err := x.save(); err != nil {
			return err
		}
		x.shrink(0)
	}
	if len(o.aborts) > 0 {
		h, err := o.create(&s.txns)
		if err != nil {
			return err
		}
		if _, err := h.file.WriteAt(o.aborts, 0); err != nil {
			return err
		}
		s.hasTxns = true
	}
	for _, h := range o.files {
		if err := h.file.Sync(); err != nil {
			return err
		}
	}
	s.offsets.unsynced.Store(false)
	s.times.unsynced.Store(false)
	if err := s.rename(o.o.FS, swapSuffix); err != nil {
		return err
	}
	return o.o.FS.SyncDir(o.Dir())
}

// abandon gives up a segment that did not take its place.
func (o *output) abandon() {
	o.release()
	o.seg.retire()
	// Whatever stays behind is removed when the log is opened the next time.
	_ = o.seg.remove(o.o.FS)
}

func (o *output) release() {
	for _, h := range o.files {
		h.release()
	}
	o.files = nil
}
