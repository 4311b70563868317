package coordinator

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/commitlog"
	"leat.dev/internal/coord"
	"leat.dev/internal/wire/batch"
)

// batchOverhead is kept free in a batch for its header and for the framing of
// records beyond what each record is counted with.
const batchOverhead = 1 << 10

// minBatchBytes is assumed even if the topic is configured to less, which would
// leave no room for a group.
const minBatchBytes = 4 << 10

// recordOverhead bounds a record's own framing: length, attributes, timestamp and
// offset deltas, key and value lengths, header count.
const recordOverhead = 24

// flight is one batch of records with the replies that must not leave before it
// is committed.
type flight[E any] struct {
	records  []coord.Record
	bytes    int
	appended time.Time
	last     int64 // offset of the last record
	replies  []gated[E]
	sends    []any // leave with the commit
}

// gated is an answer that waits for a commit.
type gated[E any] struct {
	request  *request[E]
	response any
}

func (f *flight[E]) release() {
	for _, r := range f.replies {
		r.request.done(answer{response: r.response})
	}
	f.replies = nil
}

func (f *flight[E]) fail(err *kerr.Error) {
	for _, r := range f.replies {
		r.request.done(answer{err: err})
	}
	f.replies = nil
}

// expire fails the replies that have waited too long; those behind are younger.
func (f *flight[E]) expire(now time.Time) {
	for len(f.replies) > 0 && !f.replies[0].request.due.After(now) {
		f.replies[0].request.done(answer{err: errNotCommitted})
		f.replies = f.replies[1:]
	}
}

// step lets the state machine handle an event, and gathers its records and
// replies.
func (s *shard[E]) step(ev E) error {
	now := s.c.o.Clock.Now()
	fx := s.core.Step(now, ev)
	s.wakeup = fx.Wakeup
	if fx.Txn != nil {
		refused, err := s.appendTxn(now, fx)
		if err != nil {
			return err
		}
		if refused != nil {
			for _, r := range fx.Replies {
				s.answer(r.ID, answer{err: refused})
			}
			return nil
		}
	} else if err := s.gather(fx); err != nil {
		return err
	}
	for _, r := range fx.Replies {
		s.gate(now, r)
	}
	s.gateSends(fx.Sends)
	return nil
}

// gather adds a step's records to the open batch. A full batch is appended at
// once, whatever is in flight.
func (s *shard[E]) gather(fx coord.Effects) error {
	limit := s.c.recordBytes()
	if fx.Atomic && s.open != nil {
		total := 0
		for _, r := range fx.Records {
			total += recordBytes(r)
		}
		if s.open.bytes+total > limit {
			if err := s.flush(true); err != nil {
				return err
			}
		}
	}
	for _, r := range fx.Records {
		n := recordBytes(r)
		if !fx.Atomic && s.open != nil && s.open.bytes+n > limit {
			if err := s.flush(true); err != nil {
				return err
			}
		}
		if s.open == nil {
			s.open = &flight[E]{}
		}
		s.open.records = append(s.open.records, r)
		s.open.bytes += n
	}
	return nil
}

func recordBytes(r coord.Record) int { return recordOverhead + len(r.Key) + len(r.Value) }

// gate lets a reply go when everything written so far is committed: at once, or
// with the youngest batch.
func (s *shard[E]) gate(now time.Time, r coord.Reply) {
	youngest := s.youngest()
	if youngest == nil {
		s.answer(r.ID, answer{response: r.Response})
		return
	}
	req := s.waiting[r.ID]
	delete(s.waiting, r.ID)
	if req == nil {
		return
	}
	req.due = now.Add(s.c.o.CommitTimeout)
	youngest.replies = append(youngest.replies, gated[E]{req, r.Response})
}

// answer lets a reply go at once.
func (s *shard[E]) answer(id coord.RequestID, a answer) {
	if req := s.waiting[id]; req != nil {
		delete(s.waiting, id)
		req.done(a)
	}
}

// youngest is the batch that is committed last, nil if all are.
func (s *shard[E]) youngest() *flight[E] {
	if s.open == nil && len(s.inFlight) > 0 {
		return s.inFlight[len(s.inFlight)-1]
	}
	return s.open
}

// gateSends is gate for messages. They do not expire: an end of a wait is no news
// about the commit.
func (s *shard[E]) gateSends(messages []any) {
	if len(messages) == 0 {
		return
	}
	if youngest := s.youngest(); youngest != nil {
		youngest.sends = append(youngest.sends, messages...)
		return
	}
	s.send(messages)
}

func (s *shard[E]) send(messages []any) {
	load := s.loads
	for _, m := range messages {
		if p, ok := m.(coord.Prune); ok {
			s.prune(p.Before)
			continue
		}
		s.c.o.send(s.epoch, m, func(ev E) { s.tellLoad(ev, load) })
	}
}

// flush appends the open batch if nothing is in flight, or if forced: as long as
// a commit is under way records gather, so that the busier a partition is the
// larger its batches are.
func (s *shard[E]) flush(force bool) error {
	f := s.open
	if f == nil || len(s.inFlight) > 0 && !force {
		return nil
	}
	s.open = nil
	f.appended = s.c.o.Clock.Now()
	b, err := s.batches.build(f.records, f.appended.UnixMilli(), nil)
	if err == nil {
		f.last, err = s.log.Append(b, TxnAppend{})
	}
	if err != nil {
		f.fail(appendError(err))
		return err
	}
	if a, ok := s.core.(interface {
		Appended(first int64, records []coord.Record)
	}); ok {
		a.Appended(f.last-int64(len(f.records))+1, f.records)
	}
	f.records = nil
	s.launch(f)
	return nil
}

// prune cuts off the log what the state machine has no use for. It is upkeep: what
// cannot be cut off now is asked for again later.
func (s *shard[E]) prune(before int64) {
	l, ok := s.log.(interface{ Prune(before int64) error })
	if !ok {
		return
	}
	if err := l.Prune(before); err != nil {
		s.c.o.Logger.Warn("the log of a coordinator could not be cut off",
			"kind", s.c.o.kind, "partition", s.partition, "before", before, "err", err)
	}
}

// appendTxn appends a transactional producer's records, or its marker, in a batch
// of its own, and applies them as a replay of the log would. The log may refuse
// the batch: then nothing has changed.
func (s *shard[E]) appendTxn(now time.Time, fx coord.Effects) (refused *kerr.Error, err error) {
	if err := s.flush(true); err != nil {
		return nil, err
	}
	t := fx.Txn
	how := TxnAppend{Verify: t.Verify && t.End == nil, Guard: t.Guard}
	var b batch.Batch
	if t.End != nil {
		how.Version = t.End.TxnVersion
		b = batch.EndTxnMarker(t.ProducerID, t.ProducerEpoch, t.End.CoordinatorEpoch, t.End.Commit, now.UnixMilli(), 0)
	} else if b, err = s.batches.build(fx.Records, now.UnixMilli(), &batch.Producer{ID: t.ProducerID, Epoch: t.ProducerEpoch, BaseSequence: -1}); err != nil {
		return nil, err
	}
	f := &flight[E]{appended: now}
	f.last, err = s.log.Append(b, how)
	var refusal *commitlog.AppendError
	if errors.As(err, &refusal) {
		return coordinatorCode(refusal.Code), nil
	}
	if err != nil {
		return nil, err
	}
	if t.End != nil {
		s.core.ReplayEndTxn(f.last, t.ProducerID, t.End.Commit)
	}
	first := f.last - int64(len(fx.Records)) + 1
	for i, r := range fx.Records {
		lr := coord.LogRecord{Offset: first + int64(i), ProducerID: t.ProducerID, ProducerEpoch: t.ProducerEpoch, Key: r.Key, Value: r.Value}
		if err := s.core.Replay(lr); err != nil {
			return nil, err
		}
	}
	s.launch(f)
	return nil, nil
}

// launch waits for a batch's commit.
func (s *shard[E]) launch(f *flight[E]) {
	s.inFlight = append(s.inFlight, f)
	s.log.OnCommitted(f.last, func(err error) {
		s.mu.Lock()
		s.inbox.commits = append(s.inbox.commits, commit[E]{f, err})
		s.mu.Unlock()
		s.poke()
	})
}

// find returns a batch's place among those in flight, -1 if it is not there.
func (s *shard[E]) find(f *flight[E]) int {
	for i, other := range s.inFlight {
		if other == f {
			return i
		}
	}
	return -1
}

// committed releases a batch and all before it: the high watermark passed them
// first, whatever the order of the callbacks.
func (s *shard[E]) committed(f *flight[E]) {
	now := s.c.o.Clock.Now()
	for i := range s.find(f) + 1 {
		done := s.inFlight[i]
		if report := s.c.o.onCommitted; report != nil && !done.appended.IsZero() {
			report(now.Sub(done.appended), len(done.replies))
		}
		done.release()
		s.send(done.sends)
	}
	s.inFlight = append([]*flight[E](nil), s.inFlight[s.find(f)+1:]...)
}

// batchBuilder makes record batches in memory that it keeps.
type batchBuilder struct{ b *batch.Builder }

// build makes a batch, with a producer a transactional one.
func (bb *batchBuilder) build(records []coord.Record, timestamp int64, producer *batch.Producer) (batch.Batch, error) {
	o := batch.BuilderOptions{Producer: producer, Transactional: producer != nil}
	if bb.b == nil {
		bb.b = batch.NewBuilder(o)
	} else {
		bb.b.Reset(o)
	}
	for _, r := range records {
		bb.b.Append(timestamp, r.Key, r.Value, nil)
	}
	return bb.b.Finish()
}
