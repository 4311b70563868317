package txn

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"leat.dev/internal/coord"
)

// State is where a transactional id stands. The numbers are those of the records.
type State int8

const (
	Empty State = iota
	Ongoing
	PrepareCommit
	PrepareAbort
	CompleteCommit
	CompleteAbort
	Dead              // never stored
	PrepareEpochFence // never stored: here the fence and the abort are one step

	// UnknownState is what no transactional id is in.
	UnknownState State = -1
)

var stateNames = [...]string{
	"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence",
}

func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return "Unknown"
	}
	return stateNames[s]
}

// ParseState is the inverse of String; ok is false for other names.
func ParseState(name string) (s State, ok bool) {
	if i := slices.Index(stateNames[:], name); i >= 0 {
		return State(i), true
	}
	return UnknownState, false
}

// ending tells that the transaction is decided but not over.
func (s State) ending() bool { return s == PrepareCommit || s == PrepareAbort }

// idle tells that no transaction is open.
func (s State) idle() bool { return s == Empty || s == CompleteCommit || s == CompleteAbort }

const (
	noID    int64 = -1
	noEpoch int16 = -1
	// lastEpoch is the largest epoch that a client gets to see. The one above it is
	// kept for fencing it.
	exhaustedEpoch int16 = 1<<15 - 2
)

// transaction is what is known of a transactional id.
type transaction struct {
	id         string
	producer   Producer
	previousID int64 // the producer id in force before the last change of state
	nextID     int64 // while ending: the producer id to go on with, if not the same
	// lastEpoch is the epoch before the current one; -1 if the client that had it
	// is fenced, or after a load.
	lastEpoch     int16
	timeoutMillis int32
	state         State
	partitions    map[TopicPartition]struct{}
	started       int64 // milliseconds; -1 = no transaction yet
	updated       int64
	version       int16 // protocol version of the producer, as it last showed

	// While ending: where a marker is missing, and the pause before the next try.
	unmarked map[TopicPartition]struct{}
	round    uint64 // of the markers that are out
	retry    *coord.Timer
	retries  int
	// waiting are the requests that wait for the end, oldest first.
	waiting []*waiter
}

// waiter is a request to add partitions that came while the transaction before
// was ending.
type waiter struct {
	event   AddPartitions
	timeout *coord.Timer
}

// exhausted tells that a client may not get a larger epoch.
func exhausted(epoch int16) bool { return epoch >= exhaustedEpoch }

func compareTopicPartitions(a, b TopicPartition) int {
	return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

func sortedPartitions(set map[TopicPartition]struct{}) []TopicPartition {
	return slices.SortedFunc(maps.Keys(set), compareTopicPartitions)
}

func (t *transaction) hasAll(partitions []TopicPartition) bool {
	for _, tp := range partitions {
		if _, ok := t.partitions[tp]; !ok {
			return false
		}
	}
	return true
}

// value is the record of the current state.
func (t *transaction) value() Value {
	v := Value{
		Producer: t.producer, PreviousID: t.previousID, NextID: t.nextID, NextEpoch: noEpoch,
		TimeoutMillis: t.timeoutMillis, State: t.state,
		UpdatedMillis: t.updated, StartedMillis: t.started, ClientVersion: t.version,
	}
	if t.state != Empty {
		v.Partitions = append([]TopicPartition{}, sortedPartitions(t.partitions)...)
	}
	return v
}
