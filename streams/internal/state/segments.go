package state

import (
	"bytes"
	"encoding/binary"
)

// Regions of a layout's store. The second one, where there is one, is an index
// into the first: its entries have no values.
const (
	byKey  byte = 1
	byTime byte = 2
)

// SegmentInterval is how much time a segment of a window or session store
// covers, ms: state goes away a segment at a time, and Kafka counts a record
// as expired when its segment is gone.
func SegmentInterval(retention int64) int64 { return max(retention/2, 60_000) }

// oldest is the first time that is shown of a store with the retention.
func oldest(s *Store, retention int64) int64 {
	if t := s.time(); t >= retention {
		return t - retention + 1
	}
	return 0
}

// expire drops the segments that have left retention: one range deletion for
// each time that a segment has become too old.
func expire(s *Store, retention, interval int64) error {
	live := (s.time() - retention) / interval
	if live <= s.regs[floor] {
		return nil
	}
	lo := append(s.begin(), byKey)
	hi := binary.BigEndian.AppendUint64(append(s.begin2(), byKey), uint64(live))
	if err := s.deleteRange(lo, hi); err != nil {
		return err
	}
	lo = append(s.begin(), byTime)
	hi = binary.BigEndian.AppendUint64(append(s.begin2(), byTime), uint64(live*interval))
	if err := s.deleteRange(lo, hi); err != nil {
		return err
	}
	s.regs[floor] = live
	return nil
}

// segmentScan reads the segments of a time range one after the other, or the
// index by time in one scan.
type segmentScan struct {
	s          *Store
	seg        int64 // the next one
	step, left int64
	reverse    bool
	it, values *Iterator
	err        error
}

func newSegmentScan(s *Store, from, to, interval int64, byTime, reverse bool) segmentScan {
	c := segmentScan{s: s, reverse: reverse, step: 1}
	first, last := from/interval, to/interval
	c.left = last - first + 1
	if from > to {
		c.left = 0
	} else if byTime {
		c.left = 1
	}
	c.seg = first
	if reverse {
		c.seg, c.step = last, -1
	}
	return c
}

// next moves to the next entry in the bounds that the function gives for each segment.
func (c *segmentScan) next(bounds func(seg int64) (lo, hi []byte)) bool {
	for c.err == nil {
		if c.it == nil {
			if c.left <= 0 {
				return false
			}
			lo, hi := bounds(c.seg)
			c.it = c.s.scan(lo, hi, c.reverse)
			c.seg += c.step
			c.left--
		}
		if c.it.Next() {
			return true
		}
		c.err = c.it.Close()
		c.it = nil
	}
	return false
}

// lookup gets the value of an entry of the index, as of the scan.
func (c *segmentScan) lookup(key []byte) (value []byte, ok bool) {
	if c.values == nil {
		lo, hi := append(c.s.begin(), byKey), append(c.s.begin2(), byTime)
		key = bytes.Clone(key) // the bounds are built where it was
		c.values = c.s.scan(lo, hi, false)
	}
	value, ok, c.err = c.values.seek(key)
	return value, ok
}

func (c *segmentScan) close() error {
	c.left = 0
	for _, it := range []**Iterator{&c.it, &c.values} {
		if *it == nil {
			continue
		}
		if err := (*it).Close(); c.err == nil {
			c.err = err
		}
		*it = nil
	}
	return c.err
}

// timeBounds are those of the index for times in [from, to].
func timeBounds(s *Store, from, to int64) (lo, hi []byte) {
	return binary.BigEndian.AppendUint64(append(s.begin(), byTime), uint64(from)),
		binary.BigEndian.AppendUint64(append(s.begin2(), byTime), uint64(to)+1)
}

// segmentBounds hold what one segment has of the keys in [keyFrom, keyTo], nil
// is open, with times up to to. They may hold other keys too.
func segmentBounds(s *Store, seg int64, keyFrom, keyTo []byte, to int64) (lo, hi []byte) {
	lo = append(binary.BigEndian.AppendUint64(append(s.begin(), byKey), uint64(seg)), keyFrom...)
	hi = append(s.begin2(), byKey)
	if keyTo == nil {
		return lo, binary.BigEndian.AppendUint64(hi, uint64(seg)+1)
	}
	var end [8]byte
	binary.BigEndian.PutUint64(end[:], uint64(to)+1)
	return lo, appendUpper(binary.BigEndian.AppendUint64(hi, uint64(seg)), keyTo, end[:])
}

// keyBounds hold what one segment has of one key with times in [from, to], and
// perhaps of other keys that begin with it.
func keyBounds(s *Store, seg int64, key []byte, from, to int64) (lo, hi []byte) {
	lo = append(binary.BigEndian.AppendUint64(append(s.begin(), byKey), uint64(seg)), key...)
	hi = append(binary.BigEndian.AppendUint64(append(s.begin2(), byKey), uint64(seg)), key...)
	return binary.BigEndian.AppendUint64(lo, uint64(from)), binary.BigEndian.AppendUint64(hi, uint64(to)+1)
}

// appendUpper appends a bound above key'|time for every key' <= key and every
// time below end. Where times follow keys without a separator, a key' that is a
// prefix of key may sort behind it.
func appendUpper(b, key, end []byte) []byte {
	n := len(key)
	for i := n - 1; i >= 0; i-- {
		m := min(len(end), n-i)
		c := bytes.Compare(end[:m], key[i:i+m])
		if c == 0 {
			c = bytes.Compare(end[m:], end[:len(end)-m])
		}
		if c > 0 {
			n = i
		}
	}
	return append(append(b, key[:n]...), end...)
}

// keyPair holds copies of a query's keys in buffers that are used again.
type keyPair [2][]byte

// set copies the keys; nil stays nil.
func (p *keyPair) set(from, to []byte) (from2, to2 []byte) {
	var keys [2][]byte
	for i, k := range [2][]byte{from, to} {
		if k == nil {
			continue
		}
		if p[i] == nil {
			p[i] = make([]byte, 0, 64)
		}
		p[i] = append(p[i][:0], k...)
		keys[i] = p[i]
	}
	return keys[0], keys[1]
}
