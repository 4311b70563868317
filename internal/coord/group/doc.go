// Package group is the group coordinator as a state machine: groups of all kinds,
// committed offsets, and their records in __consumer_offsets.
//
// A Shard holds every group whose id hashes to one partition of
// __consumer_offsets. It has one owner, no goroutine, no clock and does no I/O:
// Step takes the time and an event and returns Effects (records to append,
// replies, the next wakeup); Replay takes a record read back from the log. The
// owner, internal/broker/coordinator, appends the records and keeps every reply
// until the log up to and including them is committed.
//
// That one rule carries the design. The state a Step leaves behind is ahead of
// the log, but nobody sees it: each reply, of a write or of a read, leaves only
// once everything it was computed from is committed. So a leader's SyncGroup may
// move its group to Stable at once, and a replaced static member may be answered
// in the same step. Should an append fail, the owner throws the shard away and
// replays the log; there is no undo.
//
// What a classic group stores between restarts is exactly its last GroupMetadata record:
// Empty or Stable, generation, protocol, leader, members with subscription and
// assignment. Members waiting in a rebalance, pending member ids and timers are
// not stored; after a load each member gets a full session timeout.
//
// The package does not authorize, and offsets take their topics as they come: its
// callers have checked them. Offsets written by transactions are kept
// apart until their end marker. Both come to a shard only by Replay and
// ReplayEndTxn, also while it serves: the log may refuse what a transactional
// producer writes, so that is appended first and applied then.
//
// A consumer group (KIP-848, the consumer*.go files) has no rebalance that
// everybody waits for, and nothing is parked: each heartbeat takes one member one
// step towards the target that the coordinator computed (package assign). Every
// change is a record, applied by the same code as on a load; so all of such a
// group is stored. The topics it depends on come as events (Cluster). Members of
// the classic protocol may be in it while it migrates.
//
// A share group (KIP-932, the share*.go files) is given partitions in the same way,
// but several members may have one, so nobody waits for anybody. Before a partition
// is assigned the share coordinator has to keep state for it, and before a group goes
// that state has to: such steps leave as messages (Effects.Sends), and what came of
// them comes back as an event.
//
// A streams group (KIP-1071, the streams*.go files) does the same with tasks. Its
// members bring a topology; the coordinator places it on the topics that exist and
// says which internal topics its owner has to create. What a heartbeat leads to is
// worked out as a plan and refused as one, before any record is written.
//
// The record formats are described in docs/formats/consumer-offsets.md. The
// rules are Apache Kafka 4.3.1's; testdata/ holds them as scripts.
package group
