package broker

import (
	"context"
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/broker/replica"
	"leat.dev/internal/broker/transport"
	"leat.dev/internal/coord/txn"
	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/produce"
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
	ev := txn.AddPartitions{
		TransactionalID: string(s.req.TransactionID),
		Producer:        txn.NoProducer,
		VerifyOnly:      !newer,
		Version:         protocolVersion(newer),
		Patience:        txnPatience,
	}
	var asked []int // places of ev.Partitions in s.checks
	for i := range s.req.Topics {
		topic := s.topic(c, i)
		for j := range s.req.Topics[i].Partitions {
			in := &s.req.Topics[i].Partitions[j]
			s.checks = append(s.checks, txnCheck{})
			if len(in.Records) < batch.HeaderSize || !transactional(in.Records) {
				continue
			}
			producer, sequence := batchProducer(in.Records)
			if ev.Producer != txn.NoProducer && ev.Producer.ID != producer.ID {
				return kerr.InvalidProducerIDMapping
			}
			ev.Producer = producer
			check := &s.checks[len(s.checks)-1]
			if check.verify = enabled; !enabled {
				continue
			}
			if guard, needed := startVerification(topic, in, producer, sequence, newer); needed {
				check.guard = guard
				asked = append(asked, len(s.checks)-1)
				ev.Partitions = append(ev.Partitions, txn.TopicPartition{Topic: topic.Name, Partition: in.Index})
			}
		}
	}
	if len(asked) == 0 {
		return nil
	}
	// The wait is bounded by the patience and by the coordinator's own timeout.
	reply := s.broker.txns.AddPartitions(context.Background(), ev)
	missing := map[txn.TopicPartition]bool{}
	for _, tp := range reply.Missing {
		missing[tp] = true
	}
	for k, place := range asked {
		switch {
		case reply.Err != nil:
			s.checks[place].err = verificationError(reply.Err, newer, kerr.NotEnoughReplicas)
		case missing[ev.Partitions[k]]:
			s.checks[place].err = notInTransaction(c.Version)
		}
	}
	return nil
}

func startVerification(topic *replica.Topic, in *produce.Partition, p txn.Producer, sequence int32, newer bool) (uint64, bool) {
	if topic == nil {
		return 0, false
	}
	partition, err := topic.Leading(in.Index)
	if err != nil {
		return 0, false // the append says so
	}
	return partition.Log().StartVerification(p.ID, p.Epoch, sequence, protocolVersion(newer))
}

// notInTransaction is the error for a transactional batch of a producer whose transaction does not include the
// partition.
func notInTransaction(version int16) *kerr.Error {
	if version >= 11 {
		return kerr.TransactionAbortable
	}
	return kerr.InvalidTxnState
}
