package row

import (
	"slices"
	"unicode/utf8"
)

// SortedEntries of a MAP in the order of their keys, NULL first. The value is not changed.
func SortedEntries(v Value) []Entry {
	entries := slices.Clone(v.Entries())
	slices.SortFunc(entries, func(a, b Entry) int { return Compare(a.Key, b.Key) })
	return entries
}

// JavaHash is the hash of a string in Java: s[0]*31^(n-1) + ... over its UTF-16 units.
func JavaHash(s string) int32 {
	var h int32
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			h = 31*h + int32(c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		if r > 0xFFFF {
			r -= 0x10000
			h = 31*h + 0xD800 + r>>10
			r = 0xDC00 + r&0x3FF
		}
		h = 31*h + r
	}
	return h
}

// JavaHashOrder gives the order in which Java's HashMap, filled with these keys one after the other, visits them: indexes
// into keys. capacity is the size of the first table, a power of two (16 unless the map was made with another); it
// doubles when more than three quarters are in use. Keys are distinct. Buckets of nine keys and more, which Java turns into
// trees once the table has 64, keep their order of insertion here.
func JavaHashOrder(keys []string, capacity int) []int {
	for 4*len(keys) > 3*capacity {
		capacity *= 2
	}
	bucket := make([]int32, len(keys))
	order := make([]int, len(keys))
	for i, k := range keys {
		h := JavaHash(k)
		h ^= int32(uint32(h) >> 16)       //nolint:gosec // an unsigned shift, as >>>
		bucket[i] = h & int32(capacity-1) //nolint:gosec // a table's size
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(bucket[a]) - int(bucket[b]) })
	return order
}
