package broker

import (
	"context"
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/broker/transport"
	"leat.dev/internal/coord/txn"
	"leat.dev/internal/wire/batch"
)

// txnCheck is what is known of one partition of a transactional request before anything is appended.
type txnCheck struct {
	verify bool   // the log is to look at the guard
	guard  uint64 // 0 if the partition is in the transaction already
	err    *kerr.Error
}

// batchProducer reads the producer's fields of a batch header.
func batchProducer(records []byte) (p txn.Producer, sequence int32) {
	return txn.Producer{ID: int64(binary.BigEndian.Uint64(records[43:])), Epoch: int16(binary.BigEndian.Uint16(records[51:]))},
		int32(binary.BigEndian.Uint32(records[53:]))
}

// verify sees to it that the producer's transaction includes all partitions of the request: newer producers have them
// added that way, for older ones the coordinator is asked. Most requests write to partitions that have the transaction
// open already, and ask nothing. Otherwise the connection's reader waits here, because what the client sent next must
// not overtake this.
func (s *produceState) verify(c *transport.Call) *kerr.Error {
	newer := c.Version >= 12
	enabled := newer || s.broker.verifiesTransactions()
	v := verifier{txns: s.broker.txns, newer: newer, id: string(s.req.TransactionID), producer: txn.NoProducer}
	var places []int // of v's partitions in s.checks
	for i := range s.req.Topics {
		topic := s.topic(c, i)
		for j := range s.req.Topics[i].Partitions {
			in := &s.req.Topics[i].Partitions[j]
			s.checks = append(s.checks, txnCheck{})
			if len(in.Records) < batch.HeaderSize || !transactional(in.Records) {
				continue
			}
			producer, sequence := batchProducer(in.Records)
			if v.producer != txn.NoProducer && v.producer.ID != producer.ID {
				return kerr.InvalidProducerIDMapping
			}
			v.producer = producer
			s.checks[len(s.checks)-1].verify = enabled
			if topic == nil || !enabled {
				continue
			}
			if partition, err := topic.Leading(in.Index); err == nil { // otherwise the append says so
				v.partitions = append(v.partitions, toVerify{partition: partition, sequence: sequence})
				places = append(places, len(s.checks)-1)
			}
		}
	}
	// The wait is bounded by the patience and by the coordinator's own timeout.
	v.run(context.Background())
	for k, place := range places {
		check, p := &s.checks[place], &v.partitions[k]
		check.guard = p.guard
		switch {
		case p.missing:
			check.err = notInTransaction(c.Version)
		case p.err != nil:
			check.err = verificationError(p.err, newer, kerr.NotEnoughReplicas)
		}
	}
	return nil
}

// notInTransaction is the error for a transactional batch of a producer whose transaction does not include the
// partition.
func notInTransaction(version int16) *kerr.Error {
	if version >= 11 {
		return kerr.TransactionAbortable
	}
	return kerr.InvalidTxnState
}
