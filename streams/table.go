package streams

// Table is the latest value of each key: Kafka's KTable. A null value deletes the key; callbacks never see it.
//
// Steps without state (Filter, MapValues) keep no store unless Materialize names one: who reads such a table computes from
// the nearest store above it.
type Table[K, V any] struct{ table[K, V] }

// Filter keeps the rows whose value passes f. Options: Named, Materialize and, with it, those of stores.
func (t *Table[K, V]) Filter(f func(V) bool, o ...Option) *Table[K, V] {
	return &Table[K, V]{tableMap(t.table, "Filter", "KTABLE-FILTER-", tableTest(ignoreKey[K](f), true), true, o)}
}

// FilterNot drops the rows whose value passes f.
func (t *Table[K, V]) FilterNot(f func(V) bool, o ...Option) *Table[K, V] {
	return &Table[K, V]{tableMap(t.table, "FilterNot", "KTABLE-FILTER-", tableTest(ignoreKey[K](f), false), true, o)}
}

// FilterKV keeps the rows that pass f.
func (t *Table[K, V]) FilterKV(f func(K, V) bool, o ...Option) *Table[K, V] {
	return &Table[K, V]{tableMap(t.table, "FilterKV", "KTABLE-FILTER-", tableTest(f, true), true, o)}
}

// MapValues replaces the value of each row. A nil that f returns means that the row is not there.
func (t *Table[K, V]) MapValues[W any](f func(V) W, o ...Option) *Table[K, W] {
	return &Table[K, W]{tableMap(t.table, "MapValues", "KTABLE-MAPVALUES-", tableValue(ignoreKey[K](f)), false, o)}
}

// MapValuesKV replaces the value of each row by what f makes of key and value.
func (t *Table[K, V]) MapValuesKV[W any](f func(K, V) W, o ...Option) *Table[K, W] {
	return &Table[K, W]{tableMap(t.table, "MapValuesKV", "KTABLE-MAPVALUES-", tableValue(f), false, o)}
}

// ValueSerde names the serde of the value for everything that follows.
func (t *Table[K, V]) ValueSerde(vs Serde[V]) *Table[K, V] {
	made := t.table
	made.vs = vs
	return &Table[K, V]{made}
}

// ToStream is the stream of updates; a row that is deleted is a null value. Options: Named.
func (t *Table[K, V]) ToStream(o ...Option) *Stream[K, V] { return &Stream[K, V]{streamOf(t.table, o)} }

// GroupBy makes groups of rows under another key. When a row changes, its old value is taken out of its group and the new one put
// into its own, which may be another: between the two a result is in neither (Kafka: KTable.groupBy). The rows go through a
// repartition topic with Named's name, or that of the store that follows. A nil key or value leaves the row out. Options: Named.
func (t *Table[K, V]) GroupBy[K2, V2 any](ks Serde[K2], vs Serde[V2], f func(K, V) (K2, V2), o ...Option) *GroupedTable[K2, V2] {
	return &GroupedTable[K2, V2]{groupTable(t.table, ks, vs, f, o)}
}
