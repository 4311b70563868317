package row

// Arena is memory for the values of a batch of rows: what a decoder makes lives in it until Reset, and in steady state
// nothing is allocated. Not safe for concurrent use.
//
// What was taken from an arena stays valid after the arena has grown; after Reset it may be overwritten by the next rows,
// so whoever keeps a value longer clones it ([Clone]).
type Arena struct {
	values  []Value
	entries []Entry
	bytes   []byte
}

// The largest pieces an arena keeps for the next batch; what a giant row needed goes back to the garbage collector.
const (
	arenaKeepValues  = 1 << 16
	arenaKeepEntries = 1 << 14
	arenaKeepBytes   = 1 << 20
)

// Reset makes the arena's memory free for the next rows.
func (a *Arena) Reset() {
	a.values, a.entries, a.bytes = keep(a.values, arenaKeepValues), keep(a.entries, arenaKeepEntries), keep(a.bytes, arenaKeepBytes)
}

func keep[T any](s []T, limit int) []T {
	if cap(s) > limit {
		return nil
	}
	return s[:0]
}

// take cuts n elements, with the contents they happen to have, from the free part of *s, or from a new and larger piece.
func take[T any](s *[]T, n, least int) []T {
	used := len(*s)
	if cap(*s)-used < n {
		*s = make([]T, 0, max(2*cap(*s), n, least))
		used = 0
	}
	*s = (*s)[:used+n]
	return (*s)[used : used+n : used+n]
}

// Row gives a row of n NULLs.
func (a *Arena) Row(n int) Row {
	r := take(&a.values, n, 256)
	clear(r)
	return r
}

// Array makes an ARRAY of a copy of the elements.
func (a *Arena) Array(elems []Value) Value {
	v := take(&a.values, len(elems), 256)
	copy(v, elems)
	return OfArray(v)
}

// Map makes a MAP of a copy of the entries, whose keys are distinct.
func (a *Arena) Map(entries []Entry) Value {
	e := take(&a.entries, len(entries), 64)
	copy(e, entries)
	return OfMap(e)
}

// Bytes gives n bytes with undefined contents.
func (a *Arena) Bytes(n int) []byte { return take(&a.bytes, n, 1024) }

// Clone copies a value with all it points to, so that it lives on its own.
func Clone(v Value) Value {
	switch v.kind {
	case String:
		return OfString(string(append([]byte(nil), v.Str()...)))
	case Bytes:
		return OfBytes(append([]byte(nil), v.Bytes()...))
	case Array, Struct:
		elems := make([]Value, v.Len())
		for i, e := range v.Elems() {
			elems[i] = Clone(e)
		}
		c := OfArray(elems)
		c.kind = v.kind
		return c
	case Map:
		entries := make([]Entry, v.Len())
		for i, e := range v.Entries() {
			entries[i] = Entry{Key: Clone(e.Key), Value: Clone(e.Value)}
		}
		return OfMap(entries)
	default:
		return v
	}
}
