package tree

import (
	"slices"

	"leat.dev/internal/row"
)

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
	}
	order := row.JavaHashOrder(keys, size)
	ordered := make([]string, len(keys))
	for i, k := range order {
		ordered[i] = keys[k]
	}
	return ordered
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
