package txn

import (
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord"
)

// Event is something that happens to a shard. Requests carry the RequestID their
// one reply will bear.
type Event interface{ event() }

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Producer is a producer id with its epoch; -1 and -1 stand for none.
type Producer struct {
	ID    int64
	Epoch int16
}

// NoProducer is what a request without a producer says.
var NoProducer = Producer{ID: -1, Epoch: -1}

// The requests. Reply types: InitProducer and EndTransaction ProducerReply,
// AddPartitions AddReply, Describe []Description, List []Listing.
type (
	// InitProducer gives a transactional id its producer; what is open is aborted.
	InitProducer struct {
		ID              coord.RequestID
		TransactionalID string
		TimeoutMillis   int32
		// Expected is what the client believes to be its producer, NoProducer if it
		// has none.
		Expected Producer
	}
	// AddPartitions makes partitions part of the transaction, or with VerifyOnly
	// asks whether they are.
	AddPartitions struct {
		ID              coord.RequestID
		TransactionalID string
		Producer        Producer
		Partitions      []TopicPartition
		VerifyOnly      bool
		// Version is the transaction protocol version of the producer, 2 if the
		// request came by its Produce or TxnOffsetCommit.
		Version int16
		// Patience is how long the request may wait for the end of the transaction
		// before this one.
		Patience time.Duration
	}
	// EndTransaction commits or aborts.
	EndTransaction struct {
		ID              coord.RequestID
		TransactionalID string
		Producer        Producer
		Commit          bool
		Version         int16 // the producer's transaction protocol version
	}
	Describe struct {
		ID               coord.RequestID
		TransactionalIDs []string
	}
	List struct {
		ID          coord.RequestID
		States      []State // with UnknownState, matches nothing by that entry
		ProducerIDs []int64
		// RunningMillis: at least so long; negative = any.
		RunningMillis int64
		Pattern       *regexp.Regexp // nil = any
	}
)

// ProducerReply answers with the producer to go on with.
type ProducerReply struct {
	Err      *kerr.Error
	Producer Producer
}

// AddReply answers AddPartitions. Missing are the partitions that a VerifyOnly
// request found not to be part of the transaction.
type AddReply struct {
	Err     *kerr.Error
	Missing []TopicPartition
}

// Description is a transactional id as DescribeTransactions shows it.
type Description struct {
	TransactionalID string
	Err             *kerr.Error
	State           State
	Producer        Producer
	TimeoutMillis   int32
	StartMillis     int64 // -1 = none open
	Partitions      []TopicPartition
}

// Listing is a transactional id as ListTransactions shows it.
type Listing struct {
	TransactionalID string
	ProducerID      int64
	State           State
}

// Markers are sent to all partitions of a decided transaction. The owner
// answers with one Marked event for all of them.
type Markers struct {
	TransactionalID string
	Producer        Producer
	End             coord.EndTxn // the coordinator epoch is the owner's to fill in
	Partitions      []TopicPartition
	Round           uint64 // to tell late answers from those to this
}

// Marked tells what became of Markers.
type Marked struct {
	TransactionalID string
	Round           uint64
	// Retry are the partitions that could not take the marker and may later.
	Retry []TopicPartition
	// Fenced says that a partition knows a newer epoch or coordinator: this
	// transaction is no longer for us to end.
	Fenced bool
}

// Loaded ends the replay of the log and starts the timers.
type Loaded struct{}

// Tick fires the timers that are due.
type Tick struct{}

// Configure replaces the settings.
type Configure struct{ Settings Settings }

func (InitProducer) event()   {}
func (AddPartitions) event()  {}
func (EndTransaction) event() {}
func (Describe) event()       {}
func (List) event()           {}
func (Marked) event()         {}
func (Loaded) event()         {}
func (Tick) event()           {}
func (Configure) event()      {}
