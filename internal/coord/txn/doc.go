// Package txn is the transaction coordinator as a state machine: transactional
// ids with their producer ids and epochs, the transactions they have open, and
// their records in __transaction_state.
//
// A Shard holds every transactional id that hashes to one partition of
// __transaction_state. It has one owner, no goroutine, no clock and does no I/O:
// Step takes the time and an event and returns coord.Effects; Replay takes a
// record read back from the log. The owner, internal/broker/coordinator, appends
// the records, and lets neither a reply nor a message to a partition leave before
// everything they were computed from is committed.
//
// The state a Step leaves behind is therefore ahead of the log, and a second
// request for the same transactional id is answered from it, where Apache Kafka
// answers CONCURRENT_TRANSACTIONS until the first one's record is committed. What
// remains of that error is the time between the end of a transaction (PrepareCommit,
// PrepareAbort) and the marker in the last of its partitions. A request to add
// partitions may wait for that, for as long as it says.
//
// The way of a transaction: Empty or Complete* -> Ongoing with the first partition
// added -> PrepareCommit or PrepareAbort, which decides it -> Markers are sent to
// all partitions, again and again until each has one or is gone -> CompleteCommit or
// CompleteAbort. After a load, what was decided goes on from there and what was
// not waits for its producer or its timeout.
//
// Producers of protocol version 2 (KIP-890) get a new epoch with each end of a
// transaction, so nothing that was sent before it can land after it; before an
// epoch runs out the end hands out a new producer id. Older producers keep their
// epoch.
//
// A transactional id's state is exactly its last record, but for the epoch before
// the current one: it is not stored (Kafka's format has no place for it) and only
// serves to recognise an InitProducerId that is sent twice.
//
// The package knows no partition leaders and no groups: who sends markers, and
// that a group's offsets are a partition of __consumer_offsets, is its owner's
// business. The record format is described in docs/formats/transaction-state.md.
// The rules are Apache Kafka 4.3.1's; testdata/ holds them as scripts, those in
// testdata/live were compared with Apache Kafka's answers and records.
package txn
