package txn

import (
	"maps"

	"leat.dev/internal/coord"
)

// startMarking has the decision told to all partitions; without any the
// transaction is over at once.
func (s *Shard) startMarking(t *transaction) {
	t.unmarked, t.retries = maps.Clone(t.partitions), 0
	if len(t.unmarked) == 0 {
		s.complete(t)
		return
	}
	s.mark(t)
}

func (s *Shard) mark(t *transaction) {
	s.rounds++
	t.round = s.rounds
	s.fx.Sends = append(s.fx.Sends, Markers{
		TransactionalID: t.id,
		Producer:        t.producer,
		End:             coord.EndTxn{Commit: t.state == PrepareCommit, TxnVersion: t.version},
		Partitions:      sortedPartitions(t.unmarked),
		Round:           t.round,
	})
}

// maxRetryDoublings bounds the pause between markers to a partition that stays
// unavailable: each is twice as long as the one before, up to 16 times the first.
const maxRetryDoublings = 4

// marked notes which partitions have their marker. Those that could not take it
// get it again, after a pause.
func (s *Shard) marked(ev Marked) {
	t := s.byID[ev.TransactionalID]
	if t == nil || !t.state.ending() || t.round != ev.Round || ev.Fenced {
		return
	}
	clear(t.unmarked)
	for _, tp := range ev.Retry {
		t.unmarked[tp] = struct{}{}
	}
	if len(t.unmarked) == 0 {
		s.complete(t)
		return
	}
	if t.retry == nil {
		t.retry = coord.NewTimer(func() { s.mark(t) })
	}
	pause := s.settings.MarkerRetry << min(t.retries, maxRetryDoublings)
	t.retries++
	s.after(t.retry, pause)
}

// complete ends a transaction all of whose partitions know it.
func (s *Shard) complete(t *transaction) {
	state := CompleteAbort
	if t.state == PrepareCommit {
		state = CompleteCommit
	}
	s.enter(t, state)
	if t.version >= 2 && t.nextID != noID {
		t.producer = Producer{ID: t.nextID}
	}
	t.nextID = noID
	clear(t.partitions)
	t.unmarked = nil
	s.write(t)
	s.resume(t)
}
