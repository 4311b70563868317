package txn

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord"
)

// addPartitions makes partitions part of the transaction before anything is
// written to them.
func (s *Shard) addPartitions(ev AddPartitions) {
	t := s.byID[ev.TransactionalID]
	switch {
	case t == nil:
		s.reply(ev.ID, AddReply{Err: kerr.InvalidProducerIDMapping})
	case ev.VerifyOnly:
		s.verify(t, ev)
	case t.state.ending():
		// Looked at before the producer is: it may be the one that this end leads to.
		s.await(t, ev)
	default:
		s.reply(ev.ID, AddReply{Err: s.add(t, ev)})
	}
}

// verify is for producers that add their partitions themselves.
func (s *Shard) verify(t *transaction, ev AddPartitions) {
	var r AddReply
	switch r.Err = t.check(ev.Producer); {
	case r.Err != nil:
	case t.state.ending():
		s.await(t, ev)
		return
	default:
		for _, tp := range ev.Partitions {
			if _, ok := t.partitions[tp]; !ok {
				r.Missing = append(r.Missing, tp)
			}
		}
	}
	s.reply(ev.ID, r)
}

func (t *transaction) check(p Producer) *kerr.Error {
	switch {
	case p.ID != t.producer.ID:
		return kerr.InvalidProducerIDMapping
	case p.Epoch != t.producer.Epoch:
		return kerr.ProducerFenced
	}
	return nil
}

func (s *Shard) add(t *transaction, ev AddPartitions) *kerr.Error {
	if err := t.check(ev.Producer); err != nil {
		return err
	}
	if t.state == Ongoing && t.hasAll(ev.Partitions) {
		return nil
	}
	if t.recordBytes(ev.Partitions) > s.settings.MaxRecordBytes {
		return kerr.UnknownServerError
	}
	idle := t.state.idle()
	s.enter(t, Ongoing)
	if idle {
		t.started = t.updated
	}
	t.version = ev.Version
	for _, tp := range ev.Partitions {
		t.partitions[tp] = struct{}{}
	}
	s.write(t)
	return nil
}

// recordBytes bounds the size of the record with more partitions.
func (t *transaction) recordBytes(more []TopicPartition) int {
	const fixed, perPartition = 128, 16
	n := fixed + len(t.id)
	for tp := range t.partitions {
		n += perPartition + len(tp.Topic)
	}
	for _, tp := range more {
		n += perPartition + len(tp.Topic)
	}
	return n
}

// await keeps a request until the transaction before has ended, or its patience has.
func (s *Shard) await(t *transaction, ev AddPartitions) {
	if ev.Patience <= 0 {
		s.reply(ev.ID, AddReply{Err: kerr.ConcurrentTransactions})
		return
	}
	w := &waiter{event: ev}
	w.timeout = coord.NewTimer(func() {
		t.waiting = slices.DeleteFunc(t.waiting, func(o *waiter) bool { return o == w })
		s.reply(w.event.ID, AddReply{Err: kerr.ConcurrentTransactions})
	})
	t.waiting = append(t.waiting, w)
	s.after(w.timeout, ev.Patience)
}

// resume goes on with the requests that waited for the end.
func (s *Shard) resume(t *transaction) {
	waiting := t.waiting
	t.waiting = nil
	for _, w := range waiting {
		s.timers.Cancel(w.timeout)
		w.event.Patience = 0
		s.addPartitions(w.event)
	}
}
