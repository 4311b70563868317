// Package coord is what all coordinators have in common: how a state machine
// tells its owner what it wants done, a set of deadlines, and the decoding of
// Kafka's primitive types in records.
//
// A coordinator is a state machine over one partition of an internal topic
// (internal/coord/group, internal/coord/txn). It has one owner, no goroutine, no
// clock and does no I/O: each step takes the time and an event and returns
// Effects. The owner, internal/broker/coordinator, appends the records and lets
// nothing leave before the log up to and including them is committed.
package coord

import "time"

// RequestID names a request between its event and its reply. The owner chooses
// it and never reuses one within the life of a state machine.
type RequestID uint64

// Record is one record of a coordinator's topic. A nil Value is a tombstone.
type Record struct {
	Key   []byte
	Value []byte
}

// Size is the number of bytes of key and value.
func (r Record) Size() int { return len(r.Key) + len(r.Value) }

// LogRecord is a record read back from the log.
type LogRecord struct {
	Offset        int64
	ProducerID    int64 // of a transactional batch, else -1
	ProducerEpoch int16 // of a transactional batch, else -1
	Key, Value    []byte
}

// Reply answers a request. It may leave only when every record returned by this
// and earlier steps is committed.
type Reply struct {
	ID       RequestID
	Response any
}

// Effects are what a step wants done.
type Effects struct {
	// Records are appended in this order. Those of an Atomic step must be
	// appended in one batch; others may be split between batches.
	Records []Record
	Atomic  bool
	// Txn, if set, makes a batch of a transactional producer of the step's
	// records, or its end marker. The log may refuse such a batch, so the state
	// machine has not changed yet: the owner hands it what was appended, by Replay
	// or ReplayEndTxn, or answers the step's replies with the log's error.
	Txn     *TxnBatch
	Replies []Reply
	// Sends are messages to others. Like replies they leave only when every record
	// up to now is committed.
	Sends []any
	// Wakeup is when the state machine wants its next Tick; zero means never.
	Wakeup time.Time
}

// Prune is sent to the owner itself: the log below an offset is of no use any more and
// may be cut off.
type Prune struct{ Before int64 }

// TxnBatch says in whose name a batch is written.
type TxnBatch struct {
	ProducerID    int64
	ProducerEpoch int16
	// Guard proves that the producer's transaction includes this partition, if the
	// log is to Verify that.
	Guard  uint64
	Verify bool
	// End makes the batch the marker that ends the producer's transaction.
	End *EndTxn
}

// EndTxn is a transaction's end as its coordinator tells it to a partition.
type EndTxn struct {
	Commit           bool
	CoordinatorEpoch int32
	// TxnVersion is the protocol version (transaction.version) that the marker is
	// written under: from 2 on its epoch is above that of the data it ends.
	TxnVersion int16
}
