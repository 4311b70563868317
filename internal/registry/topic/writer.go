package topic

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/registry/store"
)

var (
	errFenced   = errors.New("a newer leader has taken the producer id over")
	errTooLarge = errors.New("the records are larger than the topic takes")
)

// writer appends to the log as the one producer of the group. It is used by whose turn it is.
type writer struct {
	log    *log
	group  string
	clock  clock.Clock
	logger *slog.Logger

	p    producer
	term term // in which p is the newest; the zero term if p is of no use
}

// ready reports whether the writer began in this term and nothing failed since.
func (w *writer) ready(t term) bool { return t.number != 0 && w.term == t }

// forget makes the next write begin anew: what became of the last one is not known.
func (w *writer) forget() { w.term = term{} }

// Times of begin.
const (
	transactionTimeout = time.Minute      // Kafka wants one; no transaction is ever open
	fenceTimeout       = 20 * time.Second // how long the cluster may take to have a coordinator of transactions
)

// begin takes a new epoch of the group's producer id. Clusters without a coordinator of transactions, or where this client
// may not use one, give an id of its own, which keeps duplicates out but no former leader: only the lease does then.
func (w *writer) begin(ctx context.Context) error {
	w.forget()
	name := "schema-registry-" + w.group
	bounded, cancel := context.WithTimeout(ctx, fenceTimeout)
	err := w.init(bounded, &name)
	cancel()
	if err != nil && ctx.Err() == nil {
		w.logger.Warn("the cluster gives the schema registry no transactional id, so only its lease keeps a former leader from writing",
			"transactional_id", name, "error", err)
		err = w.init(ctx, nil)
	}
	return err
}

func (w *writer) init(ctx context.Context, transactionalID *string) error {
	for {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID = transactionalID
		req.TransactionTimeoutMillis = int32(transactionTimeout.Milliseconds())
		req.ProducerID, req.ProducerEpoch = -1, -1
		resp, err := req.RequestWith(ctx, w.log.client)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if err == nil {
			w.p = producer{id: resp.ProducerID, epoch: resp.ProducerEpoch}
			return nil
		}
		if ctx.Err() != nil || !kerr.IsRetriable(err) && !errors.Is(err, kerr.ConcurrentTransactions) {
			return err
		}
		if err := w.log.pause(ctx); err != nil {
			return err
		}
	}
}

// append writes records as one batch and returns the offset of the first. A batch whose answer was lost is sent again: the
// broker knows it by its sequence.
func (w *writer) append(ctx context.Context, records []store.Record) (int64, error) {
	batch := w.p.batch(records, w.clock.Now().UnixMilli())
	for {
		timeout := DefaultTimeout
		if deadline, ok := ctx.Deadline(); ok {
			timeout = max(deadline.Sub(w.clock.Now()), time.Millisecond)
		}
		offset, err := w.log.produce(ctx, batch, int32(timeout.Milliseconds()))
		switch {
		case err == nil:
			w.p.sequence += int32(len(records))
			return offset, nil
		case errors.Is(err, kerr.InvalidProducerEpoch), errors.Is(err, kerr.ProducerFenced):
			return 0, errFenced
		case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
			return 0, errTooLarge
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case isAnswer(err) && !kerr.IsRetriable(err):
			return 0, err
		}
		if err := w.log.pause(ctx); err != nil {
			return 0, err
		}
	}
}
