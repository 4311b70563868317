// Package state keeps the state of stream tasks: ordered bytes, on disk in one
// Pebble database per task or in memory, and Kafka Streams' window, session,
// versioned and time-ordered layouts over them.
//
// A [DB] hands out [Task]s, each to one owner. What the owner writes to a
// [Store] is pending: its own reads see it, nobody else's. [Task.Commit] writes
// it in one batch together with the changelog offsets it corresponds to, the
// processors' metadata and each store's observed stream time. After a crash,
// state and offsets are those of one and the same commit, perhaps not the last;
// what is missing is read again from the changelog, and nothing is wiped.
// On disk, what is pending has no order until a scan or the commit needs one:
// a key that is put many times is written once.
//
// A Store's reads return slices that are valid until the next call on that
// store. A Task and everything under it belongs to one goroutine at a time;
// [Task.Snapshot] and the methods of DB may be called from any.
//
// What fails on the disk fails the one task: it is closed, and who opens it again
// finds what was committed, or wipes it.
//
// The package starts no goroutines of its own; Pebble flushes and compacts in
// its own, which end with [DB.Close]. It knows nothing of types, changelog
// topics or caches. The format is described in docs/formats/streams-state.md.
package state
