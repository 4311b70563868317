// Package store is the registry's memory as a state machine without I/O: what the records of the `_schemas` topic say, and
// which records an operation adds to them.
//
// A [State] is built by applying records in the order of the log and by nothing else. An operation (register, delete, set a
// config or a mode) looks at the state and gives the records that carry it out, or an [Error]; whoever calls writes them,
// applies them as they come back, and only then answers. One writer at a time: that is the leader, see package topic.
//
// The records are Confluent's own (docs/formats/schemas-topic.md), so that its registry can take the topic over and the
// other way round. No goroutines, no clock, no randomness; a State is not safe for concurrent use.
package store
