package logfile

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"sort"

	"leat.dev/internal/cli/fault"
	"leat.dev/internal/wire/compress"
)

// spot is where a batch of a segment lies, for checking the indexes against.
type spot struct {
	pos        int64
	base, last int64
	maxTime    int64
	newestTime int64 // largest timestamp of the segment up to and including this batch
}

// abort is an abort marker met in a segment.
type abort struct {
	producer int64
	offset   int64
}

// segment checks one segment with its indexes.
func (p *partition) segment(ctx context.Context, s *segmentFiles, active bool) error {
	name := p.path(fileName(s.base, "log"))
	f, err := os.Open(name)
	if err != nil {
		p.v.add(severe, name, -1, s.base, "cannot be read: %v", fault.PathCause(err))
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	c := &segmentCheck{p: p, name: name, base: s.base, active: active}
	if err := c.batches(ctx, newScanner(f, info.Size())); err != nil {
		return err
	}
	p.v.mu.Lock()
	p.v.Bytes += info.Size()
	p.v.Batches += int64(len(c.spots))
	p.v.Records += c.records
	p.v.mu.Unlock()
	for suffix, check := range map[string]func(string, []byte){"index": c.offsetIndex, "timeindex": c.timeIndex, "txnindex": c.abortIndex} {
		file := p.path(fileName(s.base, suffix))
		if !s.has[suffix] {
			if suffix != "txnindex" && active {
				// Leat writes the indexes of the segment it appends to when they grow.
			} else if suffix != "txnindex" {
				p.v.add(warning, file, -1, s.base, "missing: it is made anew at the next start")
			} else if len(c.aborts) > 0 {
				p.v.add(p.grade(s.base), file, -1, s.base, "missing although the segment holds %d abort markers", len(c.aborts))
			}
			continue
		}
		b, err := readIndex(file)
		if err != nil {
			p.v.add(severe, file, -1, s.base, "cannot be read: %v", fault.PathCause(err))
			continue
		}
		check(file, b)
	}
	return nil
}

type segmentCheck struct {
	p       *partition
	name    string
	base    int64
	active  bool
	spots   []spot
	aborts  []abort
	records int64
	stopped bool // the rest of the segment could not be read: indexes may point there
	dec     compress.Decompressor
}

func (c *segmentCheck) batches(ctx context.Context, s *scanner) error {
	p := c.p
	newest := int64(math.MinInt64)
	next := c.base
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		before := s.pos
		at, err := s.next()
		p.bar.Add(int(s.pos - before))
		if errors.Is(err, io.EOF) {
			break
		}
		if bad, ok := errors.AsType[*damage](err); ok {
			if c.damaged(s, bad, next) {
				break
			}
			next = max(next, at.h.NextOffset())
			continue
		}
		if err != nil {
			p.v.add(severe, c.name, s.pos, -1, "cannot be read: %v", err)
			c.stopped = true
			break
		}
		h := at.h
		if h.BaseOffset < next {
			p.v.add(severe, c.name, at.pos, h.BaseOffset, "the batch begins at offset %d, which the log had passed (%d was next)", h.BaseOffset, next)
		}
		if h.LastOffset()-c.base > math.MaxInt32 {
			p.v.add(severe, c.name, at.pos, h.BaseOffset, "offset %d is too far from the segment's base %d", h.LastOffset(), c.base)
		}
		n, err := checkRecords(at, &c.dec)
		if err != nil {
			p.v.add(severe, c.name, at.pos, h.BaseOffset, "batch of offsets %d to %d: %v", h.BaseOffset, h.LastOffset(), err)
		}
		c.records += n
		c.epoch(at)
		c.producer(at)
		newest = max(newest, h.MaxTimestamp)
		c.spots = append(c.spots, spot{pos: at.pos, base: h.BaseOffset, last: h.LastOffset(), maxTime: h.MaxTimestamp, newestTime: newest})
		next = max(next, h.NextOffset())
	}
	p.end = max(p.end, next)
	return nil
}

// damaged judges what is not a sound batch and reports whether reading the segment ends here.
func (c *segmentCheck) damaged(s *scanner, bad *damage, next int64) bool {
	p := c.p
	if bad.skippable && bad.next < s.size {
		// What follows tells whether this is the torn end of a crash or damage in the middle.
		p.v.add(severe, c.name, bad.pos, bad.offset, "%s", bad.what)
		return false
	}
	c.stopped = true
	switch {
	case c.active && p.root.inUse:
		p.v.add(warning, c.name, bad.pos, next, "the end is being written: %s", bad.what)
	case c.active && p.repairable(next):
		p.v.add(warning, c.name, bad.pos, next, "torn end of a crash, %d bytes: the next start cuts it off and goes on at offset %d (%s)", s.size-bad.pos, next, bad.what)
	default:
		p.v.add(severe, c.name, bad.pos, next, "%s: the last %d bytes cannot be read", bad.what, s.size-bad.pos)
	}
	return true
}

// epoch checks that leader epochs do not fall and agree with the checkpoint.
func (c *segmentCheck) epoch(at batchAt) {
	p := c.p
	if at.h.LeaderEpoch < p.maxEpoch {
		p.v.add(severe, c.name, at.pos, at.h.BaseOffset, "leader epoch %d after %d", at.h.LeaderEpoch, p.maxEpoch)
		return
	}
	if at.h.LeaderEpoch > p.maxEpoch && p.hasEpochs && at.h.LeaderEpoch >= 0 {
		if want := p.epochAt(at.h.BaseOffset); want != at.h.LeaderEpoch {
			p.v.add(p.grade(at.h.BaseOffset), p.path(epochFile), -1, at.h.BaseOffset, "gives epoch %d for offset %d, where the log has epoch %d", want, at.h.BaseOffset, at.h.LeaderEpoch)
		}
	}
	p.maxEpoch = at.h.LeaderEpoch
}

// producer checks that a producer's sequences do not go back within an epoch, and notes abort markers.
func (c *segmentCheck) producer(at batchAt) {
	h := at.h
	if h.ProducerID < 0 {
		return
	}
	if h.Control() {
		for r, err := range at.b.Records(&c.dec, recordsBytesMax) {
			if err == nil && len(r.Key) >= 4 && binary.BigEndian.Uint16(r.Key[2:]) == 0 {
				c.aborts = append(c.aborts, abort{h.ProducerID, h.LastOffset()})
			}
		}
		return
	}
	if h.BaseSequence < 0 {
		return
	}
	seen, ok := c.p.producers[h.ProducerID]
	// Sequences wrap from the largest to zero; half of the range apart counts as forward.
	if ok && seen.epoch == h.ProducerEpoch && (h.BaseSequence-seen.sequence)&math.MaxInt32 > math.MaxInt32/2 {
		c.p.v.add(warning, c.name, at.pos, h.BaseOffset, "producer %d/%d repeats sequence %d, last written %d at offset %d: records may be doubled",
			h.ProducerID, h.ProducerEpoch, h.BaseSequence, seen.sequence, seen.offset)
	} else if ok && seen.epoch == h.ProducerEpoch && h.BaseSequence == seen.sequence {
		c.p.v.add(warning, c.name, at.pos, h.BaseOffset, "producer %d/%d repeats sequence %d of offset %d: records may be doubled", h.ProducerID, h.ProducerEpoch, h.BaseSequence, seen.offset)
	}
	c.p.producers[h.ProducerID] = producerSeen{h.ProducerEpoch, h.LastSequence(), h.LastOffset()}
}

// at finds the batch that holds an offset.
func (c *segmentCheck) at(offset int64) (spot, bool) {
	i := sort.Search(len(c.spots), func(i int) bool { return c.spots[i].last >= offset })
	if i == len(c.spots) || c.spots[i].base > offset {
		return spot{}, false
	}
	return c.spots[i], true
}

func (c *segmentCheck) offsetIndex(file string, b []byte) {
	entries, err := decodeOffsetIndex(b)
	if err != nil {
		c.p.v.add(c.p.grade(c.base), file, int64(len(entries)*offsetEntryBytes), c.base, "%v", err)
	}
	for i, e := range entries {
		j := sort.Search(len(c.spots), func(j int) bool { return c.spots[j].pos >= int64(e.Position) })
		if j == len(c.spots) && c.stopped {
			return
		}
		offset := c.base + int64(e.Relative)
		if j == len(c.spots) || c.spots[j].pos != int64(e.Position) || offset < c.spots[j].base || offset > c.spots[j].last {
			c.p.v.add(c.p.grade(offset), file, int64(i*offsetEntryBytes), offset, "points to byte %d for offset %d, but no batch with it begins there", e.Position, offset)
			return
		}
	}
}

func (c *segmentCheck) timeIndex(file string, b []byte) {
	entries, err := decodeTimeIndex(b)
	if err != nil {
		c.p.v.add(c.p.grade(c.base), file, int64(len(entries)*timeEntryBytes), c.base, "%v", err)
	}
	for i, e := range entries {
		offset := c.base + int64(e.Relative)
		s, ok := c.at(offset)
		if !ok && c.stopped {
			return
		}
		if !ok || s.newestTime != e.Timestamp {
			c.p.v.add(c.p.grade(offset), file, int64(i*timeEntryBytes), offset, "says that timestamps up to offset %d reach %d, but they do not", offset, e.Timestamp)
			return
		}
	}
}

func (c *segmentCheck) abortIndex(file string, b []byte) {
	entries, err := decodeAborted(b)
	if err != nil {
		c.p.v.add(c.p.grade(c.base), file, int64(len(entries)*abortedEntryBytes), c.base, "%v", err)
	}
	marked := map[abort]bool{}
	for _, a := range c.aborts {
		marked[a] = true
	}
	for i, e := range entries {
		if !marked[abort{e.Producer, e.Last}] && !c.stopped {
			c.p.v.add(c.p.grade(e.Last), file, int64(i*abortedEntryBytes), e.Last, "names an abort of producer %d at offset %d, where there is none", e.Producer, e.Last)
		}
	}
}

// readIndex reads an index file as far as it is used: the active segment's is preallocated to megabytes of zeros.
func readIndex(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const piece = 408 << 8 // a multiple of the size of every kind of entry
	var out []byte
	for {
		chunk := make([]byte, piece)
		n, err := io.ReadFull(f, chunk)
		out = append(out, chunk[:n]...)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if allZero(chunk) {
			return out[:len(out)-piece], nil
		}
	}
}
