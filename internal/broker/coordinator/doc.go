// Package coordinator runs the group state machines of internal/coord/group over
// the partitions of __consumer_offsets that this broker leads.
//
// Each led partition has one shard: a goroutine, started by Groups.Lead and ended
// by Groups.Resign or Groups.Close, which owns the state machine. It loads the
// partition from log start to log end, then takes requests from a bounded
// mailbox, steps the machine, appends the records of many requests as one batch,
// and hands out the replies once the high watermark has passed everything they
// were computed from. While an append is in flight the next batch gathers.
//
// Requests block the caller's goroutine until answered or until their context
// ends. Nothing here listens, authorizes or knows the cluster: topic names and
// ids, the creation of __consumer_offsets and the partition logs are passed in.
package coordinator
