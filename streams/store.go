package streams

import "iter"

// Stamped is a value and the time it is of.
type Stamped[V any] struct {
	Value V
	Time  Time
}

// Version is a value of a versioned store and when it was its key's: From <= t < To. To of the latest version is Forever.
type Version[V any] struct {
	Value    V
	From, To Time
}

// Forever is the end of what has not ended.
const Forever Time = 1<<63 - 1

// The stores as processors and queries see them.
//
// Keys are compared by their serialized bytes: of numbers of the built-in serdes, negative ones come last. A nil value of a
// nilable type is no value: putting it deletes. A value that comes out of a store is the caller's own: to change what it
// refers to changes no store; it has to be put.
//
// Iterators are range functions. They show the store as it was when the loop began, whatever the loop writes. A loop that
// ends early because of an error leaves it in Err, until the next loop begins. In a processor a loop must end before the
// function that it is in returns.

// ReadKV is the latest value of each key, for reading.
type ReadKV[K, V any] interface {
	Get(k K) (v V, ok bool, err error)
	// Range gives the entries from one key to another, both included, in ascending order; none if from is behind to.
	Range(from, to K) iter.Seq2[K, V]
	All() iter.Seq2[K, V]
	// Between is Range with bounds that may be open: a nil bound is none. Descending goes from the greatest key to the least.
	Between(from, to *K, descending bool) iter.Seq2[K, V]
	// Prefix gives the entries whose serialized keys begin with b.
	Prefix(b []byte) iter.Seq2[K, V]
	// ReverseRange and ReverseAll go from the greatest key to the least.
	ReverseRange(from, to K) iter.Seq2[K, V]
	ReverseAll() iter.Seq2[K, V]
	// Count is how many entries there are. It reads all of them (Kafka's approximateNumEntries, exact).
	Count() (int64, error)
	Err() error
}

// KV is the latest value of each key (Kafka: KeyValueStore). Changes are logged with the time of the record in hand.
type KV[K, V any] interface {
	ReadKV[K, V]
	Put(k K, v V) error
	// PutIfAbsent puts a value if there is none, and gives the one that is there.
	PutIfAbsent(k K, v V) (old V, had bool, err error)
	Delete(k K) error
}

// VersionedKV is what each key was at any time of the store's history (KIP-889).
type VersionedKV[K, V any] interface {
	// Put sets the value from a time on, until the next version there is. One that is older than the history is dropped.
	Put(k K, v V, at Time) error
	// Delete says that there is no value from a time on.
	Delete(k K, at Time) error
	// Get gives the latest version.
	Get(k K) (v Stamped[V], ok bool, err error)
	// GetAsOf gives the version that was valid at a time; nothing if the time is before the history, unless the latest
	// version is of before that.
	GetAsOf(k K, at Time) (v Stamped[V], ok bool, err error)
	// Versions gives the versions that were valid at some time of [from, to], the latest first.
	Versions(k K, from, to Time) iter.Seq[Version[V]]
	// OldestFirst is Versions in the opposite order.
	OldestFirst(k K, from, to Time) iter.Seq[Version[V]]
	Err() error
}

// WindowKV is a value for each key and start of a window (Kafka: WindowStore), as long as the retention says behind the
// greatest start that was put.
type WindowKV[K, V any] interface {
	Put(k K, v V, start Time) error
	Delete(k K, start Time) error
	Fetch(k K, start Time) (v V, ok bool, err error)
	// Range gives a key's windows that start in [from, to], in the order of their starts.
	Range(k K, from, to Time) iter.Seq2[Time, V]
	ReverseRange(k K, from, to Time) iter.Seq2[Time, V]
	// All gives the windows of all keys that start in [from, to]: from memory in the order of start and key, else by
	// segments of time, in them by key and start, as Kafka's persistent stores do.
	All(from, to Time) iter.Seq2[Windowed[K], V]
	ReverseAll(from, to Time) iter.Seq2[Windowed[K], V]
	// Between is All of the keys from one to another, both included and compared by their serialized bytes; nil is no bound.
	Between(fromKey, toKey *K, from, to Time, descending bool) iter.Seq2[Windowed[K], V]
	Err() error
}

// SessionKV is a value for each key and session (Kafka: SessionStore), as long as the retention says behind the greatest end
// that was put.
type SessionKV[K, V any] interface {
	Put(w Windowed[K], v V) error
	Remove(w Windowed[K]) error
	// Get gives the value of exactly that session.
	Get(w Windowed[K]) (v V, ok bool, err error)
	// Find gives a key's sessions that end at earliestEnd or later and start at latestStart or earlier, in the order of
	// their ends.
	Find(k K, earliestEnd, latestStart Time) iter.Seq2[Windowed[K], V]
	ReverseFind(k K, earliestEnd, latestStart Time) iter.Seq2[Windowed[K], V]
	// Fetch gives all sessions of a key, in the order of their ends.
	Fetch(k K) iter.Seq2[Windowed[K], V]
	ReverseFetch(k K) iter.Seq2[Windowed[K], V]
	// All gives the sessions of all keys, ordered as WindowKV's All does, by ends.
	All() iter.Seq2[Windowed[K], V]
	// Between is Find for the keys from one to another, both included and compared by their serialized bytes, in the order
	// of All; nil is no bound.
	Between(fromKey, toKey *K, earliestEnd, latestStart Time, descending bool) iter.Seq2[Windowed[K], V]
	Err() error
}

// HeaderReader is a store that keeps headers (option KeepHeaders, KIP-1271): what TimestampedStore gives is one. Values of
// other stores have none.
type HeaderReader[K any] interface {
	// Headers gives the headers of the record that wrote the value of a key.
	Headers(k K) (h Headers, ok bool, err error)
}
