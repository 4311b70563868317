package state

import (
	"encoding/binary"
	"math"
)

// Forever is the ValidTo of a key's latest version.
const Forever int64 = math.MaxInt64

// VersionedSegmentInterval is how much time a segment of a versioned store
// covers, ms (KIP-889): more and smaller ones than a window store has, since
// every version lies in the segment of the time it was replaced at.
func VersionedSegmentInterval(history int64) int64 {
	switch {
	case history <= 60_000:
		return max(history/3, 2_000)
	case history <= 300_000:
		return max(history/5, 20_000)
	case history <= 3_600_000:
		return max(history/12, 60_000)
	}
	return max(history/24, 300_000)
}

// VersionedOptions says what a Versioned keeps.
type VersionedOptions struct {
	History         int64 // ms; how far behind the observed stream time puts are taken and reads answered
	SegmentInterval int64 // ms; 0: VersionedSegmentInterval(History)
}

// Version is a value and when it was the key's: ValidFrom <= t < ValidTo, ms.
type Version struct {
	Value              []byte
	ValidFrom, ValidTo int64 // ValidTo is Forever for the latest
}

// Versioned is a store of the versions of each key (KIP-889), over a Store
// that belongs to it alone. Times are >= 0 in ms. Slices that it returns are
// valid until its next call.
//
// A key's latest version lies in a region of its own, one Get away, and never
// expires. A deletion that is the latest lies in the segment of its time, the
// other versions and deletions in the segment of their ValidTo; segments expire
// as a whole. Together they cover the time from a key's first version on
// without a hole.
type Versioned struct {
	s    *Store
	o    VersionedOptions
	copy []byte // of a version that moves
}

// NewVersioned puts a Versioned over the store, or over the same store of a
// snapshot for reading.
func NewVersioned(s *Store, o VersionedOptions) *Versioned {
	if o.SegmentInterval <= 0 {
		o.SegmentInterval = VersionedSegmentInterval(o.History)
	}
	return &Versioned{s: s, o: o}
}

// ObservedTime is the highest time that was put or restored, also if it was refused; -1: none.
func (v *Versioned) ObservedTime() int64 { return v.s.time() }

// Put adds a version, a nil value being a deletion; one at the same time is
// replaced. validTo is the time at which a later version replaces it, Forever
// if it is the latest. accepted is false if ts < observed-History: the put is
// dropped then, and the owner counts it.
func (v *Versioned) Put(key, value []byte, ts int64) (validTo int64, accepted bool, err error) {
	v.s.observe(ts)
	if ts < v.s.time()-v.o.History {
		return 0, false, nil
	}
	if err := v.expire(); err != nil {
		return 0, false, err
	}
	h, err := v.head(key)
	if err != nil {
		return 0, false, err
	}
	if !h.found || ts >= h.from {
		return Forever, true, v.extend(key, value, ts, h)
	}
	validTo, err = v.insert(key, value, ts, h.from)
	return validTo, true, err
}

// Restore applies a record of the changelog.
func (v *Versioned) Restore(key, value []byte, ts int64) error {
	_, _, err := v.Put(key, value, ts)
	return err
}

// Get gives the latest version.
func (v *Versioned) Get(key []byte) (Version, bool, error) {
	b, ok, err := v.s.get(append(append(v.s.begin(), latest), key...))
	if err != nil || !ok {
		return Version{}, false, err
	}
	if len(b) < 8 {
		return Version{}, false, v.s.fail("get", ErrCorrupt)
	}
	return Version{Value: b[8:], ValidFrom: int64(binary.BigEndian.Uint64(b)), ValidTo: Forever}, true, nil
}

// GetAsOf gives the version that was valid at the time. Before
// observed-History nothing is known, unless the latest version was valid then.
func (v *Versioned) GetAsOf(key []byte, at int64) (Version, bool, error) {
	last, ok, err := v.Get(key)
	switch {
	case err != nil:
		return Version{}, false, err
	case ok && last.ValidFrom <= at:
		return last, true, nil
	case at < v.s.time()-v.o.History:
		return Version{}, false, nil
	}
	to := v.s.time()
	if ok {
		to = last.ValidFrom
	}
	o, found, err := v.cover(key, at, to)
	if err != nil || !found || o.from > at || !o.present {
		return Version{}, false, err
	}
	return Version{Value: o.value, ValidFrom: o.from, ValidTo: o.to}, true, nil
}

// Regions. The past is byKey, so that expire drops its segments.
const (
	past      = byKey
	latest    = byTime + 1
	deletions = byTime + 2
)

// head is a key's latest version, or the deletion in its place.
type head struct {
	found, present bool
	value          []byte
	from           int64
}

func (v *Versioned) head(key []byte) (head, error) {
	last, ok, err := v.Get(key)
	if err != nil || ok {
		return head{found: ok, present: true, value: last.Value, from: last.ValidFrom}, err
	}
	for seg := v.s.time() / v.o.SegmentInterval; seg >= v.s.regs[floor]; seg-- {
		if !v.mayHaveDeletions(seg) {
			continue
		}
		b, ok, err := v.s.get(v.deletion(seg, key))
		if err != nil {
			return head{}, err
		}
		if ok {
			if len(b) != 8 {
				return head{}, v.s.fail("get", ErrCorrupt)
			}
			return head{found: true, from: int64(binary.BigEndian.Uint64(b))}, nil
		}
	}
	return head{}, nil
}

// mayHaveDeletions consults one bit for each of up to 64 live segments, so that
// a store without deletions does not look for any when it meets a new key.
func (v *Versioned) mayHaveDeletions(seg int64) bool {
	return v.s.regs[entries]&(1<<(seg&63)) != 0
}

func (v *Versioned) deletion(seg int64, key []byte) []byte {
	return append(binary.BigEndian.AppendUint64(append(v.s.begin(), deletions), uint64(seg)), key...)
}

func (v *Versioned) expire() error {
	before := v.s.regs[floor]
	if err := expire(v.s, v.o.History, v.o.SegmentInterval); err != nil {
		return err
	}
	now := v.s.regs[floor]
	if now == before {
		return nil
	}
	lo := append(v.s.begin(), deletions)
	hi := binary.BigEndian.AppendUint64(append(v.s.begin2(), deletions), uint64(now))
	if err := v.s.deleteRange(lo, hi); err != nil {
		return err
	}
	if v.o.History/v.o.SegmentInterval < 62 { // a bit has one segment
		for seg := max(before, now-64); seg < now; seg++ {
			v.s.regs[entries] &^= 1 << (seg & 63)
		}
	}
	return nil
}

// extend puts a version in the place of the head or behind it.
func (v *Versioned) extend(key, value []byte, ts int64, h head) error {
	if h.found && h.from < ts {
		v.copy = append(v.copy[:0], h.value...)
		if err := v.putOld(key, oldVersion{value: v.copy, present: h.present, from: h.from, to: ts}); err != nil {
			return err
		}
	}
	if h.found && !h.present {
		if err := v.s.delete(v.deletion(h.from/v.o.SegmentInterval, key)); err != nil {
			return err
		}
	}
	if value == nil {
		if h.present {
			if err := v.s.delete(append(append(v.s.begin(), latest), key...)); err != nil {
				return err
			}
		}
		seg := ts / v.o.SegmentInterval
		v.s.regs[entries] |= 1 << (seg & 63)
		return v.s.put(v.deletion(seg, key), binary.BigEndian.AppendUint64(v.s.begin2()[:0], uint64(ts)))
	}
	b := binary.BigEndian.AppendUint64(v.s.begin2()[:0], uint64(ts))
	b = append(b, value...)
	v.s.keep(1, b)
	return v.s.put(append(append(v.s.begin(), latest), key...), b)
}

// insert puts a version before the head.
func (v *Versioned) insert(key, value []byte, ts, headFrom int64) (validTo int64, err error) {
	o, found, err := v.cover(key, ts, headFrom)
	if err != nil {
		return 0, err
	}
	validTo = headFrom
	switch {
	case found && o.from > ts:
		validTo = o.from
	case found: // it takes the end of the version that covers its time
		validTo = o.to
		v.copy = append(v.copy[:0], o.value...)
		o.value = v.copy
		if err := v.s.delete(v.entry(o.to/v.o.SegmentInterval, key, o.from)); err != nil {
			return 0, err
		}
		if o.from < ts {
			o.to = ts
			if err := v.putOld(key, o); err != nil {
				return 0, err
			}
		}
	}
	return validTo, v.putOld(key, oldVersion{value: value, present: value != nil, from: ts, to: validTo})
}

// oldVersion is a version of history: a value, or a deletion.
type oldVersion struct {
	value    []byte
	present  bool
	from, to int64
}

// entry builds history | segment 8 | length of key | key | validFrom 8.
func (v *Versioned) entry(seg int64, key []byte, from int64) []byte {
	return binary.BigEndian.AppendUint64(v.ofKey(v.s.begin(), seg, key), uint64(from))
}

func (v *Versioned) ofKey(b []byte, seg int64, key []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, past), uint64(seg))
	b = binary.AppendUvarint(b, uint64(len(key)))
	return append(b, key...)
}

// putOld writes validTo 8 | 1 | value, or validTo 8 | 0.
func (v *Versioned) putOld(key []byte, o oldVersion) error {
	seg := o.to / v.o.SegmentInterval
	if seg < v.s.regs[floor] {
		return nil
	}
	b := binary.BigEndian.AppendUint64(v.s.begin2()[:0], uint64(o.to))
	if o.present {
		b = append(append(b, 1), o.value...)
	} else {
		b = append(b, 0)
	}
	v.s.keep(1, b)
	return v.s.put(v.entry(seg, key, o.from), b)
}

// cover finds the version of history that covers the time or, if none does,
// the first one after it, which ends at to or before.
//
// Versions ascend by segment and in it by validFrom. The one that covers the
// time is the last of its segment that begins at or before it.
func (v *Versioned) cover(key []byte, at, to int64) (o oldVersion, found bool, err error) {
	first, last := max(at/v.o.SegmentInterval, v.s.regs[floor]), to/v.o.SegmentInterval
	for seg := first; seg <= last && !found && err == nil; seg++ {
		lo, hi := v.entry(seg, key, 0), v.upTo(seg, key, at)
		o, found, err = v.first(lo, hi, true)
		if found && o.to > at || err != nil {
			return o, found, err
		}
		lo, hi = v.entry(seg, key, at+1), v.upTo(seg, key, math.MaxInt64)
		o, found, err = v.first(lo, hi, false)
	}
	return o, found, err
}

func (v *Versioned) upTo(seg int64, key []byte, from int64) []byte {
	return binary.BigEndian.AppendUint64(v.ofKey(v.s.begin2(), seg, key), uint64(from)+1)
}

// first gives the first or last version between two bounds.
func (v *Versioned) first(lo, hi []byte, reverse bool) (o oldVersion, found bool, err error) {
	it := v.s.scan(lo, hi, reverse)
	if it.Next() {
		o, err = v.decode(it.Key(), it.Value())
		found = err == nil
		v.copy = append(v.copy[:0], o.value...)
		o.value = v.copy
	}
	if e := it.Close(); err == nil {
		err = e
	}
	return o, found, err
}

func (v *Versioned) decode(k, b []byte) (o oldVersion, err error) {
	if len(k) < 8 || len(b) < 9 || b[8] > 1 {
		return o, v.s.fail("read", ErrCorrupt)
	}
	return oldVersion{
		value: b[9:], present: b[8] == 1,
		from: int64(binary.BigEndian.Uint64(k[len(k)-8:])), to: int64(binary.BigEndian.Uint64(b)),
	}, nil
}
