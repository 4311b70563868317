package txn

import "github.com/twmb/franz-go/pkg/kerr"

// endTransaction commits or aborts for a client. It is answered once the decision
// is committed; the markers follow.
func (s *Shard) endTransaction(ev EndTransaction) {
	producer, err := s.end(ev)
	if err != nil {
		producer = NoProducer
	}
	s.reply(ev.ID, ProducerReply{Err: err, Producer: producer})
}

func (s *Shard) end(ev EndTransaction) (Producer, *kerr.Error) {
	t := s.byID[ev.TransactionalID]
	if t == nil {
		return NoProducer, kerr.InvalidProducerIDMapping
	}
	if t.state.ending() {
		return NoProducer, t.endWhileEnding(ev)
	}
	retry := ev.repeats(t)
	switch {
	case ev.Producer.ID != t.producer.ID && !(retry && ev.Producer.ID == t.previousID):
		return NoProducer, kerr.InvalidProducerIDMapping
	case ev.Producer.Epoch != t.producer.Epoch && !retry:
		return NoProducer, kerr.ProducerFenced
	}
	d := decision{commit: ev.Commit, version: ev.Version}
	switch {
	case t.state == Ongoing:
		if retry {
			return NoProducer, kerr.ProducerFenced
		}
		return s.decideFor(t, d)
	case ev.Version >= 2 && !retry && !ev.Commit:
		// A transaction without partitions; the epoch moves all the same.
		d.empty = true
		return s.decideFor(t, d)
	case t.state == Empty:
		if retry {
			return NoProducer, kerr.ProducerFenced
		}
		return NoProducer, kerr.InvalidTxnState
	case (t.state == CompleteCommit) != ev.Commit, ev.Version >= 2 && !retry:
		return NoProducer, kerr.InvalidTxnState
	}
	return t.producer, nil // what this asks for has been done
}

// repeats tells whether a client of version 2 asks for an end a second time: it
// has the producer from before that end.
func (ev EndTransaction) repeats(t *transaction) bool {
	if ev.Version < 2 {
		return false
	}
	p := ev.Producer
	return p.ID == t.producer.ID && p.Epoch+1 == t.producer.Epoch ||
		p.ID == t.previousID && p.Epoch == exhaustedEpoch && t.producer.Epoch == 0
}

// endWhileEnding answers between a decision and the last marker.
func (t *transaction) endWhileEnding(ev EndTransaction) *kerr.Error {
	switch {
	case ev.Producer.ID != t.producer.ID && ev.Producer.ID != t.nextID:
		return kerr.InvalidProducerIDMapping
	case ev.Commit != (t.state == PrepareCommit) && (ev.repeats(t) || ev.Version < 2 && ev.Producer == t.producer):
		return kerr.InvalidTxnState
	}
	return kerr.ConcurrentTransactions
}

// decision is how a transaction ends.
type decision struct {
	commit  bool
	version int16 // protocol version of who decides
	// fence is set when the coordinator aborts, against the will of the client or
	// without knowing it.
	fence bool
	empty bool // no partition was added
}

// decideFor decides and returns the producer that the client goes on with.
func (s *Shard) decideFor(t *transaction, d decision) (Producer, *kerr.Error) {
	nextID := noID
	if d.version >= 2 && exhausted(t.producer.Epoch) {
		var err *kerr.Error
		if nextID, err = s.nextID(); err != nil {
			return NoProducer, err
		}
	}
	t.nextID = nextID
	s.decide(t, d)
	if nextID != noID {
		return Producer{ID: nextID}, nil
	}
	return t.producer, nil
}

// decide writes the decision. From then on the transaction has ended, and only
// the telling is left.
func (s *Shard) decide(t *transaction, d decision) {
	state := PrepareAbort
	if d.commit {
		state = PrepareCommit
	}
	s.enter(t, state)
	switch {
	case d.version >= 2:
		t.lastEpoch = t.producer.Epoch
		t.producer.Epoch = max(t.producer.Epoch, t.producer.Epoch+1) // stays at the largest
	case d.fence:
		t.lastEpoch = noEpoch
		t.producer.Epoch = max(t.producer.Epoch, t.producer.Epoch+1)
	}
	if d.empty {
		t.started = t.updated
	}
	t.version = d.version
	s.write(t)
	s.startMarking(t)
}
