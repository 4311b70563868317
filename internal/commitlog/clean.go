package commitlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

// errCleanAborted ends a compaction because someone needs the log for
// something that cannot wait: a truncation, or its end.
var errCleanAborted = errors.New("compaction was interrupted")

// CleanerBuffers is the memory of one cleaner thread. It must not be used by
// two compactions at a time.
type CleanerBuffers struct {
	// Throttle, if set, is told how many bytes were read or written and waits as long as that takes at the rate that is
	// allowed. It asks alive at least ten times a second whether to go on, and returns its error.
	Throttle func(bytes int, alive func() error) error

	keys    *offsetMap
	in, out []byte
	d       decoder
}

// NewCleanerBuffers returns a cleaner's memory: at most dedupeBytes for the map
// of keys, of which the share loadFactor is used, and ioBytes for each of
// reading and writing. It is allocated as it is needed.
func NewCleanerBuffers(dedupeBytes, ioBytes int, loadFactor float64) *CleanerBuffers {
	return &CleanerBuffers{
		keys: newOffsetMap(dedupeBytes, loadFactor),
		in:   make([]byte, max(ioBytes, batch.HeaderSize)), out: make([]byte, 0, ioBytes),
	}
}

// cleaner is one compaction of a log. It runs in two steps: remember the last
// offset of every key in the dirty part, as far as memory allows, then rewrite
// all segments below that without the records that are not the last of their
// key.
type cleaner struct {
	*Log
	ctx    context.Context
	b      *CleanerBuffers
	c      *Config
	now    int64
	from   int64 // first dirty offset
	end    int64 // compaction is complete below it
	last   map[int64]lastOf
	stats  CleanStats
	closed []*segment // all below end
}

// lastOf names what must survive of an active producer: the batch that holds
// its last sequence, or, without data, the marker that holds its epoch. The
// one in the segments that are rewritten counts, whatever came after them: a
// crash may take the later ones.
type lastOf struct {
	data, marker int64 // last offsets, -1 none
}

// Clean compacts the log once. The records of an error are at fault unless it
// is a *StorageError; ctx ends it early without an effect.
func (l *Log) Clean(ctx context.Context, b *CleanerBuffers) (CleanStats, error) {
	l.cleanMu.Lock()
	defer l.cleanMu.Unlock()
	if err := l.usable(); err != nil {
		return CleanStats{}, err
	}
	began := l.o.Clock.Now()
	info, err := l.cleanable(began)
	if err != nil {
		return CleanStats{}, l.fail("read segment", err)
	}
	c := &cleaner{Log: l, ctx: ctx, b: b, c: l.config.Load(), now: began.UnixMilli(), from: info.FirstDirtyOffset, end: info.EndOffset}
	if c.end <= c.from {
		return CleanStats{FirstDirtyOffset: c.from}, nil
	}
	if err := l.flushBefore(c.end); err != nil {
		return CleanStats{}, err
	}
	if err := c.run(); err != nil {
		var content *contentError
		var damaged *walkDamage
		switch {
		case errors.As(err, &content), errors.As(err, &damaged), errors.Is(err, errCleanAborted), errors.Is(err, ErrClosed), ctx.Err() != nil:
			return CleanStats{}, err
		}
		return CleanStats{}, l.fail("compact", err)
	}
	l.mu.Lock()
	l.firstDirty = c.end
	l.mu.Unlock()
	l.o.Metrics.CleanedBytes.Add(c.stats.ReadBytes)
	l.o.Metrics.CleanedKeptBytes.Add(c.stats.KeptBytes)
	c.stats.FirstDirtyOffset, c.stats.Duration = c.end, l.o.Clock.Now().Sub(began)
	return c.stats, nil
}

// flushBefore makes the log durable up to end, and that this is so as well:
// the gaps that compaction leaves must not look like an end that was lost.
func (l *Log) flushBefore(end int64) error {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	flushed, err := l.flush(true) // only closed segments are compacted
	if err != nil {
		return err
	}
	if err := l.writeFlushPoint(flushed, true); err != nil {
		return l.fail("write flush point", err)
	}
	return nil
}

// contentError says that records cannot be read because of what their producer
// wrote: the file is sound.
type contentError struct {
	file string
	err  error
}

func (e *contentError) Error() string { return fmt.Sprintf("records in %s: %v", e.file, e.err) }
func (e *contentError) Unwrap() error { return e.err }

func isContent(err error) bool {
	var content *contentError
	return errors.As(err, &content)
}

func (c *cleaner) run() error {
	c.takeState()
	if err := c.mapKeys(); err != nil {
		return err
	}
	if err := c.findLast(); err != nil {
		return err
	}
	aborted, err := c.aborted(0)
	if err != nil {
		return err
	}
	var out *output
	txns := newCleanedTxns(aborted, func(a abortedTxn) { out.aborts = a.append(out.aborts) })
	groups := c.group(c.closed)
	c.stats.SegmentsBefore, c.stats.SegmentsAfter = len(c.closed), len(groups)
	for _, g := range groups {
		out = &output{cleaner: c, seg: c.newSegment(g[0].base, cleanedSuffix)}
		err := out.rewrite(g, txns)
		if err == nil {
			err = out.finish()
		}
		if err != nil {
			out.abandon()
			return err
		}
		err = c.swap(g, out.seg)
		out.release()
		if err != nil {
			return err
		}
	}
	return nil
}

// takeState notes the segments to compact and the producers to preserve.
func (c *cleaner) takeState() {
	c.appendMu.Lock()
	defer c.appendMu.Unlock()
	c.closed = c.below(c.end)
	c.last = make(map[int64]lastOf, len(c.producers.byID))
	for id := range c.producers.byID {
		c.last[id] = lastOf{-1, -1}
	}
}

// findLast finds the last batch and marker of each active producer.
func (c *cleaner) findLast() error {
	if len(c.last) == 0 {
		return nil
	}
	upper := c.closed[len(c.closed)-1].next
	return c.walk(c.closed, 0, upper, func(h *batch.Header, _ int64, _ *scanner) error {
		last, active := c.last[h.ProducerID]
		switch {
		case !active:
			return nil
		case h.Control():
			last.marker = h.LastOffset()
		default:
			last.data = h.LastOffset()
		}
		c.last[h.ProducerID] = last
		return c.alive()
	})
}

// below returns the closed segments with a base below offset. appendMu is held,
// or cleanMu, which keeps closed segments in place.
func (c *cleaner) below(offset int64) []*segment {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []*segment
	for _, s := range c.segments[:len(c.segments)-1] {
		if s.base < offset {
			out = append(out, s)
		}
	}
	return out
}

// alive checks between batches whether to go on.
func (c *cleaner) alive() error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if c.interrupt.Load() > 0 {
		return errCleanAborted
	}
	return c.usable()
}

// pay keeps to the rate of reading and writing.
func (c *cleaner) pay(bytes int) error {
	if c.b.Throttle == nil {
		return nil
	}
	return c.b.Throttle(bytes, c.alive)
}

// mapKeys remembers the last offset of every key in the dirty part. If the map
// gets full, compaction covers only what was read until then.
func (c *cleaner) mapKeys() error {
	c.b.keys.reset()
	aborted, err := c.aborted(c.from)
	if err != nil {
		return err
	}
	txns := newCleanedTxns(aborted, func(abortedTxn) {})
	for i, s := range c.closed {
		if i+1 < len(c.closed) && c.closed[i+1].base <= c.from {
			continue
		}
		full, err := c.mapSegment(s, txns)
		if err != nil {
			return err
		}
		if full {
			if c.b.keys.latest < c.from {
				return &contentError{s.path(logSuffix), errors.New("the map of keys is too small")}
			}
			c.end = c.b.keys.latest + 1
			c.closed = c.below(c.end)
			return nil
		}
	}
	c.b.keys.latest = c.end - 1
	return nil
}

// aborted lists the aborted transactions that end at or after from and begin in
// the segments that are rewritten, of which the last may reach above the end of
// the compaction; their markers may come later still.
func (c *cleaner) aborted(from int64) (out []abortedTxn, err error) {
	upper := c.closed[len(c.closed)-1].next
	c.mu.RLock()
	var with []*segment
	for _, s := range c.segments {
		if s.hasTxns {
			with = append(with, s)
		}
	}
	c.mu.RUnlock()
	for _, s := range with {
		entries, err := c.readAborts(s)
		if err != nil {
			return nil, err
		}
		for _, a := range entries {
			if a.last >= from && a.first < upper {
				out = append(out, a)
			}
		}
	}
	return out, nil
}

func (c *cleaner) mapSegment(s *segment, txns *cleanedTxns) (full bool, err error) {
	pos := int64(0)
	if c.from > s.base {
		at, err := c.locate(s, c.from)
		if err != nil {
			return false, err
		}
		pos = at.pos
	}
	err = c.batches(s, pos, func(b batch.Batch, h *batch.Header) error {
		if h.Control() {
			_, err := txns.control(b, h)
			return err
		}
		if txns.data(h) || h.Count == 0 {
			return nil
		}
		it := &c.b.d.records
		it.Reset(b, &c.b.d.decompressor, maxDecoded)
		for it.Next() {
			r := it.Record()
			if r.Key == nil || r.Offset < c.from {
				continue
			}
			if !c.b.keys.put(r.Key, r.Offset) {
				full = true
				return io.EOF
			}
		}
		if err := it.Err(); err != nil {
			return &contentError{s.path(logSuffix), err}
		}
		return nil
	})
	return full, err
}

// batches reads the batches of a segment from pos on. io.EOF from each ends it.
func (c *cleaner) batches(s *segment, pos int64, each func(batch.Batch, *batch.Header) error) error {
	f, err := s.log.acquire(false)
	if err != nil {
		return err
	}
	defer f.release()
	for have, at := []byte(nil), pos; pos < s.size; {
		if err := c.alive(); err != nil {
			return err
		}
		b := have[pos-at:]
		var h batch.Header
		need := batch.HeaderSize
		if len(b) >= need {
			if h, err = batch.ParseHeader(b); err != nil {
				return &contentError{s.path(logSuffix), err}
			}
			need = h.Size()
		}
		if len(b) < need {
			if int64(need) > s.size-pos {
				return &contentError{s.path(logSuffix), batch.ErrShort}
			}
			if need > len(c.b.in) {
				c.b.in = make([]byte, need)
			}
			have, at = c.b.in[:min(int64(len(c.b.in)), s.size-pos)], pos
			if err := readFull(f.file, have, pos); err != nil {
				return err
			}
			if err := c.pay(len(have)); err != nil {
				return err
			}
			continue
		}
		if err := each(batch.Batch(b[:need:need]), &h); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		pos += int64(need)
	}
	return nil
}

// group joins neighbouring segments that fit into one.
func (c *cleaner) group(segments []*segment) (groups [][]*segment) {
	var size int64
	var offsets, times int
	for i, s := range segments {
		last := s.next - 1
		if i+1 < len(segments) {
			last = segments[i+1].base - 1
		}
		n := len(groups)
		if n > 0 && size+s.size <= int64(c.c.SegmentBytes) &&
			(offsets+s.offsets.count())*offsetEntrySize <= int(c.c.IndexBytes) &&
			(times+s.times.count())*timeEntrySize <= int(c.c.IndexBytes) &&
			last-groups[n-1][0].base <= math.MaxInt32 {
			groups[n-1] = append(groups[n-1], s)
		} else {
			groups = append(groups, []*segment{s})
			size, offsets, times = 0, 0, 0
		}
		size += s.size
		offsets += s.offsets.count()
		times += s.times.count()
	}
	return groups
}

// retain decides about one record of a batch that is not dropped whole.
func (c *cleaner) retain(r *batch.Record, h *batch.Header) bool {
	if r.Offset > c.b.keys.latest {
		return true // beyond what was mapped
	}
	if r.Key == nil || r.Offset < c.b.keys.get(r.Key) {
		return false
	}
	return r.Value != nil || !h.HasDeleteHorizon() || c.now < h.DeleteHorizon()
}

// codecLevel is the level a batch is compressed with again.
func codecLevel(c *Config, codec compress.Codec) int {
	switch codec {
	case compress.Gzip:
		return c.GzipLevel
	case compress.LZ4:
		return c.LZ4Level
	case compress.Zstd:
		return c.ZstdLevel
	}
	return 0
}

// horizon is the time from which a tombstone or marker that was kept now for
// the first time may go.
func (c *cleaner) horizon() int64 {
	keep := c.c.DeleteRetention
	if keep >= Forever {
		return math.MaxInt64
	}
	return c.now + keep.Milliseconds()
}
