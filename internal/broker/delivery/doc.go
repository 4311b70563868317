// Package delivery is what share groups get of the partitions that this broker leads
// (KIP-932): which records are available, acquired, acknowledged.
//
// Window is the state machine of one share-partition, a group's view of a partition, without
// goroutine, clock and I/O. Partition is the shell around it, Manager keeps them and the
// sessions of the members. Nothing here reads logs or speaks a protocol: the handlers in
// package broker do. What has to outlast the process goes through a share.Persister.
//
// # What is written down when
//
// Acknowledging and giving back change a window once they are written; until then the records
// stay acquired, and nobody else can have them. If the write fails they stay acquired until the
// lock runs out, and the client is told. A lock that runs out changes the window at once
// and is written afterwards: after a crash the records come again in any case. The start
// offset is written with the change that moves it.
//
// # Goroutines
//
// A load for each share-partition that is made, one writer for each that has something to
// write, and one for each session that waits for the end of its connection. Manager.Close ends
// them and waits. Locks run out by timers of the clock.
//
// # Bounds
//
// A window spans at most Limits.Locks offsets and what one record batch has beyond;
// its memory is bounded by that, a run for each offset in the worst case. Sessions are
// bounded by Options.MaxSessions, with 65,536 partitions each, and share-partitions go with the last session of their
// group.
//
// # Locks
//
// Manager.mu and Partition.mu are never held together, and neither during I/O.
package delivery
