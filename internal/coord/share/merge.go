package share

import (
	"cmp"
	"slices"
	"sort"
)

// Merge adds batches to a state: a list in order whose batches neither overlap nor
// could be one. Where both speak of an offset, what has gone further counts: the larger
// delivery count, and of equal ones the larger state. What lies below start is dropped;
// NoOffset drops nothing. The result shares no memory with the arguments.
func Merge(state, added []StateBatch, start int64) []StateBatch {
	out := make([]StateBatch, 0, len(state)+len(added))
	for _, b := range state {
		out = appendFrom(out, b, start)
	}
	added = slices.SortedStableFunc(slices.Values(added), func(a, b StateBatch) int { return cmp.Compare(a.First, b.First) })
	if len(out) == 0 || len(added) > 0 && added[0].First > out[len(out)-1].Last && disjoint(added) {
		for _, b := range added {
			out = insertLast(out, b, start)
		}
		return out
	}
	for _, b := range added {
		if b = clip(b, start); b.Last >= b.First {
			out = insert(out, b)
		}
	}
	return joined(out)
}

func disjoint(sorted []StateBatch) bool {
	for i := 1; i < len(sorted); i++ {
		if sorted[i].First <= sorted[i-1].Last {
			return false
		}
	}
	return true
}

// insertLast is insert for a batch that begins at or after every other one does.
func insertLast(out []StateBatch, b StateBatch, start int64) []StateBatch {
	if b = clip(b, start); b.Last < b.First {
		return out
	}
	if n := len(out); n > 0 && b.First <= out[n-1].Last {
		return joined(insert(out, b))
	}
	return appendFrom(out, b, start)
}

func clip(b StateBatch, start int64) StateBatch {
	if start != NoOffset {
		b.First = max(b.First, start)
	}
	return b
}

// appendFrom appends what of b lies at or above start, to the last batch if it goes on
// from there.
func appendFrom(out []StateBatch, b StateBatch, start int64) []StateBatch {
	if b = clip(b, start); b.Last < b.First {
		return out
	}
	if n := len(out); n > 0 && out[n-1].Last+1 == b.First && out[n-1].like(b) {
		out[n-1].Last = b.Last
		return out
	}
	return append(out, b)
}

func (b StateBatch) like(o StateBatch) bool {
	return b.State == o.State && b.DeliveryCount == o.DeliveryCount
}

// further tells whether b has gone further than o.
func (b StateBatch) further(o StateBatch) bool {
	return cmp.Or(cmp.Compare(b.DeliveryCount, o.DeliveryCount), cmp.Compare(b.State, o.State)) > 0
}

// insert lays a batch over a list that is in order and without overlaps, and keeps it so.
func insert(list []StateBatch, b StateBatch) []StateBatch {
	from := sort.Search(len(list), func(i int) bool { return list[i].Last >= b.First })
	to := from
	var section []StateBatch
	next := b.First // what of b lies below is placed
	for ; to < len(list) && list[to].First <= b.Last; to++ {
		old := list[to]
		if old.First < next {
			section = append(section, StateBatch{old.First, next - 1, old.State, old.DeliveryCount})
			old.First = next
		}
		if old.First > next {
			section = append(section, StateBatch{next, old.First - 1, b.State, b.DeliveryCount})
		}
		both := StateBatch{old.First, min(old.Last, b.Last), old.State, old.DeliveryCount}
		if b.further(old) {
			both.State, both.DeliveryCount = b.State, b.DeliveryCount
		}
		section = append(section, both)
		if old.Last > b.Last {
			section = append(section, StateBatch{b.Last + 1, old.Last, old.State, old.DeliveryCount})
		}
		next = both.Last + 1
	}
	if next <= b.Last {
		section = append(section, StateBatch{next, b.Last, b.State, b.DeliveryCount})
	}
	return slices.Replace(list, from, to, section...)
}

// joined makes one of neighbours that are alike, in place.
func joined(list []StateBatch) []StateBatch {
	out := list[:0]
	for _, b := range list {
		out = appendFrom(out, b, NoOffset)
	}
	return out
}
