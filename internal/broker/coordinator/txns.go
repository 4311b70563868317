package coordinator

import (
	"context"
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/txn"
)

// TxnOptions are the surroundings of Txns, whose topic is __transaction_state. All fields are
// required unless said otherwise.
type TxnOptions struct {
	Surroundings

	// Settings returns the settings in force; they are read when a partition is
	// loaded and by Reconfigure.
	Settings func() txn.Settings
	// NewProducerID hands out a producer id that nobody else gets, if it has one at
	// hand. It does not block.
	NewProducerID func() (int64, bool)
	// Mark writes the marker that ends a producer's transaction to one partition.
	// done is called once, from any goroutine: with nil when the marker is committed
	// or there is nothing left to end, with TRANSACTION_COORDINATOR_FENCED if another
	// coordinator took over, or with anything else if it has to be tried again. Mark
	// does not block.
	Mark func(tp txn.TopicPartition, p txn.Producer, end coord.EndTxn, done func(*kerr.Error))

	// Metrics may be nil.
	Metrics *TxnMetrics
}

// TxnMetrics are called by shards, many at once; any field may be nil. They must
// not block.
type TxnMetrics struct {
	// Transactions is called with the change in the number of transactional ids in a
	// state.
	Transactions func(state string, delta int)
	// Loaded is called for each loaded partition.
	Loaded func(took time.Duration, records int64)
	// Committed is called for each batch with the time from append to commit.
	Committed func(took time.Duration, requests int)
}

// Txns is the transaction coordinator of one broker.
type Txns struct {
	*coordinators[txn.Event]
	o TxnOptions
}

// NewTxns returns a coordinator that leads nothing yet.
func NewTxns(o TxnOptions) *Txns {
	if o.Metrics == nil {
		o.Metrics = &TxnMetrics{}
	}
	t := &Txns{o: o}
	t.coordinators = newCoordinators(runtimeOptions[txn.Event]{
		Surroundings: o.Surroundings, kind: "transaction", topic: "__transaction_state",
		newMachine:  func() machine[txn.Event] { return txn.New(t.settings(), o.NewProducerID) },
		loaded:      txn.Loaded{},
		tick:        txn.Tick{},
		send:        t.send,
		newReport:   t.newReport,
		onLoaded:    o.Metrics.Loaded,
		onCommitted: o.Metrics.Committed,
	})
	return t
}

// Reconfigure hands the current settings to all shards, without waiting.
func (t *Txns) Reconfigure() { t.tellAll(txn.Configure{Settings: t.settings()}) }

// settings bounds a record by what a batch holds.
func (t *Txns) settings() txn.Settings {
	s := t.o.Settings()
	s.MaxRecordBytes = min(s.MaxRecordBytes, t.recordBytes())
	return s
}

// newReport tells the metrics what changed in one shard.
func (t *Txns) newReport() func(machine[txn.Event]) {
	var last txn.Counts
	return func(m machine[txn.Event]) {
		var now txn.Counts
		if m != nil {
			now = m.(*txn.Shard).Counts()
		}
		if now == last {
			return
		}
		for st := range now {
			if d := now[st] - last[st]; d != 0 && t.o.Metrics.Transactions != nil {
				t.o.Metrics.Transactions(txn.State(st).String(), d)
			}
		}
		last = now
	}
}

// InitProducer gives a transactional id its producer.
func (t *Txns) InitProducer(ctx context.Context, ev txn.InitProducer) (txn.Producer, *kerr.Error) {
	r, err := t.call(ctx, ev.TransactionalID, func(id coord.RequestID) txn.Event {
		ev.ID = id
		return ev
	})
	return producerReply(r, err)
}

// End commits or aborts a transaction.
func (t *Txns) End(ctx context.Context, ev txn.EndTransaction) (txn.Producer, *kerr.Error) {
	r, err := t.call(ctx, ev.TransactionalID, func(id coord.RequestID) txn.Event {
		ev.ID = id
		return ev
	})
	return producerReply(r, err)
}

func producerReply(r any, err *kerr.Error) (txn.Producer, *kerr.Error) {
	if err != nil {
		return txn.NoProducer, err
	}
	reply := r.(txn.ProducerReply)
	return reply.Producer, reply.Err
}

// AddPartitions makes partitions part of a transaction, or asks whether they are.
func (t *Txns) AddPartitions(ctx context.Context, ev txn.AddPartitions) txn.AddReply {
	r, err := t.call(ctx, ev.TransactionalID, func(id coord.RequestID) txn.Event {
		ev.ID = id
		return ev
	})
	if err != nil {
		return txn.AddReply{Err: err}
	}
	return r.(txn.AddReply)
}

// Describe describes transactional ids in the order asked for.
func (t *Txns) Describe(ctx context.Context, ids []string) []txn.Description {
	return callEach(ctx, t.coordinators, ids,
		func(id coord.RequestID, part []string) txn.Event { return txn.Describe{ID: id, TransactionalIDs: part} },
		func(id string, err *kerr.Error) txn.Description {
			return txn.Description{TransactionalID: id, Err: err}
		})
}

// TxnFilter says which transactional ids to list.
type TxnFilter struct {
	States        []txn.State
	ProducerIDs   []int64
	RunningMillis int64 // negative = any
	Pattern       *regexp.Regexp
}

// List lists the transactional ids of all shards led here.
func (t *Txns) List(ctx context.Context, f TxnFilter) ([]txn.Listing, *kerr.Error) {
	answers, err := t.callAll(ctx, func(id coord.RequestID) txn.Event {
		return txn.List{ID: id, States: f.States, ProducerIDs: f.ProducerIDs, RunningMillis: f.RunningMillis, Pattern: f.Pattern}
	})
	if err != nil {
		return nil, err
	}
	var all []txn.Listing
	for _, r := range answers {
		all = append(all, r.([]txn.Listing)...)
	}
	return all, nil
}
