package topic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/registry/store"
)

// reader applies the records of the log to the state, in order.
type reader struct {
	log     *log
	logger  *slog.Logger
	skipped atomic.Int64

	// mu guards what follows. A look at the state may parse a schema and keep the outcome, so looks exclude each other.
	mu      sync.Mutex
	state   *store.State
	next    int64         // offset of the record that is applied next; -1 until the log's start is known
	changed chan struct{} // closed when next changes
	err     error         // of the last fetch
}

func newReader(l *log, logger *slog.Logger) *reader {
	return &reader{log: l, logger: logger, state: store.New(), next: -1, changed: make(chan struct{})}
}

func (r *reader) look(f func(*store.State)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r.state)
}

// change is look for a decision, which may prepare the state for what it decides.
func (r *reader) change(f func(*store.State)) { r.look(f) }

func (r *reader) trouble() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// wait returns when everything below an offset was applied.
func (r *reader) wait(ctx context.Context, offset int64) error {
	for {
		r.mu.Lock()
		next, changed := r.next, r.changed
		r.mu.Unlock()
		if next >= offset {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for offset %d of the log, %d is read: %w", offset, next, ctx.Err())
		}
	}
}

// run reads until ctx ends. A cluster that cannot be reached keeps what is known served.
func (r *reader) run(ctx context.Context) {
	quietEnd := int64(-1) // end of the log at which a fetch brought nothing
	for ctx.Err() == nil {
		var err error
		quietEnd, err = r.once(ctx, quietEnd)
		r.note(ctx, err)
		if err == nil {
			continue
		}
		if r.log.pause(ctx) != nil {
			return
		}
	}
}

// note keeps the error of a fetch for those who ask for the reader's health, and logs when it comes and goes.
func (r *reader) note(ctx context.Context, err error) {
	r.mu.Lock()
	before := r.err
	r.err = err
	r.mu.Unlock()
	switch {
	case ctx.Err() != nil:
	case err != nil && before == nil:
		r.logger.Warn("schema registry cannot read its topic; it serves what it knows", "topic", r.log.topic, "error", err)
	case err == nil && before != nil:
		r.logger.Info("schema registry reads its topic again", "topic", r.log.topic)
	}
}

func (r *reader) once(ctx context.Context, quietEnd int64) (int64, error) {
	r.mu.Lock()
	next := r.next
	r.mu.Unlock()
	if next < 0 {
		start, err := r.log.list(ctx, atStart)
		if err != nil {
			return -1, err
		}
		r.restart(start)
		next = start
	}
	p, err := r.log.fetch(ctx, next)
	if errors.Is(err, kerr.OffsetOutOfRange) {
		r.logger.Warn("the log of the schema registry no longer has what was read of it: it is read anew", "topic", r.log.topic, "offset", next)
		r.mu.Lock()
		r.next = -1
		r.mu.Unlock()
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	opts := kgo.ProcessFetchPartitionOpts{Offset: next, KeepControlRecords: true, Topic: r.log.topic}
	fetched, after := kgo.ProcessFetchPartition(opts, p, kgo.DefaultDecompressor(), nil)
	if fetched.Err != nil && len(fetched.Records) == 0 {
		return -1, fetched.Err
	}
	after = max(after, next)
	// Compaction may have taken the last records of a log: nothing comes, though the end lies further on. It was that far
	// before this fetch was sent, so what lies between is empty.
	if len(fetched.Records) == 0 && after == next && quietEnd > next {
		after = quietEnd
	}
	r.apply(fetched.Records, after)
	if len(fetched.Records) > 0 {
		return -1, nil
	}
	return p.HighWatermark, nil
}

// restart forgets everything and begins at the start of the log.
func (r *reader) restart(start int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = store.New()
	r.advance(start)
}

func (r *reader) apply(records []*kgo.Record, next int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range records {
		if k.Attrs.IsControl() {
			continue
		}
		if !r.state.Apply(store.Record{Key: k.Key, Value: k.Value}, k.Timestamp.UnixMilli()) {
			r.skipped.Add(1)
			r.logger.Warn("schema registry passes over a record that it does not understand", "topic", r.log.topic, "offset", k.Offset)
		}
	}
	r.advance(next)
}

// advance is called with the lock held.
func (r *reader) advance(next int64) {
	if r.next == next {
		return
	}
	r.next = next
	close(r.changed)
	r.changed = make(chan struct{})
}
