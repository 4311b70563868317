package streams

import "slices"

// recentRows holds the records of one side of a join that are not older than floor, as the state has them. What the other side
// asks for is among them nearly always, and is read without the state. Of times before floor it may have some, and is not
// asked.
type recentRows[V any] struct {
	shared bool // values are held as they are, else serialized: see shareable
	floor  Time // all records from this time on are here
	bytes  int64
	byKey  map[string]*recentKey[V]
	queue  []recentMark[V] // in order of arrival
	gone   int             // of the queue
	free   []*recentKey[V]
}

// recentKey are the records of a key in order of time and arrival.
type recentKey[V any] struct {
	name string
	rows []recentRow[V]
}

type recentRow[V any] struct {
	at    Time
	size  int    // of the serialized value
	v     V      // if it is shared,
	value []byte // else serialized
}

type recentMark[V any] struct {
	key *recentKey[V]
	at  Time
}

// recentKeysFree bounds the keys that are held to be used again.
const recentKeysFree = 1024

// recentBytesMax bounds what is held of one side in one task: values, and about what they cost.
const recentBytesMax = 4 << 20

// recentOverhead is about what a record costs beside its value.
const recentOverhead = 112

// newRecentRows begins behind what the state has already.
func newRecentRows[V any](observed int64) *recentRows[V] {
	return &recentRows[V]{shared: shareable[V](), floor: Time(observed) + 1, byKey: map[string]*recentKey[V]{}}
}

// add takes a record that the state has taken; what is older than oldest is no longer asked for.
func (c *recentRows[V]) add(key []byte, v V, value []byte, at, oldest Time) {
	if at >= c.floor {
		k := c.byKey[viewOf(key)]
		if k == nil {
			k = c.newKey(string(key))
		}
		i := len(k.rows)
		for i > 0 && k.rows[i-1].at > at {
			i--
		}
		row := recentRow[V]{at: at, size: len(value)}
		if c.shared {
			row.v = v
		} else {
			row.value = slices.Clone(value)
		}
		k.rows = slices.Insert(k.rows, i, row)
		c.queue = append(c.queue, recentMark[V]{k, at})
		c.bytes += int64(len(value)) + recentOverhead
	}
	for c.gone < len(c.queue) && (c.queue[c.gone].at < oldest || c.bytes > recentBytesMax) {
		c.dropFirst()
	}
	if c.gone > 1024 && c.gone > len(c.queue)/2 {
		c.queue = slices.Delete(c.queue, 0, c.gone)
		c.gone = 0
	}
}

func (c *recentRows[V]) newKey(name string) *recentKey[V] {
	var k *recentKey[V]
	if n := len(c.free); n > 0 {
		k, c.free = c.free[n-1], c.free[:n-1]
	} else {
		k = &recentKey[V]{}
	}
	k.name = name
	c.byKey[name] = k
	return k
}

// dropFirst forgets the record that came first.
func (c *recentRows[V]) dropFirst() {
	m := &c.queue[c.gone]
	c.gone++
	c.floor = max(c.floor, m.at+1)
	i := slices.IndexFunc(m.key.rows, func(r recentRow[V]) bool { return r.at == m.at })
	c.bytes -= int64(m.key.rows[i].size) + recentOverhead
	if m.key.rows = slices.Delete(m.key.rows, i, i+1); len(m.key.rows) == 0 {
		delete(c.byKey, m.key.name)
		if len(c.free) < recentKeysFree {
			c.free = append(c.free, m.key)
		}
	}
	*m = recentMark[V]{}
}

// find gives a key's records of [from, to], if all of them are here.
func (c *recentRows[V]) find(into *recentSource[V], key []byte, from, to Time) bool {
	if from < c.floor {
		return false
	}
	into.rows, into.i, into.shared = nil, -1, c.shared
	if k := c.byKey[viewOf(key)]; k != nil {
		i, _ := slices.BinarySearchFunc(k.rows, from, func(r recentRow[V], at Time) int { return cmpTime(r.at, at) })
		j := i
		for j < len(k.rows) && k.rows[j].at <= to {
			j++
		}
		into.rows = k.rows[i:j]
	}
	return true
}

// recentSource gives the rows that were found, under their time alone. The store must not change meanwhile.
type recentSource[V any] struct {
	rows   []recentRow[V]
	shared bool
	i      int
	key    []byte
}

func (s *recentSource[V]) Next() bool {
	s.i++
	return s.i < len(s.rows)
}

func (s *recentSource[V]) Key() []byte {
	s.key = appendTime(s.key[:0], s.rows[s.i].at)
	return s.key
}

func (s *recentSource[V]) Value() []byte { return s.rows[s.i].value }

func (s *recentSource[V]) Close() error {
	s.rows, s.shared = nil, false
	return nil
}
