package assign

import (
	"cmp"
	"slices"
)

// Range gives each subscriber of a topic a contiguous range of its partitions, the
// first subscribers one more if the count does not divide. The order of members is
// the same for all topics, so that equal partition numbers of topics with equal
// counts and subscribers end up together. Static members go first, by instance id:
// their place survives a restart.
func Range(topics map[TopicID]int32, members []Member) map[string]Partitions {
	sorted := slices.Clone(members)
	slices.SortFunc(sorted, func(a, b Member) int {
		switch {
		case a.InstanceID != "" && b.InstanceID != "":
			return cmp.Or(cmp.Compare(a.InstanceID, b.InstanceID), cmp.Compare(a.ID, b.ID))
		case a.InstanceID != "":
			return -1
		case b.InstanceID != "":
			return 1
		}
		return cmp.Compare(a.ID, b.ID)
	})
	result := make(map[string]Partitions, len(members))
	subscribers := map[TopicID][]string{}
	for i := range sorted {
		result[sorted[i].ID] = Partitions{}
		for _, t := range sorted[i].Topics {
			subscribers[t] = append(subscribers[t], sorted[i].ID)
		}
	}
	for t, ids := range subscribers {
		n, m := topics[t], int32(len(ids))
		next := int32(0)
		for i, id := range ids {
			size := n / m
			if int32(i) < n%m {
				size++
			}
			if size == 0 {
				break
			}
			ps := make([]int32, size)
			for j := range ps {
				ps[j] = next
				next++
			}
			result[id][t] = ps
		}
	}
	return result
}
