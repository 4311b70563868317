package consume

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/record"
)

// pollPause is how long a poll waits, so that a group's assignment is noticed soon; idlePause how long nothing
// came before it is asked whether the end was reached without records to show it.
const (
	pollPause = 50 * time.Millisecond
	idlePause = 500 * time.Millisecond
)

// reader reads spans and prints them. In a group the spans are those of all partitions, and mine holds the ones
// that are assigned to this member.
type reader struct {
	env     *command.Env
	o       options
	admin   *command.Client
	spans   spans
	printer *record.Printer
	out     *output
	printed int64
	buf     []byte

	mu       sync.Mutex // guards what the group's callbacks change
	mine     spans
	coming   map[topicPartition]bool        // assigned, but where to start is not known yet
	assigned time.Time                      // of the last assignment, zero before the first
	recent   map[topicPartition]*kgo.Record // last printed record of each partition, not yet committed
}

func (r *reader) run(ctx context.Context) error {
	opts := []kgo.Opt{kgo.KeepControlRecords(), kgo.FetchMaxWait(idlePause)}
	if r.o.isolation == "read-committed" {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if r.o.group != "" {
		r.recent = map[topicPartition]*kgo.Record{}
		opts = append(opts, r.groupOptions()...)
	} else {
		r.mine = r.spans
		if !r.o.follow && r.spans.open() == 0 {
			return nil
		}
		start := map[string]map[int32]kgo.Offset{}
		for tp, sp := range r.spans {
			if !r.o.follow && sp.next >= sp.end {
				continue
			}
			if start[tp.topic] == nil {
				start[tp.topic] = map[int32]kgo.Offset{}
			}
			start[tp.topic][tp.partition] = kgo.NewOffset().At(sp.next)
		}
		opts = append(opts, kgo.ConsumePartitions(start))
	}
	client, err := r.env.Open(opts...)
	if err != nil {
		return err
	}
	if r.o.group == "" {
		defer client.Close()
	} else {
		defer r.leave(client)
	}
	err = r.loop(ctx, client)
	if err == nil || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = r.flush()
		if err == nil && r.o.group != "" && !r.o.noCommit {
			commitCtx, cancel := r.env.Deadline(context.WithoutCancel(ctx))
			defer cancel()
			err = r.commit(commitCtx, client)
		}
	}
	return err
}

func (r *reader) loop(ctx context.Context, client *command.Client) error {
	lastProgress, lastProbe := time.Now(), time.Now()
	for {
		if done := r.done(); done {
			return nil
		}
		pollCtx, cancel := context.WithTimeout(ctx, pollPause)
		fetches := client.PollFetches(pollCtx)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := r.errors(ctx, client, fetches); err != nil {
			return err
		}
		n, err := r.print(client, fetches)
		if err != nil {
			return err
		}
		switch {
		case n > 0:
			lastProgress = time.Now()
			if err := r.flush(); err != nil {
				return err
			}
			if r.o.group != "" && !r.o.noCommit {
				if err := r.commit(ctx, client); err != nil {
					return err
				}
			}
		case !r.o.follow && time.Since(lastProgress) > idlePause && time.Since(lastProbe) > idlePause:
			lastProbe = time.Now()
			if time.Since(lastProgress) > r.env.Timeout {
				if err := client.Lost(); err != nil {
					return err
				}
			}
			if err := r.skipEmpty(ctx); err != nil {
				return err
			}
		}
		if r.o.group != "" {
			client.AllowRebalance()
		}
	}
}

// done reports whether everything that was asked for is printed.
func (r *reader) done() bool {
	if r.o.maxRecords > 0 && r.printed >= r.o.maxRecords {
		return true
	}
	if r.o.follow {
		return false
	}
	if r.o.group == "" {
		return r.mine.open() == 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.assigned.IsZero(), len(r.coming) > 0:
		return false
	case len(r.mine) == 0:
		// The others may be about to give some away.
		return time.Since(r.assigned) > shareTimeout
	}
	return r.mine.open() == 0
}

func (r *reader) errors(ctx context.Context, client *command.Client, fetches kgo.Fetches) error {
	var out error
	fetches.EachError(func(topic string, partition int32, err error) {
		switch {
		case out != nil, errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		default:
			if loss, ok := errors.AsType[*kgo.ErrDataLoss](err); ok {
				r.env.Notef("partition %d of topic %q lost records: its leader has offsets up to %d, %d were read before; reading on from there",
					loss.Partition, loss.Topic, loss.ResetTo, loss.ConsumedTo)
				return
			}
			what := fmt.Sprintf("read partition %d of topic %q", partition, topic)
			if topic == "" {
				what = "consume"
				if r.o.group != "" {
					what = fmt.Sprintf("consume as a member of group %q", r.o.group)
				}
			}
			out = client.Explain(what, err)
		}
	})
	return out
}

// print writes the records that belong to the wanted spans and returns how many records came, printed or not.
func (r *reader) print(client *command.Client, fetches kgo.Fetches) (int, error) {
	came := 0
	var failure error
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		tp := topicPartition{p.Topic, p.Partition}
		r.mu.Lock()
		sp := r.mine[tp]
		r.mu.Unlock()
		for _, rec := range p.Records {
			if failure != nil {
				return
			}
			came++
			if sp != nil && !r.o.follow && rec.Offset >= sp.end {
				sp.next = max(sp.next, sp.end)
				return
			}
			if r.o.maxRecords > 0 && r.printed >= r.o.maxRecords {
				return
			}
			if !rec.Attrs.IsControl() {
				r.buf = r.printer.Append(r.buf[:0], rec)
				if _, err := r.out.w.Write(r.buf); err != nil {
					failure = err
					return
				}
				r.printed++
			}
			r.out.bar.Add(1)
			if r.recent != nil {
				r.recent[tp] = rec
			}
			if sp != nil {
				sp.next = rec.Offset + 1
			}
		}
		if sp != nil && !r.o.follow && sp.next >= sp.end {
			client.PauseFetchPartitions(map[string][]int32{p.Topic: {p.Partition}})
		}
	})
	return came, failure
}

func (r *reader) flush() error { return r.out.w.Flush() }

// skipEmpty moves over offsets that hold no record any more, which compaction leaves behind at the end of a
// partition: no record will ever come to show that the end was reached.
func (r *reader) skipEmpty(ctx context.Context) error {
	r.mu.Lock()
	waiting := map[topicPartition]*span{}
	for tp, sp := range r.mine {
		if sp.next < sp.end {
			waiting[tp] = sp
		}
	}
	r.mu.Unlock()
	for tp, sp := range waiting {
		next, err := emptyUntil(ctx, r.env, r.admin, tp, sp, r.o.isolation == "read-committed")
		if err != nil {
			return err
		}
		sp.next = max(sp.next, next)
	}
	return nil
}

// shareTimeout is how long a member without partitions waits for the others to give it some.
const shareTimeout = 5 * time.Second

// leaveTimeout bounds how long a member may take to leave its group.
const leaveTimeout = 5 * time.Second

func (r *reader) leave(client *command.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	client.AllowRebalance() // the last poll still holds it off
	if err := client.LeaveGroupContext(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		r.env.Notef("%s", fault.Text(client.Explain("leave the group", err)))
	}
	client.CloseAllowingRebalance()
}
