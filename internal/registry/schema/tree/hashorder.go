package tree

import (
	"slices"
	"unicode/utf16"
)

// javaHash is String.hashCode, mixed as HashMap mixes it.
func javaHash(s string) uint32 {
	var h uint32
	for _, unit := range utf16.Encode([]rune(s)) {
		h = 31*h + uint32(unit)
	}
	return h ^ h>>16
}

// JavaSetOrder is the order in which Java walks a HashSet that was made of the first keys and then given the
// others. Upstream's messages come in that order.
func JavaSetOrder(first, others []string) []string {
	size := 16
	for size < max(len(first)*4/3+1, 16) {
		size *= 2
	}
	seen := make(map[string]bool, len(first)+len(others))
	keys := make([]string, 0, len(first)+len(others))
	for _, key := range slices.Concat(first, others) {
		if seen[key] {
			continue
		}
		seen[key] = true
		keys = append(keys, key)
		if len(keys) > size*3/4 {
			size *= 2
		}
	}
	slices.SortStableFunc(keys, func(a, b string) int {
		return int(javaHash(a)&uint32(size-1)) - int(javaHash(b)&uint32(size-1)) //nolint:gosec // size is a small power of two
	})
	return keys
}

// JavaIntSetOrder is the same for a HashSet of integers.
func JavaIntSetOrder(first, others []int) []int {
	size := 16
	for size < max(len(first)*4/3+1, 16) {
		size *= 2
	}
	seen := make(map[int]bool, len(first)+len(others))
	keys := make([]int, 0, len(first)+len(others))
	for _, key := range slices.Concat(first, others) {
		if seen[key] {
			continue
		}
		seen[key] = true
		keys = append(keys, key)
		if len(keys) > size*3/4 {
			size *= 2
		}
	}
	bucket := func(key int) int {
		h := uint32(key)                         //nolint:gosec // Java hashes the 32 bits of an int
		return int((h ^ h>>16) & uint32(size-1)) //nolint:gosec // size is a small power of two
	}
	slices.SortStableFunc(keys, func(a, b int) int { return bucket(a) - bucket(b) })
	return keys
}
