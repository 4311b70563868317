package streams

import "time"

// windowed is what tables and streams of windows know of their windows, beside the serde of the whole key.
type windowed[K any] struct {
	key      Serde[K]
	size     time.Duration // zero: sessions, or unlimited
	grace    time.Duration // how long after its end a window closes (sessions: grace and gap)
	closing  bool          // there are windows that close: not so for unlimited ones
	sessions bool
}

// WTable is the table of a windowed aggregate, keyed by key and window.
type WTable[K, V any] struct {
	table[Windowed[K], V]
	win windowed[K]
}

func (t *WTable[K, V]) with[W any](made table[Windowed[K], W]) *WTable[K, W] {
	return &WTable[K, W]{made, t.win}
}

// Filter keeps the rows whose value passes f. Options: Named.
func (t *WTable[K, V]) Filter(f func(V) bool, o ...Option) *WTable[K, V] {
	return t.with(tableMap(t.table, "Filter", "KTABLE-FILTER-", tableTest(ignoreKey[Windowed[K]](f), true), true, o))
}

// FilterKV keeps the rows that pass f.
func (t *WTable[K, V]) FilterKV(f func(Windowed[K], V) bool, o ...Option) *WTable[K, V] {
	return t.with(tableMap(t.table, "FilterKV", "KTABLE-FILTER-", tableTest(f, true), true, o))
}

// MapValues replaces the value of each row. A nil that f returns means that the row is not there.
func (t *WTable[K, V]) MapValues[W any](f func(V) W, o ...Option) *WTable[K, W] {
	return t.with(tableMap(t.table, "MapValues", "KTABLE-MAPVALUES-", tableValue(ignoreKey[Windowed[K]](f)), false, o))
}

// MapValuesKV replaces the value of each row by what f makes of key and value.
func (t *WTable[K, V]) MapValuesKV[W any](f func(Windowed[K], V) W, o ...Option) *WTable[K, W] {
	return t.with(tableMap(t.table, "MapValuesKV", "KTABLE-MAPVALUES-", tableValue(f), false, o))
}

// ValueSerde names the serde of the value for everything that follows.
func (t *WTable[K, V]) ValueSerde(vs Serde[V]) *WTable[K, V] {
	made := t.table
	made.vs = vs
	return t.with(made)
}

// ToStream is the stream of updates; a window that is removed is a null value. Options: Named.
func (t *WTable[K, V]) ToStream(o ...Option) *WStream[K, V] {
	return &WStream[K, V]{streamOf(t.table, o), t.win}
}

// Join is the table of the windows that are in both: f makes the value. The topics behind both must have the same number of
// partitions, and windows are the same where their starts are, of sessions also their ends. Options: Named, Materialize and,
// with it, those of stores.
func (l *WTable[K, L]) Join[R, O any](r *WTable[K, R], f func(L, R) O, o ...Option) *WTable[K, O] {
	return l.joined(r.win, joinTables(l.table, r.table, "Join", innerJoin, bothJoined(f), o))
}

// LeftJoin is the table of all windows of l, with those of r where they are: ok tells f.
func (l *WTable[K, L]) LeftJoin[R, O any](r *WTable[K, R], f func(l L, r R, ok bool) O, o ...Option) *WTable[K, O] {
	return l.joined(r.win, joinTables(l.table, r.table, "LeftJoin", leftJoin, leftJoined(f), o))
}

// OuterJoin is the table of the windows of either.
func (l *WTable[K, L]) OuterJoin[R, O any](r *WTable[K, R], f func(Either[L, R]) O, o ...Option) *WTable[K, O] {
	return l.joined(r.win, joinTables(l.table, r.table, "OuterJoin", outerJoin, f, o))
}

// joined is a join of tables, whose windows close when those of both do.
func (l *WTable[K, L]) joined[O any](r windowed[K], made table[Windowed[K], O]) *WTable[K, O] {
	if l.win.sessions != r.sessions {
		l.b.mistake("Join", "one table is of sessions, the other of windows", "join tables of the same windows")
	}
	t := &WTable[K, O]{made, l.win}
	t.win.grace, t.win.closing = max(l.win.grace, r.grace), l.win.closing && r.closing
	return t
}

// GroupBy groups by a new key that f makes of key, window and value. Options: Named.
func (t *WTable[K, V]) GroupBy[K2, V2 any](ks Serde[K2], vs Serde[V2], f func(Windowed[K], V) (K2, V2), o ...Option) *GroupedTable[K2, V2] {
	return &GroupedTable[K2, V2]{groupTable(t.table, ks, vs, f, o)}
}
