// Package coordinator runs the state machines of internal/coord over the partitions
// of their topics that this broker leads: groups over __consumer_offsets (Groups),
// transactions over __transaction_state (Txns), and what share groups have consumed
// over __share_group_state (Shares).
//
// Each led partition has one shard: a goroutine, started by Lead and ended by
// Resign or Close, which owns the state machine. It loads the
// partition from log start to log end, then takes requests from a bounded
// mailbox, steps the machine, appends the records of many requests as one batch,
// and hands out the replies once the high watermark has passed everything they
// were computed from. While an append is in flight the next batch gathers.
//
// Requests block the caller's goroutine until answered or until their context
// ends. A request of Shares about several shards takes a goroutine for each but
// one, while it lasts. Nothing here listens, authorizes or knows the cluster: topic
// names and ids, the creation of topics and the partition logs are passed in.
package coordinator
