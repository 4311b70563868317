// Package share is the share coordinator as a state machine: what share groups have
// consumed of partitions, and its records in __share_group_state.
//
// A Shard holds every share-partition (a group, a topic's id and a partition number)
// that hashes to one partition of __share_group_state. It has one owner, no goroutine,
// no clock and does no I/O: Step takes the time and an event and returns
// coord.Effects; Replay takes a record read back from the log. The owner,
// internal/broker/coordinator, appends the records and lets no reply leave before
// everything it was computed from is committed. The state after a Step is what a
// replay of the records gives.
//
// Of each share-partition there is a snapshot, which is the whole state, and updates
// to it, which are what single writes changed. After Settings.UpdatesPerSnapshot
// updates the next write is a snapshot; a share-partition that is not written to any
// more gets one after Settings.ColdInterval. Whatever lies before the oldest of the
// latest snapshots is of no use to anybody: coord.Prune asks the owner to cut it off,
// which takes the place of compaction.
//
// The leader of a partition writes with its leader epoch and the state epoch that it
// read. A read with a newer leader epoch fences older leaders; the group coordinator
// fences all of them when it initializes anew with a newer state epoch.
//
// The package knows no partition logs and no records of users. The format is described
// in docs/formats/share-group-state.md. The rules are Apache Kafka 4.3.1's; testdata/
// holds them as scripts.
package share
