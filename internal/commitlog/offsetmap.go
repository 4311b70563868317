package commitlog

import (
	"crypto/sha256"
	"encoding/binary"
)

const (
	mapHash  = 16
	mapEntry = mapHash + 8 // hash of the key, offset

	mapFirstEntries = 16 << 10 // slots of a map before it grows
)

// offsetMap holds the last offset of each key that compaction has seen, by a
// 128-bit hash: 24 bytes a key whatever its size. It grows up to its limit and
// then is full. An all-zero slot is empty; offsets are stored plus one.
type offsetMap struct {
	slots   []byte
	used    int
	limit   int     // slots at most
	load    float64 // share of the slots that may be used
	latest  int64   // the largest offset put, -1 none
	maximum int     // keys at most
}

func newOffsetMap(bytes int, load float64) *offsetMap {
	limit := max(bytes/mapEntry, 1)
	return &offsetMap{limit: limit, load: load, maximum: max(int(float64(limit)*load), 1), latest: -1}
}

func (m *offsetMap) reset() {
	clear(m.slots)
	m.used, m.latest = 0, -1
}

// put notes that key was written at offset. false means that the map is full
// and was not changed.
func (m *offsetMap) put(key []byte, offset int64) bool {
	if len(m.slots) == 0 {
		m.slots = make([]byte, min(m.limit, mapFirstEntries)*mapEntry)
	}
	sum := sha256.Sum256(key)
	slot, found := m.find(sum[:mapHash])
	if !found {
		if m.used >= m.maximum {
			return false
		}
		if n := len(m.slots) / mapEntry; n < m.limit && float64(m.used+1) > float64(n)*m.load {
			m.grow(min(2*n, m.limit))
			slot, _ = m.find(sum[:mapHash])
		}
		m.used++
		copy(slot, sum[:mapHash])
	}
	binary.BigEndian.PutUint64(slot[mapHash:], uint64(offset+1))
	m.latest = offset
	return true
}

// get returns the last offset of key, -1 if it was not put.
func (m *offsetMap) get(key []byte) int64 {
	if m.used == 0 {
		return -1
	}
	sum := sha256.Sum256(key)
	slot, found := m.find(sum[:mapHash])
	if !found {
		return -1
	}
	return int64(binary.BigEndian.Uint64(slot[mapHash:])) - 1
}

// find returns the slot of a hash, or the empty one where it belongs.
func (m *offsetMap) find(hash []byte) (slot []byte, found bool) {
	n := uint64(len(m.slots) / mapEntry)
	for i := binary.BigEndian.Uint64(hash) % n; ; i = (i + 1) % n {
		slot = m.slots[i*mapEntry:][:mapEntry]
		if binary.BigEndian.Uint64(slot[mapHash:]) == 0 {
			return slot, false
		}
		if string(slot[:mapHash]) == string(hash) {
			return slot, true
		}
	}
}

func (m *offsetMap) grow(n int) {
	old := m.slots
	m.slots = make([]byte, n*mapEntry)
	for ; len(old) > 0; old = old[mapEntry:] {
		if binary.BigEndian.Uint64(old[mapHash:]) != 0 {
			slot, _ := m.find(old[:mapHash])
			copy(slot, old[:mapEntry])
		}
	}
}
