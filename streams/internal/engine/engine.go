// Package engine is what stands between a compiled topology and whoever drives it: the workers of an app, which feed
// tasks from a cluster, and the test driver, which feeds them by hand. A Program says what there is to run, a Task is one
// sub-topology on one partition: a state machine with a single owner, without goroutine, clock or network. What it
// writes leaves through its Env.
//
// The package knows records as bytes; types, operators and stores are package streams'.
package engine

import (
	"fmt"

	"leat.dev/streams/internal/state"
	"leat.dev/streams/internal/topology"
)

// Header is a record header as it stands on the wire.
type Header struct {
	Key   string
	Value []byte
}

// In is a record that was read. A nil key or value is null. The task may keep Key, Value and Headers until it has
// processed the record.
type In struct {
	Topic       string
	Partition   int32
	Offset      int64
	LeaderEpoch int32
	Time        int64 // milliseconds since the epoch; negative when the record has none
	Key, Value  []byte
	Headers     []Header
}

// Out is a record to write. Its slices are valid only during Env.Send.
type Out struct {
	Topic        string // full name, with the application id where the topic is internal
	Partition    int32  // -1: by PartitionKey, or the producer's choice when that is nil
	PartitionKey []byte // what the default partitioner (murmur2) hashes: the key, or the inner key of a windowed one
	Time         int64  // negative: none, the clock of the producer
	Key, Value   []byte
	Headers      []Header
	Node         string  // the node that wrote it
	Changelog    bool    // a store's changelog record
	Source       *Source // what led to it, for a handler of production errors; nil: nobody asks. Valid during the call

	to *outTopic // the outlet's, of the last record that was sent as this one
}

// Source is a record of a source topic. Where there is none (punctuators) Topic is empty, Partition and Offset are -1.
type Source struct {
	Topic        string
	Partition    int32
	Offset, Time int64
	Key, Value   []byte
	Headers      []Header
}

// Env is what a task reaches of the world outside.
type Env interface {
	// Send writes a record. It may return before the record is durable: a later failure shows at the next commit.
	Send(o *Out) error
	// Partitions is the partition count of a topic, as custom partitioners see it.
	Partitions(topic string) (int, error)
	// Now is the wall clock in milliseconds since the epoch.
	Now() int64
	// Count adds to a counter of the task's process: what it counts, by node.
	Count(metric Metric, node string, n int64)
}

// Metric names what Env.Count counts.
type Metric uint8

// The counters of tasks.
const (
	Dropped   Metric = iota // records dropped: null keys, late records, skipped errors (Kafka's dropped-records)
	Processed               // records taken from source topics
)

// TopicPartition names a partition of a topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Committed is the position of a task in one of its inputs.
type Committed struct {
	Offset      int64 // the next record to process
	LeaderEpoch int32 // -1: unknown
	Metadata    string
}

// TaskID is a sub-topology and a partition, written as in Kafka: 0_3.
type TaskID struct {
	Subtopology int
	Partition   int32
}

func (id TaskID) String() string { return fmt.Sprintf("%d_%d", id.Subtopology, id.Partition) }

// Task is one sub-topology on one partition. Whoever drives it calls one method at a time.
type Task interface {
	ID() TaskID

	// Add appends records of one input partition, in offset order.
	Add(tp TopicPartition, records []In) error
	// AddBatch is Add of a batch, which belongs to the task from here on.
	AddBatch(tp TopicPartition, b *Batch) error
	// Known says what the driver knows of an input that has nothing buffered: caughtUp when the broker has no more either.
	Known(tp TopicPartition, caughtUp bool)
	// Buffered is the number of records and bytes waiting in one input.
	Buffered(tp TopicPartition) (records int, bytes int64)

	// Next is the offset after the last record that Process took of an input, -1 before the first.
	Next(tp TopicPartition) int64

	// Process takes the buffered record with the smallest timestamp through the topology, and then runs the punctuators
	// on stream time that are due. It returns false when no record is ready (see max.task.idle.ms).
	Process() (bool, error)
	// Punctuate runs what is due on the wall clock.
	Punctuate() (bool, error)
	// NextPunctuation is when Punctuate has something to do, ok is false when never.
	NextPunctuation() (ms int64, ok bool)

	// SetCacheBytes bounds the caches of the task's stores.
	SetCacheBytes(n int64)

	// CommitRequested tells that a processor asked for a commit.
	CommitRequested() bool
	// Flush writes through what the caches hold: results are forwarded, changelogs written.
	Flush() error
	// Positions is what a commit after Flush may commit for each input that moved.
	Positions() map[TopicPartition]Committed
	// Committed keeps the state together with the given changelog positions (next offset by changelog partition), after
	// Positions was committed (at least once) or its transaction was (exactly once).
	Committed(changelogs map[TopicPartition]int64) error

	// Restore applies records of the changelog of a store.
	Restore(store string, records []In) error
	// Resume gives the metadata that was committed with an input's offset, before the first Add.
	Resume(tp TopicPartition, metadata string)
	// Initialize runs what processors do first, after Restore and Resume and before the first Process.
	Initialize() error

	// Store is the typed store of that name as package streams knows it, nil when the task has none.
	Store(name string) any

	// Close ends the task; clean tells that all it did is committed. Without clean nothing more is written.
	Close(clean bool) error
}

// Global is the part of a topology that every instance runs whole: the stores of global tables. Its driver calls one method
// at a time, while tasks of any worker read the stores: those are safe for it.
type Global interface {
	// Topics are the sources, each read from its beginning to its end before tasks start, and on from there.
	Topics() []string
	// Update applies a record.
	Update(in *In) error
	// Committed keeps the state with the positions reached.
	Committed(positions map[TopicPartition]int64) error
	// Positions are those that were kept last.
	Positions() map[TopicPartition]int64
	// Reached are the positions up to which records were applied. It may be called from any goroutine.
	Reached() map[TopicPartition]int64
	// Read runs f with a store, nil when there is none, while nothing is applied. It may be called from any goroutine.
	Read(name string, f func(store any) error) error
	Store(name string) any
	Close() error
}

// Program is a compiled topology.
type Program struct {
	ApplicationID string
	Topology      *topology.Topology
	// NewTask makes a task on its state. global is nil when the topology has no global stores.
	NewTask func(id TaskID, env Env, st *state.Task, global Global) (Task, error)
	// NewGlobal makes the global part, or returns nil when there is none.
	NewGlobal func(env Env, st *state.Task) (Global, error)
	Settings  Settings
}

// Leaving is what a close does to the membership in the group (KIP-1153).
type Leaving uint8

// The ways to close.
const (
	LeaveIfDynamic Leaving = iota // static members stay
	LeaveGroup
	RemainInGroup
)

// Settings are those of an app that its driver needs, as Kafka Streams names them, with defaults filled in.
type Settings struct {
	Brokers             []string
	ClientID            string
	GroupInstanceID     string // "": a dynamic member (KIP-345)
	StreamsProtocol     bool   // group.protocol=streams (KIP-1071), else classic
	SessionTimeoutMs    int64  // 0: 45 s
	StateDir            string // "": in memory
	Workers             int    // num.stream.threads
	ExactlyOnce         bool
	CommitIntervalMs    int64
	CacheBytes          int64 // statestore.cache.max.bytes, of all tasks together
	MaxTaskIdleMs       int64
	BufferedPerInput    int // buffered.records.per.partition
	Standbys            int
	AcceptableLag       int64             // acceptable.recovery.lag
	MaxWarmups          int               // max.warmup.replicas
	ProbingMs           int64             // probing.rebalance.interval.ms
	Tags                map[string]string // client.tag.*
	SpreadBy            []string          // rack.aware.assignment.tags
	Rack                string            // client.rack; "": racks do not count
	TrafficCost         int64             // rack.aware.assignment.traffic_cost
	NonOverlapCost      int64             // rack.aware.assignment.non_overlap_cost
	OnClose             Leaving
	ReplicationFactor   int16 // of internal topics; -1: the broker's default
	WindowChangelogMs   int64 // windowstore.changelog.additional.retention.ms
	TopicConfig         map[string]string
	EmitIntervalMs      int64 // throttle of emit-on-close and of unmatched join results; 0 in the test driver
	RepartitionPurgeMs  int64
	StateCleanupDelayMs int64
	StateMaxAgeMs       int64 // state.cleanup.dir.max.age.ms; 0: none
	CommitRecords       int64 // processed by a worker; 0: not by records
	CommitBytes         int64 // pending in the state of a worker's tasks
	InputBufferBytes    int64 // of all inputs of the process; 0: no limit
	TaskTimeoutMs       int64 // task.timeout.ms; 0: none
}
