// Package position moves committed offsets of groups: it reads files of offsets, finds out what partitions hold, keeps new
// offsets inside of that, and commits them. Commands differ in where they move offsets to.
package position

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

// Partition names a partition of a topic.
type Partition struct {
	Topic     string
	Partition int32
}

// Move is the change of one partition's offset.
type Move struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	From      *int64 `json:"from"` // nil: none was committed
	To        int64  `json:"to"`
	note      string
}

// Start begins a move at the offset that is committed.
func Start(tp Partition, committed kadm.OffsetResponses) Move {
	m := Move{Topic: tp.Topic, Partition: tp.Partition}
	if c, ok := committed.Lookup(tp.Topic, tp.Partition); ok && c.Err == nil && c.At >= 0 {
		m.From = &c.At
	}
	return m
}

// MoveTo sets the new offset: it stays inside of what the partition holds, and Notes tells when it had to be changed for that.
func (m *Move) MoveTo(offset, start, end int64) {
	m.To = min(max(offset, start), end)
	if m.To != offset {
		m.note = fmt.Sprintf("offset %d is outside of what it holds, %d to %d", offset, start, end)
	}
}

// Notes tells of the offsets that are not as they were asked for.
func Notes(env *command.Env, moves []Move) {
	for _, m := range moves {
		if m.note != "" {
			env.Notef("partition %d of topic %q: %s", m.Partition, m.Topic, m.note)
		}
	}
}

// Held is what partitions hold.
type Held struct {
	Starts, Ends kadm.ListedOffsets
	ByTime       kadm.ListedOffsets // nil: no time was asked for

	client *command.Client
}

// Look asks for the offsets of topics, and for those of a time unless it is zero.
func Look(ctx context.Context, c *command.Client, at time.Time, topics ...string) (*Held, error) {
	starts, err := c.Admin.ListStartOffsets(ctx, topics...)
	if err != nil {
		return nil, c.Explain("read the topics' offsets", err)
	}
	ends, err := c.Admin.ListEndOffsets(ctx, topics...)
	if err != nil {
		return nil, c.Explain("read the topics' offsets", err)
	}
	h := &Held{Starts: starts, Ends: ends, client: c}
	if !at.IsZero() {
		if h.ByTime, err = c.Admin.ListOffsetsAfterMilli(ctx, at.UnixMilli(), topics...); err != nil {
			return nil, c.Explain("look up the time in the topics", err)
		}
	}
	return h, nil
}

// Bounds are the first offset of a partition and the one behind its last.
func (h *Held) Bounds(tp Partition) (start, end int64, err error) {
	first, ok1 := h.Starts.Lookup(tp.Topic, tp.Partition)
	last, ok2 := h.Ends.Lookup(tp.Topic, tp.Partition)
	if err := cmp.Or(first.Err, last.Err); err != nil || !ok1 || !ok2 {
		return 0, 0, h.client.Explain(fmt.Sprintf("read the offsets of partition %d of topic %q", tp.Partition, tp.Topic), cmp.Or(err, errors.New("the cluster does not know it")))
	}
	return first.Offset, last.Offset, nil
}

// AtTime is the offset of the first record from the time on, the end where there is none. ok is false when no time was asked for.
func (h *Held) AtTime(tp Partition, end int64) (offset int64, ok bool) {
	if h.ByTime == nil {
		return 0, false
	}
	if o, ok := h.ByTime.Lookup(tp.Topic, tp.Partition); ok && o.Err == nil && o.Offset >= 0 {
		return o.Offset, true
	}
	return end, true
}

// List writes moves as the admin client takes them.
func List(moves []Move) kadm.Offsets {
	offsets := kadm.Offsets{}
	for _, m := range moves {
		offsets.AddOffset(m.Topic, m.Partition, m.To, -1)
	}
	return offsets
}

// Commit commits the new offsets; what says in errors what was to be done.
func Commit(ctx context.Context, c *command.Client, group, what string, moves []Move) error {
	answers, err := c.Admin.CommitOffsets(ctx, group, List(moves))
	if err != nil {
		return c.Explain(what, err)
	}
	var failure error
	answers.EachError(func(r kadm.OffsetResponse) {
		if failure == nil {
			failure = c.Explain(fmt.Sprintf("%s for partition %d of topic %q", what, r.Partition, r.Topic), r.Err)
		}
	})
	return failure
}

// Read reads lines TOPIC,PARTITION,OFFSET from a file, - for standard input; topic names hold no comma.
func Read(env *command.Env, file string) (map[Partition]int64, error) {
	var in io.Reader = env.In
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fault.Usage("cannot read %s", file).WithDetail("%v", fault.PathCause(err))
		}
		defer f.Close()
		in = f
	}
	out := map[Partition]int64{}
	s := bufio.NewScanner(in)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		if line == "" {
			continue
		}
		fields := strings.Split(line, ",")
		bad := fault.Usage("%s, line %d: %q is not TOPIC,PARTITION,OFFSET", file, n, line)
		if len(fields) != 3 {
			return nil, bad
		}
		p, err1 := strconv.ParseInt(strings.TrimSpace(fields[1]), 10, 32)
		at, err2 := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
		if err1 != nil || err2 != nil || p < 0 || at < 0 {
			return nil, bad
		}
		out[Partition{strings.TrimSpace(fields[0]), int32(p)}] = at
	}
	if err := s.Err(); err != nil {
		return nil, fault.Failed("cannot read %s", file).WithDetail("%v", err)
	}
	return out, nil
}
