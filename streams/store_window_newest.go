package streams

import "slices"

// newestWindows knows which windows of a key were put of late, without looking: a key that goes on in time opens a new window
// all the time, and each would be looked for in vain.
type newestWindows struct {
	since int64 // all that were put behind it are known
	last  int64 // the greatest start that was put
	keys  map[string]*newestOf
}

// newestOf are windows of one key.
type newestOf struct {
	from   int64   // all that were put behind it are in starts
	starts []int64 // in order
}

// newestKeysMax bounds the keys of newestWindows, and newestStartsMax the windows of each.
const (
	newestKeysMax   = 50_000
	newestStartsMax = 24
)

// begin forgets everything: starts up to the one that was observed may be there.
func (n *newestWindows) begin(observed int64) {
	*n = newestWindows{since: max(observed, n.last), last: max(observed, n.last)}
}

// lacks tells that a window cannot be there.
func (n *newestWindows) lacks(key []byte, start int64) bool {
	if start <= n.since {
		return false
	}
	k := n.keys[viewOf(key)]
	return k == nil || start > k.from && !k.has(start)
}

func (k *newestOf) has(start int64) bool {
	for i := len(k.starts) - 1; i >= 0 && k.starts[i] >= start; i-- {
		if k.starts[i] == start {
			return true
		}
	}
	return false
}

// put notes a window; up to expired none is shown any more.
func (n *newestWindows) put(key []byte, start, expired int64) {
	n.last = max(n.last, start)
	if start <= n.since {
		return
	}
	k := n.keys[viewOf(key)]
	if k == nil {
		if len(n.keys) >= newestKeysMax {
			n.begin(n.last)
			return
		}
		if n.keys == nil {
			n.keys = map[string]*newestOf{}
		}
		k = &newestOf{from: n.since}
		n.keys[string(key)] = k
	}
	k.put(start, expired)
}

func (k *newestOf) put(start, expired int64) {
	if start <= k.from {
		return
	}
	i := len(k.starts)
	for i > 0 && k.starts[i-1] >= start {
		i--
	}
	if i < len(k.starts) && k.starts[i] == start {
		return
	}
	k.starts = slices.Insert(k.starts, i, start)
	gone := max(0, len(k.starts)-newestStartsMax)
	for gone < len(k.starts) && k.starts[gone] <= expired {
		gone++
	}
	if gone > 0 {
		k.from = k.starts[gone-1]
		k.starts = slices.Delete(k.starts, 0, gone)
	}
}

// between gives the starts in [from, to) of the windows of a key that may be there, in order; ok is false where that is not
// known. They are valid until the next put.
func (n *newestWindows) between(key []byte, from, to int64) (starts []int64, ok bool) {
	if from <= n.since {
		return nil, false
	}
	k := n.keys[viewOf(key)]
	switch {
	case k == nil:
		return nil, true
	case from <= k.from:
		return nil, false
	}
	i := len(k.starts)
	for i > 0 && k.starts[i-1] >= from {
		i--
	}
	j := i
	for j < len(k.starts) && k.starts[j] < to {
		j++
	}
	return k.starts[i:j], true
}
