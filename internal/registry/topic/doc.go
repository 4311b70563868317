// Package topic keeps the registry's state in the `_schemas` topic of a Kafka cluster, any Kafka cluster, and decides with
// the other registries of its group which one writes there.
//
// A [Backend] reads the topic from its first offset and applies every record in order: what it serves is what the log says.
// Writes go through one process, the leader. It reads to the end of the log, decides, appends the records of one operation as
// one batch (all or none of them are in the log), and answers when it has read them back.
//
// The leader is elected by the classic group protocol with Confluent's protocol type and texts, so that its registries may be
// members of the same group (docs/formats/schemas-topic.md). An election alone does not keep a former leader from writing that
// was cut off or stopped for a while. Two things do (docs/adr/0009-registry-leader.md):
//
//   - The lease: a leader writes nothing once its last answered heartbeat was sent longer ago than the session timeout, less a
//     margin. The coordinator names another one only after the whole timeout.
//   - The fence: the producer id belongs to a transactional id of the group. A new leader raises its epoch and writes a NOOP
//     before it decides anything; from then on the partition refuses batches of the former one, those that are still on their
//     way too. The batches themselves are not transactional: other readers of the topic see no markers.
//
// A write whose outcome is not known is answered with context.DeadlineExceeded, and the producer begins anew: it is either in
// the log before the next NOOP, and then known to the next decision, or never.
//
// Goroutines of a Backend: the reader of the topic, the member of the group, and the one that makes a new leader the only writer.
// They end with Close.
package topic
