package commitlog

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/wire/batch"
)

// producerBatches is how many of a producer's newest batches are remembered to
// recognise one that is sent again.
const producerBatches = 5

const noEpoch int16 = -1

// producerBatch is what is remembered of a batch.
type producerBatch struct {
	lastSequence int32
	offsetDelta  int32 // last offset - first offset
	lastOffset   int64
	timestamp    int64
}

func (b producerBatch) firstSequence() int32 { return subSequence(b.lastSequence, b.offsetDelta) }
func (b producerBatch) firstOffset() int64   { return b.lastOffset - int64(b.offsetDelta) }

// subSequence goes n back; sequences wrap from the largest int32 to 0.
func subSequence(seq, n int32) int32 {
	if seq >= n {
		return seq - n
	}
	return int32(int64(seq) - int64(n) + 1<<31)
}

// producer is the state of one producer id in this partition.
type producer struct {
	batches          [producerBatches]producerBatch // the newest last
	n                int8
	epoch            int16
	coordinatorEpoch int32
	timestamp        int64
	txnFirst         int64 // first offset of the open transaction, -1
}

func (p *producer) add(b producerBatch) {
	if p.n == producerBatches {
		copy(p.batches[:], p.batches[1:])
		p.n--
	}
	p.batches[p.n] = b
	p.n++
}

func (p *producer) lastSequence() int32 {
	if p.n == 0 {
		return -1
	}
	return p.batches[p.n-1].lastSequence
}

func (p *producer) setEpoch(epoch int16) {
	if p.epoch != epoch {
		p.epoch, p.n = epoch, 0
	}
}

// duplicate finds the remembered batch with exactly these sequences.
func (p *producer) duplicate(h *batch.Header) (producerBatch, bool) {
	if p.epoch != h.ProducerEpoch {
		return producerBatch{}, false
	}
	last := h.LastSequence()
	for _, b := range p.batches[:p.n] {
		if b.lastSequence == last && b.firstSequence() == h.BaseSequence {
			return b, true
		}
	}
	return producerBatch{}, false
}

// txnRange is a transaction that is open (last is -1), or complete but with a
// marker that is not replicated yet.
type txnRange struct {
	producerID  int64
	first, last int64
}

// producerTable is the state of all producers of a partition. It belongs to
// the writer; the transactions in it are also read when the high watermark
// moves and are guarded by Log.mu on top of that.
type producerTable struct {
	byID map[int64]*producer
	// open transactions, and those whose marker is at or above the high
	// watermark; both sorted by first offset.
	open      []txnRange
	completed []txnRange
	// verifying are the guards handed out for producers that are about to begin a
	// transaction; guards counts them.
	verifying map[int64]*verification
	guards    uint64
}

// check decides whether a data batch may be appended by a client. dup is set
// when it is one that was appended before.
func (t *producerTable) check(h *batch.Header, o AppendOptions) (dup producerBatch, isDup bool, err *AppendError) {
	p := t.byID[h.ProducerID]
	if p != nil {
		if b, ok := p.duplicate(h); ok {
			return b, true, nil
		}
	}
	if h.Transactional() && o.Verify {
		if err := t.checkVerified(h, o.Guard); err != nil {
			return dup, false, err
		}
		if err := t.checkVerifiedSequence(h); err != nil {
			return dup, false, err
		}
	}
	if p == nil {
		return producerBatch{}, false, nil
	}
	if h.ProducerEpoch < p.epoch {
		return dup, false, staleEpoch(h, p)
	}
	if err := p.checkSequence(h); err != nil {
		return dup, false, err
	}
	if p.txnFirst >= 0 && !h.Transactional() {
		return dup, false, refuse(kerr.InvalidTxnState,
			"producer %d wrote outside of its open transaction", h.ProducerID)
	}
	return dup, false, nil
}

// checkCoordinator is check for what a coordinator writes on behalf of a
// transactional producer: it carries no sequences.
func (t *producerTable) checkCoordinator(h *batch.Header, o AppendOptions) *AppendError {
	if p := t.byID[h.ProducerID]; p != nil && h.ProducerEpoch < p.epoch {
		return staleEpoch(h, p)
	}
	if h.Transactional() && o.Verify {
		return t.checkVerified(h, o.Guard)
	}
	return nil
}

func staleEpoch(h *batch.Header, p *producer) *AppendError {
	return refuse(kerr.InvalidProducerEpoch,
		"epoch %d of producer %d is older than %d", h.ProducerEpoch, h.ProducerID, p.epoch)
}

func (p *producer) checkSequence(h *batch.Header) *AppendError {
	if h.ProducerEpoch != p.epoch {
		if h.BaseSequence != 0 && p.epoch != noEpoch {
			return refuse(kerr.OutOfOrderSequenceNumber,
				"producer %d starts its new epoch %d with sequence %d", h.ProducerID, h.ProducerEpoch, h.BaseSequence)
		}
		return nil
	}
	last := p.lastSequence()
	// Sequence 0 follows both "no batch yet" and the largest one. A producer
	// known only by a marker (last is -1) has to start with 0.
	if h.BaseSequence == last+1 || last == 1<<31-1 && h.BaseSequence == 0 {
		return nil
	}
	return refuse(kerr.OutOfOrderSequenceNumber,
		"producer %d epoch %d sent sequence %d after %d", h.ProducerID, h.ProducerEpoch, h.BaseSequence, last)
}

// checkMarker decides whether a coordinator's marker may be appended. From
// protocol version 2 on a marker bears an epoch that no data had; one that repeats
// the known epoch is welcome only if it has nothing to end, as after a retry.
func (t *producerTable) checkMarker(h *batch.Header, m batch.EndTxn, version int16) *AppendError {
	p := t.byID[h.ProducerID]
	if p == nil {
		return nil
	}
	same := version >= 2 && h.ProducerEpoch == p.epoch && p.txnFirst >= 0 && h.ProducerEpoch != 1<<15-1
	if h.ProducerEpoch < p.epoch || same {
		return refuse(kerr.InvalidProducerEpoch,
			"marker with epoch %d of producer %d, which is at %d", h.ProducerEpoch, h.ProducerID, p.epoch)
	}
	if m.CoordinatorEpoch < p.coordinatorEpoch {
		return refuse(kerr.TransactionCoordinatorFenced,
			"marker from coordinator epoch %d, producer %d has seen %d", m.CoordinatorEpoch, h.ProducerID, p.coordinatorEpoch)
	}
	return nil
}

func (t *producerTable) get(id int64) *producer {
	p := t.byID[id]
	if p == nil {
		if t.byID == nil {
			t.byID = make(map[int64]*producer)
		}
		p = &producer{epoch: noEpoch, coordinatorEpoch: -1, timestamp: -1, txnFirst: -1}
		t.byID[id] = p
	}
	return p
}

// apply notes an appended data batch. opened tells that it began a transaction.
func (t *producerTable) apply(h *batch.Header) (opened bool) {
	p := t.get(h.ProducerID)
	p.setEpoch(h.ProducerEpoch)
	p.timestamp = h.MaxTimestamp
	if h.BaseSequence >= 0 {
		p.add(producerBatch{
			lastSequence: h.LastSequence(), offsetDelta: h.LastOffsetDelta,
			lastOffset: h.LastOffset(), timestamp: h.MaxTimestamp,
		})
	}
	if h.Transactional() {
		delete(t.verifying, h.ProducerID)
		if p.txnFirst < 0 {
			p.txnFirst = h.BaseOffset
			return true
		}
	}
	return false
}

// applyMarker notes an appended marker and returns the first offset of the
// transaction it ends, -1 if none was open.
func (t *producerTable) applyMarker(h *batch.Header, m batch.EndTxn, timestamp int64) int64 {
	p := t.get(h.ProducerID)
	first := p.txnFirst
	delete(t.verifying, h.ProducerID)
	p.setEpoch(h.ProducerEpoch)
	p.coordinatorEpoch = m.CoordinatorEpoch
	p.timestamp = timestamp
	p.txnFirst = -1
	return first
}

// begin and complete keep the ranges; Log.mu is held.
func (t *producerTable) begin(id, first int64) {
	t.open = append(t.open, txnRange{id, first, -1})
}

func (t *producerTable) complete(id, last int64) {
	i := slices.IndexFunc(t.open, func(r txnRange) bool { return r.producerID == id })
	if i < 0 {
		return
	}
	r := t.open[i]
	r.last = last
	t.open = slices.Delete(t.open, i, i+1)
	j, _ := slices.BinarySearchFunc(t.completed, r, func(a, b txnRange) int { return cmp.Compare(a.first, b.first) })
	t.completed = slices.Insert(t.completed, j, r)
}

// replicated drops the complete transactions whose marker is below the high watermark.
func (t *producerTable) replicated(highWatermark int64) {
	if len(t.completed) > 0 {
		t.completed = slices.DeleteFunc(t.completed, func(r txnRange) bool { return r.last < highWatermark })
	}
}

// firstUnstable is the least offset that a read_committed consumer may not see
// yet, -1 if transactions hold back nothing.
func (t *producerTable) firstUnstable() int64 {
	first := int64(-1)
	if len(t.open) > 0 {
		first = t.open[0].first
	}
	if len(t.completed) > 0 && (first < 0 || t.completed[0].first < first) {
		first = t.completed[0].first
	}
	return first
}

// lastStableAfter is the last stable offset that a marker at offset leads to:
// the next other open transaction, or what follows the marker.
func (t *producerTable) lastStableAfter(id, marker int64) int64 {
	for _, r := range t.open {
		if r.producerID != id {
			return min(r.first, marker+1)
		}
	}
	return marker + 1
}

// expired returns the producers silent since before the deadline without an
// open transaction.
func (t *producerTable) expire(now time.Time, after time.Duration) (n int) {
	deadline := now.UnixMilli() - after.Milliseconds()
	for id, p := range t.byID {
		if p.txnFirst < 0 && p.timestamp <= deadline {
			delete(t.byID, id)
			n++
		}
	}
	return n
}

// snapshot lists the producers, sorted by id.
func (t *producerTable) snapshot() []producerSnapshot {
	out := make([]producerSnapshot, 0, len(t.byID))
	for _, id := range slices.Sorted(maps.Keys(t.byID)) {
		p := t.byID[id]
		s := producerSnapshot{
			id: id, epoch: p.epoch, lastSequence: -1, lastOffset: -1, timestamp: p.timestamp,
			coordinatorEpoch: p.coordinatorEpoch, txnFirst: p.txnFirst,
		}
		if p.n > 0 {
			b := p.batches[p.n-1]
			s.lastSequence, s.lastOffset, s.offsetDelta = b.lastSequence, b.lastOffset, b.offsetDelta
		}
		out = append(out, s)
	}
	return out
}

// load replaces the table by a snapshot; producers that expired are left out.
func (t *producerTable) load(entries []producerSnapshot, now time.Time, after time.Duration) {
	*t = producerTable{guards: t.guards}
	deadline := now.UnixMilli() - after.Milliseconds()
	for _, s := range entries {
		if s.txnFirst < 0 && s.timestamp <= deadline {
			continue
		}
		p := t.get(s.id)
		p.epoch, p.coordinatorEpoch, p.timestamp, p.txnFirst = s.epoch, s.coordinatorEpoch, s.timestamp, s.txnFirst
		if s.lastSequence >= 0 {
			p.add(producerBatch{s.lastSequence, s.offsetDelta, s.lastOffset, s.timestamp})
		}
		if s.txnFirst >= 0 {
			t.open = append(t.open, txnRange{s.id, s.txnFirst, -1})
		}
	}
	slices.SortFunc(t.open, func(a, b txnRange) int { return cmp.Compare(a.first, b.first) })
}
