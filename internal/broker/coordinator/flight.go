package coordinator

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord/group"
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
type flight struct {
	records  []group.Record
	bytes    int
	appended time.Time
	last     int64 // offset of the last record
	replies  []gated
}

// gated is an answer that waits for a commit.
type gated struct {
	request  *request
	response any
}

func (f *flight) release() {
	for _, r := range f.replies {
		r.request.reply <- answer{response: r.response}
	}
	f.replies = nil
}

func (f *flight) fail(err *kerr.Error) {
	for _, r := range f.replies {
		r.request.reply <- answer{err: err}
	}
	f.replies = nil
}

// expire fails the replies that have waited too long; those behind are younger.
func (f *flight) expire(now time.Time) {
	for len(f.replies) > 0 && !f.replies[0].request.due.After(now) {
		f.replies[0].request.reply <- answer{err: errNotCommitted}
		f.replies = f.replies[1:]
	}
}

// step lets the state machine handle an event, and gathers its records and
// replies.
func (s *shard) step(ev group.Event) error {
	now := s.g.o.Clock.Now()
	fx := s.core.Step(now, ev)
	s.wakeup = fx.Wakeup
	if err := s.gather(fx); err != nil {
		return err
	}
	for _, r := range fx.Replies {
		s.gate(now, r)
	}
	return nil
}

// gather adds a step's records to the open batch. A full batch is appended at
// once, whatever is in flight.
func (s *shard) gather(fx group.Effects) error {
	limit := s.g.recordBytes()
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
			s.open = &flight{}
		}
		s.open.records = append(s.open.records, r)
		s.open.bytes += n
	}
	return nil
}

func recordBytes(r group.Record) int { return recordOverhead + len(r.Key) + len(r.Value) }

// gate lets a reply go when everything written so far is committed: at once, or
// with the youngest batch.
func (s *shard) gate(now time.Time, r group.Reply) {
	req := s.waiting[r.ID]
	delete(s.waiting, r.ID)
	if req == nil {
		return
	}
	youngest := s.open
	if youngest == nil && len(s.inFlight) > 0 {
		youngest = s.inFlight[len(s.inFlight)-1]
	}
	if youngest == nil {
		req.reply <- answer{response: r.Response}
		return
	}
	req.due = now.Add(s.g.o.CommitTimeout)
	youngest.replies = append(youngest.replies, gated{req, r.Response})
}

// flush appends the open batch if nothing is in flight, or if forced: as long as
// a commit is under way records gather, so that the busier a partition is the
// larger its batches are.
func (s *shard) flush(force bool) error {
	f := s.open
	if f == nil || len(s.inFlight) > 0 && !force {
		return nil
	}
	s.open = nil
	f.appended = s.g.o.Clock.Now()
	b, err := s.batches.build(f.records, f.appended.UnixMilli())
	if err == nil {
		f.last, err = s.log.Append(b)
	}
	if err != nil {
		f.fail(appendError(err))
		return err
	}
	f.records = nil
	s.launch(f)
	return nil
}

// launch waits for a batch's commit.
func (s *shard) launch(f *flight) {
	s.inFlight = append(s.inFlight, f)
	s.log.OnCommitted(f.last, func(err error) {
		s.mu.Lock()
		s.inbox.commits = append(s.inbox.commits, commit{f, err})
		s.mu.Unlock()
		s.poke()
	})
}

// find returns a batch's place among those in flight, -1 if it is not there.
func (s *shard) find(f *flight) int {
	for i, other := range s.inFlight {
		if other == f {
			return i
		}
	}
	return -1
}

// committed releases a batch and all before it: the high watermark passed them
// first, whatever the order of the callbacks.
func (s *shard) committed(f *flight) {
	now := s.g.o.Clock.Now()
	for i := range s.find(f) + 1 {
		done := s.inFlight[i]
		if m := s.g.o.Metrics; m.Committed != nil && !done.appended.IsZero() {
			m.Committed(now.Sub(done.appended), len(done.replies))
		}
		done.release()
	}
	s.inFlight = append([]*flight(nil), s.inFlight[s.find(f)+1:]...)
}

// batchBuilder makes record batches in memory that it keeps.
type batchBuilder struct{ b *batch.Builder }

func (bb *batchBuilder) build(records []group.Record, timestamp int64) (batch.Batch, error) {
	if bb.b == nil {
		bb.b = batch.NewBuilder(batch.BuilderOptions{})
	} else {
		bb.b.Reset(batch.BuilderOptions{})
	}
	for _, r := range records {
		bb.b.Append(timestamp, r.Key, r.Value, nil)
	}
	return bb.b.Finish()
}
