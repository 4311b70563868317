package commitlog

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/wire/batch"
)

// The first batch of a transaction in a partition must not land after the
// transaction has ended: nothing would end it any more, and no read_committed
// consumer would get past it. So before it is appended its producer's coordinator
// is asked whether the partition belongs to the open transaction. A guard is taken
// before asking and given back with the batch; a marker that comes between voids
// the guard (KIP-890).

// verification is a guard that was handed out for a producer.
type verification struct {
	guard  uint64
	epoch  int16
	lowest int32 // least sequence of the batches under verification, -1 without any
	txn2   bool
	since  time.Time
}

const (
	// maxVerifications is how many guards there may be before old ones are dropped.
	maxVerifications = 4096
	// verificationAge is when a guard is old: asking takes a moment.
	verificationAge = time.Minute
)

// StartVerification tells whether a producer's transactional batch that begins
// with this sequence (-1 if it has none) needs the word of its coordinator, and
// returns the guard to append it with. txnVersion is the producer's transaction
// protocol version.
func (l *Log) StartVerification(producerID int64, epoch int16, sequence int32, txnVersion int16) (guard uint64, needed bool) {
	l.appendMu.Lock()
	defer l.appendMu.Unlock()
	t := &l.producers
	if p := t.byID[producerID]; p != nil && p.txnFirst >= 0 && p.epoch == epoch {
		return 0, false
	}
	v := t.verifying[producerID]
	if v == nil {
		now := l.o.Clock.Now()
		t.dropVerifications(now)
		t.guards++
		v = &verification{guard: t.guards, epoch: epoch, lowest: sequence, txn2: txnVersion >= 2, since: now}
		if t.verifying == nil {
			t.verifying = map[int64]*verification{}
		}
		t.verifying[producerID] = v
	}
	switch {
	case epoch > v.epoch:
		v.epoch, v.lowest = epoch, sequence
	case epoch == v.epoch && sequence >= 0 && sequence < v.lowest:
		v.lowest = sequence
	}
	return v.guard, true
}

// dropVerifications forgets guards that were never used, once there are many.
func (t *producerTable) dropVerifications(now time.Time) {
	if len(t.verifying) < maxVerifications {
		return
	}
	for id, v := range t.verifying {
		if now.Sub(v.since) > verificationAge {
			delete(t.verifying, id)
		}
	}
}

// checkVerified refuses a transactional batch that begins a transaction here and
// was not verified since the last one ended.
func (t *producerTable) checkVerified(h *batch.Header, guard uint64) *AppendError {
	p := t.byID[h.ProducerID]
	if p != nil && h.ProducerEpoch < p.epoch {
		return staleEpoch(h, p)
	}
	if p != nil && p.txnFirst >= 0 && p.epoch == h.ProducerEpoch {
		return nil
	}
	if v := t.verifying[h.ProducerID]; v == nil || guard == 0 || v.guard != guard {
		return refuse(kerr.InvalidTxnState,
			"producer %d wrote to a transaction that was not verified to include this partition", h.ProducerID)
	}
	return nil
}

// checkVerifiedSequence keeps batches from overtaking: of those that wait for
// their verification the first must come first.
func (t *producerTable) checkVerifiedSequence(h *batch.Header) *AppendError {
	v := t.verifying[h.ProducerID]
	if v == nil || h.BaseSequence <= 0 {
		return nil
	}
	if v.txn2 && t.byID[h.ProducerID] == nil || h.BaseSequence > v.lowest {
		return refuse(kerr.OutOfOrderSequenceNumber,
			"producer %d epoch %d sent sequence %d before an earlier one", h.ProducerID, h.ProducerEpoch, h.BaseSequence)
	}
	return nil
}
