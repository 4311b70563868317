package produce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/record"
	"leat.dev/internal/cli/screen"
)

// sender hands records to the client and keeps account of what was acknowledged.
type sender struct {
	env    *command.Env
	client *command.Client
	o      options
	p      *plan
	topic  string
	start  time.Time
	sent   int64
	bytes  int64

	mu      sync.Mutex // guards what acknowledgements change
	acked   int64
	failure error
	failed  chan struct{} // closed when failure is set
	line    []byte
}

func newSender(env *command.Env, client *command.Client, o options, p *plan, topic string) *sender {
	return &sender{env: env, client: client, o: o, p: p, topic: topic, start: time.Now(), failed: make(chan struct{})}
}

// errStopped ends reading after a failed record; the failure itself is reported by finish.
var errStopped = errors.New("stopped")

// read sends everything that the flags, files or standard input hold.
func (s *sender) read(ctx context.Context, files []string) error {
	if s.o.valueSet || s.o.tombstone && s.o.keySet {
		return s.single(ctx)
	}
	if len(files) == 0 {
		if s.env.InTerminal {
			s.env.Notef("one record per line; Ctrl-D ends")
		}
		return s.stream(ctx, "standard input", s.env.In, nil)
	}
	var total int64
	for _, name := range files {
		if info, err := os.Stat(name); err == nil {
			total += info.Size()
		}
	}
	bar := s.env.Progress("producing", total, true)
	defer bar.Done()
	for _, name := range files {
		if name == "-" {
			if err := s.stream(ctx, "standard input", s.env.In, nil); err != nil {
				return err
			}
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			return fault.Failed("cannot read %s", name).WithDetail("%v", fault.PathCause(err))
		}
		err = s.stream(ctx, name, f, bar)
		_ = f.Close() // only read from
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *sender) single(ctx context.Context) error {
	r := &kgo.Record{Partition: -1}
	var err error
	if s.o.valueSet {
		if r.Value, err = s.p.format.Value.Decode([]byte(s.o.value)); err != nil {
			return fault.Usage("--value %q is %w", s.o.value, err)
		}
	}
	return s.send(ctx, r)
}

// stream sends the records of one input. The reading goroutine hands over records one at a time, because a read
// from a terminal or a pipe cannot be interrupted; if it is abandoned it ends with the process.
func (s *sender) stream(ctx context.Context, name string, in io.Reader, bar *screen.Progress) error {
	if bar != nil {
		in = bar.Reader(in)
	}
	type read struct {
		r   *kgo.Record
		err error
	}
	const ahead = 256
	reads := make(chan read, ahead)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(reads)
		emit := func(r *kgo.Record, err error) error {
			select {
			case reads <- read{r, err}:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if s.o.whole {
			var b bytes.Buffer
			if _, err := b.ReadFrom(in); err != nil {
				_ = emit(nil, err)
				return
			}
			v, err := s.p.format.Value.Decode(b.Bytes())
			if v == nil {
				v = []byte{}
			}
			_ = emit(&kgo.Record{Partition: -1, Value: v}, err)
			return
		}
		if err := record.Lines(in, s.p.format, func(r *kgo.Record) error { return emit(r, nil) }); err != nil {
			_ = emit(nil, err)
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.failed:
			return errStopped
		case r, ok := <-reads:
			switch {
			case !ok:
				return nil
			case r.err != nil:
				return fault.Failed("cannot read the records of %s", name).WithDetail("%v", r.err)
			}
			if err := s.send(ctx, r.r); err != nil {
				return err
			}
		}
	}
}

func (s *sender) send(ctx context.Context, r *kgo.Record) error {
	if s.o.keySet && !s.o.json || s.o.keySet && r.Key == nil {
		key, err := s.p.format.Key.Decode([]byte(s.o.key))
		if err != nil {
			return fault.Usage("--key %q is %w", s.o.key, err)
		}
		r.Key = key
	}
	if s.o.tombstone {
		r.Value = nil
	}
	r.Headers = append(r.Headers, s.p.headers...)
	switch {
	case s.o.partition >= 0:
		r.Partition = s.o.partition
	case s.o.keepPartition && r.Partition < 0:
		return fault.Failed("record %d names no partition", s.sent+1).WithHint("leave out --keep-partition to let the key decide")
	}
	if !s.p.timestamp.IsZero() {
		r.Timestamp = s.p.timestamp
	}
	if s.o.rate > 0 {
		due := s.start.Add(time.Duration(float64(s.sent) / s.o.rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-s.failed:
			case <-ctx.Done():
				timer.Stop()
				return ctx.Err()
			}
		}
	}
	s.sent++
	s.bytes += int64(len(r.Key) + len(r.Value))
	n := s.sent
	// The records outlive an interruption: what was read is still delivered, so the context carries no cancel.
	s.client.Produce(context.WithoutCancel(ctx), r, func(r *kgo.Record, err error) { s.acknowledged(n, r, err) })
	return nil
}

func (s *sender) acknowledged(n int64, r *kgo.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if s.failure == nil {
			s.failure = s.explain(n, r, err)
			close(s.failed)
		}
		return
	}
	s.acked++
	if !s.o.report {
		return
	}
	if s.env.JSON() {
		s.line = fmt.Appendf(s.line[:0], "{\"record\":%d,\"partition\":%d,\"offset\":%d}\n", n, r.Partition, r.Offset)
	} else {
		s.line = fmt.Appendf(s.line[:0], "%d\t%d\n", r.Partition, r.Offset)
	}
	if _, err := s.env.Out.Write(s.line); err != nil && s.failure == nil {
		s.failure = err
		close(s.failed)
	}
}

func (s *sender) explain(n int64, r *kgo.Record, err error) error {
	out := s.client.Explain(fmt.Sprintf("write record %d to topic %q", n, s.topic), err)
	e, ok := errors.AsType[*fault.Error](out)
	if !ok {
		return out
	}
	size := len(r.Key) + len(r.Value)
	switch {
	case errors.Is(err, kerr.MessageTooLarge):
		return e.WithDetail("it has %s; %s", screen.Bytes(size), e.Detail).
			WithHint(`"leat config set topic %s max.message.bytes=N" raises the topic's limit, --batch-bytes N this client's`, s.topic)
	case errors.Is(err, kgo.ErrRecordTimeout), errors.Is(err, kgo.ErrRecordRetries):
		return e.WithHint("the partition's leader does not accept records: see \"leat topic describe %s\"", s.topic)
	}
	return e
}

// finish waits for the last acknowledgements and says what was done.
func (s *sender) finish(ctx context.Context, readErr error) error {
	flushCtx, cancel := s.env.Deadline(context.WithoutCancel(ctx))
	defer cancel()
	flushErr := s.client.Flush(flushCtx)

	s.mu.Lock()
	failure, acked := s.failure, s.acked
	s.mu.Unlock()
	took := time.Since(s.start)
	interrupted := errors.Is(readErr, context.Canceled)
	switch {
	case failure != nil:
		if e, ok := errors.AsType[*fault.Error](failure); ok && acked > 0 {
			return e.WithDetail("%s\n%s before it", e.Detail, verb(acked, "record was", "records were")+" written")
		}
		return failure
	case flushErr != nil:
		return s.client.Explain(fmt.Sprintf("write to topic %q", s.topic), flushErr)
	case readErr != nil && !interrupted:
		if e, ok := errors.AsType[*fault.Error](readErr); ok && acked > 0 {
			return e.WithDetail("%s\n%s before it", e.Detail, verb(acked, "record was", "records were")+" written")
		}
		return readErr
	case interrupted && !s.env.InTerminal:
		return fault.Failed("interrupted after %s", screen.Plural(acked, "record")).
			WithDetail("all of them are written; the rest of the input was not read")
	}
	if s.o.quiet || s.o.report {
		return nil
	}
	if s.env.JSON() {
		return s.env.WriteJSON(struct {
			Topic   string  `json:"topic"`
			Records int64   `json:"records"`
			Bytes   int64   `json:"bytes"`
			Seconds float64 `json:"seconds"`
		}{s.topic, acked, s.bytes, took.Seconds()})
	}
	s.env.Notef("wrote %s (%s) to topic %q in %s", screen.Plural(acked, "record"), screen.Bytes(s.bytes), s.topic, screen.Duration(took))
	return nil
}

func verb(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return screen.Count(n) + " " + many
}
