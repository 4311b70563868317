// Package commitlog keeps one partition on disk: a Log of record batches in
// Apache Kafka's own files, so that Kafka's tools read what we write and we
// open what Kafka wrote. The byte layouts are in docs/formats/partition-directory.md.
//
// A Log assigns offsets, validates what producers send, remembers producers
// (sequences, epochs, open transactions), serves slices of its files, rolls,
// retains, compacts and recovers. It does not know about replicas, requests or
// other partitions, starts no goroutine and runs on no timer: package logdir
// and the broker call it.
//
// # Locks
//
// In this order, outermost first:
//
//	cleanMu   one compaction at a time
//	flushMu   one Flush, Checkpoint or truncation at a time; held during fsync
//	appendMu  one writer: append, roll, truncate, delete; held during writes
//	mu        the state readers see; never held during I/O on log data
//
// Append holds appendMu while it writes and takes mu only to publish the new
// end, so readers and the fsync of a Flush never wait for a write. The
// producer state belongs to appendMu; what readers need of it is published
// under mu.
//
// # Files and readers
//
// A segment's file stays readable for as long as someone holds a slice of it:
// handles are counted, removal unlinks, and a truncation that would cut into
// bytes somebody may still be sending copies the surviving prefix into a new
// file instead. Handles come from one bounded cache for the whole process, so
// ten thousand idle partitions cost no descriptors.
//
// # Failures
//
// The first I/O error takes the partition offline: every call returns a
// *StorageError until Reopen, which recovers from disk what the last
// successful flush covered and rewrites what came after it.
package commitlog
