package broker

import (
	"context"
	"regexp"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/coordinator"
	"leat.dev/internal/coord/txn"
)

// handleListTransactions lists the transactional ids that pass all filters of the request.
func (b *Broker) handleListTransactions(ctx context.Context, r *Request, req *kmsg.ListTransactionsRequest) kmsg.Response {
	resp := kmsg.NewPtrListTransactionsResponse()
	f := coordinator.TxnFilter{ProducerIDs: req.ProducerIDFilters, RunningMillis: -1}
	for _, name := range req.StateFilters {
		state, ok := txn.ParseState(name)
		if !ok {
			resp.UnknownStateFilters = append(resp.UnknownStateFilters, name)
		}
		f.States = append(f.States, state)
	}
	if r.Version >= 1 {
		f.RunningMillis = req.DurationFilterMillis
	}
	if p := req.TransactionalIDPattern; r.Version >= 2 && p != nil && *p != "" {
		var err error
		if f.Pattern, err = regexp.Compile("^(?:" + *p + ")$"); err != nil {
			resp.ErrorCode = kerr.InvalidRegularExpression.Code
			return resp
		}
	}
	all, err := b.txns.List(ctx, f)
	if err != nil {
		resp.ErrorCode = err.Code
		return resp
	}
	for _, l := range all {
		s := kmsg.NewListTransactionsResponseTransactionState()
		s.TransactionalID, s.ProducerID, s.TransactionState = l.TransactionalID, l.ProducerID, l.State.String()
		resp.TransactionStates = append(resp.TransactionStates, s)
	}
	return resp
}
