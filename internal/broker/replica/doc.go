// Package replica holds the partitions that this broker leads: appending with the leader's epoch, making data durable,
// the high watermark, reading, and everything that waits for one of them. What a partition stores is commitlog's; which
// partitions there are is decided by the metadata image, which Manager follows.
//
// # High watermark
//
// With FlushOnCommit (log.flush=commit) every append asks for a flush of its partition; one flush of a partition runs
// at a time and covers all that was appended before it, so many requests share an fsync. The high watermark follows
// the flushed offset: nobody sees, and no acks=all producer is told of, what a power cut could take back. Without it
// (log.flush=os) the high watermark follows the log end. Both hold for one replica; with more, the high watermark will
// be the least of the in-sync replicas' ends, and the same waiters wake on it.
//
// # Goroutines
//
// Flushes run on at most Options.FlushWorkers goroutines, which start when there is work and end when there is none;
// Close waits for them. A timer retries partitions whose directory could not be created. Nothing else runs by itself.
//
// # Locks
//
// Partition.mu guards waiters and the high watermark; it is held neither during I/O nor while functions given to
// OnCommitted run. CommitWaiter.Committed and FetchWaiter wake-ups are called with it held and must not block.
// Manager.mu guards the table of topics and is never taken under Partition.mu.
package replica
