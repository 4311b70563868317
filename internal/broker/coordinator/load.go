package coordinator

import (
	"errors"
	"fmt"
	"time"

	"leat.dev/internal/coord"
	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

const (
	// loadChunk is how much log is read at a time.
	loadChunk = 5 << 20
	// maxBatchBytes bounds one batch's records decompressed. Logs written by
	// Kafka may be compressed (offsets.topic.compression.codec).
	maxBatchBytes = 256 << 20
)

// load replays the partition from log start to log end.
func (s *shard[E]) load() error {
	s.status.Store(int32(statusLoading))
	select {
	case s.c.loading <- struct{}{}:
		defer func() { <-s.c.loading }()
	case <-s.stop:
		return errStopped
	}
	began := s.c.o.Clock.Now()
	l := loader[E]{core: s.c.o.newMachine()}
	s.loads++
	start, end := s.log.StartOffset(), s.log.EndOffset()
	l.next = start
	for l.next < end {
		select {
		case <-s.stop:
			return errStopped
		default:
		}
		b, err := s.log.ReadBytes(l.next, loadChunk)
		if err != nil {
			return fmt.Errorf("reading at offset %d: %w", l.next, err)
		}
		before := l.next
		if err := l.replay(b); err != nil {
			return err
		}
		if l.next == before {
			return fmt.Errorf("no batch at offset %d, below the log end %d", before, end)
		}
	}
	s.core = l.core
	if end > start {
		// What was replayed may not be committed yet; replies wait for it too.
		s.launch(&flight[E]{last: end - 1})
	}
	took := s.c.o.Clock.Now().Sub(began)
	if report := s.c.o.onLoaded; report != nil {
		report(took, l.records)
	}
	if l.records > 0 {
		s.c.o.Logger.Info("coordinator loaded a partition",
			"kind", s.c.o.kind, "partition", s.partition, "epoch", s.epoch, "records", l.records, "took", took.Round(time.Microsecond))
	}
	if err := s.step(s.c.o.loaded); err != nil {
		return err
	}
	if err := s.flush(false); err != nil {
		return err
	}
	s.arm()
	s.report(s.core)
	return nil
}

// loader feeds log bytes to a state machine.
type loader[E any] struct {
	core    machine[E]
	next    int64 // the offset to go on from
	records int64
	d       compress.Decompressor
	it      batch.Iterator
}

// replay applies the whole batches of b; a batch cut off by its end is left for
// the next read.
func (l *loader[E]) replay(b []byte) error {
	for one, err := range batch.Split(b) {
		if errors.Is(err, batch.ErrShort) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("batch at offset %d: %w", l.next, err)
		}
		h := one.Header()
		if !one.VerifyCRC() {
			return fmt.Errorf("batch at offset %d: wrong checksum", h.BaseOffset)
		}
		l.it.Reset(one, &l.d, maxBatchBytes)
		for l.it.Next() {
			if err := l.apply(&h, l.it.Record()); err != nil {
				return fmt.Errorf("record at offset %d: %w", l.it.Record().Offset, err)
			}
		}
		if err := l.it.Err(); err != nil {
			return fmt.Errorf("batch at offset %d: %w", h.BaseOffset, err)
		}
		l.next = h.NextOffset()
	}
	return nil
}

func (l *loader[E]) apply(h *batch.Header, r *batch.Record) error {
	if r.Offset < l.next {
		return nil // below the log start, in the batch that holds it
	}
	l.records++
	if h.Control() {
		end, ok, err := batch.ParseEndTxn(*r)
		if ok {
			l.core.ReplayEndTxn(r.Offset, h.ProducerID, end.Commit)
		}
		return err
	}
	lr := coord.LogRecord{Offset: r.Offset, ProducerID: -1, ProducerEpoch: -1, Key: r.Key, Value: r.Value}
	if h.Transactional() {
		lr.ProducerID, lr.ProducerEpoch = h.ProducerID, h.ProducerEpoch
	}
	return l.core.Replay(lr)
}
