package state

import (
	"bytes"
	"math"
)

// Range gives the key's versions that were valid at some time in [from, to],
// in the order of their times, or in the opposite order; deletions are left
// out. Of what was before observed-History it shows what is still there, but if
// all of the range lies before that, only the latest version. (Kafka's range
// query also leaves out versions that ended in a segment behind the range.)
func (v *Versioned) Range(key []byte, from, to int64, reverse bool) *VersionIterator {
	it := &VersionIterator{v: v, key: bytes.Clone(key), from: max(from, 0), to: to, reverse: reverse}
	it.scan = newSegmentScan(v.s, it.from, v.s.time(), v.o.SegmentInterval, false, reverse)
	if to < v.s.time()-v.o.History {
		it.scan.left = 0
	}
	return it
}

// VersionIterator gives versions one after the other; see [Iterator] for its use.
type VersionIterator struct {
	v        *Versioned
	key      []byte
	from, to int64
	reverse  bool
	done     bool // with the latest version
	scan     segmentScan
	at       Version
}

// Next moves to the next version, and says whether there is one.
func (it *VersionIterator) Next() bool {
	if it.reverse && !it.done && it.latest() {
		return true
	}
	for it.scan.next(it.bounds) {
		o, err := it.v.decode(it.scan.it.Key(), it.scan.it.Value())
		if err != nil {
			it.scan.err = err
			return false
		}
		if o.present && o.to > it.from {
			it.at = Version{Value: o.value, ValidFrom: o.from, ValidTo: o.to}
			return true
		}
	}
	return !it.reverse && !it.done && it.scan.err == nil && it.latest()
}

// latest shows the latest version, if it is wanted.
func (it *VersionIterator) latest() bool {
	it.done = true
	at, ok, err := it.v.Get(it.key)
	it.at, it.scan.err = at, err
	return ok && err == nil && at.ValidFrom <= it.to
}

func (it *VersionIterator) bounds(seg int64) (lo, hi []byte) {
	return it.v.entry(seg, it.key, 0), it.v.upTo(seg, it.key, min(it.to, math.MaxInt64-1))
}

// Version is the current version; its value is valid until the next call of Next or Close.
func (it *VersionIterator) Version() Version { return it.at }

// Err is what ended the iteration early, or nil.
func (it *VersionIterator) Err() error { return it.scan.err }

// Close ends the iteration and returns Err.
func (it *VersionIterator) Close() error {
	it.done = true
	return it.scan.close()
}
