package txn

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// initProducer gives a transactional id its producer, and fences who had it
// before. An open transaction is aborted first: the client is told to come back.
func (s *Shard) initProducer(ev InitProducer) {
	producer, err := s.initTransaction(ev)
	if err != nil {
		producer = NoProducer
	}
	s.reply(ev.ID, ProducerReply{Err: err, Producer: producer})
}

func (s *Shard) initTransaction(ev InitProducer) (Producer, *kerr.Error) {
	if timeout := time.Duration(ev.TimeoutMillis) * time.Millisecond; timeout <= 0 || timeout > s.settings.MaxTimeout {
		return NoProducer, kerr.InvalidTransactionTimeout
	}
	t := s.byID[ev.TransactionalID]
	switch {
	case t == nil:
		return s.newTransaction(ev)
	case t.state.ending():
		return NoProducer, kerr.ConcurrentTransactions
	case ev.Expected != NoProducer && !t.knows(ev.Expected):
		return NoProducer, kerr.ProducerFenced
	case t.state == Ongoing:
		if err := s.fence(t); err != nil {
			return NoProducer, err
		}
		return NoProducer, kerr.ConcurrentTransactions
	case exhausted(t.producer.Epoch) && (ev.Expected == NoProducer || ev.Expected.Epoch == t.producer.Epoch):
		return s.rotate(t, ev)
	}
	return s.bump(t, ev)
}

// newTransaction starts with an id nobody used. Whatever producer the client has
// in mind is forgotten here, so it gets a new one.
func (s *Shard) newTransaction(ev InitProducer) (Producer, *kerr.Error) {
	id, err := s.nextID()
	if err != nil {
		return NoProducer, err
	}
	t := &transaction{
		id: ev.TransactionalID, producer: Producer{ID: id}, nextID: noID, lastEpoch: noEpoch,
		timeoutMillis: ev.TimeoutMillis, state: UnknownState, partitions: map[TopicPartition]struct{}{}, started: -1,
	}
	s.byID[t.id] = t
	s.enter(t, Empty)
	s.write(t)
	return t.producer, nil
}

// knows tells whether a client may hold this producer: the current one, or the one
// before if it ran out of epochs and the answer with the new one was lost.
func (t *transaction) knows(p Producer) bool {
	return p.ID == t.producer.ID || p.ID == t.previousID && exhausted(p.Epoch)
}

// bump gives the next epoch. A client that says which epoch it has gets the same
// answer again if it asks twice.
func (s *Shard) bump(t *transaction, ev InitProducer) (Producer, *kerr.Error) {
	last := t.lastEpoch
	next := t.producer.Epoch
	switch {
	case ev.Expected == NoProducer:
		last, next = noEpoch, next+1
	case ev.Expected.Epoch == t.producer.Epoch:
		last, next = t.producer.Epoch, next+1
	case last == noEpoch || ev.Expected.Epoch != last:
		return NoProducer, kerr.ProducerFenced
	}
	s.enter(t, Empty)
	t.producer.Epoch, t.lastEpoch = next, last
	s.start(t, ev)
	return t.producer, nil
}

// rotate replaces a producer id that is out of epochs.
func (s *Shard) rotate(t *transaction, ev InitProducer) (Producer, *kerr.Error) {
	id, err := s.nextID()
	if err != nil {
		return NoProducer, err
	}
	s.enter(t, Empty)
	t.lastEpoch = noEpoch
	if ev.Expected != NoProducer {
		t.lastEpoch = t.producer.Epoch
	}
	t.producer = Producer{ID: id}
	s.start(t, ev)
	return t.producer, nil
}

// start writes what InitProducerId leaves behind: no transaction.
func (s *Shard) start(t *transaction, ev InitProducer) {
	t.timeoutMillis = ev.TimeoutMillis
	t.started = -1
	clear(t.partitions)
	s.write(t)
}

// fence aborts an open transaction under an epoch that no client has. If that is
// the last there is, the one that comes next has a new producer id.
func (s *Shard) fence(t *transaction) *kerr.Error {
	_, err := s.decideFor(t, decision{version: s.settings.Version, fence: true})
	return err
}
