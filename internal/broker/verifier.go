package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/broker/coordinator"
	"leat.dev/internal/broker/replica"
	"leat.dev/internal/coord/txn"
)

// verifier sees to it that a producer's transaction includes the partitions that are about to be written to. For a
// producer of the newer protocol it adds them, for an older one it asks.
type verifier struct {
	txns       *coordinator.Txns
	newer      bool
	id         string // transactional id
	producer   txn.Producer
	partitions []toVerify
}

// toVerify is a partition with what came of it: a guard to append with, 0 if the transaction is open there already, or
// why it may not be written to.
type toVerify struct {
	partition *replica.Partition
	sequence  int32 // of the batch, -1 if it has none

	guard   uint64
	missing bool // not part of the transaction
	err     *kerr.Error
	settled bool
}

// verifyRounds bounds how often the coordinator is asked. Once is enough but when a marker of the transaction before
// voids a guard meanwhile, and of those there is one.
const verifyRounds = 3

func (v *verifier) run(ctx context.Context) {
	for range verifyRounds {
		if !v.round(ctx) {
			return
		}
	}
	for i := range v.partitions {
		if p := &v.partitions[i]; !p.settled {
			p.err = kerr.ConcurrentTransactions
		}
	}
}

// round asks about all partitions that are not settled, and tells whether any is left. A guard counts only if it was
// taken before the asking and still stands after it.
func (v *verifier) round(ctx context.Context) (again bool) {
	ev := txn.AddPartitions{
		TransactionalID: v.id, Producer: v.producer, VerifyOnly: !v.newer, Version: protocolVersion(v.newer),
	}
	if v.newer {
		// What the partition knows of an older producer's transaction may be the one before, with the same epoch:
		// a guard that waits for its end is void.
		ev.Patience = txnPatience
	}
	var asked []*toVerify
	for i := range v.partitions {
		p := &v.partitions[i]
		if p.settled {
			continue
		}
		guard, needed := v.start(p)
		if !needed {
			p.guard, p.settled = 0, true
			continue
		}
		p.guard = guard
		asked = append(asked, p)
		ev.Partitions = append(ev.Partitions, txn.TopicPartition{Topic: p.partition.Topic().Name, Partition: p.partition.Index()})
	}
	if len(asked) == 0 {
		return false
	}
	reply := v.txns.AddPartitions(ctx, ev)
	missing := map[txn.TopicPartition]bool{}
	for _, tp := range reply.Missing {
		missing[tp] = true
	}
	for i, p := range asked {
		p.missing, p.err = missing[ev.Partitions[i]], reply.Err
		if p.settled = p.missing || p.err != nil; p.settled {
			continue
		}
		guard, needed := v.start(p)
		p.settled = needed && guard == p.guard
		again = again || !p.settled
	}
	return again
}

func (v *verifier) start(p *toVerify) (guard uint64, needed bool) {
	return p.partition.Log().StartVerification(v.producer.ID, v.producer.Epoch, p.sequence, protocolVersion(v.newer))
}

// protocolVersion is that of a producer that leaves the adding of partitions to the brokers, or of one that does not.
func protocolVersion(newer bool) int16 {
	if newer {
		return 2
	}
	return 0
}
