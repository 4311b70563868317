package coordinator

import (
	"context"
	"log/slog"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/txn"
)

// send carries a decision to its partitions. What each of them said comes back to
// the state machine as one event.
func (t *Txns) send(epoch int32, message any, tell func(txn.Event)) {
	m := message.(txn.Markers)
	m.End.CoordinatorEpoch = epoch
	r := &round{
		tell:    tell,
		marked:  txn.Marked{TransactionalID: m.TransactionalID, Round: m.Round},
		waiting: len(m.Partitions),
	}
	for _, tp := range m.Partitions {
		t.o.Mark(tp, m.Producer, m.End, func(err *kerr.Error) {
			if err != nil {
				level := slog.LevelDebug // it is tried again, and the partition has said what it lacks
				if err == kerr.TransactionCoordinatorFenced {
					level = slog.LevelWarn
				}
				t.o.Logger.Log(context.Background(), level, "a transaction marker could not be written", "transactional_id", m.TransactionalID,
					"producer_id", m.Producer.ID, "topic", tp.Topic, "partition", tp.Partition, "err", err)
			}
			r.note(tp, err)
		})
	}
}

// round is one sending of markers to a transaction's partitions.
type round struct {
	tell func(txn.Event)

	mu      sync.Mutex
	marked  txn.Marked
	waiting int
}

func (r *round) note(tp txn.TopicPartition, err *kerr.Error) {
	r.mu.Lock()
	switch err {
	case nil:
	case kerr.TransactionCoordinatorFenced:
		r.marked.Fenced = true
	default:
		r.marked.Retry = append(r.marked.Retry, tp)
	}
	r.waiting--
	over := r.waiting == 0
	r.mu.Unlock()
	if over {
		r.tell(r.marked)
	}
}

// EndTxn writes the marker of a producer's transaction to a partition of
// __consumer_offsets and applies it: offsets that the transaction committed become
// visible. It does not wait; done gets the outcome.
func (g *Groups) EndTxn(partition int32, producerID int64, epoch int16, end coord.EndTxn, done func(*kerr.Error)) {
	s, err := g.shardAt(partition)
	if err != nil {
		done(err)
		return
	}
	s.post(endTxnEvent(producerID, epoch, end), func(a answer) { done(a.err) })
}
